//! On a terminal (one of `script`): colours, bars, questions.

use crate::daemon::{Answer, Daemon};
use crate::run::PROGRAM;
use crate::sample;
use serde_json::json;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

/// Runs the binary on a terminal of 100 columns; when the question appears, types the answer.
fn on_terminal(daemon: &Daemon, args: &str, environment: &str, question: &str, answer: &str) -> (String, i32) {
    let shell = format!("stty cols 100 rows 24; {environment} exec {PROGRAM} --socket {} {args}", daemon.socket().display());
    let mut command = Command::new("script");
    command.args(["-qec", &shell, "/dev/null"]).env_clear().env("PATH", "/usr/bin:/bin").env("TERM", "xterm").env("TZ", "UTC").env("SHELL", "/bin/sh");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut seen = Vec::new();
    let mut typed = question.is_empty();
    let mut buffer = [0; 4096];
    loop {
        match stdout.read(&mut buffer).unwrap_or(0) {
            0 => break,
            bytes => seen.extend_from_slice(&buffer[..bytes]),
        }
        if !typed && String::from_utf8_lossy(&seen).contains(question) {
            stdin.write_all(answer.as_bytes()).unwrap();
            typed = true;
        }
    }
    let text = String::from_utf8_lossy(&seen).replace("\r\n", "\n");
    assert!(typed, "the question was not asked: {text}");
    (text, child.wait().unwrap().code().unwrap())
}

fn daemon_with_storage() -> Daemon {
    Daemon::new([("GET /v1/storages/archive", Answer::Json(200, sample::storage())), ("DELETE /v1/storages/archive", Answer::Json(200, json!({})))])
}

#[test]
fn colours_appear_on_a_terminal_and_never_with_no_color() {
    let daemon = Daemon::new([("GET /v1/status", Answer::Json(200, sample::status()))]);
    let (text, exit) = on_terminal(&daemon, "status", "", "", "");
    assert_eq!(exit, 0);
    assert!(text.contains("\u{1b}[32mgood\u{1b}[0m"), "{text:?}");
    let (plain, exit) = on_terminal(&daemon, "status", "NO_COLOR=1", "", "");
    assert_eq!(exit, 0);
    assert!(plain.contains("good  c2bd 0.1.0") && !plain.contains('\u{1b}'), "{plain:?}");
}

#[test]
fn a_table_fits_the_terminal() {
    let daemon = Daemon::new([("GET /v1/status", Answer::Json(200, sample::status()))]);
    let (text, _) = on_terminal(&daemon, "status", "NO_COLOR=1", "", "");
    let tables = text.split("\n\n").skip(1).flat_map(str::lines);
    let widest = tables.map(|line| line.chars().count()).max().unwrap();
    assert!(widest <= 100, "{widest}:\n{text}");
}

#[test]
fn a_question_is_asked_before_something_is_deleted() {
    let daemon = daemon_with_storage();
    let (text, exit) = on_terminal(&daemon, "storage delete archive", "NO_COLOR=1", "[y/N]", "\n");
    assert_eq!(exit, 1);
    assert!(text.contains("Delete storage archive (its files stay where they are)? [y/N]") && text.contains("storage archive stays as it was"), "{text}");
    assert!(daemon.requests().iter().all(|request| !request.line.starts_with("DELETE")));
    let (text, exit) = on_terminal(&daemon, "storage delete archive", "NO_COLOR=1", "[y/N]", "yes\n");
    assert_eq!(exit, 0, "{text}");
    assert!(text.contains("deleted storage archive"), "{text}");
    assert!(daemon.requests().iter().any(|request| request.line.starts_with("DELETE")));
}

#[test]
fn a_password_is_asked_for_and_not_shown() {
    let daemon = Daemon::new([("POST /v1/connections", Answer::Json(200, sample::connection()))]);
    let args = "connection create main --kind ews --url https://mail.example.org/ --user backup";
    let (text, exit) = on_terminal(&daemon, args, "", "Password of backup: ", "hunter2\n");
    assert_eq!(exit, 0, "{text}");
    // `script` passes on what is typed; the terminal must not echo it.
    assert!(!text.contains("hunter2"), "{text}");
    assert_eq!(daemon.requests().last().unwrap().body["password"], "hunter2");
}

#[test]
fn editing_a_running_job_asks_to_stop_it() {
    let refused = Answer::Json(409, sample::error("state", "job nightly is running", "stop it, or say --stop"));
    let daemon = Daemon::new([("PUT /v1/jobs/nightly", refused)]);
    let (text, exit) = on_terminal(&daemon, "job edit nightly --storage other", "NO_COLOR=1", "[y/N]", "n\n");
    assert_eq!(exit, 1);
    assert!(text.contains("the edit is discarded; job nightly runs on as it was"), "{text}");
    assert_eq!(daemon.requests().len(), 1);
    on_terminal(&daemon, "job edit nightly --storage other", "NO_COLOR=1", "[y/N]", "y\n");
    assert_eq!(daemon.requests().last().unwrap().body, json!({ "storage": "other", "stop": true }));
}

#[test]
fn bars_show_each_mailbox_and_the_total_and_make_room_for_the_summary() {
    let daemon = Daemon::new([
        ("POST /v1/jobs/nightly/start", Answer::Json(200, sample::job_running(0))),
        ("GET /v1/jobs/nightly/watch", Answer::Lines(vec![sample::job_running(500), sample::job_finished()])),
    ]);
    let (text, exit) = on_terminal(&daemon, "job start nightly --wait", "", "", "");
    assert_eq!(exit, 0);
    assert!(text.contains("nightly") && text.contains("0 of 2 mailboxes done, 500 items left, 1 min 35 s to go"), "{text:?}");
    assert!(text.contains("  alice@example.org") && text.contains("500 left, 500 stored, 0 failed"), "{text:?}");
    assert!(text.contains("job nightly finished: 2 mailboxes, 1,000 scanned"), "{text:?}");
}
