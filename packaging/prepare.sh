#!/bin/sh
# Brings what the build needs and this machine lacks: a C compiler, cmake (pingora's zlib) and a
# Rust toolchain. Uses the system's package manager when it may; otherwise says what to install.
set -eu

cd "$(dirname "$0")/.."
wanted=$(sed -n 's/^rust-version *= *"\(.*\)"/\1/p' Cargo.toml)

# A toolchain installed by rustup is not on the PATH of every shell.
if ! command -v cargo >/dev/null 2>&1 && [ -x "${CARGO_HOME:-$HOME/.cargo}/bin/cargo" ]; then
    PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
fi

missing=""
command -v cc >/dev/null 2>&1 || missing="$missing cc"
command -v cmake >/dev/null 2>&1 || missing="$missing cmake"
command -v cargo >/dev/null 2>&1 || missing="$missing cargo"

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null 2>&1; then sudo "$@"; else return 1; fi
}

# The package that brings each tool, by package manager.
packages() {
    for tool in $missing; do
        case "$1:$tool" in
            apt-get:cc) echo gcc libc6-dev ;;
            dnf:cc | zypper:cc) echo gcc glibc-devel ;;
            apk:cc) echo gcc musl-dev linux-headers ;;
            pacman:cc) echo gcc ;;
            brew:cc) echo llvm ;;
            *:cmake) echo cmake make ;;
            *:cargo) echo rustup ;;
        esac
    done
}

install() {
    case "$1" in
        apt-get) as_root apt-get update -qq && as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $2 ;;
        dnf) as_root dnf install -y -q $2 ;;
        apk) as_root apk add --quiet $2 ;;
        pacman) as_root pacman -S --noconfirm --needed $2 ;;
        zypper) as_root zypper --non-interactive --quiet install $2 ;;
        brew) brew install --quiet $2 ;;
    esac
}

if [ -n "$missing" ]; then
    manager=""
    for candidate in apt-get dnf apk pacman zypper brew; do
        if command -v "$candidate" >/dev/null 2>&1; then manager=$candidate; break; fi
    done
    wants=$([ -n "$manager" ] && packages "$manager" | tr '\n' ' ' || true)
    echo "conduit: the build needs:$missing" >&2
    if [ -z "$manager" ] || ! install "$manager" "$wants" >&2; then
        echo "conduit: could not install them. Install by hand${wants:+ ($manager install $wants)}:" >&2
        echo "  a C compiler (cc), cmake, and Rust $wanted or newer (rustup: see rust-lang.org/tools/install)" >&2
        exit 1
    fi
    hash -r
fi

# The distribution's rustup comes without a toolchain; rust-toolchain.toml names the one to fetch.
if ! rustc --version >/dev/null 2>&1; then
    command -v rustup >/dev/null 2>&1 && rustup toolchain install >&2 || {
        echo "conduit: cargo is here but no toolchain; run: rustup toolchain install $wanted" >&2
        exit 1
    }
fi

have=$(rustc --version | cut -d' ' -f2)
oldest=$(printf '%s\n%s\n' "$wanted" "$have" | sort -V | head -n 1)
if [ "$oldest" != "$wanted" ]; then
    echo "conduit: Rust $have is too old; $wanted or newer is needed (rustup update)" >&2
    exit 1
fi
