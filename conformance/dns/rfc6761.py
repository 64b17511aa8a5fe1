"""RFC 5358, 5452, 6303, 6761, 6762 and 8767, 8914: whom one answers, what stays here, and what others say."""

import time

from ask import holds, needs
from wire import AA, COOKIE, EDE, NOERROR, NXDOMAIN, REFUSED, SERVFAIL, option, query


@needs("acl")
def rfc5358_4_strangers_ask_for_nothing_of_others(b):
    holds(b.stranger.ask("www.example.com").rcode == REFUSED, "answered")
    holds(not b.upstream.asked("www.example.com."), "asked for a stranger")


@needs("acl")
def rfc5358_4_not_even_what_is_kept(b):
    holds(b.ask("kept.example.com").of("A") == ["198.18.0.1"], "no answer")
    reply = b.stranger.ask("kept.example.com")
    holds(reply.rcode == REFUSED and not reply.answers, f"{reply.rcode}")


@needs("acl")
def rfc5358_4_our_own_names_are_for_all(b):
    holds(b.stranger.ask("host.internal").of("A") == ["10.0.0.7"], "refused")


@needs("acl")
def rfc5358_4_a_refusal_is_no_longer_than_the_question(b):
    request = query("www.example.com", "ANY")
    holds(len(b.stranger.send(request).raw) <= len(request), "longer")


@needs("forward")
def rfc5452_9_1_what_is_asked_cannot_be_guessed(b):
    seen = set()
    for number in range(20):
        b.ask(f"nothing.n{number}.example.com")
        asked = b.upstream.asked(f"nothing.n{number}.example.com.")
        seen.add(asked[0].id)
    holds(len(seen) > 15, f"{len(seen)} ids in 20 queries")


@needs("forward")
def rfc5452_9_1_an_answer_with_another_id_is_none(b):
    holds(b.ask("forged.example.com").of("A") == ["198.18.0.1"], "a forged answer was taken")


@needs("forward")
def rfc5452_6_what_was_not_asked_is_not_believed(b):
    b.ask("poison.example.com")
    holds(b.ask("www.example.com").of("A") == ["198.18.0.1"], "poisoned")


@needs("forward")
def rfc2181_5_4_1_nobody_else_tells_of_our_names(b):
    reply = b.ask("home.example.com")
    holds("198.18.6.6" not in reply.of("A"), "a forwarder's word about a name of ours")
    holds(b.ask("host.internal").of("A") == ["10.0.0.7"], "poisoned")


@needs("forward")
def rfc5452_7_a_broken_answer_is_a_failure(b):
    reply = b.ask("broken.example.com")
    holds(reply.rcode in (SERVFAIL, NOERROR), f"{reply.rcode}")


@needs("forward")
def rfc7766_5_what_a_forwarder_cut_is_asked_for_over_tcp(b):
    holds(b.ask("cut.example.com").of("A") == ["198.18.0.1"], "not the whole answer")


@needs("forward")
def rfc1035_4_1_1_not_authoritative_for_others(b):
    reply = b.ask("aa.example.com")
    holds(reply.of("A") == ["198.18.0.1"], "no answer")
    holds(not b.ask("aa.example.com").flags & AA, "AA")


@needs("forward")
def rfc1918_4_addresses_of_the_inside_from_outside(b):
    """DNS rebinding."""
    holds(not b.ask("inside.example.com").answers, "let in")


def rfc6761_6_3_localhost(b):
    holds(b.ask("localhost").of("A") == ["127.0.0.1"], "not 127.0.0.1")
    holds(b.ask("localhost", "AAAA").of("AAAA") == ["::1"], "not ::1")
    holds(b.ask("www.localhost").of("A") == ["127.0.0.1"], "not 127.0.0.1 below it")
    reply = b.ask("localhost", "MX")
    holds((reply.rcode, reply.answers) == (NOERROR, []), f"{reply.rcode}")


@needs("forward")
def rfc6761_6_special_names_are_not_asked_for(b):
    names = ("x.invalid", "x.test", "x.onion", "nas.home.arpa", "x.alt", "x.localhost")
    for asked in names:
        reply = b.ask(asked)
        holds(reply.rcode in (NXDOMAIN, NOERROR), f"{asked}: {reply.rcode}")
    leaked = [asked for asked in names if b.upstream.asked(asked + ".")]
    holds(not leaked, f"asked of the forwarder: {leaked}")


