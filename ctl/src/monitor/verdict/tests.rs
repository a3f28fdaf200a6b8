//! Row by row: what is wrong, and what is said of it.

use super::*;
use serde_json::{Value, json};

/// A daemon of which everything is as it should be, at noon.
fn good() -> Value {
    json!({
        "version": "1", "now": "2026-11-22T12:00:00Z", "started": "2026-11-01T00:00:00Z", "pid": 1, "bad-news": [],
        "jobs": [job("nightly")],
        "storages": [{
            "name": "archive", "path": "/srv/archive", "format": 2, "mailboxes": 1, "items": 1, "versions": 1, "logical-bytes": 1, "stored-bytes": 1,
            "free-bytes": 100_000_000_000u64, "reserve-bytes": 1_000_000_000, "retention": {}, "jobs": ["nightly"]
        }],
        "connections": [{
            "name": "main", "kind": "ews", "url": "https://mail.example.org/EWS/Exchange.asmx", "user": "backup", "owner": "root", "jobs": ["nightly"], "warnings": []
        }]
    })
}

fn job(name: &str) -> Value {
    json!({
        "definition": { "name": name, "connection": "main", "storage": "archive", "source": { "all-except": [] }, "continuity": "one-time" },
        "state": "finished", "detail": "", "run": null, "last-success": "2026-11-22T02:00:00Z", "next-run": null, "failures": 0
    })
}

fn judged(change: impl FnOnce(&mut Value)) -> Verdict {
    let mut status = good();
    change(&mut status);
    judge(&serde_json::from_value(status).unwrap(), "26h".parse().unwrap(), &[])
}

#[test]
fn each_trouble_has_its_level_and_its_words() {
    type Row = (&'static str, Level, &'static str, fn(&mut Value));
    let rows: [Row; 20] = [
        ("all is well", Level::Ok, "1 job, all backed up within 10 h 00 min", |_| {}),
        ("running after a success", Level::Ok, "1 job", |s| s["jobs"][0]["state"] = json!("active")),
        ("25 hours old", Level::Ok, "1 job", |s| s["jobs"][0]["last-success"] = json!("2026-11-21T11:00:00Z")),
        ("27 hours old", Level::Critical, "job nightly did not succeed for 1 d 3 h", |s| s["jobs"][0]["last-success"] = json!("2026-11-21T09:00:00Z")),
        ("stale and running", Level::Critical, "did not succeed for 7 d 0 h: running", |s| {
            s["jobs"][0]["last-success"] = json!("2026-11-15T12:00:00Z");
            s["jobs"][0]["state"] = json!("active");
            s["jobs"][0]["detail"] = json!("running");
        }),
        ("never, and nobody started it", Level::Critical, "job nightly never succeeded: not started yet", |s| {
            s["jobs"][0]["last-success"] = Value::Null;
            s["jobs"][0]["state"] = json!("inactive");
            s["jobs"][0]["detail"] = json!("not started yet");
        }),
        ("never, but it runs", Level::Warning, "job nightly has not succeeded yet", |s| {
            s["jobs"][0]["last-success"] = Value::Null;
            s["jobs"][0]["state"] = json!("active");
        }),
        ("failed", Level::Critical, "job nightly failed: the server refused the password", |s| {
            s["jobs"][0]["state"] = json!("error");
            s["jobs"][0]["detail"] = json!("the server refused the password");
        }),
        ("with warnings", Level::Warning, "job nightly finished with warnings", |s| s["jobs"][0]["state"] = json!("finished-with-warnings")),
        ("failed items", Level::Warning, "job nightly: 2 items could not be backed up", |s| s["jobs"][0]["failures"] = json!(2)),
        ("a mailbox lags behind", Level::Warning, "job nightly: a mailbox was not backed up whole for 3 d 0 h", |s| {
            s["jobs"][0]["freshness"] = json!({ "mailboxes": 5, "stale": 1, "oldest": "2026-11-19T12:00:00Z" });
        }),
        ("a mailbox never came", Level::Warning, "job nightly: 1 mailbox was never backed up whole", |s| {
            s["jobs"][0]["freshness"] = json!({ "mailboxes": 5, "never": 1, "stale": 1, "oldest": "2026-11-22T02:00:00Z" });
        }),
        ("disabled", Level::Warning, "there is no job", |s| {
            s["jobs"][0]["definition"]["disabled"] = json!(true);
            s["jobs"][0]["state"] = json!("error");
        }),
        ("no job", Level::Warning, "there is no job", |s| s["jobs"] = json!([])),
        ("a storage is gone", Level::Critical, "storage archive: it is not there", |s| s["storages"][0]["problem"] = json!("it is not there")),
        ("full", Level::Critical, "storage archive is full", |s| s["storages"][0]["low-space"] = json!(true)),
        ("nearly full", Level::Warning, "storage archive gets full", |s| s["storages"][0]["free-bytes"] = json!(1_500_000_000)),
        ("damaged", Level::Warning, "storage archive: damage took 1 content", |s| s["storages"][0]["lost-contents"] = json!(1)),
        ("a secret ended", Level::Critical, "connection main: the client secret expired on 2026-11-21", |s| {
            s["connections"][0]["expires"] = json!([{ "what": "client secret", "time": "2026-11-21T23:59:59Z" }]);
        }),
        ("a secret ends", Level::Warning, "connection main: the client secret expires in 8 days, on 2026-11-30", |s| {
            s["connections"][0]["expires"] = json!([{ "what": "client secret", "time": "2026-11-30T23:59:59Z" }]);
        }),
    ];
    for (what, level, words, change) in rows {
        let verdict = judged(change);
        assert_eq!(verdict.level(), level, "{what}: {}", verdict.line());
        assert!(verdict.text().contains(words), "{what}: {}", verdict.line());
    }
}

