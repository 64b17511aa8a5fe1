#!/usr/bin/env bash
# A state directory on a small file system that fills: decisions are refused with the reason,
# serving goes on, nothing acknowledged is lost, and it mends itself when there is room again.
set -uo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
daemon=''
trap 'kill $daemon 2>/dev/null; wait $daemon 2>/dev/null; umount "$work/.conduit" 2>/dev/null; rm -rf "$work"' EXIT
cargo build --quiet --package conduit || exit 1
cp target/debug/conduit "$work/conduit"
mkdir -p "$work/config" "$work/.conduit"
cp config/quickstart.toml "$work/config/"
cd "$work" || exit 1
mount -t tmpfs -o size=3m,mode=700 tmpfs .conduit 2>/dev/null || { echo "SKIPPED: full disk (mounting a tmpfs is not allowed here)"; exit 0; }

cli() { ./conduit --config config/quickstart.toml "$@"; }
failed=0
check() { if eval "$2"; then echo "ok - $1"; else echo "FAILED - $1"; failed=1; fi; }

./conduit serve --config config/quickstart.toml >daemon.log 2>&1 &
daemon=$!
until curl -sf -o /dev/null http://127.0.0.1:9999/ready; do kill -0 $daemon || { cat daemon.log; exit 1; }; done
cli register --name first --host 127.0.0.1:9 >/dev/null
head -c 100M /dev/zero >.conduit/ballast 2>/dev/null
count=0
while [ $count -lt 2000 ] && cli register --name "more-$count" --host 127.0.0.1:9 >/dev/null 2>refusal; do count=$((count + 1)); done
check "a full disk refuses a registration and says why" "grep -q -i -E 'disk|full|space' refusal"
cat refusal
check "the refused name is not there" "[ -z \"\$(dig +short +tries=1 @127.0.0.1 -p 1053 more-$count.internal)\" ]"
check "what was there is still answered" "[ \"\$(dig +short +tries=1 @127.0.0.1 -p 1053 first.internal)\" = 127.0.0.1 ]"
check "the daemon lives" "curl -sf -o /dev/null http://127.0.0.1:9999/ready"
rm .conduit/ballast
check "with room again it registers" "cli register --name later --host 127.0.0.1:9 >/dev/null"
kill -TERM $daemon; wait $daemon
check "the record verifies" "cli audit verify >/dev/null"
exit $failed
