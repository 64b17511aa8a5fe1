"""A gRPC server and a client for it, as people write them; the test tests/e2e/grpc.rs puts the
gateway in between. `serve` prints its port and ends with its standard input; `call PORT BUNDLE HOST`
ends with 0 when everything came through."""

import queue
import sys
from concurrent import futures

import grpc

PATIENCE = 20  # seconds for any call
LARGE = b"x" * (3 << 20)


def unary(request, context):
    metadata = dict(context.invocation_metadata())
    context.send_initial_metadata((("x-initial", metadata.get("x-mine", "none")),))
    context.set_trailing_metadata((("x-trailing", "end"), ("x-bytes-bin", b"\x00\xff")))
    return request.upper()


def server_stream(request, context):
    for index in range(int(request)):
        yield str(index).encode()


def bidi(requests, context):
    for request in requests:
        yield request.upper()


def failing(request, context):
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not today: \N{SNOWMAN}")


def waiting(request, context):
    cancelled = queue.Queue()
    context.add_callback(lambda: cancelled.put(True))
    CANCELLED.put(cancelled.get(timeout=PATIENCE))
    return b""


def was_cancelled(request, context):
    return str(CANCELLED.get(timeout=PATIENCE)).encode()


CANCELLED = queue.Queue()


def serve():
    methods = {
        "Unary": grpc.unary_unary_rpc_method_handler(unary),
        "ServerStream": grpc.unary_stream_rpc_method_handler(server_stream),
        "Bidi": grpc.stream_stream_rpc_method_handler(bidi),
        "Failing": grpc.unary_unary_rpc_method_handler(failing),
        "Waiting": grpc.unary_unary_rpc_method_handler(waiting),
        "WasCancelled": grpc.unary_unary_rpc_method_handler(was_cancelled),
    }
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Test", methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    sys.stdin.read()
    server.stop(grace=None)


def call(port, bundle, host):
    with open(bundle, "rb") as file:
        credentials = grpc.ssl_channel_credentials(file.read())
    options = (("grpc.ssl_target_name_override", host), ("grpc.default_authority", host))
    with grpc.secure_channel(f"127.0.0.1:{port}", credentials, options) as channel:
        check_unary(channel)
        check_streams(channel)
        check_errors(channel)
        check_cancelling(channel)


def check_unary(channel):
    ask = channel.unary_unary("/test.Test/Unary")
    answer, info = ask.with_call(b"hello", metadata=(("x-mine", "7"),), timeout=PATIENCE)
    assert answer == b"HELLO", answer
    assert dict(info.initial_metadata())["x-initial"] == "7", info.initial_metadata()
    trailing = dict(info.trailing_metadata())
    assert trailing["x-trailing"] == "end" and trailing["x-bytes-bin"] == b"\x00\xff", trailing
    assert ask(LARGE, timeout=PATIENCE) == LARGE.upper()
    assert ask(b"", timeout=PATIENCE) == b""


def check_streams(channel):
    numbers = channel.unary_stream("/test.Test/ServerStream")(b"100", timeout=PATIENCE)
    assert [int(number) for number in numbers] == list(range(100))
    # Each is said only after the one before was heard: both halves are open at once.
    said = queue.Queue()
    answers = channel.stream_stream("/test.Test/Bidi")(iter(said.get, None), timeout=PATIENCE)
    for word in (b"one", b"two", b"three"):
        said.put(word)
        assert next(answers) == word.upper()
    said.put(None)
    assert list(answers) == []
    assert answers.code() == grpc.StatusCode.OK, answers.code()


def check_errors(channel):
    for method, code, text in (
        ("Failing", grpc.StatusCode.FAILED_PRECONDITION, "not today: \N{SNOWMAN}"),
        ("Nothing", grpc.StatusCode.UNIMPLEMENTED, "Method not found!"),
    ):
        try:
            channel.unary_unary(f"/test.Test/{method}")(b"", timeout=PATIENCE)
            raise AssertionError(f"{method} was answered")
        except grpc.RpcError as error:
            assert (error.code(), error.details()) == (code, text), error


def check_cancelling(channel):
    call = channel.unary_unary("/test.Test/Waiting").future(b"", timeout=PATIENCE)
    # Whoever answers this has taken the call before it.
    channel.unary_unary("/test.Test/Unary")(b"", timeout=PATIENCE)
    call.cancel()
    assert channel.unary_unary("/test.Test/WasCancelled")(b"", timeout=PATIENCE) == b"True"


if __name__ == "__main__":
    {"serve": serve, "call": call}[sys.argv[1]](*sys.argv[2:])
