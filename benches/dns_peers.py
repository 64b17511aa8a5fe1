#!/usr/bin/env python3
"""Conduit's DNS beside dnsmasq, Unbound and Knot, with the same names on the same machine.

Prints what each server pays per query (CPU time by the kernel's clocks, as the median of interleaved rounds,
with the range), how long clients wait at a fixed rate, what adding one name to 10,000 does to everybody, and
what a million names cost. The server has CPU 0 and one worker; clients and the forwarders CPU 1. Only figures
of one run compare; under 15 % is no difference.

Needs the release build, and dnsperf, dnsmasq, unbound, knotd and their control programs on the PATH; peers
that are missing are skipped and named. Ports are fixed: run it in a network namespace of its own.
Usage: benches/dns_peers.py [ROUNDS [JOB...]], with the jobs of JOBS below.
"""

import contextlib
import http.client
import json
import multiprocessing
import os
import pathlib
import random
import re
import shutil
import socket
import statistics
import subprocess
import sys
import time

import rig
from rig import WORK

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 5
SECONDS = 3
SIZES = (1_000, 10_000, 100_000)
RATE, RATE_SECONDS = 20_000, 5
ADDED, ADDED_TO, BESIDE = 40, 10_000, 2_000
MILLION = 1_000_000
# As many records as one import may bring.
IMPORTED = 20_000
FORWARDED = 1_000
CONDUIT, DNSMASQ, UNBOUND, KNOT, ELSEWHERE = 7153, 7154, 7156, 7155, 7160
MIXED = ("a", "a", "a", "aaaa", "nx", "svcb")
random.seed(1)


def address(number):
    return f"10.{1 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"


def names(count):
    """Hosts file and zone file of the same names."""
    hosts, zone = WORK / f"hosts-{count}", WORK / f"zone-{count}"
    if not hosts.exists():
        hosts.write_text("".join(f"{address(i)} name-{i}.internal\n" for i in range(count)))
        zone.write_text("$ORIGIN internal.\n$TTL 30\n@ SOA ns hostmaster 1 3600 600 86400 5\n@ NS ns\nns A 127.0.0.1\n"
                        + "".join(f"name-{i} A {address(i)}\n" for i in range(count)))
    return hosts, zone


def conduit(count, forwards=False, hosts_file=False):
    hosts, _ = names(count)
    config = WORK / "conduit.toml"
    forward = f'[[dns.forward]]\ndomains = ["bench.example"]\nto = ["127.0.0.1:{ELSEWHERE}"]' if forwards else ""
    config.write_text(f"""
[gateway]
state_dir = "{WORK}/state-{count}"
addresses = ["127.0.0.1"]
[dns]
listen = ["127.0.0.1:{CONDUIT}"]
workers = 1
{f'hosts_files = ["{hosts}"]' if hosts_file else ''}
[proxy]
https_listen = ["127.0.0.1:7443"]
http_listen = []
workers = 1
[admin]
listen = "127.0.0.1:7999"
[log]
level = "warn"
{forward}
""")
    started = rig.server(0, rig.CONDUIT, "serve", "--config", config)
    rig.until("conduit", lambda: (WORK / f"state-{count}/conduit.sock").exists() and rig.listens(CONDUIT))
    lines = [] if hosts_file else hosts.read_text().splitlines(keepends=True)
    for first in range(0, len(lines), IMPORTED):
        (WORK / "import").write_text("".join(lines[first:first + IMPORTED]))
        told = subprocess.run([rig.CONDUIT, "--config", config, "import", "--kind", "hosts", WORK / "import"], capture_output=True, text=True)
        if told.returncode:
            sys.exit(told.stderr)
    return started


def dnsmasq(count, forwards=False, hosts_file=True):
    hosts, _ = names(count)
    only = [f"--server=/bench.example/127.0.0.1#{ELSEWHERE}"] if forwards else []
    started = rig.server(0, "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=root",
                         f"--addn-hosts={hosts}", f"--port={DNSMASQ}", "--listen-address=127.0.0.1", "--bind-interfaces",
                         "--local=/internal/", "--cache-size=10000", "--local-ttl=30", f"--pid-file={WORK}/dnsmasq.pid", *only)
    rig.until("dnsmasq", lambda: rig.listens(DNSMASQ))
    return started


