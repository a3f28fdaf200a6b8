//! The one retry policy: how long to wait after a failed request, or that it is time to give up.
//!
//! A pure function of the error and of what was tried before, so that it can be read and tested
//! as a table. It waits nowhere itself.

use c2b_mailbox::{Retry, SourceError, Trouble};
use std::time::Duration;

/// First wait of our own back-off. It doubles from there.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// Longest wait of our own back-off: a server that came back is noticed within five minutes.
const WAIT_MAX: Duration = Duration::from_secs(5 * 60);

/// Longest wait that a server's hint may cause at once; asking again after an hour is polite enough,
/// and a wrong hint of a week does not stop a backup for a week.
const HINT_MAX: Duration = Duration::from_secs(60 * 60);

/// Hints up to this are noise (some servers always say one second): our own back-off is used beside them.
const HINT_NOISE: Duration = Duration::from_secs(1);

/// Longest sum of waits for one request, throttling apart: half an hour covers a reboot of the server.
const SUM_MAX: Duration = Duration::from_secs(30 * 60);

/// What a request went through so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tried {
    /// Failures so far, throttling apart.
    pub(crate) failures: u32,
    /// Times that the server asked to slow down.
    pub(crate) throttles: u32,
    /// Sum of the waits after failures, throttling apart.
    pub(crate) waited: Duration,
}

/// What to do after an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Try again after this time.
    Wait(Duration),
    /// Try again after this time, and send nothing else for the mailbox before: the server asked for it.
    HoldOff(Duration),
    /// Stop trying.
    GiveUp,
}

/// Returns whether the server only asks to slow down: never a reason to give up.
pub(crate) fn is_throttling(error: &SourceError) -> bool {
    error.trouble == Trouble::Throttled
}

/// Decides what to do after `error`, the last of `tried`. `salt` spreads requests that failed together.
pub(crate) fn verdict(error: &SourceError, tried: Tried, salt: u64) -> Verdict {
    let own = backoff(tried.failures + tried.throttles, salt);
    if is_throttling(error) {
        return Verdict::HoldOff(hint(error.retry, own));
    }
    if tried.waited >= SUM_MAX {
        return Verdict::GiveUp;
    }
    match error.retry {
        // Throttling can look like a lack of rights: that is not believed at first sight.
        Retry::No if error.trouble == Trouble::Forbidden && tried.failures <= 1 => Verdict::Wait(own),
        Retry::No => Verdict::GiveUp,
        Retry::Backoff => Verdict::Wait(own),
        Retry::After(_) => Verdict::HoldOff(hint(error.retry, own)),
    }
}

/// Returns the wait before try `attempt + 1`: 1 s, 2 s, 4 s … 5 min, each up to a quarter less or more.
pub(crate) fn backoff(attempt: u32, salt: u64) -> Duration {
    let doubled = FIRST_WAIT.saturating_mul(1 << attempt.saturating_sub(1).min(16));
    let wait = doubled.min(WAIT_MAX);
    let permille = u32::try_from(mix(salt, attempt) % 500).unwrap_or(0);
    (wait * (750 + permille) / 1000).min(WAIT_MAX)
}

fn hint(retry: Retry, own: Duration) -> Duration {
    match retry {
        Retry::After(hint) if hint > HINT_NOISE => hint.min(HINT_MAX),
        Retry::After(hint) => hint.max(own),
        Retry::No | Retry::Backoff => own,
    }
}

/// Spreads without randomness: the same failure waits the same time in every run (splitmix64).
fn mix(salt: u64, attempt: u32) -> u64 {
    let mut z = salt.wrapping_add(u64::from(attempt).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use c2b_mailbox::Scope;
    use proptest::prelude::*;

    fn error(trouble: Trouble, retry: Retry) -> SourceError {
        SourceError { operation: "try".into(), scope: Scope::Item, trouble, code: "X".into(), message: "x".into(), retry, source: None }
    }

    #[test]
    fn waits_end_within_the_sum() {
        let busy = error(Trouble::Busy, Retry::Backoff);
        let mut tried = Tried { failures: 1, ..Tried::default() };
        while let Verdict::Wait(delay) = verdict(&busy, tried, 7) {
            assert!(delay <= WAIT_MAX);
            tried.waited += delay;
            tried.failures += 1;
            assert!(tried.failures < 100, "never gives up");
        }
        assert!(tried.waited >= SUM_MAX && tried.waited <= SUM_MAX + WAIT_MAX);
    }

    #[test]
    fn throttling_is_never_given_up() {
        for retry in [Retry::No, Retry::Backoff, Retry::After(Duration::ZERO), Retry::After(Duration::from_secs(9))] {
            let tried = Tried { failures: 50, throttles: 5000, waited: SUM_MAX * 2 };
            assert!(matches!(verdict(&error(Trouble::Throttled, retry), tried, 1), Verdict::HoldOff(_)));
        }
    }

    #[test]
    fn what_cannot_change_by_itself_is_not_tried_again() {
        let tried = Tried { failures: 1, ..Tried::default() };
        assert_eq!(verdict(&error(Trouble::Corrupt, Retry::No), tried, 1), Verdict::GiveUp);
    }

    #[test]
    fn a_lack_of_rights_is_not_believed_at_first_sight() {
        let denied = error(Trouble::Forbidden, Retry::No);
        assert!(matches!(verdict(&denied, Tried { failures: 1, ..Tried::default() }, 1), Verdict::Wait(_)));
        assert_eq!(verdict(&denied, Tried { failures: 2, ..Tried::default() }, 1), Verdict::GiveUp);
    }

    proptest! {
        #[test]
        fn a_hint_is_never_undercut(secs in 0u64..20_000, throttles in 1u32..40, salt: u64) {
            let asked = Duration::from_secs(secs);
            let tried = Tried { throttles, ..Tried::default() };
            let Verdict::HoldOff(delay) = verdict(&error(Trouble::Throttled, Retry::After(asked)), tried, salt) else {
                return Err(TestCaseError::fail("gave up"));
            };
            prop_assert!(delay >= asked.min(HINT_MAX));
            prop_assert!(delay <= HINT_MAX);
        }
    }
}
