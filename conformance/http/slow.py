"""Who takes his time, and who comes and goes: bounded, and nobody else waits for it."""

import os
import socket
import ssl
import struct
import threading
import time

from cases import HOST, Lie
from wire import PREFACE, SETTINGS, HEADERS, Http1, Http2, connect, frame

# How long the proxy may take with a well-behaved request while others misbehave.
ANSWER_SECONDS_MAX = 1.0
HALF_HEADS = 200
CHURN = 150
MEMORY_MB_MAX = 96
# What the documents promise (docs/limits.md), and how late it may come: ten seconds to say goodbye,
# two sweeps, and a busy machine.
IDLE_SECONDS, HANDSHAKE_SECONDS, HEAD_SECONDS, LATE_SECONDS = 60, 10, 10, 30
# Sooner would hit clients on slow links.
EARLY_SECONDS = 5
HEAD = b"GET /t HTTP/1.1\r\nhost: web.internal\r\n"


def well(subject):
    begun = time.monotonic()
    client = Http1(subject)
    client.send(HEAD + b"\r\n")
    answer = client.answer()
    client.leave()
    assert answer not in (None, "late") and answer.status == 200, "a good request was not answered"
    took = time.monotonic() - begun
    assert took < ANSWER_SECONDS_MAX, f"a good request took {took:.1f} s"
    return took


def half_heads(subject, upstream):
    held = [Http1(subject) for _ in range(HALF_HEADS)]
    for client in held:
        client.send(HEAD + b"x-slow: ")
    took = well(subject)
    for client in held:
        client.leave()
    requests = [r for r in upstream.take() if r.target == "/t"]
    assert len(requests) == 1, f"{len(requests)} requests came through"
    return f"answered after {took * 1000:.0f} ms beside {HALF_HEADS} of them"


def bytewise(subject, upstream):
    client = Http1(subject)
    for byte in HEAD + b"content-length: 5\r\n\r\nhello":
        client.send(bytes([byte]))
    answer = client.answer()
    client.leave()
    assert answer.status == 200, f"{answer.status}"
    assert [r.body for r in upstream.take()] == [b"hello"], "it came through otherwise"
    return "whole"


def slow_body(over):
    """The service lets its client pause for a second."""

    def check(subject, upstream):
        begun = time.monotonic()
        if over == "h1":
            client = Http1(subject, name="slow.internal")
            client.socket.settimeout(15)
            client.send(b"POST /t HTTP/1.1\r\nhost: slow.internal\r\ncontent-length: 50\r\n\r\nhello")
            answer = client.answer()
            seen = "closed" if answer is None else answer.status if answer != "late" else "late"
        else:
            client = Http2(subject, name="slow.internal")
            block = ((":method", "POST"), (":scheme", "https"), (":authority", "slow.internal"), (":path", "/t"))
            from wire import DATA, head_frames

            client.socket.sendall(head_frames(block, 0) + frame(DATA, 0, 1, b"hello"))
            end = client.until_end(15)
            seen = client.status or end
        took = time.monotonic() - begun
        client.leave()
        assert seen in (408, "closed", "reset"), f"{seen}"
        assert took < 6, f"after {took:.1f} s"
        upstream.wait_for(1, 3)
        assert all(not r.whole for r in upstream.take()), "the upstream took it for whole"
        return f"{seen} after {took:.1f} s"

    return check


def endless_interim(subject, upstream):
    """The service lets its upstream take two seconds to begin; 1xx for ever are no beginning."""
    stop = threading.Event()

    class Storm:
        closes = True

        @property
        def answer(self):
            while not stop.is_set():
                yield b"HTTP/1.1 102 Processing\r\n\r\n" * 100
                yield 0.001

    upstream.lies["storm"] = Storm()
    client = Http1(subject, name="slow.internal")
    client.socket.settimeout(15)
    begun = time.monotonic()
    client.send(b"GET /lie/storm HTTP/1.1\r\nhost: slow.internal\r\n\r\n")
    answer = client.answer()
    took = time.monotonic() - begun
    stop.set()
    client.leave()
    assert answer not in (None, "late"), f"{answer}"
    assert answer.status in (502, 504), f"{answer.status}"
    return f"{answer.status} after {took:.1f} s"


