//! Whether a job runs now: a pure function of its periods, the time and what it did before (spec.md section 3).

use super::{Period, Schedule};
use chrono::{DateTime, Utc};

/// What is known of a job, beside its periods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// It has one cycle only.
    pub one_time: bool,
    /// A one-time job starts a new cycle in each period.
    pub rearm: bool,
    /// A period that passed while the daemon was down is made good.
    pub catch_up: bool,
    /// Somebody stopped it, and nobody started it since.
    pub held: bool,
    /// A cycle was begun and not ended.
    pub unfinished: bool,
    /// When its last cycle ended.
    pub ended: Option<DateTime<Utc>>,
    /// When it last ran.
    pub ran: Option<DateTime<Utc>>,
    /// When the daemon last looked after it: what ended since was missed. The time of its definition at first.
    pub seen: Option<DateTime<Utc>>,
}

/// What a job does now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It runs, and is paused at the end of this period.
    Run(Period),
    /// It runs one cycle outside of any period, to make good for the one that was missed.
    CatchUp(Period),
    /// It waits for this period; with an open cycle it is paused until then.
    Wait(Period),
    /// It is held until somebody starts it.
    Hold,
    /// No period comes any more, or none in which it has something to do.
    Over,
}

impl Standing {
    /// Decides.
    pub fn decide(&self, schedule: &Schedule, now: DateTime<Utc>) -> Decision {
        if self.held {
            return Decision::Hold;
        }
        if let Some(open) = schedule.at(now)
            && self.has_work_in(open)
        {
            return Decision::Run(open);
        }
        if let Some(missed) = self.missed(schedule, now) {
            return Decision::CatchUp(missed);
        }
        if self.one_time && self.ended.is_some() && !self.unfinished && !self.rearm {
            return Decision::Over;
        }
        schedule.next(now).map_or(Decision::Over, Decision::Wait)
    }

    fn has_work_in(&self, period: Period) -> bool {
        !self.one_time || self.unfinished || self.ended.is_none_or(|ended| self.rearm && ended < period.start)
    }

    /// The last period that passed unseen, and in which it had something to do: one, however many passed.
    fn missed(&self, schedule: &Schedule, now: DateTime<Utc>) -> Option<Period> {
        let seen = self.seen.filter(|_| self.catch_up)?;
        let missed = schedule.last_ended(seen, now)?;
        let is_new = self.unfinished || self.ran.is_none_or(|ran| ran < missed.start);
        (is_new && self.has_work_in(missed)).then_some(missed)
    }
}
