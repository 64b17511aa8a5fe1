#!/usr/bin/env python3
"""What one proxied request costs Conduit's worker, by instruments that the load of the machine does not move.

    benches/per_request.py syscalls                system calls, by strace, over 10,000 requests
    benches/per_request.py instructions [PROFILE]  instructions and allocations, by callgrind, with 1 and 10,000
                                                   hosts; callgrind's files go to the directory PROFILE

Keep-alive on both sides, TLS 1.3 in front, the worker's thread only: probes run elsewhere. Needs the release
build (unstripped for a profile that names functions: CARGO_PROFILE_RELEASE_STRIP=none), nginx, h2load, and
strace or valgrind on the PATH. Run it in a network namespace of its own: ports are fixed.
"""

import pathlib
import re
import shutil
import subprocess
import sys
import time

import rig

JOBS = (("h1, 200 B", "h1", "/"), ("h1, 10 KB", "h1", "/files/10k"), ("h2, 200 B", "h2", "/"))
SYSCALL_REQUESTS = 10_000
# Enough for a figure to be steady to a per mille; callgrind is some fifty times slower than the processor.
COUNTED_REQUESTS = 1_000
HOSTS = 10_000


def worker_of(pid):
    """The thread that serves; its name is cut at 15 characters by the kernel."""
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        if (task / "comm").read_text().strip() == "proxy-0":
            return int(task.name)
    sys.exit("no worker's thread")


def syscalls():
    rig.certificate()
    rig.upstream(1)
    pid = rig.conduit(0).pid
    worker = worker_of(pid)
    print(f"System calls per request, worker's thread, {SYSCALL_REQUESTS} requests over 16 connections:")
    for title, protocol, path in JOBS:
        rig.h2load(7443, 2_000, path=path, protocol=protocol, clients=16)  # Opens what is kept.
        counts = rig.WORK / "strace"
        tracer = subprocess.Popen(["strace", "-c", "-o", counts, "-p", str(worker)], stderr=subprocess.PIPE)
        tracer.stderr.readline()  # It is attached.
        rig.h2load(7443, SYSCALL_REQUESTS, path=path, protocol=protocol, clients=16)
        tracer.terminate()
        tracer.wait()
        rows = re.findall(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(\d+\s+)?(\w+)$", counts.read_text(), re.M)
        calls = {name: int(count) / SYSCALL_REQUESTS for count, _, name in rows if name != "total"}
        waits = calls.pop("epoll_wait", 0)
        listed = ", ".join(f"{name} {count:.2f}" for name, count in sorted(calls.items(), key=lambda row: -row[1]) if count >= 0.005)
        print(f"  {title:10} {sum(calls.values()):.2f} besides {waits:.2f} epoll_wait: {listed}", flush=True)


def callgrind(pid, *command):
    subprocess.run(["callgrind_control", *command, str(pid)], check=True, capture_output=True)


def counted(profile):
    """Instructions, and calls of the allocator, in the dump of the thread that served."""
    best = (0, {}, None)
    for dump in profile.glob("callgrind.out.*"):
        text = dump.read_text()
        total = int((re.search(r"^(?:summary|totals): (\d+)", text, re.M) or [0, 0])[1])
        # Other threads probe; this one serves.
        if "conduit_proxy::service::Service::" in text and total > best[0]:
            best = (total, text, dump)
    total, text, dump = best
    names = dict(re.findall(r"^c?fn=\((\d+)\) (.+)$", text, re.M))
    calls = {}
    for number, count in re.findall(r"^cfn=\((\d+)\).*\n(?:calls=(\d+))", text, re.M):
        name = names[number]
        calls[name] = calls.get(name, 0) + int(count)
    takes = sum(count for name, count in calls.items() if re.fullmatch(r"mi_(heap_)?(malloc|zalloc|realloc)(_aligned)?(_at)?", name))
    return total, takes, dump


def instructions(keep):
    rig.certificate()
    rig.upstream(1)
    print(f"Instructions and allocations per request, worker's thread, {COUNTED_REQUESTS} requests over one connection:")
    for names in (0, HOSTS):
        native = rig.conduit(0, names=names)
        native.terminate()
        native.wait()
        profile = rig.WORK / f"profile-{names}"
        profile.mkdir()
        wrapper = ["valgrind", "--tool=callgrind", "--instr-atstart=no", "--separate-threads=yes", f"--callgrind-out-file={profile}/callgrind.out.%p"]
        pid = rig.conduit(0, names=names, wrapper=wrapper, probes="1h").pid
        host = f"name-{names // 2}.internal" if names else rig.HOST
        for title, protocol, path in JOBS:
            # The gateway looks at its own services after its start, with a handshake each.
            rig.h2load(7443, 2_000 if title == JOBS[0][0] else 200, path=path, protocol=protocol, clients=1, host=host)
            for old in profile.iterdir():
                old.unlink()
            callgrind(pid, "-i", "on")
            callgrind(pid, "-z")
            rig.h2load(7443, COUNTED_REQUESTS, path=path, protocol=protocol, clients=1, host=host)
            callgrind(pid, "-d")
            callgrind(pid, "-i", "off")
            time.sleep(1)
            total, takes, dump = counted(profile)
            print(f"  {title:10} {names or 1:6} hosts: {total / COUNTED_REQUESTS:9,.0f} instructions, {takes / COUNTED_REQUESTS:6.1f} allocations", flush=True)
            if keep:
                pathlib.Path(keep).mkdir(parents=True, exist_ok=True)
                shutil.copy(dump, pathlib.Path(keep) / f"{protocol}-{path.rsplit('/', 1)[1] or '200'}-{names or 1}")
        rig.SERVERS[-1].terminate()
        rig.SERVERS[-1].wait()


match sys.argv[1:]:
    case ["syscalls"]:
        syscalls()
    case ["instructions", *keep]:
        instructions(keep[0] if keep else None)
    case _:
        sys.exit(__doc__)
