#!/usr/bin/env python3
"""What the monitor costs: CPU time and memory of the gateway, as the kernel counts them.

Three gateways at once, with nothing to serve: one with the monitor off, one that watches its own machine, and one that
reads 100 more over SSH (OpenSSH on 100 addresses of the loopback), all every 30 s. It makes an account for sshd, and
needs root and a release build: conformance/alone python3 benches/monitor.py [SECONDS]
"""

import pathlib
import re
import subprocess
import sys
import time

import rig

SECONDS = int((sys.argv[1:] or ["300"])[0])
# The first readings are of machines that nothing is known of, and every connection is made then.
SETTLE_SECONDS = 90
SERVERS, INTERVAL, SSH_PORT = 100, 30, 2022
USER = "conduit-bench"


def hosts():
    return [f"127.0.1.{number}" for number in range(1, SERVERS + 1)]


def ssh_server():
    """One sshd for all addresses, with a key that runs the script and nothing else."""
    subprocess.run(["useradd", "--home-dir", rig.WORK / "home", "--create-home", "--shell", "/bin/sh", "--password", "*", USER], check=True)
    for key in ("host", "own"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", rig.WORK / key], check=True)
    script = rig.WORK / "survey"
    script.write_bytes(subprocess.run([rig.CONDUIT, "monitor", "script"], check=True, capture_output=True).stdout)
    script.chmod(0o755)
    (rig.WORK / "authorized").write_text(f'restrict,command="{script}" {(rig.WORK / "own.pub").read_text()}')
    pathlib.Path("/run/sshd").mkdir(exist_ok=True)
    (rig.WORK / "sshd.conf").write_text(f"""
ListenAddress 0.0.0.0:{SSH_PORT}
HostKey {rig.WORK}/host
AuthorizedKeysFile {rig.WORK}/authorized
MaxStartups 200
StrictModes no
UsePAM no
PidFile none
""")
    rig.server("0,1", "/usr/sbin/sshd", "-D", "-e", "-f", rig.WORK / "sshd.conf")
    rig.until("sshd", lambda: rig.listens(SSH_PORT))
    key = " ".join((rig.WORK / "host.pub").read_text().split()[:2])
    (rig.WORK / "known_hosts").write_text("".join(f"[{host}]:{SSH_PORT} {key}\n" for host in hosts()))


def gateway(name, port, monitor):
    home = rig.WORK / f"gateway-{name}"
    home.mkdir()
    config = home / "conduit.toml"
    config.write_text(f"""
[gateway]
state_dir = "{home}"
[dns]
listen = ["127.0.0.1:{port}"]
[proxy]
https_listen = ["127.0.0.1:{port + 1}"]
http_listen = []
[admin]
listen = "127.0.0.1:{port + 2}"
[log]
level = "warn"
[monitor]
{monitor}
""")
    started = rig.server("0,1", rig.CONDUIT, "serve", "--config", config)
    rig.until(name, lambda: rig.listens(port + 1))
    return started.pid


def resident_mib(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"^VmRSS:\s+(\d+)", status, re.M).group(1)) / 1024


def read(name):
    """How many nodes of a gateway are read in time."""
    config = rig.WORK / f"gateway-{name}" / "conduit.toml"
    listed = subprocess.run([rig.CONDUIT, "--config", config, "monitor", "--server", "--json"], check=True, capture_output=True, text=True)
    return listed.stdout.count('"state":"up"')


try:
    ssh_server()
    servers = ", ".join(
        f'{{ host = "{host}", label = "node-{number}", port = {SSH_PORT}, user = "{USER}", key = "{rig.WORK}/own", known_hosts = "{rig.WORK}/known_hosts" }}'
        for number, host in enumerate(hosts())
    )
    every = f'interval = "{INTERVAL}s"\n'
    pids = {
        "off": gateway("off", 6100, "enabled = false"),
        "own": gateway("own", 6200, every),
        "many": gateway("many", 6300, every + f"servers = [{servers}]"),
    }
    time.sleep(SETTLE_SECONDS)
    before = {name: rig.cpu_seconds(pid) for name, pid in pids.items()}
    time.sleep(SECONDS)
    used = {name: rig.cpu_seconds(pid) - before[name] for name, pid in pids.items()}
    if read("many") != SERVERS + 1:
        sys.exit(f"only {read('many')} of {SERVERS + 1} nodes are read")
    memory = {name: resident_mib(pid) for name, pid in pids.items()}
    for name, what in (("off", "monitor off"), ("own", "this machine only"), ("many", f"{SERVERS} machines over SSH as well")):
        print(f"{what}: {used[name] / SECONDS:.3%} of a core, {used[name] * 3600 / SECONDS:.1f} s of CPU an hour, {memory[name]:.1f} MiB resident")
    own = used["own"] - used["off"]
    print(f"this machine: {own * 1000 * INTERVAL / SECONDS:.1f} ms of CPU for each reading, the judging and keeping included")
    print(f"{SERVERS} machines: {(used['many'] - used['own']) / SECONDS:.2%} of a core more, {memory['many'] - memory['own']:.1f} MiB more")
finally:
    rig.end()
    subprocess.run(["userdel", USER], capture_output=True)
