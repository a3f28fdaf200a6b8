//! The life of a mount: beginning with a reason when it cannot, ending cleanly, coming back after a crash.

use crate::bench::{Bench, contents, mail, os_error, unmount, usable, wait_for};
use c2b_mountfs::mountpoint::uppermost;
use c2b_storagefmt::Unlock;
use nix::sys::signal::Signal;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn small() -> Bench {
    let mut bench = Bench::new();
    let inbox = bench.folder("inbox", None, "Inbox");
    bench.put(inbox, mail("1", "mail", b"body"));
    bench.commit();
    bench
}

fn reason(output: &Output) -> String {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    text.trim_end().to_owned()
}

/// Runs a command as the user `nobody`.
fn as_nobody(arguments: &[&str], path: &Path) -> Output {
    Command::new("setpriv").args(["--reuid=65534", "--regid=65534", "--clear-groups"]).args(arguments).arg(path).output().unwrap()
}

#[test]
fn a_mount_in_the_background_is_usable_when_the_command_returns() {
    if !usable() {
        return;
    }
    let bench = small();
    let target = bench.target("mnt");
    let output = bench.run(&bench.storage(), &target, &["-o", "rw,noexec,nosuid,nodev,_netdev,user"]);
    assert!(output.status.success(), "{}", reason(&output));
    let mount = uppermost(&target).unwrap().unwrap();
    assert_eq!((mount.fstype.as_str(), Path::new(&mount.source)), ("fuse.c2b", bench.storage().canonicalize().unwrap().as_path()));
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let line = table.lines().find(|line| line.contains(target.to_str().unwrap())).unwrap();
    assert!(line.contains("ro,nosuid,nodev,noexec"), "{line}");
    assert_eq!(contents(&target.join("mailboxes")).len(), 2);
    assert_eq!(reason(&bench.run(&bench.storage(), &target, &[])), format!("mount.c2b: {} is already mounted: it shows {}", target.display(), mount.source));
    assert!(Command::new("umount").arg(&target).status().unwrap().success());
    assert!(uppermost(&target).unwrap().is_none());
}

#[test]
fn what_cannot_be_mounted_is_refused_with_one_line_and_a_code() {
    if !usable() {
        return;
    }
    let bench = small();
    let target = bench.target("mnt");
    let full = bench.target("full");
    fs::write(full.join("file"), "x").unwrap();
    let plain = bench.target("plain");
    let missing = bench.dir.path().join("missing");
    let cases: [(&Path, &Path, &[&str], i32, &str); 6] = [
        (&bench.storage(), &full, &[], 33, "is not empty"),
        (&bench.storage(), &missing, &[], 33, "does not exist"),
        (&missing, &target, &[], 32, "failed to find storage"),
        (&plain, &target, &[], 32, "failed to open storage"),
        (&bench.storage(), &target, &["-o", "alow_other"], 1, "did you mean \"allow_other\"?"),
        (&bench.storage(), &target, &["-o", "allow_other"], 1, "needs uid= and gid="),
    ];
    for (storage, target, arguments, code, text) in cases {
        let output = bench.run(storage, target, arguments);
        assert!(reason(&output).contains(text), "{}", reason(&output));
        assert_eq!(output.status.code(), Some(code), "{}", reason(&output));
    }
    assert!(uppermost(&target).unwrap().is_none());
    assert!(fs::read_dir(&plain).unwrap().next().is_none(), "something was written");
}

#[test]
fn a_mount_that_was_killed_is_replaced_by_the_next_one() {
    if !usable() {
        return;
    }
    let bench = small();
    for _ in 0..10 {
        let mut mounted = bench.mount("mnt", &[]);
        assert_eq!(contents(&mounted.latest()).len(), 1);
        mounted.process.kill().unwrap();
        mounted.process.wait().unwrap();
        assert_eq!(os_error(fs::read_dir(&mounted.target)), Some(nix::errno::Errno::ENOTCONN as i32));
        // The dead mount stays for the next round.
        std::mem::forget(mounted);
    }
    let target = bench.target("mnt2");
    drop(bench.mount("mnt", &[]));
    assert!(uppermost(&bench.dir.path().join("mnt")).unwrap().is_none(), "dead mounts lie below");
    unmount(&target);
}

#[test]
fn a_signal_or_an_unmount_ends_the_process_cleanly() {
    if !usable() {
        return;
    }
    let bench = small();
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut mounted = bench.mount("mnt", &[]);
        mounted.signal(signal);
        assert!(mounted.ended(), "{}", mounted.log());
        assert!(uppermost(&mounted.target).unwrap().is_none());
    }
    let mut mounted = bench.mount("mnt", &[]);
    assert!(Command::new("umount").arg(&mounted.target).status().unwrap().success());
    assert!(mounted.ended(), "{}", mounted.log());
    let mut busy = bench.mount("mnt", &[]);
    let file = fs::File::open(busy.target.join("README.txt")).unwrap();
    busy.signal(Signal::SIGTERM);
    assert!(busy.ended(), "{}", busy.log());
    assert!(uppermost(&busy.target).unwrap().is_none());
    drop(file);
}

#[test]
fn only_the_caller_sees_a_private_mount() {
    if !usable() {
        return;
    }
    let bench = small();
    let mounted = bench.mount("private", &[]);
    assert!(as_nobody(&["ls"], bench.dir.path()).status.success(), "the folder above must be open, or nothing is proved");
    for command in [&["ls"][..], &["stat"], &["cat"]] {
        let output = as_nobody(command, &mounted.target);
        assert!(String::from_utf8_lossy(&output.stderr).contains("Permission denied"), "{output:?}");
    }
    let mode = |path: &Path| std::os::unix::fs::MetadataExt::mode(&fs::metadata(path).unwrap()) & 0o7777;
    assert_eq!((mode(&mounted.target), mode(&mounted.target.join("README.txt"))), (0o500, 0o400));
}

