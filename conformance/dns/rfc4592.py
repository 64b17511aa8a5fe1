"""RFC 4592, 8020, 8482 and 9460: wildcards, empty names, ANY and service bindings."""

from ask import holds
from wire import NOERROR, NXDOMAIN, TC


def rfc4592_2_1_1_a_wildcard_is_a_name(b):
    holds(b.ask("*.wild.internal").of("A") == ["10.0.0.9"], "not found by its own name")


def rfc4592_2_2_1_covers_what_does_not_exist(b):
    for asked in ("x.wild.internal", "X.Y.wild.internal", "a.b.c.wild.internal", "_x._tcp.wild.internal"):
        reply = b.ask(asked)
        holds(reply.of("A") == ["10.0.0.9"], f"{asked}: {reply.answers}")
        holds(reply.answers[0].owner == asked + ".", f"{reply.answers[0].owner} for {asked}")


def rfc4592_2_2_1_covers_no_name_that_exists(b):
    reply = b.ask("here.wild.internal")
    holds((reply.rcode, reply.answers) == (NOERROR, []), f"{reply.rcode} {reply.answers}")


def rfc4592_2_2_1_covers_nothing_below_one_that_exists(b):
    reply = b.ask("x.here.wild.internal")
    holds(reply.rcode == NXDOMAIN, f"{reply.rcode} {reply.answers}")


def rfc4592_2_2_2_an_empty_name_exists(b):
    reply = b.ask("ent.wild.internal")
    holds((reply.rcode, reply.answers) == (NOERROR, []), f"{reply.rcode} {reply.answers}")


def rfc4592_2_2_1_covers_nothing_below_an_empty_name(b):
    holds(b.ask("x.ent.wild.internal").rcode == NXDOMAIN, "covered")


def rfc4592_2_2_1_types_that_it_has_not(b):
    reply = b.ask("x.wild.internal", "MX")
    holds((reply.rcode, reply.answers) == (NOERROR, []), f"{reply.rcode} {reply.answers}")


def rfc4592_2_2_1_the_wildcard_itself_is_not_covered(b):
    holds(b.ask("x.*.wild.internal").rcode == NXDOMAIN, "covered")


def rfc4592_4_4_an_alias(b):
    reply = b.ask("any.walias.internal")
    holds([r.rtype for r in reply.answers] == [5, 1], f"{reply.answers}")
    holds(reply.answers[0].owner == "any.walias.internal.", f"{reply.answers[0]}")


def rfc8020_2_empty_names_exist(b):
    for asked in ("ent.internal", "_tcp.internal"):
        reply = b.ask(asked)
        holds((reply.rcode, reply.answers) == (NOERROR, []), f"{asked}: {reply.rcode}")


def rfc8020_2_nothing_is_below_nothing(b):
    for asked in ("x.nobody.internal", "y.x.nobody.internal", "x.host.internal"):
        holds(b.ask(asked).rcode == NXDOMAIN, asked)


def rfc8020_2_what_is_above_a_name_is_not_denied(b):
    """A resolver that asks label by label would stop there."""
    for asked in ("0.10.in-addr.arpa", "0.0.10.in-addr.arpa", "10.in-addr.arpa"):
        holds(b.ask(asked, "NS").rcode == NOERROR, asked)


def rfc8482_4_1_any_is_small(b):
    for asked in ("host.internal", "big.internal", "internal"):
        reply = b.ask(asked, "ANY", edns={"size": 1232})
        kinds = {record.rtype for record in reply.answers}
        holds(len(kinds) <= 1 and len(reply.raw) <= 1232, f"{asked}: {kinds}")


def rfc8482_4_any_is_not_nothing(b):
    reply = b.ask("host.internal", "ANY")
    holds(reply.rcode == NOERROR and (reply.answers or reply.flags & TC), f"{reply.rcode}")


def rfc8482_4_any_of_nobody(b):
    holds(b.ask("nobody.internal", "ANY").rcode == NXDOMAIN, "not a name error")


def rfc9460_2_2_a_binding_in_octets(b):
    data = [r.data.hex() for r in b.ask("site.internal", "HTTPS").answers]
    holds(data == ["000100" "00010003026832" "0003000220fb"], f"{data}")


def rfc9460_2_4_2_a_binding_elsewhere(b):
    reply = b.ask("moved.internal", "HTTPS")
    holds([r.data.hex() for r in reply.answers] == ["0000" + "04" + b"host".hex() + "08" + b"internal".hex() + "00"],
          f"{reply.answers}")


def rfc2782_a_place_of_a_service(b):
    holds(b.ask("_sip._tcp.internal", "SRV").of("SRV") == ["0 5 5060 host.internal."], "not the record")


def rfc8659_4_1_who_may_issue(b):
    data = [r.data for r in b.ask("caa.internal", "CAA").answers]
    holds(data == [b"\0\5issueca.internal"], f"{data}")
