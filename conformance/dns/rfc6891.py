"""RFC 6891, 7873, 9018 and 8906: EDNS, cookies, and that there is a reply to whatever may be asked."""

import os
import struct

from ask import holds, needs
from wire import (AA, AD, BADCOOKIE, BADVERS, CD, COOKIE, FORMERR, NOERROR, NOTIMP, RD, REFUSED, SERVFAIL, TC, Z,
                  opt, option, query)

CLIENT = b"conduit!"


def rfc6891_6_1_1_an_opt_for_an_opt(b):
    for asked in ("host.internal", "nobody.internal"):
        holds(b.ask(asked, edns={}).opt is not None, f"{asked}: none")
        holds(b.ask(asked).opt is None, f"{asked}: one that was not asked for")


def rfc6891_6_1_1_two_opts(b):
    reply = b.send(query("host.internal", edns={}, tail=opt(), counts=(1, 0, 0, 2)))
    holds(reply.rcode == FORMERR, f"{reply.rcode}")


def rfc6891_6_1_2_an_opt_with_a_name(b):
    request = query("host.internal", tail=b"\1x" + opt(), counts=(1, 0, 0, 1))
    b.client.either(request, "v4.internal", (FORMERR,))


def rfc6891_6_1_1_an_opt_in_another_section(b):
    for counts in ((1, 1, 0, 0), (1, 0, 1, 0)):
        b.client.either(query("host.internal", tail=opt(), counts=counts), "v4.internal", (FORMERR, NOERROR))


def rfc6891_6_1_2_options_that_run_over(b):
    for options in (b"\0", b"\0\1\0", b"\0\1\0\2x", b"\0\x0a\xff\xff"):
        request = query("host.internal", edns={"options": options})
        b.client.either(request, "v4.internal", (FORMERR,))


def rfc6891_6_1_3_another_version(b):
    for version in (1, 2, 255):
        reply = b.ask("host.internal", edns={"version": version})
        holds(reply.rcode == BADVERS and not reply.answers, f"version {version}: {reply.rcode}")


def rfc6891_6_1_2_unknown_options_are_passed_over(b):
    options = option(65001, b"x") + option(100, b"") + option(65535, b"y" * 100)
    reply = b.ask("host.internal", edns={"options": options})
    holds(reply.of("A") == ["10.0.0.7"], f"{reply.rcode}")
    holds(not {65001, 100, 65535} & reply.options().keys(), f"{reply.options()}")


def rfc6891_6_1_2_very_many_options(b):
    options = b"".join(option(65001, b"") for _ in range(500))
    b.client.either(query("host.internal", edns={"options": options}), "v4.internal", (NOERROR, FORMERR))


def rfc6891_6_2_3_less_than_512_is_512(b):
    for size in (0, 1, 511):
        reply = b.ask("text.internal", "TXT", edns={"size": size})
        holds(reply.of("TXT") == ["one two"], f"size {size}: {reply.answers}")


def rfc6891_6_2_3_what_the_client_takes(b):
    holds(not b.ask("middle.internal", "TXT", edns={"size": 1232}).flags & TC, "cut, though it fits")
    reply = b.ask("middle.internal", "TXT", edns={"size": 600})
    holds(reply.flags & TC and reply.opt is not None, "not cut, or cut without its OPT")


def rfc6891_6_2_5_no_more_than_paths_take(b):
    """And RFC 9715: not 3,300 octets in fragments, whatever the client says it takes."""
    reply = b.ask("big.internal", "TXT", edns={"size": 65535})
    holds(len(reply.raw) <= 1452 and reply.flags & TC, f"{len(reply.raw)} octets")


def rfc6891_6_1_4_unknown_flags_are_zero(b):
    """Held by `judged` for every reply."""
    b.ask("host.internal", edns={"flags": 0x7FFF})


@needs("cookies")
def rfc7873_5_2_3_a_client_gets_a_cookie(b):
    reply = b.ask("host.internal", edns={"options": option(COOKIE, CLIENT)})
    cookie = reply.options().get(COOKIE, b"")
    holds(cookie[:8] == CLIENT and 16 <= len(cookie) <= 40, f"{cookie.hex()}")
    holds(reply.rcode in (NOERROR, BADCOOKIE), f"{reply.rcode}")


