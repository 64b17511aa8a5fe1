#!/usr/bin/env python3
"""Makes the vectors beside it from the written specification (Capsule Protocol 1.0).

A second implementation on purpose: Python's own json and hashlib, and PyNaCl's Ed25519, none of
Conduit's code. Deterministic; run it again and nothing may change. Needs: pip install pynacl.
"""

import copy
import hashlib
import json
import pathlib
import random
import struct

from nacl.signing import SigningKey

HERE = pathlib.Path(__file__).parent
SEED = bytes(range(32))
RETIRED_SEED = bytes(range(32, 64))
STRANGER_SEED = bytes(range(64, 96))


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def sha3(text):
    return hashlib.sha3_256(text.encode()).hexdigest()


def sign(hash_hex, seed=SEED):
    return SigningKey(seed).sign(hash_hex.encode("ascii")).signature.hex()


def public_key(seed):
    return SigningKey(seed).verify_key.encode().hex()


def save(name, value):
    text = json.dumps(value, indent=1, ensure_ascii=True) + "\n"
    (HERE / name).write_text(text, encoding="ascii")


# --- canonical.json -------------------------------------------------------------------------


def canonical_vectors():
    named = {
        "keys sorted by code point": '{"b":1,"a":2,"é":3,"\U0001f600":4,"｡":5,"B":6,"":7}',
        "white space dropped": ' { "a" : [ 1 , 2 ] , "b" : { } } \n',
        "array order kept": '[3,1,2,[],{}]',
        "short escapes": r'"\" \\ \/ \b \f \n \r \t"',
        "other control characters": r'"\u0000\u0001\u000b\u001f\u007f\u0085"',
        "everything else literal": r'"\u00fc \u2192 \u2028 \ud83d\ude00 /"',
        "words": '[null,true,false]',
        "integers": '[0,-1,9007199254740993,18446744073709551615,-9223372036854775808]',
        "whole floats keep their point": '[0.0,1.0,-0.0,100.0,1E2,1e15,123456789012345680.0]',
        "fixed notation ends at 1e16": '[9999999999999998.0,1e16,1.5e16,12345678901234567890.5]',
        "fixed notation starts at 1e-4": '[0.0001,0.00012,0.00001,9.5e-05,1e-5,1.5e-7]',
        "extremes": '[5e-324,2.2250738585072014e-308,1.7976931348623157e308,1e-8,1e22,1e23]',
        "exact ties": '[843081518574926.25,843081518574926.75,5e-5,0.3,2.675]',
        "confidence": '{"confidence":0.95,"gpu":92.5}',
        "nested": '{"a":{"b":{"c":{"d":{"e":[[[[[1]]]]]}}}}}',
        "empty": '{"a":{},"b":[],"c":"","d":null}',
    }
    random.seed(20260404)
    doubles = []
    while len(doubles) < 1500:
        (number,) = struct.unpack("<d", random.randbytes(8))
        if number == number and abs(number) != float("inf"):
            doubles.append(number)
    for _ in range(1500):
        doubles.append(random.choice([-1, 1]) * random.random() * 10 ** random.randint(-7, 18))
    accept = [{"name": name, "input": text} for name, text in named.items()]
    for start in range(0, len(doubles), 500):
        # 17 digits: the text that every writer could have used, not only the shortest one.
        text = "[" + ",".join(f"{number:.17g}" for number in doubles[start : start + 500]) + "]"
        text = text.replace("[-0,", "[-0.0,")
        # A whole number without a point is an integer to both sides only while it fits.
        items = [t if any(c in t for c in ".e") else t + ".0" for t in text[1:-1].split(",")]
        accept.append({"name": f"doubles from {start}", "input": "[" + ",".join(items) + "]"})
    for vector in accept:
        vector["canonical"] = canonical(json.loads(vector["input"]))
        vector["sha3_256"] = sha3(vector["canonical"])
    refuse = {
        "a key given twice": '{"a":1,"a":1}',
        "a key given twice, deep": '{"x":[{"a":1,"b":2,"a":3}]}',
        "a key given twice, escaped": r'{"a":1,"\u0061":1}',
        "NaN": '[NaN]',
        "Infinity": '[Infinity]',
        "a number no double can hold": '[1e400]',
        "a lone surrogate": r'"\ud800"',
        "trailing text": '{} {}',
        "a byte-order mark": '\ufeff{}',
        "nothing": '',
        "a control character in a string": '"\t"',
        "a leading zero": '[01]',
        "a trailing comma": '[1,]',
        "nesting of 900": "[" * 900 + "]" * 900,
    }
    save(
        "canonical.json",
        {"accept": accept, "refuse": [{"name": n, "input": t} for n, t in refuse.items()]},
    )


