#!/usr/bin/env bash
# Fuzzes what reads bytes that others may have written, and keeps what was found beside the build cache.
#
# fuzz.sh [TARGET...], with C2B_FUZZ_SECS (60 for each target) from the environment.
# Needs `cargo install cargo-fuzz`; the kept seeds also run with all other tests.
set -euo pipefail

cd "$(dirname "$0")/.."
cache=${C2B_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/c2b}
command -v cargo-fuzz >/dev/null || { echo "cargo-fuzz is missing: cargo install --locked cargo-fuzz" >&2; exit 1; }
# Instrumented objects must not mix with others.
export CARGO_TARGET_DIR=$cache/fuzz
if [ -z "${ROCKSDB_LIB_DIR:-}" ]; then
    ROCKSDB_LIB_DIR=$(scripts/rocksdb.sh)
    export ROCKSDB_LIB_DIR ROCKSDB_STATIC=1
fi

cd storagefmt
[ $# -gt 0 ] || set -- pack records recipe cut keys quoted base64
for target in "$@"; do
    mkdir -p "$cache/fuzz-corpus/$target"
    printf '\n== %s\n' "$target"
    # Our code has no unsafe block, so the address sanitizer would only slow it down.
    cargo fuzz run --sanitizer none "$target" "$cache/fuzz-corpus/$target" "fuzz/seeds/$target" -- \
        -max_total_time="${C2B_FUZZ_SECS:-60}" -timeout=20 -rss_limit_mb=3000 -max_len=16384 -print_final_stats=1
done
