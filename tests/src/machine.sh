#!/bin/bash
# Boots the systemd of this host as the first process of namespaces of its own, over a copy-on-write view of
# the host's files, again after each reboot, until it is told to power off.
#
# machine.sh DIR: DIR/first holds the process id of the machine's systemd, as this host counts, while one runs.
# What the machine changes is kept in a tmpfs that is gone with this script; the host's files stay as they are.
set -e

if [ "${2:-}" != boot ]; then
    exec 3>&1 # the test reads it to its end
    mount -t tmpfs -o mode=755 tmpfs "$1/disk"
    mkdir "$1/disk/upper" "$1/disk/work" "$1/disk/root"
    while :; do
        status=0
        # A reboot ends the first process by SIGHUP, a power-off by SIGINT.
        unshare --pid --mount --uts --ipc --cgroup --net --fork --kill-child --propagation private bash "$0" "$1" boot &
        until first=$(cat "/proc/$!/task/$!/children") && [ -n "$first" ]; do kill -0 "$!"; done
        echo "${first% }" >"$1/first"
        wait "$!" || status=$?
        rm -f "$1/first"
        [ "$status" = 129 ] || exit 0
    done
fi

root=$1/disk/root
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/disk/upper,workdir=$1/disk/work" "$root"
mount -t proc proc "$root/proc"
# Read-only, lest the machine sets the host's.
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs sysfs "$root/sys"
mount -o remount,bind,ro "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero full random urandom tty fuse autofs; do cp -a "/dev/$device" "$root/dev/" 2>/dev/null || true; done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t tmpfs tmpfs "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
for n in 0:stdin 1:stdout 2:stderr; do ln -s "fd/${n%:*}" "$root/dev/${n#*:}"; done
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
hostname machine
if [ ! -e "$root/etc/c2b-machine" ]; then
    # The first boot: nothing that the host runs, nothing that reaches beyond the namespaces.
    rm -rf "$root"/etc/systemd/system/*.wants "$root"/etc/rc[S0-6].d/S* "$root/usr/sbin/policy-rc.d"
    tr -d - </proc/sys/kernel/random/uuid >"$root/etc/machine-id"
    : >"$root/etc/fstab"
    for unit in systemd-sysctl.service systemd-binfmt.service proc-sys-fs-binfmt_misc.automount systemd-modules-load.service \
        systemd-remount-fs.service sys-kernel-debug.mount sys-kernel-tracing.mount dev-hugepages.mount systemd-timesyncd.service; do
        ln -sf /dev/null "$root/etc/systemd/system/$unit"
    done
    mkdir -p "$root/etc/systemd/journald.conf.d"
    printf '[Journal]\nStorage=persistent\n' >"$root/etc/systemd/journald.conf.d/machine.conf"
    mkdir -p "$root/var/log/journal"
    : >"$root/etc/c2b-machine"
fi
mkdir -p "$root/.old"
cd "$root"
pivot_root . .old
umount -l /.old
# Else the credentials of units stay empty.
mount --make-rshared /
exec env -i container=c2b-test PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system --unit=multi-user.target --show-status=0 --log-target=journal </dev/null
