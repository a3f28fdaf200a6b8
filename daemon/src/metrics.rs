//! Metrics for Prometheus: the time of each job's last success first of all.
//!
//! Made anew for each request, from what `status` shows: nothing is counted twice. Counters go on over restarts: those of
//! jobs are in their records, those of connections in a [`Tally`]. Labels name jobs, storages and connections, never
//! mailboxes: of these there are too many, and their names are nobody's business.

mod export;
mod tally;
mod text;

pub use export::{Exports, keep_up};
pub use tally::Tally;

use c2b_api::connection::ConnectionInfo;
use c2b_api::job::{JobState, JobStatus};
use c2b_api::lifetime::JobLifetime;
use c2b_api::slots::SlotsInfo;
use c2b_api::status::Status;
use c2b_api::storage::StorageInfo;
use chrono::{DateTime, Utc};
use text::{Kind, Text};

/// The media type of the text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A metric of each of several things: its name, what it is, and the number; none for those that have none.
type Of<T> = (&'static str, &'static str, fn(&T) -> Option<f64>);

const STATES: [(JobState, &str); 5] = [
    (JobState::Inactive, "inactive"),
    (JobState::Active, "active"),
    (JobState::Finished, "finished"),
    (JobState::FinishedWithWarnings, "finished-with-warnings"),
    (JobState::Error, "error"),
];

const JOB_GAUGES: [Of<JobStatus>; 9] = [
    ("c2b_job_last_success_timestamp_seconds", "When a cycle last ended well, or with warnings; 0 when none ever did", |job| Some(or_zero(job.last_success))),
    ("c2b_job_last_run_timestamp_seconds", "When the last cycle, or look between two, that is over began", |job| {
        Some(seconds(job.last_cycle.as_ref()?.started))
    }),
    ("c2b_job_last_run_duration_seconds", "How long it took", |job| {
        let last = job.last_cycle.as_ref()?;
        Some((last.ended - last.started).as_seconds_f64())
    }),
    ("c2b_job_next_run_timestamp_seconds", "When the next cycle begins, where that is known", |job| job.next_run.map(seconds)),
    ("c2b_job_failed_items", "Items that could not be backed up and are tried again", |job| Some(count(job.failures))),
    ("c2b_job_mailboxes", "Mailboxes that the job covered at last", |job| Some(count(job.freshness.mailboxes))),
    ("c2b_job_stale_mailboxes", "Mailboxes of them that were not backed up whole within the last 24 hours", |job| Some(count(job.freshness.stale))),
    ("c2b_job_oldest_mailbox_timestamp_seconds", "When the mailbox was backed up whole for which that is longest ago; 0 when one of them never was", |job| {
        (job.freshness.mailboxes > 0).then(|| if job.freshness.never > 0 { 0.0 } else { or_zero(job.freshness.oldest) })
    }),
    ("c2b_job_remaining_seconds", "Expected time until the end of the cycle that runs", |job| job.run.as_ref()?.remaining_secs.map(count)),
];

const JOB_COUNTERS: [Of<JobLifetime>; 8] = [
    ("c2b_job_scanned_items_total", "Items looked at, unchanged ones included", |life| Some(count(life.totals.scanned))),
    ("c2b_job_stored_items_total", "Items stored: new ones and new versions", |life| Some(count(life.totals.stored))),
    ("c2b_job_excluded_items_total", "Items that the filter left out", |life| Some(count(life.totals.excluded))),
    ("c2b_job_failed_items_total", "Items that could not be stored, each time it was tried", |life| Some(count(life.totals.failed))),
    ("c2b_job_deleted_items_total", "Items seen to be deleted at the source", |life| Some(count(life.totals.deleted))),
    ("c2b_job_stored_bytes_total", "Bytes of stored items before deduplication and compression", |life| Some(count(life.totals.bytes))),
    ("c2b_job_new_bytes_total", "Bytes of them that the storage did not hold before, before compression", |life| Some(count(life.totals.new_bytes))),
    ("c2b_job_throttled_seconds_total", "Time spent waiting because the server asked for it", |life| Some(count(life.throttled_secs))),
];

