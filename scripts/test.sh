#!/usr/bin/env bash
# Everything that must hold before a change lands: format, lints, documents, tests.
set -euo pipefail

cd "$(dirname "$0")/.."
# What is made up at random is the same in each usual run, so that a change is judged by what it changed; `make soak` looks further.
export PROPTEST_RNG_SEED=${PROPTEST_RNG_SEED:-20261122}
step() { printf '\n== %s\n' "$*"; }

step "format"
cargo fmt --all --check

step "lints"
scripts/cargo.sh clippy --quiet --locked --workspace --all-targets -- -D warnings

step "build"
scripts/cargo.sh build --quiet --locked --workspace --all-targets

# The test of the Debian package makes it of the programs that were just built.
scripts/cargo-deb.sh >/dev/null

step "tests"
if cargo nextest --version >/dev/null 2>&1; then
    scripts/cargo.sh nextest run --locked --workspace --no-fail-fast
else
    scripts/cargo.sh test --locked --workspace --all-targets --no-fail-fast
fi

step "documents"
scripts/cargo.sh test --quiet --locked --workspace --doc
RUSTDOCFLAGS="-D warnings" scripts/cargo.sh doc --quiet --locked --workspace --no-deps
