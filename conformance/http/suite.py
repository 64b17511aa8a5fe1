#!/usr/bin/env python3
"""Bad input, by clause: what a proxy does with it, seen from both sides.

A subject forwards `web.internal`, `other.internal`, `routed.internal` (only /api), `slow.internal`
(a client may pause for 1 s) and, in the clear, `plain.internal` to the upstream that this program
starts. Each case is judged by what the client gets and by every byte that the upstream gets.

The standard library is enough. See conformance/http/README.md.
"""

import argparse
import json
import os
import sys
import threading
import time

import framing
import heads
import http2
import lies
import opinions
import slow
import strict
import websocket
from cases import CLOSES, GOES_ON, HOST, WAITS, Case, Lie, Stream
from upstream import Upstream
from wire import Http1, Http2

DONE = b"GET /done HTTP/1.1\r\nhost: web.internal\r\n\r\n"
# How long a case may take that must not wait.
PATIENCE_SECONDS = 3
# How long an upstream's side of a case may lag behind the client's.
LAG_SECONDS = 2


class Subject:
    def __init__(self, options):
        self.host, self.patience, self.pid = HOST, PATIENCE_SECONDS, options.pid
        self.address, self.clear = address_of(options.address), address_of(options.clear)


class Failed(Exception):
    """The clause does not hold; the text is what was seen."""


def expect(condition, seen):
    if not condition:
        raise Failed(seen)


def seen_by(upstream, wanted):
    """What the upstream got, once that many requests are there."""
    if wanted:
        upstream.wait_for(len(wanted), LAG_SECONDS)
    events = upstream.take()
    faults = [event for event in events if isinstance(event, str) and event.startswith("fault")]
    expect(not faults, f"the upstream got bytes that can be read in two ways: {faults}")
    return [event for event in events if not isinstance(event, str)]


def judge_seen(case, events, wanted, fields):
    # One that broke off may be of the case before.
    requests = [r for r in events if r.whole and not r.target.endswith("/done")]
    got = tuple((r.method, r.target, r.body) for r in requests)
    if wanted is None:
        # Or refused on the way: then the upstream must not take it for whole.
        for request in requests:
            expect("smuggled" not in request.target, f"smuggled: {got}")
    else:
        expect(got == tuple(wanted), f"the upstream got {short(got)}")
    if not requests:
        return
    first = requests[0]
    for name, value in fields.items():
        kind, _, trailer = name.partition(" ")
        where, name = (first.trailers, trailer) if trailer else (first.fields, name)
        values = [v for n, v in where if n == name]
        expect(values == ([] if value is None else [value]), f"the upstream got {name}: {values}")


def run_case(case, subject, upstream):
    name = sni_of(case)
    client = Http1(subject, case.clear, name)
    try:
        done = DONE.replace(b"web.internal", host_of(case))
        if name == "routed.internal":
            done = done.replace(b"/done", b"/api/done")
        client.send(case.send if case.leaves else case.send + done)
        if case.leaves:
            time.sleep(0.05)
            client.leave()
            upstream.wait_for(1, LAG_SECONDS)
            events = seen_by(upstream, None)
            expect(all(not request.whole for request in events), f"the upstream took it for whole: {short(events)}")
            return "broken off"
        method = case.send.split(b" ", 1)[0].strip().decode("latin-1")
        first = client.answer(method)
        became, statuses = CLOSES, []
        if first == "late":
            became = WAITS
        elif first is not None:
            statuses.append(first.status)
            while True:
                answer = client.answer()
                if answer == "late":
                    became = WAITS
                elif answer is not None:
                    if answer.field("x-path") not in ("/done", "/api/done"):
                        statuses.append(answer.status)
                        continue
                    became = GOES_ON
                break
        text = ", ".join(map(str, statuses)) or "no answer"
        allowed = case.then if isinstance(case.then, tuple) else (case.then,)
        waited = became == WAITS and WAITS in allowed
        expect(waited or not case.status or statuses and statuses[0] in case.status, f"{text}; {became}")
        expect(case.then is None or became in allowed, f"{text}; {became}")
        if case.word:
            expect(first.field("conduit-error") == case.word, f"{first.field('conduit-error')}")
        if statuses and statuses[0] >= 400 and case.sees is None:
            # It was refused: nothing whole may have reached the upstream.
            events = [e for e in seen_by(upstream, None) if not e.target.endswith("/done")]
            expect(all(not r.whole for r in events), f"refused, but the upstream has {short(events)}")
            return f"{text}; {became}"
        judge_seen(case, seen_by(upstream, case.sees), case.sees, case.fields)
        return f"{text}; {became}"
    finally:
        client.leave()


