#!/usr/bin/env python3
"""Conduit beside nginx, HAProxy, dnsmasq and Knot, doing the same job on the same machine.

Prints the CPU time each server spends per request or query, from the kernel's per-process clocks, as
the median of interleaved rounds (A B C A B C ...), with all rounds. The server has CPU 0 and one
worker, clients and the upstream CPU 1. Only figures of one run compare; under 15 % is no difference.

Needs the release build, and nginx, haproxy, dnsmasq, knotd, h2load and dnsperf on the PATH; peers
that are missing are skipped and named. Usage: benches/peers.py [ROUNDS]
"""

import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
CONDUIT = ROOT / "target/release/conduit"
ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 5
REQUESTS = 60_000
NAMES = 1_000
TICKS = os.sysconf("SC_CLK_TCK")
WORK = pathlib.Path(tempfile.mkdtemp(prefix="peers-"))


def pinned(cpu, *command, **more):
    log = open(WORK / "servers.log", "ab")
    return subprocess.Popen(["taskset", "-c", str(cpu), *map(str, command)], cwd=WORK, stdout=log, stderr=log, **more)


def family(pid):
    """The process and its children."""
    found = [pid]
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += family(int(child))
    return found


def cpu_seconds(pid):
    total = 0
    for member in family(pid):
        fields = pathlib.Path(f"/proc/{member}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def until(what, true):
    end = time.monotonic() + 20
    while not true():
        if time.monotonic() > end:
            sys.exit(f"{what} does not start; see {WORK}/servers.log")
        time.sleep(0.05)


def listens(port):
    return subprocess.run(["bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{port}"], stderr=subprocess.DEVNULL).returncode == 0


def certificate():
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=web.internal", "-addext", "subjectAltName=DNS:web.internal", "-keyout", "key.pem", "-out", "cert.pem"],
        cwd=WORK, check=True, capture_output=True)
    (WORK / "both.pem").write_text((WORK / "cert.pem").read_text() + (WORK / "key.pem").read_text())


def start_upstream():
    (WORK / "upstream.conf").write_text(f"""
daemon off; worker_processes 1; pid {WORK}/upstream.pid; error_log {WORK}/upstream.log;
events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_requests 1000000; server {{ listen 127.0.0.1:7000 reuseport; location / {{ return 200 "{'x' * 200}"; }} }} }}
""")
    upstream = pinned(1, "nginx", "-p", WORK, "-c", WORK / "upstream.conf")
    until("the upstream", lambda: listens(7000))
    return upstream


def start_conduit():
    (WORK / "conduit.toml").write_text(f"""
[gateway]
state_dir = "{WORK}/state"
[dns]
listen = ["127.0.0.1:7153"]
[proxy]
https_listen = ["127.0.0.1:7443"]
http_listen = []
workers = 1
access_log = false
[admin]
listen = "127.0.0.1:7999"
[log]
level = "warn"
""")
    conduit = pinned(0, CONDUIT, "serve", "--config", WORK / "conduit.toml")
    until("conduit", lambda: listens(7999))
    many = [{"name": f"name-{i}", "upstream": "127.0.0.1:7000"} for i in range(NAMES)]
    (WORK / "services.json").write_text(json.dumps({"version": 1, "services": [{"name": "web", "upstream": "127.0.0.1:7000"}, *many]}))
    subprocess.run([CONDUIT, "--config", WORK / "conduit.toml", "register", "--file", WORK / "services.json"], check=True, capture_output=True)
    time.sleep(3)  # The first probes of a thousand services.
    return conduit


def start_nginx():
    (WORK / "nginx.conf").write_text(f"""
daemon off; worker_processes 1; pid {WORK}/nginx.pid; error_log {WORK}/nginx.log;
events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_requests 1000000;
  upstream web {{ server 127.0.0.1:7000; keepalive 256; keepalive_requests 1000000; }}
  server {{ listen 127.0.0.1:7444 ssl http2 reuseport; server_name web.internal;
    ssl_certificate {WORK}/cert.pem; ssl_certificate_key {WORK}/key.pem; ssl_protocols TLSv1.3;
    location / {{ proxy_pass http://web; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto $scheme;
      proxy_request_buffering off; }} }} }}
""")
    server = pinned(0, "nginx", "-p", WORK, "-c", WORK / "nginx.conf")
    until("nginx", lambda: listens(7444))
    return server


