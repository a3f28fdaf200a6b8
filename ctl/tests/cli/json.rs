//! With `--json`, standard output holds JSON only: for each command, when it succeeds and when it fails.

use crate::daemon::{Answer, Daemon};
use crate::run::{run, run_with_stdin};
use crate::sample;
use serde_json::{Value, json};

const CREATE: &str = "connection create main --kind ews --url https://mail.example.org/ --user backup --password-file -";

/// Each command that asks the daemon, and what it is answered.
fn table() -> Vec<(&'static str, &'static str, Answer)> {
    let ok = |value: Value| Answer::Json(200, value);
    vec![
        ("status", "GET /v1/status", ok(sample::status())),
        (CREATE, "POST /v1/connections", ok(sample::connection())),
        ("connection list", "GET /v1/connections", ok(json!([sample::connection()]))),
        ("connection show main", "GET /v1/connections/main", ok(sample::connection())),
        ("connection check main", "POST /v1/connections/main/check", ok(sample::check_report(true))),
        ("connection edit main --password-file -", "PUT /v1/connections/main", ok(sample::connection())),
        ("connection password set main --password-file -", "PUT /v1/connections/main/password", ok(sample::connection())),
        ("connection unlock main --password-file -", "POST /v1/connections/main/unlock", ok(sample::connection())),
        ("connection lock main", "POST /v1/connections/main/lock", ok(sample::connection())),
        ("access show", "GET /v1/access", ok(sample::access())),
        ("audit show", "GET /v1/audit?limit=50", ok(sample::audit())),
        ("audit verify", "GET /v1/audit/verify", ok(json!({ "intact": true, "records": 12, "files": 1, "last": 12, "problems": [] }))),
        ("connection delete main --yes", "DELETE /v1/connections/main", ok(json!({}))),
        ("storage create archive --path a", "POST /v1/storages", ok(sample::storage())),
        ("storage create archive a --seal --password-file -", "POST /v1/storages", ok(with_key(sample::storage_sealed()))),
        ("storage import archive a", "POST /v1/storages", ok(sample::storage())),
        ("storage rename archive attic", "PUT /v1/storages/archive", ok(sample::storage())),
        ("storage unlock archive --password-file -", "POST /v1/storages/archive/unlock", ok(sample::storage_sealed())),
        ("storage password list archive", "GET /v1/storages/archive/passwords", ok(sample::passwords())),
        ("storage password add archive --label anna --password-file -", "POST /v1/storages/archive/passwords/add", ok(sample::passwords())),
        ("storage password remove archive --label anna --yes", "POST /v1/storages/archive/passwords/remove", ok(sample::passwords())),
        ("storage recovery-key archive --yes", "POST /v1/storages/archive/recovery-key", ok(sample::recovery_key())),
        ("storage rotate-keys archive --yes", "POST /v1/storages/archive/rotate-keys", ok(sample::rotated(json!([])))),
        ("storage repair archive", "POST /v1/storages/archive/repair", Answer::Lines(vec![sample::progress(1), sample::repair_done(false)])),
        ("storage unprune archive", "POST /v1/storages/archive/unprune", ok(json!({ "versions": 55 }))),
        (
            "storage prune archive --dry-run",
            "POST /v1/storages/archive/prune",
            Answer::Lines(vec![sample::decision(1, "superseded-after"), sample::prune_done(true, 1)]),
        ),
        ("storage free archive", "POST /v1/storages/archive/free", Answer::Lines(vec![sample::progress(1), sample::free_done(false)])),
        ("storage erase archive alice@example.org --yes", "POST /v1/storages/archive/erase", Answer::Lines(vec![sample::erase_done(false)])),
        ("storage erased archive", "GET /v1/storages/archive/erased", ok(sample::erased(false))),
        ("storage allow archive alice@example.org", "POST /v1/storages/archive/allow", ok(sample::erased(true))),
        ("storage copy archive a", "POST /v1/storages/archive/copy", Answer::Lines(vec![sample::progress(1), sample::copy_done(4)])),
        ("storage list", "GET /v1/storages", ok(json!([sample::storage(), sample::storage_broken()]))),
        ("storage show archive", "GET /v1/storages/archive", ok(sample::storage())),
        ("storage check archive", "POST /v1/storages/archive/check", Answer::Lines(vec![sample::progress(1), sample::check_done(false)])),
        ("storage rebuild archive", "POST /v1/storages/archive/rebuild", Answer::Lines(vec![sample::progress(1), sample::rebuild_done(json!([]))])),
        ("storage delete archive --yes", "DELETE /v1/storages/archive", ok(json!({}))),
        ("job create nightly --connection main --storage archive --all-except --one-time", "POST /v1/jobs", ok(sample::job_new())),
        ("alert list", "GET /v1/alerts", ok(sample::alerts())),
        ("alert test", "POST /v1/alerts/test", ok(json!([{"channel": "mail", "to": "ann@example.org"}]))),
        ("config show", "GET /v1/config", ok(sample::config())),
        ("job list", "GET /v1/jobs", ok(json!([sample::job_running(7)]))),
        ("job show nightly", "GET /v1/jobs/nightly", ok(sample::job_running(7))),
        ("job start nightly", "POST /v1/jobs/nightly/start", ok(sample::job_running(0))),
        ("job stop nightly", "POST /v1/jobs/nightly/stop", ok(sample::job_finished())),
        ("job edit nightly --storage other", "PUT /v1/jobs/nightly", ok(sample::job_new())),
        ("job delete nightly --yes", "DELETE /v1/jobs/nightly", ok(json!({}))),
        ("job show nightly --toml", "GET /v1/jobs/nightly/definition", ok(json!({"text": "continuity = \"one-time\"\n"}))),
        ("job copy nightly weekly", "POST /v1/jobs/nightly/copy", ok(sample::job_new())),
        ("job rename nightly weekly", "POST /v1/jobs/nightly/rename", ok(sample::job_new())),
        ("job history nightly", "GET /v1/jobs/nightly/history?n=20", ok(sample::history())),
        ("job failures nightly --retry", "POST /v1/jobs/nightly/failures/retry", ok(json!({"items": 2}))),
        ("job failures nightly --acknowledge", "POST /v1/jobs/nightly/failures/acknowledge", ok(json!({"items": 1}))),
        ("job disable nightly", "PUT /v1/jobs/nightly", ok(sample::job_new())),
        ("job enable nightly", "PUT /v1/jobs/nightly", ok(sample::job_new())),
        ("job schedule nightly -n 2", "GET /v1/jobs/nightly/schedule?n=2", ok(sample::schedule())),
        ("job watch nightly", "GET /v1/jobs/nightly/watch", Answer::Lines(vec![sample::job_running(7), sample::job_finished()])),
        ("job failures nightly", "GET /v1/jobs/nightly/failures", ok(sample::failures())),
        ("job coverage nightly", "GET /v1/jobs/nightly/coverage", ok(sample::coverage())),
        ("connection public-folders main", "GET /v1/connections/main/public-folders", ok(json!([]))),
        ("mailbox list --connection main", "GET /v1/connections/main/mailboxes", ok(json!([]))),
    ]
}

