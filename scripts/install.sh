#!/usr/bin/env bash
# Installs or removes the program. Configuration and state are never touched.
#
# install.sh install|uninstall, with DESTDIR, PREFIX (/usr) and UNITDIR from the environment.
set -euo pipefail

cd "$(dirname "$0")/.."
: "${DESTDIR:=}" "${PREFIX:=/usr}" "${UNITDIR:=/usr/lib/systemd/system}"
target=${CARGO_TARGET_DIR:-${C2B_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/c2b}/target}/release
sbin=$DESTDIR$PREFIX/sbin bin=$DESTDIR$PREFIX/bin share=$DESTDIR$PREFIX/share doc=$DESTDIR$PREFIX/share/doc/c2b
units=(c2bd.service c2b-job@.service c2b-job@.timer c2b-mount@.service c2b-check@.service c2b-check@.timer)

case ${1:-} in
install)
    for program in c2bd c2bctl mount.c2b; do
        [ -x "$target/$program" ] || { echo "install: $target/$program is missing: run 'make build' first, as the user who builds" >&2; exit 1; }
    done
    install -Dm755 "$target/c2bd" "$sbin/c2bd"
    install -Dm755 "$target/mount.c2b" "$sbin/mount.c2b"
    ln -sf mount.c2b "$sbin/mount.fuse.c2b"
    install -Dm755 "$target/c2bctl" "$bin/c2bctl"
    install -Dm644 -t "$DESTDIR$UNITDIR" "${units[@]/#/systemd/}"
    [ -e "$DESTDIR/etc/c2b/alerts.toml" ] || install -Dm644 systemd/etc/alerts.toml "$DESTDIR/etc/c2b/alerts.toml"
    [ -e "$DESTDIR/etc/c2b/c2bd.toml" ] || install -Dm644 systemd/etc/c2bd.toml "$DESTDIR/etc/c2b/c2bd.toml"
    install -Dm644 systemd/sysusers.d/c2b.conf "$DESTDIR$PREFIX/lib/sysusers.d/c2b.conf"
    install -Dm644 systemd/tmpfiles.d/c2b.conf "$DESTDIR$PREFIX/lib/tmpfiles.d/c2b.conf"
    pages=$(mktemp -d)
    trap 'rm -rf "$pages"' EXIT
    scripts/pages.sh "$target/c2bctl" "$pages"
    for page in "$pages"/man/man*/*; do install -Dm644 "$page" "$share/man${page#"$pages/man"}"; done
    install -Dm644 "$pages/completions/c2bctl" "$share/bash-completion/completions/c2bctl"
    install -Dm644 "$pages/completions/_c2bctl" "$share/zsh/vendor-completions/_c2bctl"
    install -Dm644 "$pages/completions/c2bctl.fish" "$share/fish/vendor_completions.d/c2bctl.fish"
    install -d "$doc"
    install -Dm644 -t "$doc/examples" systemd/examples/*
    install -m644 README.md LICENSE-APACHE LICENSE-MIT doc/*.md doc/openapi.json "$doc"
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
        "${units[@]/#/$DESTDIR$UNITDIR/}" \
        "$DESTDIR$PREFIX/lib/sysusers.d/c2b.conf" "$DESTDIR$PREFIX/lib/tmpfiles.d/c2b.conf"
    rm -f "$share"/man/man1/c2bctl{,-*}.1.gz "$share"/man/man5/c2b-job.5.gz "$share"/man/man7/c2b.7.gz "$share"/man/man8/{c2bd,mount.c2b}.8.gz \
        "$share/bash-completion/completions/c2bctl" "$share/zsh/vendor-completions/_c2bctl" "$share/fish/vendor_completions.d/c2bctl.fish"
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
