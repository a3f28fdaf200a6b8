//! Objects as the daemon shows them.

use serde_json::{Value, json};

pub(crate) fn connection() -> Value {
    json!({
        "name": "main", "kind": "ews", "url": "https://mail.example.org/EWS/Exchange.asmx", "user": "EXAMPLE\\backup",
        "owner": "root", "jobs": ["nightly"], "warnings": []
    })
}

pub(crate) fn connection_insecure() -> Value {
    json!({
        "name": "lab", "kind": "ews", "url": "http://10.0.0.5/EWS/Exchange.asmx", "user": "backup", "insecure": true,
        "owner": "anna", "jobs": [], "warnings": ["certificates are not checked"]
    })
}

pub(crate) fn storage() -> Value {
    json!({
        "name": "archive", "path": "/srv/backup/archive", "uuid": "9f1c6e6e-6c0f-4a53-9a38-3a3f4d2f7c11", "format": 1, "mailboxes": 3, "items": 12345,
        "versions": 12400, "logical-bytes": 5_368_709_120u64, "stored-bytes": 1_610_612_736u64, "free-bytes": 107_374_182_400u64,
        "last-commit": "2026-11-21T22:15:07Z", "jobs": ["nightly"]
    })
}

pub(crate) fn storage_broken() -> Value {
    json!({
        "name": "old", "path": "/srv/backup/old", "problem": "format 7 is newer than this program", "format": 0, "mailboxes": 0, "items": 0,
        "versions": 0, "logical-bytes": 0, "stored-bytes": 0, "free-bytes": 1024, "jobs": []
    })
}

/// A job that has never run.
pub(crate) fn job_new() -> Value {
    json!({
        "definition": {
            "name": "nightly", "connection": "main", "storage": "archive", "source": { "all-except": [] }, "continuity": "one-time"
        },
        "state": "inactive", "detail": "", "run": null, "last-success": null, "next-run": null, "failures": 0
    })
}

pub(crate) fn mailbox(address: &str, phase: &str, known: u64, stored: u64, failed: u64) -> Value {
    json!({
        "address": address, "phase": phase, "known": known, "stored": stored, "unchanged": 0, "failed": failed,
        "left": known - stored - failed, "bytes": stored * 20_000
    })
}

/// A job that runs: some items of alice are stored, bob is next.
pub(crate) fn job_running(stored: u64) -> Value {
    let mut job = job_new();
    job["state"] = json!("active");
    job["detail"] = json!("running");
    job["run"] = json!({
        "started": "2026-11-21T22:10:00Z", "ended": null, "cycle": 1,
        "totals": { "scanned": stored, "stored": stored, "failed": 0, "deleted": 0, "bytes": stored * 20_000, "new-bytes": stored * 7_000 },
        "cycle-totals": { "scanned": stored, "stored": stored, "failed": 0, "deleted": 0, "bytes": stored * 20_000, "new-bytes": stored * 7_000 },
        "mailboxes": [mailbox("alice@example.org", "items", 1000, stored, 0), mailbox("bob@example.org", "waiting", 0, 0, 0)],
        "problems": [], "items-per-sec": 51.5, "bytes-per-sec": 1_030_000.0, "remaining-secs": if stored > 50 { Some(95) } else { None }, "throttled-secs": 0
    });
    job
}

/// A job whose run has ended in a state.
pub(crate) fn job_ended(state: &str, detail: &str, failures: u64, problems: Value) -> Value {
    let mut job = job_running(1000 - failures);
    job["state"] = json!(state);
    job["detail"] = json!(detail);
    job["failures"] = json!(failures);
    job["run"]["ended"] = json!("2026-11-21T22:12:05Z");
    job["run"]["mailboxes"] = json!([mailbox("alice@example.org", "done", 1000, 1000 - failures, failures), mailbox("bob@example.org", "done", 0, 0, 0)]);
    job["run"]["totals"]["failed"] = json!(failures);
    job["run"]["problems"] = problems;
    job["run"]["remaining-secs"] = Value::Null;
    if state.starts_with("finished") {
        job["last-success"] = json!("2026-11-21T22:12:05Z");
    }
    job
}

pub(crate) fn job_finished() -> Value {
    job_ended("finished", "", 0, json!([]))
}

pub(crate) fn problem(mailbox: &str, code: &str, message: &str, hint: &str) -> Value {
    json!({ "mailbox": mailbox, "folder": "", "code": code, "message": message, "hint": hint })
}

pub(crate) fn failures() -> Value {
    json!([
        {
            "mailbox": "alice@example.org", "folder": "Inbox/Projekte", "item": "AAMk=", "subject": "Re: \u{1b}[2Jbudget\n2027", "date": "2026-03-01T08:00:00Z",
            "size": 157_286_400, "code": "ErrorItemCorrupt", "message": "the server cannot read the item", "attempts": 3,
            "first-seen": "2026-11-20T22:00:00Z", "last-seen": "2026-11-21T22:00:00Z", "next-try": "2026-11-21T23:00:00Z"
        },
        {
            "mailbox": "bob@example.org", "folder": "Calendar", "item": "AAMl=", "subject": "", "code": "ErrorAccessDenied", "message": "no rights",
            "attempts": 1, "first-seen": "2026-11-21T22:00:00Z", "last-seen": "2026-11-21T22:00:00Z"
        }
    ])
}

pub(crate) fn status() -> Value {
    json!({
        "version": "0.1.0", "started": "2026-11-21T20:00:00Z", "pid": 4242,
        "bad-news": ["storage old cannot be used: format 7 is newer than this program", "connection lab: certificates are not checked"],
        "jobs": [job_running(500)], "storages": [storage(), storage_broken()], "connections": [connection(), connection_insecure()]
    })
}

pub(crate) fn check_report(usable: bool) -> Value {
    let sign_in = if usable {
        json!({ "subject": "sign-in", "level": "ok", "text": "backup is accepted", "hint": "" })
    } else {
        json!({ "subject": "sign-in", "level": "error", "text": "the server refused the password of backup", "hint": "give the right one: delete the connection and make it anew" })
    };
    let mut report = json!({
        "usable": usable,
        "findings": [
            { "subject": "server", "level": "ok", "text": "Exchange 2019 (15.2.1118.7) at mail.example.org", "hint": "" },
            { "subject": "certificate", "level": "warning", "text": "ends in 9 days", "hint": "renew it on the server" },
            sign_in
        ]
    });
    if !usable {
        report["code"] = json!("auth");
    }
    report
}

pub(crate) fn check_done(damaged: bool) -> Value {
    let damages = if damaged {
        json!([
            {
                "what": "pack 3f2a at byte 4711: checksum differs",
                "items": [{ "mailbox": "alice@example.org", "folder": "Inbox", "subject": "Re: budget", "date": "2026-03-01T08:00:00Z", "key": "k3f9c2" }]
            },
            { "what": "pack 77aa: footer is missing", "items": [] }
        ])
    } else {
        json!([])
    };
    json!({ "event": "done", "report": { "packs": 4, "items": 12345, "versions": 12400, "bytes-read": 1_610_612_736u64, "damages": damages } })
}

pub(crate) fn progress(done: u64) -> Value {
    json!({ "event": "progress", "done": done, "total": 4, "bytes": done * 400_000_000 })
}

pub(crate) fn rebuild_done(problems: Value) -> Value {
    json!({ "event": "done", "report": { "packs": 4, "items": 12345, "versions": 12400, "problems": problems } })
}

pub(crate) fn error(code: &str, message: &str, hint: &str) -> Value {
    json!({ "code": code, "message": message, "hint": hint })
}
