//! The number of requests in flight at which a server refused one, and when that may be tried again.

use std::time::Duration;

/// First time that a refusal keeps the slots below it.
const WAIT_FIRST: Duration = Duration::from_secs(5);

/// Longest time: a limit that an administrator raised is noticed within it.
const WAIT_MAX: Duration = Duration::from_secs(12);

/// A pause that the server imposed for a refusal is worth at most this part of the time between two of them.
const PAUSE_SHARE: u32 = 1;

/// Answers between two refusals, so that these stay well below one percent.
const ANSWERS_MIN: u64 = 150;

/// Lifts after which it is lifted by more slots.
const LIFTS: u32 = 4;

/// A number of slots that the server refused.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ceiling {
    /// The fewest requests in flight of which one was refused.
    pub(super) level: u32,
    wait: Duration,
    until: Duration,
    answers: u64,
    lifts: u32,
}

impl Ceiling {
    /// Notes a refusal; `earlier` is the ceiling before it, and `answers` how many answers there were so far.
    pub(super) fn new(level: u32, earlier: Option<Self>, now: Duration, pause: Duration, answers: u64) -> Self {
        let wait = match earlier {
            // The same limit once more: ask less often.
            Some(earlier) if level >= earlier.level => (earlier.wait * 2).min(WAIT_MAX),
            Some(earlier) => earlier.wait.max(WAIT_FIRST),
            None => WAIT_FIRST,
        };
        let wait = wait.max(pause * PAUSE_SHARE);
        Self { level: level.max(2), wait: wait.min(WAIT_MAX.max(pause * PAUSE_SHARE)), until: now + wait, answers, lifts: 0 }
    }

    /// Returns whether it may be tried again.
    pub(super) fn is_over(&self, now: Duration, answers: u64) -> bool {
        now >= self.until && answers.saturating_sub(self.answers) >= ANSWERS_MIN
    }

    /// Returns one just above the present number, which another program may have grown into.
    pub(super) fn after_giving_way(level: u32, now: Duration, answers: u64) -> Self {
        Self { level: level.max(2), wait: WAIT_FIRST, until: now + WAIT_FIRST, answers: answers.saturating_sub(ANSWERS_MIN), lifts: 0 }
    }

    /// Lifts it, since it held no more: by one slot at first, so that others who had to give way
    /// can come back as well; by more when it keeps giving way.
    pub(super) fn lifted(self, now: Duration, answers: u64) -> Self {
        let lifts = self.lifts + 1;
        let by = 1 << (lifts / LIFTS).min(3);
        Self { level: self.level + by, wait: WAIT_FIRST, until: now + WAIT_FIRST / 2, answers: answers.saturating_sub(ANSWERS_MIN), lifts }
    }
}
