"""Reads HTTP/1.1 as RFC 9112 writes it, and nothing else.

This is the oracle for what an upstream gets and for what a client gets: one way to read every byte.
What a lenient server would forgive (a bare LF, a second length, a space before a colon, a chunk
extension, a coding that is not plain `chunked`) is a fault here.
"""

import re

TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
REQUEST_LINE = re.compile(rb"(" + TOKEN + rb") (/[\x21-\x7e]*|\*) HTTP/1\.1")
STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-9][0-9][0-9]) ([\t \x21-\x7e\x80-\xff]*)")
VISIBLE = rb"[\x21-\x7e\x80-\xff]"
FIELD = re.compile(rb"(" + TOKEN + rb"):[ \t]*(" + VISIBLE + rb"(?:[\t \x21-\x7e\x80-\xff]*" + VISIBLE + rb")?)?[ \t]*")
CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]{1,16}")
LENGTH = re.compile(rb"[0-9]{1,18}")
LINE_BYTES_MAX = 1 << 20


class Fault(Exception):
    """Bytes that can be read in more than one way, or in none."""


class Ended(Exception):
    """The connection ended in the middle of a message."""


class Message:
    """A request or a response."""

    def __init__(self):
        self.method = self.target = self.status = None
        self.fields, self.trailers, self.body = [], [], b""
        self.framing = "none"
        self.whole = False

    def all(self, name):
        return [value for field, value in self.fields if field == name]

    def field(self, name):
        values = self.all(name)
        return values[0] if values else None


def read_line(reader, first=False):
    line = reader.readline(LINE_BYTES_MAX)
    if line == b"" and first:
        return None
    if not line.endswith(b"\n"):
        raise Ended(line)
    if not line.endswith(b"\r\n") or b"\r" in line[:-2] or b"\0" in line:
        raise Fault(f"a line that ends or breaks oddly: {line!r}")
    return line[:-2]


def read_fields(reader):
    fields = []
    while line := read_line(reader):
        found = FIELD.fullmatch(line)
        if not found:
            raise Fault(f"no field: {line!r}")
        fields.append((found[1].decode().lower(), (found[2] or b"").decode("latin-1")))
    return fields


def framing(message):
    """How the body's end is told: `none`, a length, or `chunked`."""
    codings, lengths = message.all("transfer-encoding"), message.all("content-length")
    if len(codings) + len(lengths) > 1:
        raise Fault(f"framed more than once: {codings} {lengths}")
    if codings:
        if codings[0].lower() != "chunked":
            raise Fault(f"another coding than chunked: {codings[0]!r}")
        return "chunked"
    if lengths:
        if not LENGTH.fullmatch(lengths[0].encode("latin-1")):
            raise Fault(f"an odd length: {lengths[0]!r}")
        return int(lengths[0])
    return "none"


def read_exactly(reader, count, message):
    while count > 0:
        piece = reader.read1(min(count, 1 << 16))
        if not piece:
            raise Ended("in a body")
        message.body += piece
        count -= len(piece)


def read_chunked(reader, message):
    while True:
        line = read_line(reader)
        if not CHUNK_SIZE.fullmatch(line):
            raise Fault(f"no chunk size: {line!r}")
        size = int(line, 16)
        if size == 0:
            message.trailers = read_fields(reader)
            return
        read_exactly(reader, size, message)
        end = reader.read(2)
        if len(end) < 2:
            raise Ended("after a chunk")
        if end != b"\r\n":
            raise Fault(f"no end of a chunk: {end!r}")


def read_request_head(reader):
    """The head of the next request, or None at the end of the connection."""
    line = read_line(reader, first=True)
    if line is None:
        return None
    found = REQUEST_LINE.fullmatch(line)
    if not found:
        raise Fault(f"no request line: {line!r}")
    request = Message()
    request.method, request.target = found[1].decode(), found[2].decode()
    request.fields = read_fields(reader)
    if len(request.all("host")) != 1:
        raise Fault(f"{len(request.all('host'))} hosts")
    request.framing = framing(request)
    return request


def read_request_body(reader, request):
    if request.framing == "chunked":
        read_chunked(reader, request)
    elif request.framing != "none":
        read_exactly(reader, request.framing, request)
    request.whole = True


def read_response(reader, method, interim):
    """The next response; those before it go to `interim`. None at the end of the connection."""
    while True:
        line = read_line(reader, first=True)
        if line is None:
            return None
        found = STATUS_LINE.fullmatch(line)
        if not found:
            raise Fault(f"no status line: {line!r}")
        response = Message()
        response.status = int(found[1])
        response.fields = read_fields(reader)
        if response.status >= 200 or response.status == 101:
            break
        interim.append(response)
    response.framing = framing(response)
    if response.status == 101:
        response.whole = True
        return response
    if response.status == 204 and response.framing != "none":
        raise Fault("a 204 with a length")
    if method == "HEAD" or response.status in (204, 304):
        response.whole = True
        return response
    try:
        if response.framing == "chunked":
            read_chunked(reader, response)
        elif response.framing != "none":
            read_exactly(reader, response.framing, response)
        else:
            while piece := reader.read1(1 << 16):
                response.body += piece
        response.whole = True
    except (Ended, OSError):
        pass
    return response
