//! The mount's only look at the clock: whether a typed time is over yet.

use chrono::{DateTime, Utc};

/// Returns the time of day.
#[expect(clippy::disallowed_methods, reason = "the mount is its own process; this is its one file that reads the clock")]
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now()
}