#[test]
fn warnings_of_connections_and_bad_files_are_told_and_choices_are_not() {
    let verdict = judged(|s| {
        s["connections"][0]["insecure"] = json!(true);
        s["connections"][0]["warnings"] = json!(["certificates are not checked (insecure = true): …", "nobody has signed in yet"]);
        s["bad-news"] = json!(["/etc/c2b/jobs/x.toml:3: unknown field | here", "connection main: nobody has signed in yet"]);
    });
    assert_eq!(verdict.text(), "connection main: nobody has signed in yet; /etc/c2b/jobs/x.toml:3: unknown field | here");
    let line = verdict.line();
    assert_eq!(line.matches('|').count(), 1, "{line}");
    assert_eq!(judged(|s| s["connections"][0]["warnings"] = json!(["the certificate has expired"])).level(), Level::Critical);
}

#[test]
fn the_worst_comes_first_with_all_figures() {
    let verdict = judged(|s| {
        let mut second = job("weekly");
        second["last-success"] = Value::Null;
        second["failures"] = json!(3);
        s["jobs"].as_array_mut().unwrap().push(second);
        s["jobs"][0]["state"] = json!("finished-with-warnings");
    });
    assert_eq!(
        verdict.line(),
        "C2B CRITICAL - job weekly never succeeded; job nightly finished with warnings; job weekly: 3 items could not be backed up | \
         'nightly age'=36000s;;93600;0 'nightly failed'=0;0;;0 'weekly age'=U;;93600;0 'weekly failed'=3;0;;0 \
         'archive free'=100000000000B;2000000000:;1000000000:;0"
    );
}

#[test]
fn one_job_alone_can_be_asked_for() {
    let mut status = good();
    let mut second = job("weekly");
    second["state"] = json!("error");
    second["definition"]["storage"] = json!("other");
    status["jobs"].as_array_mut().unwrap().push(second);
    status["bad-news"] = json!(["/etc/c2b/jobs/x.toml: bad"]);
    let status: Status = serde_json::from_value(status).unwrap();
    let judge = |only: &str| judge(&status, "26h".parse().unwrap(), &[only.to_owned()]);
    assert_eq!(judge("nightly").level(), Level::Ok);
    assert_eq!(judge("weekly").level(), Level::Critical);
    assert_eq!(judge("nigthly"), Verdict::only(Level::Unknown, "there is no job nigthly"));
}
