"""The servers that the cases are held against, each with the same names."""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

from wire import query

BIG = ["%02d" % number + "x" * 198 for number in range(16)]
MIDDLE = ["%02d" % number + "y" * 198 for number in range(4)]

# Owner, type, data; what is said of them is in the cases.
RECORDS = [
    ("host.internal", "A", "10.0.0.7"),
    ("host.internal", "AAAA", "fd00::7"),
    ("v4.internal", "A", "10.0.0.8"),
    ("v6.internal", "AAAA", "fd00::8"),
    ("round.internal", "A", "10.0.0.21"),
    ("round.internal", "A", "10.0.0.22"),
    ("round.internal", "A", "10.0.0.23"),
    ("alias.internal", "CNAME", "host.internal"),
    ("aliasv4.internal", "CNAME", "v4.internal"),
    ("second.internal", "CNAME", "alias.internal"),
    ("dangling.internal", "CNAME", "nobody.internal"),
    ("loop1.internal", "CNAME", "loop2.internal"),
    ("loop2.internal", "CNAME", "loop1.internal"),
    ("outside.internal", "CNAME", "led.example.com"),
    ("lost.internal", "CNAME", "nothing.example.com"),
    ("mail.internal", "MX", "10 host.internal"),
    ("text.internal", "TXT", '"one" "two"'),
    ("big.internal", "TXT", " ".join(f'"{text}"' for text in BIG)),
    ("middle.internal", "TXT", " ".join(f'"{text}"' for text in MIDDLE)),
    ("_sip._tcp.internal", "SRV", "0 5 5060 host.internal"),
    ("site.internal", "HTTPS", "1 . alpn=h2 port=8443"),
    ("moved.internal", "HTTPS", "0 host.internal"),
    ("caa.internal", "CAA", '0 issue "ca.internal"'),
    ("deep.ent.internal", "A", "10.0.0.31"),
    ("*.wild.internal", "A", "10.0.0.9"),
    ("*.wild.internal", "TXT", '"wild"'),
    ("here.wild.internal", "TXT", '"here"'),
    ("deep.ent.wild.internal", "A", "10.0.0.32"),
    ("*.walias.internal", "CNAME", "host.internal"),
    ("7.0.0.10.in-addr.arpa", "PTR", "host.internal"),
]


class Subject:
    """A running server."""

    def __init__(self, kind, work, upstream, port=None):
        self.kind, self.work, self.upstream = kind, Path(work), upstream
        self.port = port or free_port()
        self.address = ("127.0.0.1", self.port)
        self.log = open(self.work / f"{kind}.log", "w+")
        command = getattr(self, kind)()
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log, cwd=self.work)
        self.wait()

    def wait(self):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.settimeout(0.2)
                sock.connect(self.address)
                try:
                    sock.send(query("host.internal"))
                    if sock.recv(512)[3] & 15 == 0:
                        return
                except OSError:
                    time.sleep(0.05)
        raise SystemExit(f"{self.kind} does not answer:\n{self.said()}")

    def said(self):
        self.log.flush()
        return Path(self.log.name).read_text()

    def is_alive(self):
        return self.process.poll() is None

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()

    def conduit(self):
        admin, records = free_port(), ""
        for owner, rtype, data in RECORDS:
            records += f"[[dns.records]]\nname = '{owner}'\ntype = '{rtype}'\ndata = '{data}'\n"
        (self.work / "conduit.toml").write_text(f"""
[gateway]
state_dir = "{self.work}/state"
domains = ["internal", "local"]
[dns]
listen = ["127.0.0.1:{self.port}"]
tls_listen = ["127.0.0.1:{free_port()}"]
forwarders = ["127.0.0.1:{self.upstream.address[1]}"]
allow = ["127.0.0.0/25"]
rate_limit = 20
{records}
[proxy]
enabled = false
[admin]
listen = "127.0.0.1:{admin}"
""")
        return [os.environ["CONDUIT_BINARY"], "serve", "--config", "conduit.toml"]

    def dnsmasq(self):
        lines = [
            f"port={self.port}", "listen-address=127.0.0.1", "bind-interfaces", "no-resolv", "no-hosts", "no-daemon",
            f"server=127.0.0.1#{self.upstream.address[1]}", "local=/internal/", "local=/local/", "user=root",
            "stop-dns-rebind", "bogus-priv", "pid-file", "address=/wild.internal/10.0.0.9",
        ]
        for owner, rtype, data in RECORDS:
            words = data.split()
            match rtype:
                case _ if owner.startswith(("*", "loop")):  # It refuses to start with a loop.
                    pass
                case "A" | "AAAA":
                    lines.append(f"host-record={owner},{data}")
                case "CNAME":
                    lines.append(f"cname={owner},{data}")
                case "MX":
                    lines.append(f"mx-host={owner},{words[1]},{words[0]}")
                case "TXT":
                    lines.append(f"txt-record={owner}," + ",".join(word.strip('"') for word in words))
                case "SRV":
                    lines.append(f"srv-host={owner},{words[3]},{words[2]},{words[0]},{words[1]}")
                case "CAA":
                    lines.append(f"caa-record={owner},0,issue,ca.internal")
                case "PTR":
                    lines.append(f"ptr-record={owner},{data}")
                case "HTTPS":
                    lines.append(f"dns-rr={owner},65," + https(data).hex())
        # A line of its file has at most 1,024 characters; an argument has not.
        return ["dnsmasq", "--conf-file=/dev/null", *("--" + line for line in lines)]

    def knot(self):
        zones = {"internal": "", "local": "", "10.in-addr.arpa": ""}
        for owner, rtype, data in RECORDS:
            zone = "internal" if owner.endswith("internal") else "10.in-addr.arpa"
            if rtype in ("CNAME", "PTR"):
                data += "."
            elif rtype in ("MX", "SRV", "HTTPS"):
                data = data.replace("host.internal", "host.internal.")
            zones[zone] += f"{owner}. 30 {rtype} {data}\n"
        text = f"server:\n  listen: 127.0.0.1@{self.port}\n  rundir: {self.work}\n"
        text += f"database:\n  storage: {self.work}/db\nlog:\n - target: stderr\n   any: warning\n"
        text += "mod-cookies:\n  - id: default\n"
        module = "    global-module: mod-cookies/default\n"
        text += f"template:\n  - id: default\n    storage: {self.work}\n    zonefile-sync: -1\n{module}zone:\n"
        for zone, lines in zones.items():
            soa = f"{zone}. 30 SOA ns.{zone}. hostmaster.{zone}. 1 60 30 604800 5\n{zone}. 30 NS ns.{zone}.\n"
            (self.work / f"{zone}.zone").write_text(soa + f"ns.{zone}. 30 A 127.0.0.1\n" + lines)
            text += f"  - domain: {zone}\n    file: {zone}.zone\n"
        (self.work / "knot.conf").write_text(text)
        (self.work / "db").mkdir(exist_ok=True)
        return ["knotd", "-c", str(self.work / "knot.conf")]


def https(data):
    """The wire form of the two HTTPS records above."""
    return bytes.fromhex("0001" "00" "0001" "0003" "026832" "0003" "0002" "20fb") if data.startswith("1") else (
        b"\0\0" + b"\4host" + b"\x08internal" + b"\0")


def is_installed(kind):
    return shutil.which({"conduit": "true", "dnsmasq": "dnsmasq", "knot": "knotd"}[kind]) is not None


def free_port():
    """A port that is free for both transports now."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp, \
                socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            try:
                udp.bind(tcp.getsockname())
            except OSError:
                continue
            return tcp.getsockname()[1]
