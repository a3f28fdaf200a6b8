#!/usr/bin/env bash
# Installs what building and testing need and this Debian lacks. Does nothing when all is there.
set -euo pipefail

packages=(
    make
    clang-14 libclang1-14 libclang-common-14-dev # RocksDB and its bindings
    g++                                          # the C++ standard library's headers
    libkrb5-dev pkg-config                       # Kerberos: MIT's libraries
    krb5-kdc krb5-admin-server krb5-user         # a realm of the tests' own, run unprivileged in a folder of its own
    fuse3                                        # fusermount3: mounting as a normal user
    libxml2-utils                                # xmllint: requests and answers against the EWS schema
    python3-venv                                 # exchangelib as a foreign client of the lab
    davmail-server                               # another foreign client of the lab
    attr                                         # getfattr, which the demo shows
    zstd                                         # unpacking mail corpora
    slapd                                        # a directory server for tests (RUNLEVEL=1 below keeps its service from starting)
    curl                                         # the demo changes mail through EWS itself
    python3                                      # benchmarks and the foreign client
)

missing=()
for package in "${packages[@]}"; do
    dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
    as_root=()
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || { echo "setup: needs root or sudo to install: ${missing[*]}" >&2; exit 1; }
        as_root=(sudo)
    fi
    echo "installing ${missing[*]} ..." >&2
    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    if ! { "${as_root[@]}" apt-get update && "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
        cat "$log" >&2
        exit 1
    fi
fi
command -v cargo >/dev/null || { echo "setup: no cargo on the PATH; install Rust 1.95 or newer: https://rustup.rs" >&2; exit 1; }
