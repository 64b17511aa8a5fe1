#!/usr/bin/env python3
"""A server that speaks like Ollama and needs no model and no GPU: for trying a gateway.

    ollama_like.py [--listen 127.0.0.1:11434] [--pace 30]

It answers /api/version, /api/tags, /api/ps, /api/show, /api/chat, /api/generate, /v1/models and
/v1/chat/completions in Ollama's documented forms, streams included, at a realistic pace. "Count to
100" is counted, one token a number; everything else gets a text about gateways. Like Ollama on
loopback it answers 403 to names and pages that it does not know, so a proxy must say what
`--preset ollama` says. A browser that opens / sees a small chat page; the API says what Ollama says.
"""
import argparse
import datetime
import http.server
import json
import pathlib
import re
import socket
import time
import urllib.parse

MODELS = {"counter:latest": "1.1B", "talker:latest": "7.6B"}
VERSION = "0.12.6"
# How long the prompt is read before the first token comes, in seconds.
PREFILL = 0.4
# The largest body that is read, in bytes: images come in base64.
BODY_MAX = 100_000_000
COUNT_MAX = 100_000
# How long a model stays loaded after its last request, in seconds.
KEEP_ALIVE = 300
TALK = (
    "A gateway stands between people and programs. It gives each program a name, shows a "
    "certificate that the house has signed, and asks every few seconds whether somebody is still "
    "at home. When an engine writes, the gateway hands each word over the moment it comes: it does "
    "not wait for the sentence, and it does not keep a copy. Whoever leaves early is noticed, so "
    "that the engine can serve the next one. And while others move in and out of the same house, "
    "nobody who is being read to hears a pause."
)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Tokens are small, and each must leave at once.
    disable_nagle_algorithm = True

    def do_GET(self):
        if not self.welcome():
            return
        path = urllib.parse.urlsplit(self.path).path
        pages = {
            "/api/version": lambda: {"version": VERSION},
            "/api/tags": lambda: {"models": [described(name) for name in MODELS]},
            "/api/ps": lambda: {"models": loaded()},
            "/v1/models": lambda: {"object": "list", "data": [openai_model(n) for n in MODELS]},
        }
        if path in pages:
            self.reply(200, pages[path]())
        elif path == "/" and "text/html" in self.headers.get("Accept", ""):
            page = pathlib.Path(__file__).with_name("page.html").read_bytes()
            self.reply(200, page, "text/html; charset=utf-8")
        elif path == "/":
            self.reply(200, b"Ollama is running", "text/plain; charset=utf-8")
        else:
            self.reply(404, b"404 page not found", "text/plain")

    do_HEAD = do_GET

    def do_POST(self):
        if not self.welcome():
            return
        asked = self.asked()
        if asked is None:
            return
        doors = {
            "/api/chat": self.chat,
            "/api/generate": self.generate,
            "/api/show": self.show,
            "/v1/chat/completions": self.completions,
        }
        door = doors.get(urllib.parse.urlsplit(self.path).path)
        if door is None:
            self.reply(404, b"404 page not found", "text/plain")
            return
        model = asked.get("model", "")
        name = model if ":" in model else f"{model}:latest"
        if name not in MODELS:
            self.reply(404, {"error": f"model '{model}' not found"})
            return
        USED[name] = time.time()
        try:
            door(name, asked)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
            print(f"{name}: the client left, the answer is not written to its end", flush=True)

    # What is answered.

    def chat(self, model, asked):
        messages = asked.get("messages") or []
        self.tell(
            model, asked, asked.get("stream", True),
            lambda text, _: {"message": {"role": "assistant", "content": text}},
            prompt_of(messages),
        )

    def generate(self, model, asked):
        self.tell(
            model, asked, asked.get("stream", True),
            lambda text, done: {"response": text} | ({"context": []} if done else {}),
            str(asked.get("prompt", "")),
        )

    def show(self, model, _asked):
        details = described(model)["details"]
        self.reply(200, {
            "modelfile": f"FROM {model}\n", "parameters": "", "template": "{{ .Prompt }}",
            "details": details, "model_info": {"general.architecture": "none"},
            "capabilities": ["completion"],
        })

    def tell(self, model, asked, streamed, shape, prompt):
        """One object a line, or one object in all."""
        began = time.monotonic_ns()
        words = answer_to(prompt, limit_of(asked.get("options") or {}, "num_predict"))
        time.sleep(PREFILL)
        read = time.monotonic_ns()

        def line(text, **more):
            return {"model": model, "created_at": now()} | shape(text, "done_reason" in more) | \
                {"done": False} | more

        def last(text):
            return line(
                text, done=True, done_reason="stop", total_duration=time.monotonic_ns() - began,
                load_duration=1_000_000, prompt_eval_count=len(prompt.split()),
                prompt_eval_duration=read - began, eval_count=len(words),
                eval_duration=time.monotonic_ns() - read,
            )

        if streamed:
            self.begin("application/x-ndjson")
            for word in paced(words):
                self.piece(json.dumps(line(word)).encode() + b"\n")
            self.piece(json.dumps(last("")).encode() + b"\n")
            self.piece(b"")
        else:
            self.reply(200, last("".join(paced(words))))

    def completions(self, model, asked):
        """OpenAI's form: server-sent events, or one object."""
        words = answer_to(prompt_of(asked.get("messages") or []), limit_of(asked, "max_tokens"))
        whole = {"id": f"chatcmpl-{time.monotonic_ns() % 1000}", "created": int(time.time()), "model": model,
                 "system_fingerprint": "fp_ollama"}
        time.sleep(PREFILL)
        if not asked.get("stream", False):
            text = "".join(paced(words))
            choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
            self.reply(200, whole | {"object": "chat.completion", "choices": [choice]})
            return
        self.begin("text/event-stream")

        def event(delta, reason=None):
            choice = {"index": 0, "delta": delta, "finish_reason": reason}
            body = whole | {"object": "chat.completion.chunk", "choices": [choice]}
            self.piece(b"data: " + json.dumps(body).encode() + b"\n\n")

        for word in paced(words):
            event({"role": "assistant", "content": word})
        event({"role": "assistant", "content": ""}, "stop")
        self.piece(b"data: [DONE]\n\n")
        self.piece(b"")

    # How it is written.

    def welcome(self):
        """Whether this name and this page may ask, as Ollama on loopback decides it."""
        host = urllib.parse.urlsplit("//" + self.headers.get("Host", "")).hostname or ""
        origin = urllib.parse.urlsplit(self.headers.get("Origin", ""))
        ours = ("localhost", "127.0.0.1", "0.0.0.0")
        known = host in ("", socket.gethostname().lower()) or host in ours or \
            host.endswith((".localhost", ".local", ".internal"))
        same = origin.netloc == self.headers.get("Host")
        if known and (not origin.netloc or same or origin.hostname in ours):
            return True
        self.close_connection = True
        self.reply(403, b"", "text/plain")
        return False

    def asked(self):
        length = int(self.headers.get("Content-Length") or 0)
        if length > BODY_MAX or self.headers.get("Transfer-Encoding"):
            self.close_connection = True
            self.reply(413, {"error": "the body is too large, or has no length"})
            return None
        try:
            asked = json.loads(self.rfile.read(length) or b"{}")
            if isinstance(asked, dict):
                return asked
        except ValueError:
            pass
        self.reply(400, {"error": "the body is no JSON object"})
        return None

    def reply(self, status, body, kind="application/json; charset=utf-8"):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def begin(self, kind):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def piece(self, data):
        """One chunk; an empty one ends the answer."""
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def log_message(self, format, *arguments):
        if not self.path.startswith("/api/version"):
            super().log_message(format, *arguments)


