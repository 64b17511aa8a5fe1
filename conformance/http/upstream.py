"""The upstream of the suite: it records every byte, and reads it strictly.

A request's path says how it is answered: `/lie/ID` with the bytes that a case gave under that id,
`/ws/accept` by switching, `/ws/refuse` with 426, anything else with 200 and the path in `x-path`.
"""

import base64
import hashlib
import socket
import struct
import threading
import time

import strict

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Recorded:
    """One connection."""

    def __init__(self):
        self.bytes = bytearray()
        self.requests = []
        self.fault = None
        self.tunnel = None


class Recording:
    """A file that remembers what was read from it."""

    def __init__(self, file, recorded):
        self.file, self.recorded = file, recorded

    def readline(self, limit):
        return self.keep(self.file.readline(limit))

    def read(self, count):
        return self.keep(self.file.read(count))

    def read1(self, count):
        return self.keep(self.file.read1(count))

    def keep(self, data):
        self.recorded.bytes += data
        return data


class Upstream:
    """Listens on an address of its own until the process ends."""

    def __init__(self, address):
        self.connections, self.lies, self.events = [], {}, []
        self.changed = threading.Condition()
        self.listener = socket.create_server(address, backlog=512)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            connection, _ = self.listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def take(self):
        """What has come since the last time: requests, and faults as texts."""
        with self.changed:
            events, self.events = self.events, []
        return events

    def wait_for(self, count, seconds):
        """Waits until that many events are there."""
        with self.changed:
            self.changed.wait_for(lambda: len(self.events) >= count, seconds)

    def note(self, event):
        with self.changed:
            self.events.append(event)
            self.changed.notify_all()

    def serve(self, connection):
        recorded = Recorded()
        with self.changed:
            self.connections.append(recorded)
        reader = Recording(connection.makefile("rb"), recorded)
        try:
            while self.answer(connection, reader, recorded):
                pass
        except strict.Fault as fault:
            recorded.fault = str(fault)
            self.note(f"fault: {fault}")
        except strict.Ended as ended:
            recorded.fault = f"ended early: {ended}"
        except OSError:
            pass
        finally:
            close(connection)

    def answer(self, connection, reader, recorded):
        begins = len(recorded.bytes)
        request = strict.read_request_head(reader)
        if request is None:
            return False
        request.begins = begins
        recorded.requests.append(request)
        path = request.target.partition("?")[0]
        if request.field("expect") == "100-continue" and path != "/hasty":
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        try:
            if path == "/hasty":
                # Answered by its head alone.
                request.whole = True
            else:
                strict.read_request_body(reader, request)
        finally:
            request.ends = len(recorded.bytes)
            if path != "/probe":
                self.note(request)
        if path.startswith("/lie/"):
            return self.lie(connection, path.removeprefix("/lie/"))
        if path == "/ws/accept":
            return self.tunnel(connection, reader, request, recorded)
        if path == "/ws/refuse":
            connection.sendall(
                b"HTTP/1.1 426 Upgrade Required\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
                b"sec-websocket-version: 13\r\ncontent-length: 0\r\n\r\n"
            )
            return True
        body = b"" if request.method == "HEAD" else request.target.encode()
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nx-path: %s\r\n%scontent-length: %d\r\n\r\n%s"
            % (request.target.encode(), b"connection: close\r\n" if path == "/hasty" else b"", len(request.target), body)
        )
        return path != "/hasty"

    def lie(self, connection, name):
        case = self.lies.get(name)
        if case is None:
            return False
        for piece in case.answer:
            if isinstance(piece, float):
                time.sleep(piece)
            else:
                connection.sendall(piece)
        if case.closes == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return not case.closes

    def tunnel(self, connection, reader, request, recorded):
        key = (request.field("sec-websocket-key") or "").encode()
        answer = base64.b64encode(hashlib.sha1(key + GUID).digest())
        protocol = request.field("upgrade")
        if protocol is None:
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
            return True
        connection.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: "
            + protocol.encode() + b"\r\nsec-websocket-accept: " + answer + b"\r\n\r\n"
        )
        recorded.tunnel = b""
        while piece := reader.file.read1(65536):
            recorded.tunnel += piece
            connection.sendall(piece)
        self.note("tunnel ended")
        return False


def close(connection):
    try:
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(1)
        while connection.recv(65536):
            pass
    except OSError:
        pass
    connection.close()
