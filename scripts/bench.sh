#!/usr/bin/env bash
# Builds in release and runs the benchmarks: the slots on simulated servers (doc/slots.md), the archive alone, then the whole product.
set -euo pipefail

cd "$(dirname "$0")/.."
scripts/cargo.sh bench --quiet --locked -p c2bd --bench slots -- "$PWD/doc"
scripts/bench-archive.sh
scripts/cargo.sh build --quiet --locked --release --bins
cache=${C2B_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/c2b}
C2B_BIN_DIR=${CARGO_TARGET_DIR:-$cache/target}/release exec python3 tests/bench/run.py "$@"
