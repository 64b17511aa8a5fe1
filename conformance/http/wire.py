"""The clients of the suite: bytes for HTTP/1.1, and frames for HTTP/2 (RFC 9113 §4, RFC 7541)."""

import functools
import select
import socket
import ssl
import struct
import sys
import time
from pathlib import Path

import strict

sys.path.append(str(Path(__file__).parent.parent / "streaming"))
from client import DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, PREFACE, RST_STREAM, SETTINGS, ACK, WINDOW_UPDATE, frame, literal, strip_padding  # noqa: E402

CONTINUATION = 9
FRAME_BYTES_MAX = 16_384


def connect(subject, alpn, clear=False, name=None):
    raw = socket.create_connection(subject.clear if clear else subject.address, timeout=subject.patience)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if clear:
        return raw
    wrapped = context_for(alpn).wrap_socket(raw, server_hostname=name or subject.host)
    if alpn == "h2" and wrapped.selected_alpn_protocol() != "h2":
        raise ConnectionError("no HTTP/2")
    return wrapped


@functools.cache
def context_for(alpn):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Whose certificate it is does not matter here.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols([alpn])
    return context


class Http1:
    """One connection, whose answers are read strictly."""

    def __init__(self, subject, clear=False, name=None):
        self.socket = connect(subject, "http/1.1", clear, name)
        self.reader = self.socket.makefile("rb")
        self.interim = []

    def send(self, data):
        """Sends what the other side takes; it may be gone on purpose."""
        try:
            self.socket.sendall(data)
        except OSError:
            pass

    def answer(self, method="GET"):
        """The next answer; None when the connection ended instead, `late` when nothing came."""
        try:
            return strict.read_response(self.reader, method, self.interim)
        except TimeoutError:
            return "late"
        except (OSError, strict.Ended):
            return None

    def ended(self, seconds):
        """Whether the connection ends within that time, without another byte."""
        self.socket.settimeout(seconds)
        try:
            return self.reader.read(1) == b""
        except TimeoutError:
            return False
        except OSError:
            return True

    def leave(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.reader.close()
        self.socket.close()


class Http2:
    """One connection. What it gets of its only stream is noted, not judged."""

    def __init__(self, subject, name=None):
        self.socket = connect(subject, "h2", name=name)
        self.buffer = b""
        self.status, self.data, self.trailers, self.heads = None, b"", False, []
        self.end = None
        self.window = 65_535
        self.socket.sendall(PREFACE + frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 1 << 20)) + frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1 << 20)))

    def ask(self, block, data=(), trailers=None):
        """One request: fields, pieces of DATA, trailers."""
        last = END_STREAM if not data and trailers is None else 0
        frames = head_frames(block, last)
        for place, piece in enumerate(data):
            is_last = place + 1 == len(data) and trailers is None
            frames += frame(DATA, END_STREAM if is_last else 0, 1, piece)
        if trailers is not None:
            frames += head_frames(trailers, END_STREAM)
        try:
            self.socket.sendall(frames)
        except OSError:
            pass

    def until_end(self, seconds):
        """Reads until the stream ended: `end`, `reset`, `goaway`, `closed` or `late`."""
        deadline = time.monotonic() + seconds
        while self.end is None:
            left = deadline - time.monotonic()
            if left <= 0:
                return "late"
            try:
                if not self.socket.pending() and not select.select([self.socket], [], [], left)[0]:
                    return "late"
                data = self.socket.recv(1 << 16)
            except OSError:
                data = b""
            if not data:
                self.end = "closed"
            self.buffer += data
            self.frames()
        return self.end

    def frames(self):
        while len(self.buffer) >= 9:
            length = int.from_bytes(self.buffer[:3], "big")
            if len(self.buffer) < 9 + length:
                return
            kind, flags = self.buffer[3], self.buffer[4]
            stream = int.from_bytes(self.buffer[5:9], "big") & 0x7FFFFFFF
            payload, self.buffer = self.buffer[9 : 9 + length], self.buffer[9 + length :]
            self.frame(kind, flags, stream, payload)

    def frame(self, kind, flags, stream, payload):
        if kind == SETTINGS and not flags & ACK:
            self.quietly(frame(SETTINGS, ACK, 0, b""))
        elif kind == PING and not flags & ACK:
            self.quietly(frame(PING, ACK, 0, payload))
        elif kind == GOAWAY and int.from_bytes(payload[4:8], "big") != 0:
            self.end = self.end or "goaway"
        elif stream == 1 and kind == RST_STREAM and self.end is None:
            # A reset with NO_ERROR after a whole answer only says that no more is read.
            self.end = "reset"
        elif stream == 1 and kind in (HEADERS, DATA):
            payload = strip_padding(kind, flags, payload)
            if kind == DATA:
                self.data += payload
                if payload:
                    more = struct.pack(">I", len(payload))
                    self.quietly(frame(WINDOW_UPDATE, 0, 0, more) + frame(WINDOW_UPDATE, 0, 1, more))
            else:
                self.heads.append(payload)
                status = status_of(payload)
                if status is None:
                    self.trailers = True
                elif status >= 200:
                    self.status = status
            if flags & END_STREAM and self.end is None:
                self.end = "end"

    def quietly(self, data):
        try:
            self.socket.sendall(data)
        except OSError:
            pass

    def leave(self):
        self.socket.close()


def head_frames(block, flags):
    """HEADERS, and CONTINUATION where one frame is not enough."""
    encoded = b"".join(literal(name, value) for name, value in block)
    pieces = [encoded[at : at + FRAME_BYTES_MAX] for at in range(0, max(len(encoded), 1), FRAME_BYTES_MAX)]
    frames = b""
    for place, piece in enumerate(pieces):
        last = END_HEADERS if place + 1 == len(pieces) else 0
        frames += frame(HEADERS if place == 0 else CONTINUATION, last | (flags if place == 0 else 0), 1, piece)
    return frames


def status_of(block):
    """The status that a head begins with, or None for trailers."""
    while block and block[0] & 0xE0 == 0x20:
        block = block[1:]
    if not block:
        return None
    if block[0] & 0x80:
        return {8: 200, 9: 204, 10: 206, 11: 304, 12: 400, 13: 404, 14: 500}.get(block[0] & 0x7F)
    if block[0] in (0x48, 0x08, 0x18):
        length, text = block[1] & 0x7F, block[2 : 2 + (block[1] & 0x7F)]
        return int(digits(text) if block[1] & 0x80 else text[:length])
    return None


def digits(data):
    """Digits in Huffman's code (RFC 7541 appendix B): 0, 1 and 2 have five bits, the rest six."""
    bits = "".join(f"{byte:08b}" for byte in data)
    text = ""
    while len(bits) >= 5 and "0" in bits:
        size = 5 if int(bits[:5], 2) < 3 else 6
        value = int(bits[:size], 2)
        text += str(value if size == 5 else value - 0b011001 + 3)
        bits = bits[size:]
    return text
