"""RFC 7766 and 9210: streams."""

import socket
import struct
import time

from ask import Failed, framed, holds, judged, received
from wire import QR, TC, query


def rfc7766_6_2_1_two_questions_one_after_the_other(b):
    with b.client.tcp() as sock:
        for asked in ("host.internal", "v4.internal", "nobody.internal"):
            request = query(asked)
            sock.sendall(framed(request))
            judged(request, received(sock), 65535)


def rfc7766_6_2_1_1_pipelining(b):
    """All at once, in one segment; the replies may come in any order."""
    requests = {request[:2]: request for request in (query("host.internal", ident=n) for n in range(50))}
    with b.client.tcp() as sock:
        sock.sendall(b"".join(framed(request) for request in requests.values()))
        for _ in range(50):
            reply = received(sock)
            judged(requests.pop(reply[:2], b""), reply, 65535)
    holds(not requests, f"{len(requests)} without a reply")


def rfc7766_8_one_octet_at_a_time(b):
    request = query("host.internal")
    with b.client.tcp() as sock:
        for octet in framed(request):
            sock.sendall(bytes([octet]))
            time.sleep(0.002)
        judged(request, received(sock), 65535)


def rfc7766_8_length_and_message_in_one_segment(b):
    """A reply, too: some clients read its length alone and give up."""
    request = query("host.internal")
    with b.client.tcp() as sock:
        sock.sendall(framed(request))
        sock.settimeout(6)
        first = sock.recv(65535)
        holds(len(first) > 2, "the length came alone")


def rfc7766_6_2_4_the_client_ends_its_half(b):
    """What was asked before is answered."""
    request = query("host.internal")
    with b.client.tcp() as sock:
        sock.sendall(framed(request))
        sock.shutdown(socket.SHUT_WR)
        judged(request, received(sock), 65535)
        holds(received(sock) == b"", "the stream goes on")


def rfc7766_8_a_length_that_is_more_than_comes(b):
    request = query("host.internal")
    with b.client.tcp() as sock:
        sock.sendall(struct.pack("!H", len(request) + 40) + request)
        sock.shutdown(socket.SHUT_WR)
        holds(received(sock) == b"", "a reply to half a message")
    b.ask("host.internal", tcp=True)


def rfc7766_8_lengths_that_are_too_small(b):
    for length in (0, 1, 11):
        with b.client.tcp() as sock:
            sock.sendall(struct.pack("!H", length) + b"\0" * length)
            sock.shutdown(socket.SHUT_WR)
            try:
                reply = received(sock)
            except Failed:
                reply = b""
            holds(reply == b"" or reply[3] & 15 == 1, f"{length}: {reply.hex()}")
        b.ask("host.internal", tcp=True)


def rfc7766_8_the_longest_length_and_nothing(b):
    """Many who promise 64 KiB and send nothing: others are served."""
    socks = [b.client.tcp() for _ in range(40)]
    try:
        for sock in socks:
            sock.sendall(b"\xff\xff\0")
        b.ask("host.internal", tcp=True)
    finally:
        for sock in socks:
            sock.close()


def rfc7766_10_garbage(b):
    for garbage in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\0\1\0\1\xfc", b"\0" * 100, b"\xff" * 100):
        with b.client.tcp() as sock:
            sock.sendall(garbage)
        b.ask("host.internal", tcp=True)


def rfc7766_10_a_response(b):
    request = query("host.internal", flags=QR)
    with b.client.tcp() as sock:
        sock.sendall(framed(request))
        sock.shutdown(socket.SHUT_WR)
        holds(received(sock) == b"", "a response got a response")


def rfc7766_5_everything_over_tcp(b):
    for asked, rtype in (("host.internal", "A"), ("nobody.internal", "A"), ("alias.internal", "A"), ("internal", "SOA")):
        over_udp, over_tcp = b.ask(asked, rtype), b.ask(asked, rtype, tcp=True)
        same = [sorted((r.owner, r.rtype, r.text) for r in reply.answers) for reply in (over_udp, over_tcp)]
        holds(same[0] == same[1] and over_udp.rcode == over_tcp.rcode, f"{asked}: {same}")


def rfc9210_3_large_replies_over_tcp(b):
    reply = b.ask("big.internal", "TXT", tcp=True, edns={"size": 512})
    holds(not reply.flags & TC and len(reply.raw) > 3000, f"{len(reply.raw)} octets")


def rfc9210_4_1_a_hundred_connections(b):
    socks = [b.client.tcp() for _ in range(100)]
    try:
        for sock in socks:
            request = query("host.internal")
            sock.sendall(framed(request))
            judged(request, received(sock), 65535)
    finally:
        for sock in socks:
            sock.close()


def rfc9210_4_4_a_reset_hurts_nobody(b):
    for _ in range(20):
        sock = b.client.tcp()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.sendall(framed(query("host.internal"))[:9])
        sock.close()
    b.ask("host.internal", tcp=True)
