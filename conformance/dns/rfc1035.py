"""RFC 1034 and 1035: messages, names, and what a server does with them. RFC 9619 has one more word on questions."""

import random
import struct

from ask import holds
from wire import (AA, CH, CLASS_ANY, FORMERR, HS, NOERROR, NOTIMP, NXDOMAIN, QR, RD, REFUSED, SERVFAIL, TC, name,
                  opt, query)

BROKEN = (FORMERR, NOTIMP, REFUSED, SERVFAIL)


def rfc1034_3_6_2_alias_is_followed(b):
    reply = b.ask("alias.internal")
    holds([r.rtype for r in reply.answers] == [5, 1], f"not an alias and then an address: {reply.answers}")
    holds(reply.of("A") == ["10.0.0.7"], f"{reply.answers}")


def rfc1034_3_6_2_aliases_are_followed_in_order(b):
    reply = b.ask("second.internal", "AAAA")
    holds([r.text for r in reply.answers] == ["alias.internal.", "host.internal.", "fd00::7"], f"{reply.answers}")


def rfc1034_3_6_2_an_alias_asked_for_is_itself(b):
    reply = b.ask("alias.internal", "CNAME")
    holds([r.text for r in reply.answers] == ["host.internal."], f"{reply.answers}")


def rfc1034_3_6_2_loop_ends(b):
    reply = b.ask("loop1.internal")
    holds(len(reply.answers) <= 16, f"{len(reply.answers)} records of a loop of two")


def rfc1034_4_3_1_recursion_desired_is_copied(b):
    holds(b.ask("host.internal", flags=RD).flags & RD, "RD is lost")
    holds(not b.ask("host.internal", flags=0).flags & RD, "RD is invented")


def rfc1034_6_2_3_mail(b):
    holds(b.ask("mail.internal", "MX").of("MX") == ["10 host.internal."], "not the record")


def rfc1034_6_2_6_no_data_is_no_name_error(b):
    reply = b.ask("text.internal", "A")
    holds((reply.rcode, reply.answers) == (NOERROR, []), f"{reply.rcode} {reply.answers}")


def rfc1035_2_3_3_any_octet_in_a_label(b):
    for label in (b"\0", b"a.b", b"\xff\xfe", b" ", b"*", b"\xc3\xbc", b"x" * 63):
        reply = b.ask([label, b"internal"])
        holds(reply.rcode == NXDOMAIN, f"{label}: {reply.rcode}")


def rfc1035_2_3_4_longest_name(b):
    labels = [b"x" * 63] * 3 + [b"y" * 52, b"internal"]
    reply = b.ask(labels)
    holds(reply.rcode == NXDOMAIN, f"{reply.rcode}")


def rfc1035_2_3_4_name_of_256_octets(b):
    labels = [b"x" * 63] * 3 + [b"y" * 53, b"internal"]
    b.client.either(query(labels), "host.internal", BROKEN)


def rfc1035_2_3_4_many_labels(b):
    reply = b.ask([b"x"] * 122 + [b"internal"])
    holds(reply.rcode == NXDOMAIN, f"{reply.rcode}")


def rfc1035_3_2_4_other_classes(b):
    for qclass in (CH, HS, CLASS_ANY, 254, 65000):
        reply = b.ask("host.internal", qclass=qclass)
        if qclass != CLASS_ANY:
            holds(not any(r.rclass == 1 for r in reply.answers), f"an answer of class IN to class {qclass}")


def rfc1035_3_3_14_texts_stay_apart(b):
    holds(b.ask("text.internal", "TXT").of("TXT") == ["one two"], "not the two texts")


def rfc1035_3_5_reverse_name(b):
    holds(b.ask("7.0.0.10.in-addr.arpa", "PTR").of("PTR") == ["host.internal."], "not the name")


def rfc1035_4_1_1_authoritative_for_its_own(b):
    for asked in ("host.internal", "nobody.internal", "alias.internal"):
        holds(b.ask(asked).flags & AA, f"no AA for {asked}")


def rfc1035_4_1_1_unknown_opcodes(b):
    for opcode in (1, 2, 3, *range(7, 16)):
        reply = b.ask("host.internal", opcode=opcode)
        holds(reply.rcode == NOTIMP, f"opcode {opcode}: {reply.rcode}")


def rfc1035_4_1_1_a_response_is_not_answered(b):
    for flags in (QR, QR | RD, QR | AA | NXDOMAIN, QR | TC):
        holds(b.client.silent(query("host.internal", flags=flags), "v4.internal"), "a response got a response")