/// Adds whose they are.
fn of_job(failures: &Value, job: &str) -> Value {
    let with = |failure: &Value| {
        let mut failure = failure.clone();
        failure["job"] = json!(job);
        failure
    };
    failures.as_array().unwrap().iter().map(with).collect()
}

#[test]
fn failures_of_all_jobs_say_whose_they_are() {
    let mut other = sample::job_new();
    other["definition"]["name"] = json!("weekly");
    let daemon = Daemon::new([
        ("GET /v1/jobs", Answer::Json(200, json!([sample::job_new(), other]))),
        ("GET /v1/jobs/nightly/failures", Answer::Json(200, sample::failures())),
        ("GET /v1/jobs/weekly/failures", Answer::Json(200, sample::failures())),
    ]);
    let told = run(&daemon, "--json job failures --mailbox BOB@example.org");
    let failures = told.values().remove(0);
    let of: Vec<(&str, &str)> =
        failures.as_array().unwrap().iter().map(|failure| (failure["job"].as_str().unwrap(), failure["mailbox"].as_str().unwrap())).collect();
    assert_eq!(of, [("nightly", "bob@example.org"), ("weekly", "bob@example.org")]);
    assert_eq!(run(&daemon, "job failures --retry").exit, 2);
}

fn with_key(mut storage: Value) -> Value {
    storage["recovery-key"] = sample::recovery_key()["recovery-key"].clone();
    storage
}

