//! How fast a mailbox may be asked whose server counts its requests: learned from refusals.
//!
//! A budget that recharges allows a rate, whatever is in flight. From one refusal to the next the
//! budget goes from empty to empty, so what was answered between them, divided by the time, is that rate.

use std::time::Duration;

/// Answers between two refusals from which a rate can be told.
const ANSWERS_MIN: u32 = 4;

/// Part of the rate that is used, so that the budget is not empty again at once.
const USED: f64 = 0.92;

/// Answers at a pace after which a little more is tried, and how much more.
const STEP_ANSWERS: u32 = 150;
const STEP: f64 = 1.04;

/// With more answers between refusals than this there is nothing to learn.
const RARE: u32 = 400;

/// Longest gap, in seconds: a pace is a guess, and must not be taken for a standstill.
const GAP_MAX: f64 = 3.0;

/// The pace of one mailbox.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    /// Seconds from one request to the next.
    gap: Option<f64>,
    next: Duration,
    refused: Option<Duration>,
    answers: u32,
    step: u32,
}

impl Pace {
    /// Notes that a request is sent.
    pub(super) fn sent(&mut self, now: Duration) {
        if let Some(gap) = self.gap {
            self.next = self.next.max(now.saturating_sub(Duration::from_secs_f64(gap))) + Duration::from_secs_f64(gap);
        }
    }

    /// Returns the time before which nothing is sent.
    pub(super) fn next(&self) -> Duration {
        if self.gap.is_some() { self.next } else { Duration::ZERO }
    }

    /// Notes an answer.
    pub(super) fn answered(&mut self) {
        self.answers = self.answers.saturating_add(1);
        self.step += 1;
        if self.step >= STEP_ANSWERS {
            self.step = 0;
            self.gap = self.gap.map(|gap| gap / STEP).filter(|gap| *gap > 1e-3);
        }
    }

    /// Notes a refusal, the first since the mailbox was left alone last. `usual` is what was learned of other
    /// mailboxes: budgets are alike. Returns what was learned of this one.
    pub(super) fn refused(&mut self, now: Duration, usual: Option<f64>) -> Option<f64> {
        let mut learned = None;
        if self.refused.is_none() {
            self.gap = usual;
        }
        if let Some(before) = self.refused
            && self.answers < RARE
            && self.answers >= ANSWERS_MIN
        {
            let gap = now.saturating_sub(before).as_secs_f64() / f64::from(self.answers) / USED;
            learned = Some(gap.clamp(1e-3, GAP_MAX));
            self.gap = learned;
        }
        self.refused = Some(now);
        self.answers = 0;
        self.step = 0;
        learned
    }
}
