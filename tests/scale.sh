#!/usr/bin/env bash
# The release build with 10,000 services: how long registering and starting take, how much memory
# it holds, how big the binary is, and how often a registration waits for the disk. Figures that have a
# budget must be within it.
set -uo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
conduit=$PWD/target/release/conduit
daemon='' upstream=''
trap 'kill $daemon $upstream 2>/dev/null; wait; rm -rf "$work"' EXIT
benches=$PWD/benches
python3 tests/harness/responder.py 20000 &
upstream=$!
# What registration.py registers.
python3 tests/harness/responder.py 9000 &
upstream="$upstream $!"
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
missed=0
# within WHAT VALUE UNIT MAX: says it, and judges it by its budget.
within() {
    local verdict=within
    awk -v value="$2" -v max="$4" 'BEGIN { exit !(value != "" && value + 0 < max) }' || { verdict='OVER'; missed=$((missed + 1)); }
    echo "$1: $2 $3 ($verdict $4)"
}
memory() { awk '/^VmRSS/ {printf "%.1f", $2 / 1024}' "/proc/$daemon/status"; }

within "binary, stripped" "$(stat -c %s "$conduit" | awk '{printf "%.1f", $1 / 1e6}')" MB 40
start
within "start, empty" "$started" ms 1000
sleep 2
within "memory, idle" "$(memory)" MB 40
python3 - <<'P' > many.json
import json
print(json.dumps({"version": 1, "services": [
    {"name": f"service-{i}", "upstream": "127.0.0.1:20000", "domain": f"service-{i}.internal"} for i in range(10000)]}))
P
begun=$(now_ms)
cli register --file many.json >registered 2>&1 || { cat registered; exit 1; }
within "register 10,000 in one transaction" $(($(now_ms) - begun)) ms 10000
echo "memory right after it, until the allocator gives back: $(memory) MB"
sleep 25
within "memory with 10,000, 25 s later" "$(memory)" MB 80
within "a registration until it answers, median of 100, its client's work included" \
    "$("$benches/registration.py" late | tee registration | awk '/^total/ {print $2}')" ms 10
sed 's/^/    /' registration
if command -v strace >/dev/null; then
    strace -f -c -e trace=fsync,fdatasync -o syncs -p "$daemon" 2>/dev/null &
    tracer=$!
    sleep 1
    cli register --name one-more --host 127.0.0.1:9 >/dev/null
    kill -INT "$tracer"; wait "$tracer" 2>/dev/null
    syncs=$(awk '$NF ~ /sync/ {n += $4} END {print n + 0}' syncs)
    echo "fsync and fdatasync of one registration (views and anchor included): $syncs"
    [ "$syncs" -ge 1 ] || { echo "a registration that waits for no disk"; missed=$((missed + 1)); }
fi
kill -KILL "$daemon"; wait "$daemon" 2>/dev/null
start
within "start after SIGKILL with 10,000" "$started" ms 1000
within "memory with 10,000 right after a start" "$(memory)" MB 80
sleep 30
within "memory with 10,000, 30 s later" "$(memory)" MB 80
[ "$(dig +short +tries=1 @127.0.0.1 -p 1053 service-9999.internal)" = 127.0.0.1 ] || { echo "a name is missing"; exit 1; }
[ $missed = 0 ]
