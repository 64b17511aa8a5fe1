#!/usr/bin/env python3
"""llama.cpp's own server over a model of random numbers that is made here: nothing is downloaded.

    llamacpp.py PORT

Needs the packages `xllamacpp` (llama.cpp with its server, built), `gguf` and `numpy`. What it writes is
noise, but it is the real server that reads the prompt, samples and streams.
"""
import pathlib
import sys
import tempfile
import threading

import gguf
import numpy
import xllamacpp

# Of the model: width, layers, heads, inner width, longest context.
WIDTH, LAYERS, HEADS, INNER, CONTEXT = 64, 2, 4, 128, 2048


def make(path):
    """A llama of a few hundred kilobytes; its words are the 256 bytes."""
    words = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    kinds = [gguf.TokenType.UNKNOWN, gguf.TokenType.CONTROL, gguf.TokenType.CONTROL] + [gguf.TokenType.BYTE] * 256
    words += ["\u2581", "a", "b"]
    kinds += [gguf.TokenType.NORMAL] * 3
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("noise")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_vocab_size(len(words))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(words)
    writer.add_token_scores([0.0] * len(words))
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    random = numpy.random.default_rng(7)

    def tensor(name, *shape):
        ones = name.endswith("norm.weight")
        values = numpy.ones(shape) if ones else random.normal(0, 0.1, shape)
        writer.add_tensor(name, values.astype(numpy.float32))

    tensor("token_embd.weight", len(words), WIDTH)
    tensor("output_norm.weight", WIDTH)
    tensor("output.weight", len(words), WIDTH)
    for layer in range(LAYERS):
        for name in ("attn_norm", "ffn_norm"):
            tensor(f"blk.{layer}.{name}.weight", WIDTH)
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            tensor(f"blk.{layer}.{name}.weight", WIDTH, WIDTH)
        for name in ("ffn_gate", "ffn_up"):
            tensor(f"blk.{layer}.{name}.weight", INNER, WIDTH)
        tensor(f"blk.{layer}.ffn_down.weight", WIDTH, INNER)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


with tempfile.TemporaryDirectory() as place:
    model = str(pathlib.Path(place) / "noise.gguf")
    make(model)
    wanted = xllamacpp.CommonParams()
    wanted.model.path = model
    wanted.port = int(sys.argv[1])
    wanted.n_ctx = CONTEXT
    wanted.n_parallel = 2
    wanted.chat_template = "chatml"
    wanted.warmup = False
    wanted.cpuparams.n_threads = 1
    server = xllamacpp.Server(wanted)
    print("listening at", server.listening_address, flush=True)
    threading.Event().wait()
