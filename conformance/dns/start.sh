# What the scripts about secondaries and updates begin with: a gateway on ports of their own, and a way to tell
# what holds. Sourced.
# shellcheck shell=bash
CONDUIT=$(realpath "${1:-$here/../../target/debug/conduit}")
[ -x "$CONDUIT" ] || { echo "no binary at $CONDUIT; build it first: cargo build --package conduit"; exit 1; }
work=$(mktemp -d)
pids=()
failed=0
trap 'kill "${pids[@]}" 2>/dev/null; wait 2>/dev/null; rm -rf "$work"' EXIT
cd "$work" || exit 1

# Ports that nobody else is likely to have: of DNS, BIND and Knot.
port=${CONDUIT_DNS_TEST_PORT:-45053} bind=$((port + 1)) knot=$((port + 2))

key() { head -c 32 /dev/urandom | base64; }
copy=$(key) change=$(key)
echo "$copy" >copy.key
echo "$change" >change.key
touch hosts
configure() {
    cat >conduit.toml <<T
[gateway]
state_dir = "$work/state"
domains = ["internal", "lab.internal"]
addresses = ["10.0.0.1", "fd00::1"]
[dns]
listen = ["127.0.0.1:$port"]
notify = ["127.0.0.1:$bind#copy", "127.0.0.1:$knot#copy"]
records = [{ name = "fixed.internal", type = "A", data = "$1" }]
reverse_zones = ["10.0.0.0/8"]
hosts_files = ["$work/hosts"]
[[dns.keys]]
name = "copy"
algorithm = "hmac-sha256"
secret_file = "$work/copy.key"
transfer = true
[[dns.keys]]
name = "change"
algorithm = "hmac-sha512"
secret_file = "$work/change.key"
update = ["_acme-challenge.* TXT", "*.apps.internal"]
[proxy]
https_listen = ["127.0.0.1:$((port + 3))"]
http_listen = []
[admin]
listen = "127.0.0.1:$((port + 4))"
T
}
conduit() { "$CONDUIT" --config conduit.toml "$@"; }
start_gateway() {
    "$CONDUIT" --config conduit.toml serve >>conduit.log 2>&1 &
    gateway=$!
    pids+=("$gateway")
    local end=$((SECONDS + 30))
    until conduit status >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || { cat conduit.log; exit 1; }
        sleep 0.1
    done
}
stop_gateway() { kill "$gateway"; wait "$gateway"; }

# is WHAT EXPECTED SEEN
is() {
    if [[ $3 == $2 ]]; then
        echo "ok   $1"
    else
        echo "FAIL $1: expected $2, saw $3"
        failed=1
    fi
}
# becomes WHAT EXPECTED COMMAND…: within a second
becomes() {
    local what=$1 expected=$2 seen='' end=$(($(date +%s%N) + 1000000000))
    shift 2
    until seen=$("$@") && [[ $seen == $expected ]]; do
        [ "$(date +%s%N)" -lt "$end" ] || break
    done
    is "$what" "$expected" "$seen"
}
ask() { dig +short +tries=1 +time=2 -p "$1" @127.0.0.1 "$2" "$3"; }
