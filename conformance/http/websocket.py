"""WebSocket abuse (RFC 6455), with python-websockets as the upstream: the proxy passes what was
switched and nothing else, and what was not switched stays HTTP."""

import logging
import struct
import threading
import time

from cases import Lie
from wire import Http1, Http2

CHAT = "chat.internal"
KEY = b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
VERSION = b"sec-websocket-version: 13"
SWITCH = (b"connection: Upgrade", b"upgrade: websocket")
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
MASK = b"\x01\x02\x03\x04"


class NotTried(Exception):
    """Something that the check needs is not here."""


def serve(address):
    """python-websockets, sending every message back; None where it is not installed."""
    try:
        from websockets.sync.server import serve as listen
    except ImportError:
        return None
    logging.getLogger("websockets").setLevel(logging.CRITICAL)

    def echo(connection):
        for message in connection:
            connection.send(message)

    server = listen(echo, *address)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def frame(opcode, payload=b"", final=True, reserved=0, masked=True, length=None):
    size = len(payload) if length is None else length
    head = bytes([(0x80 if final else 0) | reserved << 4 | opcode])
    bit = 0x80 if masked else 0
    head += bytes([bit | size]) if size < 126 else bytes([bit | 126]) + struct.pack(">H", size) if size < 65536 else bytes([bit | 127]) + struct.pack(">Q", size)
    if not masked:
        return head + payload
    return head + MASK + bytes(byte ^ MASK[place % 4] for place, byte in enumerate(payload))


def read_frame(client):
    head = client.reader.read(2)
    if len(head) < 2:
        return None
    size = head[1] & 0x7F
    if size == 126:
        size = struct.unpack(">H", client.reader.read(2))[0]
    elif size == 127:
        size = struct.unpack(">Q", client.reader.read(8))[0]
    return head[0] & 0xF, client.reader.read(size)


def shake(subject, lines=(*SWITCH, KEY, VERSION), host=CHAT, path=b"/", method=b"GET", version=b"1.1", behind=b""):
    if subject.chat is None:
        raise NotTried("python-websockets is not installed")
    client = Http1(subject, name=host)
    head = b"".join(line + b"\r\n" for line in (b"host: " + host.encode(), *lines))
    client.send(b"%s %s HTTP/%s\r\n%s\r\n%s" % (method, path, version, head, behind))
    return client, client.answer(method.decode())


def switched(subject, **more):
    client, answer = shake(subject, **more)
    assert answer not in (None, "late") and answer.status == 101, f"not switched: {answer and answer.status}"
    assert answer.field("sec-websocket-accept") == ACCEPT, "another accept"
    return client


def echoes(subject, upstream):
    client = switched(subject)
    for payload in (b"hello", b"a" * 125, b"b" * 126, b"c" * 70_000):
        client.send(frame(TEXT, payload))
        got = read_frame(client)
        assert got == (TEXT, payload), f"{len(payload)} bytes came back as {got and len(got[1])}"
    client.send(frame(PING, b"there?"))
    assert read_frame(client) == (PONG, b"there?"), "no pong"
    client.send(frame(CLOSE, struct.pack(">H", 1000)))
    got = read_frame(client)
    assert got == (CLOSE, struct.pack(">H", 1000)), f"{got}"
    assert client.ended(3), "it was left open"
    return "echoed"


def closed_with(codes, *frames):
    """The upstream refuses these frames: its code comes through, and the connection ends."""

    def check(subject, upstream):
        client = switched(subject)
        client.send(b"".join(frames))
        got = read_frame(client)
        assert got is not None and got[0] == CLOSE, f"{got}"
        code = struct.unpack(">H", got[1][:2])[0]
        assert code in codes, f"closed with {code}"
        client.send(frame(CLOSE, got[1][:2]))
        assert client.ended(12), f"closed with {code}, but left open"
        return f"closed with {code}"

    return check


def refused(statuses, fields=None, **more):
    """The upstream refuses the handshake: its answer comes through, and what follows is HTTP."""

    def check(subject, upstream):
        client, answer = shake(subject, **more)
        assert answer not in (None, "late"), f"{answer}"
        assert answer.status in statuses, f"{answer.status}"
        for name, value in (fields or {}).items():
            assert answer.field(name) == value, f"{name}: {answer.field(name)}"
        # Were it a tunnel now, this would reach the upstream as it is.
        client.send(frame(TEXT, b"hello") + b"\r\n\r\n")
        after = client.answer()
        assert after is None or after != "late" and after.status == 400, f"then {after and after.status}"
        client.leave()
        return str(answer.status)

    return check


def early_frames(subject, upstream):
    client = switched(subject, behind=frame(TEXT, b"early"))
    got = read_frame(client)
    client.leave()
    assert got == (TEXT, b"early"), f"{got}"
    return "kept for the tunnel"


def early_request(subject, upstream):
    """A request behind a handshake that succeeds is the tunnel's bytes, never a request of ours."""
    behind = b"GET /smuggled HTTP/1.1\r\nhost: web.internal\r\n\r\n"
    client = Http1(subject)
    head = b"".join(line + b"\r\n" for line in (*SWITCH, KEY, VERSION))
    client.send(b"GET /ws/accept HTTP/1.1\r\nhost: web.internal\r\n%s\r\n%s" % (head, behind))
    answer = client.answer()
    assert answer.status == 101, f"{answer.status}"
    assert client.reader.read(len(behind)) == behind, "changed"
    client.leave()
    upstream.wait_for(2, 3)
    events = upstream.take()
    targets = [event.target for event in events if not isinstance(event, str)]
    assert targets == ["/ws/accept"], f"{targets}"
    assert "tunnel ended" in events, "the upstream was left open"
    return "passed through the tunnel"


