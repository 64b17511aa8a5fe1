"""RFC 2181, 2308, 3225, 3596, 4343, 6604 and 6672: sets, absence, flags, addresses, case and aliases."""

from ask import holds, needs
from wire import AA, NOERROR, NXDOMAIN, SERVFAIL, TC, TYPES


def rfc2181_5_2_one_ttl_in_a_set(b):
    for owner in ("round.internal", "big.internal"):
        reply = b.ask(owner, "A" if owner.startswith("round") else "TXT", tcp=True)
        holds(len({record.ttl for record in reply.answers}) == 1, f"{reply.answers}")


def rfc2181_5_5_a_set_is_whole(b):
    holds(b.ask("round.internal").of("A") == [f"10.0.0.2{n}" for n in (1, 2, 3)], "not all of the set")


def rfc2181_8_ttls_are_31_bits(b):
    for owner in ("host.internal", "nobody.internal"):
        reply = b.ask(owner)
        for record in reply.answers + reply.authority:
            holds(record.ttl < 1 << 31, f"{record}")


def rfc2181_9_what_comes_along_does_not_cut(b):
    """TC is for what was asked for."""
    reply = b.ask("mail.internal", "MX")
    holds(not reply.flags & TC and reply.of("MX"), "cut for the sake of what comes along")


def rfc2181_10_1_an_alias_has_nothing_else(b):
    for rtype in ("MX", "TXT", "AAAA", "SOA"):
        reply = b.ask("alias.internal", rtype)
        holds(reply.answers and reply.answers[0].rtype == 5, f"{rtype}: {reply.answers}")


def rfc2181_10_3_targets_of_mail_come_along_as_addresses(b):
    extra = b.ask("mail.internal", "MX").additional
    holds(all(record.rtype in (1, 28) for record in extra), f"{extra}")


def rfc2308_2_1_a_name_error_says_whose(b):
    for asked in ("nobody.internal", "a.b.c.nobody.internal"):
        reply = b.ask(asked)
        holds(reply.rcode == NXDOMAIN and not reply.answers, f"{asked}: {reply.rcode}")
        soa = reply.soa()
        holds(soa is not None and soa.owner.lower() == "internal.", f"{asked}: {reply.authority}")


def rfc2308_2_2_no_data_says_whose(b):
    reply = b.ask("v4.internal", "AAAA")
    soa = reply.soa()
    holds(reply.rcode == NOERROR and not reply.answers, f"{reply.rcode}")
    holds(soa is not None and soa.owner.lower() == "internal.", f"{reply.authority}")


def rfc2308_2_2_1_no_data_behind_an_alias(b):
    reply = b.ask("aliasv4.internal", "AAAA")
    holds(reply.rcode == NOERROR and [r.rtype for r in reply.answers] == [5], f"{reply.rcode} {reply.answers}")
    holds(reply.soa() is not None, f"{reply.authority}")


def rfc2308_3_the_soa_lives_no_longer_than_its_minimum(b):
    soa = b.ask("nobody.internal").soa()
    holds(soa is not None, "no SOA")
    holds(soa.ttl <= int(soa.text.split()[-1]), f"{soa}")


@needs("forward")
def rfc2308_5_absence_is_kept_as_the_soa_says(b):
    for _ in range(3):
        reply = b.ask("nothing.example.com")
        holds(reply.rcode == NXDOMAIN, f"{reply.rcode}")
        soa = reply.soa()
        holds(soa is not None and soa.ttl <= 600, f"{reply.authority}")
    holds(len(b.upstream.asked("nothing.example.com.")) == 1, "asked again")


@needs("forward")
def rfc2308_5_absence_without_soa_is_not_kept(b):
    for _ in range(2):
        holds(b.ask("unsaid.example.com").rcode == NXDOMAIN, "not a name error")
    holds(len(b.upstream.asked("unsaid.example.com.")) >= 2, "kept, though nobody said for how long")


@needs("forward")
def rfc2308_7_1_failures_are_told(b):
    holds(b.ask("failing.example.com").rcode == SERVFAIL, "not SERVFAIL")