def knot(count, forwards=False, hosts_file=False):
    _, zone = names(count)
    (WORK / "knot.conf").write_text(knot_config("knot", KNOT, "internal", zone))
    started = rig.server(0, "knotd", "-c", WORK / "knot.conf")
    rig.until("knot", lambda: rig.listens(KNOT))
    return started


def knot_config(name, port, domain, zone):
    home = WORK / name
    home.mkdir(exist_ok=True)
    return f"""
server:
  rundir: "{home}"
  listen: 127.0.0.1@{port}
  udp-workers: 1
  tcp-workers: 1
database:
  storage: "{home}"
zone:
  - domain: {domain}
    file: "{zone}"
    zonefile-sync: -1
"""


def unbound(count, forwards=False, hosts_file=False):
    local = WORK / f"local-{count}"
    if not local.exists():
        local.write_text('server:\nlocal-zone: "internal." static\n'
                         + "".join(f'local-data: "name-{i}.internal. 30 A {address(i)}"\n' for i in range(count)))
    forward = f'forward-zone:\n name: "bench.example."\n forward-addr: 127.0.0.1@{ELSEWHERE}\n' if forwards else ""
    (WORK / "unbound.conf").write_text(f"""
server:
  username: ""
  chroot: ""
  directory: "{WORK}"
  pidfile: "{WORK}/unbound.pid"
  use-syslog: no
  interface: 127.0.0.1
  port: {UNBOUND}
  num-threads: 1
  module-config: "iterator"
  do-not-query-localhost: no
  access-control: 127.0.0.0/8 allow
include: "{local}"
remote-control:
  control-enable: yes
  control-interface: "{WORK}/unbound.sock"
  control-use-cert: no
{forward}
""")
    started = rig.server(0, "unbound", "-d", "-c", WORK / "unbound.conf")
    rig.until("unbound", lambda: rig.listens(UNBOUND))
    return started


def elsewhere():
    """Who is asked about names that are nobody's here."""
    zone = WORK / "elsewhere.zone"
    zone.write_text("$ORIGIN bench.example.\n$TTL 3600\n@ SOA ns hostmaster 1 3600 600 86400 300\n@ NS ns\nns A 203.0.113.1\n"
                    + "".join(f"name-{i} A 203.0.113.{i % 250}\n" for i in range(FORWARDED)))
    (WORK / "elsewhere.conf").write_text(knot_config("elsewhere", ELSEWHERE, "bench.example", zone))
    rig.server(1, "knotd", "-c", WORK / "elsewhere.conf")
    rig.until("the other server", lambda: rig.listens(ELSEWHERE))


SERVERS = {"conduit": (CONDUIT, conduit, "true"), "dnsmasq": (DNSMASQ, dnsmasq, "dnsmasq"), "unbound": (UNBOUND, unbound, "unbound"), "knot": (KNOT, knot, "knotd")}


@contextlib.contextmanager
def running(which, *args, **kwargs):
    """The servers of that job, ended behind it."""
    started = []
    for name in which:
        port, start, tool = SERVERS[name]
        if shutil.which(tool):
            started.append((name, start(*args, **kwargs), port))
        else:
            print(f"SKIPPED: {name} is not installed")
    time.sleep(2)
    try:
        yield started
    finally:
        for _, process, _ in started:
            process.terminate()
            process.wait(30)
            rig.SERVERS.remove(process)


def questions(kind, count, domain="internal"):
    path = WORK / f"questions-{kind}-{count}-{domain}"
    lines = []
    for _ in range(20_000):
        what = random.choice(MIXED) if kind == "mixed" else kind
        known = f"name-{random.randrange(count)}.{domain}"
        lines.append(f"none-{random.randrange(10**6)}.{domain} A\n" if what == "nx" else f"{known} {what.upper()}\n")
    path.write_text("".join(lines))
    return path


def dnsperf(port, path, *flags, seconds=SECONDS):
    out = subprocess.run(["taskset", "-c", "1", "dnsperf", "-s", "127.0.0.1", "-p", str(port), "-d", path, "-l", str(seconds), "-c", "8", "-T", "1", *flags],
                         capture_output=True, text=True).stdout
    done, lost = (int(re.search(rf"Queries {what}:\s+(\d+)", out).group(1)) for what in ("completed", "lost"))
    return done, lost, out


