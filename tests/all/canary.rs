//! Secrets and subjects as canaries: while everything is done that a secret or a subject takes part in, and afterwards,
//! they are looked for wherever they must not be.

use c2b_tests::{Bench, Daemon, files, fuse_usable, in_a_session, program, until};
use nix::sys::signal::Signal;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// Secrets: of the account, of a storage, of a connection, what they become, of the directory, and of who sends mail.
const SECRETS: [&str; 6] =
    ["secret-canary-7319", "storage-canary-4821", "connection-canary-9377", "new-canary-1204", "directory-canary-5582", "mailer-canary-3906"];

/// Content of mailboxes: subjects of a mail that is stored and of one that fails, a name of a folder, and a text.
const CONTENT: [&str; 4] = ["Zebrafish-budget-88", "Quokka-redundancy-41", "Folder-of-narwhals", "walrus-in-the-body"];

const ALICE: &str = "alice@example.org";

/// One mail that is stored, one that the server always says is corrupt, and a folder that it does not list.
fn fill(org: &Path) {
    let mail = |path: &str, subject: &str| {
        let file = org.join(ALICE).join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        let text = format!(
            "From: Ann <ann@example.org>\r\nTo: {ALICE}\r\nSubject: {subject}\r\nMessage-ID: <{subject}@example.org>\r\nDate: Fri, 20 Nov 2026 10:00:00 +0000\r\n\r\n{}\r\n",
            CONTENT[3]
        );
        std::fs::write(file, text).unwrap();
    };
    mail("Inbox/1.eml", CONTENT[0]);
    mail("Inbox/2.eml", CONTENT[1]);
    mail(&format!("{}/3.eml", CONTENT[2]), "plain");
}

fn secret(bench: &Bench, name: &str, text: &str) -> String {
    std::fs::write(bench.path(name), text).unwrap();
    std::fs::set_permissions(bench.path(name), std::fs::Permissions::from_mode(0o600)).unwrap();
    bench.text(name)
}

/// Looks into the arguments and the environment of all processes until it is told to end; returns where a secret was.
fn watch_processes(end: &AtomicBool) -> Vec<String> {
    let mut found = Vec::new();
    while !end.load(Ordering::Relaxed) {
        for process in std::fs::read_dir("/proc").unwrap().flatten() {
            for file in ["cmdline", "environ"] {
                let path = process.path().join(file);
                let bytes = std::fs::read(&path).unwrap_or_default();
                found.extend(SECRETS.iter().filter(|secret| holds(&bytes, secret)).map(|secret| format!("{secret} in {}", path.display())));
            }
        }
        thread::yield_now();
    }
    found
}

/// Says that it is over when it is dropped, by a panic too: who is waited for would look for ever.
struct Ended<'a>(&'a AtomicBool);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// Asserts that none of the texts is in a file below a folder.
fn assert_clean(folder: &Path, texts: &[&str]) {
    for file in files(folder) {
        let bytes = std::fs::read(folder.join(&file)).unwrap_or_default();
        for text in texts {
            assert!(!holds(&bytes, text), "{text} is in {}", folder.join(&file).display());
        }
    }
}

