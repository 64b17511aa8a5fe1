#!/usr/bin/env python3
"""Conduit beside nginx, HAProxy, Caddy, dnsmasq and Knot, doing the same job on the same machine.

Prints what each server pays per request, handshake, megabyte or query: CPU time by the kernel's per-process
clocks, user and system, as the median of interleaved rounds (A B C A B C ...), with all rounds. The server has
CPU 0 and one worker; clients and the upstream CPU 1. Only figures of one run compare; under 15 % is no
difference. Times that a client sees move with whatever else the machine does: they are printed with their
spread, and only ranges that do not overlap differ.

Needs the release build, and nginx, haproxy, caddy, dnsmasq, knotd, h2load, openssl and dnsperf on the PATH;
peers that are missing are skipped and named. Ports are fixed: run it in a network namespace of its own.
Usage: benches/peers.py [ROUNDS [JOB...]], with the jobs of JOBS below.
"""

import asyncio
import contextlib
import gc
import multiprocessing
import os
import pathlib
import random
import re
import shutil
import socket
import ssl
import statistics
import subprocess
import sys
import time

# Every server is to sign alike; OpenSSL reads its settings once, when it is loaded.
SETTINGS = str(pathlib.Path(__file__).resolve().parent / "openssl.cnf")
if os.environ.get("OPENSSL_CONF") != SETTINGS:
    os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, "OPENSSL_CONF": SETTINGS})

import rig
from rig import WORK

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 5
REQUESTS = 40_000
HANDSHAKES = 400
DOWNLOADS, UPLOADS = 2, 4
UPLOAD_BYTES = 64 << 20
STREAMS, EVENTS, EVENT_INTERVAL = 100, 70, 0.1
# While streams are opened and closed, others wait for this program.
EVENTS_ASIDE = 10
RATE, RATE_SECONDS, RATE_CLIENTS = 2_000, 5, 20
IDLE = 2_000
NAMES = 1_000


def dnsmasq(cpu):
    (WORK / "hosts").write_text("".join(f"127.0.0.1 name-{i}.internal\n" for i in range(NAMES)))
    started = rig.server(cpu, "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=root",
                         f"--addn-hosts={WORK}/hosts", "--port=7154", "--listen-address=127.0.0.1", "--bind-interfaces", "--local=/internal/",
                         f"--pid-file={WORK}/dnsmasq.pid")
    rig.until("dnsmasq", lambda: rig.listens(7154))
    return started


def knot(cpu):
    (WORK / "internal.zone").write_text("@ 3600 SOA ns hostmaster 1 3600 600 86400 5\n@ NS ns\nns A 127.0.0.1\n" + "".join(f"name-{i} 30 A 127.0.0.1\n" for i in range(NAMES)))
    (WORK / "knot.conf").write_text(f"""
server:
  rundir: "{WORK}"
  listen: 127.0.0.1@7155
  udp-workers: 1
  tcp-workers: 1
database:
  storage: "{WORK}/knot"
zone:
  - domain: internal
    file: "{WORK}/internal.zone"
""")
    started = rig.server(cpu, "knotd", "-c", WORK / "knot.conf")
    rig.until("knot", lambda: rig.listens(7155))
    return started


def tls(alpn="http/1.1"):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols([alpn])
    return context


def ask(port, context, session=None):
    """One request on a connection of its own; leaves the session that the server offered."""
    stream = context.wrap_socket(socket.create_connection(("127.0.0.1", port)), server_hostname=rig.HOST, session=session)
    stream.sendall(f"GET / HTTP/1.1\r\nHost: {rig.HOST}\r\n\r\n".encode())
    answer = stream.recv(4096)
    assert answer.startswith(b"HTTP/1.1 200"), answer
    while len(answer.split(b"\r\n\r\n", 1)[-1]) < 200:
        answer += stream.recv(4096)
    return stream


def full(port):
    context = tls()
    for _ in range(HANDSHAKES):
        with ask(port, context) as stream:
            assert not stream.session_reused
    return HANDSHAKES


def resumed(port):
    context, session, reused = tls(), None, 0
    for _ in range(HANDSHAKES):
        with ask(port, context, session) as stream:
            reused += stream.session_reused
            session = stream.session
    assert reused >= HANDSHAKES * 0.95, f"only {reused} of {HANDSHAKES} resumed"
    return HANDSHAKES


def h2load(protocol, path):
    def load(port):
        rig.h2load(port, REQUESTS, path=path, protocol=protocol)
        return REQUESTS
    return load


def download(port):
    rig.h2load(port, DOWNLOADS, clients=1, path="/files/256M")
    return DOWNLOADS * 256


def upload(port):
    body = WORK / "upload"
    if not body.exists():
        with open(body, "wb") as large:
            large.truncate(UPLOAD_BYTES)
    rig.h2load(port, UPLOADS, "-d", body, clients=1, host="streams.internal")
    return UPLOADS * (UPLOAD_BYTES >> 20)


