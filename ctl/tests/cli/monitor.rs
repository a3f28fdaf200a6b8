//! What Nagios sees.

use crate::daemon::{Answer, Daemon};
use crate::run::{Run, command, run};
use crate::sample;
use serde_json::json;

fn daemon(status: u16, answer: serde_json::Value) -> Daemon {
    Daemon::new([("GET /v1/status", Answer::Json(status, answer))])
}

#[test]
fn one_line_and_the_exit_code_of_a_plugin() {
    let mut status = sample::status();
    status["jobs"] = json!([sample::job_finished()]);
    status["storages"] = json!([sample::storage()]);
    status["bad-news"] = json!([]);
    let ok = run(&daemon(200, status.clone()), "monitor");
    assert_eq!((ok.exit, ok.stderr.as_str()), (0, ""));
    assert!(
        ok.stdout.starts_with("C2B OK - 1 job, all backed up within ") && ok.stdout.contains(" | 'nightly age'=") && ok.stdout.lines().count() == 1,
        "{ok}"
    );
    status["now"] = json!("2026-11-23T22:11:00Z");
    let critical = run(&daemon(200, status.clone()), "monitor --max-age 26h --job nightly");
    assert_eq!(critical.exit, 2, "{critical}");
    assert_eq!(run(&daemon(200, status.clone()), "monitor --max-age 3d").exit, 0);
    let json = run(&daemon(200, status), "--json monitor");
    assert_eq!((json.exit, json.values()[0]["state"].as_str()), (2, Some("CRITICAL")), "{json}");
}

#[test]
fn no_daemon_is_critical_and_no_answer_unknown() {
    let dir = tempfile::tempdir().unwrap();
    let output = command(dir.path()).args(["--socket", "missing.sock", "monitor"]).output().unwrap();
    let gone = Run::of(&output, dir.path());
    assert!(gone.exit == 2 && gone.stdout.starts_with("C2B CRITICAL - failed to reach c2bd"), "{gone}");
    let refused = run(&daemon(403, json!({ "code": "auth", "message": "viewers only", "hint": "" })), "monitor");
    assert!(refused.exit == 3 && refused.stdout.starts_with("C2B UNKNOWN - viewers only"), "{refused}");
    let usage = run(&daemon(200, sample::status()), "monitor --max-age soon");
    assert_eq!(usage.exit, 3, "{usage}");
    let missing = run(&daemon(200, sample::status()), "monitor --job wrong");
    assert!(missing.exit == 3 && missing.stdout.contains("there is no job wrong"), "{missing}");
}