/// What commands ask before they do their work.
fn before() -> [(&'static str, Answer); 3] {
    [
        ("GET /v1/connections/main", Answer::Json(200, sample::connection())),
        ("GET /v1/storages/archive", Answer::Json(200, sample::storage())),
        ("GET /v1/jobs/nightly", Answer::Json(200, sample::job_running(7))),
    ]
}

#[test]
fn each_command_answers_in_json() {
    for (args, line, answer) in table() {
        let expected = match &answer {
            _ if args.contains(" delete ") => vec![json!({ "deleted": args.split(' ').nth(2) })],
            Answer::Json(_, value) if args == "job failures nightly" => vec![of_job(value, "nightly")],
            Answer::Json(_, value) => vec![value.clone()],
            Answer::Lines(lines) => lines.clone(),
            _ => unreachable!(),
        };
        let daemon = Daemon::new(before().into_iter().chain([(line, answer)]));
        let run = run_with_stdin(&daemon, &format!("--json {args}"), b"hunter2\n");
        assert_eq!((run.exit, run.values(), run.stderr.as_str()), (0, expected, ""), "{args}");
    }
}

#[test]
fn each_command_fails_in_json() {
    for (args, line, _) in table() {
        let daemon = Daemon::new(before().into_iter().chain([(line, Answer::Json(507, sample::error("low-space", "the disk is full", "make room")))]));
        let run = run_with_stdin(&daemon, &format!("{args} --json"), b"hunter2\n");
        let expected = json!({ "error": { "code": "low-space", "message": "the disk is full", "hint": "make room", "exit": 7 } });
        assert_eq!((run.exit, run.values(), run.stderr.as_str()), (7, vec![expected], "error: the disk is full\nhint: make room\n"), "{args}");
    }
}

#[test]
fn each_command_without_a_daemon_fails_in_json() {
    let dir = tempfile::tempdir().unwrap();
    for (args, ..) in table() {
        let mut command = crate::run::command(dir.path());
        let args = args.replace("--password-file -", "--password-file /dev/null");
        let output = command.args(["--json", "--socket", "/nowhere/c2bd.sock"]).args(args.split(' ')).output().unwrap();
        let run = crate::run::Run::of(&output, dir.path());
        let (code, exit) = if args.contains("/dev/null") && !args.contains(" edit ") { ("invalid", 2) } else { ("unreachable", 6) };
        assert_eq!((run.exit, run.values()[0]["error"]["code"].as_str(), run.values().len()), (exit, Some(code), 1), "{args}");
    }
}

#[test]
fn a_check_that_fails_half_way_ends_with_the_error() {
    for verb in ["check", "rebuild"] {
        let failed = json!({ "event": "failed", "error": sample::error("storage", "pack 77aa cannot be read", "look at the disk") });
        let line = if verb == "check" { "POST /v1/storages/archive/check" } else { "POST /v1/storages/archive/rebuild" };
        let whole = Daemon::new([(line, Answer::Lines(vec![sample::progress(1), failed]))]);
        let seen = run(&whole, &format!("storage {verb} archive --json"));
        let error = json!({ "error": { "code": "storage", "message": "pack 77aa cannot be read", "hint": "look at the disk", "exit": 1 } });
        assert_eq!((seen.exit, seen.values()), (1, vec![sample::progress(1), error]));
        for cut in [Answer::Cut(vec![sample::progress(1)], "{\"ev"), Answer::Lines(vec![sample::progress(1)]), Answer::Short(vec![sample::progress(1)], "{")] {
            let seen = run(&Daemon::new([(line, cut)]), &format!("storage {verb} archive --json"));
            assert_eq!((seen.exit, seen.values().len()), (6, 2), "{seen}");
            assert_eq!(seen.values()[1]["error"]["code"], "unreachable");
        }
    }
}

#[test]
fn a_check_that_finds_trouble_is_an_answer() {
    let daemon = Daemon::new([
        ("POST /v1/connections/main/check", Answer::Json(200, sample::check_report(false))),
        ("POST /v1/storages/archive/check", Answer::Lines(vec![sample::check_done(true)])),
        ("POST /v1/storages/archive/rebuild", Answer::Lines(vec![sample::rebuild_done(json!(["x"]))])),
    ]);
    for (args, exit, value) in [
        ("connection check main", 5, sample::check_report(false)),
        ("storage check archive", 1, sample::check_done(true)),
        ("storage rebuild archive", 3, sample::rebuild_done(json!(["x"]))),
    ] {
        let run = run(&daemon, &format!("{args} --json"));
        assert_eq!((run.exit, run.values()), (exit, vec![value]), "{args}");
    }
}

#[test]
fn completions_are_a_value() {
    let daemon = Daemon::new([]);
    for shell in ["bash", "fish", "zsh"] {
        let words = run(&daemon, &format!("completions {shell}"));
        assert!(words.exit == 0 && words.stdout.contains("C2BCTL_COMPLETE"), "{shell}");
        let value = run(&daemon, &format!("completions {shell} --json")).values().remove(0);
        assert_eq!((value["shell"].as_str(), value["script"].as_str().map(str::trim_end)), (Some(shell), Some(words.stdout.trim_end())));
    }
}
