"""An HTTP/3 client that nobody here wrote (the package `aioquic`), against a running gateway:
`http3_calls.py PORT BUNDLE HOST` ends with 0 when everything came through, and
`http3_calls.py PORT BUNDLE HOST COMMAND...` when a download that COMMAND is run in the middle of did,
and a new connection after it. The upstream of HOST is Python's own web server, which has the files
`index.html` and `large`, and no POST."""

import asyncio
import sys
from collections import defaultdict

from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated, StreamReset

PATIENCE = 60  # seconds for everything


class Client(QuicConnectionProtocol):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.http = H3Connection(self._quic)
        self.heads = {}
        self.bodies = defaultdict(bytearray)
        self.ended = {}
        self.reset = {}
        self.closed = asyncio.get_running_loop().create_future()

    def quic_event_received(self, event):
        if isinstance(event, ConnectionTerminated) and not self.closed.done():
            self.closed.set_result(event)
            for ended in self.ended.values():
                if not ended.done():
                    ended.set_exception(ConnectionError(str(event)))
        if isinstance(event, StreamReset):
            self.reset[event.stream_id] = event.error_code
            self.end(event.stream_id)
        for part in self.http.handle_event(event):
            stream = part.stream_id
            if isinstance(part, HeadersReceived) and stream not in self.heads:
                self.heads[stream] = dict(part.headers)
            elif isinstance(part, DataReceived):
                self.bodies[stream] += part.data
            if part.stream_ended:
                self.end(stream)

    def end(self, stream):
        if not self.ended[stream].done():
            self.ended[stream].set_result(None)

    def begin(self, host, method="GET", path="/", fields=(), body=b""):
        stream = self._quic.get_next_available_stream_id()
        self.ended[stream] = asyncio.get_running_loop().create_future()
        head = [(":method", method), (":scheme", "https"), (":authority", host), (":path", path)]
        head = [(name.encode(), value.encode()) for name, value in [*head, *fields]]
        self.http.send_headers(stream, head, end_stream=not body)
        if body:
            self.http.send_data(stream, body, end_stream=True)
        self.transmit()
        return stream

    async def ask(self, host, **request):
        stream = self.begin(host, **request)
        await self.ended[stream]
        return self.heads.get(stream, {}), self.bodies[stream], self.reset.get(stream)


def dial(port, bundle, host):
    configuration = QuicConfiguration(alpn_protocols=H3_ALPN, is_client=True, server_name=host)
    configuration.load_verify_locations(cafile=bundle)
    return connect("127.0.0.1", port, configuration=configuration, create_protocol=Client)


async def checks(port, bundle, host):
    async with dial(port, bundle, host) as client:
        head, body, _ = await client.ask(host, path="/index.html")
        assert head[b":status"] == b"200", head
        assert b"hello from python" in body, body
        assert head[b"alt-svc"] == f'h3=":{port}"; ma=3600'.encode(), head
        head, _, _ = await client.ask("conduit.internal")
        assert head[b":status"] == b"421", head
        assert head[b"conduit-error"] == b"misdirected", head
        head, _, _ = await client.ask(host, method="POST", body=b"x" * 100_000)
        # Whether its refusal gets out before the end of its connection is up to the web server.
        assert head[b":status"] in (b"501", b"502"), head
        head, _, _ = await client.ask(host, method="TRACE")
        assert head[b":status"] == b"405", head
        _, _, reset = await client.ask(host, fields=[("connection", "close")])
        assert reset == 0x10E, "a malformed request is reset with H3_MESSAGE_ERROR"
        streams = [client.begin(host, path="/index.html") for _ in range(20)]
        await asyncio.gather(*(client.ended[stream] for stream in streams))
        assert all(b"hello from python" in client.bodies[stream] for stream in streams)
        # The same client from another port: the gateway finds the connection by its id.
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: client, local_addr=("::", 0))
        client._transport = transport
        head, _, _ = await client.ask(host)
        assert head[b":status"] == b"200", head
        client.change_connection_id()
        head, _, _ = await client.ask(host)
        assert head[b":status"] == b"200", head
    try:
        async with dial(port, bundle, "nobody.internal"):
            raise AssertionError("an unknown name was let in")
    except ConnectionError:
        pass


async def across(port, bundle, host, command):
    async with dial(port, bundle, host) as client:
        stream = client.begin(host, path="/large")
        while not client.bodies[stream]:
            await asyncio.sleep(0.01)
        process = await asyncio.create_subprocess_exec(*command)
        assert await process.wait() == 0, command
        before = len(client.bodies[stream])
        async with dial(port, bundle, host) as other:
            head, _, _ = await other.ask(host)
            assert head[b":status"] == b"200", head
        await client.ended[stream]
        length = int(client.heads[stream][b"content-length"])
        assert stream not in client.reset, "the download was cut"
        assert before < length, "the download was over before: nothing was tried"
        assert len(client.bodies[stream]) == length, (len(client.bodies[stream]), length)


def main():
    port, bundle, host, *command = sys.argv[1:]
    calls = across(int(port), bundle, host, command) if command else checks(int(port), bundle, host)
    asyncio.run(asyncio.wait_for(calls, PATIENCE))
    print("HTTP/3: all came through")


main()
