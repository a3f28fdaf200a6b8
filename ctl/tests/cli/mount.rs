//! `mount` and `unmount` around a mount program that is a script.

use crate::daemon::{Answer, Daemon};
use crate::run::{PROGRAM, Run, run};
use crate::sample;
use crate::terminal::terminal_of;
use insta::assert_snapshot;
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

/// A folder with a copy of the binary, and beside it a mount program that says what it was given and ends with a code.
fn installed(daemon: &Daemon, exit: u8) -> Command {
    let dir = daemon.dir().join("sbin");
    fs::create_dir_all(&dir).unwrap();
    let script = format!("#!/bin/sh\necho \"mount.c2b: $*\"\necho 'mount.c2b: in words' >&2\nexit {exit}\n");
    fs::write(dir.join("mount.c2b"), script).unwrap();
    fs::set_permissions(dir.join("mount.c2b"), PermissionsExt::from_mode(0o755)).unwrap();
    fs::copy(PROGRAM, dir.join("c2bctl")).unwrap();
    let mut command = Command::new(dir.join("c2bctl"));
    command.env_clear().current_dir(daemon.dir()).arg("--socket").arg(daemon.socket());
    command
}

fn mount(daemon: &Daemon, exit: u8, args: &[&str]) -> Run {
    Run::of(&installed(daemon, exit).arg("mount").args(args).output().unwrap(), daemon.dir())
}

fn daemon() -> Daemon {
    Daemon::new([("POST /v1/storages/archive/mount", Answer::Json(200, sample::storage()))])
}

#[test]
fn a_storage_is_mounted_by_name() {
    assert_snapshot!(mount(&daemon(), 0, &["archive", "mnt", "-o", "allow_other", "-o", "uid=1000,gid=1000"]), @"
    exit 0
    --- stdout
    mounted archive at DIR/mnt
      mail       DIR/mnt/mailboxes/ADDRESS/latest/FOLDER
      take away  c2bctl unmount DIR/mnt
    --- stderr
    mount.c2b: /srv/backup/archive DIR/mnt -o allow_other,uid=1000,gid=1000
    mount.c2b: in words
    ");
}

#[test]
fn a_storage_is_mounted_by_its_folder_without_the_daemon() {
    let daemon = daemon();
    assert_snapshot!(mount(&daemon, 0, &["./archive", "/mnt"]), @"
    exit 0
    --- stdout
    mounted ./archive at /mnt
      mail       /mnt/mailboxes/ADDRESS/latest/FOLDER
      take away  c2bctl unmount /mnt
    --- stderr
    mount.c2b: DIR/archive /mnt
    mount.c2b: in words
    ");
    assert!(daemon.requests().is_empty());
}

#[test]
fn the_message_and_the_exit_code_of_the_mount_program_are_passed_on() {
    assert_snapshot!(mount(&daemon(), 32, &["archive", "/mnt"]), @"
    exit 32
    --- stderr
    mount.c2b: /srv/backup/archive /mnt
    mount.c2b: in words
    error: failed to mount archive at /mnt: mount.c2b ended with exit code 32
    ");
}

#[test]
fn a_password_is_passed_on_and_asked_for_where_that_is_needed() {
    let daemon = daemon();
    installed(&daemon, 0);
    let dir = daemon.dir().join("sbin");
    let script = "#!/bin/sh\ncase \"$*\" in *passfile=-) echo \"mount.c2b: $* < $(cat)\" ;; *) exit 34 ;; esac\n";
    fs::write(dir.join("mount.c2b"), script).unwrap();
    let given = |args: &[&str]| {
        fs::write(daemon.dir().join("secret"), "hunter2\n").unwrap();
        fs::set_permissions(daemon.dir().join("secret"), PermissionsExt::from_mode(0o600)).unwrap();
        let input = fs::File::open(daemon.dir().join("secret")).unwrap();
        let mut command = Command::new(dir.join("c2bctl"));
        command.env_clear().current_dir(daemon.dir()).arg("--socket").arg(daemon.socket()).args(["mount", "archive", "/mnt"]).args(args).stdin(input);
        Run::of(&command.output().unwrap(), daemon.dir())
    };
    for args in [&["--password-file", "secret"][..], &["--password-file", "-"], &["--password-stdin"]] {
        let run = given(args);
        assert!(run.exit == 0 && run.stderr.contains("mount.c2b: /srv/backup/archive /mnt -o passfile=- < hunter2"), "{run}");
    }
    let run = given(&[]);
    assert!(run.exit == 34 && run.stderr.contains("--password-file FILE"), "{run}");
    let (text, exit) = terminal_of(&dir.join("c2bctl"), &daemon, "mount archive /mnt", "", "recovery key of storage archive: ", "hunter3\n");
    assert!(exit == 0 && text.contains("-o passfile=- < hunter3"), "{exit}: {text}");
}

#[test]
fn json_stays_json() {
    let daemon = daemon();
    let mounted = mount(&daemon, 0, &["archive", "/mnt", "--json"]);
    assert_eq!(mounted.values(), [json!({ "storage": "archive", "path": "/srv/backup/archive", "mounted": "/mnt" })]);
    let failed = mount(&daemon, 32, &["archive", "/mnt", "--json"]);
    assert_eq!((failed.exit, failed.values().len(), failed.values()[0]["error"]["exit"].as_u64()), (32, 1, Some(32)), "{failed}");
}

#[test]
fn without_the_mount_program_it_says_so() {
    let daemon = daemon();
    let run = run(&daemon, "mount archive /mnt");
    // Beside the binary under test, the mount program may have been built.
    if run.stderr.contains("failed to start") {
        assert_eq!(run.exit, 1);
        assert!(run.stderr.contains("hint: mount.c2b is installed with c2b"), "{run}");
    }
}

#[test]
fn only_mounts_of_ours_are_taken_away() {
    let daemon = daemon();
    fs::create_dir(daemon.dir().join("empty")).unwrap();
    assert_snapshot!(run(&daemon, "unmount empty"), @"
    exit 1
    --- stderr
    error: nothing is mounted at DIR/empty
    hint: see what is with `findmnt -t fuse.c2b`
    ");
    assert_snapshot!(run(&daemon, "unmount /proc"), @"
    exit 1
    --- stderr
    error: what is mounted at /proc is not a storage of c2b but proc
    hint: if it is to go, use `umount /proc`
    ");
    assert_eq!(run(&daemon, "unmount missing --json").values()[0]["error"]["code"], "mount");
}
