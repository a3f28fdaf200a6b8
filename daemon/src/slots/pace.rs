//! How fast a budget may be asked: that of one mailbox, or that of the account. Learned from refusals.
//!
//! A budget that recharges allows a rate, whatever is in flight. From one refusal to the next it goes from
//! empty to empty, so what was answered between them, divided by the time, is that rate.
//!
//! A server that is in passing trouble refuses as well. So a rate is first believed when it was seen twice:
//! until then requests become twice as quick again and again, and what brings no refusal is forgotten.
//! Then less than the rate is asked for, for long as much, and then more and more, until it is refused again; the more
//! often it was right, the longer that takes.
//!
//! The account's budget may be shared with other programs: whoever is refused keeps a part of his rate, and all become
//! quicker by steps that hardly depend on it, so that they come to equal parts.

use std::time::Duration;

/// Answers between two refusals from which a rate can be told.
const ANSWERS_MIN: u32 = 4;

/// Requests a second that are tried whatever was told, as long as that is not believed.
const RATE_MIN: f64 = 1.0;

/// Least rate that is believed: a pace must not be taken for a standstill.
const RATE_LEAST: f64 = 0.3;

/// How many times the rate that was told once is tried at first, and seconds in which that doubles.
const DOUBTED: f64 = 2.0;
const DOUBLED_WITHIN: f64 = 1.0;

/// Answers since it was used up, and how many times more than it gives, that show that there is no such budget.
const DISPROVED_MIN: u32 = 16;
const DISPROVED: f64 = 2.0;

/// Two rates that differ by no more than this factor are the same.
const ALIKE: f64 = 2.0;

/// Part of a rate from which it is asked in full.
const FULL: f64 = 0.95;

/// Part of a rate that is kept when it was asked in full, but not all the time, and what is a break.
const KEPT: f64 = 0.9;
const IDLE: Duration = Duration::from_secs(10);

/// Part of a rate that is not asked for at first.
const BELOW: f64 = 0.2;

/// Seconds until a rate that is well known is level, and answers, and seconds at most.
const LEVEL_WITHIN: f64 = 30.0;
const LEVEL_ANSWERS: f64 = 160.0;
const LEVEL_WITHIN_MAX: f64 = 80.0;

/// How often a rate must have been right to be well known; each time less, all goes twice as fast.
const KNOWN_MAX: u32 = 3;

/// Part of its pace that a program keeps when a budget is used up that it may share.
const GIVEN_WAY: f64 = 0.65;

/// How much quicker than it was answered a program may have been: a pace that is not used says nothing.
const QUICKEST: f64 = 1.25;

/// Part of its pace from which a refusal is no surprise.
const DUE: f64 = 0.8;

/// By how much it becomes quicker in a second, for the root of its pace, and after how many seconds ever faster.
const QUICKER: f64 = 0.003;
const QUICKER_WITHIN: f64 = 30.0;

/// Time after which a budget that is still used up makes it slower again.
const AGAIN: Duration = Duration::from_secs(3);

/// What is known of a budget.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    /// Requests a second.
    rate: f64,
    /// How often it was right.
    known: u32,
    /// Whether other programs may have a part of it.
    is_shared: bool,
}

/// The pace at which a budget is asked.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    budget: Option<Budget>,
    /// When it was used up last, and what was answered since then.
    refused: Option<Duration>,
    answers: u32,
    /// When it was asked again after that.
    begun: Option<Duration>,
    next: Duration,
    /// When it was asked last, and whether it was left alone for long since it was used up.
    last: Duration,
    idle: bool,
    is_shared: bool,
}

impl Pace {
    /// Returns the pace of a budget that other programs may have a part of.
    pub(super) fn of_shared() -> Self {
        Self { is_shared: true, ..Self::default() }
    }

    /// Notes that a request is sent.
    pub(super) fn sent(&mut self, now: Duration) {
        self.idle |= self.begun.is_some() && now.saturating_sub(self.last) > IDLE;
        self.last = now;
        let begun = *self.begun.get_or_insert(now);
        let Some(budget) = self.budget else { return };
        let rate = budget.at(now.saturating_sub(begun).as_secs_f64());
        let gap = Duration::from_secs_f64((1.0 / rate).min(1.0 / RATE_LEAST));
        self.next = self.next.max(now.saturating_sub(gap)) + gap;
    }

