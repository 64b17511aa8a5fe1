#!/usr/bin/env python3
"""The streaming contract, measured through a proxy from outside.

A subject is a proxy that forwards every request for HOST to the upstream that this program starts.
Each check measures one clause of the contract and says whether it holds. With --assert, a clause that
does not hold makes the program fail; without, it is only reported.

The standard library is enough. See conformance/README.md.
"""

import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
import threading
import time

from client import ENABLE_CONNECT_PROTOCOL, HEADERS, Http1, Http2, connect
from upstream import BLOCK, Upstream

CHECKS = []
CANCEL_MS_MAX = 100
ADDED_MS_MAX = 50
HEAD_MS_MAX = 300
NEIGHBOUR_MS_MAX = 1000
MEMORY_MB_MAX = 16
COUNT = 20
LARGE_BYTES = 50_000_000
TUNNEL = b"\x81\x85\x01\x02\x03\x04" + bytes(b ^ m for b, m in zip(b"hello", b"\x01\x02\x03\x04\x01"))


class Subject:
    def __init__(self, options):
        self.name = options.name
        self.host = options.host
        self.address = address_of(options.address)
        self.tls = not options.clear
        self.reload = options.reload
        self.pid = options.pid
        self.silence = options.silence


class Direct:
    """The upstream itself, to measure what a subject adds."""

    def __init__(self, upstream):
        self.host, self.address, self.tls = "direct.internal", upstream.address, False


class Failed(Exception):
    """The clause does not hold; the text is what was seen."""


class NotTried(Exception):
    """Something that the check needs is not here."""


def check(clause):
    def enter(function):
        CHECKS.append((clause, function))
        return function

    return enter


def expect(condition, seen):
    if not condition:
        raise Failed(seen)


@check("first byte: added delay")
def first_byte(subject, upstream):
    def median(where):
        taken = []
        client = Http1(where)
        for number in range(30):
            begun = time.monotonic()
            client.ask("/events/first?count=1&every=0")
            _, fields = client.head()
            when = next(iter(client.pieces(fields)))[0]
            taken.append(when - begun)
            client.leave()
            client = Http1(where)
        client.leave()
        return statistics.median(taken)

    added = (median(subject) - median(Direct(upstream))) * 1000
    expect(added < ADDED_MS_MAX, f"{added:.1f} ms")
    return f"{added:.1f} ms"


