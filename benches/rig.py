"""What the benches beside this file share: servers that do the same job, and what they cost.

Each server listens on a port of its own with TLS 1.3 and forwards to one upstream. A server's CPU time is
the kernel's: user and system time of the process, its threads and its children.
"""

import atexit
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
CONDUIT = pathlib.Path(os.environ.get("CONDUIT", ROOT / "target/release/conduit"))
TICKS = os.sysconf("SC_CLK_TCK")
WORK = pathlib.Path(tempfile.mkdtemp(prefix="bench-"))
HOST = "web.internal"
UPSTREAM, STREAMS = 7000, 7001
# Conduit's first choice; others would follow the client to AES-128. Caddy cannot be told.
SUITE = "TLS_AES_256_GCM_SHA384"
SERVERS = []


def server(cpu, *command, **environment):
    log = open(WORK / "servers.log", "ab")
    started = subprocess.Popen(["taskset", "-c", str(cpu), *map(str, command)], cwd=WORK, stdout=log, stderr=log,
                               env={**os.environ, **environment}, start_new_session=True)
    SERVERS.append(started)
    return started


def end():
    for started in SERVERS:
        for member in family(started.pid):
            try:
                os.kill(member, signal.SIGTERM)
            except ProcessLookupError:
                pass
    for started in SERVERS:
        try:
            started.wait(20)
        except subprocess.TimeoutExpired:
            started.kill()
    shutil.rmtree(WORK, ignore_errors=True)


os.chmod(WORK, 0o755)
atexit.register(end)


def family(pid):
    """The process and its children."""
    found = [pid]
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for child in task.read_text().split():
                found += family(int(child))
    return found


def cpu_seconds(pid):
    """What the process and its children have used; those that ended are in their parents' own figures."""
    total = 0
    for member in family(pid):
        # dnsmasq has a process for each connection.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            fields = pathlib.Path(f"/proc/{member}/stat").read_text().rsplit(")", 1)[1].split()
            total += sum(int(field) for field in fields[11:15])
    return total / TICKS


def memory_kib(pid):
    """What would be free without it: private memory and its share of what is shared."""
    total = 0
    for member in family(pid):
        total += int(re.search(r"^Pss:\s+(\d+)", pathlib.Path(f"/proc/{member}/smaps_rollup").read_text(), re.M).group(1))
    return total


def until(what, true):
    end = time.monotonic() + 60
    while not true():
        if time.monotonic() > end:
            sys.exit(f"{what} does not start: {(WORK / 'servers.log').read_text()[-2000:]}")
        time.sleep(0.05)


def listens(port):
    return subprocess.run(["bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{port}"], stderr=subprocess.DEVNULL).returncode == 0


def certificate():
    """A leaf and the authority that signed it, as long a chain as Conduit's."""
    new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    subprocess.run([*new, "-subj", "/CN=bench", "-keyout", "ca.key", "-out", "ca.pem"], cwd=WORK, check=True, capture_output=True)
    subprocess.run([*new, "-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}", "-CA", "ca.pem", "-CAkey", "ca.key",
                    "-keyout", "key.pem", "-out", "leaf.pem"], cwd=WORK, check=True, capture_output=True)
    (WORK / "cert.pem").write_text((WORK / "leaf.pem").read_text() + (WORK / "ca.pem").read_text())
    (WORK / "both.pem").write_text((WORK / "cert.pem").read_text() + (WORK / "key.pem").read_text())


def upstream(cpu):
    """nginx with an answer of 200 bytes at / and files at /files/."""
    files = WORK / "files"
    files.mkdir()
    (files / "10k").write_bytes(b"x" * 10_240)
    with open(files / "256M", "wb") as large:
        large.truncate(256 << 20)
    (WORK / "upstream.conf").write_text(f"""
daemon off; worker_processes 1; pid {WORK}/upstream.pid; error_log {WORK}/upstream.log; user root;
events {{ worker_connections 8192; }}
http {{ access_log off; keepalive_requests 100000000; sendfile on; tcp_nopush on; open_file_cache max=10 inactive=1h; open_file_cache_valid 1h;
  server {{ listen 127.0.0.1:{UPSTREAM} reuseport backlog=4096; location / {{ return 200 "{'x' * 200}"; }} location /files/ {{ root {WORK}; }} }} }}
""")
    started = server(cpu, "nginx", "-p", WORK, "-c", WORK / "upstream.conf")
    until("the upstream", lambda: listens(UPSTREAM))
    return started


