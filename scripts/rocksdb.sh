#!/usr/bin/env bash
# Builds RocksDB once a machine and prints the folder that holds librocksdb.a.
#
# RocksDB is 13 minutes of C++ on two cores, and cargo would build it again for each
# target folder and profile. So it is built here in a throw-away crate, outside the
# checkout, keyed by everything that decides its bytes, and linked by path
# (ROCKSDB_LIB_DIR, ROCKSDB_STATIC). A plain `cargo build` without this still works.
set -euo pipefail

cd "$(dirname "$0")/.."
lock=Cargo.lock
sys=$(awk '/^name = "librocksdb-sys"$/ {getline; gsub(/version = |"/, ""); print; exit}' "$lock")
[ -n "$sys" ] || { echo "rocksdb.sh: no librocksdb-sys in $lock" >&2; exit 1; }

cc=${CC:-clang-14} cxx=${CXX:-clang++-14}
flags="-O2 x86-64-v2"
key=$(printf '%s\n' "$sys" "$($cxx --version | head -n 1)" "$flags" "$(uname -m)" | sha256sum | cut -c1-12)
cache=${C2B_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/c2b}
out=$cache/rocksdb-${sys%%+*}-$key

if [ ! -s "$out/librocksdb.a" ]; then
    mkdir -p "$cache"
    exec 9>"$cache/rocksdb.lock"
    flock 9
fi
if [ ! -s "$out/librocksdb.a" ]; then
    echo "building RocksDB (once a machine, about 13 minutes on two cores) ..." >&2
    work=$(mktemp -d "$cache/rocksdb-build.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    mkdir -p "$work/src"
    : > "$work/src/lib.rs"
    cat > "$work/Cargo.toml" <<TOML
[package]
name = "rocksdb-once"
version = "0.0.0"
edition = "2021"
publish = false

[dependencies.librocksdb-sys]
version = "=$sys"
default-features = false
features = ["static", "zstd", "bindgen-runtime"]

[profile.dev.package.librocksdb-sys]
opt-level = 2
debug = false

[workspace]
TOML
    (
        cd "$work"
        unset ROCKSDB_LIB_DIR ROCKSDB_STATIC RUSTC_WRAPPER
        CC=$cc CXX=$cxx CARGO_TARGET_DIR="$work/target" \
            RUSTFLAGS="-Ctarget-cpu=x86-64-v2" cargo build --quiet >&2
    )
    lib=$(find "$work/target" -name librocksdb.a -print -quit)
    mkdir -p "$out.part"
    cp "$lib" "$out.part/librocksdb.a"
    rm -rf "$out"
    mv "$out.part" "$out"
fi
echo "$out"