# --- capsules.json --------------------------------------------------------------------------


def iso(draft):
    fraction = draft.get("micros", 0)
    return draft["timestamp"][:-1] + (f".{fraction:06}" if fraction else "") + "+00:00"


def document(draft, sequence, previous_hash):
    actor = draft["actor"]
    human = "system" not in actor
    user = {
        "local": lambda: actor.get("user") or f"uid:{actor['local']}",
        "token": lambda: "token:" + actor["name"],
        "system": lambda: "conduit:" + actor["system"],
    }[next(k for k in ("local", "token", "system") if k in actor)]()
    failed = draft["message"] if draft["status"] == "failure" else None
    return {
        "id": draft["id"],
        "type": "system",
        "domain": "conduit",
        "parent_id": None,
        "sequence": sequence,
        "previous_hash": previous_hash,
        "spec_version": "1.0",
        "trigger": {
            "type": "user_request" if human else "system",
            "source": user,
            "timestamp": iso(draft),
            "request": draft["action"],
            "correlation_id": None,
            "user_id": user,
        },
        "context": {
            "agent_id": "conduit",
            "session_id": None,
            "environment": {"token_id": actor["token"]} if "token" in actor else {},
        },
        "reasoning": {
            "analysis": "",
            "options": [],
            "options_considered": [],
            "selected_option": "",
            "reasoning": "",
            "confidence": 0.0,
            "model": None,
            "prompt_hash": None,
        },
        "authority": {
            "type": "human_approved" if human else "autonomous",
            "approver": user if human else None,
            "policy_reference": None,
            "chain": [],
            "escalation_reason": None,
        },
        "execution": {
            "tool_calls": [
                {
                    "tool": draft["action"],
                    "arguments": draft["details"],
                    "result": None,
                    "success": draft["status"] == "success",
                    "duration_ms": 0,
                    "error": failed,
                }
            ],
            "duration_ms": 0,
            "resources_used": {},
        },
        "outcome": {
            "status": draft["status"],
            "result": {
                "timestamp": draft["timestamp"],
                "action": draft["action"],
                "status": draft["status"],
                "message": draft["message"],
                "user": user,
                "details": draft["details"],
            },
            "summary": draft["message"],
            "error": failed,
            "side_effects": [],
            "metrics": {},
        },
    }


DRAFTS = [
    {  # The worked example of the specification, section 8.
        "id": "00000000-0000-4000-8000-000000000000",
        "timestamp": "2026-04-04T10:00:00Z",
        "actor": {"local": 1000, "user": "admin"},
        "action": "conduit_setup",
        "status": "success",
        "message": "Conduit initialized: dnsmasq, Caddy, internal CA",
        "details": {"domain": "qp.local", "dns": "dnsmasq", "proxy": "caddy", "ca": "ed25519"},
    },
    {
        "id": "019d5d3e-0000-7000-8000-000000000001",
        "timestamp": "2026-04-04T10:00:01Z",
        "micros": 42,
        "actor": {"token": "tok_7", "name": "ci"},
        "action": "service_register",
        "status": "success",
        "message": 'Registered "grüße" → \U0001f600\tand a \\ and \u0001',
        "details": {"name": "grafana", "port": 3000, "tls": True, "aliases": []},
    },
    {
        "id": "019d5d3e-0000-7000-8000-000000000002",
        "timestamp": "2026-04-04T10:00:02Z",
        "micros": 500000,
        "actor": {"system": "prober"},
        "action": "health_change",
        "status": "failure",
        "message": "grafana is down: connection refused",
        "details": {"load": 92.5, "tiny": 1e-05, "huge": 1e16, "negative": -0.0, "none": None},
    },
    {
        "id": "019d5d3e-0000-7000-8000-000000000003",
        "timestamp": "2026-04-04T10:00:02Z",
        "actor": {"local": 1001},
        "action": "register_error",
        "status": "failure",
        "message": "",
        "details": {},
    },
    {
        "id": "019d5d3e-0000-7000-8000-000000000004",
        "timestamp": "2026-04-04T09:59:59Z",
        "actor": {"local": 0, "user": "root"},
        "action": "daemon_stop",
        "status": "success",
        "message": "The clock jumped back; the chain does not care",
        "details": {"nested": {"b": [1, {"a": 2}], "\U0001f600": "é", "｡": 18446744073709551615}},
    },
]


