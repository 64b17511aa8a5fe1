#!/usr/bin/env python3
"""What a responder sends, packet by packet (RFC 6762). Python's standard library alone.

mdns.py INTERFACE OWN-ADDRESS RESPONDER          asks for web.local in each way there is, and judges the replies
mdns.py --goodbye INTERFACE OWN-ADDRESS NAME     waits until NAME is taken back
mdns.py --stopped INTERFACE OWN-ADDRESS RESPONDER NAME PID
                                                 says that it has NAME while the responder, process PID, which has
                                                 probed for it three times, is stopped, and judges what it does then
mdns.py --plain INTERFACE GROUP NAME TYPE        asks the group as plain DNS (dig takes no answer that comes from
                                                 another address than the one it asked) and prints what comes
"""

import os
import signal
import socket
import struct
import sys
import time

GROUP = "224.0.0.251"
A, PTR, AAAA, NSEC, MX, ANY = 1, 12, 28, 47, 15, 255
failed = False


def opened(interface, own, port=5353):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.setsockopt(socket.IPPROTO_IP, 12, 1)  # IP_RECVTTL
    sock.setsockopt(socket.IPPROTO_IP, 8, 1)  # IP_PKTINFO
    sock.bind(("", port))
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(own))
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
    group = socket.inet_aton(GROUP) + socket.inet_aton(own)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
    return sock


def wire(name):
    return b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\0"


def query(name, kind=A, unicast=False, known=(), truncated=False, questions=1, proposed=b""):
    head = struct.pack("!6H", 0, 0x0200 if truncated else 0, questions, len(known), 1 if proposed else 0, 0)
    question = wire(name) + struct.pack("!HH", kind, 0x8001 if unicast else 1)
    return head + question * questions + b"".join(known) + proposed


def record(name, kind, ttl, data, flush=False):
    return wire(name) + struct.pack("!HHIH", kind, 0x8001 if flush else 1, ttl, len(data)) + data


def read_name(data, at):
    labels, end = [], None
    while True:
        length = data[at]
        if length >= 192:
            end = end or at + 2
            at = struct.unpack("!H", data[at : at + 2])[0] & 0x3FFF
        elif length == 0:
            return ".".join(labels), end or at + 1
        else:
            labels.append(data[at + 1 : at + 1 + length].decode().lower())
            at += 1 + length


def read(data):
    ident, bits, *counts = struct.unpack("!6H", data[:12])
    at, sections = 12, []
    for _ in range(counts[0]):
        _, at = read_name(data, at)
        at += 4
    for count in counts[1:]:
        section = []
        for _ in range(count):
            name, at = read_name(data, at)
            kind, group, ttl, length = struct.unpack("!HHIH", data[at : at + 10])
            section.append((name, kind, group, ttl, data[at + 10 : at + 10 + length]))
            at += 10 + length
        sections.append(section)
    return {"id": ident, "bits": bits, "questions": counts[0], "answers": sections[0], "more": sections[2]}


def heard(sock, responder, seconds, wanted):
    """The replies of the responder that hold a name, each with its TTL, where it went, and when."""
    found, end = [], time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        sock.settimeout(left)
        try:
            data, extra, _, source = sock.recvmsg(9000, 256)
        except TimeoutError:
            break
        if source[0] != responder:
            continue
        message = read(data)
        if message["bits"] & 0x8000 and any(r[0] == wanted for r in message["answers"]):
            message["at"], message["port"] = time.monotonic(), source[1]
            for level, kind, value in extra:
                if kind == socket.IP_TTL:
                    message["ttl"] = struct.unpack("i", value[:4])[0]
                if kind == 8:
                    message["to"] = socket.inet_ntoa(value[8:12])
            found.append(message)
    return found


def judge(what, is_good, seen):
    global failed
    print(("ok   " if is_good else "FAILED ") + what + ("" if is_good else f": {seen}"))
    failed = failed or not is_good


def kinds(message, section="answers"):
    return [r[1] for r in message[section]]


