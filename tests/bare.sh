#!/usr/bin/env bash
# A bare Debian with make and a Rust toolchain and nothing else: `make test` and `make run` must
# bring the C compiler and cmake themselves. Needs root, mmdebstrap, and a network or mirror for apt.
set -uo pipefail
cd "$(dirname "$0")/.."
have() { command -v "$1" >/dev/null 2>&1; }
have mmdebstrap || { [ "$(id -u)" = 0 ] && apt-get install -y -qq mmdebstrap >/dev/null 2>&1; }
have mmdebstrap && [ "$(id -u)" = 0 ] || { echo "SKIPPED: bare machine (needs root and mmdebstrap)"; exit 0; }
root=$(mktemp -d)
bound=()
living() {
    for process in /proc/[0-9]*; do
        [ "$(readlink "$process/root")" = "$root" ] && echo "${process#/proc/}"
    done
}
cleanup() {
    # The daemon inside holds the mounts and this machine's ports.
    for _ in $(seq 60); do
        mapfile -t left < <(living)
        [ ${#left[@]} = 0 ] && break
        kill -TERM "${left[@]}" 2>/dev/null
        sleep 1
    done
    for place in "${bound[@]}"; do umount "$place"; done
    # Only when nothing of this machine is mounted below any more.
    grep -q " $root" /proc/mounts || rm -rf "$root"
}
trap cleanup EXIT

sources=(/etc/apt/sources.list.d/*.sources /etc/apt/sources.list)
for file in "${sources[@]}"; do [ -s "$file" ] && break; done
mmdebstrap --quiet --variant=apt --include=make,ca-certificates \
    --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='Acquire::Check-Date "false"' \
    "$(. /etc/os-release; echo "$VERSION_CODENAME")" "$root" - <"$file" || exit 1
rm -f "$root"/etc/apt/sources.list "$root"/etc/apt/sources.list.d/*
cp "$file" "$root/etc/apt/sources.list.d/"
cp /etc/apt/apt.conf.d/99* "$root/etc/apt/apt.conf.d/" 2>/dev/null
cp /etc/resolv.conf /etc/hosts "$root/etc/"
git clone --quiet . "$root/src"
# The toolchain comes along at its own place, since it may be a link, and read-only, since rustup would
# repair what it takes for broken.
home=${HOME:-/root}
toolchain=${RUSTUP_HOME:-$home/.rustup}
for place in /proc /dev "${CARGO_HOME:-$home/.cargo}" "$toolchain"; do
    mkdir -p "$root$place"
    mount --bind "$place" "$root$place" && bound+=("$root$place")
done
mount -o remount,bind,ro "$root$toolchain" || exit 1
inside() { chroot "$root" /usr/bin/env -i HOME="$home" CARGO_HOME="${CARGO_HOME:-$home/.cargo}" \
    RUSTUP_HOME="$toolchain" RUSTUP_AUTO_INSTALL=0 PATH=/usr/sbin:/usr/bin:/sbin:/bin sh -c "cd /src && $1"; }

inside 'command -v cc cmake' && { echo "this is not a bare machine"; exit 1; }
curl -s -o /dev/null http://127.0.0.1:9999/ready && { echo "something else answers at 127.0.0.1:9999"; exit 1; }
inside 'make test' || exit 1
inside 'exec make run' >"$root/run.log" 2>&1 &
for _ in $(seq 600); do
    curl -sf -o /dev/null http://127.0.0.1:9999/ready && { echo "make run is ready"; exit 0; }
    sleep 1
done
tail -n 20 "$root/run.log"
exit 1