#[test]
fn a_shared_mount_is_for_its_owner_only() {
    if !usable() {
        return;
    }
    let bench = small();
    let nobody = bench.mount("nobody", &["-o", "allow_other,uid=65534,gid=65534"]);
    let other = bench.mount("other", &["-o", "allow_other,uid=12345,gid=12345"]);
    let group = bench.mount("group", &["-o", "allow_other,uid=12345,gid=65534,umask=0227"]);
    assert!(as_nobody(&["cat"], &nobody.target.join("README.txt")).status.success());
    assert!(as_nobody(&["ls"], &group.target).status.success());
    for path in [other.target.clone(), other.target.join("mailboxes")] {
        let output = as_nobody(&["ls"], &path);
        assert!(String::from_utf8_lossy(&output.stderr).contains("Permission denied"), "{output:?}");
    }
}

#[test]
fn systemd_is_told_when_the_mount_is_usable() {
    if !usable() {
        return;
    }
    let bench = small();
    let path = bench.dir.path().join("notify");
    let socket = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
    let target = bench.target("mnt");
    let program = [crate::bench::PROGRAM, bench.storage().to_str().unwrap(), target.to_str().unwrap(), "--foreground"].map(str::to_owned);
    let mut process = Command::new(&program[0]).args(&program[1..]).env("NOTIFY_SOCKET", &path).spawn().unwrap();
    let mut buffer = [0; 1024];
    let n = socket.recv(&mut buffer).unwrap();
    assert!(std::str::from_utf8(&buffer[..n]).unwrap().contains("READY=1"));
    assert!(target.join("README.txt").is_file(), "ready before it was usable");
    unmount(&target);
    wait_for("the end", 5, || process.try_wait().unwrap().is_some());
}

#[test]
fn a_user_mounts_without_being_root() {
    if !usable() {
        return;
    }
    let bench = small();
    let target = bench.target("mnt");
    let storage = bench.storage();
    // In a mount namespace of its own, where the device is open to all, as it is on most machines.
    let script = format!(
        "set -e; umask 022; D={dir}; mkdir $D/dev; mount -t tmpfs tmpfs $D/dev; mknod -m 666 $D/dev/fuse c 10 229; mount --bind $D/dev/fuse /dev/fuse
        cp {program} $D/mount.c2b; chmod -R a+rX {storage} $D/mount.c2b; chown 65534 {target}
        exec setpriv --reuid=65534 --regid=65534 --clear-groups env -u XDG_RUNTIME_DIR sh -ec '
            cd /; $0/mount.c2b {storage} {target}; ls {target}; grep -o \"{target} ro,nosuid,nodev,noexec.*fuse.c2b\" /proc/self/mountinfo; fusermount3 -u {target}; ls {target}' $D",
        dir = bench.dir.path().display(),
        program = crate::bench::PROGRAM,
        storage = storage.display(),
        target = target.display(),
    );
    let output = Command::new("unshare").args(["--mount", "--propagation", "private", "sh", "-c", &script]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.starts_with("README.txt\nmailboxes\nstorage\n") && text.trim_end().ends_with("fuse.c2b"), "{text}");
}

#[test]
fn a_storage_without_any_commit_can_be_mounted_and_followed() {
    if !usable() {
        return;
    }
    let mut bench = Bench::new();
    let mounted = bench.mount("mnt", &[]);
    assert_eq!(fs::read_dir(mounted.target.join("mailboxes")).unwrap().count(), 0);
    assert!(fs::read_to_string(mounted.target.join("storage/status.json")).unwrap().contains("\"commit\": 0"));
    let inbox = bench.folder("inbox", None, "Inbox");
    bench.put(inbox, mail("1", "mail", b"body"));
    bench.commit();
    wait_for("the first commit", 5, || mounted.latest().join("Inbox").is_dir());
    assert_eq!(contents(&mounted.latest()).len(), 1);
}

#[test]
fn a_mount_lives_through_a_rebuild_of_the_index() {
    if !usable() {
        return;
    }
    let mut bench = small();
    let inbox = bench.folder("inbox", None, "Inbox");
    let mounted = bench.mount("mnt", &[]);
    let before = contents(&mounted.target.join("mailboxes"));
    let storage = bench.storage();
    let alice = bench.alice;
    drop(bench.writer);
    fs::remove_dir_all(storage.join("index")).unwrap();
    c2b_storagefmt::rebuild(&storage, &Unlock::Open, &mut |_| {}).unwrap();
    let mut writer = c2b_storagefmt::Writer::open(&storage, &Unlock::Open).unwrap();
    writer.put_item(alice, inbox, mail("2", "mail", b"after the rebuild")).unwrap();
    writer.commit("2024-11-21T12:00:00Z".parse().unwrap()).unwrap();
    wait_for("the commit after the rebuild", 5, || contents(&mounted.latest()).values().any(|body| body == b"after the rebuild"));
    for (path, body) in before.iter().filter(|(path, _)| !path.to_str().unwrap().contains("/latest/")) {
        assert_eq!(&fs::read(mounted.target.join("mailboxes").join(path)).unwrap(), body, "{}", path.display());
    }
}