@needs("cookies")
def rfc7873_5_2_5_its_own_cookie_is_good(b):
    first = b.ask("host.internal", edns={"options": option(COOKIE, CLIENT)}).options()[COOKIE]
    reply = b.ask("host.internal", edns={"options": option(COOKIE, first)})
    holds(reply.of("A") == ["10.0.0.7"] and reply.options()[COOKIE][:8] == CLIENT, f"{reply.rcode}")


@needs("cookies")
def rfc7873_5_2_4_a_wrong_cookie_is_replaced(b):
    for wrong in (b"x" * 8, os.urandom(16), b"\1\0\0\0" + os.urandom(12), b"y" * 32):
        reply = b.ask("host.internal", edns={"options": option(COOKIE, CLIENT + wrong)})
        holds(reply.rcode in (NOERROR, BADCOOKIE), f"{reply.rcode}")
        cookie = reply.options().get(COOKIE, b"")
        holds(cookie[:8] == CLIENT and cookie[8:] != wrong, f"{cookie.hex()}")


@needs("cookies")
def rfc7873_5_2_2_cookies_of_wrong_length(b):
    for length in (0, 1, 7, 9, 15, 41, 100):
        reply = b.ask("host.internal", edns={"options": option(COOKIE, b"c" * length)})
        holds(reply.rcode == FORMERR, f"{length} octets: {reply.rcode}")


@needs("cookies")
def rfc7873_5_4_a_question_for_a_cookie_alone(b):
    head = struct.pack("!6H", 77, RD, 0, 0, 0, 1)
    reply = b.send(head + opt(options=option(COOKIE, CLIENT)))
    holds(reply.rcode == NOERROR and not reply.answers, f"{reply.rcode}")
    holds(reply.options().get(COOKIE, b"")[:8] == CLIENT, f"{reply.options()}")


def rfc7873_5_2_1_no_cookie_for_who_has_none(b):
    holds(COOKIE not in b.ask("host.internal", edns={}).options(), "one that was not asked for")


@needs("cookies")
def rfc9018_4_a_cookie_that_others_can_read(b):
    cookie = b.ask("host.internal", edns={"options": option(COOKIE, CLIENT)}).options()[COOKIE]
    holds(len(cookie) == 24 and cookie[8:12] == b"\1\0\0\0", f"{cookie.hex()}")


@needs("cookies")
def rfc9018_4_4_a_cookie_is_of_one_address(b):
    first = b.ask("host.internal", edns={"options": option(COOKIE, CLIENT)}).options()[COOKIE]
    other = b.stranger.ask("host.internal", edns={"options": option(COOKIE, first)})
    holds(other.options()[COOKIE][16:] != first[16:], "another client's cookie was taken")


@needs("cookies", "forward")
def rfc7873_5_3_forwarders_are_sent_a_cookie_and_theirs_comes_back(b):
    holds(b.ask("biscuit.example.com").of("A") == ["198.18.0.1"], "no answer")
    first = b.upstream.asked("biscuit.example.com.")[-1].options().get(COOKIE, b"")
    holds(len(first) >= 8, f"no cookie: {first.hex()}")
    b.ask("biscuit.other.example.com")
    second = b.upstream.asked("biscuit.other.example.com.")[-1].options().get(COOKIE, b"")
    holds(second[8:] == b"ourserv1" and second[:8] == first[:8], f"not remembered: {second.hex()}")


@needs("cookies", "forward")
def rfc7873_5_3_an_answer_with_another_cookie_is_none(b):
    holds(b.ask("foreign.example.com").of("A") == ["198.18.0.1"], "a forged answer was taken")


# RFC 8906 §8: each of these must get a reply; in the order of that list.


def expected(reply, code=NOERROR, soa=True):
    holds(reply.rcode == code, f"code {reply.rcode}")
    holds(bool(reply.of("SOA")) == soa, f"{reply.answers}")


def rfc8906_8_1_1_the_zone(b):
    reply = b.ask("internal", "SOA", flags=0)
    expected(reply)
    holds(reply.flags & AA, "no AA")


