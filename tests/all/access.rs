//! Roles and connections of others, by the command line that people use: each command as each kind of user, from login
//! sessions of their own.

use super::letters::letter;
use c2b_tests::{Bench, in_a_session, program, until};
use nix::sys::signal::Signal;
use nix::unistd::Uid;
use serde_json::Value;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

const ANNA: &str = "anna@example.org";

/// Users that every Debian has and nobody logs in as.
const VIEWER: &str = "daemon";
const OPERATOR: &str = "bin";
const RESTORER: &str = "sys";
const ADMIN: &str = "games";
const OTHER_ADMIN: &str = "man";
const NOBODY: &str = "mail";

/// What a command said and how it ended.
#[derive(Debug)]
struct Said {
    code: i32,
    stdout: String,
    stderr: String,
}

/// A lab with one mail that fails, a storage, a job that has run, and roles; none where the test is not root.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn bench() -> Option<Bench> {
    if !Uid::effective().is_root() || Command::new("setpriv").arg("--version").output().is_err() {
        eprintln!("skipped: only root can call as other users, with setpriv");
        return None;
    }
    let faults = tempfile::tempdir().unwrap();
    let script = faults.path().join("faults.toml");
    std::fs::write(&script, "[[fault]]\nitem_subject = 'letter 1'\naction = 'item-error'\ncode = 'ErrorItemCorrupt'\n").unwrap();
    let bench = Bench::organisation(|org| (0..3).for_each(|n| letter(org, ANNA, n, 1, 100)), &["--faults", script.to_str().unwrap()]);
    let roles = format!(
        "[viewer]\nusers = [\"{VIEWER}\"]\n[operator]\nusers = [\"{OPERATOR}\"]\n[restorer]\nusers = [\"{RESTORER}\"]\n[admin]\nusers = [\"{ADMIN}\", \"{OTHER_ADMIN}\"]\n"
    );
    std::fs::write(bench.path("etc/access.toml"), roles).unwrap();
    let mode = |path: &str, mode| std::fs::set_permissions(bench.path(path), std::fs::Permissions::from_mode(mode)).unwrap();
    mode("etc/access.toml", 0o640);
    mode("", 0o755);
    mode("c2bd.sock", 0o666);
    std::fs::copy(program("c2bctl"), bench.path("c2bctl")).unwrap();
    mode("c2bctl", 0o755);
    bench.daemon.signal(Signal::SIGHUP);
    until("the roles are in force", || (says(&bench, VIEWER, false, "status", "").code == 0).then_some(()));
    bench.job_all("all");
    assert_eq!(bench.ctl().run(&["job", "start", "all", "--wait"]).code, 3);
    Some(bench)
}

/// A login of root: the session that the kernel's audit counts, where it does, and one of its own in any case.
const LOGIN: &str = r#"{ echo 0 >/proc/self/loginuid; } 2>/dev/null; exec setsid --wait "$@""#;