@check("each event: delay, p50 / p99")
def event_delay(subject, upstream):
    client = Http1(subject)
    client.ask("/events/delay?count=200&every=0.005")
    _, fields = client.head()
    delays = []
    for when, data in client.pieces(fields):
        for line in data.decode().split("\n\n"):
            if line:
                delays.append((when - float(line.split()[2])) * 1000)
    client.leave()
    delays.sort()
    seen = f"{delays[len(delays) // 2]:.2f} / {delays[len(delays) * 99 // 100]:.2f} ms"
    expect(delays[len(delays) // 2] < ADDED_MS_MAX, seen)
    return seen


def chunks(subject, kind):
    client = Http1(subject)
    client.ask(f"/{kind}/chunks?count={COUNT}&every=0.02")
    _, fields = client.head()
    pieces = list(client.pieces(fields))
    client.leave()
    return one_by_one(pieces)


def one_by_one(pieces):
    spread = pieces[-1][0] - pieces[0][0]
    expect(len(pieces) == COUNT, f"{len(pieces)} of {COUNT}")
    expect(spread > 0.02 * COUNT / 2, f"{COUNT}, but all within {spread * 1000:.0f} ms")
    return f"{len(pieces)} of {COUNT}"


@check("chunks 1:1, SSE")
def chunks_of_events(subject, upstream):
    return chunks(subject, "events")


@check("chunks 1:1, NDJSON")
def chunks_of_lines(subject, upstream):
    return chunks(subject, "lines")


@check("chunks 1:1, SSE over HTTP/2")
def chunks_h2(subject, upstream):
    client = Http2(subject)
    stream = client.ask(f"/events/chunks?count={COUNT}&every=0.02")
    client.status(stream)
    pieces = list(client.pieces(stream))
    client.leave()
    return one_by_one(pieces)


@check("head before the first chunk")
def head_at_once(subject, upstream):
    client = Http1(subject)
    begun = time.monotonic()
    client.ask("/late-events/head?wait=0.7")
    client.head()
    taken = (time.monotonic() - begun) * 1000
    client.leave()
    expect(taken < HEAD_MS_MAX, f"{taken:.0f} ms")
    return f"{taken:.0f} ms"


@check("head before the first chunk, HTTP/2")
def head_at_once_h2(subject, upstream):
    client = Http2(subject)
    begun = time.monotonic()
    stream = client.ask("/late-events/head2?wait=0.7")
    got = client.frame_of(stream)
    client.leave()
    expect(got is not None and got[1] == HEADERS, "no head")
    taken = (got[0] - begun) * 1000
    expect(taken < HEAD_MS_MAX, f"{taken:.0f} ms")
    return f"{taken:.0f} ms"


def fields_of_stream(subject):
    client = Http1(subject)
    client.ask("/events/plain?count=1&every=0", fields=[("accept-encoding", "gzip, br, zstd")])
    _, fields = client.head()
    client.leave()
    return fields


@check("event streams are not compressed")
def not_compressed(subject, upstream):
    encoding = fields_of_stream(subject).get("content-encoding")
    expect(encoding is None, encoding)
    return "plain"


@check("outer proxies are told not to buffer or compress")
def outer_proxies(subject, upstream):
    fields = fields_of_stream(subject)
    expect(fields.get("x-accel-buffering") == "no", "no X-Accel-Buffering")
    expect("no-transform" in fields.get("cache-control", ""), "no no-transform")
    return "told"


def cancelled(upstream, name, wait_for, leave):
    seen = upstream.of(name)
    expect(seen.wait(wait_for, 10) is not None, "the request did not arrive")
    begun = time.monotonic()
    leave()
    end = seen.wait("end", 10)
    expect(end is not None, "never (10 s)")
    taken = (end - begun) * 1000
    expect(taken < CANCEL_MS_MAX, f"{taken:.0f} ms")
    return f"{taken:.1f} ms"


@check("cancel: streaming")
def cancel_streaming(subject, upstream):
    client = Http1(subject)
    client.ask("/endless/cancel-stream")
    _, fields = client.head()
    next(iter(client.pieces(fields)))
    return cancelled(upstream, "cancel-stream", "request", client.leave)


@check("cancel: prefill")
def cancel_prefill(subject, upstream):
    client = Http1(subject)
    client.ask("/never/cancel-prefill", method="POST", body=b'{"stream":true}')
    return cancelled(upstream, "cancel-prefill", "whole", client.leave)


@check("cancel: not streaming, by RST")
def cancel_whole(subject, upstream):
    client = Http1(subject)
    client.ask("/never/cancel-whole", method="POST", body=b'{"stream":false}')
    return cancelled(upstream, "cancel-whole", "whole", client.reset)


@check("cancel: streaming, HTTP/2")
def cancel_streaming_h2(subject, upstream):
    client = Http2(subject)
    stream = client.ask("/endless/cancel-stream-h2")
    client.status(stream)
    next(iter(client.pieces(stream)))
    return cancelled(upstream, "cancel-stream-h2", "request", lambda: client.cancel(stream))


@check("cancel: prefill, HTTP/2")
def cancel_prefill_h2(subject, upstream):
    client = Http2(subject)
    stream = client.ask("/never/cancel-prefill-h2", method="POST", end=False)
    client.send(stream, b'{"stream":true}', end=True)
    return cancelled(upstream, "cancel-prefill-h2", "whole", lambda: client.cancel(stream))


@check("silent prefill survives")
def prefill(subject, upstream):
    client = Http1(subject)
    client.socket.settimeout(subject.silence + 30)
    client.ask(f"/prefill/prefill?wait={subject.silence}", method="POST", body=b"{}")
    status, _ = client.head()
    client.leave()
    expect(status == 200, f"{status} after at most {subject.silence:.0f} s")
    return f"{subject.silence:.0f} s"


@check("silence in a stream survives")
def gap(subject, upstream):
    client = Http1(subject)
    client.socket.settimeout(subject.silence + 30)
    client.ask(f"/gap/gap?wait={subject.silence}")
    _, fields = client.head()
    count = len(list(client.pieces(fields)))
    client.leave()
    expect(count == 2, f"{count} of 2 events")
    return f"{subject.silence:.0f} s"


@check("slow reader and its neighbours, HTTP/2")
def slow_reader(subject, upstream):
    client = Http2(subject)
    slow = client.ask(f"/large/slow?size={LARGE_BYTES}")
    client.status(slow)
    # Its window is full now, and nobody enlarges it.
    worst = 0
    for number in range(10):
        begun = time.monotonic()
        stream = client.ask(f"/prefill/fast{number}?wait=0")
        client.status(stream)
        list(client.pieces(stream))
        worst = max(worst, (time.monotonic() - begun) * 1000)
    taken = upstream.of("slow").values.get("sent", 0)
    client.leave()
    expect(worst < NEIGHBOUR_MS_MAX, f"{worst:.0f} ms")
    expect(taken < LARGE_BYTES, f"{worst:.0f} ms, but the whole body was read")
    return f"{worst:.0f} ms"


@check("50 MB down, intact")
def download(subject, upstream):
    client = Http1(subject)
    begun = time.monotonic()
    client.ask(f"/large/down?size={LARGE_BYTES}")
    _, fields = client.head()
    digest = hashlib.sha256()
    for _, data in client.pieces(fields):
        digest.update(data)
    taken = time.monotonic() - begun
    client.leave()
    expect(digest.hexdigest() == large_hash(), "it was changed")
    return f"{taken:.1f} s"


@check("50 MB up, intact, streamed")
def upload(subject, upstream):
    before = memory(subject)
    body = (BLOCK * (LARGE_BYTES // len(BLOCK) + 1))[:LARGE_BYTES]
    client = Http1(subject)
    begun = time.monotonic()
    client.ask("/upload/up", method="POST", fields=[("content-length", LARGE_BYTES)])
    sender = threading.Thread(target=send_quietly, args=(client, body))
    sender.start()
    early = upstream.of("up").wait("request", 10)
    # One thread at a time: OpenSSL's connections are not for reading and writing at once.
    sender.join()
    status, fields = client.head()
    data = b"".join(data for _, data in client.pieces(fields))
    taken = time.monotonic() - begun
    client.leave()
    expect(status == 200, f"{status}")
    expect(data.decode() == f"{LARGE_BYTES} {large_hash()}", "it was changed")
    grown = memory(subject) - before
    expect(grown < MEMORY_MB_MAX, f"{taken:.1f} s, +{grown:.0f} MB of memory")
    return f"{taken:.1f} s, head after {(early - begun) * 1000:.0f} ms"


@check("Expect: a refused body is never sent")
def expect_continue(subject, upstream):
    client = Http1(subject)
    client.ask(
        "/refuse/expect", method="PUT", fields=[("content-length", 1000), ("expect", "100-continue")]
    )
    status, _ = client.head()
    client.leave()
    expect(status != 100, "asked for by the proxy alone")
    expect(status == 413, f"{status}")
    return "413, unsent"


@check("the upstream dies: no clean end")
def dies(subject, upstream):
    client = Http1(subject)
    client.ask("/die/die")
    _, fields = client.head()
    try:
        list(client.pieces(fields))
    except (ConnectionError, OSError):
        return "broken"
    finally:
        client.leave()
    raise Failed("ended as if it were whole")


@check("the upstream dies: no clean end, HTTP/2")
def dies_h2(subject, upstream):
    client = Http2(subject)
    stream = client.ask("/die/die2")
    client.status(stream)
    try:
        list(client.pieces(stream))
    except ConnectionError:
        return "reset"
    finally:
        client.leave()
    raise Failed("ended as if it were whole")


@check("the upstream dies: an error event")
def dies_with_event(subject, upstream):
    client = Http1(subject)
    client.ask("/die/die3")
    _, fields = client.head()
    data = b""
    try:
        for _, piece in client.pieces(fields):
            data += piece
    except (ConnectionError, OSError):
        pass
    client.leave()
    expect(data.startswith(b"data: 0\n\ndata: 1\n\n"), "events were lost")
    last = data.split(b"\n\n")[-2].removeprefix(b"data: ")
    expect(last.startswith(b"{"), "none")
    return json.loads(last)["error"]["code"]


@check("fields pass that nobody knows")
def unknown_fields(subject, upstream):
    client = Http1(subject)
    client.ask("/echo/echo", fields=[("x-unknown-question", "kept")])
    _, fields = client.head()
    body = b"".join(data for _, data in client.pieces(fields))
    client.leave()
    expect(b"x-unknown-question: kept" in body, "the request's is gone")
    expect(fields.get("x-unknown-answer") == "kept", "the answer's is gone")
    return "both ways"


@check("changes of configuration under a stream")
def reload_under_stream(subject, upstream):
    if not subject.reload:
        raise NotTried
    client = Http1(subject)
    client.ask("/events/reload?count=60&every=0.05")
    _, fields = client.head()
    pieces = iter(client.pieces(fields))
    next(pieces)
    subprocess.run(subject.reload, shell=True, check=True, stdout=subprocess.DEVNULL)
    rest = sum(1 for _ in pieces)
    client.leave()
    expect(rest == 59, f"{rest} of 59 events")
    return "whole"


def web_socket(subject):
    client = Http1(subject)
    client.ask(
        "/ws/ws",
        fields=[
            ("connection", "Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ],
    )
    status, fields = client.head()
    expect(status == 101, f"{status}")
    expect(fields.get("sec-websocket-accept") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "a wrong answer")
    return client


def echo(client):
    client.socket.sendall(TUNNEL)
    return client.reader.read(len(TUNNEL)) == TUNNEL


@check("WebSocket")
def web_socket_h1(subject, upstream):
    client = web_socket(subject)
    same = echo(client)
    client.leave()
    expect(same, "changed")
    return "echoed"


@check("WebSocket through changes of configuration")
def web_socket_reload(subject, upstream):
    if not subject.reload:
        raise NotTried
    client = web_socket(subject)
    echo(client)
    subprocess.run(subject.reload, shell=True, check=True, stdout=subprocess.DEVNULL)
    # What a proxy cuts, it cuts soon.
    time.sleep(1)
    same = echo(client)
    client.leave()
    expect(same, "cut")
    return "lives"


@check("WebSocket over HTTP/2")
def web_socket_h2(subject, upstream):
    client = Http2(subject)
    expect(client.settings.get(ENABLE_CONNECT_PROTOCOL) == 1, "not offered")
    stream = client.ask(
        "/ws/ws2",
        method="CONNECT",
        protocol="websocket",
        fields=[("sec-websocket-version", "13")],
        end=False,
    )
    expect(client.status(stream) == 200, "refused")
    client.send(stream, TUNNEL)
    got = b""
    for _, data in client.pieces(stream):
        got += data
        if len(got) >= len(TUNNEL):
            break
    expect(got == TUNNEL, "changed")
    client.cancel(stream)
    expect(upstream.of("ws2").wait("end", 10) is not None, "echoed, but the upstream was left open")
    client.leave()
    return "echoed"


@check("WebSocket over HTTP/2, python-h2 and websockets")
def web_socket_h2_others(subject, upstream):
    try:
        from h2.config import H2Configuration
        from h2.connection import H2Connection
        from h2.events import DataReceived, ResponseReceived
        from websockets.frames import Frame, Opcode
        from websockets.streams import StreamReader
    except ImportError as missing:
        raise NotTried from missing
    raw = connect(subject, "h2")
    other = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
    other.initiate_connection()
    stream, reader, answers, status = None, StreamReader(), [], None
    texts = [f"message {number}" for number in range(5)]
    raw.sendall(other.data_to_send())
    while len(answers) < len(texts):
        data = raw.recv(65536)
        expect(data, f"ended after {len(answers)} answers")
        for event in other.receive_data(data):
            if isinstance(event, ResponseReceived):
                status = dict(event.headers)[":status"]
                expect(status == "200", status)
                for text in texts:
                    other.send_data(stream, Frame(Opcode.TEXT, text.encode()).serialize(mask=True))
            elif isinstance(event, DataReceived):
                reader.feed_data(event.data)
                other.acknowledge_received_data(event.flow_controlled_length, stream)
        while frame := whole_frame(Frame, reader):
            answers.append(frame.data.decode())
        if stream is None and other.remote_settings.enable_connect_protocol:
            stream = other.get_next_available_stream_id()
            fields = [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "https")]
            fields += [(":path", "/ws-text/ws3"), (":authority", subject.host)]
            other.send_headers(stream, [*fields, ("sec-websocket-version", "13")])
        elif stream is None:
            raise Failed("not offered")
        raw.sendall(other.data_to_send())
    raw.close()
    expect(answers == texts, "changed")
    return "echoed"


def whole_frame(kind, reader):
    """The next frame if all of it is there."""
    if len(reader.buffer) < 2 or len(reader.buffer) < 2 + (reader.buffer[1] & 0x7F):
        return None
    parser = kind.parse(reader.read_exact, mask=False)
    try:
        next(parser)
    except StopIteration as done:
        return done.value
    return None


def large_hash():
    whole, rest = divmod(LARGE_BYTES, len(BLOCK))
    digest = hashlib.sha256()
    for _ in range(whole):
        digest.update(BLOCK)
    digest.update(BLOCK[:rest])
    return digest.hexdigest()


def send_quietly(client, body):
    try:
        client.socket.sendall(body)
    except OSError:
        pass


def memory(subject):
    """The most memory that the subject has had, in MB; 0 when its process is not known."""
    if not subject.pid:
        return 0
    with open(f"/proc/{subject.pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


def until_ready(subject):
    end = time.monotonic() + 30
    while True:
        try:
            client = Http1(subject)
            client.ask("/ready/ready")
            status, _ = client.head()
            client.leave()
            if status == 200:
                return
        except OSError:
            pass
        if time.monotonic() > end:
            sys.exit(f"{subject.name} does not forward to the upstream")
        time.sleep(0.1)


def address_of(text):
    host, _, port = text.rpartition(":")
    return host, int(port)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--name", required=True, help="of the subject, for the table")
    parser.add_argument("--address", required=True, help="where the subject listens, HOST:PORT")
    parser.add_argument("--clear", action="store_true", help="it speaks no TLS there")
    parser.add_argument("--host", default="streams.internal", help="the host that is asked for")
    parser.add_argument("--upstream", required=True, help="where to be the upstream, HOST:PORT")
    parser.add_argument("--reload", help="a command that changes or reloads its configuration")
    parser.add_argument("--pid", type=int, help="its process, to watch its memory")
    parser.add_argument("--silence", type=float, default=5, help="seconds of prefill (default 5)")
    parser.add_argument("--assert", dest="asserts", action="store_true", help="fail if a clause does")
    parser.add_argument("--only", help="clauses whose name contains this")
    parser.add_argument("--out", help="where to write the results, as JSON")
    options = parser.parse_args()
    upstream = Upstream(address_of(options.upstream))
    subject = Subject(options)
    until_ready(subject)
    results = []
    for clause, function in CHECKS:
        if options.only and options.only not in clause:
            continue
        try:
            seen, holds = function(subject, upstream), True
        except NotTried:
            seen, holds = "not tried", None
        except Failed as failed:
            seen, holds = str(failed), False
        except (OSError, ValueError, IndexError, StopIteration, subprocess.CalledProcessError) as error:
            seen, holds = f"{type(error).__name__}: {error}", False
        results.append({"clause": clause, "seen": seen, "holds": holds})
        word = {True: "ok", False: "FAILED", None: "SKIPPED:"}[holds]
        print(f"{word} {subject.name}: {clause}: {seen}", flush=True)
    if options.out:
        with open(options.out, "w") as out:
            json.dump({"subject": subject.name, "results": results}, out)
    failed = sum(result["holds"] is False for result in results)
    held = sum(result["holds"] is True for result in results)
    print(f"{subject.name}: {held} of {held + failed} clauses hold")
    # The upstream's threads may still be waiting for somebody.
    sys.stdout.flush()
    os._exit(1 if failed and options.asserts else 0)


if __name__ == "__main__":
    main()