def row_of(content, seed=SEED):
    data = canonical(content)
    digest = sha3(data)
    return {
        "id": content["id"],
        "type": content["type"],
        "sequence": content["sequence"],
        "previous_hash": content["previous_hash"],
        "data": data,
        "hash": digest,
        "signature": sign(digest, seed),
        "signature_pq": "",
        "signed_at": content["trigger"]["timestamp"],
        "signed_by": public_key(seed)[:16],
        "session_id": content["context"]["session_id"],
    }


def chain(seed=SEED):
    rows, previous = [], None
    for sequence, draft in enumerate(DRAFTS):
        row = row_of(document(draft, sequence, previous), seed)
        rows.append(row)
        previous = row["hash"]
    return rows


def capsule_vectors():
    rows = chain()
    # The specification's own numbers: were these wrong, so would be everything else.
    assert len(rows[0]["data"].encode()) == 1254
    assert rows[0]["hash"] == "60b7a88afeefdeef4ff95ad8efb7ab047adf6619cc2b622a80f7fa1d989a622a"
    assert rows[0]["signature"].startswith("301494f38ce86d0e7128967784caa02b4ef9980860f6839d")
    save(
        "capsules.json",
        {
            "seed": SEED.hex(),
            "public_key": public_key(SEED),
            "capsules": [{"draft": draft, "row": row} for draft, row in zip(DRAFTS, rows)],
        },
    )


# --- chains.json ----------------------------------------------------------------------------


def replaced(rows, index, **columns):
    rows = copy.deepcopy(rows)
    rows[index].update(columns)
    return rows


def rewritten(rows, sequence, change, seed):
    """Changes one document and seals it and everything after it again."""
    rows = copy.deepcopy(rows)
    for index in range(sequence, len(rows)):
        content = json.loads(rows[index]["data"])
        if index == sequence:
            change(content)
        if index > 0:
            content["previous_hash"] = rows[index - 1]["hash"]
        row = row_of(content, seed)
        # A forger keeps the name of the key that the judge knows.
        row["signed_by"] = public_key(SEED)[:16]
        rows[index] = row
    return rows