/// Runs a command as a user; `apart` in a session of its own. Arguments are separated by spaces.
fn says(bench: &Bench, user: &str, apart: bool, args: &str, stdin: &str) -> Said {
    let mut command = if apart { Command::new("sh") } else { Command::new("setpriv") };
    if apart {
        command.args(["-c", LOGIN, "login", "setpriv"]);
    }
    command.args([&format!("--reuid={user}"), &format!("--regid={user}"), "--clear-groups"]);
    command.arg(bench.path("c2bctl")).arg("--socket").arg(bench.path("c2bd.sock")).args(args.split(' ')).current_dir("/");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Who is refused need not read it.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Said { code: output.status.code().unwrap_or(-1), stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

/// Commands with the least role that may give them.
const COMMANDS: &[(&str, &str)] = &[
    (VIEWER, "status"),
    (VIEWER, "access show"),
    (VIEWER, "metrics"),
    (VIEWER, "connection list"),
    (VIEWER, "connection show lab"),
    (VIEWER, "storage list"),
    (VIEWER, "storage show main"),
    (VIEWER, "job list"),
    (VIEWER, "job show all"),
    (VIEWER, "job schedule all"),
    (VIEWER, "job history all"),
    (VIEWER, "job coverage all"),
    (OPERATOR, "job stop all"),
    (OPERATOR, "job failures all"),
    (OPERATOR, "connection check lab"),
    (RESTORER, "mailbox list --connection lab"),
    (RESTORER, "connection public-folders lab"),
    (RESTORER, "storage check main"),
    (RESTORER, "storage erased main"),
    (RESTORER, "mount main /nowhere"),
    (ADMIN, "audit show"),
    (ADMIN, "audit verify"),
    (ADMIN, "connection create x --kind ews --url http://127.0.0.1:1/ --user u --password-file -"),
    (ADMIN, "connection edit lab --mailboxes names"),
    (ADMIN, "connection password set lab --password-file -"),
    (ADMIN, "connection password remove lab --yes"),
    (ADMIN, "connection unlock lab --password-file -"),
    (ADMIN, "connection lock lab"),
    (ADMIN, "connection sign-in lab"),
    (ADMIN, "connection delete lab --yes"),
    (ADMIN, "storage create x /nowhere/x"),
    (ADMIN, "storage import x /nowhere/x"),
    (ADMIN, "storage password list main"),
    (ADMIN, "storage password add main --label x --password-file -"),
    (ADMIN, "storage password remove main --label x --yes"),
    (ADMIN, "storage recovery-key main --yes"),
    (ADMIN, "storage rotate-keys main --yes"),
    (ADMIN, "storage unlock main --password-file -"),
    (ADMIN, "storage rebuild main"),
    (ADMIN, "storage repair main"),
    (ADMIN, "storage prune main --dry-run"),
    (ADMIN, "storage unprune main"),
    (ADMIN, "storage free main"),
    (ADMIN, "storage erase main nobody@example.org --dry-run"),
    (ADMIN, "storage allow main nobody@example.org"),
    (ADMIN, "storage copy main /nowhere/copy"),
    (ADMIN, "storage retention set main --versions-max 9 --yes"),
    (ADMIN, "storage rename main main"),
    (ADMIN, "storage delete main --yes"),
    (ADMIN, "job create y --connection none --storage main --all-except --one-time"),
    (ADMIN, "job edit all --storage none"),
    (ADMIN, "job copy all all"),
    (ADMIN, "job rename all all"),
    (ADMIN, "job delete none --yes"),
];

#[test]
fn each_command_is_refused_to_who_may_not_and_nothing_else_is() {
    let Some(bench) = bench() else { return };
    let users = [VIEWER, OPERATOR, RESTORER, ADMIN];
    let rank = |user: &str| users.iter().position(|known| *known == user).unwrap();
    for (least, args) in COMMANDS {
        // What is there to be asked about first, is told apart from what is refused.
        for user in users.into_iter().filter(|user| rank(user) + 1 == rank(least)) {
            let said = says(&bench, user, false, args, "x\n");
            let is_refused = said.stderr.contains("; this needs ") && said.code == 5;
            assert!(is_refused || (args.contains("none") && said.code == 1), "{user}: {args}: {said:?}");
        }
        let said = says(&bench, least, false, args, "x\n");
        assert!(!said.stderr.contains("; this needs "), "{least}: {args}: {said:?}");
        let said = says(&bench, NOBODY, false, args, "x\n");
        assert!(said.code == 5 && said.stderr.contains("has no role"), "{NOBODY}: {args}: {said:?}");
    }
    assert!(bench.ctl().ok(&["audit", "verify"]).contains("as it was written"));
}

#[test]
fn subjects_are_for_restorers_and_codes_for_operators() {
    let Some(bench) = bench() else { return };
    let failures = |user: &str| -> Value { serde_json::from_str(&says(&bench, user, false, "--json job failures all", "").stdout).unwrap() };
    let (shown, told) = (failures(OPERATOR), failures(RESTORER));
    assert_eq!(shown[0]["code"], told[0]["code"]);
    assert_eq!((shown[0]["item"].as_str(), shown[0]["folder"].as_str(), shown[0]["subject"].as_str()), (Some(""), Some(""), Some("")), "{shown}");
    assert!(!told[0]["item"].as_str().unwrap().is_empty() && told[0]["folder"] == "Inbox", "{told}");
    assert!(!shown.to_string().contains("AAMk") && !shown[0]["message"].as_str().unwrap().contains("fetch"), "{shown}");
}

#[test]
fn a_password_of_a_connection_is_given_once_in_a_session() {
    if !in_a_session("all::access::a_password_of_a_connection_is_given_once_in_a_session") {
        return;
    }
    let Some(bench) = bench() else { return };
    let create = format!("connection create mine --kind ews --url {} --user admin --password-file -", bench.lab.url);
    assert_eq!(says(&bench, ADMIN, false, &create, "secret\n").code, 0);
    assert_eq!(says(&bench, ADMIN, false, "connection password set mine --password-file -", "open sesame\n").code, 0);
    let job = |name: &str| format!("job create {name} --connection mine --storage main --all-except --one-time");
    let asked = says(&bench, OTHER_ADMIN, false, &job("a"), "");
    assert!(asked.code == 5 && asked.stderr.contains("c2bctl connection unlock mine"), "{asked:?}");
    let toml = "name = \"a\"\nconnection = \"mine\"\nstorage = \"main\"\ncontinuity = \"one-time\"\n[source]\nonly = [\"a@example.org\"]\n";
    let asked = says(&bench, OTHER_ADMIN, false, "job apply -f -", toml);
    assert!(asked.code == 5 && asked.stderr.contains("c2bctl connection unlock mine"), "{asked:?}");
    assert_eq!(says(&bench, OTHER_ADMIN, false, "connection unlock mine --password-file -", "close sesame\n").code, 5);
    assert_eq!(says(&bench, OTHER_ADMIN, false, "connection unlock mine --password-file -", "open sesame\n").code, 0);
    // The same session goes on; another one of the same user does not profit, nor does another user in the same session.
    assert_eq!(says(&bench, OTHER_ADMIN, false, &job("a"), "").code, 0);
    assert_eq!(says(&bench, OTHER_ADMIN, true, &job("b"), "").code, 5);
    assert_eq!(says(&bench, ADMIN, true, &job("c"), "").code, 0, "the owner is asked");
    assert_eq!(says(&bench, OTHER_ADMIN, false, "connection lock mine", "").code, 0);
    assert_eq!(says(&bench, OTHER_ADMIN, false, "job delete a --yes", "").code, 5);
    assert_eq!(bench.ctl().run(&["job", "delete", "a", "--yes"]).code, 0, "root is asked");
    let edited = says(&bench, ADMIN, false, "connection edit mine --new-password --mailboxes names", "");
    assert!(edited.code == 2 && edited.stderr.contains("no password is given"), "asked though there is no terminal: {edited:?}");
    assert_eq!(says(&bench, ADMIN, false, "connection edit mine --mailboxes names", "").code, 0);
    let recorded = bench.ctl().ok(&["audit", "show", "--action", "connection unlock"]);
    assert!(recorded.contains("failed: locked") && recorded.contains("done") && recorded.contains(OTHER_ADMIN), "{recorded}");
}

#[test]
fn who_leaves_at_the_last_word_has_seen_it_done() {
    let bench = Bench::company(1, 5, &[]);
    (0..8).for_each(|_| drop(bench.ctl().ok(&["storage", "check", "main"])));
    let outcomes = until("all that was done has an outcome", || {
        let records = bench.ctl().json(&["audit", "show", "--action", "storage check"]);
        let outcomes: Vec<String> = records.as_array()?.iter().filter_map(|record| Some(record["outcome"].as_str()?.to_owned())).collect();
        (outcomes.len() == 8).then_some(outcomes)
    });
    assert!(outcomes.iter().all(|outcome| outcome == "done"), "{outcomes:?}");
}
