#!/usr/bin/env bash
# Puts manual pages (DIR/man/man1 and so on) and completions (DIR/completions) into a folder.
#
# pages.sh C2BCTL DIR: C2BCTL is the program, which knows the pages of its commands.
set -euo pipefail

ctl=$(realpath "$1")
mkdir -p "$2"
out=$(realpath "$2")
cd "$(dirname "$0")/.."
mkdir -p "$out"/man/man{1,5,7,8} "$out/completions"
"$ctl" man "$out/man/man1"
for page in doc/man/*.[578]; do cp "$page" "$out/man/man${page##*.}/"; done
find "$out/man" -type f -exec gzip -9nf {} +
"$ctl" completions bash >"$out/completions/c2bctl"
"$ctl" completions zsh >"$out/completions/_c2bctl"
"$ctl" completions fish >"$out/completions/c2bctl.fish"
