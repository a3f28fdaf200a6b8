//! Objects as the daemon shows them.

use serde_json::{Value, json};

pub(crate) fn connection() -> Value {
    json!({
        "name": "main", "kind": "ews", "url": "https://mail.example.org/EWS/Exchange.asmx", "user": "EXAMPLE\\backup",
        "owner": "root", "jobs": ["nightly"], "warnings": []
    })
}

pub(crate) fn access() -> Value {
    json!({
        "caller": { "user": "anna", "uid": 1000, "role": "admin", "session": "login 3 of anna" }, "file": "/etc/c2b/access.toml",
        "grants": [{ "role": "viewer", "users": [], "groups": ["helpdesk"] }, { "role": "admin", "users": ["anna"], "groups": ["backup-admins"] }],
        "warnings": []
    })
}

pub(crate) fn audit() -> Value {
    json!([
        { "seq": 7, "time": "2026-11-21T22:15:07Z", "user": "anna", "uid": 1000, "pid": 4711, "session": "login 3 of anna", "action": "storage erase",
          "object": "archive", "mailboxes": ["alice@example.org"], "outcome": "done" },
        { "seq": 9, "time": "2026-11-21T22:16:10Z", "user": "bob", "uid": 1001, "pid": 4712, "session": "login 4 of bob", "action": "mount",
          "object": "archive", "detail": "at /mnt", "outcome": "refused: bob has the role viewer; this needs restorer" }
    ])
}

pub(crate) fn connection_insecure() -> Value {
    json!({
        "name": "lab", "kind": "ews", "url": "http://10.0.0.5/EWS/Exchange.asmx", "user": "backup", "insecure": true,
        "owner": "anna", "jobs": [], "warnings": ["certificates are not checked"]
    })
}

pub(crate) fn storage() -> Value {
    json!({
        "name": "archive", "path": "/srv/backup/archive", "uuid": "9f1c6e6e-6c0f-4a53-9a38-3a3f4d2f7c11", "format": 2, "sealed": false, "mailboxes": 3, "items": 12345,
        "versions": 12400, "logical-bytes": 5_368_709_120u64, "stored-bytes": 1_610_612_736u64, "free-bytes": 107_374_182_400u64,
        "reserve-bytes": 1_073_741_824u64, "low-space": false, "marked": { "versions": 0, "bytes": 0 }, "pinned-bytes": 0,
        "unique-bytes": 0, "index-bytes": 0, "lost-contents": 0, "erased-mailboxes": 0, "erasing-mailboxes": 0, "retention": {}, "last-commit": "2026-11-21T22:15:07Z", "jobs": ["nightly"]
    })
}

/// A sealed storage about which there is much to tell.
pub(crate) fn storage_sealed() -> Value {
    let mut storage = storage();
    storage["name"] = json!("vault");
    storage["path"] = json!("/srv/backup/vault");
    storage["sealed"] = json!(true);
    storage["unique-bytes"] = json!(3_221_225_472u64);
    storage["low-space"] = json!(true);
    storage["marked"] = json!({ "versions": 55, "bytes": 1_048_576, "freed-from": "2026-11-28T22:00:00Z" });
    storage["keys"] = json!([
        { "kind": "password", "label": "main", "created": "2026-11-01T10:00:00Z" },
        { "kind": "recovery-key", "created": "2026-11-01T10:00:00Z" },
        { "kind": "machine-key", "label": "c2bd on mail1", "created": "2026-11-01T10:00:00Z" }
    ]);
    storage["busy"] = json!("an erasure");
    storage["pending"] = json!([{ "bytes": 4096, "reason": "damaged", "detail": "pack 3f2a: a wrong checksum" }]);
    storage["freed"] = json!("2026-11-20T03:00:00Z");
    storage["lost-contents"] = json!(2);
    storage["erased-mailboxes"] = json!(2);
    storage["erasing-mailboxes"] = json!(1);
    storage["reseal-stuck"] = json!(["pack 3f2a: a wrong checksum"]);
    storage["pinned-bytes"] = json!(2_097_152);
    storage["oldest-verification"] = json!("2026-10-25T03:00:00Z");
    storage["resealing"] = json!({ "done-bytes": 536_870_912u64, "total-bytes": 1_610_612_736u64 });
    storage["retention"] = json!({ "superseded-after": "90d", "deleted-after": "1y", "every": "1d" });
    storage
}

pub(crate) fn storage_broken() -> Value {
    json!({
        "name": "old", "path": "/srv/backup/old", "problem": "format 7 is newer than this program", "format": 0, "mailboxes": 0, "items": 0,
        "versions": 0, "logical-bytes": 0, "unique-bytes": 0, "index-bytes": 0, "stored-bytes": 0, "free-bytes": 1024, "reserve-bytes": 0, "low-space": false,
        "marked": { "versions": 0, "bytes": 0 }, "pinned-bytes": 0, "lost-contents": 0, "erased-mailboxes": 0, "erasing-mailboxes": 0,
        "retention": {}, "jobs": []
    })
}

