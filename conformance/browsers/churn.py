#!/usr/bin/env python3
"""Registers and removes services with the command line, a few at a time, as people's scripts do.

    churn.py CONDUIT COUNT
"""
import concurrent.futures
import subprocess
import sys

# Commands at a time.
AT_ONCE = 4


def one(number):
    for command in (["register", f"churn-{number}", "127.0.0.1:9"], ["deregister", f"churn-{number}"]):
        done = subprocess.run([sys.argv[1], *command], capture_output=True, text=True)
        if done.returncode != 0:
            return done.stderr or done.stdout
    return None


with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
    failed = 0
    for said in pool.map(one, range(int(sys.argv[2]))):
        failed += said is not None
        print(said.splitlines()[0] if said else "gone", flush=True)
sys.exit(1 if failed else 0)
