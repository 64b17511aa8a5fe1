#!/usr/bin/env python3
"""From a registration to its answer over DNS and HTTPS, seen from outside a running gateway.

Prints medians of 100 registrations in milliseconds, step by step. Run it in the directory of a gateway
started with config/quickstart.toml, with a web server on 127.0.0.1:9000 as the upstream; a label makes
the names unique: benches/registration.py LABEL
"""

import http.client
import json
import socket
import ssl
import statistics
import sys
import time


class Unix(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(".conduit/conduit.sock")


api = Unix("localhost")
trust = ssl.create_default_context(cafile=".conduit/tls/ca.crt")
resolver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
resolver.connect(("127.0.0.1", 1053))


def one(index):
    name = f"{sys.argv[1]}-{index}"
    times = [time.perf_counter()]
    body = json.dumps({"name": name, "upstream": "127.0.0.1:9000"})
    api.request("POST", "/api/v1/services", body, {"content-type": "application/json"})
    reply = api.getresponse()
    text = reply.read()
    assert reply.status == 201, text
    times.append(time.perf_counter())
    labels = b"".join(bytes([len(label)]) + label.encode() for label in (name, "internal"))
    resolver.send(b"\0\1\1\0\0\1\0\0\0\0\0\0" + labels + b"\0\0\1\0\1")
    answer = resolver.recv(512)
    assert answer[3] & 15 == 0 and answer[7] == 1, "no address"
    times.append(time.perf_counter())
    stream = trust.wrap_socket(socket.create_connection(("127.0.0.1", 8443)), server_hostname=f"{name}.internal")
    times.append(time.perf_counter())
    stream.send(f"GET / HTTP/1.1\r\nHost: {name}.internal\r\n\r\n".encode())
    assert b"200 OK" in stream.recv(4096)
    times.append(time.perf_counter())
    stream.close()
    return [(after - before) * 1e3 for before, after in zip(times, times[1:])] + [(times[-1] - times[0]) * 1e3]


own = time.process_time()
rounds = [one(index) for index in range(100)]
own = time.process_time() - own
for column, step in enumerate(("registration", "query", "new TLS connection", "request", "total")):
    print(f"{step}: {statistics.median(row[column] for row in rounds):.2f} ms")
print(f"this client's own work, mean: {own * 1e3 / len(rounds):.2f} ms")
