# The front door. `make run` and `make test` bring what the build lacks first.
SHELL := /bin/sh
export PATH := $(PATH):$(HOME)/.cargo/bin
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)

.PHONY: help run test check bench dist prepare ui ui-build ui-modules

help:
	@echo 'make run     build, and serve without privileges (config/quickstart.toml)'
	@echo 'make test    build, and run every test'
	@echo 'make check   formatting, lints, licences, documentation'
	@echo 'make bench   the criterion benches'
	@echo 'make dist    the release archive in dist/'
	@echo 'make ui      the dashboard in Vite, before a running daemon (CONDUIT_URL, CONDUIT_TOKEN)'
	@echo 'make ui-build  its files in crates/admin/ui/dist, which are committed'

prepare:
	@./packaging/prepare.sh

run: prepare
	cargo build --package conduit
	./target/debug/conduit serve --config config/quickstart.toml

test: prepare
	cargo test --workspace

check: prepare
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo deny check licenses bans sources
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --document-private-items

bench: prepare
	cargo bench --package conduit-benches

dist: prepare
	./packaging/dist.sh $(VERSION)

# The dashboard. dist/ is committed, so that nothing else here needs Node.
ui: ui-modules
	cd crates/admin/ui && npm run dev

ui-build: ui-modules
	cd crates/admin/ui && npm run types && npm run check && npm run build

ui-modules:
	@command -v npm >/dev/null || { echo 'the dashboard is built with Node 20 or later and npm; install nodejs and npm' >&2; exit 1; }
	cd crates/admin/ui && npm ci