def dnsperf(port):
    queries = WORK / "queries"
    queries.write_text("".join(f"name-{i}.internal A\n" for i in range(NAMES)))
    out = subprocess.run(["taskset", "-c", "1", "dnsperf", "-s", "127.0.0.1", "-p", str(port), "-d", queries, "-l", "4", "-c", "8", "-q", "200", "-T", "1"],
                         capture_output=True, text=True).stdout
    if "NXDOMAIN" in out:
        sys.exit(f"names are missing on port {port}:\n{out}")
    return int(re.search(r"Queries completed:\s+(\d+)", out).group(1))


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def table(title, figures, unit, best=min):
    """One row a server: the median, its ratio to the best peer's, the range, the rounds."""
    print(f"\n{title}: {unit}, median of {ROUNDS} interleaved rounds", flush=True)
    peers = [statistics.median(rounds) for name, rounds in figures.items() if name not in ("conduit", "direct")]
    for name, rounds in figures.items():
        median = statistics.median(rounds)
        ratio = f"{median / best(peers):5.2f} x the best peer" if peers else ""
        print(f"  {name:8} {median:9.2f}  {ratio}  {min(rounds):.2f} to {max(rounds):.2f}: {' '.join(f'{r:.2f}' for r in rounds)}", flush=True)


def compare(title, unit, subjects, load, scale=1e6):
    """CPU time per thing done; a negative scale turns it round, into things done per CPU second."""
    figures = {name: [] for name, _, _ in subjects}
    for _ in range(ROUNDS):
        for name, started, port in subjects:
            before = rig.cpu_seconds(started.pid)
            done = load(port)
            spent = rig.cpu_seconds(started.pid) - before
            figures[name].append(spent / done * scale if scale > 0 else done / spent)
    table(title, figures, unit, min if scale > 0 else max)


def rate(subjects):
    """How long a client waits at a fixed rate."""
    middle, slow = {name: [] for name, _, _ in subjects}, {name: [] for name, _, _ in subjects}
    log = WORK / "rate"
    for _ in range(ROUNDS):
        for name, _, port in subjects:
            log.unlink(missing_ok=True)
            rig.h2load(port, RATE * RATE_SECONDS, f"--rps={RATE / RATE_CLIENTS}", f"--log-file={log}", clients=RATE_CLIENTS)
            waits = [int(line.split("\t")[2]) for line in log.read_text().splitlines()]
            middle[name].append(percentile(waits, 0.5))
            slow[name].append(percentile(waits, 0.99))
    table(f"h1 at {RATE} requests/s", middle, "p50 in microseconds")
    table(f"h1 at {RATE} requests/s", slow, "p99 in microseconds")


async def events():
    """An upstream that sends each stream an event of its own clock every tenth of a second, and answers an upload
    when it has read everything: one that is answered early may be cut."""
    async def swallow(reader, writer, head):
        while head.startswith(b"POST"):
            left = int(re.search(rb"(?i)content-length: (\d+)", head).group(1))
            while left:
                left -= len(await reader.read(min(left, 1 << 20)))
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            head = await reader.readuntil(b"\r\n\r\n")

    async def serve(reader, writer):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return writer.close()
        if head.startswith(b"POST"):
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                await swallow(reader, writer, head)
            return writer.close()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        # Each in a time of its own: of a hundred events at once, most would wait for this program.
        due = asyncio.get_running_loop().time() + EVENT_INTERVAL * random.random()
        for _ in range(EVENTS):
            due += EVENT_INTERVAL
            await asyncio.sleep(due - asyncio.get_running_loop().time())
            if writer.is_closing():
                return  # A probe has seen enough.
            event = b"data: %d\n\n" % time.monotonic_ns()
            writer.write(b"%x\r\n%b\r\n" % (len(event), event))
        writer.write(b"0\r\n\r\n")
        writer.close()
    served = await asyncio.start_server(serve, "127.0.0.1", rig.STREAMS, backlog=1024, limit=1 << 20)
    await served.serve_forever()