def prompt_of(messages):
    """The text of the last message; in OpenAI's form it may be in parts."""
    content = messages[-1].get("content", "") if messages else ""
    if isinstance(content, list):
        return " ".join(part.get("text", "") for part in content)
    return str(content)


def answer_to(prompt, limit):
    """The tokens of the answer; each but the first begins with a space."""
    count = re.search(r"count\D{0,20}?(?:from 1 )?to (\d+)", prompt, re.IGNORECASE)
    if count:
        words = [str(number) for number in range(1, min(int(count[1]), COUNT_MAX) + 1)]
    else:
        words = TALK.split(" ")
    words = words[:limit]
    return words[:1] + [" " + word for word in words[1:]]


def limit_of(options, key):
    limit = options.get(key)
    return limit if isinstance(limit, int) and limit > 0 else None


def paced(words):
    """Each word when its time has come, however long the one before took to send."""
    begun = time.monotonic()
    for number, word in enumerate(words):
        wait = begun + number / PACE - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        yield word


def described(name):
    return {
        "name": name, "model": name, "modified_at": "2025-01-01T00:00:00Z", "size": 1_300_000_000,
        "digest": f"{abs(hash(name)):064x}",
        "details": {"parent_model": "", "format": "gguf", "family": "none", "families": ["none"],
                    "parameter_size": MODELS[name], "quantization_level": "Q4_K_M"},
    }


def loaded():
    fresh = [name for name, used in USED.items() if time.time() - used < KEEP_ALIVE]
    until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=KEEP_ALIVE)
    return [described(name) | {"expires_at": until.isoformat(), "size_vram": 1_300_000_000, "context_length": 4096}
            for name in fresh]


def openai_model(name):
    return {"id": name, "object": "model", "created": 1735689600, "owned_by": "library"}


def now():
    return datetime.datetime.now(datetime.timezone.utc).isoformat().replace("+00:00", "Z")


# When each model was last asked.
USED = {}
# Tokens a second.
PACE = 30.0

if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--listen", default="127.0.0.1:11434", help="address and port")
    arguments.add_argument("--pace", type=float, default=PACE, help="tokens a second")
    chosen = arguments.parse_args()
    PACE = chosen.pace
    host, port = chosen.listen.rsplit(":", 1)
    http.server.ThreadingHTTPServer.request_queue_size = 128
    server = http.server.ThreadingHTTPServer((host, int(port)), Handler)
    print(f"listening on {host}:{server.server_port}, {PACE:g} tokens a second", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print()
