//! What is wrong: a pure function of what `status` shows, so that alerts and status always agree.

use super::rules::When;
use c2b_api::alert::{AlertInfo, AlertKind};
use c2b_api::connection::ConnectionInfo;
use c2b_api::job::{Continuity, JobState, JobStatus};
use c2b_api::status::Status;
use c2b_api::storage::StorageInfo;
use chrono::{DateTime, TimeDelta, Utc};

/// What the status does not say.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    /// The longest time from one activity period of a job to the next; none for a job without.
    pub(super) gap: &'a dyn Fn(&JobStatus) -> Option<TimeDelta>,
    /// Definitions that are wrong.
    pub(super) wrong: &'a [Wrong],
    pub(super) now: DateTime<Utc>,
}

/// A definition that cannot be understood, or lacks a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// What it is about: `file /etc/c2b/jobs/nightly.toml`, `job nightly`.
    pub object: String,
    /// Whose definition it is, as other alerts name it; empty when it is nobody's.
    pub of: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: String,
}

/// Returns the troubles there are. A trouble is the same as before when kind and object are.
pub(super) fn conditions(status: &Status, when: &When, known: Known<'_>) -> Vec<AlertInfo> {
    let jobs = status.jobs.iter().flat_map(|job| of_job(job, when, known));
    let storages = status.storages.iter().flat_map(|storage| of_storage(storage, known.now));
    let connections = status.connections.iter().flat_map(|connection| of_connection(connection, when, known.now));
    let definitions = known.wrong.iter().map(|wrong| {
        let Wrong { object, message, hint, .. } = wrong.clone();
        AlertInfo { kind: AlertKind::Configuration, object, message, hint, since: known.now }
    });
    let mut found: Vec<AlertInfo> = jobs.chain(storages).chain(connections).chain(definitions).collect();
    found.retain(|alert| !when.except.contains(&alert.kind));
    found
}

fn of_job(job: &JobStatus, when: &When, known: Known<'_>) -> Vec<AlertInfo> {
    let name = &job.definition.name;
    let object = format!("job {name}");
    let mut found = Vec::new();
    if let Some(since) = job.failing_since {
        let cycle = job.last_cycle.as_ref().filter(|cycle| cycle.end == "failed");
        let message = cycle.map_or_else(|| job.detail.clone(), |cycle| cycle.detail.clone());
        let hint = job.run.iter().flat_map(|run| &run.problems).map(|problem| &problem.hint).find(|hint| !hint.is_empty()).cloned();
        let is_low_space = job.run.iter().flat_map(|run| &run.problems).any(|problem| problem.code == "low-space");
        // That is the storage's trouble, and told as such.
        if !is_low_space {
            let hint = hint.unwrap_or_else(|| format!("see `c2bctl job show {name}` and `journalctl -u c2bd`"));
            found.push(AlertInfo { kind: AlertKind::Failure, object: object.clone(), message, hint, since });
        }
    } else if let Some(since) = job.warning_since {
        let message = match job.failures {
            0 => "the last cycle left some things out".to_owned(),
            items => format!("{items} items could not be backed up"),
        };
        let hint = format!("`c2bctl job failures {name}` and `c2bctl job show {name}` say which, and why");
        found.push(AlertInfo { kind: AlertKind::Warnings, object: object.clone(), message, hint, since });
    }
    if let Some((since, limit)) = silence(job, when, known) {
        let message = match job.last_success {
            Some(time) => format!("no cycle has ended well since {}, for more than {}", time.format("%Y-%m-%d %H:%M UTC"), in_words(limit)),
            None => format!("no cycle has ended well yet, in more than {}", in_words(limit)),
        };
        let hint = format!("see how it goes with `c2bctl job show {name}`");
        found.push(AlertInfo { kind: AlertKind::Silence, object, message, hint, since });
    }
    found
}

/// Returns since when a job should have had a cycle that ended well, and how long that may take.
fn silence(job: &JobStatus, when: &When, known: Known<'_>) -> Option<(DateTime<Utc>, TimeDelta)> {
    let gap = (known.gap)(job);
    let is_awaited = !job.definition.disabled && (matches!(job.state, JobState::Active | JobState::Error) || job.next_run.is_some());
    let interval = match (&job.definition.continuity, gap) {
        (_, Some(gap)) => gap,
        (Continuity::Continuous { idle }, None) => {
            let took = job.last_cycle.as_ref().map_or(TimeDelta::zero(), |cycle| cycle.ended - cycle.started);
            TimeDelta::from_std(idle.duration()).unwrap_or(TimeDelta::MAX).checked_add(&took)?
        }
        // One cycle, whenever somebody starts it.
        (Continuity::OneTime, None) => return None,
    };
    let least = known.now - when.silence_at_least.before(known.now);
    let limit = interval.checked_mul(i32::try_from(when.silence_factor).ok()?)?.max(least);
    let last = job.last_success.or_else(|| job.run.as_ref().and_then(|run| run.started))?;
    let since = last.checked_add_signed(limit)?;
    (is_awaited && since <= known.now).then_some((since, limit))
}

