//! The table of exit codes in `c2bctl --help`, row by row: each brought about for real, and what JSON, state and metrics say of
//! it is the same.

use super::letters::letter;
use c2b_tests::{Bench, Ctl, Outcome, until};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

const ANNA: &str = "anna@example.org";

/// What is done, its exit code, and the code in JSON; none where the answer is no error.
struct Row {
    does: &'static str,
    exit: i32,
    code: Option<&'static str>,
}

const fn row(does: &'static str, exit: i32, code: Option<&'static str>) -> Row {
    Row { does, exit, code }
}

/// Everything but runs of jobs and full disks; `DIR` is the test's folder.
const ROWS: &[Row] = &[
    row("status", 0, None),
    row("config check DIR/etc", 0, None),
    row("--help", 0, None),
    row("job show none", 1, Some("not-found")),
    row("storage create main DIR/elsewhere", 1, Some("exists")),
    row("job stop good", 1, Some("state")),
    row("connection check nobody", 1, None),
    row("storage create full DIR/etc", 1, Some("storage")),
    row("job frobnicate", 2, Some("invalid")),
    row("job create x --connection lab --storage main --one-time", 2, Some("invalid")),
    row("job create ../x --connection lab --storage main --mailbox a@example.org --one-time", 2, Some("invalid")),
    row("job delete good", 2, Some("invalid")),
    row("connection unlock lab --password-file DIR/open", 2, Some("invalid")),
    row("explain nonsense", 2, Some("invalid")),
    row("config check DIR/wrong.toml", 4, None),
    row("job apply -f DIR/wrong.toml", 4, Some("config")),
    row("connection check refused", 5, None),
    row("storage unlock sealed --password-file DIR/password", 5, Some("locked")),
    row("--socket DIR/none.sock status", 6, Some("unreachable")),
    row("--socket DIR/etc status", 6, Some("unreachable")),
];

fn bench() -> Bench {
    let faults = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(faults.path(), "[[fault]]\nmailbox = 'bob@example.org'\nitem_subject = 'letter 1'\naction = 'item-error'\ncode = 'ErrorItemCorrupt'\n")
        .unwrap();
    let fill = |org: &Path| {
        for mailbox in [ANNA, "bob@example.org"] {
            (0..3).for_each(|n| letter(org, mailbox, n, 1, 100));
        }
    };
    let bench = Bench::organisation(fill, &["--faults", faults.path().to_str().unwrap()]);
    let ctl = bench.ctl();
    bench.write_password("wrong");
    let connect = |name: &str, url: &str| {
        ctl.ok(&["connection", "create", name, "--kind", "ews", "--url", url, "--user", "admin", "--password-file", &bench.text("password")]);
    };
    connect("refused", &bench.lab.url);
    connect("nobody", "http://127.0.0.1:1/EWS/Exchange.asmx");
    bench.write_password("correct horse battery");
    ctl.ok(&["storage", "create", "sealed", &bench.text("sealed"), "--seal", "--password-file", &bench.text("password")]);
    bench.write_password("another password");
    std::fs::write(bench.path("open"), "for all to read").unwrap();
    std::fs::write(bench.path("wrong.toml"), "[[job]]\nname = \"x\"\nconection = \"lab\"\n").unwrap();
    for (job, connection, mailbox) in [("good", "lab", ANNA), ("warned", "lab", "bob@example.org"), ("gone", "nobody", ANNA), ("denied", "refused", ANNA)] {
        ctl.ok(&["job", "create", job, "--connection", connection, "--storage", "main", "--mailbox", mailbox, "--one-time"]);
    }
    bench
}

/// Runs a line with and without `--json`: both end alike, and the JSON says the same.
#[track_caller]
fn holds(ctl: &Ctl, dir: &str, Row { does, exit, code }: &Row) {
    let does = does.replace("DIR", dir);
    let mut plain: Vec<&str> = does.split(' ').collect();
    let mut ctl = ctl.clone();
    if let ["--socket", socket, ..] = plain[..] {
        ctl = Ctl::new(Path::new(socket));
        plain.drain(..2);
    }
    let outcome = ctl.run(&plain);
    assert_eq!(outcome.code, *exit, "{does}: {outcome:#?}");
    let all: Vec<&str> = plain.iter().copied().chain(["--json"]).collect();
    let json = ctl.run(&all);
    assert_eq!(json.code, *exit, "{does} --json: {json:#?}");
    if let Some(code) = code {
        let error = &last(&json)["error"];
        assert_eq!((error["code"].as_str(), error["exit"].as_i64()), (Some(*code), Some((*exit).into())), "{does}: {json:#?}");
        assert!(outcome.stderr.contains("error: "), "{does}: {outcome:#?}");
    }
}

