"""The upstream of the suite: a server of raw bytes that notes when things happened to it.

The path of a request says what is done: /KIND/ID or /KIND/ID?name=number. What happened is kept by ID
in `Upstream.seen`, with times of the same monotonic clock that the client uses.
"""

import base64
import hashlib
import socket
import threading
import time
from urllib.parse import parse_qs, urlsplit

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
EVENTS = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
    b"cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n"
)
LINES = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n"


class Seen:
    """What happened to one request."""

    def __init__(self):
        self.times = {}
        self.values = {}
        self.changed = threading.Condition()

    def note(self, what, value=None):
        with self.changed:
            self.times.setdefault(what, time.monotonic())
            self.values[what] = value
            self.changed.notify_all()

    def wait(self, what, seconds):
        """When it happened, or None."""
        with self.changed:
            self.changed.wait_for(lambda: what in self.times, seconds)
            return self.times.get(what)


class Upstream:
    """Listens on an address of its own until the process ends."""

    def __init__(self, address):
        self.seen = {}
        self.lock = threading.Lock()
        self.listener = socket.create_server(address, backlog=256)
        self.address = self.listener.getsockname()
        threading.Thread(target=self.accept, daemon=True).start()

    def of(self, name):
        with self.lock:
            return self.seen.setdefault(name, Seen())

    def accept(self):
        while True:
            connection, _ = self.listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        reader = connection.makefile("rb")
        try:
            while self.answer(connection, reader):
                pass
        except OSError:
            pass
        finally:
            reader.close()
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            connection.close()

    def answer(self, connection, reader):
        """Answers one request; returns whether the connection can take another."""
        head = read_head(reader)
        if head is None:
            return False
        method, target, fields = head
        url = urlsplit(target)
        kind, _, name = url.path.strip("/").partition("/")
        numbers = {key: float(values[0]) for key, values in parse_qs(url.query).items()}
        seen = self.of(name)
        seen.note("request", fields)
        serve = getattr(self, "do_" + kind.replace("-", "_"), None)
        if serve is None:
            send_whole(connection, b"ready")
            return True
        return serve(connection, reader, fields, numbers, seen)

    def do_events(self, connection, reader, fields, numbers, seen):
        return stream(connection, seen, numbers, EVENTS, b"data: %d %.6f\n\n")

    def do_lines(self, connection, reader, fields, numbers, seen):
        return stream(connection, seen, numbers, LINES, b'{"n":%d,"t":%.6f}\n')

    def do_late_events(self, connection, reader, fields, numbers, seen):
        """The head at once, the first event later."""
        connection.sendall(EVENTS)
        time.sleep(numbers["wait"])
        seen.note("first", None)
        connection.sendall(chunk(b"data: 0\n\n") + b"0\r\n\r\n")
        return True

    def do_never(self, connection, reader, fields, numbers, seen):
        """Never begins to answer."""
        read_body(reader, fields)
        seen.note("whole", None)
        seen.note("end", reader.read())
        return False

    def do_endless(self, connection, reader, fields, numbers, seen):
        """Streams events until the connection ends."""
        connection.sendall(EVENTS + chunk(b"data: 0\n\n"))
        connection.settimeout(0.02)
        while True:
            try:
                if connection.recv(1) == b"":
                    break
            except TimeoutError:
                connection.sendall(chunk(b"data: 1\n\n"))
            except OSError:
                break
        seen.note("end", None)
        return False

    def do_prefill(self, connection, reader, fields, numbers, seen):
        """Answers after a silence."""
        read_body(reader, fields)
        time.sleep(numbers["wait"])
        send_whole(connection, b"done")
        return True

    def do_gap(self, connection, reader, fields, numbers, seen):
        """An event, a silence, an event."""
        connection.sendall(EVENTS + chunk(b"data: 0\n\n"))
        time.sleep(numbers["wait"])
        connection.sendall(chunk(b"data: 1\n\n") + b"0\r\n\r\n")
        return True

    def do_large(self, connection, reader, fields, numbers, seen):
        size = int(numbers["size"])
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
        left = size
        while left > 0:
            piece = BLOCK[: min(left, len(BLOCK))]
            connection.sendall(piece)
            left -= len(piece)
            seen.note("sent", size - left)
        return True

    def do_upload(self, connection, reader, fields, numbers, seen):
        body = read_body(reader, fields)
        send_whole(connection, b"%d %s" % (body[0], body[1].encode()))
        return True

    def do_refuse(self, connection, reader, fields, numbers, seen):
        """Refuses a body by its head alone."""
        connection.sendall(b"HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\nconnection: close\r\n\r\nbig")
        connection.shutdown(socket.SHUT_WR)
        seen.note("body", len(reader.read()))
        return False

    def do_die(self, connection, reader, fields, numbers, seen):
        """Dies in the middle of a stream."""
        connection.sendall(EVENTS + chunk(b"data: 0\n\n") + chunk(b"data: 1\n\n"))
        time.sleep(0.1)
        return False

    def do_echo(self, connection, reader, fields, numbers, seen):
        """The request's fields, and a field of its own."""
        body = "\n".join(f"{name}: {value}" for name, value in fields.items()).encode()
        send_whole(connection, body, b"x-unknown-answer: kept\r\n")
        return True

    def do_ws(self, connection, reader, fields, numbers, seen):
        """Switches to WebSocket, and then sends every byte back."""
        switch_to_websocket(connection, fields)
        while piece := reader.read1(65536):
            connection.sendall(piece)
        seen.note("end", None)
        return False

    def do_ws_text(self, connection, reader, fields, numbers, seen):
        """The same, as a server that knows the frames: short messages come back without their mask."""
        switch_to_websocket(connection, fields)
        while len(head := reader.read(6)) == 6:
            length = head[1] & 0x7F
            body = bytes(byte ^ head[2 + n % 4] for n, byte in enumerate(reader.read(length)))
            connection.sendall(bytes([head[0], length]) + body)
        seen.note("end", None)
        return False


def stream(connection, seen, numbers, head, form):
    connection.sendall(head)
    for number in range(int(numbers["count"])):
        time.sleep(numbers["every"])
        connection.sendall(chunk(form % (number, time.monotonic())))
    connection.sendall(b"0\r\n\r\n")
    return True


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


def send_whole(connection, body, fields=b""):
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n%s\r\n%s" % (len(body), fields, body))


def switch_to_websocket(connection, fields):
    key = fields.get("sec-websocket-key", "").encode()
    answer = base64.b64encode(hashlib.sha1(key + GUID).digest())
    connection.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n"
        b"sec-websocket-accept: " + answer + b"\r\n\r\n"
    )


def read_head(reader):
    first = reader.readline()
    if not first:
        return None
    method, target, _ = first.decode("latin-1").split(" ", 2)
    return method, target, read_fields(reader)


def read_fields(reader):
    fields = {}
    while (line := reader.readline().strip()) != b"":
        name, _, value = line.decode("latin-1").partition(":")
        fields[name.lower()] = value.strip()
    return fields


def read_body(reader, fields):
    """The size and the hash of a request's body."""
    size, digest = 0, hashlib.sha256()
    if fields.get("transfer-encoding") == "chunked":
        while (length := int(reader.readline(), 16)) > 0:
            piece = reader.read(length)
            size += length
            digest.update(piece)
            reader.readline()
        reader.readline()
    else:
        left = int(fields.get("content-length", 0))
        while left > 0:
            piece = reader.read(min(left, 1 << 20))
            if not piece:
                break
            left -= len(piece)
            size += len(piece)
            digest.update(piece)
    return size, digest.hexdigest()


BLOCK = bytes(range(256)) * 256
