//! Group commit: when the open batch is written.
//!
//! A `kill -9` loses the open batch, which is then fetched again: it must stay below one percent
//! of the run. A pack costs a few syncs and a file: a long run must not leave thousands of tiny ones.
//! So the batch grows with the run. Pure; the writer's thread asks it after each order.

use c2b_storagefmt::Pending;
use std::time::Duration;

/// Fewest items worth a pack while items arrive quickly. In a run of 2,000 items that is the quarter
/// percent below; it costs a run of any size 400 packs at most.
const ITEMS_MIN: u64 = 5;

/// A batch may hold this share of the run's items: a quarter of a percent.
const RUN_SHARE: u64 = 400;

/// Stored bytes in the open pack at which it is written: large enough for the disk's full speed.
const BYTES_MAX: u64 = 32 * 1024 * 1024;

/// Records without items (deletions, read marks) at which the batch is written: bounds its memory.
const CHANGES_MAX: u64 = 8192;

/// Oldest that a batch becomes at the beginning of a run.
const AGE_MIN: Duration = Duration::from_secs(2);

/// Oldest that a batch ever becomes.
const AGE_MAX: Duration = Duration::from_secs(60);

/// The state of the open batch and of the run that it belongs to.
///
/// A run lasts from the first order after a flush to the next flush.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    stored: u64,
    run_started: Option<Duration>,
    opened: Option<Duration>,
}

impl Batch {
    /// Notes the writer's state after an order, at `now` of the clock's elapsed time.
    pub(crate) fn note(&mut self, pending: &Pending, now: Duration) {
        self.run_started.get_or_insert(now);
        if pending.changes == 0 {
            self.opened = None;
        } else {
            self.opened.get_or_insert(now);
        }
    }

    /// Returns whether the batch is to be written at `now`.
    pub(crate) fn is_due(&self, pending: &Pending, now: Duration) -> bool {
        pending.changes > 0
            && (pending.items >= self.items_max()
                || pending.bytes >= BYTES_MAX
                || pending.changes >= CHANGES_MAX
                || self.rest(now).is_some_and(|rest| rest.is_zero()))
    }

    /// Returns the time until the batch is too old; `None` while nothing is pending.
    pub(crate) fn rest(&self, now: Duration) -> Option<Duration> {
        let run = now.saturating_sub(self.run_started.unwrap_or(now));
        let age_max = (run / u32::try_from(RUN_SHARE).unwrap_or(u32::MAX)).clamp(AGE_MIN, AGE_MAX);
        self.opened.map(|opened| (opened + age_max).saturating_sub(now))
    }

    /// Notes that the batch of `items` was written.
    pub(crate) fn written(&mut self, items: u64) {
        self.stored += items;
        self.opened = None;
    }

    /// Notes that somebody asked for everything to be written: the run is over.
    pub(crate) fn flushed(&mut self) {
        *self = Self::default();
    }

    fn items_max(&self) -> u64 {
        ITEMS_MIN.max(self.stored / RUN_SHARE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pending(items: u64, bytes: u64) -> Pending {
        Pending { items, bytes, changes: items }
    }

    #[test]
    fn a_batch_is_below_one_percent_of_a_large_run_and_packs_do_not_stay_tiny() {
        let mut batch = Batch::default();
        let (mut stored, mut packs, mut open) = (0u64, 0u64, 0u64);
        for _ in 0..100_000 {
            open += 1;
            batch.note(&pending(open, open), Duration::ZERO);
            if batch.is_due(&pending(open, open), Duration::ZERO) {
                assert!(open <= ITEMS_MIN || open * 100 < stored, "{open} open after {stored}");
                batch.written(open);
                stored += open;
                packs += 1;
                open = 0;
            }
        }
        assert!(packs < 2100, "{packs} packs for 100,000 items");
    }

    #[test]
    fn bytes_and_age_make_it_due() {
        let mut batch = Batch::default();
        batch.note(&pending(1, 1), Duration::from_secs(10));
        assert!(!batch.is_due(&pending(1, 1), Duration::from_secs(11)));
        assert!(batch.is_due(&pending(1, BYTES_MAX), Duration::from_secs(11)));
        assert_eq!(batch.rest(Duration::from_secs(11)), Some(Duration::from_secs(1)));
        assert!(batch.is_due(&pending(1, 1), Duration::from_secs(12)));
        batch.written(1);
        assert_eq!(batch.rest(Duration::from_secs(13)), None);
        assert!(!batch.is_due(&pending(0, 0), Duration::from_secs(99)));
    }
}
