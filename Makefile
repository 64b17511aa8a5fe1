# The front door. `make run` and `make test` bring what the build lacks first.
SHELL := /bin/sh
export PATH := $(PATH):$(HOME)/.cargo/bin
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)

.PHONY: help run test check bench dist prepare

help:
	@echo 'make run     build, and serve without privileges (config/quickstart.toml)'
	@echo 'make test    build, and run every test'
	@echo 'make check   formatting, lints, licences, documentation'
	@echo 'make bench   the criterion benches'
	@echo 'make dist    the release archive in dist/'

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