#[test]
fn canaries_are_where_they_belong_and_nowhere_else() {
    if !in_a_session("all::canary::canaries_are_where_they_belong_and_nowhere_else") {
        return;
    }
    let faults = tempfile::tempdir().unwrap();
    let script = faults.path().join("faults.toml");
    let fault = format!("[[fault]]\nitem_subject = '{}'\naction = 'item-error'\ncode = 'ErrorItemCorrupt'\n", CONTENT[1]);
    std::fs::write(&script, fault).unwrap();
    let mut bench = Bench::organisation(fill, &["--faults", script.to_str().unwrap()]);
    assert!(bench.daemon.stop());
    told_by_all_ways(&bench);
    bench.daemon = Daemon::start_verbose(&bench.path(""));
    let end = AtomicBool::new(false);
    let found = thread::scope(|scope| {
        let watcher = scope.spawn(|| watch_processes(&end));
        let end = Ended(&end);
        everything(&bench);
        drop(end);
        watcher.join().unwrap()
    });
    assert!(found.is_empty(), "{found:?}");

    let ctl = bench.ctl();
    for args in [
        &["metrics"][..],
        &["status"],
        &["audit", "show", "-n", "1000"],
        &["job", "show", "all"],
        &["connection", "show", "lab"],
        &["storage", "show", "vault"],
    ] {
        let told = ctl.ok(args);
        assert!(SECRETS.iter().chain(&[CONTENT[0], CONTENT[1], CONTENT[3]]).all(|canary| !told.contains(canary)), "{args:?} tells:\n{told}");
    }
    let failures = ctl.ok(&["job", "failures", "all"]);
    assert!(failures.contains("ErrorItemCorrupt"), "no mail failed:\n{failures}");
    assert!(ctl.ok(&["audit", "verify"]).contains("as it was written"));
    assert_leaves_no_core(bench.daemon.pid());
    assert!(ctl.ok(&["job", "failures", "plain"]).contains("ErrorItemCorrupt"));
    let told = until("people are told", || std::fs::read_to_string(bench.path("told/hook")).ok().filter(|told| told.contains("job plain")));
    assert!(told.contains("PATH=") && told.contains("items could not be backed up"), "{told}");
    until("people are told by mail", || std::fs::read_to_string(bench.path("told/sendmail")).ok().filter(|told| told.contains("job plain")));
    // Told of at once, not at the next of its times.
    std::fs::write(bench.path("etc/c2bd.toml"), format!("[metrics]\ntextfile = {:?}\n", bench.path("told/c2b.prom"))).unwrap();
    bench.daemon.signal(Signal::SIGHUP);
    until("the metrics are written", || std::fs::read_to_string(bench.path("told/c2b.prom")).ok().filter(|told| told.contains("plain")));

    assert!(bench.daemon.stop());
    let log = bench.daemon.log();
    assert!(log.contains("TRACE") || log.contains("DEBUG"), "the log is not verbose");
    for canary in SECRETS.iter().chain(&CONTENT) {
        assert!(!log.contains(canary), "{canary} is in the log: {:?}", log.lines().find(|line| line.contains(canary)));
    }
    let all: Vec<&str> = SECRETS.iter().chain(&CONTENT).copied().collect();
    // With subjects and all: each job's own log among them.
    assert!(bench.path("var/logs/plain.csv").exists() && bench.path("told/edited").exists());
    assert_clean(&bench.path("told"), &all);
    assert_clean(&bench.path("etc"), &all);
    assert_clean(&bench.path("vault"), &all);
    assert_clean(&bench.path("var"), &all);
}

/// Asserts that a process leaves no core file.
fn assert_leaves_no_core(pid: u32) {
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "of process {pid}: {core}");
}

