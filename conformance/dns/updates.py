"""Updates that nsupdate does not send: again, late, cut short; and those of certbot's plugin (RFC 2136).

    updates.py ADDRESS PORT KEY SECRET
"""

import sys
import time

import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.resolver
import dns.tsig
import dns.tsigkeyring
import dns.update

ADDRESS, PORT, KEY, SECRET = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
KEYRING = dns.tsigkeyring.from_text({KEY: SECRET})
failed = False


def holds(what, condition, seen=""):
    global failed
    print(f"ok   {what}" if condition else f"FAIL {what}: {seen}")
    failed = failed or not condition


def answer(name, kind):
    reply = dns.query.udp(dns.message.make_query(name, kind), ADDRESS, 5, PORT)
    return sorted(data.to_text() for rrset in reply.answer for data in rrset)


def update():
    return dns.update.Update("internal.", keyring=KEYRING, keyalgorithm=dns.tsig.HMAC_SHA512)


def signed_at(message, seconds):
    real, time.time = time.time, lambda: seconds
    try:
        return message.to_wire()
    finally:
        time.time = real


def sent(wire):
    """Over UDP, as it is; the reply is not verified, since some are not signed."""
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(5)
        client.sendto(wire, (ADDRESS, PORT))
        return client.recv(4096)


def rcode(wire):
    return wire[3] & 15


print("again and late (RFC 8945)")
add = update()
add.add("replay.apps", 60, "A", "10.2.0.1")
first = add.to_wire()
holds("an update", rcode(sent(first)) == 0)
delete = update()
delete.delete("replay.apps")
holds("what undoes it", rcode(sent(delete.to_wire())) == 0)
holds("the first again has the same answer", rcode(sent(first)) == 0)
holds("and changes nothing", answer("replay.apps.internal.", "A") == [], answer("replay.apps.internal.", "A"))

for seconds in (-301, 301):
    late = update()
    late.add("late.apps", 60, "A", "10.2.0.2")
    reply = sent(signed_at(late, time.time() + seconds))
    tsig = reply[-22:]
    # Error, length of the rest, and the server's time.
    holds(f"{seconds} s away is BADTIME, with our time (§5.2.3)", rcode(reply) == 9 and reply[-10:-6] == b"\0\x12\0\6", reply.hex())
    told = int.from_bytes(reply[-6:], "big")
    holds("which is right", abs(told - time.time()) < 5, told)
holds("nothing came of it", answer("late.apps.internal.", "A") == [])
near = update()
near.add("near.apps", 60, "A", "10.2.0.3")
holds("299 s away is near enough", rcode(sent(signed_at(near, time.time() - 299))) == 0)

print("broken ones")
whole = update()
whole.add("whole.apps", 60, "A", "10.2.0.4")
wire = whole.to_wire()
for at in range(12, len(wire)):
    broken = bytearray(wire)
    broken[at] ^= 0x21
    try:
        code = rcode(sent(bytes(broken)))
    except TimeoutError:
        code = None
    if code == 0:
        holds(f"a message with octet {at} changed is not made", False, code)
holds("none of them was made", answer("whole.apps.internal.", "A") == [])

print("certbot's plugin")
try:
    from certbot_dns_rfc2136._internal.dns_rfc2136 import _RFC2136Client
except ImportError:
    print("SKIPPED: certbot's plugin")
else:
    client = _RFC2136Client(ADDRESS, PORT, KEY, SECRET, dns.tsig.HMAC_SHA512)
    name = "_acme-challenge.web.internal"
    client.add_txt_record(name, "first-token", 120)
    client.add_txt_record(name, "second-token", 120)
    seen = answer(name, "TXT")
    holds("two tokens at once", seen == ['"first-token"', '"second-token"'], seen)
    client.del_txt_record(name, "first-token")
    holds("one goes", answer(name, "TXT") == ['"second-token"'], answer(name, "TXT"))
    client.del_txt_record(name, "second-token")
    holds("and the other", answer(name, "TXT") == [], answer(name, "TXT"))
    client = _RFC2136Client(ADDRESS, PORT, KEY, "A" * 43 + "=", dns.tsig.HMAC_SHA512)
    try:
        client.add_txt_record(name, "forged", 120)
        holds("a wrong secret adds nothing", False)
    except Exception as error:
        holds("a wrong secret adds nothing", answer(name, "TXT") == [], error)

sys.exit(failed)
