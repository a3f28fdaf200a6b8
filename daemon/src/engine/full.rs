//! When a folder is listed though its mark is the same: now and then, in case a source's marks do not tell everything. Pure.
//!
//! Each mailbox has an instant of its own in each period, so that not all fall due at once. It falls due in the
//! cycle that is the first to begin after that instant; when the cycle before began is all that must be remembered.
//! Without that, everything is due.

use c2b_mailbox::Address;
use chrono::{DateTime, TimeDelta, Utc};
use std::hash::{DefaultHasher, Hash, Hasher};

/// The period of cycles that follow each other closely.
const PERIOD: TimeDelta = TimeDelta::days(1);

/// The period of cycles that are further apart: a daily job lists a seventh of its mailboxes in full each time.
const PERIOD_OF_RARE_CYCLES: TimeDelta = TimeDelta::days(7);

/// From which distance on cycles are rare.
const RARE: TimeDelta = TimeDelta::hours(3);

/// Two beginnings of cycles, between which instants fall due.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Interval {
    /// When the last cycle that ended well began.
    pub(crate) since: Option<DateTime<Utc>>,
    /// When this one began.
    pub(crate) until: DateTime<Utc>,
}

impl Interval {
    /// Returns whether all folders of the mailbox are to be listed.
    pub(crate) fn is_due(&self, mailbox: &Address) -> bool {
        let Some(since) = self.since.filter(|since| *since <= self.until) else { return true };
        let period = if self.until - since < RARE { PERIOD } else { PERIOD_OF_RARE_CYCLES };
        let period = period.num_seconds();
        let mut hasher = DefaultHasher::new();
        mailbox.hash(&mut hasher);
        let phase = i64::try_from(hasher.finish() % period.unsigned_abs()).unwrap_or(0);
        let number = |time: DateTime<Utc>| (time.timestamp() - phase).div_euclid(period);
        number(since) != number(self.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times_due(cycles: i64, apart: TimeDelta) -> Vec<i64> {
        let mailboxes: Vec<Address> = (0..50).map(|n| Address::parse(&format!("m{n}@x")).unwrap()).collect();
        let start = DateTime::<Utc>::from_timestamp(1_800_000_000, 0).unwrap();
        let at = |n: i64| start + apart * i32::try_from(n).unwrap();
        let due = |n: i64| mailboxes.iter().filter(|mailbox| Interval { since: Some(at(n - 1)), until: at(n) }.is_due(mailbox)).count();
        (1..=cycles).map(|n| i64::try_from(due(n)).unwrap()).collect()
    }

    #[test]
    fn each_mailbox_is_due_once_in_each_period_and_not_all_at_once() {
        let day = times_due(24 * 30, TimeDelta::minutes(2));
        assert_eq!(day.iter().sum::<i64>(), 50);
        assert!(day.iter().all(|due| *due <= 3), "{day:?}");
        let week = times_due(7, TimeDelta::days(1));
        assert_eq!(week.iter().sum::<i64>(), 50);
        assert!(week.iter().all(|due| *due < 20), "{week:?}");
        assert_eq!(times_due(3, TimeDelta::days(7)), [50, 50, 50]);
    }

    #[test]
    fn what_is_not_known_is_due() {
        let mailbox = Address::parse("a@x").unwrap();
        let now = DateTime::<Utc>::from_timestamp(1_800_000_000, 0).unwrap();
        assert!(Interval { since: None, until: now }.is_due(&mailbox));
        assert!(Interval { since: Some(now + TimeDelta::days(1)), until: now }.is_due(&mailbox), "a clock that was set back");
    }
}