    /// Returns the time before which nothing is sent.
    pub(super) fn next(&self) -> Duration {
        if self.budget.is_some() { self.next } else { Duration::ZERO }
    }

    /// Notes an answer to a request that was sent at `sent`.
    pub(super) fn answered(&mut self, now: Duration, sent: Duration) {
        if self.refused.is_some_and(|refused| sent < refused) {
            return;
        }
        self.answers = self.answers.saturating_add(1);
        let secs = now.saturating_sub(self.refused.unwrap_or(now)).as_secs_f64();
        // It was empty, so it cannot have given more than has come back since.
        if self.answers >= DISPROVED_MIN && self.budget.is_some_and(|budget| f64::from(self.answers) > DISPROVED * budget.rate * secs) {
            self.budget = None;
        }
    }

    /// Returns whether it is about time for the budget to be used up.
    pub(super) fn expects(&self, now: Duration) -> bool {
        let secs = now.saturating_sub(self.begun.unwrap_or(now)).as_secs_f64();
        self.budget.is_some_and(|budget| budget.known > 0 && budget.at(secs) >= FULL * budget.rate)
    }

    /// Notes that the budget is used up. `usual` is what was learned of others: budgets are alike.
    /// Returns what was learned of this one.
    pub(super) fn refused(&mut self, now: Duration, usual: Option<Budget>) -> Option<Budget> {
        let before = self.refused;
        match before {
            None => self.budget = usual,
            Some(before) if now.saturating_sub(before) < AGAIN || self.answers < ANSWERS_MIN => return None,
            Some(before) => self.learn(now, f64::from(self.answers) / now.saturating_sub(before).as_secs_f64()),
        }
        self.refused = Some(now);
        self.answers = 0;
        self.begun = None;
        self.idle = false;
        before.and(self.budget)
    }

    fn learn(&mut self, now: Duration, rate: f64) {
        let is_shared = self.is_shared;
        let Some(budget) = self.budget else {
            self.budget = Some(Budget { rate, known: 0, is_shared });
            return;
        };
        let is_alike = rate < budget.rate * ALIKE && rate * ALIKE > budget.rate;
        let asked = budget.at(now.saturating_sub(self.begun.unwrap_or(now)).as_secs_f64());
        let (more, less) = ((budget.known + 1).min(KNOWN_MAX), budget.known.saturating_sub(1).max(1));
        let (rate, known) = match budget.known {
            0 => (rate, u32::from(is_alike)),
            _ if is_shared => (asked.min(QUICKEST * rate), if asked >= DUE * budget.rate { more } else { less }),
            // It is less than it was.
            _ if asked < FULL * budget.rate => (rate.min(asked), less),
            // The rate is told too low when it was not asked all the time.
            _ => (if self.idle { rate.max(KEPT * budget.rate) } else { rate }, if is_alike { more } else { 1 }),
        };
        self.budget = Some(Budget { rate, known, is_shared });
    }
}

impl Budget {
    /// Returns the requests a second, so many seconds after it was used up.
    fn at(&self, secs: f64) -> f64 {
        if self.known == 0 {
            return self.rate.max(RATE_MIN) * DOUBTED * (secs / DOUBLED_WITHIN).exp2();
        }
        let secs = secs * f64::from(1 << KNOWN_MAX.saturating_sub(self.known));
        if self.is_shared {
            GIVEN_WAY * self.rate + QUICKER * self.rate.sqrt() * (secs + secs * (secs / QUICKER_WITHIN).powi(2) / 3.0)
        } else {
            let level = LEVEL_WITHIN.max((LEVEL_ANSWERS / self.rate).min(LEVEL_WITHIN_MAX));
            (1.0 - BELOW) * self.rate + BELOW * self.rate.min(self.rate.sqrt()) * (1.0 + (secs / level - 1.0).powi(3))
        }
    }
}
