//! On a terminal (one of `script`): colours, bars, questions.

use crate::daemon::{Answer, Daemon};
use crate::run::PROGRAM;
use crate::sample;
use serde_json::json;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Longest wait for a question.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs the binary on a terminal of 100 columns; when the question appears, types the answer.
fn on_terminal(daemon: &Daemon, args: &str, environment: &str, question: &str, answer: &str) -> (String, i32) {
    terminal_of(Path::new(PROGRAM), daemon, args, environment, question, answer)
}

/// The same with a copy of the binary.
pub(crate) fn terminal_of(program: &Path, daemon: &Daemon, args: &str, environment: &str, question: &str, answer: &str) -> (String, i32) {
    let shell = format!("stty cols 100 rows 24; {environment} exec {} --socket {} {args}", program.display(), daemon.socket().display());
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

/// Runs the binary on a terminal and types each answer when its question appears after the one before.
fn converse(daemon: &Daemon, args: &str, answers: &[(&str, &str)]) -> (String, i32) {
    let shell = format!("stty cols 120 rows 40; NO_COLOR=1 exec {PROGRAM} --socket {} {args}", daemon.socket().display());
    let mut command = Command::new("script");
    command.args(["-qec", &shell, "/dev/null"]).env_clear().env("PATH", "/usr/bin:/bin").env("TERM", "xterm").env("TZ", "UTC").env("SHELL", "/bin/sh");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let (sender, chunks) = mpsc::channel();
    let reader = thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(bytes @ 1..) = stdout.read(&mut buffer) {
            if sender.send(buffer[..bytes].to_vec()).is_err() {
                return;
            }
        }
    });
    let (mut seen, mut from, mut answers) = (String::new(), 0, answers.iter().peekable());
    loop {
        match chunks.recv_timeout(PATIENCE) {
            Ok(bytes) => seen.push_str(&String::from_utf8_lossy(&bytes)),
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                child.kill().unwrap();
                panic!("still not asked: {:?}\n{:?}", answers.peek(), &seen[from..]);
            }
        }
        while let Some((question, answer)) = answers.peek()
            && let Some(at) = seen[from..].find(question)
        {
            from += at + question.len();
            stdin.write_all(answer.as_bytes()).unwrap();
            answers.next();
        }
    }
    reader.join().unwrap();
    assert!(answers.next().is_none(), "not asked: {:?}\n{seen}", answers.collect::<Vec<_>>());
    (seen.replace("\r\n", "\n"), child.wait().unwrap().code().unwrap())
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
fn a_definition_is_edited_until_it_is_taken_or_kept() {
    let bad = Answer::Json(422, sample::error("config", "the definition:1: unknown field `x`", "did you mean `y`?"));
    let text = Answer::Json(200, json!({"text": "continuity = \"one-time\"\n"}));
    let daemon = Daemon::new([("GET /v1/jobs/nightly/definition", text.clone()), ("POST /v1/apply", bad)]);
    let editor = "NO_COLOR=1 EDITOR='sed -i s/one-time/x/'";
    let (said, exit) = on_terminal(&daemon, "job edit nightly", editor, "[Y/n]", "n\n");
    assert!(exit == 1 && said.contains("unknown field `x`") && said.contains("did you mean `y`?"), "{said}");
    let kept = said.split("what you wrote is in ").nth(1).unwrap().lines().next().unwrap().trim();
    assert_eq!(std::fs::read_to_string(kept).unwrap(), "continuity = \"x\"\n");
    std::fs::remove_file(kept).unwrap();
    let taken = Answer::Json(200, json!([{"name": "nightly", "outcome": "changed"}]));
    let daemon = Daemon::new([("GET /v1/jobs/nightly/definition", text.clone()), ("POST /v1/apply", taken)]);
    let (said, exit) = on_terminal(&daemon, "job edit nightly", editor, "", "");
    assert!(exit == 0 && said.contains("changed job nightly"), "{said}");
    assert_eq!(daemon.requests().last().unwrap().body, json!({"text": "continuity = \"x\"\n", "only": "nightly"}));
    let (said, exit) = on_terminal(&daemon, "job edit nightly", "NO_COLOR=1 EDITOR=true", "", "");
    assert!(exit == 1 && said.contains("nothing was changed; job nightly stays as it was"), "{said}");
    let (said, exit) = on_terminal(&daemon, "job edit nightly", "NO_COLOR=1 EDITOR=/nowhere/editor", "", "");
    assert!(exit == 1 && said.contains("failed to start /nowhere/editor"), "{said}");
}

