//! `job start --wait` and `job watch` where there is no terminal, and how a run's end becomes an exit code.

use crate::daemon::{Answer, Daemon};
use crate::run::{Run, command, run};
use crate::sample;
use insta::assert_snapshot;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

fn daemon(watch: Answer) -> Daemon {
    Daemon::new([
        ("POST /v1/jobs/nightly/start", Answer::Json(200, sample::job_running(0))),
        ("GET /v1/jobs/nightly", Answer::Json(200, sample::job_running(0))),
        ("GET /v1/jobs/nightly/watch", watch),
    ])
}

fn waited(last: Value) -> Run {
    let mut run = run(&daemon(Answer::Lines(vec![sample::job_running(10), last])), "job start nightly --wait");
    // On a machine that is busy for a second there is a line of progress.
    run.stdout = run.stdout.lines().filter(|line| !line.starts_with("nightly: ")).map(|line| format!("{line}\n")).collect();
    run
}

#[test]
fn finished() {
    assert_snapshot!(waited(sample::job_finished()), @"
    exit 0
    --- stdout
    job nightly finished: 2 mailboxes, 1,000 scanned, 1,000 stored, 0 failed, 19.1 MiB (6.7 MiB new) in 2 min 05 s, 1.0 MiB/s
    ");
}

#[test]
fn finished_with_warnings() {
    let problems = json!([sample::problem("carol@example.org", "no-mailbox", "there is no such mailbox", "correct the address with `c2bctl job edit`")]);
    assert_snapshot!(waited(sample::job_ended("finished-with-warnings", "", 2, problems)), @"
    exit 3
    --- stdout
    job nightly finished with warnings: 2 mailboxes, 998 scanned, 998 stored, 2 failed, 19.0 MiB (6.7 MiB new) in 2 min 05 s, 1.0 MiB/s
    --- stderr
    warning: carol@example.org: there is no such mailbox (no-mailbox)
    hint: correct the address with `c2bctl job edit`
    warning: job nightly finished with warnings: 2 items could not be backed up
    hint: see which with `c2bctl job failures nightly`
    ");
}

#[test]
fn sign_in_is_refused() {
    let problems = json!([
        sample::problem("alice@example.org", "server", "no answer", ""),
        sample::problem("", "sign-in", "the server refused the password", "give the right one")
    ]);
    assert_snapshot!(waited(sample::job_ended("error", "the server refused the password of backup", 0, problems)), @"
    exit 5
    --- stdout
    job nightly failed: 2 mailboxes, 1,000 scanned, 1,000 stored, 0 failed, 19.1 MiB (6.7 MiB new) in 2 min 05 s, 1.0 MiB/s
    --- stderr
    warning: alice@example.org: no answer (server)
    error: job nightly failed: the server refused the password
    hint: give the right one
    ");
}

#[test]
fn the_disk_is_full() {
    let problems = json!([sample::problem("", "low-space", "12 MB are left", "make room in /srv/backup")]);
    assert_snapshot!(waited(sample::job_ended("error", "", 0, problems)), @"
    exit 7
    --- stdout
    job nightly failed: 2 mailboxes, 1,000 scanned, 1,000 stored, 0 failed, 19.1 MiB (6.7 MiB new) in 2 min 05 s, 1.0 MiB/s
    --- stderr
    error: job nightly failed: 12 MB are left
    hint: make room in /srv/backup
    ");
}

#[test]
fn another_error() {
    let run = waited(sample::job_ended("error", "mail.example.org cannot be reached", 0, json!([])));
    assert_eq!(run.exit, 1);
    assert!(run.stderr.contains("error: job nightly failed: mail.example.org cannot be reached\n"), "{run}");
}

#[test]
fn stopped_by_somebody() {
    assert_snapshot!(waited(sample::job_ended("inactive", "stopped by anna", 0, json!([]))), @"
    exit 1
    --- stdout
    job nightly was stopped: 2 mailboxes, 1,000 scanned, 1,000 stored, 0 failed, 19.1 MiB (6.7 MiB new) in 2 min 05 s, 1.0 MiB/s
    --- stderr
    error: job nightly did not finish: stopped by anna
    hint: go on with `c2bctl job start nightly`
    ");
    let mut continuous = sample::job_ended("inactive", "stopped by anna", 0, json!([]));
    continuous["definition"]["continuity"] = json!({ "continuous": { "idle": "00:01:00" } });
    assert_eq!(waited(continuous.clone()).exit, 0, "being stopped is how a continuous job ends");
    continuous["failures"] = json!(1);
    assert_eq!(waited(continuous).exit, 3);
}

#[test]
fn many_problems_are_cut_short() {
    let problems: Vec<Value> = (0..25).map(|n| sample::problem(&format!("u{n}@example.org"), "server", "no answer", "")).collect();
    let run = waited(sample::job_ended("finished-with-warnings", "", 0, Value::Array(problems)));
    assert_eq!(run.stderr.matches("no answer").count(), 10);
    assert!(run.stderr.contains("warning: 15 more like these\n"), "{run}");
}

#[test]
fn json_passes_through() {
    let lines = vec![sample::job_running(10), sample::job_running(20), sample::job_finished()];
    let daemon = daemon(Answer::Lines(lines.clone()));
    for args in ["job start nightly --wait --json", "job watch nightly --json"] {
        let run = run(&daemon, args);
        assert_eq!((run.exit, run.values(), run.stderr.as_str()), (0, lines.clone(), ""), "{args}");
    }
}

#[test]
fn json_of_a_failed_run_ends_with_the_job() {
    let last = sample::job_ended("error", "no rights", 0, json!([sample::problem("", "forbidden", "no rights", "")]));
    let run = run(&daemon(Answer::Lines(vec![last.clone()])), "job start nightly --wait --json");
    assert_eq!((run.exit, run.values()), (5, vec![last]));
    assert!(run.stderr.starts_with("error: job nightly failed: no rights\n"), "{run}");
}

#[test]
fn the_daemon_dies() {
    let cuts = [
        Answer::Cut(vec![sample::job_running(10)], ""),
        Answer::Cut(vec![sample::job_running(10)], "{\"definition\":{\"na"),
        Answer::Short(vec![sample::job_running(10)], "{\"definition\":{\"na"),
        // The stream ends properly, but the job still runs.
        Answer::Lines(vec![sample::job_running(10)]),
    ];
    for cut in cuts {
        let daemon = daemon(cut);
        let json = run(&daemon, "job watch nightly --json");
        let values = json.values();
        assert_eq!((json.exit, values.len(), &values[0]), (6, 2, &sample::job_running(10)), "{json}");
        assert_eq!(values[1]["error"]["code"], "unreachable");
        let words = run(&daemon, "job watch nightly");
        assert_eq!(words.exit, 6, "{words}");
        assert!(words.stderr.starts_with("error: c2bd went away in the middle of its answer\nhint: "), "{words}");
    }
    let nothing = run(&daemon(Answer::Lines(vec![])), "job watch nightly");
    assert_eq!(nothing.exit, 6, "{nothing}");
}

#[test]
fn a_line_that_is_not_json_is_told() {
    let run = run(&daemon(Answer::Lines(vec![json!("hello")])), "job watch nightly");
    assert_eq!(run.exit, 1);
    assert!(run.stderr.starts_with("error: failed to understand the daemon's answer: "), "{run}");
}

#[test]
fn watching_a_job_that_does_not_run_tells_how_it_ended() {
    let daemon = Daemon::new([("GET /v1/jobs/nightly", Answer::Json(200, sample::job_finished()))]);
    assert_snapshot!(run(&daemon, "job watch nightly"), @"
    exit 0
    --- stdout
    job nightly finished: 2 mailboxes, 1,000 scanned, 1,000 stored, 0 failed, 19.1 MiB (6.7 MiB new) in 2 min 05 s, 1.0 MiB/s
    --- stderr
    job nightly does not run: this is how its last run ended
    ");
    let run = run(&daemon, "job watch nightly --json");
    assert_eq!((run.exit, run.values()), (0, vec![sample::job_finished()]));
}

#[test]
fn all_running_jobs_are_watched_and_the_worst_end_counts() {
    let named = |mut job: Value, name: &str| {
        job["definition"]["name"] = json!(name);
        job
    };
    let bad = sample::job_ended("finished-with-warnings", "", 1, json!([]));
    let daemon = Daemon::new([
        ("GET /v1/jobs", Answer::Json(200, json!([named(sample::job_running(1), "a"), named(sample::job_running(1), "b"), sample::job_new()]))),
        ("GET /v1/jobs/a/watch", Answer::Lines(vec![named(bad, "a")])),
        ("GET /v1/jobs/b/watch", Answer::Lines(vec![named(sample::job_finished(), "b")])),
    ]);
    let run = run(&daemon, "job watch");
    assert_eq!(run.exit, 3, "{run}");
    assert!(run.stdout.contains("job a finished with warnings: ") && run.stdout.contains("job b finished: "), "{run}");
}

#[test]
fn waiting_for_a_job_that_runs_already_waits_for_that_run() {
    let refused = Answer::Json(409, sample::error("state", "job nightly is running already", "see `c2bctl job watch nightly`"));
    let lines = vec![sample::job_running(10), sample::job_finished()];
    let daemon = |status: Value| {
        Daemon::new([
            ("POST /v1/jobs/nightly/start", refused.clone()),
            ("GET /v1/jobs/nightly", Answer::Json(200, status)),
            ("GET /v1/jobs/nightly/watch", Answer::Lines(lines.clone())),
        ])
    };
    let waited = run(&daemon(sample::job_running(5)), "job start nightly --wait --json");
    assert_eq!((waited.exit, waited.values()), (0, lines.clone()));
    assert_eq!(waited.stderr, "job nightly is running already: this is the run that goes on\n");
    assert_eq!(run(&daemon(sample::job_running(5)), "job start nightly").exit, 1);
    assert_eq!(run(&daemon(sample::job_new()), "job start nightly --wait").exit, 1, "refused for another reason");
}

#[test]
fn ctrl_c_leaves_the_job_running() {
    let daemon = daemon(Answer::Endless(vec![sample::job_running(100)]));
    let mut command = command(daemon.dir());
    command.arg("--socket").arg(daemon.socket()).args(["job", "start", "nightly", "--wait"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert_snapshot!(line, @"nightly: cycle 1, running: 0 of 2 mailboxes done, 900 items left, 1 min 35 s to go; 100 stored, 0 failed, 1,000 known, 1.9 MiB, 1.0 MiB/s");
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGINT).unwrap();
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_snapshot!(stderr, @"job nightly runs on: watch it with `c2bctl job watch nightly`, stop it with `c2bctl job stop nightly`");
    assert!(daemon.requests().iter().all(|request| !request.line.contains("stop")));
}

#[test]
fn lines_come_once_a_second_at_most() {
    let daemon = daemon(Answer::Lines((0..1000).map(sample::job_running).chain([sample::job_finished()]).collect()));
    let run = run(&daemon, "job start nightly --wait");
    assert_eq!(run.exit, 0);
    assert!(run.stdout.lines().count() < 20, "{run}");
}

#[test]
fn a_job_that_waits_for_its_activity_period_is_no_failure() {
    let mut waiting = sample::job_running(7);
    (waiting["running"], waiting["detail"], waiting["next-run"]) = (json!(false), json!("paused until 22:00"), json!("2026-11-22T22:00:00Z"));
    let show = ("GET /v1/jobs/nightly", Answer::Json(200, waiting.clone()));
    let watched = run(&Daemon::new([show]), "job watch nightly");
    assert!(watched.exit == 0 && watched.stderr.contains("job nightly does not run now: paused until 22:00"), "{watched}");
    // Its period ended while somebody waited.
    let waited = run(&daemon(Answer::Lines(vec![sample::job_running(5), waiting])), "job start nightly --wait");
    assert!(waited.exit == 0 && waited.stdout.contains("job nightly does not run now"), "{waited}");
}