/// A program of the test's own in the folder of what is told.
fn script(bench: &Bench, name: &str, text: &str) -> String {
    let path = bench.path("told").join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Has alerts told in every way; each way keeps all that it is given, its environment too.
fn told_by_all_ways(bench: &Bench) {
    std::fs::create_dir(bench.path("told")).unwrap();
    let keep = |name: &str| {
        script(bench, &format!("{name}.sh"), &format!("(env; tr '\\0' ' ' </proc/$$/cmdline; cat) >> {}", bench.path("told").join(name).display()))
    };
    let (hook, sendmail) = (keep("hook"), keep("sendmail"));
    let alerts = format!("[hook]\ncommand = [{hook:?}]\n[mail]\nto = [\"ann@example.org\"]\nfrom = \"c2b@example.org\"\nsendmail = {sendmail:?}\n");
    std::fs::write(bench.path("etc/alerts.toml"), alerts).unwrap();
}

/// Every command that takes a secret, and backups with a failing item, into a sealed storage and into one that is not.
fn everything(bench: &Bench) {
    let ctl = bench.ctl();
    let (account, storage) = (secret(bench, "account", SECRETS[0]), secret(bench, "storage-password", SECRETS[1]));
    let (own, new, directory) = (secret(bench, "own", SECRETS[2]), secret(bench, "new", SECRETS[3]), secret(bench, "directory", SECRETS[4]));
    let place = ["--ldap-url", "ldaps://127.0.0.1:1", "--ldap-user", "reader", "--ldap-password-file", &directory, "--mailboxes", "ldap"];
    let create = ["connection", "create", "other", "--kind", "ews", "--url", &bench.lab.url, "--user", "admin", "--password-file", &account];
    ctl.ok(&[&create[..], &place].concat());
    ctl.run(&["connection", "check", "other"]);
    ctl.ok(&["connection", "edit", "other", "--user", "svc", "--password-file", &new]);
    ctl.ok(&["connection", "password", "set", "lab", "--password-file", &own]);
    ctl.ok(&["connection", "unlock", "lab", "--password-file", &own]);
    ctl.ok(&["connection", "lock", "lab"]);
    ctl.ok(&["storage", "create", "vault", &bench.text("vault"), "--seal", "--password-file", &storage]);
    ctl.ok(&["storage", "password", "add", "vault", "--label", "second", "--password-file", &new]);
    ctl.ok(&["job", "create", "all", "--connection", "lab", "--storage", "vault", "--mailbox", ALICE, "--one-time"]);
    let run = ctl.run(&["job", "start", "all", "--wait"]);
    assert_eq!(run.code, 3, "one mail fails: {run:?}");
    ctl.ok(&["storage", "check", "vault", "--read-data"]);
    ctl.run(&["connection", "check", "lab"]);
    ctl.ok(&["job", "create", "plain", "--connection", "lab", "--storage", "main", "--mailbox", ALICE, "--one-time"]);
    assert_eq!(ctl.run(&["job", "start", "plain", "--wait"]).code, 3);
    edit(bench);
    let mailer = secret(bench, "mailer", SECRETS[5]);
    ctl.ok(&["alert", "password", "--password-file", &mailer]);
    ctl.ok(&["alert", "test"]);
    mounted(bench);
    ctl.ok(&["connection", "password", "remove", "lab", "--yes"]);
    ctl.ok(&["connection", "delete", "other", "--yes"]);
}

/// A definition in an editor: what that is given lies in a file of the caller's own, and is kept to be looked through.
fn edit(bench: &Bench) {
    let kept = bench.path("told/edited");
    let editor = script(bench, "editor.sh", &format!("stat -c %a \"$1\" >{0}; cat \"$1\" >>{0}; echo '# looked at' >>\"$1\"", kept.display()));
    // An editor wants a terminal.
    let line = format!("{} --socket {} job edit plain", program("c2bctl").display(), bench.text("c2bd.sock"));
    let output = Command::new("script").args(["-qec", &line, "/dev/null"]).env("VISUAL", editor).stdin(std::process::Stdio::null()).output().unwrap();
    assert!(kept.exists(), "{output:?}");
    assert_eq!(std::fs::read_to_string(kept).unwrap().lines().next(), Some("600"));
}

/// The sealed storage in a mount that logs all that it can, and whose every mail is read.
fn mounted(bench: &Bench) {
    if !fuse_usable() {
        return;
    }
    let (dir, log) = (bench.text("mnt"), bench.path("told/mount.log"));
    std::fs::create_dir(&dir).unwrap();
    let options = format!("keyfile={},log={}", bench.text("var/machine.key"), log.display());
    let mut command = Command::new(program("c2bctl"));
    command.arg("--socket").arg(bench.path("c2bd.sock")).args(["mount", "vault", &dir, "-o", &options]).env("C2B_LOG", "trace");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let root = Path::new(&dir);
    let read: Vec<u8> = files(root).iter().flat_map(|file| std::fs::read(root.join(file)).unwrap_or_default()).collect();
    assert!(holds(&read, CONTENT[3]), "no mail was read");
    let is_mount = |pid: &u32| std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| holds(&line, "mount.c2b") && holds(&line, &dir));
    let all = std::fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mounts: Vec<u32> = all.filter(is_mount).collect();
    assert!(!mounts.is_empty(), "the mount's process is not found");
    mounts.into_iter().for_each(assert_leaves_no_core);
    bench.ctl().ok(&["unmount", &dir]);
    until("the mount's end is logged", || std::fs::read_to_string(&log).ok().filter(|log| log.contains("unmounted")));
}