def rfc1035_4_1_1_shorter_than_a_header(b):
    for length in range(12):
        good = query("host.internal", ident=7)
        holds(b.client.silent(good[:length], "v4.internal"), f"{length} octets got a reply")


def rfc1035_4_1_1_counts_that_lie(b):
    for counts in ((1, 1, 0, 0), (1, 0, 1, 0), (1, 0, 0, 1), (1, 65535, 65535, 65535), (1, 0, 0, 65535)):
        b.client.either(query("host.internal", counts=counts), "v4.internal", BROKEN)


def rfc1035_4_1_2_cut_anywhere(b):
    good = query("host.internal", edns={})
    for length in range(12, len(good)):
        b.client.either(good[:length], "v4.internal", BROKEN)


def rfc1035_4_1_4_pointers_in_questions(b):
    head = struct.pack("!6H", 7, RD, 1, 0, 0, 0)
    behind = struct.pack("!HH", 1, 1)
    for pointer in (b"\xc0\x0c", b"\xc0\x0d", b"\xc0\x00", b"\xff\xff", b"\xc0\x10" + behind + b"\xc0\x0c"):
        b.client.either(head + pointer + behind, "host.internal", (*BROKEN, NOERROR, NXDOMAIN))


def rfc1035_4_1_4_circles_and_labels_of_no_kind(b):
    head = struct.pack("!6H", 7, RD, 1, 0, 0, 0)
    behind = struct.pack("!HH", 1, 1)
    for question in (b"\1a\xc0\x0c", b"\x40a", b"\x80a", b"\xbf" + b"a" * 64):
        b.client.either(head + question + b"\0" + behind, "host.internal", BROKEN)


def rfc1035_4_1_4_a_bomb_of_pointers(b):
    """Each name in the additional section leads through all those before it."""
    request = bytearray(query("host.internal", counts=(1, 0, 0, 300)))
    last = 12
    for _ in range(300):
        at = len(request)
        request += b"\1a" + struct.pack("!H", 0xC000 | last) + struct.pack("!HHIH", 1, 1, 0, 4) + b"\x0a\0\0\1"
        last = at
        if at > 16000:
            break
    b.client.either(bytes(request), "host.internal", (*BROKEN, NOERROR))


def rfc1035_4_2_1_512_octets_without_edns(b):
    reply = b.ask("middle.internal", "TXT")
    holds(reply.flags & TC, "what does not fit is not marked as cut")
    holds(len(reply.raw) <= 512, f"{len(reply.raw)} octets")


def rfc1035_4_2_2_what_was_cut_is_whole_over_tcp(b):
    for owner, length in (("middle.internal", 800), ("big.internal", 3200)):
        reply = b.ask(owner, "TXT", tcp=True)
        holds(not reply.flags & TC and len(reply.raw) > length, f"{owner} is not whole")


def rfc1035_7_3_garbage(b):
    """Whatever comes, the next query is answered."""
    chance = random.Random(1035)
    for _ in range(200):
        garbage = bytearray(chance.randbytes(chance.randrange(12, 200)))
        garbage[2] &= 0x7F
        b.client.either(bytes(garbage), "host.internal", range(16))


def rfc1035_7_3_a_query_with_one_octet_changed(b):
    good, chance = query("host.internal", edns={}), random.Random(7)
    for at in range(len(good)):
        request = bytearray(good)
        request[at] ^= 1 << chance.randrange(8)
        request[2] &= 0x7F
        b.client.either(bytes(request), "v4.internal", range(16))


def rfc9619_4_no_question(b):
    b.client.either(query("host.internal", counts=(0, 0, 0, 0))[:12], "host.internal", (FORMERR,))


def rfc9619_4_two_questions(b):
    question = name("v4.internal") + struct.pack("!HH", 1, 1)
    request = query("host.internal", tail=question, counts=(2, 0, 0, 0))
    reply = b.send(request)
    holds(reply.rcode == FORMERR, f"{reply.rcode}")


def rfc9619_4_more_questions_than_there_are(b):
    for count in (2, 255, 65535):
        b.client.either(query("host.internal", counts=(count, 0, 0, 0)), "v4.internal", (FORMERR,))


def rfc9619_4_two_questions_with_edns(b):
    question = name("host.internal") + struct.pack("!HH", 1, 1)
    head = struct.pack("!6H", 9, RD, 2, 0, 0, 1)
    reply = b.send(head + question + question + opt())
    holds(reply.rcode == FORMERR, f"{reply.rcode}")