const DOWN: &str = "\u{1b}[B";

#[test]
fn a_job_is_made_by_answering_questions() {
    let mailbox = |address: &str, skipped: Option<&str>| json!({"address": address, "display-name": "A", "kind": "user", "skipped": skipped});
    let mut armed = sample::job_new();
    armed["definition"]["activity"] = json!({"daily": {}});
    armed["detail"] = json!("starts at 2026-11-22 22:00 +01:00");
    armed["next-run"] = json!("2026-11-22T21:00:00Z");
    let daemon = Daemon::new([
        ("GET /v1/connections", Answer::Json(200, json!([sample::connection()]))),
        ("GET /v1/storages", Answer::Json(200, json!([sample::storage()]))),
        ("GET /v1/jobs", Answer::Json(200, json!([sample::job_new()]))),
        (
            "GET /v1/connections/main/mailboxes",
            Answer::Json(200, json!([mailbox("alice@example.org", None), mailbox("bob@example.org", None), mailbox("health@example.org", Some("system"))])),
        ),
        ("POST /v1/jobs", Answer::Json(200, armed)),
    ]);
    let (text, exit) = converse(
        &daemon,
        "job new",
        &[
            ("enter to choose", "\r"),
            ("Name:", "nightly\r"),
            // The name is taken; it can be mended.
            ("there is a job nightly already", "2\r"),
            ("> Connection", DOWN),
            ("> Mailboxes", "\r"),
            ("only some, and I type", &format!("{DOWN}{DOWN}\r")),
            ("Mailboxes to back up", "bob"),
            ("> [ ] bob@example.org", " "),
            ("[x] bob@example.org", "\r"),
            ("> Public folders", &DOWN.repeat(3)),
            ("> Active", "\r"),
            ("on days of the month", &format!("{DOWN}\r")),
            ("From when to when", &format!("{}22:00-06:00\r", "\u{7f}".repeat(11))),
            ("Every how many days", "\r"),
            ("First day", "\r"),
            ("Last day", "\r"),
            ("Time zone", "Europe/Warsaw\r"),
            ("Make good for a period", "y\r"),
            ("> Items", &DOWN.repeat(2)),
            ("> Save", "\r"),
            ("Save this job?", "\r"),
        ],
    );
    assert_eq!(exit, 0, "{text}");
    assert!(text.contains("made job nightly; it starts at 2026-11-22 22:00 +01:00"), "{text}");
    assert!(!text.contains("health@example.org"), "a mailbox that is not backed up was offered");
    let body = daemon.requests().last().unwrap().body.clone();
    assert_eq!(
        body,
        json!({
            "name": "nightly2", "connection": "main", "storage": "archive", "source": {"only": ["bob@example.org"]},
            "continuity": {"continuous": {"idle": "00:01:00"}},
            "activity": {"time-zone": "Europe/Warsaw", "catch-up": true, "daily": {"from": "22:00", "to": "06:00"}}
        })
    );
}

#[test]
fn what_is_missing_is_asked_for_and_leaving_makes_nothing() {
    let daemon = Daemon::new([
        ("GET /v1/connections", Answer::Json(200, json!([sample::connection()]))),
        ("GET /v1/storages", Answer::Json(200, json!([sample::storage()]))),
        ("GET /v1/jobs", Answer::Json(200, json!([]))),
    ]);
    let down = DOWN.repeat(9);
    let up = "\u{1b}[A\r";
    // Keys that come before a question is asked are lost.
    let answers = [("enter to choose", down.as_str()), ("> Save", "\r"), ("Name is still to be said", ""), ("enter to choose", up)];
    let (text, exit) = converse(&daemon, "job new", &answers);
    assert!(exit == 1 && text.contains("no job was made"), "{text}");
    assert!(daemon.requests().iter().all(|request| request.line.starts_with("GET")));
    let empty = Daemon::new([
        ("GET /v1/connections", Answer::Json(200, json!([]))),
        ("GET /v1/storages", Answer::Json(200, json!([]))),
        ("GET /v1/jobs", Answer::Json(200, json!([]))),
    ]);
    let (text, exit) = converse(&empty, "job new", &[]);
    assert!(exit == 2 && text.contains("there is no connection yet") && text.contains("c2bctl connection create"), "{text}");
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