def rfc3225_3_do_is_copied(b):
    for do in (False, True):
        reply = b.ask("host.internal", edns={"do": do})
        holds(reply.opt is not None and bool(reply.opt.ttl & 0x8000) == do, f"DO {do}: {reply.opt}")


def rfc3225_3_no_signatures_without_do(b):
    for edns in (None, {"do": False}):
        reply = b.ask("nobody.internal", edns=edns)
        signed = [r for r in reply.answers + reply.authority if r.rtype in (46, 47, 50)]
        holds(not signed, f"{signed}")


def rfc3596_2_addresses_of_ipv6(b):
    holds(b.ask("host.internal", "AAAA").of("AAAA") == ["fd00::7"], "not the address")
    holds(b.ask("v6.internal", "AAAA").of("AAAA") == ["fd00::8"], "not the address")


def rfc4074_4_2_no_name_error_for_the_other_family(b):
    """It would hide the address that there is from resolvers that ask for both (musl)."""
    for owner, rtype in (("v4.internal", "AAAA"), ("v6.internal", "A"), ("x.wild.internal", "AAAA")):
        reply = b.ask(owner, rtype)
        holds((reply.rcode, reply.answers) == (NOERROR, []), f"{owner} {rtype}: {reply.rcode}")


def rfc4074_4_3_no_failure_for_any_type(b):
    for rtype in ("AAAA", "HTTPS", "SVCB", "SRV", "DS", "DNSKEY", "HINFO", "TYPE1000", "CAA", "NSEC"):
        reply = b.ask("v4.internal", rtype)
        holds((reply.rcode, reply.answers) == (NOERROR, []), f"{rtype}: {reply.rcode}")


def rfc4343_3_names_are_equal_in_any_case(b):
    for asked in ("HOST.INTERNAL", "hOsT.iNtErNaL", "Alias.Internal"):
        holds(b.ask(asked).of("A") == ["10.0.0.7"], asked)


def rfc4343_4_1_the_question_comes_back_as_it_was(b):
    """Held by `judged` for every reply; here for each outcome."""
    for asked in ("HoSt.InTeRnAl", "NoBoDy.InTeRnAl", "X.wIlD.iNtErNaL", "ALIAS.internal"):
        holds(b.ask(asked).questions[0][0] == asked + ".", asked)


def rfc4343_3_only_ascii_is_folded(b):
    for low, high in ((b"\xe4", b"\xc4"), (b"[", b"{"), (b"@", b"`")):
        codes = {b.ask([label, b"internal"]).rcode for label in (low, high)}
        holds(codes == {NXDOMAIN}, f"{codes}")


def rfc6604_3_the_code_is_of_the_last_name(b):
    reply = b.ask("dangling.internal")
    holds(reply.rcode == NXDOMAIN, f"{reply.rcode}")
    holds([r.rtype for r in reply.answers] == [5], f"{reply.answers}")


def rfc6604_2_1_aa_is_of_the_first_name(b):
    holds(b.ask("dangling.internal").flags & AA, "no AA")


@needs("forward")
def rfc6604_3_an_alias_to_a_name_of_others(b):
    reply = b.ask("outside.internal")
    texts = [r.text for r in reply.answers]
    holds(texts == ["led.example.com.", "www.example.com.", "198.18.0.2"], f"{reply.answers}")
    holds(reply.rcode == NOERROR, f"{reply.rcode}")


@needs("forward")
def rfc6604_3_an_alias_to_nothing_of_others(b):
    reply = b.ask("lost.internal")
    holds(reply.rcode == NXDOMAIN and [r.rtype for r in reply.answers] == [5], f"{reply.rcode} {reply.answers}")


@needs("forward")
def rfc6604_3_who_wants_no_recursion_gets_the_alias_alone(b):
    reply = b.ask("outside.internal", flags=0)
    holds([r.text for r in reply.answers] == ["led.example.com."], f"{reply.answers}")


def rfc6672_2_1_no_renamed_tree(b):
    reply = b.ask("host.internal", "DNAME")
    holds((reply.rcode, reply.answers) == (NOERROR, []), f"{reply.rcode}")
    holds(TYPES["DNAME"] == 39, "the type")