fn in_words(time: TimeDelta) -> String {
    if time.num_hours() >= 48 { format!("{} days", time.num_days()) } else { format!("{} hours", time.num_hours()) }
}

fn of_storage(storage: &StorageInfo, now: DateTime<Utc>) -> Vec<AlertInfo> {
    let name = &storage.name;
    let alert = |kind, message: String, hint: String, since| AlertInfo { kind, object: format!("storage {name}"), message, hint, since };
    let mut found = Vec::new();
    if storage.low_space {
        let message = format!("{} MiB are free, and {} MiB are kept in reserve: backups pause", storage.free_bytes >> 20, storage.reserve_bytes >> 20);
        let hint = format!("free some space on the file system of {}, or `c2bctl storage free {name}`; backups go on by themselves", storage.path.display());
        found.push(alert(AlertKind::LowSpace, message, hint, now));
    } else if let Some(problem) = &storage.problem {
        found.push(alert(AlertKind::Storage, problem.clone(), format!("see `c2bctl storage show {name}`"), now));
    }
    if storage.lost_contents > 0 {
        let message = format!("contents were lost to damage ({})", storage.lost_contents);
        found.push(alert(AlertKind::Storage, message, "the next cycles fetch again what the source still has".to_owned(), now));
    }
    if let Some(first) = storage.frozen.first() {
        let more = match storage.frozen.len() - 1 {
            0 => String::new(),
            more => format!("; and {more} more mailboxes or cycles like this"),
        };
        let hint = format!("look whether that was meant, then `c2bctl storage retention thaw {name}`");
        found.push(alert(AlertKind::Suspicious, format!("{first}{more}. Retention removes nothing from the storage any more"), hint, first.since));
    }
    found
}

/// Returns what of a connection expires soon, as one trouble.
pub(super) fn of_connection(connection: &ConnectionInfo, when: &When, now: DateTime<Utc>) -> Option<AlertInfo> {
    let due: Vec<_> = connection.expires.iter().filter(|expiry| expiry.told_from(when.expiry) <= now).collect();
    let since = due.iter().map(|expiry| expiry.told_from(when.expiry)).min()?;
    let message = due.iter().map(|expiry| expiry.words(now)).collect::<Vec<_>>().join(", and ");
    let own = format!("have a new one made; what the connection signs in with is given by `c2bctl connection edit {}`", connection.name);
    let hint = if due.iter().all(|expiry| expiry.what == "server certificate") {
        "the server needs a new one before that day, or backups stop".to_owned()
    } else {
        own
    };
    Some(AlertInfo { kind: AlertKind::Expiry, object: format!("connection {}", connection.name), message, hint, since })
}

#[cfg(test)]
mod tests {
    use super::*;
    use c2b_api::Span;
    use serde_json::{Value, json};

    fn now() -> DateTime<Utc> {
        "2026-11-22T12:00:00Z".parse().unwrap()
    }

    fn status(job: Value) -> Status {
        let mut whole = json!({
            "definition": {"name": "nightly", "connection": "main", "storage": "archive", "source": {"all-except": []}, "continuity": {"continuous": {}}},
            "state": "active", "detail": "running", "run": null, "last-success": "2026-11-22T11:00:00Z", "next-run": null, "failures": 0
        });
        let (Value::Object(whole), Value::Object(job)) = (&mut whole, job) else { unreachable!("both are objects") };
        whole.extend(job);
        let job: JobStatus = serde_json::from_value(Value::Object(whole.clone())).unwrap();
        Status {
            version: String::new(),
            api_version: String::new(),
            now: now(),
            started: now(),
            pid: 1,
            bad_news: vec![],
            jobs: vec![job],
            storages: vec![],
            connections: vec![],
        }
    }

    fn kinds(status: &Status, when: &When, gap_days: Option<i64>) -> Vec<AlertKind> {
        let gap = |_: &JobStatus| gap_days.map(TimeDelta::days);
        conditions(status, when, Known { gap: &gap, wrong: &[], now: now() }).into_iter().map(|alert| alert.kind).collect()
    }