def start_haproxy():
    (WORK / "haproxy.cfg").write_text(f"""
global
  nbthread 1
  maxconn 8000
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  option forwardfor
  http-reuse always
frontend f
  bind 127.0.0.1:7445 ssl crt {WORK}/both.pem alpn h2,http/1.1 ssl-min-ver TLSv1.3
  http-request set-header X-Forwarded-Proto https
  default_backend b
backend b
  server s 127.0.0.1:7000 pool-max-conn -1
""")
    server = pinned(0, "haproxy", "-f", WORK / "haproxy.cfg")
    until("haproxy", lambda: listens(7445))
    return server


def start_dnsmasq():
    (WORK / "hosts").write_text("".join(f"127.0.0.1 name-{i}.internal\n" for i in range(NAMES)))
    server = pinned(0, "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=root",
                    f"--addn-hosts={WORK}/hosts", "--port=7154", "--listen-address=127.0.0.1", "--bind-interfaces", "--local=/internal/",
                    f"--pid-file={WORK}/dnsmasq.pid")
    until("dnsmasq", lambda: listens(7154))
    return server


def start_knot():
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
    server = pinned(0, "knotd", "-c", WORK / "knot.conf")
    until("knot", lambda: listens(7155))
    return server


def h2load(port, protocol):
    flags = ["--h1"] if protocol == "h1" else ["-m", "10"]
    out = subprocess.run(["taskset", "-c", "1", "h2load", *flags, "-c", "64", "-n", str(REQUESTS), f"--connect-to=127.0.0.1:{port}",
                          f"https://web.internal:{port}/"], capture_output=True, text=True).stdout
    done = re.search(r"(\d+) succeeded, (\d+) failed", out)
    if not done or int(done.group(1)) != REQUESTS:
        sys.exit(f"requests failed on port {port}:\n{out}")
    return REQUESTS


def dnsperf(port):
    queries = WORK / "queries"
    queries.write_text("".join(f"name-{i}.internal A\n" for i in range(NAMES)))
    out = subprocess.run(["taskset", "-c", "1", "dnsperf", "-s", "127.0.0.1", "-p", str(port), "-d", queries, "-l", "4", "-c", "8", "-q", "200", "-T", "1"],
                         capture_output=True, text=True).stdout
    if "NXDOMAIN" in out:
        sys.exit(f"names are missing on port {port}:\n{out}")
    return int(re.search(r"Queries completed:\s+(\d+)", out).group(1))


def compare(title, subjects, load):
    figures = {name: [] for name, _, _ in subjects}
    for _ in range(ROUNDS):
        for name, server, port in subjects:
            before = cpu_seconds(server.pid)
            done = load(port)
            figures[name].append((cpu_seconds(server.pid) - before) / done * 1e6)
    best = min(statistics.median(rounds) for name, rounds in figures.items() if name != "conduit")
    print(f"\n{title}: CPU microseconds each, median of {ROUNDS} interleaved rounds")
    for name, rounds in figures.items():
        median = statistics.median(rounds)
        print(f"  {name:8} {median:7.2f}  {median / best:5.2f} x the best peer   rounds {' '.join(f'{r:.2f}' for r in rounds)}")


def main():
    os.chmod(WORK, 0o755)
    certificate()
    servers = []
    try:
        servers.append(start_upstream())
        conduit = start_conduit()
        servers.append(conduit)
        proxies, resolvers = [("conduit", conduit, 7443)], [("conduit", conduit, 7153)]
        for name, tool, start, port, group in (
            ("nginx", "nginx", start_nginx, 7444, proxies), ("haproxy", "haproxy", start_haproxy, 7445, proxies),
            ("dnsmasq", "dnsmasq", start_dnsmasq, 7154, resolvers), ("knot", "knotd", start_knot, 7155, resolvers)):
            if shutil.which(tool):
                server = start()
                servers.append(server)
                group.append((name, server, port))
            else:
                print(f"SKIPPED: {name} is not installed")
        compare("HTTP/1.1 over TLS 1.3, 200 bytes, keep-alive on both sides", proxies, lambda port: h2load(port, "h1"))
        compare("HTTP/2 over TLS 1.3, 200 bytes", proxies, lambda port: h2load(port, "h2"))
        compare(f"DNS over UDP, A, {NAMES} names", resolvers, dnsperf)
    finally:
        for server in servers:
            server.terminate()
        for server in servers:
            server.wait()
        shutil.rmtree(WORK, ignore_errors=True)


main()