async def listen(port, context):
    """One stream: how long each event took, and in how many chunks they came."""
    host = "streams.internal"
    secure = {"ssl": context, "server_hostname": host} if context else {}
    reader, writer = await asyncio.open_connection("127.0.0.1", port, **secure)
    writer.write(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    assert b" 200 " in head.split(b"\r\n")[0] + b" ", head
    late, chunks = [], 0
    while size := int(await reader.readline(), 16):
        data = await reader.readexactly(size + 2)
        now = time.monotonic_ns()
        chunks += 1
        late += [(now - int(event.split(b" ")[1])) / 1e3 for event in data.strip().split(b"\n\n")]
    writer.close()
    return late, chunks


async def streams(subjects):
    """What a token waits on its way; direct is without a proxy."""
    ways = [("direct", None, rig.STREAMS), *subjects]
    middle, slow, cost = {w[0]: [] for w in ways}, {w[0]: [] for w in ways}, {w[0]: [] for w in subjects}
    joined = {w[0]: 0 for w in ways}
    # A collection of garbage here takes as long as what is measured.
    gc.disable()
    for _ in range(ROUNDS):
        for name, started, port in ways:
            before = started and rig.cpu_seconds(started.pid)
            heard = await asyncio.gather(*(listen(port, started and tls()) for _ in range(STREAMS)))
            assert all(len(late) == EVENTS for late, _ in heard), f"{name} lost events"
            joined[name] += STREAMS * EVENTS - sum(chunks for _, chunks in heard)
            waits = [wait for late, _ in heard for wait in late[EVENTS_ASIDE:-EVENTS_ASIDE]]
            middle[name].append(percentile(waits, 0.5))
            slow[name].append(percentile(waits, 0.99))
            if started:
                cost[name].append((rig.cpu_seconds(started.pid) - before) / (STREAMS * EVENTS) * 1e6)
    table(f"{STREAMS} event streams", middle, "p50 of an event's way in microseconds")
    table(f"{STREAMS} event streams", slow, "p99 of an event's way in microseconds")
    table(f"{STREAMS} event streams", cost, "CPU microseconds per event, handshakes included")
    print(f"  events that did not come in a chunk of their own: {joined}")


def idle(subjects):
    """What an idle TLS connection holds, and what is given back after a burst of them."""
    print(f"\n{IDLE} idle TLS connections after one request each: KiB")
    for name, started, port in subjects:
        context = tls()
        ask(port, context).close()
        before = rig.memory_kib(started.pid)
        open_ones = [ask(port, context) for _ in range(IDLE)]
        time.sleep(12)  # Longer than a quiet connection waits before it gives its buffers back.
        there = rig.memory_kib(started.pid)
        for stream in open_ones:
            stream.close()
        time.sleep(15)
        after = rig.memory_kib(started.pid)
        print(f"  {name:8} {(there - before) / IDLE:6.1f} per connection; {before:,} before, {there:,} with them, {after:,} 15 s after", flush=True)


def present(found):
    started = []
    for name, tool, start, port in found:
        if shutil.which(tool):
            started.append((name, start(0), port))
        else:
            print(f"SKIPPED: {name} is not installed")
    return started


PROXIES = (("nginx", "nginx", rig.nginx, 7444), ("haproxy", "haproxy", rig.haproxy, 7445), ("caddy", "caddy", rig.caddy, 7446))
RESOLVERS = (("dnsmasq", "dnsmasq", dnsmasq, 7154), ("knot", "knotd", knot, 7155))
PER_REQUEST = "CPU microseconds per request"
# What can be asked for: a name, and what to do with the proxies.
JOBS = {
    "h1": lambda on: compare("HTTP/1.1 over TLS 1.3, 200 bytes, keep-alive on both sides", PER_REQUEST, on, h2load("h1", "/")),
    "h1-10k": lambda on: compare("HTTP/1.1 over TLS 1.3, 10 KB, keep-alive on both sides", PER_REQUEST, on, h2load("h1", "/files/10k")),
    "h2": lambda on: compare("HTTP/2 over TLS 1.3, 200 bytes", PER_REQUEST, on, h2load("h2", "/")),
    "full": lambda on: compare("Full handshake and one request", "CPU microseconds", on, full),
    "resumed": lambda on: compare("Resumed handshake and one request", "CPU microseconds", on, resumed),
    "download": lambda on: compare("Download of 256 MB over HTTP/1.1", "MB per CPU second", on, download, scale=-1),
    "upload": lambda on: compare("Upload of 64 MB over HTTP/1.1", "MB per CPU second", on, upload, scale=-1),
    "streams": lambda on: asyncio.run(streams(on)),
    "rate": rate,
    "idle": idle,
}


def main():
    wanted = sys.argv[2:] or [*JOBS, "dns"]
    os.sched_setaffinity(0, {1})
    rig.certificate()
    rig.upstream(1)
    multiprocessing.Process(target=lambda: asyncio.run(events()), daemon=True).start()
    rig.until("the upstream of streams", lambda: rig.listens(rig.STREAMS))
    gateway = rig.conduit(0, names=NAMES)
    time.sleep(3)  # The first probes of a thousand services.
    load = pathlib.Path("/proc/loadavg").read_text().split()[0]
    print(f"{time.strftime('%Y-%m-%d %H:%M')}, load {load} before the first round, kernel {os.uname().release}")
    if wanted != ["dns"]:
        proxies = [("conduit", gateway, 7443), *present(PROXIES)]
        for job in wanted:
            if job in JOBS:
                JOBS[job](proxies)
    if "dns" in wanted:
        resolvers = [("conduit", gateway, 7153), *present(RESOLVERS)]
        compare(f"DNS over UDP, A, {NAMES} names", "CPU microseconds per query", resolvers, dnsperf)
    print(f"load {pathlib.Path('/proc/loadavg').read_text().split()[0]} after the last round")


main()