def asked(interface, own, responder):
    sock = opened(interface, own)
    group, name = (GROUP, 5353), "web.local"
    address = socket.inet_aton(responder)

    def ask(data, seconds=1.5, to=group):
        heard(sock, responder, 1.1, name)  # the second in which nothing is said twice (§6)
        begun = time.monotonic()
        sock.sendto(data, to)
        return begun, heard(sock, responder, seconds, name)

    begun, got = ask(query(name))
    judge("§6: a question is answered to the group, once", len(got) == 1 and got[0]["to"] == GROUP, got)
    if got:
        reply = got[0]
        judge("§6: from port 5353, with id 0, AA and no question",
              (reply["port"], reply["id"], reply["bits"] & 0xFFFF, reply["questions"]) == (5353, 0, 0x8400, 0), reply)
        judge("§11: with an IP TTL of 255", reply.get("ttl") == 255, reply.get("ttl"))
        judge("§10: 120 s, and the flush bit", reply["answers"] == [(name, A, 0x8001, 120, address)], reply["answers"])
        judge("§6.2: AAAA comes along", kinds(reply, "more") == [AAAA], reply["more"])
        judge("§6: at once", reply["at"] - begun < 0.1, reply["at"] - begun)
    _, got = ask(query(name, known=[record(name, A, 100, address)]))
    judge("§7.1: what is known is not said", not got, got)
    _, got = ask(query(name, known=[record(name, A, 50, address)]))
    judge("§7.1: what is known for less than half of its life is", len(got) == 1, got)
    _, got = ask(query(name, unicast=True))
    judge("§5.4: unicast that was asked for", [m["to"] for m in got] == [own], got)
    begun, got = ask(query(name, truncated=True))
    judge("§7.2: more is waited for", len(got) == 1 and 0.39 < got[0]["at"] - begun < 0.7, got)
    heard(sock, responder, 1.1, name)
    sock.sendto(query(name, truncated=True), group)
    rest = query(name, questions=0, known=[record(name, A, 100, address)])
    sock.sendto(rest[:12] + rest[12:], group)
    got = heard(sock, responder, 1.2, name)
    judge("§7.2: and what it says is taken off", not got, got)
    _, got = ask(query(name, MX))
    judge("§6.1: another type: there is none", len(got) == 1 and kinds(got[0]) == [NSEC]
          and got[0]["answers"][0][4] == wire(name) + bytes([0, 4, 0x40, 0, 0, 8]), got)
    _, got = ask(query(name, ANY))
    judge("§6: ANY: all there is", len(got) == 1 and sorted(kinds(got[0])) == [A, AAAA], got)
    heard(sock, responder, 1.1, name)
    for _ in range(20):
        sock.sendto(query(name), group)
    got = heard(sock, responder, 2.5, name)
    judge("§6: twenty questions in a row: one answer a second", len(got) == 2 and 0.9 < got[1]["at"] - got[0]["at"] < 1.2,
          [m["at"] for m in got])
    claim = query(name, ANY, unicast=True, proposed=record(name, A, 120, socket.inet_aton(own)))
    begun, got = ask(claim)
    judge("§8.1: who probes for our name is told at once", len(got) >= 1 and got[0]["at"] - begun < 0.3, got)
    sock.sendto(struct.pack("!6H", 0, 0x8400, 0, 1, 0, 0) + record(name, A, 120, socket.inet_aton(own), True), group)
    end, probes = time.monotonic() + 3, 0
    while time.monotonic() < end:
        sock.settimeout(max(0.01, end - time.monotonic()))
        try:
            data, source = sock.recvfrom(9000)
        except TimeoutError:
            break
        probes += source[0] == responder and not data[2] & 0x80 and wire(name)[:-1] in data
    judge("§9: who claims it without asking makes us probe again", probes >= 3, probes)
    time.sleep(1)
    other = opened(interface, own, 0)
    other.sendto(query(name), group)
    other.settimeout(2)
    data, source = other.recvfrom(9000)
    message = read(data)
    judge("§6.7: plain DNS: the question comes along, a short life, no flush bit",
          message["questions"] == 1 and message["answers"] == [(name, A, 1, 10, address)], message)
    for junk in [b"", b"\0" * 11, b"\0" * 12, bytes(range(256)), query(name)[:-3], b"\0\0\0\0" + b"\xff" * 8,
                 struct.pack("!6H", 0, 0, 65535, 65535, 65535, 65535) + b"\xc0\x0c" * 400,
                 query(name)[:12] + b"\xc0\x0c" + b"\0\1\0\1", b"\xff" * 9000]:
        sock.sendto(junk, group)
    _, got = ask(query(name))
    judge("§18: junk changes nothing", len(got) == 1, got)


def goodbye(interface, own, name):
    sock, end = opened(interface, own), time.monotonic() + 9
    while (left := end - time.monotonic()) > 0:
        sock.settimeout(left)
        data, _ = sock.recvfrom(9000)
        if data[2] & 0x80 and any(r[0] == name and r[3] == 0 for r in read(data)["answers"]):
            return
    sys.exit("no goodbye")


def stopped(interface, own, responder, name, pid):
    sock, probes = opened(interface, own), 0
    sock.settimeout(20)
    print("listening", flush=True)
    while probes < 3:
        data, source = sock.recvfrom(9000)
        probes += source[0] == responder and not data[2] & 0x80 and wire(name)[:-1] in data
    os.kill(int(pid), signal.SIGSTOP)
    early = heard(sock, responder, 0.1, name)
    mine = record(name, A, 120, socket.inet_aton(own), True)
    sock.sendto(struct.pack("!6H", 0, 0x8400, 0, 1, 0, 0) + mine, (GROUP, 5353))
    time.sleep(1)
    os.kill(int(pid), signal.SIGCONT)
    claims = heard(sock, responder, 3, name)
    if early:
        print("SKIPPED: §8.1: an answer while we stand still (this machine was too slow for it)")
    else:
        judge("§8.1: an answer that came while we stood still is read before the claim", not claims, claims)


def plain(interface, group, name, kind):
    family = socket.AF_INET6 if ":" in group else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.settimeout(1)
    sock.sendto(query(name, {"A": A, "AAAA": AAAA}[kind]), socket.getaddrinfo(group + ("%" + interface if ":" in group else ""), 5353, family)[0][4])
    try:
        answers = read(sock.recv(9000))["answers"]
    except TimeoutError:
        answers = []
    form = {4: socket.AF_INET, 16: socket.AF_INET6}
    print(*(socket.inet_ntop(form[len(data)], data) for *_, data in answers))


if sys.argv[1] == "--plain":
    plain(*sys.argv[2:])
elif sys.argv[1] == "--goodbye":
    goodbye(*sys.argv[2:])
elif sys.argv[1] == "--stopped":
    stopped(*sys.argv[2:])
else:
    asked(*sys.argv[1:])
sys.exit(failed)
