#!/usr/bin/env bash
# A thousand registrations while clients load the proxy and DNS: no request and no query may fail,
# no connection may be cut. Needs h2load and dnsperf; the upstream is the gateway's own admin page.
set -uo pipefail
cd "$(dirname "$0")/.."
for tool in h2load dnsperf; do command -v $tool >/dev/null || { echo "SKIPPED: under load ($tool is not installed)"; exit 0; }; done
work=$(mktemp -d)
conduit=$PWD/target/release/conduit
[ -x "$conduit" ] || { echo "build it first: cargo build --release"; exit 1; }
daemon=''
trap 'kill $daemon 2>/dev/null; wait; rm -rf "$work"' EXIT
mkdir -p "$work/config"
cp config/quickstart.toml "$work/config/"
cd "$work" || exit 1

"$conduit" serve --config config/quickstart.toml >daemon.log 2>&1 &
daemon=$!
until curl -sf -o /dev/null http://127.0.0.1:9999/ready; do kill -0 $daemon || { cat daemon.log; exit 1; }; done
echo 'conduit.internal A' >queries
h2load --h1 -c 16 -D 20 --connect-to=127.0.0.1:8443 https://conduit.internal:8443/health >http 2>&1 &
http=$!
dnsperf -s 127.0.0.1 -p 1053 -d queries -l 20 -Q 2000 >dns 2>&1 &
dns=$!
sleep 2
begun=$(date +%s%3N)
python3 - <<'P' || exit 1
import http.client, json, socket
class Unix(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(".conduit/conduit.sock")
api = Unix("localhost")
for i in range(1000):
    body = json.dumps({"name": f"under-load-{i}", "upstream": "127.0.0.1:9999"})
    api.request("POST", "/api/v1/services", body, {"content-type": "application/json"})
    reply = api.getresponse()
    text = reply.read()
    assert reply.status == 201, text
P
echo "1,000 registrations took $(($(date +%s%3N) - begun)) ms beside the load"
wait $http $dns
grep -E '^requests:|^status codes' http
grep -E 'Queries (sent|completed|lost)' dns
grep -qE ' 0 failed, 0 errored, 0 timeout' http || { echo "requests were lost"; exit 1; }
grep -qE 'Queries lost: +0 ' dns || { echo "queries were lost"; exit 1; }
[ "$(grep -c NXDOMAIN dns)" = 0 ] || { echo "a name vanished for a moment"; exit 1; }