/// A job that has never run.
pub(crate) fn job_new() -> Value {
    json!({
        "definition": {
            "name": "nightly", "connection": "main", "storage": "archive", "source": { "all-except": [] }, "continuity": "one-time"
        },
        "state": "inactive", "detail": "", "run": null, "last-success": null, "next-run": null, "failures": 0, "running": false
    })
}

pub(crate) fn mailbox(address: &str, phase: &str, known: u64, stored: u64, failed: u64) -> Value {
    json!({
        "address": address, "phase": phase, "known": known, "stored": stored, "unchanged": 0, "excluded": 0, "failed": failed,
        "left": known - stored - failed, "bytes": stored * 20_000
    })
}

/// A job that runs: some items of alice are stored, bob is next.
pub(crate) fn job_running(stored: u64) -> Value {
    let mut job = job_new();
    job["state"] = json!("active");
    job["detail"] = json!("running");
    job["running"] = json!(true);
    job["run"] = json!({
        "started": "2026-11-21T22:10:00Z", "ended": null, "cycle": 1,
        "totals": { "scanned": stored, "stored": stored, "excluded": 0, "failed": 0, "deleted": 0, "bytes": stored * 20_000, "new-bytes": stored * 7_000 },
        "cycle-totals": { "scanned": stored, "stored": stored, "excluded": 0, "failed": 0, "deleted": 0, "bytes": stored * 20_000, "new-bytes": stored * 7_000 },
        "mailboxes": [mailbox("alice@example.org", "items", 1000, stored, 0), mailbox("bob@example.org", "waiting", 0, 0, 0)],
        "problems": [], "items-per-sec": 51.5, "bytes-per-sec": 1_030_000.0, "remaining-secs": if stored > 50 { Some(95) } else { None }, "throttled-secs": 0
    });
    job
}

