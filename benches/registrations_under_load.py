#!/usr/bin/env python3
"""What 1,000 registrations do to the requests beside them: failures, and the 99th percentile of their time.

    benches/registrations_under_load.py [ROUNDS]

Conduit has one core with its worker and its control plane; h2load, nginx as the upstream and whoever registers share
the other. Each round is one run of h2load over TLS and HTTP/1.1: three seconds alone, then the registrations
one after another, then alone again. Run it in a network namespace of its own: ports are fixed. Needs the
release build, nginx and h2load.
"""

import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import time

import rig

NAMES, CLIENTS = 1_000, 16
# Before the registrations, and with them and after.
ALONE_SECONDS, LOAD_SECONDS = 3, 20


class Unix(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(rig.WORK / "state/conduit.sock"))


def change(api, method, path, body=None):
    api.request(method, path, body and json.dumps(body), {"content-type": "application/json"})
    reply = api.getresponse()
    text = reply.read()
    assert reply.status in (200, 201), text


def percentiles(lines, begin, end):
    """The median and the 99th percentile, in ms, of the requests that began between the two; and their number."""
    times = sorted(took for began, took in lines if begin <= began < end)
    if not times:
        sys.exit("the registrations took longer than the load: no request to compare with")
    return statistics.median(times) / 1e3, times[len(times) * 99 // 100] / 1e3, len(times)


def load(seconds, work):
    """Runs h2load while `work` is done; the times of its requests, in microseconds, and when `work` began and ended."""
    log = rig.WORK / "requests"
    log.unlink(missing_ok=True)
    command = ["taskset", "-c", "1", "h2load", "--h1", "-c", CLIENTS, "-D", seconds, f"--log-file={log}",
               "--connect-to=127.0.0.1:7443", f"https://{rig.HOST}:7443/"]
    running = subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE, text=True)
    # From here on this process gives way to h2load and the upstream, which share its core: what is seen is the
    # gateway's doing.
    os.setpriority(os.PRIO_PROCESS, 0, 19)
    time.sleep(ALONE_SECONDS)
    began = time.time() * 1e6
    work()
    ended = time.time() * 1e6
    out = running.communicate()[0]
    os.setpriority(os.PRIO_PROCESS, 0, 0)
    if " 0 failed, 0 errored, 0 timeout" not in out:
        sys.exit(f"requests were lost:\n{out}")
    lines = []
    for line in log.read_text().splitlines():
        start, status, took = map(int, line.split("\t"))
        assert status == 200, line
        lines.append((start, took))
    return lines, began, ended


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    os.sched_setaffinity(0, {1})
    rig.certificate()
    rig.upstream(1)
    rig.conduit(0)
    ratios = []
    for turn in range(rounds):
        def register():
            api = Unix("localhost")
            for index in range(NAMES):
                change(api, "POST", "/api/v1/services", {"name": f"round-{turn}-{index}", "upstream": f"127.0.0.1:{rig.UPSTREAM}"})
        lines, began, ended = load(LOAD_SECONDS, register)
        last = max(start for start, _ in lines)
        before = percentiles(lines, 0, began)
        beside = percentiles(lines, began, ended)
        after = percentiles(lines, ended + 5e5, last)
        ratios.append(beside[1] / before[1])
        took = (ended - began) / 1e6
        print(f"round {turn + 1}: {NAMES} registrations in {took:.1f} s; p50 and p99 of a request, ms: before {before[0]:.2f} {before[1]:.2f}, "
              f"beside {beside[0]:.2f} {beside[1]:.2f} ({beside[2]:,} requests), after {after[0]:.2f} {after[1]:.2f}; p99 {ratios[-1]:.2f} of before", flush=True)
    print(f"p99 beside the registrations, of that before: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}); no request was lost")


main()
