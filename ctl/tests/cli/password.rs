//! Where a password may come from, and where not.

use crate::daemon::{Answer, Daemon};
use crate::run::{Run, run, run_with_stdin};
use crate::sample;
use insta::assert_snapshot;
use std::fs;
use std::os::unix::fs::PermissionsExt;

const CREATE: &str = "connection create main --kind ews --url https://mail.example.org/EWS/Exchange.asmx --user backup";

fn daemon() -> Daemon {
    Daemon::new([("POST /v1/connections", Answer::Json(200, sample::connection()))])
}

/// Writes a password file with a mode and makes a connection with it.
fn create(daemon: &Daemon, text: &[u8], mode: u32) -> Run {
    let file = daemon.dir().join("pw");
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, PermissionsExt::from_mode(mode)).unwrap();
    run(daemon, &format!("{CREATE} --password-file pw"))
}

#[test]
fn a_file_that_others_can_read_is_refused() {
    let daemon = daemon();
    for mode in [0o644, 0o640, 0o604, 0o620, 0o660, 0o601, 0o666] {
        let run = create(&daemon, b"hunter2", mode);
        assert_eq!(run.exit, 2, "{mode:o}: {run}");
        assert!(daemon.requests().is_empty(), "{mode:o}");
    }
    assert_snapshot!(create(&daemon, b"hunter2", 0o644), @"
    exit 2
    --- stderr
    error: others can read the password file pw (mode 0644)
    hint: make it yours alone with `chmod 600 pw`
    ");
    for mode in [0o600, 0o400, 0o700] {
        assert_eq!(create(&daemon, b"hunter2", mode).exit, 0, "{mode:o}");
    }
}

#[test]
fn a_password_is_taken_without_its_line_break_and_nothing_else() {
    let daemon = daemon();
    for (text, password) in [("hunter2", "hunter2"), ("hunter2\n", "hunter2"), ("hunter2\r\n", "hunter2"), (" zażółć \t\n", " zażółć \t")] {
        assert_eq!(create(&daemon, text.as_bytes(), 0o600).exit, 0);
        assert_eq!(daemon.requests().last().unwrap().body["password"], password);
    }
}

#[test]
fn what_cannot_be_a_password_is_refused() {
    let daemon = daemon();
    for (text, exit) in [(&b""[..], 2), (b"\n", 2), (b"a\nb\n", 2), (b"\xff\xfe", 1), (&[b'x'; 70_000], 2)] {
        let run = create(&daemon, text, 0o600);
        assert_eq!(run.exit, exit, "{run}");
    }
    assert!(daemon.requests().is_empty());
    assert_snapshot!(run(&daemon, &format!("{CREATE} --password-file missing")), @"
    exit 1
    --- stderr
    error: failed to read the password from missing: No such file or directory (os error 2)
    ");
}

#[test]
fn standard_input_is_read() {
    let daemon = daemon();
    assert_eq!(run_with_stdin(&daemon, &format!("{CREATE} --password-file -"), b"hunter2\n").exit, 0);
    assert_eq!(daemon.requests().last().unwrap().body["password"], "hunter2");
}

#[test]
fn nobody_can_be_asked_without_a_terminal() {
    let daemon = daemon();
    assert_snapshot!(run(&daemon, CREATE), @"
    exit 2
    --- stderr
    error: no password is given
    hint: name a file that only you can read with --password-file FILE, or pass it on standard input with --password-file -
    ");
    assert!(daemon.requests().is_empty());
}

#[test]
fn no_flag_takes_a_password() {
    let daemon = daemon();
    assert_eq!(run(&daemon, &format!("{CREATE} --password hunter2")).exit, 2);
    assert!(daemon.requests().is_empty());
}

#[test]
fn a_password_is_never_said_again() {
    let daemon = Daemon::new([("POST /v1/connections", Answer::Json(409, sample::error("exists", "there is a connection main", "")))]);
    for args in ["", " --json"] {
        let run = run_with_stdin(&daemon, &format!("{CREATE} --password-file -{args}"), b"hunter2\n");
        assert!(!run.to_string().contains("hunter2"), "{run}");
    }
}
