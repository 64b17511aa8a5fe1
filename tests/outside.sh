#!/usr/bin/env bash
# The product in the hands of tools nobody here wrote: curl, dig, openssl, Python's web server and
# the reference verifier, against the real daemon with the shipped quick-start configuration.
set -uo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp -d)
cargo build --quiet --package conduit || exit 1
conduit=$work/conduit
cp target/debug/conduit "$conduit"
# Probes every second, so that nobody waits for half a minute.
export CONDUIT_HEALTH_INTERVAL=1
failures=0 checks=0 daemon='' web=''
trap 'kill $daemon $web 2>/dev/null; rm -rf "$work"' EXIT

# check NAME COMMAND...: the command must succeed.
check() {
    local name=$1
    shift
    checks=$((checks + 1))
    if "$@" >"$work/out" 2>&1 </dev/null; then
        echo "ok $checks - $name"
    else
        failures=$((failures + 1))
        echo "FAILED $checks - $name: $*"
        sed 's/^/    /' "$work/out" | head -n 20
    fi
}
refuse() { local name=$1; shift; check "$name" not "$@"; }
not() { if "$@"; then return 1; else return 0; fi; }
says() { local expected=$1; shift; "$@" >"$work/said" 2>&1; grep -q -F -- "$expected" "$work/said" || { cat "$work/said"; return 1; }; }
# until_true SECONDS COMMAND...: for what happens by itself; polls the condition, never waits blindly.
until_true() { local end=$((SECONDS + $1)); shift; until "$@"; do [ $SECONDS -lt $end ] || return 1; sleep 0.1; done; }
cli() { "$conduit" --config "$work/config/quickstart.toml" "$@"; }
get() { curl -sS --max-time 10 --cacert "$work/ca.pem" --resolve "$1:8443:127.0.0.1" "https://$1:8443${2:-/}"; }
code() { curl -s -o /dev/null --max-time 10 -w '%{http_code}' --cacert "$work/ca.pem" --resolve "$1:8443:127.0.0.1" "https://$1:8443/"; }
# is TEXT COMMAND...: the command says this and nothing else.
is() { local expected=$1; shift; [ "$("$@" 2>&1 | tee "$work/said")" = "$expected" ] || { cat "$work/said"; return 1; }; }
a_record() { dig +short +time=2 +tries=1 @127.0.0.1 -p 1053 "$@"; }

start() {
    (cd "$work" && exec "$conduit" serve --config config/quickstart.toml >>"$work/daemon.log" 2>&1) &
    daemon=$!
    until_true 20 curl -sf -o /dev/null http://127.0.0.1:9999/ready
}

mkdir -p "$work/config" "$work/www"
sed "s/^\[proxy\]/&\nhttp3 = true/" config/quickstart.toml >"$work/config/quickstart.toml"
http3_calls=$PWD/tests/http3_calls.py
echo 'hello from python' >"$work/www/index.html"
cd "$work" || exit 1

check "a first start sets itself up" start
python3 -m http.server 9000 --bind 127.0.0.1 --directory "$work/www" >/dev/null 2>&1 &
web=$!
check "the web server answers" until_true 10 curl -sf -o /dev/null http://127.0.0.1:9000/
check "the bundle is exported" sh -c "'$conduit' --config config/quickstart.toml ca export > ca.pem && [ \$(grep -c BEGIN ca.pem) = 2 ]"
check "the bundle is offered in the clear, for people to compare" \
    sh -c 'curl -sS --resolve trust.internal:8080:127.0.0.1 http://trust.internal:8080/ca.crt | cmp - ca.pem'
check "register" cli register --name web --host 127.0.0.1:9000
check "dig sees it at once" is 127.0.0.1 a_record web.internal
check "curl sees it at once" says 'hello from python' get web.internal
check "dig over TCP" is 127.0.0.1 a_record +tcp WEB.Internal
check "an unknown name is NXDOMAIN with SOA" says 'SOA' dig @127.0.0.1 -p 1053 nobody.internal +noall +authority
check "status says healthy, TLS and DNS" says '[healthy]' cli status web
check "the list has both ticks" until_true 5 says 'TLS ✓ DNS ✓' cli status
check "status has both ticks" says 'TLS ✓ DNS ✓' cli status web
awk '/BEGIN CERT/ {n++} n {print > "root-" n ".pem"}' ca.pem
# The P-256 root cross-signs the other one; who cannot read Ed25519 needs it.
for pair in root-1.pem:ed25519 root-1.pem:ECDSA+SHA256 root-2.pem:ed25519; do
    check "the chain for ${pair#*:} verifies with ${pair%%:*} alone" \
        says 'Verify return code: 0 (ok)' openssl s_client -connect 127.0.0.1:8443 -servername web.internal \
        -sigalgs "${pair#*:}" -CAfile "${pair%%:*}" -no-CApath -no-CAstore -verify_return_error
