#!/usr/bin/env bash
# Installs or removes the program. Configuration and state are never touched.
#
# install.sh install|uninstall, with DESTDIR, PREFIX (/usr) and UNITDIR from the environment.
set -euo pipefail

cd "$(dirname "$0")/.."
: "${DESTDIR:=}" "${PREFIX:=/usr}" "${UNITDIR:=/usr/lib/systemd/system}"
target=${CARGO_TARGET_DIR:-${C2B_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/c2b}/target}/release
sbin=$DESTDIR$PREFIX/sbin bin=$DESTDIR$PREFIX/bin doc=$DESTDIR$PREFIX/share/doc/c2b

case ${1:-} in
install)
    for program in c2bd c2bctl mount.c2b; do
        [ -x "$target/$program" ] || { echo "install: $target/$program is missing: run 'make build' first, as the user who builds" >&2; exit 1; }
    done
    install -Dm755 "$target/c2bd" "$sbin/c2bd"
    install -Dm755 "$target/mount.c2b" "$sbin/mount.c2b"
    ln -sf mount.c2b "$sbin/mount.fuse.c2b"
    install -Dm755 "$target/c2bctl" "$bin/c2bctl"
    install -Dm644 -t "$DESTDIR$UNITDIR" systemd/c2bd.service systemd/c2b-mount@.service systemd/c2b-check@.service systemd/c2b-check@.timer
    install -Dm644 systemd/sysusers.d/c2b.conf "$DESTDIR$PREFIX/lib/sysusers.d/c2b.conf"
    install -Dm644 systemd/tmpfiles.d/c2b.conf "$DESTDIR$PREFIX/lib/tmpfiles.d/c2b.conf"
    install -d "$doc"
    install -m644 README.md LICENSE-APACHE LICENSE-MIT doc/*.md "$doc"
    if [ -z "$DESTDIR" ] && [ -d /run/systemd/system ]; then
        systemd-sysusers
        systemd-tmpfiles --create c2b.conf
        systemctl daemon-reload
        echo "installed; start it with: systemctl enable --now c2bd"
    fi
    ;;
uninstall)
    if [ -z "$DESTDIR" ] && [ -d /run/systemd/system ]; then
        systemctl disable --now c2bd.service 2>/dev/null || true
    fi
    rm -f "$sbin/c2bd" "$sbin/mount.c2b" "$sbin/mount.fuse.c2b" "$bin/c2bctl" \
        "$DESTDIR$UNITDIR/c2bd.service" "$DESTDIR$UNITDIR/c2b-mount@.service" \
        "$DESTDIR$UNITDIR/c2b-check@.service" "$DESTDIR$UNITDIR/c2b-check@.timer" \
        "$DESTDIR$PREFIX/lib/sysusers.d/c2b.conf" "$DESTDIR$PREFIX/lib/tmpfiles.d/c2b.conf"
    rm -rf "$doc"
    if [ -z "$DESTDIR" ] && [ -d /run/systemd/system ]; then
        systemctl daemon-reload
    fi
    ;;
*)
    echo "usage: install.sh install|uninstall" >&2
    exit 2
    ;;
esac
