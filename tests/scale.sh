#!/usr/bin/env bash
# The release build with 10,000 services: how long registering and starting take, how much memory
# it holds, how big the binary is, and how often a registration waits for the disk. Prints figures.
set -uo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
conduit=$PWD/target/release/conduit
daemon='' upstream=''
trap 'kill $daemon $upstream 2>/dev/null; wait; rm -rf "$work"' EXIT
python3 tests/harness/responder.py 20000 &
upstream=$!
[ -x "$conduit" ] || { echo "build it first: cargo build --release"; exit 1; }
mkdir -p "$work/config"
cp config/quickstart.toml "$work/config/"
cd "$work" || exit 1

cli() { "$conduit" --config config/quickstart.toml "$@"; }
now_ms() { date +%s%3N; }
start() {
    local begun
    begun=$(now_ms)
    "$conduit" serve --config config/quickstart.toml >>daemon.log 2>&1 &
    daemon=$!
    until curl -sf -o /dev/null http://127.0.0.1:9999/ready; do
        kill -0 "$daemon" 2>/dev/null || { tail daemon.log; exit 1; }
    done
    started=$(($(now_ms) - begun))
}
memory() { awk '/^VmRSS/ {printf "%.1f MB", $2 / 1024}' "/proc/$daemon/status"; }

echo "binary: $(($(stat -c %s "$conduit") / 1024 / 1024)) MiB stripped"
start
echo "start, empty: $started ms"
sleep 2
echo "memory, idle: $(memory)"
python3 - <<'P' > many.json
import json
print(json.dumps({"version": 1, "services": [
    {"name": f"service-{i}", "upstream": "127.0.0.1:20000", "domain": f"service-{i}.internal"} for i in range(10000)]}))
P
begun=$(now_ms)
cli register --file many.json >registered 2>&1 || { cat registered; exit 1; }
echo "register 10,000 in one transaction: $(($(now_ms) - begun)) ms"
echo "memory after registering 10,000: $(memory)"
sleep 25
echo "memory with 10,000, 25 s later: $(memory)"
if command -v strace >/dev/null; then
    strace -f -c -e trace=fsync,fdatasync -o syncs -p "$daemon" 2>/dev/null &
    tracer=$!
    sleep 1
    cli register --name one-more --host 127.0.0.1:9 >/dev/null
    kill -INT "$tracer"; wait "$tracer" 2>/dev/null
    echo "fsync and fdatasync of one registration (views and anchor included): $(awk '$NF ~ /sync/ {n += $4} END {print n + 0}' syncs)"
    rm -f syncs
fi
kill -KILL "$daemon"; wait "$daemon" 2>/dev/null
start
echo "start after SIGKILL with 10,000: $started ms"
echo "memory with 10,000 right after a start: $(memory)"
sleep 30
echo "memory with 10,000, 30 s later: $(memory)"
[ "$(dig +short +tries=1 @127.0.0.1 -p 1053 service-9999.internal)" = 127.0.0.1 ] || { echo "a name is missing"; exit 1; }
[ "$started" -lt 10000 ]
