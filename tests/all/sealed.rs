//! Sealed storages through the real programs: opened by machine, password and recovery key; keys that change; mounts.

use super::letters::letter;
use c2b_tests::{Bench, Mount, files, fuse_usable, program, sha256, until};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

const ANNA: &str = "anna@example.org";
const BOB: &str = "bob@example.org";
const LETTERS: u64 = 8;

/// A sealed storage `vault` with the mail of two people, and its recovery key.
fn bench() -> (Bench, String) {
    let fill = |org: &Path| (0..LETTERS).for_each(|n| [(ANNA, 1), (BOB, 2)].into_iter().for_each(|(mailbox, seed)| letter(org, mailbox, n, seed, 20_000)));
    let bench = Bench::organisation(fill, &[]);
    secret(&bench, "first", "correct horse");
    let made = bench.ctl().json(&["storage", "create", "vault", &bench.text("vault"), "--seal", "--password-file", &bench.text("first")]);
    assert_eq!(made["sealed"], json!(true), "{made}");
    bench.ctl().ok(&["job", "create", "all", "--connection", "lab", "--storage", "vault", "--all-except", "nobody@example.org", "--one-time"]);
    bench.run("all");
    (bench, made["recovery-key"].as_str().unwrap().to_owned())
}

fn secret(bench: &Bench, name: &str, text: &str) {
    std::fs::write(bench.path(name), text).unwrap();
    std::fs::set_permissions(bench.path(name), std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn show(bench: &Bench) -> Value {
    bench.ctl().json(&["storage", "show", "vault"])
}

/// Tries to mount the storage; the option names what opens it.
fn mount(bench: &Bench, at: &str, option: &str) -> (Output, Option<Mount>) {
    let path = bench.path(at);
    std::fs::create_dir_all(&path).unwrap();
    let output = Command::new(program("mount.c2b")).arg(bench.path("vault")).arg(&path).args(["-o", option]).output().unwrap();
    let mounted = output.status.success().then_some(Mount { path });
    (output, mounted)
}

#[test]
fn a_sealed_storage_works_unattended_and_is_mounted_by_each_of_its_keys() {
    let (mut bench, recovery) = bench();
    assert!(bench.daemon.stop());
    bench.restart_daemon();
    bench.run("all");
    let shown = bench.ctl().ok(&["storage", "show", "vault"]);
    let opened = shown.lines().find(|line| line.trim_start().starts_with("opened by")).unwrap_or_else(|| panic!("{shown}"));
    assert!(opened.contains("password") && opened.contains("the recovery key") && opened.contains("c2bd on "), "{shown}");
    assert!(shown.contains("deduplication") && shown.contains("compression"), "savings are not told:\n{shown}");
    bench.ctl().ok(&["storage", "check", "vault", "--read-data"]);
    if !fuse_usable() {
        return;
    }
    secret(&bench, "recovery", &recovery);
    secret(&bench, "wrong", "incorrect horse");
    for (n, option) in
        [format!("passfile={}", bench.text("first")), format!("passfile={}", bench.text("recovery")), format!("keyfile={}", bench.text("var/machine.key"))]
            .iter()
            .enumerate()
    {
        let (output, mounted) = mount(&bench, &format!("mnt{n}"), option);
        let mounted = mounted.unwrap_or_else(|| panic!("{option}: {output:?}"));
        super::backup::assert_complete(&bench, &mounted);
    }
    std::fs::create_dir(bench.path("mnt-asked")).unwrap();
    let asked = |args: &[&str]| bench.ctl().run(&[&["mount", "vault", &bench.text("mnt-asked")], args].concat());
    let refused = asked(&["-o", "keyfile=/nonexistent"]);
    assert!(refused.code == 34 && refused.stderr.contains("the storage is sealed") && refused.stderr.contains("--password-file"), "{refused:?}");
    assert_eq!(asked(&["-o", "keyfile=/nonexistent", "--password-file", &bench.text("first")]).code, 0);
    super::backup::assert_complete(&bench, &Mount { path: bench.path("mnt-asked") });
    let (output, mounted) = mount(&bench, "mnt-wrong", &format!("passfile={}", bench.text("wrong")));
    assert!(mounted.is_none(), "a wrong password opened it: {output:?}");
}

#[test]
fn without_this_machines_key_it_is_locked_until_somebody_unlocks_it() {
    let (mut bench, recovery) = bench();
    assert!(bench.daemon.stop());
    std::fs::remove_file(bench.path("var/machine.key")).unwrap();
    bench.restart_daemon();
    let ctl = bench.ctl();
    let problem = show(&bench)["problem"].to_string();
    assert!(problem.contains("c2bctl storage unlock vault"), "{problem}");
    // The key sealed the connection's password, too.
    let refused = ctl.run(&["connection", "check", "lab"]);
    assert!(refused.code == 5 && refused.stderr.contains("connection edit lab --password-file"), "{refused:#?}");
    ctl.ok(&["connection", "edit", "lab", "--password-file", &bench.text("password")]);
    let refused = ctl.run(&["job", "start", "all", "--wait"]);
    assert!(refused.code == 5 && refused.stderr.contains("storage unlock vault"), "{refused:#?}");
    // What needs no key can be looked at all the same.
    let check = ctl.run(&["storage", "check", "vault", "--read-data"]);
    assert!(check.code == 3 && check.stdout.contains("checksums") && check.stderr.contains("storage unlock vault"), "{check:#?}");
    secret(&bench, "wrong", "incorrect horse");
    let wrong = ctl.run(&["storage", "unlock", "vault", "--password-file", &bench.text("wrong")]);
    assert_eq!(wrong.code, 5, "{wrong:#?}");
    secret(&bench, "recovery", &recovery);
    ctl.ok(&["storage", "unlock", "vault", "--recovery-key", "--password-file", &bench.text("recovery")]);
    bench.run("all");
    ctl.ok(&["storage", "check", "vault", "--read-data"]);
}

#[test]
fn rotated_keys_reseal_the_old_data_by_themselves() {
    let (mut bench, _) = bench();
    let ctl = bench.ctl();
    secret(&bench, "second", "battery staple");
    ctl.ok(&["storage", "password", "add", "vault", "--label", "bob", "--password-file", &bench.text("second")]);
    assert_eq!(ctl.json(&["storage", "password", "list", "vault"]).as_array().unwrap().len(), 2);
    assert!(bench.daemon.stop());
    // As it would be restored from a copy of the disk.
    let index = bench.path("vault/index");
    assert!(Command::new("cp").arg("-r").arg(&index).arg(bench.path("index-before")).status().unwrap().success());
    bench.restart_daemon();
    let ctl = bench.ctl();
    let before: Vec<_> = files(&bench.path("vault/packs"));
    let rotated = ctl.run(&["storage", "rotate-keys", "vault", "--yes", "--password-file", &bench.text("second")]);
    assert!(rotated.code == 3 && rotated.stdout.contains("recovery key") && rotated.stderr.contains("password add vault"), "{rotated:#?}");
    until("the old data is sealed anew", || (show(&bench)["resealing"] == Value::Null && files(&bench.path("vault/packs")) != before).then_some(()));
    let keys = show(&bench)["keys"].clone();
    let labels: Vec<&str> = keys.as_array().unwrap().iter().filter(|key| key["kind"] == "password").map(|key| key["label"].as_str().unwrap()).collect();
    assert_eq!(labels, ["bob"], "{keys}");
    ctl.ok(&["storage", "check", "vault", "--read-data"]);
    bench.run("all");

    assert!(bench.daemon.stop());
    std::fs::remove_dir_all(&index).unwrap();
    std::fs::rename(bench.path("index-before"), &index).unwrap();
    bench.restart_daemon();
    let problem = show(&bench)["problem"].to_string();
    assert!(problem.contains("c2bctl storage rebuild vault"), "an index from before the rotation: {problem}");
    bench.ctl().ok(&["storage", "rebuild", "vault"]);
    assert_eq!(show(&bench)["items"], json!(2 * LETTERS));
    bench.ctl().ok(&["storage", "check", "vault", "--read-data"]);
    if fuse_usable() {
        let (output, mounted) = mount(&bench, "mnt", &format!("passfile={}", bench.text("second")));
        super::backup::assert_complete(&bench, &mounted.unwrap_or_else(|| panic!("{output:?}")));
        assert!(mount(&bench, "mnt-first", &format!("passfile={}", bench.text("first"))).1.is_none(), "a password from before the rotation opens it");
    }
}

#[test]
fn erasing_and_copying_work_sealed_too() {
    let (bench, _) = bench();
    let ctl = bench.ctl();
    ctl.ok(&["storage", "erase", "vault", ANNA, "--yes"]);
    ctl.ok(&["storage", "copy", "vault", &bench.text("copy")]);
    // The copy is opened by the same password, on a machine that never saw the storage.
    let other = tempfile::tempdir().unwrap();
    let away = c2b_tests::Daemon::start(other.path());
    assert_eq!(away.ctl().run(&["storage", "import", "vault", &bench.text("copy")]).code, 5);
    let attached = away.ctl().json(&["storage", "import", "vault", &bench.text("copy"), "--password-file", &bench.text("first")]);
    assert_eq!((&attached["mailboxes"], &attached["items"]), (&json!(1), &json!(LETTERS)), "{attached}");
    away.ctl().ok(&["storage", "check", "vault", "--read-data"]);
    if fuse_usable() {
        let (output, mounted) = mount(&bench, "mnt", &format!("passfile={}", bench.text("first")));
        let mounted = mounted.unwrap_or_else(|| panic!("{output:?}"));
        let bob = mounted.latest(BOB);
        assert_eq!(files(&bob).iter().filter(|file| sha256(&bob.join(file)).is_ok()).count() as u64, LETTERS);
        assert!(!mounted.path.join("mailboxes").join(ANNA).exists());
    }
}
