#!/usr/bin/env bash
# Makes the Debian package and prints its path.
#
# deb.sh [OUT]           builds in release; OUT is a file or folder (the target folder's `debian`)
# deb.sh --debug [OUT]   takes the programs that the tests use, as they are; C2B_DEB_REVISION (1) tells packages apart
#
# Its maintainer is who builds it: DEBFULLNAME and DEBEMAIL, as Debian's own tools have it. Without them it is nobody whom one
# could write to, and lintian says so.
set -euo pipefail

cd "$(dirname "$0")/.."
cargo_deb=$(scripts/cargo-deb.sh)
target=${CARGO_TARGET_DIR:-${C2B_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/c2b}/target}
profile=release compress=()
if [ "${1:-}" = --debug ]; then
    shift
    profile=debug compress=(--fast)
else
    scripts/cargo.sh build --quiet --locked --release --bins
fi
out=${1:-$target/debian}
mkdir -p "$(dirname "$out")"

# cargo-deb takes what lies in a target folder's `release`.
stage=$(mktemp -d "${TMPDIR:-/tmp}/c2b-deb.XXXXXX")
trap 'rm -rf "$stage"' EXIT
mkdir "$stage/release"
for program in c2bd c2bctl mount.c2b; do
    [ -x "$target/$profile/$program" ] || { echo "deb: $target/$profile/$program is missing: build first" >&2; exit 1; }
    cp "$target/$profile/$program" "$stage/release/"
done
gzip -9nc CHANGELOG.md >"$stage/release/changelog.gz"
maintainer="${DEBFULLNAME:-The c2b authors} <${DEBEMAIL:-c2b@localhost}>"
sed "s/^ -- .*>  / -- $maintainer  /" debian/changelog | gzip -9nc >"$stage/release/changelog.Debian.gz"
scripts/pages.sh "$stage/release/c2bctl" "$stage/release/pages"
CARGO_TARGET_DIR=$stage "$cargo_deb" --quiet --offline --no-build --no-dbgsym --strip "${compress[@]}" --deb-revision "${C2B_DEB_REVISION:-1}" --maintainer "$maintainer" --package c2bd --output "$out"
