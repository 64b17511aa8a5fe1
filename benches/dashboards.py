#!/usr/bin/env python3
"""What open dashboards cost a running gateway: its CPU time, as the kernel counts it.

Each one listens to the events and asks what the page asks, as often as it asks. Run it beside a gateway
on 127.0.0.1:9999 that serves something, with a viewer's token and the gateway's process:
benches/dashboards.py TOKEN PID [COUNT]
"""

import asyncio
import contextlib
import os
import sys

SECONDS = 40
SETTLE_SECONDS = 8
# What the overview asks, and every how many seconds (crates/admin/ui/src/api/queries.ts).
QUESTIONS = {"/status": 15, "/services": 15, "/nodes": 30, "/audit?limit=9": 60}


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def ask(token, path, more=""):
    reader, writer = await asyncio.open_connection("127.0.0.1", 9999)
    head = f"GET /api/v1{path} HTTP/1.1\r\nHost: 127.0.0.1:9999\r\nX-API-Key: {token}\r\n{more}\r\n"
    writer.write(head.encode())
    await writer.drain()
    return reader, writer


async def listen(token):
    reader, _writer = await ask(token, "/events")
    while await reader.read(65536):
        pass
    raise SystemExit("a stream ended")


async def poll(token, path, every, offset):
    await asyncio.sleep(offset)
    while True:
        reader, writer = await ask(token, path, "Accept-Encoding: gzip\r\nConnection: close\r\n")
        assert b" 200 " in await reader.readline(), path
        await reader.read(-1)
        writer.close()
        await asyncio.sleep(every)


async def measured(token, pid, count):
    tasks = [asyncio.create_task(listen(token)) for _ in range(count)]
    for index in range(count):
        for path, every in QUESTIONS.items():
            tasks.append(asyncio.create_task(poll(token, path, every, every * index / count)))
    await asyncio.sleep(SETTLE_SECONDS)
    before = cpu_seconds(pid)
    await asyncio.sleep(SECONDS)
    used = cpu_seconds(pid) - before
    for task in tasks:
        task.cancel()
    for task in tasks:
        with contextlib.suppress(asyncio.CancelledError):
            await task
    return used


token, pid, count = sys.argv[1], sys.argv[2], int((sys.argv[3:] or ["50"])[0])
alone = asyncio.run(measured(token, pid, 0))
watched = asyncio.run(measured(token, pid, count))
print(f"alone: {alone / SECONDS:.2%} of a core")
print(f"{count} dashboards: {(watched - alone) / SECONDS:.2%} of a core more")