@needs("forward")
def rfc6303_4_private_reverse_names_are_not_asked_for(b):
    names = ("9.9.168.192.in-addr.arpa", "1.0.16.172.in-addr.arpa", "9.9.9.10.in-addr.arpa",
             "1.0.0.127.in-addr.arpa", "1.1.254.169.in-addr.arpa", "1.2.0.192.in-addr.arpa",
             "1." + "0." * 29 + "d.f.ip6.arpa", "1.0." * 8 + "8.e.f.ip6.arpa")
    for asked in names:
        b.ask(asked, "PTR")
    leaked = [asked for asked in names if b.upstream.asked(asked + ".")]
    holds(not leaked, f"asked of the forwarder: {leaked}")


def rfc6762_22_1_local_has_an_soa(b):
    """Where it has one, clients of multicast DNS know that it is answered over unicast, too (nss-mdns)."""
    reply = b.ask("local", "SOA")
    holds(reply.rcode == NOERROR and len(reply.of("SOA")) == 1, f"{reply.rcode} {reply.answers}")


def rfc6762_22_1_local_is_not_asked_for(b):
    holds(b.ask("printer.local").rcode == NXDOMAIN, "not a name error")
    holds(not b.upstream.asked("printer.local."), "asked of the forwarder")


@needs("forward")
def product_no_internal_name_leaves(b):
    b.ask("secret.internal")
    b.ask("secret.nobody.internal", "AAAA")
    leaked = [str(m.questions[0][0]) for m, _ in b.upstream.heard if m.questions[0][0].lower().endswith("internal.")]
    holds(not leaked, f"{leaked}")


@needs("forward")
def rfc2308_5_one_question_is_asked_once(b):
    for _ in range(5):
        b.ask("once.example.com")
    holds(len(b.upstream.asked("once.example.com.")) == 1, "asked again within its TTL")


@needs("forward")
def rfc2181_8_a_ttl_counts_down(b):
    first = b.ask("counted.example.com").answers[0].ttl
    time.sleep(1.1)
    second = b.ask("counted.example.com").answers[0].ttl
    holds(second < first <= 300, f"{first}, then {second}")


@needs("forward", "cookies")
def rfc8767_5_what_was_good_once_when_nobody_answers(b):
    """And says so (RFC 8914 §4.4)."""
    b.ask("brief.example.com")
    time.sleep(1.1)
    b.upstream.is_dead = True
    try:
        reply = b.ask("brief.example.com", edns={})
    finally:
        b.upstream.is_dead = False
    holds(reply.of("A") == ["198.18.0.1"], f"{reply.rcode} {reply.answers}")
    holds(0 < reply.answers[0].ttl <= 30, f"{reply.answers}")
    holds(reply.options().get(EDE, b"")[:2] == b"\0\3", f"{reply.options()}")


@needs("limit")
def rfc5358_4_a_flood_of_strangers_is_limited(b):
    """What is above the rate is short or nothing; TCP and who shows a cookie are let through."""
    flood, sizes = b.at("127.0.10.1"), []
    request = query("round.internal")
    with flood.udp() as sock:
        for _ in range(200):
            sock.send(request)
        sock.settimeout(0.5)
        try:
            while True:
                sizes.append(len(sock.recv(4096)))
        except TimeoutError:
            pass
    whole = sum(size > len(request) for size in sizes)
    holds(whole <= 60, f"{whole} of 200 were answered")
    holds(len(sizes) < 160 and whole < len(sizes), f"{len(sizes)} replies")
    holds(flood.ask("round.internal", tcp=True).of("A"), "not over TCP either")
    holds(b.ask("round.internal").of("A"), "another network is limited, too")


@needs("limit", "cookies")
def rfc7873_5_2_3_a_cookie_is_the_way_back(b):
    flood = b.at("127.0.11.1")
    shown = query("round.internal", edns={"options": option(COOKIE, b"conduit!")})
    cookie = flood.send(shown).options()[COOKIE]
    with flood.udp() as sock:
        for _ in range(200):
            sock.send(query("round.internal"))
    for _ in range(100):
        reply = flood.ask("round.internal", edns={"options": option(COOKIE, cookie)})
        holds(len(reply.of("A")) == 3, f"{reply.rcode}")


@needs("acl")
def rfc8914_4_19_why_a_stranger_is_refused(b):
    reply = b.stranger.ask("www.example.com", edns={})
    holds(reply.options().get(EDE, b"")[:2] == b"\0\x12", f"{reply.options()}")
    holds(EDE not in b.ask("host.internal", edns={}).options(), "a reason where nothing is wrong")