def flipped(text, bit):
    raw = bytearray(text.encode())
    raw[bit // 8] ^= 1 << (bit % 8)
    return raw.decode("latin-1")


def forge_message(content):
    content["outcome"]["result"]["message"] = "nothing happened"


def set_session(content):
    content["context"]["session_id"] = "11111111-1111-4111-8111-111111111111"


def chain_vectors():
    rows = chain()
    cases = []
    anchor = {"count": len(rows), "hash": rows[-1]["hash"]}

    pool = []

    def case(name, rows, faults, anchor=None):
        """A case names its rows by their index in the pool: most share most of them."""
        pool.extend(copy.deepcopy(row) for row in rows if row not in pool)
        rows = [pool.index(row) for row in rows]
        cases.append({"name": name, "rows": rows, "anchor": anchor, "faults": faults})

    case("the chain as it was written", rows, [])
    case("with its anchor", rows, [], anchor)
    case("with an anchor that lags", rows, [], {"count": 2, "hash": rows[1]["hash"]})
    case("an empty chain", [], [])
    spaced = json.dumps(dict(reversed(list(json.loads(rows[1]["data"]).items()))), indent=2)
    case("a document stored in another form", replaced(rows, 1, data=spaced), [])
    signed_short = [dict(row, signed_by="qp_key_" + public_key(SEED)[:4]) for row in rows]
    case("keys named by their short fingerprint", signed_short, [])
    with_session = rewritten(rows, 3, set_session, SEED)
    case("a session", with_session, [])
    old, previous = [], None
    for sequence, draft in enumerate(DRAFTS):
        seed = RETIRED_SEED if sequence < 2 else SEED
        old.append(row_of(document(draft, sequence, previous), seed))
        previous = old[-1]["hash"]
    case("entries signed by a retired key", old, [])

    for bit in (0, 1003, 4000, 8 * 700 + 1):
        data = flipped(rows[2]["data"], bit)
        case(f"bit {bit} of a document flipped", replaced(rows, 2, data=data), ["*"])
    case("a message changed", replaced(rows, 1, data=rows[1]["data"].replace("3000", "3001")), ["1 hash"])
    case("a message changed and hashed again", rewritten(rows, 1, forge_message, STRANGER_SEED),
         [f"{n} signature" for n in range(1, 5)])
    stranger = [dict(row, signed_by=public_key(STRANGER_SEED)[:16]) for row in chain(STRANGER_SEED)]
    case("a chain sealed by a stranger", stranger, [f"{n} unknown_key" for n in range(5)])
    case("the first entry deleted", rows[1:], ["0 sequence", "0 link"])
    case("an entry in the middle deleted", rows[:2] + rows[3:], ["2 sequence", "2 link"])
    case("the end cut off, unseen without an anchor", rows[:3], [])
    case("the end cut off", rows[:3], ["chain truncated"], anchor)
    case("everything deleted", [], ["chain truncated"], anchor)
    case("another chain of the same length", rewritten(rows, 4, forge_message, SEED), ["4 anchor"], anchor)
    swapped = replaced(rows, 1, sequence=2)
    swapped[2]["sequence"] = 1
    case("two entries swapped", swapped,
         ["1 link", "1 column", "2 link", "2 column", "3 link"])
    other = row_of(document(dict(DRAFTS[4], message="fork"), 4, rows[1]["hash"]))
    case("an entry that follows another", rows[:4] + [other], ["4 link"])

    nul = "00000000-0000-0000-0000-000000000000"
    case("another id in the row", replaced(rows, 1, id=nul), ["1 column"])
    case("another type in the row", replaced(rows, 1, type="agent"), ["1 column"])
    case("a session in the row only", replaced(rows, 1, session_id=nul), ["1 column"])
    case("another link in the row", replaced(rows, 1, previous_hash=rows[1]["hash"]), ["1 link", "1 column"])
    case("no link in the row", replaced(rows, 1, previous_hash=None), ["1 link", "1 column"])
    case("a link in the first row", replaced(rows, 0, previous_hash=rows[1]["hash"]), ["0 link", "0 column"])

    digest = rows[1]["hash"]
    case("another entry's hash", replaced(rows, 1, hash=rows[0]["hash"]), ["1 hash", "2 link"])
    case("the hash in upper case", replaced(rows, 1, hash=digest.upper()), ["1 hash", "2 link"])
    case("an empty hash", replaced(rows, 1, hash=""), ["1 hash", "2 link"])
    raw = SigningKey(SEED).sign(bytes.fromhex(digest)).signature.hex()
    case("the digest signed instead of its digits", replaced(rows, 1, signature=raw), ["1 signature"])
    signature = rows[1]["signature"]
    case("another entry's signature", replaced(rows, 1, signature=rows[0]["signature"]), ["1 signature"])
    case("the signature in upper case", replaced(rows, 1, signature=signature.upper()), ["1 signature"])
    case("a signature cut short", replaced(rows, 1, signature=signature[:-2]), ["1 signature"])
    case("no signature", replaced(rows, 1, signature=""), ["1 signature"])
    order = 2**252 + 27742317777372353535851937790883648493
    s = int.from_bytes(bytes.fromhex(signature)[32:], "little") + order
    malleable = signature[:64] + s.to_bytes(32, "little").hex()
    case("a signature that was stretched", replaced(rows, 1, signature=malleable), ["1 signature"])
    case("no key named", replaced(rows, 1, signed_by=""), ["1 unknown_key"])
    case("the retired key named", replaced(rows, 1, signed_by=public_key(RETIRED_SEED)[:16]), ["1 signature"])

    twice = rows[1]["data"].replace('"domain":', '"domain":"shown to the hasty","domain":', 1)
    case("a key given twice, the hashed one last", replaced(rows, 1, data=twice), ["1 document"])
    case("no document", replaced(rows, 1, data=""), ["1 document"])
    case("a document that is an array", replaced(rows, 1, data="[]"), ["1 document"])
    case("a document cut short", replaced(rows, 1, data=rows[1]["data"][:-1]), ["1 document"])

    save(
        "chains.json",
        {
            "keyring": {
                "version": 1,
                "active_epoch": 1,
                "epochs": [
                    epoch(0, RETIRED_SEED, "2026-04-04T10:00:02+00:00", "retired"),
                    epoch(1, SEED, None, "active"),
                ],
            },
            "pool": pool,
            "cases": cases,
        },
    )


def epoch(number, seed, rotated_at, status):
    public = public_key(seed)
    return {
        "epoch": number,
        "algorithm": "ed25519",
        "public_key_hex": public,
        "fingerprint": "qp_key_" + public[:4],
        "created_at": "2026-04-04T09:00:00+00:00",
        "rotated_at": rotated_at,
        "status": status,
    }


canonical_vectors()
capsule_vectors()
chain_vectors()
