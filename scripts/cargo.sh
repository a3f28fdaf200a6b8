#!/usr/bin/env bash
# Runs cargo with the build cache of this project: RocksDB built once a machine, and a target
# folder outside the clone, so that a fresh clone rebuilds only our own crates.
set -euo pipefail

cd "$(dirname "$0")/.."
cache=${C2B_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/c2b}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target}
if [ -z "${ROCKSDB_LIB_DIR:-}" ]; then
    ROCKSDB_LIB_DIR=$(scripts/rocksdb.sh)
    export ROCKSDB_LIB_DIR ROCKSDB_STATIC=1
fi
exec cargo "$@"