/// A job whose run has ended in a state.
pub(crate) fn job_ended(state: &str, detail: &str, failures: u64, problems: Value) -> Value {
    let mut job = job_running(1000 - failures);
    job["state"] = json!(state);
    job["running"] = json!(false);
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

pub(crate) fn coverage() -> Value {
    json!([
        {
            "mailbox": "alice@example.org",
            "parts": [
                { "part": "primary", "state": "included" },
                { "part": "archive", "state": "not-available", "reason": "Access is denied (ErrorAccessDenied)", "warning": true },
                { "part": "calendar", "state": "excluded-by-configuration", "reason": "the job leaves it out" }
            ]
        },
        { "mailbox": "bob@example.org", "parts": [{ "part": "archive", "state": "not-available", "reason": "the mailbox has none" }] }
    ])
}

pub(crate) fn status() -> Value {
    json!({
        "version": "0.1.0", "api-version": "1.0", "now": "2026-11-21T22:11:00Z", "started": "2026-11-21T20:00:00Z", "pid": 4242,
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
    json!({ "event": "done", "report": { "packs": 4, "items": 12345, "versions": 12400, "bytes-read": 1_610_612_736u64, "known-losses": 0, "damages": damages, "notes": [] } })
}

pub(crate) fn progress(done: u64) -> Value {
    json!({ "event": "progress", "done": done, "total": 4, "unit": "packs", "bytes": done * 400_000_000 })
}

pub(crate) fn rebuild_done(problems: Value) -> Value {
    json!({ "event": "done", "report": { "packs": 4, "items": 12345, "versions": 12400, "problems": problems } })
}

pub(crate) fn error(code: &str, message: &str, hint: &str) -> Value {
    json!({ "code": code, "message": message, "hint": hint })
}

pub(crate) fn passwords() -> Value {
    json!([{ "label": "main", "created": "2026-11-01T10:00:00Z" }, { "label": "anna", "created": "2026-11-20T10:00:00Z" }])
}

pub(crate) fn recovery_key() -> Value {
    json!({ "recovery-key": "C2BR-7Q4M-9XKD-2VHP" })
}

pub(crate) fn rotated(gone: Value) -> Value {
    json!({
        "generation": 2, "recovery-key": "C2BR-7Q4M-9XKD-2VHP", "passwords-kept": ["main"], "passwords-gone": gone,
        "resealing": { "done-bytes": 0, "total-bytes": 1_610_612_736u64 }
    })
}

fn damaged(subject: &str) -> Value {
    json!({ "mailbox": "alice@example.org", "folder": "Inbox", "subject": subject, "date": "2026-03-01T08:00:00Z", "key": "k3f9c2" })
}

pub(crate) fn repair_done(lost: bool) -> Value {
    let mut item = damaged("old draft");
    item["version"] = json!(2);
    item["reason"] = json!("a past version: the source has only the newest");
    let lost = if lost { json!([item]) } else { json!([]) };
    let report = json!({ "packs": 4, "made": [], "unknown": [], "quarantined": ["pack 3f2a: 2 frames with a wrong checksum"], "fetched-again": [damaged("Re: budget")], "lost": lost });
    json!({ "event": "done", "report": report })
}

pub(crate) fn decision(version: u64, rule: &str) -> Value {
    let mut item = damaged("Re: budget");
    item["version"] = json!(version);
    item["bytes"] = json!(20_480);
    item["since"] = json!("2026-05-01T08:00:00Z");
    item["rule"] = json!(rule);
    json!({ "event": "found", "item": item })
}

pub(crate) fn prune_done(dry_run: bool, versions: u64) -> Value {
    let rules = if versions == 0 { json!([]) } else { json!([{ "rule": "superseded-after", "versions": versions }]) };
    let mut report = json!({ "dry-run": dry_run, "considered": 1234, "versions": versions, "logical-bytes": versions * 20_480, "rules": rules });
    if !dry_run {
        report["freed-from"] = json!("2026-11-28T22:00:00Z");
    }
    json!({ "event": "done", "report": report })
}

pub(crate) fn free_done(dry_run: bool) -> Value {
    let pending = json!([
        { "bytes": 4096, "reason": "no-room" },
        { "bytes": 8192, "reason": "pinned", "detail": "mount.c2b, process 4711" },
        { "bytes": 512, "reason": "not-worth-it" }
    ]);
    let report = json!({
        "dry-run": dry_run, "versions": 55, "logical-removed-bytes": 1_126_400, "physical-freed-bytes": 524_288, "packs": 3, "pending": pending
    });
    json!({ "event": "done", "report": report })
}

pub(crate) fn erase_done(dry_run: bool) -> Value {
    let report = json!({
        "dry-run": dry_run, "mailbox": "alice@example.org", "folders": 12, "items": 4321, "versions": 5000, "logical-bytes": 104_857_600, "shared-bytes": 1_048_576,
        "freed-bytes": if dry_run { 0 } else { 20_971_520 }
    });
    json!({ "event": "done", "report": report })
}

pub(crate) fn erased(allowed: bool) -> Value {
    json!([{ "mailbox": "alice@example.org", "time": "2026-11-21T22:00:00Z", "who": "root", "items": 4321, "versions": 5000, "allowed": allowed }])
}

pub(crate) fn copy_done(files: u64) -> Value {
    let report =
        json!({ "files": files, "files-present": 40, "files-removed": 0, "bytes": files * 1_048_576, "damages": [], "last-commit": "2026-11-21T22:15:07Z" });
    json!({ "event": "done", "report": report })
}

/// Two nights, between which clocks are put forward.
pub(crate) fn schedule() -> Value {
    json!({"time-zone": "Europe/Warsaw", "periods": [
        {"start": "2026-03-27T21:00:00Z", "end": "2026-03-28T05:00:00Z", "local-start": "2026-03-27T22:00:00+01:00", "local-end": "2026-03-28T06:00:00+01:00"},
        {"start": "2026-03-28T21:00:00Z", "end": "2026-03-29T04:00:00Z", "local-start": "2026-03-28T22:00:00+01:00", "local-end": "2026-03-29T06:00:00+02:00"},
    ]})
}

/// Two cycles, the later one first.
pub(crate) fn history() -> Value {
    let totals = |scanned: u64, stored: u64| json!({"scanned": scanned, "stored": stored, "excluded": 0, "failed": 0, "deleted": 2, "bytes": 1_500_000, "new-bytes": 20_000});
    json!([
        {"cycle": 2, "started": "2026-11-21T21:00:00Z", "ended": "2026-11-21T21:00:05Z", "end": "failed", "detail": "the server refused the password", "totals": totals(0, 0)},
        {"cycle": 1, "started": "2026-11-20T21:00:00Z", "ended": "2026-11-20T22:30:00Z", "end": "finished", "totals": totals(1000, 250)},
    ])
}

/// What is in force.
pub(crate) fn config() -> Value {
    json!({
        "folder": "/etc/c2b", "time-zone": "Europe/Warsaw", "bad": [], "metrics": { "listen": null, "textfile": null }, "access": [], "alerts": [],
        "connections": [], "storages": [],
        "jobs": [{
            "name": "nightly", "owner": "root", "connection": "main", "storage": "archive", "disabled": false, "continuity": "one-time",
            "source": { "only": ["a@example.org"] }, "age": "any", "contacts-always": false, "leave-out": [], "associated": false, "public-folders": [], "activity": null
        }]
    })
}

/// A job that fails, told by mail, and not by a command that does not work.
pub(crate) fn alerts() -> Value {
    json!({
        "open": [{"kind": "failure", "object": "job nightly", "message": "the server refused the password", "hint": "give another one", "since": "2026-11-21T20:00:00Z"}],
        "channels": [
            {"name": "mail", "to": "ann@example.org", "worked": "2026-11-21T20:00:05Z", "waiting": 0},
            {"name": "hook", "to": "/usr/local/bin/tell", "problem": "it ended with exit status: 3", "waiting": 1},
        ]
    })
}
