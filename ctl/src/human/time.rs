//! Times in the reader's zone: `2026-11-21 22:30:02`.

use chrono::{DateTime, Local, Utc};

/// Returns a time in the local zone.
pub(crate) fn time(time: DateTime<Utc>) -> String {
    time.with_timezone(&Local).format("%Y-%m-%d %H:%M:%S").to_string()
}

/// Returns a time in the local zone; `-` when there is none.
pub(crate) fn time_or_dash(at: Option<DateTime<Utc>>) -> String {
    at.map_or_else(|| "-".to_owned(), time)
}
