//! What Prometheus is told, line by line, and what its own checker says about it.

use super::*;
use c2b_api::job::{Counters, CycleInfo};
use c2b_api::lifetime::Freshness;
use serde_json::json;
use std::io::Write;
use std::process::{Command, Stdio};

fn time(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

fn status() -> Status {
    let job = |name: &str| -> JobStatus {
        let definition = json!({ "name": name, "connection": "main", "storage": "archive", "source": { "all-except": [] }, "continuity": "one-time" });
        serde_json::from_value(json!({ "definition": definition, "state": "finished-with-warnings", "detail": "", "failures": 2 })).unwrap()
    };
    let nightly = JobStatus {
        last_success: Some(time(60)),
        next_run: Some(time(3600)),
        last_cycle: Some(CycleInfo { cycle: 8, started: time(0), ended: time(60), end: "finished".into(), detail: String::new(), totals: Counters::default() }),
        lifetime: JobLifetime {
            finished: 7,
            failed: 1,
            totals: Counters { scanned: 1000, stored: 40, bytes: 5_000_000_000, ..Counters::default() },
            throttled_secs: 12,
            ..JobLifetime::default()
        },
        freshness: Freshness { mailboxes: 300, never: 0, stale: 4, oldest: Some(time(-90_000)) },
        ..job("nightly")
    };
    let new = job("new");
    let connection = json!({
        "name": "main", "kind": "ews", "url": "https://mail.example.org/EWS/Exchange.asmx", "user": "backup", "owner": "root", "jobs": [],
        "warnings": ["certificates are not checked"], "expires": [{"what": "server certificate", "time": "2027-01-01T00:00:00Z"}]
    });
    let slots = SlotsInfo { slots: 9, in_flight: 8, latency_ms: Some(250), answered: 1000, refused: 3, ..SlotsInfo::default() };
    let connection = ConnectionInfo { slots: Some(slots), ..serde_json::from_value(connection).unwrap() };
    let archive = StorageInfo { name: "archive".into(), free_bytes: 1 << 40, items: 12, last_commit: Some(time(59)), ..StorageInfo::default() };
    let broken = StorageInfo { name: "broken".into(), problem: Some("it is not there".into()), ..StorageInfo::default() };
    Status {
        version: "1.2".into(),
        api_version: String::new(),
        now: time(100),
        started: time(-100),
        pid: 1,
        bad_news: vec!["one".into()],
        jobs: vec![nightly, new],
        storages: vec![archive, broken],
        connections: vec![connection],
    }
}

fn shown() -> String {
    let dir = tempfile::tempdir().unwrap();
    text(&status(), &Tally::open(dir.path()))
}

#[test]
fn everything_that_matters_is_there() {
    let text = shown();
    for line in [
        "c2b_build_info{version=\"1.2\"} 1",
        "c2b_bad_news 1",
        "# TYPE c2b_job_last_success_timestamp_seconds gauge",
        "c2b_job_last_success_timestamp_seconds{job=\"nightly\"} 1800000060",
        "c2b_job_last_success_timestamp_seconds{job=\"new\"} 0",
        "c2b_job_last_run_timestamp_seconds{job=\"nightly\"} 1800000000",
        "c2b_job_last_run_duration_seconds{job=\"nightly\"} 60",
        "c2b_job_next_run_timestamp_seconds{job=\"nightly\"} 1800003600",
        "c2b_job_state{job=\"nightly\",state=\"finished-with-warnings\"} 1",
        "c2b_job_state{job=\"nightly\",state=\"error\"} 0",
        "c2b_job_cycles_total{job=\"nightly\",result=\"finished\"} 7",
        "c2b_job_stored_bytes_total{job=\"nightly\"} 5000000000",
        "c2b_job_throttled_seconds_total{job=\"nightly\"} 12",
        "c2b_job_stale_mailboxes{job=\"nightly\"} 4",
        "c2b_job_oldest_mailbox_timestamp_seconds{job=\"nightly\"} 1799910000",
        "c2b_storage_usable{storage=\"broken\"} 0",
        "c2b_storage_free_bytes{storage=\"archive\"} 1099511627776",
        "c2b_storage_oldest_verification_timestamp_seconds{storage=\"archive\"} 0",
        "c2b_connection_latency_seconds{connection=\"main\"} 0.25",
        "c2b_connection_answers_total{connection=\"main\"} 1000",
        "c2b_connection_warnings{connection=\"main\"} 1",
        "c2b_connection_expiry_timestamp_seconds{connection=\"main\",what=\"server certificate\"} 1798761600",
    ] {
        assert!(text.lines().any(|one| one == line), "{line} is missing:\n{text}");
    }
    assert!(!text.contains("c2b_storage_free_bytes{storage=\"broken\"}"), "a storage that cannot be looked into has a number");
    assert!(!text.contains('@'), "a mailbox is named");
}

#[test]
fn prometheus_has_nothing_to_say_about_them() {
    let program = std::env::var("PROMTOOL").unwrap_or_else(|_| "promtool".to_owned());
    let Ok(mut child) = Command::new(program).args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn() else {
        println!("skipped: no promtool on this machine (Debian's package prometheus has it)");
        return;
    };
    child.stdin.take().unwrap().write_all(shown().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}
