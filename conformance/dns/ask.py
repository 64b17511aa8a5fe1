"""A client that knows what every reply must be, whatever is asked."""

import socket
import struct

from wire import Malformed, Message, QR, RD, Z, query

# Longer than Conduit asks forwarders; the others are asked with less, since what they never answer is known.
PATIENCE_S = {"conduit": 6.0, "dnsmasq": 1.0, "knot": 1.0}
# A SYN that found the queue full is sent again after a second, and after two more.
CONNECT_S = 6.0


class Failed(Exception):
    """A clause that does not hold."""


def holds(condition, why):
    if not condition:
        raise Failed(why)


class Client:
    """Asks one server; `source` is the address it asks from."""

    def __init__(self, server, source="127.0.0.1", patience_s=6.0):
        self.server, self.source, self.patience_s = server, source, patience_s

    def udp(self):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((self.source, 0))
        sock.connect(self.server)
        sock.settimeout(self.patience_s)
        return sock

    def tcp(self):
        sock = socket.create_connection(self.server, CONNECT_S, (self.source, 0))
        sock.settimeout(self.patience_s)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def ask(self, asked, rtype="A", tcp=False, **given):
        """Asks and judges what every reply must be."""
        return self.send(query(asked, rtype, **given), tcp)

    def send(self, request, tcp=False):
        if tcp:
            with self.tcp() as sock:
                sock.sendall(framed(request))
                return judged(request, received(sock), 65535)
        with self.udp() as sock:
            sock.send(request)
            try:
                reply = sock.recv(65535)
            except TimeoutError:
                raise Failed("no reply") from None
        return judged(request, reply, limit_of(request))

    def silent(self, request, alive):
        """Sends what must not be answered; a good query behind it must be, and first."""
        with self.udp() as sock:
            sock.send(request)
            good = query(alive, flags=RD)
            sock.send(good)
            try:
                reply = sock.recv(65535)
            except TimeoutError:
                raise Failed("the query behind it was not answered either") from None
            return reply[:2] == good[:2]

    def either(self, request, alive, codes):
        """Sends what is broken: silence, or one of these codes, and the server goes on."""
        with self.udp() as sock:
            sock.send(request)
            good = query(alive, flags=RD)
            while good[:2] == request[:2]:
                good = query(alive, flags=RD)
            sock.send(good)
            while True:
                try:
                    reply = sock.recv(65535)
                except TimeoutError:
                    raise Failed("the query behind it was not answered") from None
                if reply[:2] == good[:2]:
                    return
                holds(len(reply) >= 12 and reply[:2] == request[:2], "a reply with a stranger's id")
                holds(reply[3] & 15 in codes, f"code {reply[3] & 15}, not one of {codes}")


def framed(message):
    return struct.pack("!H", len(message)) + message


def received(sock):
    """One message of a stream; b"" at its end."""
    head = exactly(sock, 2)
    return exactly(sock, struct.unpack("!H", head)[0]) if head else b""


def exactly(sock, count):
    data = b""
    while len(data) < count:
        try:
            more = sock.recv(count - len(data))
        except TimeoutError:
            raise Failed("no reply on the stream") from None
        except ConnectionError:
            more = b""
        if not more:
            holds(not data, "the stream ended within a message")
            return b""
        data += more
    return data


def limit_of(request):
    """What this client can take over UDP."""
    try:
        opt = Message(request).opt
    except Malformed:
        return 65535
    return max(512, opt.rclass) if opt else 512


def judged(request, raw, limit):
    """A reply that answers this request; RFC 1035 §4.1.1, RFC 6891 §6.1.1."""
    try:
        reply = Message(raw)
    except Malformed as why:
        raise Failed(f"a malformed reply: {why}") from None
    holds(raw[:2] == request[:2], "a reply with another id")
    holds(reply.flags & QR, "a reply without QR")
    holds(reply.opcode == (request[2] >> 3) & 15, "another opcode than the request's")
    holds(reply.flags & Z == 0, "the reserved bit is set")
    holds(len(raw) <= limit, f"{len(raw)} octets where {limit} can be taken")
    try:
        asked = Message(request)
    except Malformed:
        return reply
    if reply.questions:
        holds(reply.questions[0][3] == asked.questions[0][3], "another question, or in another case")
    if reply.opt is not None:
        holds(asked.opt is not None, "an OPT record that was not asked for")
        holds(reply.opt.owner == ".", "an OPT record with a name")
        holds(reply.opt.ttl & 0x7FFF == 0, "unknown EDNS flags are set")
        holds((reply.opt.ttl >> 16) & 255 == 0, "another EDNS version than 0")
    return reply


def needs(*what):
    """Marks a case as being about something that not every server does."""
    def mark(case):
        case.needs = set(what)
        return case
    return mark