def rfc8906_8_1_2_a_type_that_nobody_knows(b):
    expected(b.ask("internal", "TYPE1000", flags=0), soa=False)


def rfc8906_8_1_3_1_cd(b):
    expected(b.ask("internal", "SOA", flags=CD))


def rfc8906_8_1_3_2_ad(b):
    expected(b.ask("internal", "SOA", flags=AD))


def rfc8906_8_1_3_3_the_reserved_bit(b):
    """That it does not come back is held by `judged` for every reply."""
    expected(b.ask("internal", "SOA", flags=Z))


def rfc8906_8_1_3_4_rd(b):
    expected(b.ask("internal", "SOA", flags=RD))


def rfc8906_8_1_4_an_opcode_that_nobody_knows(b):
    expected(b.ask("internal", "SOA", flags=0, opcode=15), NOTIMP, soa=False)


def rfc8906_8_1_5_over_tcp(b):
    expected(b.ask("internal", "SOA", flags=0, tcp=True))


def rfc8906_8_2_1_edns(b):
    reply = b.ask("internal", "SOA", flags=0, edns={})
    expected(reply)
    holds(reply.opt is not None, "no OPT")


def rfc8906_8_2_2_another_version(b):
    expected(b.ask("internal", "SOA", flags=0, edns={"version": 1}), BADVERS, soa=False)


def rfc8906_8_2_3_an_option_that_nobody_knows(b):
    reply = b.ask("internal", "SOA", flags=0, edns={"options": option(100, b"")})
    expected(reply)
    holds(100 not in reply.options(), "the option comes back")


def rfc8906_8_2_4_flags_that_nobody_knows(b):
    expected(b.ask("internal", "SOA", flags=0, edns={"flags": 0x40}))


def rfc8906_8_2_5_another_version_and_flags(b):
    expected(b.ask("internal", "SOA", flags=0, edns={"version": 1, "flags": 0x40}), BADVERS, soa=False)


def rfc8906_8_2_6_another_version_and_an_option(b):
    edns = {"version": 1, "options": option(100, b"")}
    reply = b.ask("internal", "SOA", flags=0, edns=edns)
    expected(reply, BADVERS, soa=False)
    holds(100 not in reply.options(), "the option comes back")


def rfc8906_8_2_7_cut_with_edns(b):
    reply = b.ask("middle.internal", "TXT", flags=0, edns={"size": 512, "do": True})
    holds(reply.flags & TC and reply.opt is not None, "not cut, or without OPT")


def rfc8906_8_2_8_do(b):
    reply = b.ask("internal", "SOA", flags=0, edns={"do": True})
    expected(reply)
    holds(reply.opt.ttl & 0x8000, "DO does not come back")


def rfc8906_8_2_9_another_version_and_do(b):
    expected(b.ask("internal", "SOA", flags=0, edns={"version": 1, "do": True}), BADVERS, soa=False)


def rfc8906_8_2_10_options_that_many_know(b):
    options = option(3, b"") + option(COOKIE, CLIENT) + option(9, b"") + option(8, b"\0\1\0\0")
    reply = b.ask("internal", "SOA", flags=0, edns={"options": options})
    expected(reply)
    holds(reply.opt is not None, "no OPT")


def rfc8906_3_1_4_every_type_gets_a_reply(b):
    for rtype in (*range(1, 300), 32768, 32769, 65280, 65535):
        if rtype in (41, 249, 250, 251, 252):
            continue
        reply = b.ask("v4.internal", rtype)
        holds(reply.rcode in (NOERROR, NOTIMP, REFUSED), f"type {rtype}: {reply.rcode}")


def rfc8906_3_1_4_types_that_are_none(b):
    for rtype in (0, 41, 249, 250, 251, 252):
        reply = b.ask("v4.internal", rtype)
        holds(reply.rcode in (NOERROR, FORMERR, NOTIMP, REFUSED, 9), f"type {rtype}: {reply.rcode}")


def rfc8906_2_1_a_name_below_that_is_not_ours(b):
    reply = b.ask([b"x"] * 3 + [b"nobody", b"internal"], edns={"options": option(65001, b"")})
    holds(reply.rcode != SERVFAIL, f"{reply.rcode}")