def table(title, figures, unit):
    print(f"\n{title}: {unit}, median of {ROUNDS} interleaved rounds", flush=True)
    ours = statistics.median(figures["conduit"])
    for name, rounds in figures.items():
        median = statistics.median(rounds)
        print(f"  {name:8} {median:9.2f}  conduit is {ours / median:5.2f} x  {min(rounds):.2f} to {max(rounds):.2f}: {' '.join(f'{r:.2f}' for r in rounds)}", flush=True)


def cost(title, subjects, path, *flags):
    """CPU time per answered query."""
    figures, lost = {name: [] for name, _, _ in subjects}, {name: 0 for name, _, _ in subjects}
    for _ in range(ROUNDS):
        for name, process, port in subjects:
            before = rig.cpu_seconds(process.pid)
            done, gone, _ = dnsperf(port, path, "-q", "200", *flags)
            figures[name].append((rig.cpu_seconds(process.pid) - before) / done * 1e6)
            lost[name] += gone
    table(title, figures, "CPU microseconds per query")
    if any(lost.values()):
        print(f"  lost: {lost}")


def own():
    for count in SIZES:
        with running(SERVERS, count) as subjects:
            for kind, what in (("a", "A"), ("nx", "NXDOMAIN"), ("mixed", "mixed")):
                cost(f"own names over UDP, {what}, {count} names", subjects, questions(kind, count))
            if count == SIZES[0]:
                cost(f"own names over TCP, A, {count} names", subjects, questions("a", count), "-m", "tcp")


def cached():
    elsewhere()
    path = questions("a", FORWARDED, "bench.example")
    with running(("conduit", "dnsmasq", "unbound"), 10, forwards=True) as subjects:
        for _, _, port in subjects:
            dnsperf(port, path, "-q", "20", seconds=1)
        cost(f"cached answers of a forwarder, {FORWARDED} names", subjects, path)


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def waits(out):
    """What each query waited, in microseconds."""
    return [float(line.rsplit(" ", 1)[1]) * 1e6 for line in out.splitlines() if line.startswith("> NOERROR")]


def rate():
    path = questions("a", SIZES[0])
    with running(SERVERS, SIZES[0]) as subjects:
        middle, slow = ({name: [] for name, _, _ in subjects} for _ in range(2))
        for _ in range(ROUNDS):
            for name, _, port in subjects:
                _, lost, out = dnsperf(port, path, "-Q", str(RATE), "-v", seconds=RATE_SECONDS)
                if lost:
                    print(f"  {name} lost {lost}")
                middle[name].append(percentile(waits(out), 0.5))
                slow[name].append(percentile(waits(out), 0.99))
        table(f"A over UDP at {RATE} queries/s", middle, "p50 in microseconds")
        table(f"A over UDP at {RATE} queries/s", slow, "p99 in microseconds")


class Unix(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(WORK / f"state-{ADDED_TO}/conduit.sock"))


def adder(name):
    """What adds one name, and returns once the server says that it is done."""
    if name == "conduit":
        api = Unix("localhost")

        def add(label):
            body = json.dumps({"name": f"{label}.internal", "type": "A", "data": "10.99.0.1"})
            api.request("POST", "/api/v1/dns/records", body, {"content-type": "application/json"})
            reply = api.getresponse()
            assert reply.read() and reply.status == 201, reply.status
    elif name == "dnsmasq":
        def add(label):
            with open(WORK / f"hosts-{ADDED_TO}", "a") as hosts:
                hosts.write(f"10.99.0.1 {label}.internal\n")
            os.kill(int((WORK / "dnsmasq.pid").read_text()), 1)
    elif name == "unbound":
        def add(label):
            run("unbound-control", "-c", WORK / "unbound.conf", "local_data", f"{label}.internal. 30 A 10.99.0.1")
    else:
        def add(label):
            control = ("knotc", "-c", WORK / "knot.conf")
            run(*control, "zone-begin", "internal")
            run(*control, "zone-set", "internal", label, "30", "A", "10.99.0.1")
            run(*control, "zone-commit", "internal")
    return add


def run(*command):
    subprocess.run([str(part) for part in command], check=True, capture_output=True)


