//! Refusals at a number of slots that was fine before: what they depend on.
//!
//! A limit of requests in flight refuses those above it and answers those below. A budget that is used
//! up refuses whatever is sent, and answers again when it is recharged, however many are in flight.

use super::controller::Sent;
use std::time::Duration;

/// Refusals from which something can be told.
const REFUSALS_MIN: u32 = 2;

/// Requests after which refusals are counted, and the part of them that is too many.
const REQUESTS_MIN: u32 = 30;
const FREQUENT: f64 = 0.06;

/// Answers in a row, for each slot and besides, that end the trouble.
const QUIET_ROUNDS: u32 = 8;
const QUIET_MORE: u32 = 40;

/// Refusals outside of trials from which something can be told, how many times more frequent they are in trials when
/// a limit is to blame, and what is left of what was counted, with each further request.
const USUAL_MIN: f64 = 2.0;
const MORE_IN_TRIALS: f64 = 4.0;
const REMEMBERED: f64 = 0.9995;

/// What happened since the first refusal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trouble {
    since: Duration,
    refused: u32,
    /// Fewest in flight of which one was refused.
    refused_least: u32,
    answered: u32,
    /// Most in flight of which one was answered.
    answered_most: u32,
    in_a_row: u32,
}

/// Refusals in trials of more slots, and otherwise. A limit refuses in trials; a budget refuses whatever is tried.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Suspicion {
    trial: Share,
    usual: Share,
}

#[derive(Clone, Copy, Debug, Default)]
struct Share {
    requests: f64,
    refused: f64,
}

impl Suspicion {
    pub(super) fn answered(&mut self, is_of_trial: bool) {
        self.count(is_of_trial, 0.0);
    }

    pub(super) fn refused(&mut self, is_of_trial: bool) {
        self.count(is_of_trial, 1.0);
    }

    /// Returns whether refusals are about as frequent with the present number of slots as with more.
    pub(super) fn is_of_budgets(&self) -> bool {
        self.usual.refused >= USUAL_MIN && self.usual.part() * MORE_IN_TRIALS > self.trial.part()
    }

    fn count(&mut self, is_of_trial: bool, refused: f64) {
        let share = if is_of_trial { &mut self.trial } else { &mut self.usual };
        share.requests = share.requests * REMEMBERED + 1.0;
        share.refused = share.refused * REMEMBERED + refused;
    }
}

impl Share {
    fn part(&self) -> f64 {
        self.refused / self.requests.max(1.0)
    }
}

impl Trouble {
    pub(super) fn new(now: Duration) -> Self {
        Self { since: now, refused: 0, refused_least: u32::MAX, answered: 0, answered_most: 0, in_a_row: 0 }
    }

    pub(super) fn refusal(&mut self, sent: &Sent) {
        self.refused += 1;
        self.refused_least = self.refused_least.min(sent.in_flight);
        self.in_a_row = 0;
    }

    /// Notes an answer; `None` when the trouble is over.
    pub(super) fn after_answer(mut self, sent: &Sent, slots: u32) -> Option<Self> {
        if sent.time >= self.since {
            self.answered += 1;
            self.answered_most = self.answered_most.max(sent.in_flight);
        }
        self.in_a_row += 1;
        (self.in_a_row < QUIET_ROUNDS * slots + QUIET_MORE).then_some(self)
    }

    /// Returns the most requests in flight that are not refused, when all refusals were above and all answers below.
    pub(super) fn limit(&self) -> Option<u32> {
        let is_told = self.refused >= REFUSALS_MIN && self.answered >= 1 && self.answered_most < self.refused_least;
        is_told.then(|| self.refused_least - 1)
    }

    /// Returns whether refusals go on and on.
    pub(super) fn is_frequent(&self) -> bool {
        let all = self.refused + self.answered;
        all >= REQUESTS_MIN && f64::from(self.refused) > FREQUENT * f64::from(all)
    }
}
