//! Metrics for Prometheus: the time of each job's last success first of all, and how connections stand with their servers.
//!
//! Made anew for each request, from what `status` shows: nothing is counted twice, and nothing is kept.

use c2b_api::slots::SlotsInfo;
use c2b_api::status::Status;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::sync::atomic::AtomicU64;

/// The media type of the text.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Labels = Vec<(&'static str, String)>;
type Gauges = Family<Labels, Gauge<f64, AtomicU64>>;
type Counters = Family<Labels, Counter>;

/// A number of a connection: its name, what it is, and the number.
type OfConnection<T> = (&'static str, &'static str, fn(&SlotsInfo) -> T);

const GAUGES: [OfConnection<f64>; 5] = [
    ("c2b_connection_slots", "Requests that may be in flight at once", |slots| f64::from(slots.slots)),
    ("c2b_connection_requests_in_flight", "Requests in flight", |slots| f64::from(slots.in_flight)),
    ("c2b_connection_requests_waiting", "Requests that wait for a slot", |slots| f64::from(slots.waiting)),
    ("c2b_connection_mailboxes_held", "Mailboxes left alone since the server asked for it", |slots| f64::from(slots.held_mailboxes)),
    ("c2b_connection_latency_seconds", "Time that half of the last answers took less than", |slots| slots.latency_ms.unwrap_or(0) as f64 / 1000.0),
];

const COUNTERS: [OfConnection<u64>; 4] = [
    ("c2b_connection_answers", "Requests answered", |slots| slots.answered),
    ("c2b_connection_refusals", "Requests refused since the server was too busy", |slots| slots.refused),
    ("c2b_connection_losses", "Requests without an answer", |slots| slots.lost),
    ("c2b_connection_throttled_seconds", "Time for which mailboxes were left alone, added up", |slots| slots.throttled_secs),
];

/// Returns what a status shows as metrics.
pub fn text(status: &Status) -> String {
    let mut registry = Registry::default();
    let last_success = Gauges::default();
    for job in &status.jobs {
        if let Some(time) = job.last_success {
            last_success.get_or_create(&vec![("job", job.definition.name.clone())]).set(time.timestamp() as f64);
        }
    }
    registry.register("c2b_job_last_success_timestamp_seconds", "When a cycle last ended well, or with warnings", last_success);
    let known = || status.connections.iter().filter_map(|connection| Some((vec![("connection", connection.name.clone())], connection.slots?)));
    for (name, help, number) in GAUGES {
        let gauges = Gauges::default();
        for (labels, slots) in known() {
            gauges.get_or_create(&labels).set(number(&slots));
        }
        registry.register(name, help, gauges);
    }
    for (name, help, number) in COUNTERS {
        let counters = Counters::default();
        for (labels, slots) in known() {
            counters.get_or_create(&labels).inc_by(number(&slots));
        }
        registry.register(name, help, counters);
    }
    let mut text = String::new();
    // Writing into memory does not fail; were it to, no metrics say so best.
    if encode(&mut text, &registry).is_err() {
        text.clear();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use c2b_api::connection::ConnectionInfo;
    use chrono::DateTime;

    #[test]
    fn a_connection_at_work_is_seen() {
        let connection = serde_json::json!({
            "name": "main", "kind": "ews", "url": "https://mail.example.org/EWS/Exchange.asmx", "user": "backup", "owner": "root", "jobs": [], "warnings": []
        });
        let slots = SlotsInfo { slots: 9, in_flight: 8, latency_ms: Some(250), answered: 1000, refused: 3, ..SlotsInfo::default() };
        let connection = ConnectionInfo { slots: Some(slots), ..serde_json::from_value(connection).unwrap() };
        let status = Status {
            version: "1".into(),
            started: DateTime::from_timestamp(0, 0).unwrap(),
            pid: 1,
            bad_news: vec![],
            jobs: vec![],
            storages: vec![],
            connections: vec![connection],
        };
        let text = text(&status);
        for line in [
            "# TYPE c2b_connection_slots gauge",
            "c2b_connection_slots{connection=\"main\"} 9.0",
            "c2b_connection_latency_seconds{connection=\"main\"} 0.25",
            "c2b_connection_answers_total{connection=\"main\"} 1000",
            "c2b_connection_refusals_total{connection=\"main\"} 3",
            "# EOF",
        ] {
            assert!(text.lines().any(|one| one == line), "{line} is missing:\n{text}");
        }
    }
}
