#!/usr/bin/env bash
# Builds cargo-deb once a machine, into the cache, and prints its path; with C2B_CARGO_DEB_BUILD=no fails instead of building.
set -euo pipefail

version=3.8.0
cache=${C2B_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/c2b}
root=$cache/cargo-deb-$version

if [ ! -x "$root/bin/cargo-deb" ]; then
    [ "${C2B_CARGO_DEB_BUILD:-}" != no ] || exit 1
    mkdir -p "$cache"
    exec 9>"$cache/cargo-deb.lock"
    flock 9
fi
if [ ! -x "$root/bin/cargo-deb" ]; then
    echo "building cargo-deb (once a machine, a few minutes) ..." >&2
    work=$(mktemp -d "$cache/cargo-deb-build.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    (cd "$work" && env -u RUSTC_WRAPPER cargo install --quiet --locked --version "=$version" --root "$work/root" --target-dir "$work/target" cargo-deb >&2)
    rm -rf "$root"
    mv "$work/root" "$root"
fi
echo "$root/bin/cargo-deb"