def answers(resolver, label):
    question = b"".join(bytes([len(part)]) + part.encode() for part in (label, "internal"))
    resolver.send(b"\0\1\1\0\0\1\0\0\0\0\0\0" + question + b"\0\0\1\0\1")
    answer = resolver.recv(512)
    return answer[3] & 15 == 0 and answer[7] == 1


def first_answer(port, label, told, begun):
    """A process of its own: asks until the name is there, and says when that was."""
    resolver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    resolver.settimeout(5)
    resolver.connect(("127.0.0.1", port))
    begun.set()
    while not answers(resolver, label):
        pass
    told.put(time.monotonic())


def add():
    """One name more, 40 times: when it is answered, and what others beside it wait and lose."""
    calm = questions("a", ADDED_TO)
    with running(SERVERS, ADDED_TO) as subjects:
        for name, process, port in subjects:
            out = dnsperf(port, calm, "-Q", str(BESIDE), "-v", seconds=4)[2]
            before = percentile(waits(out), 0.99), max(waits(out))
            beside = subprocess.Popen(["taskset", "-c", "1", "dnsperf", "-s", "127.0.0.1", "-p", str(port), "-d", calm, "-l", "12", "-c", "8", "-T", "1",
                                       "-Q", str(BESIDE), "-v"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            one_more, whole, after = adder(name), [], []
            spent = rig.cpu_seconds(process.pid)
            for number in range(ADDED):
                label = f"more-{number}"
                told, begun = multiprocessing.Queue(), multiprocessing.Event()
                asking = multiprocessing.Process(target=first_answer, args=(port, label, told, begun))
                asking.start()
                begun.wait()
                start = time.monotonic()
                one_more(label)
                done = time.monotonic()
                seen = told.get(timeout=30)
                asking.join()
                whole.append((seen - start) * 1e3)
                after.append((seen - done) * 1e3)
            spent = rig.cpu_seconds(process.pid) - spent
            out = beside.communicate()[0]
            lost = re.search(r"Queries lost:\s+(\d+)", out).group(1)
            print(f"\n{name}: one name more than {ADDED_TO}, {ADDED} times, {BESIDE} queries/s beside it", flush=True)
            print(f"  from the request to the first answer {statistics.median(whole):.2f} ms ({min(whole):.2f} to {max(whole):.2f}); "
                  f"from its confirmation {statistics.median(after):.2f} ms ({min(after):.2f} to {max(after):.2f}; below 0: before it)")
            print(f"  others: p99 {before[0]:.0f} -> {percentile(waits(out), 0.99):.0f} us, worst {before[1]:.0f} -> {max(waits(out)):.0f} us, lost {lost}", flush=True)


def million():
    """From a start with a million names to an answer for the last of them."""
    last = f"name-{MILLION - 1}"
    for name in SERVERS:
        with contextlib.suppress(FileNotFoundError):
            names(MILLION)
        port, start, tool = SERVERS[name]
        if not shutil.which(tool):
            continue
        took, held = [], []
        for _ in range(min(ROUNDS, 3)):
            begun = time.monotonic()
            process = start(MILLION, hosts_file=True)
            resolver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            resolver.settimeout(1)
            resolver.connect(("127.0.0.1", port))
            while True:
                with contextlib.suppress(OSError):
                    if answers(resolver, last):
                        break
                time.sleep(0.005)
            took.append(time.monotonic() - begun)
            time.sleep(3)
            held.append(rig.memory_kib(process.pid) / 1024)
            process.terminate()
            process.wait(60)
            rig.SERVERS.remove(process)
        print(f"{name}: a million names answered after {statistics.median(took):.2f} s ({min(took):.2f} to {max(took):.2f}), "
              f"{statistics.median(held):.0f} MiB 3 s later", flush=True)


JOBS = {"own": own, "cached": cached, "rate": rate, "add": add, "million": million}


def main():
    os.sched_setaffinity(0, {1})
    load = pathlib.Path("/proc/loadavg").read_text().split()[0]
    print(f"{time.strftime('%Y-%m-%d %H:%M')}, load {load} before the first round, kernel {os.uname().release}")
    for job in sys.argv[2:] or JOBS:
        JOBS[job]()
    print(f"load {pathlib.Path('/proc/loadavg').read_text().split()[0]} after the last round")


main()
