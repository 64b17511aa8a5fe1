#!/usr/bin/env python3
"""Conduit, asked by the programs that ask it in the field: each in the way that it knows, on port 53.

Runs itself in a network of its own (`alone`), where /etc/resolv.conf names Conduit.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from subject import BIG, Subject
from upstream import Upstream

HERE = Path(__file__).parent
FAILED = []


def said(*command, patience_s=20):
    done = subprocess.run(command, capture_output=True, text=True, timeout=patience_s, check=False)
    return done.stdout + done.stderr


def check(client, what, got, wanted):
    """Whether each of these texts is in what came out."""
    wanted = [wanted] if isinstance(wanted, str) else wanted
    missing = [text for text in wanted if text not in got]
    if missing:
        FAILED.append(client)
        print(f"FAILED {client} {what}: no {missing} in {got.strip()[:600]!r}")
    else:
        print(f"ok {client} {what}")


def with_tool(tool, body):
    if shutil.which(tool):
        body()
    else:
        print(f"SKIPPED: {tool} is not installed")


def dig():
    at = ["dig", "@127.0.0.1", "+tries=1", "+time=5"]
    check("dig", "address", said(*at, "host.internal"), ["status: NOERROR", "flags: qr aa rd", "10.0.0.7"])
    check("dig", "cookie", said(*at, "host.internal", "+cookie"), "(good)")
    check("dig", "absence", said(*at, "nobody.internal"), ["status: NXDOMAIN", "SOA"])
    check("dig", "TCP", said(*at, "+tcp", "host.internal"), "10.0.0.7")
    check("dig", "what is cut comes over TCP", said(*at, "big.internal", "TXT"), [";; Truncated", BIG[15], "(TCP)"])
    check("dig", "version 1", said(*at, "+edns=1", "+noednsneg", "host.internal"), "BADVERS")
    check("dig", "reverse", said(*at, "-x", "10.0.0.7", "+short"), "host.internal.")
    check("dig", "alias to others", said(*at, "outside.internal", "+short"), ["led.example.com.", "198.18.0.2"])
    check("dig", "one connection", said(*at, "+tcp", "+keepopen", "host.internal", "v4.internal"), ["10.0.0.7", "10.0.0.8"])
    check("dig", "forwarded", said(*at, "www.example.com"), ["198.18.0.1", "flags: qr rd ra"])


def delv():
    got = said("delv", "@127.0.0.1", "-i", "host.internal", "A")
    check("delv", "address", got, "10.0.0.7")
    check("delv", "no data", said("delv", "@127.0.0.1", "-i", "v4.internal", "AAAA"), "nxrrset")
    check("delv", "absence", said("delv", "@127.0.0.1", "-i", "nobody.internal", "A"), "ncache nxdomain")


def kdig():
    check("kdig", "address", said("kdig", "@127.0.0.1", "host.internal", "AAAA", "+short"), "fd00::7")
    check("kdig", "cookie", said("kdig", "@127.0.0.1", "host.internal", "+cookie"), ["COOKIE", "NOERROR"])
    check("kdig", "TCP, kept open", said("kdig", "@127.0.0.1", "+tcp", "+keepopen", "host.internal", "v4.internal"),
          ["10.0.0.7", "10.0.0.8"])
    check("kdig", "binding", said("kdig", "@127.0.0.1", "site.internal", "HTTPS", "+short"), "1 . alpn=h2 port=8443")


def found(name):
    try:
        return " ".join(sorted({entry[4][0] for entry in socket.getaddrinfo(name, 80)}))
    except socket.gaierror as why:
        return {socket.EAI_NONAME: "nobody", socket.EAI_NODATA: "nodata"}.get(why.errno, str(why))


NAMES = {
    "host.internal": ["10.0.0.7", "fd00::7"],
    "v4.internal": ["10.0.0.8"],
    "v6.internal": ["fd00::8"],
    "alias.internal": ["10.0.0.7", "fd00::7"],
    "x.wild.internal": ["10.0.0.9"],
    "www.example.com": ["198.18.0.1"],
    "cut.example.com": ["198.18.0.1"],
    "nobody.internal": ["nobody"],
    "nobody.example.org.invalid": ["nobody"],
    "localhost": ["127.0.0.1"],
}


def glibc():
    """Python asks through glibc."""
    for name, wanted in NAMES.items():
        check("glibc", name, found(name), wanted)


def musl():
    with tempfile.TemporaryDirectory() as work:
        built = said("musl-gcc", "-static", "-O1", "-o", f"{work}/lookup", str(HERE / "lookup.c"))
        if not Path(work, "lookup").exists():
            FAILED.append("musl")
            print(f"FAILED musl: {built}")
            return
        lines = dict(line.split(" ", 1) for line in said(f"{work}/lookup", *NAMES).splitlines())
    for name, wanted in NAMES.items():
        check("musl", name, lines.get(name, ""), wanted)


def busybox():
    for name, wanted in NAMES.items():
        if name != "localhost":
            wanted = ["NXDOMAIN"] if wanted == ["nobody"] else wanted
            check("busybox", name, said("busybox", "nslookup", name), wanted)


def resolved():
    """getent, through systemd-resolved's stub."""
    program = "/lib/systemd/systemd-resolved"
    if not os.path.exists(program):
        print("SKIPPED: systemd-resolved is not installed")
        return
    config = Path(f"/tmp/.resolved.{os.getpid()}.conf")
    config.write_text("[Resolve]\nDNS=127.0.0.1\nDomains=~.\nDNSSEC=no\nLLMNR=no\nMulticastDNS=no\nDNSStubListener=yes\n")
    os.makedirs("/run/systemd/resolve", exist_ok=True)
    mounts = (["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run/systemd/resolve"],
              ["mount", "--bind", str(config), "/etc/systemd/resolved.conf"])
    broken = [said(*mount) for mount in mounts]
    if any(broken):
        print(f"SKIPPED: systemd-resolved cannot be configured here: {broken}")
        return
    shutil.chown("/run/systemd/resolve", "systemd-resolve", "systemd-resolve")
    with tempfile.TemporaryFile("w+") as log:
        stub = subprocess.Popen([program], stdout=log, stderr=log, env={"SYSTEMD_LOG_LEVEL": "info"})
        deadline = time.monotonic() + 10
        while "10.0.0.7" not in said("dig", "@127.0.0.53", "+tries=1", "+time=1", "+short", "host.internal"):
            if stub.poll() is not None or time.monotonic() > deadline:
                log.seek(0)
                print(f"SKIPPED: systemd-resolved does not run here: {log.read()[-300:]!r}")
                stub.kill()
                return
        # getent asks for the families of this machine's own addresses.
        said("ip", "address", "add", "fd66::1/64", "dev", "house", "nodad")
        servers = Path("/etc/resolv.conf")
        # It may be a link to what it has just written itself.
        if "127.0.0.53" not in servers.read_text():
            servers.write_text("nameserver 127.0.0.53\n")
        try:
            for name, wanted in NAMES.items():
                wanted = [""] if wanted == ["nobody"] else wanted
                check("resolved", name, said("getent", "ahosts", name), wanted)
            check("resolved", "absence", str(subprocess.call(["getent", "hosts", "nobody.internal"])), "2")
        finally:
            stub.terminate()
            stub.wait(10)
            config.unlink()


def inside():
    upstream = Upstream()
    with tempfile.TemporaryDirectory() as work:
        subject = Subject("conduit", work, upstream, port=53)
        try:
            with_tool("dig", dig)
            with_tool("delv", delv)
            with_tool("kdig", kdig)
            glibc()
            with_tool("musl-gcc", musl)
            with_tool("busybox", busybox)
            resolved()
        finally:
            subject.stop()
    print(f"clients: {len(FAILED)} failures")
    return 1 if FAILED else 0


def main():
    if sys.argv[1:] == ["inside"]:
        return inside()
    code = subprocess.call([str(HERE.parent / "alone"), sys.executable, "-B", __file__, "inside"])
    if code == 77:
        print("SKIPPED: real clients, since no namespaces are to be had here")
        return 0
    return code


if __name__ == "__main__":
    sys.exit(main())
