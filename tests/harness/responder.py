#!/usr/bin/env python3
"""Answers every HTTP request on 127.0.0.1:PORT with 200: the upstream of thousands of services."""

import asyncio
import sys


async def answer(reader, writer):
    try:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    writer.close()


async def main():
    server = await asyncio.start_server(answer, "127.0.0.1", int(sys.argv[1]), backlog=1000)
    await server.serve_forever()


asyncio.run(main())
