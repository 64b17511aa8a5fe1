"""DNS messages, written and read strictly; no library, so that no library's mildness is in the judgement."""

import os
import socket
import struct

TYPES = {
    "A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "HINFO": 13, "MX": 15, "TXT": 16, "AAAA": 28, "SRV": 33,
    "DNAME": 39, "OPT": 41, "DS": 43, "RRSIG": 46, "NSEC": 47, "DNSKEY": 48, "SVCB": 64, "HTTPS": 65, "AXFR": 252,
    "ANY": 255, "CAA": 257, "TYPE1000": 1000,
}
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED, NOTAUTH, BADVERS, BADCOOKIE = 0, 1, 2, 3, 4, 5, 9, 16, 23
IN, CH, HS, CLASS_ANY = 1, 3, 4, 255
QR, AA, TC, RD, RA, Z, AD, CD = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080, 0x0040, 0x0020, 0x0010
COOKIE, EDE = 10, 15


class Malformed(Exception):
    """A message that is not one."""


def name(text):
    """A name in wire form; `text` may be labels as bytes."""
    labels = text if isinstance(text, list) else [part.encode() for part in text.rstrip(".").split(".") if part]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def option(code, data):
    return struct.pack("!HH", code, len(data)) + data


def opt(size=1232, do=False, version=0, flags=0, options=b"", rcode=0):
    return b"\0" + struct.pack("!HHBBHH", 41, size, rcode, version, flags | (0x8000 if do else 0), len(options)) + options


def query(asked, rtype="A", *, qclass=IN, flags=RD, opcode=0, edns=None, ident=None, tail=b"", counts=None):
    """A query's bytes; `edns` is what `opt` takes, `tail` more records of the additional section."""
    ident = struct.unpack("!H", os.urandom(2))[0] if ident is None else ident
    extra = (opt(**edns) if edns is not None else b"") + tail
    counts = counts or (1, 0, 0, 1 if edns is not None else 0)
    rtype = TYPES.get(rtype, rtype)
    question = name(asked) + struct.pack("!HH", rtype, qclass)
    return struct.pack("!6H", ident, flags | (opcode << 11), *counts) + question + extra


class Record:
    def __init__(self, owner, rtype, rclass, ttl, data, text):
        self.owner, self.rtype, self.rclass, self.ttl, self.data, self.text = owner, rtype, rclass, ttl, data, text

    def __repr__(self):
        return f"{self.owner} {self.ttl} {self.rtype} {self.text}"


class Message:
    """A message that was read to its last octet."""

    def __init__(self, raw):
        self.raw = raw
        if len(raw) < 12:
            raise Malformed("shorter than a header")
        self.id, self.flags, *counts = struct.unpack("!6H", raw[:12])
        self.opcode, self.rcode = (self.flags >> 11) & 15, self.flags & 15
        at, self.questions = 12, []
        for _ in range(counts[0]):
            start = at
            owner, at = self.name_at(at)
            rtype, rclass = struct.unpack("!HH", self.octets(at, 4))
            at += 4
            self.questions.append((owner, rtype, rclass, raw[start:at]))
        self.sections, self.opt = [], None
        for section, count in enumerate(counts[1:]):
            records = []
            for _ in range(count):
                record, at = self.record_at(at)
                if record.rtype == 41:
                    if section != 2 or self.opt is not None:
                        raise Malformed("a second OPT record, or one in a wrong place")
                    self.opt = record
                else:
                    records.append(record)
            self.sections.append(records)
        if at != len(raw):
            raise Malformed(f"{len(raw) - at} octets behind the message")
        self.answers, self.authority, self.additional = self.sections
        if self.opt is not None:
            self.rcode |= (self.opt.ttl >> 24) << 4

    def octets(self, at, count):
        if at + count > len(self.raw):
            raise Malformed("ends early")
        return self.raw[at:at + count]

    def name_at(self, at):
        labels, end, lowest = [], None, at
        while True:
            length = self.octets(at, 1)[0]
            if length >= 0xC0:
                to = struct.unpack("!H", self.octets(at, 2))[0] & 0x3FFF
                end = at + 2 if end is None else end
                if to >= lowest:
                    raise Malformed("a pointer that does not lead back")
                at = lowest = to
            elif length > 63:
                raise Malformed("a label of a kind that does not exist")
            elif length == 0:
                text = ".".join(label.decode("latin-1") for label in labels) + "."
                return text, at + 1 if end is None else end
            else:
                labels.append(self.octets(at + 1, length))
                at += 1 + length
                if sum(len(label) + 1 for label in labels) > 254:
                    raise Malformed("a name that is too long")

    def record_at(self, at):
        owner, at = self.name_at(at)
        rtype, rclass, ttl, length = struct.unpack("!HHIH", self.octets(at, 10))
        at += 10
        data = self.octets(at, length)
        text = self.text_of(rtype, at, data)
        return Record(owner, rtype, rclass, ttl, data, text), at + length

    def text_of(self, rtype, at, data):
        if rtype in (2, 5, 12):
            return self.name_at(at)[0].lower()
        if rtype == 15:
            return f"{struct.unpack('!H', data[:2])[0]} {self.name_at(at + 2)[0].lower()}"
        if rtype == 33:
            return "{} {} {} ".format(*struct.unpack("!HHH", data[:6])) + self.name_at(at + 6)[0].lower()
        if rtype == 6:
            first, at = self.name_at(at)
            second, at = self.name_at(at)
            return " ".join([first, second, *map(str, struct.unpack("!5I", self.octets(at, 20)))])
        if rtype == 1 and len(data) == 4:
            return socket.inet_ntop(socket.AF_INET, data)
        if rtype == 28 and len(data) == 16:
            return socket.inet_ntop(socket.AF_INET6, data)
        if rtype == 16:
            texts, rest = [], data
            while rest:
                texts.append(rest[1:1 + rest[0]])
                rest = rest[1 + rest[0]:]
            return " ".join(text.decode("latin-1") for text in texts)
        return data.hex()

    def of(self, rtype):
        """The answers of a type, as text."""
        return sorted(r.text for r in self.answers if r.rtype == TYPES.get(rtype, rtype))

    def soa(self):
        """The SOA record of a negative answer."""
        found = [record for record in self.authority if record.rtype == 6]
        return found[0] if found else None

    def options(self):
        """The EDNS options, by code."""
        found, rest = {}, self.opt.data if self.opt else b""
        while rest:
            code, length = struct.unpack("!HH", rest[:4])
            found[code], rest = rest[4:4 + length], rest[4 + length:]
        return found