const STORAGE_GAUGES: [Of<StorageInfo>; 13] = [
    ("c2b_storage_usable", "Whether the storage can be used", |storage| Some(yes(storage.problem.is_none()))),
    ("c2b_storage_low_space", "Whether free space is below the reserve, so that cycles pause", |storage| Some(yes(storage.low_space))),
    ("c2b_storage_free_bytes", "Free space on the file system", |storage| known(storage, storage.free_bytes)),
    ("c2b_storage_reserve_bytes", "Free space below which cycles pause", |storage| known(storage, storage.reserve_bytes)),
    ("c2b_storage_stored_bytes", "What the storage takes on disk, its index included", |storage| known(storage, storage.stored_bytes)),
    ("c2b_storage_index_bytes", "What its index takes on disk", |storage| known(storage, storage.index_bytes)),
    ("c2b_storage_logical_bytes", "What all versions would take if each were kept whole", |storage| known(storage, storage.logical_bytes)),
    ("c2b_storage_mailboxes", "Mailboxes in the storage", |storage| known(storage, storage.mailboxes)),
    ("c2b_storage_items", "Living items in the storage", |storage| known(storage, storage.items)),
    ("c2b_storage_versions", "Versions of items in the storage", |storage| known(storage, storage.versions)),
    ("c2b_storage_lost_contents", "Contents that damage took and that the source has not given again", |storage| known(storage, storage.lost_contents)),
    ("c2b_storage_last_commit_timestamp_seconds", "When something was last written; 0 when nothing ever was", |storage| {
        known(storage, 0).map(|_| or_zero(storage.last_commit))
    }),
    ("c2b_storage_oldest_verification_timestamp_seconds", "When the part was verified for which that is longest ago; 0 when some part never was", |storage| {
        known(storage, 0).map(|_| or_zero(storage.oldest_verification))
    }),
];

const SLOT_GAUGES: [Of<SlotsInfo>; 5] = [
    ("c2b_connection_slots", "Requests that may be in flight at once", |slots| Some(f64::from(slots.slots))),
    ("c2b_connection_requests_in_flight", "Requests in flight", |slots| Some(f64::from(slots.in_flight))),
    ("c2b_connection_requests_waiting", "Requests that wait for a slot", |slots| Some(f64::from(slots.waiting))),
    ("c2b_connection_mailboxes_held", "Mailboxes left alone since the server asked for it", |slots| Some(f64::from(slots.held_mailboxes))),
    ("c2b_connection_latency_seconds", "Time that half of the last answers took less than", |slots| Some(slots.latency_ms? as f64 / 1000.0)),
];

const SLOT_COUNTERS: [Of<tally::Counts>; 4] = [
    ("c2b_connection_answers_total", "Requests answered", |counts| Some(count(counts.answered))),
    ("c2b_connection_refusals_total", "Requests refused since the server was too busy", |counts| Some(count(counts.refused))),
    ("c2b_connection_losses_total", "Requests without an answer", |counts| Some(count(counts.lost))),
    ("c2b_connection_throttled_seconds_total", "Time for which mailboxes were left alone, added up", |counts| Some(count(counts.throttled_secs))),
];

/// Returns what a status shows as metrics.
pub fn text(status: &Status, tally: &Tally) -> String {
    let mut text = Text::default();
    text.gauge("c2b_build_info", "The version of c2bd", &[("version", &status.version)], 1.0);
    text.gauge("c2b_start_time_seconds", "When c2bd started", &[], seconds(status.started));
    text.gauge("c2b_bad_news", "Lines of bad news in `c2bctl status`", &[], status.bad_news.len() as f64);
    jobs(&mut text, &status.jobs);
    let storages: Vec<(&str, &StorageInfo)> = status.storages.iter().map(|storage| (storage.name.as_str(), storage)).collect();
    each(&mut text, Kind::Gauge, "storage", &STORAGE_GAUGES, &storages);
    connections(&mut text, &status.connections, tally);
    text.finish()
}