fn last(outcome: &Outcome) -> Value {
    let line = outcome.stdout.lines().last().unwrap_or_else(|| panic!("nothing was printed: {outcome:#?}"));
    serde_json::from_str(line).unwrap()
}

#[test]
fn each_row_of_the_table_is_true() {
    let bench = bench();
    let ctl = bench.ctl();
    let dir = bench.text("").trim_end_matches('/').to_owned();
    for row in ROWS {
        holds(&ctl, &dir, row);
    }
    // Runs: the command that waits, the one that looks later, the state, the history and the metrics are of one mind.
    let mut seen: BTreeSet<i32> = ROWS.iter().map(|row| row.exit).collect();
    for (job, exit, state, end) in [
        ("good", 0, "finished", "finished"),
        ("warned", 3, "finished-with-warnings", "finished-with-warnings"),
        ("gone", 1, "error", "failed"),
        ("denied", 5, "error", "failed"),
    ] {
        let waited = ctl.run(&["job", "start", job, "--wait"]);
        assert_eq!(waited.code, exit, "{job}: {waited:#?}");
        let watched = ctl.run(&["job", "watch", job, "--json"]);
        assert_eq!((watched.code, last(&watched)["state"].as_str()), (exit, Some(state)), "{job}: {watched:#?}");
        let shown = ctl.json(&["job", "show", job]);
        assert_eq!(shown["state"], state, "{job}");
        assert_eq!(shown["last-success"].is_string(), exit == 0 || exit == 3, "{job}: {shown}");
        assert_eq!(ctl.json(&["job", "history", job])[0]["end"], end, "{job}");
        let metrics = ctl.ok(&["metrics"]);
        assert!(metrics.contains(&format!("c2b_job_state{{job=\"{job}\",state=\"{state}\"}} 1")), "{job}: {metrics}");
        assert!(metrics.contains(&format!("c2b_job_cycles_total{{job=\"{job}\",result=\"{end}\"}} 1")), "{job}: {metrics}");
        let success = metrics.lines().find(|line| line.starts_with(&format!("c2b_job_last_success_timestamp_seconds{{job=\"{job}\"}}"))).unwrap();
        assert_eq!(success.ends_with(" 0"), exit == 1 || exit == 5, "{success}");
        seen.insert(exit);
    }
    let monitor = ctl.run(&["monitor"]);
    assert_eq!(monitor.code, 2, "{monitor:#?}");
    if let Some(exit) = full_disk(&bench) {
        seen.insert(exit);
        assert_eq!(seen, (0..=7).collect());
    }
}

/// Makes a storage where there is no room; none where this user cannot make a file system.
#[expect(clippy::print_stderr, reason = "a skipped row says so")]
fn full_disk(bench: &Bench) -> Option<i32> {
    let disk = bench.text("disk");
    std::fs::create_dir(&disk).unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "tmpfs", &disk]).stderr(Stdio::null()).status();
    if !mounted.is_ok_and(|status| status.success()) {
        eprintln!("skipped: this user cannot make a file system that is full");
        return None;
    }
    let outcome = bench.ctl().run(&["storage", "create", "tight", &format!("{disk}/storage"), "--json"]);
    let _ = Command::new("umount").args(["-l", &disk]).status();
    assert_eq!((outcome.code, last(&outcome)["error"]["code"].as_str()), (7, Some("low-space")), "{outcome:#?}");
    Some(outcome.code)
}

#[test]
fn a_daemon_that_goes_away_is_told_from_a_job_that_fails() {
    let mut bench = bench();
    let ctl = bench.ctl();
    ctl.ok(&["job", "edit", "gone", "--continuous", "--idle", "00:01:00"]);
    ctl.ok(&["job", "start", "gone"]);
    let watcher = {
        let ctl = ctl.clone();
        std::thread::spawn(move || ctl.run(&["job", "watch", "gone"]))
    };
    until("the watcher asks", || bench.daemon.log().contains("job").then_some(()));
    bench.daemon.kill();
    let watched = watcher.join().unwrap();
    assert_eq!(watched.code, 6, "{watched:#?}");
}
