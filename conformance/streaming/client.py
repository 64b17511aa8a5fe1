"""The clients of the suite: HTTP/1.1 by hand, and just enough HTTP/2 (RFC 9113) to see its frames."""

import select
import socket
import ssl
import struct
import time

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, END_HEADERS, ACK, PADDED, PRIORITY = 1, 4, 1, 8, 32
ENABLE_CONNECT_PROTOCOL = 8
PATIENCE = 30


def connect(subject, alpn):
    raw = socket.create_connection(subject.address, timeout=PATIENCE)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not subject.tls:
        return raw
    context = ssl.create_default_context()
    # Whose certificate it is does not matter here.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols([alpn])
    wrapped = context.wrap_socket(raw, server_hostname=subject.host)
    if alpn == "h2" and wrapped.selected_alpn_protocol() != "h2":
        raise ConnectionError("no HTTP/2")
    return wrapped


class Http1:
    """One connection, one request at a time."""

    def __init__(self, subject):
        self.subject = subject
        self.socket = connect(subject, "http/1.1")
        self.reader = self.socket.makefile("rb")

    def ask(self, path, method="GET", fields=(), body=b""):
        lines = [f"{method} {path} HTTP/1.1", f"host: {self.subject.host}"]
        lines += [f"{name}: {value}" for name, value in fields]
        if body:
            lines.append(f"content-length: {len(body)}")
        self.socket.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    def head(self):
        """The status and the fields of the next head."""
        first = self.reader.readline()
        if not first:
            raise ConnectionError("no answer")
        fields = {}
        while (line := self.reader.readline().strip()) != b"":
            name, _, value = line.decode("latin-1").partition(":")
            fields[name.lower()] = value.strip()
        return int(first.split()[1]), fields

    def pieces(self, fields):
        """The pieces of a body as they come, each with its time; raises when it breaks."""
        if fields.get("transfer-encoding") == "chunked":
            while True:
                line = self.reader.readline()
                if not line:
                    raise ConnectionError("ended without the last chunk")
                length = int(line, 16)
                data = self.reader.read(length)
                if len(data) < length:
                    raise ConnectionError("ended in a chunk")
                self.reader.readline()
                if length == 0:
                    return
                yield time.monotonic(), data
        elif "content-length" in fields:
            left = int(fields["content-length"])
            while left > 0:
                data = self.reader.read1(min(left, 1 << 20))
                if not data:
                    raise ConnectionError("ended too early")
                left -= len(data)
                yield time.monotonic(), data
        else:
            while data := self.reader.read1(1 << 20):
                yield time.monotonic(), data

    def leave(self):
        """Closes as clients do: with FIN."""
        self.reader.close()
        raw = self.socket
        try:
            raw.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        raw.close()

    def reset(self):
        """Closes as a killed client does: with RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.reader.close()
        if isinstance(self.socket, ssl.SSLSocket):
            # No farewell of TLS.
            raw = socket.socket(fileno=self.socket.detach())
            raw.close()
        else:
            self.socket.close()


class Http2:
    """One connection with many streams. Windows: the connection's is large, a stream's is 64 KB and
    grows only when `take` says so."""

    def __init__(self, subject):
        self.subject = subject
        self.socket = connect(subject, "h2")
        self.buffer = b""
        self.next = 1
        self.frames = {}
        self.settings = {}
        self.socket.sendall(
            PREFACE
            + frame(SETTINGS, 0, 0, struct.pack(">HI", 1, 0))
            + frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1 << 30))
        )
        while not self.settings:
            self.read(PATIENCE)

    def ask(self, path, method="GET", fields=(), protocol=None, end=True):
        stream = self.next
        self.next += 2
        block = b"".join(
            literal(name, value)
            for name, value in [
                (":method", method),
                *([(":protocol", protocol)] if protocol else []),
                (":scheme", "https"),
                (":authority", self.subject.host),
                (":path", path),
                *fields,
            ]
        )
        self.frames[stream] = []
        self.socket.sendall(frame(HEADERS, END_HEADERS | (END_STREAM if end else 0), stream, block))
        return stream

    def send(self, stream, data, end=False):
        self.socket.sendall(frame(DATA, END_STREAM if end else 0, stream, data))

    def cancel(self, stream):
        self.socket.sendall(frame(RST_STREAM, 0, stream, struct.pack(">I", 8)))

    def take(self, stream, count):
        self.socket.sendall(frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", count)))

    def frame_of(self, stream, seconds=PATIENCE):
        """The next frame of a stream as (time, kind, flags, payload), or None after that long."""
        end = time.monotonic() + seconds
        while not self.frames[stream]:
            left = end - time.monotonic()
            if left <= 0 or not self.read(left):
                return None
        return self.frames[stream].pop(0)

    def status(self, stream):
        """The status of the answer, as far as it is 200 or not."""
        got = self.frame_of(stream)
        if got is None or got[1] != HEADERS:
            return None
        block = strip_padding(got[1], got[2], got[3])
        # The table's size may be set before the first field (RFC 7541 §6.3).
        while block and block[0] & 0xE0 == 0x20:
            block = block[1:]
        return 200 if block[:1] == b"\x88" else -1

    def pieces(self, stream):
        """The pieces of a body, each with its time; raises when it is reset."""
        while True:
            got = self.frame_of(stream)
            if got is None:
                raise TimeoutError("nothing came")
            when, kind, flags, payload = got
            if kind == RST_STREAM:
                raise ConnectionError("reset")
            if kind == DATA:
                payload = strip_padding(kind, flags, payload)
                if payload:
                    self.take(stream, len(payload))
                    yield when, payload
            if flags & END_STREAM:
                return

    def read(self, seconds):
        """Reads what is there, waiting at most that long; whether anything came."""
        pending = isinstance(self.socket, ssl.SSLSocket) and self.socket.pending()
        if not pending and not select.select([self.socket], [], [], seconds)[0]:
            return False
        data = self.socket.recv(1 << 16)
        if not data:
            raise ConnectionError("the connection ended")
        now = time.monotonic()
        self.buffer += data
        while len(self.buffer) >= 9:
            length = int.from_bytes(self.buffer[:3], "big")
            if len(self.buffer) < 9 + length:
                break
            kind, flags = self.buffer[3], self.buffer[4]
            stream = int.from_bytes(self.buffer[5:9], "big") & 0x7FFFFFFF
            payload = self.buffer[9 : 9 + length]
            self.buffer = self.buffer[9 + length :]
            self.handle(now, kind, flags, stream, payload)
        return True

    def handle(self, now, kind, flags, stream, payload):
        if kind == SETTINGS and not flags & ACK:
            for place in range(0, len(payload), 6):
                key, value = struct.unpack_from(">HI", payload, place)
                self.settings[key] = value
            self.settings[0] = 0
            self.socket.sendall(frame(SETTINGS, ACK, 0, b""))
        elif kind == PING and not flags & ACK:
            self.socket.sendall(frame(PING, ACK, 0, payload))
        elif kind == GOAWAY and int.from_bytes(payload[4:8], "big") != 0:
            raise ConnectionError("the connection was refused")
        elif kind in (DATA, HEADERS, RST_STREAM) and stream in self.frames:
            self.frames[stream].append((now, kind, flags, payload))

    def leave(self):
        self.socket.close()


def frame(kind, flags, stream, payload):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def literal(name, value):
    """A field that enters no table, without Huffman's code (RFC 7541 §6.2.2)."""
    return b"\x00" + text(name) + text(value)


def text(value):
    data = value.encode("latin-1")
    if len(data) < 127:
        return bytes([len(data)]) + data
    length, rest = b"\x7f", len(data) - 127
    while rest >= 128:
        length += bytes([rest % 128 + 128])
        rest //= 128
    return length + bytes([rest]) + data


def strip_padding(kind, flags, payload):
    if flags & PADDED:
        payload = payload[1 : len(payload) - payload[0]]
    if kind == HEADERS and flags & PRIORITY:
        payload = payload[5:]
    return payload