done
check "TLS 1.3 with AES-256-GCM" \
    says 'TLSv1.3, Cipher is TLS_AES_256_GCM_SHA384' openssl s_client -connect 127.0.0.1:8443 -servername web.internal -CAfile ca.pem -verify_return_error
check "a client without Ed25519 gets the P-256 chain" \
    says 'Peer signature type: ECDSA' openssl s_client -connect 127.0.0.1:8443 -servername web.internal -sigalgs ECDSA+SHA256 -CAfile ca.pem -verify_return_error
refuse "TLS 1.2 is refused" openssl s_client -connect 127.0.0.1:8443 -servername web.internal -tls1_2 -brief
refuse "an unknown SNI is refused" openssl s_client -connect 127.0.0.1:8443 -servername nobody.internal -brief
check "HTTP redirects to HTTPS" says 'https://web.internal:8443/' curl -sS -o /dev/null -w '%{redirect_url}' -H 'Host: web.internal' http://127.0.0.1:8080/
check "another route's Host on this SNI is 421" says 421 curl -s -o /dev/null -w '%{http_code}' --cacert ca.pem --resolve web.internal:8443:127.0.0.1 -H 'Host: conduit.internal' https://web.internal:8443/
check "HTTP/2 is spoken" says 2 curl -s -o /dev/null -w '%{http_version}' --http2 --cacert ca.pem --resolve web.internal:8443:127.0.0.1 https://web.internal:8443/
check "HTTP/3 is announced over TCP" says 'alt-svc: h3=":8443"' curl -s -o /dev/null -D - --cacert ca.pem --resolve web.internal:8443:127.0.0.1 https://web.internal:8443/
check "and by DNS" says '1 web.internal.' a_record _8443._https.web.internal TYPE65
if [ -n "${CONDUIT_AIOQUIC:-}" ]; then
    check "aioquic speaks HTTP/3 with it" "$CONDUIT_AIOQUIC" "$http3_calls" 8443 ca.pem web.internal
    truncate -s 40M www/large
    check "and a download over it survives an upgrade" "$CONDUIT_AIOQUIC" "$http3_calls" 8443 ca.pem web.internal \
        "$conduit" --config config/quickstart.toml upgrade
else
    echo "SKIPPED: HTTP/3 by aioquic (the package is not installed)"
fi
check "the gateway itself is conduit.internal" says 200 code conduit.internal
second() { timeout 10 "$conduit" serve --config config/quickstart.toml; echo "exit code $?."; }
check "a second daemon on the same state is refused" says 'exit code 1.' second
refuse "a duplicate is refused" cli register --name web --host 127.0.0.1:9001
refuse "a bad name is refused" cli register --name 'a b' --host 127.0.0.1:9001
check "wrong usage exits 2" sh -c "'$conduit' register --nonsense; [ \$? = 2 ]"
check "the chain verifies while it runs" cli audit verify

kill "$web"; wait "$web" 2>/dev/null
check "a dead upstream turns it down" until_true 90 says '[down]' cli status web
check "requests get 503 with a reason" says 503 code web.internal
check "the reason is in the body" says 'no_upstream' get web.internal

kill -TERM "$daemon"; wait "$daemon"
check "SIGTERM ends the daemon cleanly" [ $? = 0 ]
check "it starts again on its state" start
check "the service is still there" is 127.0.0.1 a_record web.internal
kill -KILL "$daemon"; wait "$daemon" 2>/dev/null
check "it starts again after SIGKILL" start
check "deregister" cli deregister --name web
check "the name is gone" says 'status: NXDOMAIN' dig @127.0.0.1 -p 1053 web.internal
refuse "the certificate is gone" get web.internal
kill -TERM "$daemon"; wait "$daemon"
check "the record verifies with the daemon down" cli audit verify
if [ -n "${CONDUIT_CAPSULE:-}" ]; then
    check "capsule verify --signatures accepts the record" \
        env QUANTUMPIPES_DATA_DIR="$work/.conduit/seal" "$CONDUIT_CAPSULE" verify --signatures --json --db "$work/.conduit/conduit.db"
    check "it verified something" sh -c "QUANTUMPIPES_DATA_DIR='$work/.conduit/seal' '$CONDUIT_CAPSULE' verify --signatures --json --db '$work/.conduit/conduit.db' | grep -E '\"capsules_verified\": *[1-9]'"
else
    echo "SKIPPED: capsule verify (the tool is not installed)"
fi
[ $failures = 0 ] || tail -n 30 "$work/daemon.log"
echo "outside: $((checks - failures)) passed, $failures failed"
[ $failures = 0 ]