def gone(subject, upstream):
    """A client that goes without a word ends the tunnel at the upstream."""
    client = switched(subject, host="web.internal", path=b"/ws/accept")
    client.leave()
    end = time.monotonic() + 3
    while "tunnel ended" not in upstream.take():
        assert time.monotonic() < end, "the upstream was left open"
        time.sleep(0.01)
    return "ended"


def other_protocol(over):
    """The upstream switches to what nobody asked for (RFC 9110 §7.8)."""

    def check(subject, upstream):
        answer = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: %s\r\nsec-websocket-accept: %s\r\n\r\n"
        accept = b"wrong" if over == "accept" else ACCEPT.encode()
        upstream.lies["ws"] = Lie("ws", "", (answer % (b"h2c" if over == "protocol" else b"websocket", accept), 0.2))
        if over == "protocol":
            client, answer = shake(subject, host="web.internal", path=b"/lie/ws")
            status = answer if answer in (None, "late") else answer.status
        else:
            client = Http2(subject)
            client.ask(((":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "https"), (":authority", "web.internal"), (":path", "/lie/ws"), ("sec-websocket-version", "13")), data=(b"",))
            client.until_end(3)
            status = client.status
        client.leave()
        assert status == 502, f"{status}"
        return "502"

    return check


CHECKS = [
    ("ws-echo", "RFC 6455 §5", echoes),
    ("ws-unmasked", "RFC 6455 §5.1: a client masks", closed_with((1002,), frame(TEXT, b"hello", masked=False))),
    ("ws-reserved-bit", "RFC 6455 §5.2: RSV", closed_with((1002,), frame(TEXT, b"hello", reserved=4))),
    ("ws-opcode", "RFC 6455 §5.2: an unknown opcode", closed_with((1002,), frame(3, b"hello"))),
    ("ws-control-opcode", "RFC 6455 §5.2: an unknown opcode", closed_with((1002,), frame(11, b"hello"))),
    ("ws-continuation", "RFC 6455 §5.4: nothing to continue", closed_with((1002,), frame(0, b"hello"))),
    ("ws-interleaved", "RFC 6455 §5.4: a new message inside another", closed_with((1002,), frame(TEXT, b"a", final=False), frame(TEXT, b"b"))),
    ("ws-control-split", "RFC 6455 §5.5: a control frame in pieces", closed_with((1002,), frame(PING, b"a", final=False))),
    ("ws-control-long", "RFC 6455 §5.5: at most 125 bytes", closed_with((1002,), frame(PING, b"a" * 126))),
    ("ws-close-short", "RFC 6455 §5.5.1: a close of one byte", closed_with((1002,), frame(CLOSE, b"\x03"))),
    ("ws-close-code", "RFC 6455 §7.4: a code that may not be sent", closed_with((1002,), frame(CLOSE, struct.pack(">H", 1005)))),
    ("ws-utf8", "RFC 6455 §8.1", closed_with((1007,), frame(TEXT, b"\xff\xfe"))),
    ("ws-huge", "RFC 6455 §5.2, §10.4: a length that nobody takes", closed_with((1002, 1009), frame(BINARY, b"", length=1 << 62))),
    ("ws-http-inside", "RFC 6455 §10.3: HTTP in a tunnel is bytes", closed_with((1002,), b"GET /smuggled HTTP/1.1\r\nhost: chat.internal\r\n\r\n")),
    ("ws-version", "RFC 6455 §4.4: another version", refused((400, 426), lines=(*SWITCH, KEY, b"sec-websocket-version: 777"))),
    ("ws-no-version", "RFC 6455 §4.2.1", refused((400, 426), lines=(*SWITCH, KEY))),
    ("ws-no-key", "RFC 6455 §4.2.1", refused((400,), lines=(*SWITCH, VERSION))),
    ("ws-short-key", "RFC 6455 §4.2.1", refused((400,), lines=(*SWITCH, VERSION, b"sec-websocket-key: YQ=="))),
    ("ws-two-keys", "RFC 6455 §11.3.1", refused((400,), lines=(*SWITCH, VERSION, KEY, KEY))),
    ("ws-post", "RFC 6455 §4.1: only GET", refused((400, 405, 501), method=b"POST")),
    ("ws-no-connection", "RFC 9110 §7.8: not listed", refused((400, 426), lines=(b"upgrade: websocket", KEY, VERSION))),
    ("ws-no-upgrade", "RFC 6455 §4.2.1", refused((400, 426), lines=(b"connection: upgrade", KEY, VERSION))),
    ("ws-http10", "RFC 9110 §7.8: not in HTTP/1.0", refused((400, 426, 505), version=b"1.0")),
    ("ws-early-frames", "RFC 6455 §4.1: frames sent before the answer", early_frames),
    ("ws-early-request", "RFC 6455 §10.3: a request sent before the answer", early_request),
    ("ws-gone", "RFC 6455 §7.1.5: closed without a frame", gone),
    ("ws-other-protocol", "RFC 9110 §7.8: switched to what nobody asked for", other_protocol("protocol")),
    ("ws-accept-h2", "RFC 6455 §4.1, RFC 8441: a wrong accept", other_protocol("accept")),
]
