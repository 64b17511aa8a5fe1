"""RFC 9462, 9461 and 7828: what clients find out about the server that they ask."""

import struct

from ask import holds, needs
from wire import AA, NOERROR, REFUSED, name, option

KEEPALIVE = 11


@needs("discovery")
def rfc9462_4_what_is_named_is_well_formed(b):
    """Each record's target has the server's name, and its keys stand in their order (RFC 9460 §2.2)."""
    reply = b.ask("_dns.resolver.arpa", "SVCB")
    holds(reply.rcode == NOERROR and reply.answers, f"{reply.rcode}, {reply.answers}")
    for record in reply.answers:
        target = name("dns.internal")
        holds(record.data[2:2 + len(target)] == target, f"{record.data!r}")
        rest, keys = record.data[2 + len(target):], []
        while rest:
            key, length = struct.unpack("!HH", rest[:4])
            keys.append(key)
            rest = rest[4 + length:]
        holds(keys == sorted(set(keys)) and keys[0] == 1, f"{keys}")
        holds((b"/dns-query{?dns}" in record.data) == (b"\x02h2" in record.data), "a path without HTTPS")


@needs("discovery")
def rfc9462_6_4_resolver_arpa_is_served_here(b):
    for asked, rtype in (("_dns.resolver.arpa", "A"), ("resolver.arpa", "SVCB"), ("any.resolver.arpa", "TXT")):
        reply = b.ask(asked, rtype)
        holds(reply.rcode == NOERROR and not reply.answers, f"{asked}: {reply.rcode}, {reply.answers}")
        holds(reply.flags & AA and reply.soa(), f"{asked}: no authority")
        holds(not b.upstream.asked(f"{asked}."), f"{asked}: asked elsewhere")


@needs("discovery", "acl")
def rfc9462_4_strangers_find_nothing(b):
    holds(b.stranger.ask("_dns.resolver.arpa", "SVCB").rcode == REFUSED, "told to a stranger")


@needs("keepalive")
def rfc7828_3_3_2_who_asks_is_told_for_how_long(b):
    asked = {"options": option(KEEPALIVE, b"")}
    told = dict(b.ask("host.internal", tcp=True, edns=asked).options()).get(KEEPALIVE)
    holds(told is not None and len(told) == 2, f"{told!r}")
    holds(KEEPALIVE not in dict(b.ask("host.internal", tcp=True, edns={}).options()), "told who did not ask")


def rfc7828_3_3_1_not_over_udp(b):
    asked = {"options": option(KEEPALIVE, b"")}
    reply = b.ask("host.internal", edns=asked)
    holds(reply.rcode == NOERROR and KEEPALIVE not in dict(reply.options()), "told over UDP")
