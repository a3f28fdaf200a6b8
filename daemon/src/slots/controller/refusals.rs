//! Refusals, time-outs and broken connections: the number of slots drops at the first of them.

use super::{Controller, Sent, part};
use crate::slots::ceiling::Ceiling;
use crate::slots::trouble::{Suspicion, Trouble};
use std::time::Duration;

/// Part of the slots that stays when more and more requests are refused, or the server became slow.
const DROP: f64 = 0.7;

/// Part of the slots that stays when answers fail to come.
const DROP_LOST: f64 = 0.5;

/// Slots by which a known limit is above the present number at most, for a refusal to be its.
const NEAR: u32 = 2;

/// Part of the slots that stays when another program grew into a limit that is known.
const GIVEN_WAY: f64 = 0.9;

/// What is to blame for a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::slots) enum Blame {
    /// Too many requests were in flight.
    Slots,
    /// Something else: a budget, perhaps.
    Other,
}

impl Controller {
    /// Notes that a request was refused: the server asks to slow down, for `pause` where it says so.
    /// Returns what is to blame.
    pub(in crate::slots) fn refused(&mut self, now: Duration, sent: &Sent, pause: Option<Duration>) -> Blame {
        let is_of_trial = self.is_of_trial(sent);
        if self.fixed || self.is_old(sent) {
            return if is_of_trial { Blame::Slots } else { Blame::Other };
        }
        self.suspicion.refused(is_of_trial);
        let is_limit = pause.is_none() || !self.suspicion.is_of_budgets();
        if is_of_trial && !is_limit {
            return Blame::Other;
        }
        if is_of_trial {
            // Requests overtake one another: of a trial, the one beyond the present number is to blame.
            self.refuse_from(now, sent.in_flight.max(self.slots + 1), pause);
            self.drop_to(now, self.slots);
            return Blame::Slots;
        }
        if is_limit && self.is_near_limit() && (self.slots > 1 || pause.is_none()) {
            self.give_way(now);
            return Blame::Slots;
        }
        let trouble = self.trouble.get_or_insert_with(|| Trouble::new(now));
        trouble.refusal(sent);
        match (pause, trouble.limit()) {
            (_, Some(limit)) => {
                self.refuse_from(now, limit + 1, pause);
                self.drop_to(now, self.slots.min(limit));
            }
            (None, None) => {
                // Something changed: what was known of a limit is of no use.
                self.ceiling = None;
                self.refuse_from(now, sent.in_flight, pause);
                self.drop_to(now, part(self.slots.min(sent.in_flight), DROP));
            }
            // A budget is used up: whoever has it is left alone, and a rate is found for it. That must help.
            (Some(_), None) if trouble.is_frequent() => self.drop_to(now, part(self.slots, DROP)),
            (Some(_), None) => {}
        }
        Blame::Other
    }

    /// Returns whether a limit is known that is hardly above the present number.
    fn is_near_limit(&self) -> bool {
        self.ceiling.is_some_and(|ceiling| ceiling.level <= self.slots + NEAR)
    }

    /// Gives way at a limit that held until now: another program uses a part of it. Who has more is refused more
    /// often and gives way more, and both come back slot by slot, so that they come to equal parts.
    fn give_way(&mut self, now: Duration) {
        let slots = part(self.slots, GIVEN_WAY);
        self.ceiling = Some(Ceiling::after_giving_way(slots + 1, now, self.answers));
        self.drop_to(now, slots);
    }

    /// Notes that requests were refused, one after another, until no more than `level` were in flight.
    pub(in crate::slots) fn limited(&mut self, now: Duration, level: u32) {
        self.suspicion = Suspicion::default();
        if !self.fixed && level < self.slots {
            self.refuse_from(now, level + 1, None);
            self.drop_to(now, level);
        }
    }

    /// Notes that what seemed to be a limit is none.
    pub(in crate::slots) fn unlimited(&mut self) {
        self.ceiling = None;
    }

    fn refuse_from(&mut self, now: Duration, level: u32, pause: Option<Duration>) {
        self.ceiling = Some(Ceiling::new(level, self.ceiling, now, pause.unwrap_or(Duration::ZERO), self.answers));
    }

    /// Notes that no answer came: time-out, broken connection, a server that is not there.
    pub fn lost(&mut self, now: Duration, sent: &Sent) {
        if self.is_old(sent) || self.fixed {
            return;
        }
        if self.is_of_trial(sent) {
            self.refuse_from(now, sent.in_flight.max(self.slots + 1), None);
            self.drop_to(now, self.slots);
        } else if self.is_near_limit() {
            self.give_way(now);
        } else {
            self.drop_to(now, part(self.slots, DROP_LOST));
        }
    }

    /// Returns whether a request was sent before the last drop.
    fn is_old(&self, sent: &Sent) -> bool {
        self.dropped.is_some_and(|dropped| sent.time <= dropped)
    }

    /// Returns whether a request was sent while more slots than the present number were tried.
    pub(super) fn is_of_trial(&self, sent: &Sent) -> bool {
        sent.in_flight > self.slots || (sent.stage == self.number && self.stage.slots > self.slots)
    }

    pub(super) fn drop_to(&mut self, now: Duration, slots: u32) {
        self.dropped = Some(now);
        self.trouble = None;
        self.settle_on(slots);
        self.measure();
    }
}
