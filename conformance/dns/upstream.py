"""A forwarder's other end: says what the name it is asked for tells it to, and remembers what it heard."""

import socket
import struct
import threading

from wire import AA, COOKIE, Malformed, Message, NXDOMAIN, QR, RA, RD, SERVFAIL, TC, TYPES, name, opt, option


class Upstream:
    def __init__(self):
        while True:
            self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.udp.bind(("127.0.0.1", 0))
            self.address = self.udp.getsockname()
            try:
                self.listener = socket.create_server(self.address)
                break
            except OSError:
                self.udp.close()
        self.heard, self.is_dead = [], False
        for work in (self.serve_udp, self.serve_tcp):
            threading.Thread(target=work, daemon=True).start()

    def asked(self, text):
        """The queries for one name so far."""
        return [message for message, _ in self.heard if message.questions[0][0].lower() == text]

    def serve_udp(self):
        while True:
            request, peer = self.udp.recvfrom(65535)
            for reply in self.replies(request, "udp"):
                self.udp.sendto(reply, peer)

    def serve_tcp(self):
        while True:
            stream, _ = self.listener.accept()
            threading.Thread(target=self.serve_stream, args=(stream,), daemon=True).start()

    def serve_stream(self, stream):
        stream.settimeout(5)
        try:
            while True:
                head = stream.recv(2, socket.MSG_WAITALL)
                if len(head) < 2:
                    return
                request = stream.recv(struct.unpack("!H", head)[0], socket.MSG_WAITALL)
                for reply in self.replies(request, "tcp"):
                    stream.sendall(struct.pack("!H", len(reply)) + reply)
        except OSError:
            pass
        finally:
            stream.close()

    def replies(self, request, transport):
        try:
            asked = Message(request)
        except Malformed:
            return []
        if not asked.questions:
            return []
        self.heard.append((asked, transport))
        if self.is_dead:
            return []
        owner, rtype, _, question = asked.questions[0]
        label = owner.lower().split(".")[0]
        cookie = asked.options().get(COOKIE, b"")

        def reply(answers=b"", count=0, rcode=0, flags=0, authority=b"", options=None, ident=None):
            echoed = option(COOKIE, cookie[:8] + b"ourserv1") if cookie and label == "biscuit" else b""
            options = echoed if options is None else options
            extra = opt(options=options) if asked.opt else b""
            counts = (1, count, 1 if authority else 0, 1 if extra else 0)
            head = struct.pack("!6H", asked.id if ident is None else ident, QR | RD | RA | flags | rcode, *counts)
            return head + question + answers + authority + extra

        def record(owner, of, ttl, data):
            return name(owner) + struct.pack("!HHIH", TYPES[of], 1, ttl, len(data)) + data

        soa = record("example.com", "SOA", 600, name("ns.example.com") + name("m.example.com")
                     + struct.pack("!5I", 1, 2, 3, 4, 60))
        address = record(owner, "A", 1 if label == "brief" else 300, bytes([198, 18, 0, 1]))
        if label == "nothing":
            return [reply(rcode=NXDOMAIN, authority=soa)]
        if label == "unsaid":
            return [reply(rcode=NXDOMAIN)]
        if label == "failing":
            return [reply(rcode=SERVFAIL)]
        if label == "inside":
            return [reply(record(owner, "A", 300, bytes([10, 9, 9, 9])), 1)]
        if label == "cut" and transport == "udp":
            return [reply(flags=TC)]
        if label == "led":
            led = record(owner, "CNAME", 300, name("www.example.com"))
            return [reply(led + record("www.example.com", "A", 300, bytes([198, 18, 0, 2])), 2)]
        if label == "home":
            led = record(owner, "CNAME", 300, name("host.internal"))
            return [reply(led + record("host.internal", "A", 300, bytes([198, 18, 6, 6])), 2)]
        if label == "poison":
            stray = record("www.example.com", "A", 300, bytes([198, 18, 6, 6]))
            return [reply(address + stray, 2)]
        if label == "forged":
            forged = record(owner, "A", 300, bytes([198, 18, 6, 6]))
            return [reply(forged, 1, ident=asked.id ^ 1), reply(address, 1)]
        if label == "foreign" and cookie and transport == "udp":
            forged = record(owner, "A", 300, bytes([198, 18, 6, 6]))
            return [reply(forged, 1, options=option(COOKIE, b"notmine!ourserv1")), reply(address, 1)]
        if label == "broken":
            return [reply(address, 5)]
        if rtype != TYPES["A"]:
            return [reply(authority=soa)]
        return [reply(address, 1, flags=AA if label == "aa" else 0)]
