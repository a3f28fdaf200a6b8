//! The number of requests in flight at which a server refused one, and when that may be tried again.

use std::time::Duration;

/// First time that a refusal keeps the slots below it.
const WAIT_FIRST: Duration = Duration::from_secs(10);

/// Longest time: a limit that an administrator raised is noticed within it.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// A pause that the server imposed for a refusal is worth at most this part of the time between two of them.
const PAUSE_SHARE: u32 = 25;

/// Answers between two refusals, so that these stay well below one percent.
const ANSWERS_MIN: u64 = 200;

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

    /// Lifts it, since it held no more: by one slot at first, so that another program that had to give way
    /// can come back; by more when it keeps giving way.
    pub(super) fn lifted(self, now: Duration, answers: u64) -> Self {
        let lifts = (self.lifts + 1).min(4);
        Self { level: self.level + (1 << self.lifts), wait: WAIT_FIRST, until: now + WAIT_FIRST / 2, answers: answers.saturating_sub(ANSWERS_MIN / 2), lifts }
    }
}
