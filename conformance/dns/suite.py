#!/usr/bin/env python3
"""Holds a DNS server to the clauses of its specifications.

    suite.py [--subject conduit|dnsmasq|knot] [--only PATTERN] [--list]

`run` beside it finds the binary. A case is named by RFC and section; what a subject is known not to hold is in
`expected/SUBJECT.txt`, each with the reason, and a case that is listed there and holds fails the suite, too, unless
it is listed as "sometimes".
"""

import argparse
import fnmatch
import importlib
import os
import sys
import tempfile
import time
from pathlib import Path

from ask import Client, Failed, PATIENCE_S
from subject import Subject, is_installed
from upstream import Upstream

HERE = Path(__file__).parent
SUBJECTS = {
    # What each does at all; a case that needs more is not asked of it.
    "conduit": {"forward", "acl", "cookies", "limit", "discovery", "keepalive"},
    "dnsmasq": {"forward"},
    "knot": {"cookies"},
}


class Case:
    def __init__(self, ident, needs, body):
        self.ident, self.needs, self.body = ident, needs, body


class Bench:
    """What a case has to work with."""

    def __init__(self, subject, upstream):
        self.subject, self.upstream = subject, upstream
        self.client, self.stranger = self.at("127.0.0.1"), self.at("127.0.9.9")
        self.ask, self.send = self.client.ask, self.client.send

    def at(self, source):
        """A client at another address."""
        return Client(self.subject.address, source, PATIENCE_S[self.subject.kind])


def collected():
    cases = []
    for path in sorted(HERE.glob("rfc*.py")):
        module = importlib.import_module(path.stem)
        for title, body in vars(module).items():
            if title.startswith(("rfc", "product")) and callable(body):
                cases.append(Case(title, getattr(body, "needs", set()), body))
    return cases


def expected(kind):
    path = HERE / "expected" / f"{kind}.txt"
    lines = path.read_text().splitlines() if path.exists() else []
    pairs = (line.split(maxsplit=1) for line in lines if line.strip() and not line.startswith("#"))
    return {ident: reason for ident, reason in pairs}


def judge(kind, only, work):
    known, cases = expected(kind), [case for case in collected() if fnmatch.fnmatch(case.ident, only)]
    upstream = Upstream()
    subject = Subject(kind, work, upstream)
    bench, wrong, counts = Bench(subject, upstream), [], dict.fromkeys(("held", "expected", "not asked"), 0)
    try:
        for case in cases:
            if not case.needs <= SUBJECTS[kind]:
                counts["not asked"] += 1
                continue
            begun = time.monotonic()
            try:
                case.body(bench)
                why = None
            except Failed as failed:
                why = str(failed)
            except Exception as failed:  # A reply of another shape, a connection that was cut.
                why = f"{type(failed).__name__}: {failed}"
            if not subject.is_alive():
                raise SystemExit(f"{kind} ended in {case.ident}:\n{subject.said()}")
            took = time.monotonic() - begun
            slow = f" ({took:.1f} s)" if took > 1 else ""
            if why is None and case.ident in known and not known[case.ident].startswith("sometimes"):
                wrong.append(f"{case.ident}: holds, and is listed in expected/{kind}.txt")
            elif why is None:
                counts["held"] += 1
                print(f"ok {kind} {case.ident}{slow}")
            elif case.ident in known:
                counts["expected"] += 1
                print(f"   {kind} {case.ident}: {why} (expected: {known[case.ident]}){slow}")
            else:
                wrong.append(f"{case.ident}: {why}")
        unknown = set(known) - {case.ident for case in collected()}
        wrong += [f"{ident}: listed in expected/{kind}.txt, and no case" for ident in sorted(unknown)]
    finally:
        subject.stop()
    for line in wrong:
        print(f"FAILED {kind} {line}")
    broken = [line for line in subject.said().splitlines() if "panicked" in line or "ERROR" in line]
    for line in broken if kind == "conduit" else []:
        print(f"FAILED {kind} its log: {line}")
        wrong.append(line)
    print(f"{kind}: {counts['held']} hold, {len(wrong)} fail, {counts['expected']} are known not to,"
          f" {counts['not asked']} are about what it does not do")
    return not wrong


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--subject", default=os.environ.get("CONDUIT_SUBJECT", "conduit"), choices=SUBJECTS)
    parser.add_argument("--only", default="*")
    parser.add_argument("--list", action="store_true")
    given = parser.parse_args()
    if given.list:
        for case in collected():
            print(case.ident, case.body.__doc__ or "")
        return 0
    if not is_installed(given.subject):
        print(f"SKIPPED: {given.subject} is not installed")
        return 0
    with tempfile.TemporaryDirectory() as work:
        return 0 if judge(given.subject, given.only, work) else 1


if __name__ == "__main__":
    sys.exit(main())
