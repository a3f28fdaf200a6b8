//! The number of requests in flight at which a server refused one, and when that may be tried again.

use std::time::Duration;

/// First time that a refusal keeps the slots below it.
const WAIT_FIRST: Duration = Duration::from_secs(5);

/// Longest time: a limit that an administrator raised is noticed within it.
const WAIT_MAX: Duration = Duration::from_secs(300);

/// A pause that the server imposed for a refusal is worth at most this part of the time between two of them.
const PAUSE_SHARE: u32 = 25;

/// Answers between two refusals, so that these stay far below one percent.
const ANSWERS_MIN: u64 = 200;

/// A number of slots that the server refused.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ceiling {
    /// The fewest requests in flight of which one was refused.
    pub(super) level: u32,
    wait: Duration,
    until: Duration,
    answers: u64,
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
        Self { level: level.max(2), wait: wait.min(WAIT_MAX.max(pause * PAUSE_SHARE)), until: now + wait, answers }
    }

    /// Returns whether it may be tried again.
    pub(super) fn is_over(&self, now: Duration, answers: u64) -> bool {
        now >= self.until && answers.saturating_sub(self.answers) >= ANSWERS_MIN
    }

    /// Lifts it by one slot, which held.
    pub(super) fn lifted(self, now: Duration, answers: u64) -> Self {
        Self { level: self.level + 1, wait: WAIT_FIRST, until: now, answers: answers.saturating_sub(ANSWERS_MIN) }
    }
}