fn jobs(text: &mut Text, all: &[JobStatus]) {
    let name = |job: &'_ JobStatus| -> String { job.definition.name.clone() };
    let names: Vec<String> = all.iter().map(name).collect();
    let jobs: Vec<(&str, &JobStatus)> = names.iter().map(String::as_str).zip(all).collect();
    each(text, Kind::Gauge, "job", &JOB_GAUGES, &jobs);
    let of_states = |(name, job): &(&'_ str, &JobStatus)| {
        let (name, state) = (name.to_string(), job.state);
        STATES.map(move |(one, word)| (name.clone(), word, yes(one == state)))
    };
    let states: Vec<(String, &str, f64)> = jobs.iter().flat_map(of_states).collect();
    let samples = states.iter().map(|(name, word, number)| (vec![("job", name.as_str()), ("state", *word)], *number));
    text.metric(Kind::Gauge, "c2b_job_state", "1 for the state in which the job is", samples);
    let of_cycles = |(name, job): &(&'_ str, &JobStatus)| {
        let (name, life) = (name.to_string(), &job.lifetime);
        let counts = [("finished", life.finished), ("finished-with-warnings", life.finished_with_warnings), ("failed", life.failed), ("stopped", life.stopped)];
        counts.map(move |(word, number)| (name.clone(), word, count(number)))
    };
    let cycles: Vec<(String, &str, f64)> = jobs.iter().flat_map(of_cycles).collect();
    let samples = cycles.iter().map(|(name, word, number)| (vec![("job", name.as_str()), ("result", *word)], *number));
    text.metric(Kind::Counter, "c2b_job_cycles_total", "Cycles that ended", samples);
    let lifetimes: Vec<(&str, &JobLifetime)> = jobs.iter().map(|(name, job)| (*name, &job.lifetime)).collect();
    each(text, Kind::Counter, "job", &JOB_COUNTERS, &lifetimes);
}

fn connections(text: &mut Text, all: &[ConnectionInfo], tally: &Tally) {
    let warnings = all.iter().map(|connection| (vec![("connection", connection.name.as_str())], connection.warnings.len() as f64));
    text.metric(Kind::Gauge, "c2b_connection_warnings", "What an administrator should know of the connection", warnings);
    let ends = all.iter().flat_map(|connection| {
        let name = connection.name.as_str();
        connection.expires.iter().map(move |expiry| (vec![("connection", name), ("what", expiry.what.as_str())], seconds(expiry.time)))
    });
    text.metric(Kind::Gauge, "c2b_connection_expiry_timestamp_seconds", "When a certificate or secret of the connection is good no more", ends);
    let used: Vec<(&str, SlotsInfo)> = all.iter().filter_map(|connection| Some((connection.name.as_str(), connection.slots?))).collect();
    each(text, Kind::Gauge, "connection", &SLOT_GAUGES, &used.iter().map(|(name, slots)| (*name, slots)).collect::<Vec<_>>());
    let counts: Vec<(&str, tally::Counts)> = all.iter().map(|connection| (connection.name.as_str(), tally.count(&connection.name, connection.slots))).collect();
    each(text, Kind::Counter, "connection", &SLOT_COUNTERS, &counts.iter().map(|(name, counts)| (*name, counts)).collect::<Vec<_>>());
}

/// Adds metrics of several things, which their names tell apart.
fn each<T>(text: &mut Text, kind: Kind, noun: &'static str, metrics: &[Of<T>], things: &[(&str, &T)]) {
    for (name, help, number) in metrics {
        text.metric(kind, name, help, things.iter().filter_map(|(thing, value)| Some((vec![(noun, *thing)], number(value)?))));
    }
}

/// A number of a storage; none while it cannot be looked into.
fn known(storage: &StorageInfo, number: u64) -> Option<f64> {
    storage.problem.is_none().then_some(count(number))
}

fn count(number: u64) -> f64 {
    number as f64
}

fn yes(is_so: bool) -> f64 {
    f64::from(u8::from(is_so))
}

fn seconds(time: DateTime<Utc>) -> f64 {
    time.timestamp_micros() as f64 / 1e6
}

fn or_zero(time: Option<DateTime<Utc>>) -> f64 {
    time.map_or(0.0, seconds)
}

#[cfg(test)]
mod tests;