def churn(subject, upstream):
    before = descriptors(subject)
    for number in range(CHURN):
        raw = socket.create_connection(subject.address, timeout=5)
        kind = number % 5
        if kind == 0:
            raw.close()
        elif kind == 1:
            reset(raw)
        elif kind == 2:
            # Half a hello.
            raw.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
            raw.close()
        else:
            raw.close()
            client = Http1(subject)
            client.send(b"GET /lie/never HTTP/1.1\r\nhost: web.internal\r\n\r\n" if kind == 3 else HEAD)
            reset(socket.socket(fileno=client.socket.detach()))
    well(subject)
    end = time.monotonic() + 10
    while (after := descriptors(subject)) > before + 20:
        assert time.monotonic() < end, f"{before} descriptors before, {after} after"
        time.sleep(0.1)
    upstream.take()
    return f"{CHURN} connections; {before} descriptors before, {after} after"


def memory(subject, upstream):
    if not subject.pid:
        return "not known"
    grown = peak(subject) - subject.memory
    assert grown < MEMORY_MB_MAX, f"+{grown:.0f} MB"
    return f"+{grown:.0f} MB over the whole suite"


def peak(subject):
    """The most memory that its process has had, in MB."""
    if not subject.pid:
        return 0
    with open(f"/proc/{subject.pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


def descriptors(subject):
    return len(os.listdir(f"/proc/{subject.pid}/fd")) if subject.pid else 0


def reset(raw):
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raw.close()


def waits_out(open_one, seconds):
    """The proxy ends the connection by itself, neither too early nor too late."""

    def check(subject, upstream):
        begun = time.monotonic()
        raw = open_one(subject)
        raw.settimeout(seconds + LATE_SECONDS)
        try:
            while raw.recv(65536):
                pass
        except (ConnectionError, ssl.SSLError):
            pass
        except TimeoutError:
            raise AssertionError("it was left open") from None
        took = time.monotonic() - begun
        raw.close()
        assert EARLY_SECONDS <= took <= seconds + LATE_SECONDS, f"after {took:.0f} s"
        return f"after {took:.0f} s"

    return check


def silent_tcp(subject):
    return socket.create_connection(subject.address, timeout=5)


def silent_tls(subject):
    return connect(subject, "http/1.1")


def half_head(subject):
    wrapped = connect(subject, "http/1.1")
    wrapped.sendall(HEAD)
    return wrapped


def dripping_head(subject):
    wrapped = connect(subject, "http/1.1")

    def drip():
        try:
            for byte in HEAD * 10:
                wrapped.sendall(bytes([byte]))
                time.sleep(3)
        except (OSError, ValueError):
            pass

    threading.Thread(target=drip, daemon=True).start()
    return wrapped


def idle_h2(subject):
    wrapped = connect(subject, "h2")
    wrapped.sendall(PREFACE + frame(SETTINGS, 0, 0, b""))
    return wrapped


def half_h2_head(subject):
    wrapped = idle_h2(subject)
    wrapped.sendall(frame(HEADERS, 0, 1, b"\x82"))
    return wrapped


def together(checks):
    """All at once: each waits a minute."""

    def check(subject, upstream):
        seen, failed = {}, {}

        def one(name, function):
            try:
                seen[name] = function(subject, upstream)
            except (AssertionError, OSError) as error:
                failed[name] = str(error)

        threads = [threading.Thread(target=one, args=pair) for pair in checks.items()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failed, f"{failed}"
        return ", ".join(f"{name} {text}" for name, text in seen.items())

    return check


CHECKS = [
    ("slow-heads", "RFC 9112 §9.5: half heads hold up nobody", half_heads),
    ("slow-bytewise", "RFC 9112 §2.2: one byte at a time", bytewise),
    ("slow-body-h1", "RFC 9110 §15.5.9: a body that stops", slow_body("h1")),
    ("slow-body-h2", "RFC 9110 §15.5.9: a body that stops", slow_body("h2")),
    ("slow-interim", "RFC 9110 §15.2: 1xx for ever", endless_interim),
    ("churn", "RFC 9112 §9.5: connections come and go", churn),
    ("memory", "everything above is bounded", memory),
]
LONG_CHECKS = [
    ("slow-minutes", "RFC 9112 §9.5: whoever finishes no head is let go", together({
        "a silent connection": waits_out(silent_tcp, HANDSHAKE_SECONDS),
        "silence after TLS": waits_out(silent_tls, IDLE_SECONDS),
        "half a head": waits_out(half_head, HEAD_SECONDS),
        "a dripping head": waits_out(dripping_head, HEAD_SECONDS),
        "an idle HTTP/2 connection": waits_out(idle_h2, IDLE_SECONDS),
        "half a head of HTTP/2": waits_out(half_h2_head, IDLE_SECONDS),
    })),
]