def sni_of(case):
    return "routed.internal" if case.id.startswith("rule-") else HOST


def host_of(case):
    return b"plain.internal" if case.clear else sni_of(case).encode()


def run_stream(case, subject, upstream):
    client = Http2(subject)
    try:
        pseudo = {":method": "GET", ":scheme": "https", ":authority": HOST, ":path": "/t", **case.pseudo}
        block = case.block or (*((n, v) for n, v in pseudo.items() if v is not None), *case.fields)
        client.ask(block, case.data, case.trailers)
        end = client.until_end(PATIENCE_SECONDS)
        answer = client.status if client.status is not None else end
        wanted = case.answer if isinstance(case.answer, tuple) else (case.answer,)
        # A connection error refuses a stream, too.
        refused = "reset" in wanted and answer in ("goaway", "closed")
        expect(refused or answer in wanted, f"{answer} ({end})")
        events = seen_by(upstream, case.sees)
        judge_seen(case, events, case.sees, case.seen_fields)
        for name in case.at_most_one:
            for request in events:
                expect(len(request.all(name)) <= 1, f"the upstream got {name} {len(request.all(name))} times")
        if not isinstance(answer, int) or answer >= 400:
            expect(all(not r.whole for r in events), f"{answer}, but the upstream has {short(events)}")
        return str(answer)
    finally:
        client.leave()


def run_lie(case, subject, upstream, over):
    upstream.lies[case.id] = case
    if over == "h1":
        client = Http1(subject)
        client.socket.settimeout(case.seconds)
        client.send(b"%s /lie/%s HTTP/1.1\r\nhost: web.internal\r\n\r\n" % (case.method.encode(), case.id.encode()))
        answer = client.answer(case.method)
        expect(answer not in (None, "late"), f"no answer ({answer})")
        status, body, whole = answer.status, answer.body, answer.whole
        names = [n for n, _ in answer.fields] + [f"trailer {n}" for n, _ in answer.trailers]
        for name in case.lacks:
            expect(status == 502 or name not in names, f"the client got {name}")
    else:
        client = Http2(subject)
        client.ask(((":method", case.method), (":scheme", "https"), (":authority", HOST), (":path", f"/lie/{case.id}")))
        end = client.until_end(case.seconds)
        expect(end in ("end", "reset"), f"over HTTP/2: {end}")
        status, body, whole = client.status, client.data, end == "end"
        # Broken before the head could leave.
        status = case.status[0] if status is None and not whole and not case.whole else status
    expect(status in case.status, f"{status} over {over}")
    ours = status == 502
    expect(ours or whole == case.whole, f"{status}, {'whole' if whole else 'broken'}: {body[:40]!r}")
    if case.body is not None and not ours:
        same = body == case.body if whole else case.body.startswith(body)
        expect(same, f"{status}, {body[:60]!r}")
    client.leave()
    time.sleep(case.pause)
    # Whoever comes next gets their own answer, most of all on the same connection.
    for number in range(4):
        other = Http1(subject)
        other.send(b"GET /after/%d HTTP/1.1\r\nhost: web.internal\r\n\r\n" % number)
        answer = other.answer()
        other.leave()
        expect(answer not in (None, "late"), "the next request has no answer")
        expect(answer.field("x-path") == f"/after/{number}", f"the next request got {answer.status} {answer.body[:40]!r}")
    upstream.take()
    return f"{status} {'whole' if whole or ours else 'broken'}"


