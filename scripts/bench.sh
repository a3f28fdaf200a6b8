#!/usr/bin/env bash
# Builds in release and runs the benchmarks.
set -euo pipefail

cd "$(dirname "$0")/.."
scripts/cargo.sh build --quiet --locked --release --bins
cache=${C2B_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/c2b}
C2B_BIN_DIR=${CARGO_TARGET_DIR:-$cache/target}/release exec python3 tests/bench/run.py "$@"
