//! How fast a mailbox may be asked whose server counts its requests: learned from refusals.
//!
//! A budget that recharges allows a rate, whatever is in flight. From one refusal to the next the
//! budget goes from empty to empty, so what was answered between them, divided by the time, is that rate.

use std::time::Duration;

/// Answers between two refusals from which a rate can be told.
const ANSWERS_MIN: u32 = 12;

/// Part of the rate that is used, so that the budget is not empty again at once.
const USED: f64 = 0.92;

/// Answers at a rate after which a little more is tried, and how much more.
const ANSWERS_STEP: u32 = 150;
const STEP: f64 = 1.04;

/// Refusals are rarer than this without any pace: then there is none.
const RARE: u32 = 400;

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
        if self.step >= ANSWERS_STEP {
            self.step = 0;
            self.gap = self.gap.map(|gap| gap / STEP).filter(|gap| *gap > 1e-3);
        }
    }

    /// Notes a refusal, the first since the mailbox was left alone last.
    pub(super) fn refused(&mut self, now: Duration) {
        if let Some(before) = self.refused
            && self.answers < RARE
            && self.answers >= ANSWERS_MIN
        {
            let gap = now.saturating_sub(before).as_secs_f64() / f64::from(self.answers) / USED;
            self.gap = Some(gap.clamp(1e-3, 60.0));
        }
        self.refused = Some(now);
        self.answers = 0;
        self.step = 0;
    }
}