def short(events):
    text = str([(r.method, r.target, r.body) if hasattr(r, "method") else r for r in events])
    return text if len(text) < 300 else text[:300] + "…"


def all_checks(options):
    """Name, clause and function of every check."""
    for case in [*framing.CASES, *heads.CASES]:
        yield case.id, case.clause, lambda s, u, c=case: run_case(c, s, u)
    for case in http2.CASES:
        yield case.id, case.clause, lambda s, u, c=case: run_stream(c, s, u)
    for case in lies.CASES:
        for over in ("h1", "h2"):
            yield f"lie-{over}-{case.id}", case.clause, lambda s, u, c=case, o=over: run_lie(c, s, u, o)
    for name, clause, function in websocket.CHECKS + slow.CHECKS + (slow.LONG_CHECKS if options.slow else []):
        yield name, clause, function
    for name, clause, function in opinions.CHECKS:
        yield name, clause, function


def until_ready(subject, upstream):
    end = time.monotonic() + 30
    while True:
        try:
            client = Http1(subject)
            client.send(b"GET /ready HTTP/1.1\r\nhost: web.internal\r\n\r\n")
            answer = client.answer()
            client.leave()
            if answer not in (None, "late") and answer.status == 200:
                upstream.take()
                return
        except OSError:
            pass
        if time.monotonic() > end:
            sys.exit("the subject does not forward to the upstream")
        time.sleep(0.1)


def address_of(text):
    host, _, port = text.rpartition(":")
    return host, int(port)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--address", required=True, help="where the subject speaks TLS, HOST:PORT")
    parser.add_argument("--clear", required=True, help="where it speaks in the clear, HOST:PORT")
    parser.add_argument("--upstream", required=True, help="where to be the upstream, HOST:PORT")
    parser.add_argument("--chat", help="where to be python-websockets, HOST:PORT")
    parser.add_argument("--pid", type=int, help="its process, to watch its memory")
    parser.add_argument("--slow", action="store_true", help="also what takes minutes")
    parser.add_argument("--only", help="the case with this id, or those that begin with it and a star")
    parser.add_argument("--out", help="where to write the results, as JSON")
    options = parser.parse_args()
    upstream, subject = Upstream(address_of(options.upstream)), Subject(options)
    subject.chat = websocket.serve(address_of(options.chat)) if options.chat else None
    until_ready(subject, upstream)
    subject.memory = slow.peak(subject)
    results = []
    for name, clause, function in all_checks(options):
        wanted = options.only or "*"
        if not (name == wanted or wanted.endswith("*") and name.startswith(wanted[:-1])):
            continue
        upstream.take()
        begun = time.monotonic()
        try:
            seen, holds = function(subject, upstream), True
        except websocket.NotTried as missing:
            seen, holds = f"not tried: {missing}", None
        except (Failed, AssertionError) as failed:
            seen, holds = str(failed), False
        except strict.Fault as fault:
            seen, holds = f"the client got bytes that can be read in two ways: {fault}", False
        except (OSError, ValueError, IndexError) as error:
            seen, holds = f"{type(error).__name__}: {error}", False
        results.append({"id": name, "clause": clause, "seen": seen, "holds": holds, "seconds": round(time.monotonic() - begun, 3)})
    for result in results:
        word = {True: "holds", False: "FAILED", None: "SKIPPED:"}[result["holds"]]
        print(f"{word:7} {result['id']:28} {result['clause']:60} {result['seen']}", flush=True)
    if options.out:
        with open(options.out, "w") as out:
            json.dump(results, out)
    failed = sum(result["holds"] is False for result in results)
    held = sum(result["holds"] is True for result in results)
    print(f"{'FAILED' if failed else 'ok'} bad input: {held} of {held + failed} clauses hold")
    # The upstream's threads may still be waiting for somebody.
    sys.stdout.flush()
    os._exit(1 if failed or not results else 0)


if __name__ == "__main__":
    main()