def conduit(cpu, port=7443, names=0, wrapper=(), probes="30s"):
    """Conduit with one worker, one service for the job and `names` more."""
    config = WORK / "conduit.toml"
    config.write_text(f"""
[gateway]
state_dir = "{WORK}/state"
addresses = ["127.0.0.1"]
[dns]
listen = ["127.0.0.1:7153"]
[proxy]
https_listen = ["127.0.0.1:{port}"]
http_listen = []
workers = 1
access_log = false
[health]
interval = "{probes}"
timeout = "5s"
[admin]
listen = "127.0.0.1:7999"
[log]
level = "warn"
""")
    started = server(cpu, *wrapper, CONDUIT, "serve", "--config", config)
    until("conduit", lambda: (WORK / "state/conduit.sock").exists() and listens(port))
    address = f"127.0.0.1:{UPSTREAM}"
    many = [{"name": f"name-{i}", "upstream": address} for i in range(names)]
    streams = {"name": "streams", "upstream": f"127.0.0.1:{STREAMS}"}
    (WORK / "services.json").write_text(json.dumps({"version": 1, "services": [{"name": "web", "upstream": address}, streams, *many]}))
    told = subprocess.run([CONDUIT, "--config", config, "register", "--file", WORK / "services.json"], capture_output=True, text=True)
    if told.returncode:
        sys.exit(told.stderr)
    return started


def nginx(cpu, port=7444):
    proxy = 'proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr; ' \
            'proxy_set_header X-Forwarded-Proto $scheme; proxy_request_buffering off; proxy_max_temp_file_size 0; proxy_buffers 8 32k; proxy_buffer_size 16k; ' \
            'client_max_body_size 0;'
    tls = f"ssl_certificate {WORK}/cert.pem; ssl_certificate_key {WORK}/key.pem; ssl_protocols TLSv1.3; ssl_conf_command Ciphersuites {SUITE}; ssl_session_tickets on; ssl_session_cache shared:s:10m;"
    (WORK / "nginx.conf").write_text(f"""
daemon off; worker_processes 1; pid {WORK}/nginx.pid; error_log {WORK}/nginx.log; user root;
events {{ worker_connections 16384; }}
http {{ access_log off; keepalive_requests 100000000;
  upstream web {{ server 127.0.0.1:{UPSTREAM}; keepalive 256; keepalive_requests 100000000; }}
  upstream streams {{ server 127.0.0.1:{STREAMS}; keepalive 256; }}
  server {{ listen 127.0.0.1:{port} ssl http2 reuseport backlog=4096; server_name {HOST}; {tls} location / {{ proxy_pass http://web; {proxy} }} }}
  server {{ listen 127.0.0.1:{port} ssl http2; server_name streams.internal; {tls} location / {{ proxy_pass http://streams; {proxy} proxy_buffering off; }} }} }}
""")
    started = server(cpu, "nginx", "-p", WORK, "-c", WORK / "nginx.conf")
    until("nginx", lambda: listens(port))
    return started


def haproxy(cpu, port=7445):
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
  bind 127.0.0.1:{port} ssl crt {WORK}/both.pem alpn h2,http/1.1 ssl-min-ver TLSv1.3 ciphersuites {SUITE} backlog 4096
  http-request set-header X-Forwarded-Proto https
  use_backend streams if {{ hdr_beg(host) -i streams.internal }}
  default_backend web
backend web
  server s 127.0.0.1:{UPSTREAM} pool-max-conn -1
backend streams
  server s 127.0.0.1:{STREAMS} pool-max-conn -1
""")
    started = server(cpu, "haproxy", "-f", WORK / "haproxy.cfg")
    until("haproxy", lambda: listens(port))
    return started


def caddy(cpu, port=7446):
    transport = "transport http {\n keepalive_idle_conns_per_host 256\n }"
    def site(host, to):
        return f"https://{host}:{port} {{\n bind 127.0.0.1\n tls {WORK}/cert.pem {WORK}/key.pem\n reverse_proxy 127.0.0.1:{to} {{\n {transport}\n }}\n}}\n"
    (WORK / "Caddyfile").write_text("{\n auto_https off\n admin off\n}\n" + site(HOST, UPSTREAM) + site("streams.internal", STREAMS))
    started = server(cpu, "caddy", "run", "--adapter", "caddyfile", "--config", WORK / "Caddyfile",
                     GOMAXPROCS="1", HOME=str(WORK), XDG_DATA_HOME=str(WORK), XDG_CONFIG_HOME=str(WORK))
    until("caddy", lambda: listens(port))
    return started


def h2load(port, requests, *flags, clients=64, path="/", host=HOST, cpu=1, protocol="h1"):
    """Asks so often, and says how many bytes of bodies came."""
    how = ["--h1"] if protocol == "h1" else ["-m", "10"]
    out = subprocess.run(["taskset", "-c", str(cpu), "h2load", *how, "-c", str(clients), "-n", str(requests), *map(str, flags),
                          f"--connect-to=127.0.0.1:{port}", f"https://{host}:{port}{path}"], capture_output=True, text=True).stdout
    done = re.search(r"(\d+) succeeded, (\d+) failed", out)
    good = re.search(r"status codes: (\d+) 2xx", out)
    if not done or int(done.group(1)) != requests or int(good.group(1)) != requests:
        sys.exit(f"requests failed on port {port}:\n{out}")
    return out
