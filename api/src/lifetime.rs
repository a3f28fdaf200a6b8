//! What a job did in all its life: counters that only grow, and how fresh its mailboxes are.

use crate::job::{Counters, RunInfo};
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a job counted since it was made, over all its runs and those of daemons before this one. Grows when a cycle ends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default)]
pub struct JobLifetime {
    /// Cycles that ended well.
    pub finished: u64,
    /// Cycles that ended with warnings.
    pub finished_with_warnings: u64,
    /// Cycles that failed.
    pub failed: u64,
    /// Cycles that were stopped or paused before their end.
    pub stopped: u64,
    /// What they counted.
    pub totals: Counters,
    /// Time spent waiting because the server asked for it, in seconds.
    pub throttled_secs: u64,
}

/// How fresh the mailboxes of a job are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default)]
pub struct Freshness {
    /// Mailboxes that the job covered at last.
    pub mailboxes: u64,
    /// How many of them were never backed up whole.
    pub never: u64,
    /// How many of them were not backed up whole within the last 24 hours; those that never were included.
    pub stale: u64,
    /// When the one was backed up whole for which that is longest ago; none when none ever was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest: Option<DateTime<Utc>>,
}

impl JobLifetime {
    /// Adds what a run counted since it was looked at `before`, which may have been another run.
    pub fn add(&mut self, before: Option<&RunInfo>, now: &RunInfo) {
        let before = before.filter(|before| before.started == now.started);
        let (counted, throttled) = before.map_or_else(Default::default, |before| (before.totals, before.throttled_secs));
        self.totals.add(&now.totals.since(&counted));
        self.throttled_secs += now.throttled_secs.saturating_sub(throttled);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_is_looked_at_often_counts_once() {
        let run = |start, stored, throttled_secs| RunInfo {
            started: DateTime::from_timestamp(start, 0),
            totals: Counters { stored, ..Counters::default() },
            throttled_secs,
            ..RunInfo::default()
        };
        let mut lifetime = JobLifetime::default();
        let mut before = None;
        for now in [run(1, 10, 0), run(1, 10, 5), run(1, 30, 5), run(2, 4, 1), run(2, 6, 1)] {
            lifetime.add(before.as_ref(), &now);
            before = Some(now);
        }
        assert_eq!((lifetime.totals.stored, lifetime.throttled_secs), (36, 6));
    }
}