    fn cycle(end: &str, hours: i64) -> Value {
        let totals = json!({"scanned": 0, "stored": 0, "failed": 0, "deleted": 0, "bytes": 0, "new-bytes": 0});
        json!({"cycle": 1, "started": now() - TimeDelta::hours(hours), "ended": now(), "end": end, "detail": "refused", "totals": totals})
    }

    #[test]
    fn each_trouble_of_a_job_is_seen_and_nothing_else() {
        let when = When::default();
        for (job, gap, expected) in [
            (json!({}), None, vec![]),
            (json!({"failing-since": now(), "last-cycle": cycle("failed", 1), "state": "error"}), None, vec![AlertKind::Failure]),
            // While it tries again.
            (json!({"failing-since": now(), "last-cycle": cycle("failed", 1), "state": "active"}), None, vec![AlertKind::Failure]),
            (json!({"warning-since": now(), "last-cycle": cycle("finished-with-warnings", 1), "failures": 3}), None, vec![AlertKind::Warnings]),
            // Nobody has seen that it is better.
            (json!({"warning-since": now(), "last-cycle": cycle("paused", 1)}), None, vec![AlertKind::Warnings]),
            (json!({"last-cycle": cycle("stopped", 1), "state": "inactive"}), None, vec![]),
            (json!({"last-cycle": cycle("paused", 1)}), None, vec![]),
            (json!({"last-success": "2026-11-21T09:00:00Z"}), None, vec![AlertKind::Silence]),
            (json!({"last-success": "2026-11-21T11:00:00Z"}), None, vec![]),
            // Its cycles take long: twice that is not too long.
            (json!({"last-success": "2026-11-20T11:00:00Z", "last-cycle": cycle("finished", 30)}), None, vec![]),
            // Twice the time from period to period.
            (json!({"last-success": "2026-11-10T11:00:00Z"}), Some(7), vec![]),
            (json!({"last-success": "2026-11-08T11:00:00Z"}), Some(7), vec![AlertKind::Silence]),
            // Nobody waits for what was stopped or disabled.
            (json!({"last-success": "2026-11-01T11:00:00Z", "state": "inactive"}), None, vec![]),
            (json!({"last-success": "2026-11-01T11:00:00Z", "state": "inactive", "next-run": "2026-11-23T00:00:00Z"}), Some(1), vec![AlertKind::Silence]),
        ] {
            assert_eq!(kinds(&status(job.clone()), &when, gap), expected, "{job} {gap:?}");
        }
        let quiet = When { except: vec![AlertKind::Warnings], ..When::default() };
        assert!(kinds(&status(json!({"warning-since": now()})), &quiet, None).is_empty());
        let strict = When { silence_at_least: Span::hours(2), silence_factor: 3, ..When::default() };
        assert_eq!(kinds(&status(json!({"last-success": "2026-11-22T09:00:00Z"})), &strict, None), [AlertKind::Silence]);
    }

    #[test]
    fn storages_and_connections_have_troubles_too() {
        let storage = |change: fn(&mut StorageInfo)| {
            let mut storage = StorageInfo { name: "archive".into(), ..StorageInfo::default() };
            change(&mut storage);
            let mut status = status(json!({}));
            status.storages = vec![storage];
            kinds(&status, &When::default(), None)
        };
        assert!(storage(|_| ()).is_empty());
        assert_eq!(storage(|storage| storage.low_space = true), [AlertKind::LowSpace]);
        assert_eq!(storage(|storage| storage.problem = Some("gone".into())), [AlertKind::Storage]);
        assert_eq!(storage(|storage| storage.lost_contents = 3), [AlertKind::Storage]);
        let connection = |since: Option<&str>, time: &str| {
            let connection = json!({
                "name": "main", "kind": "ews", "url": "https://mail.example.org/", "user": "backup", "owner": "root", "jobs": [], "warnings": [],
                "expires": [{"what": "client secret", "since": since, "time": time}]
            });
            let mut status = status(json!({}));
            status.connections = vec![serde_json::from_value(connection).unwrap()];
            kinds(&status, &When::default(), None)
        };
        assert!(connection(None, "2027-01-22T00:00:00Z").is_empty());
        assert_eq!(connection(None, "2026-12-20T00:00:00Z"), [AlertKind::Expiry]);
        assert_eq!(connection(None, "2026-11-20T00:00:00Z"), [AlertKind::Expiry]);
        // Short lives: a program renews it when a third is left.
        assert!(connection(Some("2026-10-15T00:00:00Z"), "2026-12-15T00:00:00Z").is_empty());
        assert_eq!(connection(Some("2026-09-25T00:00:00Z"), "2026-12-01T00:00:00Z"), [AlertKind::Expiry]);
    }
}
