//! Who may send next, over one connection.
//!
//! Of the requests that wait and may be sent, the next one is of the job with the fewest in flight,
//! in it of the mailbox with the fewest, and among equals of who waited longest for a turn: a job
//! with a thousand waiting requests does not starve a job with one. A mailbox that its server wants
//! to be left alone takes no slot, and nothing is sent for it before the time.

use super::controller::{Blame, Controller, Sent};
use super::pace::{Budget, Pace};
use super::weight::Weight;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::Hash;
use std::time::Duration;

/// Requests in flight for one mailbox. Exchange Online allows four for an application and mailbox;
/// one is left for the administrator's own tools.
pub const MAILBOX_SLOTS_MAX: u32 = 3;

/// Mailboxes refused one after the other, with no answer between, after which all of them pause.
const PAUSE_REFUSALS: u32 = 3;

/// Answers for each request in flight within which a refusal shows that it was no limit.
const TOLD_ROUNDS: u64 = 8;

/// Answers between two refusals that have the same cause, and refusals further apart that show that the budget is not the account's.
const TOGETHER: u64 = 12;
const ALONE_MAX: u32 = 3;

/// First such pause; it doubles with each further refusal.
const PAUSE_FIRST: Duration = Duration::from_secs(1);

/// Longest such pause: the server asked for it for single mailboxes only, so it is tried again soon.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// Answers of which the times are kept, to tell the one in the middle.
const LATENCIES_KEPT: usize = 64;

/// A request that waits, or is in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(u64);

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// This request is to be sent now.
    Send(Ticket),
    /// Nothing may be sent before this time.
    Wait(Duration),
    /// Nothing may be sent before a request ends, or none waits.
    Nothing,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outcome {
    /// It was answered.
    Answered(Weight),
    /// It was answered, but in a way that says nothing about times, for instance that a folder is gone.
    Neutral,
    /// The server asked to slow down, for this long where it said so.
    Refused(Option<Duration>),
    /// No answer came.
    Lost,
    /// Nobody waits for the answer any more.
    Dropped,
}

/// What a pause changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// By how much the time was put off: less than asked for when an earlier pause reaches into it.
    pub added: Duration,
    /// The time until which the mailbox is left alone.
    pub until: Duration,
}

/// Whether a mailbox may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may.
    Free,
    /// It is left alone until this time.
    Held(Duration),
}

/// What there is to see of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Facts {
    /// Slots: how many requests may be in flight.
    pub slots: u32,
    /// Requests in flight.
    pub in_flight: u32,
    /// Requests that wait for a slot.
    pub waiting: u32,
    /// Mailboxes left alone at present.
    pub held: u32,
    /// Requests answered so far.
    pub answered: u64,
    /// Requests that the server refused so far, since it is too busy.
    pub refused: u64,
    /// Requests without an answer so far.
    pub lost: u64,
    /// The time that half of the last answers took less than.
    pub latency: Option<Duration>,
    /// Time for which mailboxes were left alone so far, added up.
    pub throttled: Duration,
}

/// The requests of one connection: those that wait, and those in flight.
#[derive(Debug)]
pub struct Gate<J, M> {
    controller: Controller,
    waiting: BTreeMap<Ticket, Waiting<J, M>>,
    flying: HashMap<Ticket, Flying<J, M>>,
    jobs: HashMap<J, Share>,
    lanes: HashMap<M, Lane>,
    last: u64,
    turn: u64,
    pause_until: Duration,
    /// What was learned of the last mailbox whose budget was used up.
    usual: Option<Budget>,
    streak: Option<Streak>,
    /// How many answers there were at the last refusal, and refusals since two came together.
    refused_at: u64,
    alone: u32,
    /// Whether the last one came together with another.
    is_sure: bool,
    /// The limit that a streak told last.
    told: Option<Told>,
    /// The pace of the account, where the budget is its.
    pace: Pace,
    /// Whether the last streak was long: then the budget is the account's, and one request asks for all.
    is_of_account: bool,
    latencies: VecDeque<Duration>,
    facts: Facts,
}

#[derive(Debug)]
struct Waiting<J, M> {
    job: J,
    mailbox: Option<M>,
}

#[derive(Debug)]
struct Flying<J, M> {
    job: J,
    mailbox: Option<M>,
    since: Duration,
    sent: Sent,
}

/// What a job or a mailbox has of the slots.
#[derive(Clone, Copy, Debug, Default)]
struct Share {
    in_flight: u32,
    /// When it had its last turn.
    turn: u64,
}

#[derive(Debug, Default)]
struct Lane {
    share: Share,
    not_before: Duration,
    pace: Pace,
}

/// A number of requests in flight that was let in when more were refused, and until how many answers that counts.
#[derive(Clone, Copy, Debug)]
struct Told {
    level: u32,
    until: u64,
}

/// Refusals without an answer between them.
#[derive(Clone, Copy, Debug)]
struct Streak {
    since: Duration,
    count: u32,
    /// How many were in flight besides, when the last one was refused.
    in_flight: u32,
    /// Whether all mailboxes paused for it.
    paused: bool,
}

impl<J: Clone + Eq + Hash, M: Clone + Eq + Hash> Gate<J, M> {
    /// Returns the gate of a connection.
    pub fn new(controller: Controller) -> Self {
        Self {
            controller,
            waiting: BTreeMap::new(),
            flying: HashMap::new(),
            jobs: HashMap::new(),
            lanes: HashMap::new(),
            last: 0,
            turn: 0,
            pause_until: Duration::ZERO,
            usual: None,
            streak: None,
            refused_at: 0,
            alone: 0,
            is_sure: false,
            told: None,
            pace: Pace::of_shared(),
            is_of_account: false,
            latencies: VecDeque::new(),
            facts: Facts::default(),
        }
    }

    /// Returns the number of slots.
    pub fn slots(&self) -> u32 {
        self.controller.slots()
    }

    /// Lets a request of a job wait for its turn; without a mailbox it is one of the connection as such.
    pub fn ask(&mut self, job: J, mailbox: Option<M>) -> Ticket {
        self.last += 1;
        let ticket = Ticket(self.last);
        self.waiting.insert(ticket, Waiting { job, mailbox });
        ticket
    }

    /// Returns what is to be done at `now`; to be asked again until nothing more is to be sent.
    pub fn next(&mut self, now: Duration) -> Grant {
        if self.waiting.is_empty() || self.in_flight() >= self.controller.slots() || self.is_asking() {
            return Grant::Nothing;
        }
        if let Some(until) = self.pause(now) {
            return Grant::Wait(until);
        }
        let mut soonest: Option<Duration> = None;
        let mut best = None;
        for (ticket, one) in &self.waiting {
            let lane = one.mailbox.as_ref().and_then(|mailbox| self.lanes.get(mailbox));
            let share = lane.map_or(Share::default(), |lane| lane.share);
            if share.in_flight >= MAILBOX_SLOTS_MAX {
                continue;
            }
            let from = lane.map_or(Duration::ZERO, Lane::from);
            if from > now {
                soonest = Some(soonest.map_or(from, |soonest| soonest.min(from)));
                continue;
            }
            let job = self.jobs.get(&one.job).copied().unwrap_or_default();
            let rank = (job.in_flight, job.turn, share.in_flight, share.turn, *ticket);
            if best.is_none_or(|best| rank < best) {
                best = Some(rank);
            }
        }
        match (best, soonest) {
            (Some((.., ticket)), _) => self.send(now, ticket),
            (None, Some(soonest)) => Grant::Wait(soonest),
            (None, None) => Grant::Nothing,
        }
    }

    /// Returns whether slots stay empty since nobody who may send wants to: another mailbox would fill them.
    pub fn is_hungry(&self, now: Duration) -> bool {
        let may_send = |one: &Waiting<J, M>| {
            let lane = one.mailbox.as_ref().and_then(|mailbox| self.lanes.get(mailbox));
            lane.is_none_or(|lane| lane.share.in_flight < MAILBOX_SLOTS_MAX && lane.from() <= now)
        };
        !self.is_asking() && self.pause(now).is_none() && self.in_flight() < self.controller.slots() && !self.waiting.values().any(may_send)
    }

    /// Ends a request, whether it was sent or still waits.
    pub fn end(&mut self, now: Duration, ticket: Ticket, outcome: Outcome) {
        self.waiting.remove(&ticket);
        let Some(one) = self.flying.remove(&ticket) else { return };
        if let Some(share) = self.jobs.get_mut(&one.job) {
            share.in_flight -= 1;
        }
        if matches!(outcome, Outcome::Answered(_) | Outcome::Neutral) {
            self.end_streak(now, &one.sent);
        }
        let is_of_account = self.is_of_account && self.is_shared_now(now);
        let mut lane = one.mailbox.as_ref().and_then(|mailbox| self.lanes.get_mut(mailbox));
        if let Some(lane) = &mut lane {
            lane.share.in_flight -= 1;
        }
        match outcome {
            Outcome::Answered(_) | Outcome::Neutral => {
                self.facts.answered += 1;
                if let Some(lane) = &mut lane {
                    lane.pace.answered(now, one.since);
                }
                self.pace.answered(now, one.since);
                let took = now.saturating_sub(one.since);
                if self.latencies.len() >= LATENCIES_KEPT {
                    self.latencies.pop_front();
                }
                self.latencies.push_back(took);
                if let Outcome::Answered(weight) = outcome {
                    self.controller.answered(now, &one.sent, &weight);
                }
            }
            Outcome::Refused(pause) => {
                self.facts.refused += 1;
                // Those that were sent before a pause began belong to the refusal that caused it.
                let first = lane.as_ref().is_none_or(|lane| lane.not_before <= one.since || lane.not_before <= now);
                if first {
                    // Requests overtake one another: those that were sent after it may have arrived before.
                    let in_flight = one.sent.in_flight.max(u32::try_from(self.flying.len() + 1).unwrap_or(u32::MAX));
                    // What the budget of a mailbox, or of the account, is known to bear is no limit.
                    let is_of_mailbox = !self.is_of_account && lane.as_ref().is_some_and(|lane| lane.pace.expects(now));
                    let is_expected = pause.is_some() && (is_of_account || is_of_mailbox);
                    let blame = if is_expected { Blame::Other } else { self.controller.refused(now, &one.sent.among(in_flight), pause) };
                    if blame == Blame::Other
                        && pause.is_some()
                        && !is_of_account
                        && let Some(lane) = lane
                    {
                        self.usual = lane.pace.refused(now, self.usual).or(self.usual);
                    }
                    self.note_streak(now, one.since, pause, blame, is_expected);
                }
            }
            Outcome::Lost => {
                self.facts.lost += 1;
                self.controller.lost(now, &one.sent);
            }
            Outcome::Dropped => {}
        }
        self.tidy(now);
    }

    /// Leaves a mailbox alone for `delay` from now, or longer when that was said before.
    pub fn hold(&mut self, now: Duration, mailbox: &M, delay: Duration) -> Hold {
        let lane = self.lanes.entry(mailbox.clone()).or_default();
        let earlier = lane.not_before.max(now);
        lane.not_before = earlier.max(now + delay);
        let added = lane.not_before - earlier;
        self.facts.throttled += added;
        Hold { added, until: lane.not_before }
    }

    /// Returns whether a mailbox may be asked.
    pub fn verdict(&self, now: Duration, mailbox: &M) -> Verdict {
        match self.lanes.get(mailbox).map(|lane| lane.not_before) {
            Some(until) if until > now => Verdict::Held(until),
            _ => Verdict::Free,
        }
    }

    /// Returns what there is to see.
    pub fn facts(&self, now: Duration) -> Facts {
        let mut latencies: Vec<Duration> = self.latencies.iter().copied().collect();
        latencies.sort_unstable();
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Facts {
            slots: self.controller.slots(),
            in_flight: self.in_flight(),
            waiting: count(self.waiting.len()),
            held: count(self.lanes.values().filter(|lane| lane.not_before > now).count()),
            latency: latencies.get(latencies.len() / 2).copied(),
            ..self.facts
        }
    }

    /// Returns whether a refusal now is of the account's budget: it is soon after another, or is due and was so the last time.
    fn is_shared_now(&self, now: Duration) -> bool {
        self.facts.answered - self.refused_at <= TOGETHER || (self.is_sure && self.pace.expects(now))
    }

    fn in_flight(&self) -> u32 {
        u32::try_from(self.flying.len()).unwrap_or(u32::MAX)
    }

    fn send(&mut self, now: Duration, ticket: Ticket) -> Grant {
        let Some(Waiting { job, mailbox }) = self.waiting.remove(&ticket) else { return Grant::Nothing };
        self.turn += 1;
        self.jobs.entry(job.clone()).or_default().take(self.turn);
        if let Some(mailbox) = &mailbox {
            let lane = self.lanes.entry(mailbox.clone()).or_default();
            lane.share.take(self.turn);
            lane.pace.sent(now);
        }
        self.pace.sent(now);
        let sent = self.controller.sent(now, self.in_flight() + 1);
        self.flying.insert(ticket, Flying { job, mailbox, since: now, sent });
        Grant::Send(ticket)
    }

    /// Returns until when nothing at all is sent, where that is later.
    fn pause(&self, now: Duration) -> Option<Duration> {
        Some(self.pause_until.max(self.pace.next())).filter(|until| *until > now)
    }

    /// Notes that one mailbox after another is refused, with no answer between. Either fewer may be in flight, or
    /// nothing is answered at all: then the budget is the account's, and all mailboxes pause.
    fn note_streak(&mut self, now: Duration, since: Duration, hint: Option<Duration>, blame: Blame, is_expected: bool) {
        let in_flight = self.in_flight();
        let streak = self.streak.get_or_insert(Streak { since: now, count: 0, in_flight, paused: false });
        if streak.count > 0 && since <= streak.since {
            // Sent before the one before was known.
            return;
        }
        streak.since = now;
        streak.count += 1;
        streak.in_flight = in_flight;
        if self.is_of_account && blame == Blame::Other && hint.is_some() {
            self.note_refusal_of_account(now);
        }
        let Some(streak) = &mut self.streak else { return };
        // A limit would not refuse again what it has just let in.
        let is_no_limit = hint.is_some() && self.told.is_some_and(|told| streak.in_flight < told.level && self.facts.answered < told.until);
        let is_told = if self.is_of_account || is_no_limit {
            streak.count >= PAUSE_REFUSALS - 1
        } else {
            streak.count >= PAUSE_REFUSALS && (in_flight == 0 || is_expected)
        };
        if !is_told {
            return;
        }
        let own = PAUSE_FIRST.saturating_mul(1 << (streak.count + 1).saturating_sub(PAUSE_REFUSALS).min(6));
        let is_first = !std::mem::replace(&mut streak.paused, true);
        self.pause_until = self.pause_until.max(now + hint.unwrap_or(own).min(PAUSE_MAX));
        if is_first {
            self.pace.refused(now, None);
            self.refused_at = self.facts.answered;
            self.alone = 0;
        }
        if !std::mem::replace(&mut self.is_of_account, true) {
            self.told = None;
            self.controller.unlimited();
        }
    }

    /// Notes a refusal where the budget seems to be the account's: such a budget refuses others as well when it is used
    /// up, that of a mailbox refuses it alone.
    fn note_refusal_of_account(&mut self, now: Duration) {
        let is_together = self.facts.answered - self.refused_at <= TOGETHER;
        if self.is_shared_now(now) {
            self.alone = 0;
            self.pace.refused(now, None);
        } else {
            self.alone += 1;
        }
        // Where it is due one refusal is enough, but only every other time.
        self.is_sure = is_together;
        if self.alone >= ALONE_MAX {
            self.is_of_account = false;
            self.pace = Pace::of_shared();
        }
        self.refused_at = self.facts.answered;
    }

    /// Notes that a request was answered.
    fn end_streak(&mut self, now: Duration, sent: &Sent) {
        if let Some(streak) = self.streak.filter(|streak| sent.time > streak.since) {
            if !streak.paused && streak.count >= PAUSE_REFUSALS {
                // It was refused until fewer were in flight.
                self.is_of_account = false;
                self.pace = Pace::of_shared();
                self.told = Some(Told { level: sent.in_flight, until: self.facts.answered + TOLD_ROUNDS * u64::from(sent.in_flight) });
                self.controller.limited(now, sent.in_flight);
            }
            self.streak = None;
        }
    }

    /// Returns whether nothing is sent until a request ends, which tells whether others may be sent.
    fn is_asking(&self) -> bool {
        let Some(streak) = self.streak.filter(|streak| self.is_of_account || streak.count >= PAUSE_REFUSALS) else { return false };
        let in_flight = self.in_flight();
        self.flying.values().any(|one| one.since > streak.since) || (in_flight > 0 && in_flight >= streak.in_flight)
    }

    /// Forgets jobs and mailboxes that have nothing in flight and nothing to remember.
    fn tidy(&mut self, now: Duration) {
        if self.jobs.len() > 64 {
            self.jobs.retain(|_, share| share.in_flight > 0);
        }
        if self.lanes.len() > 4096 {
            self.lanes.retain(|_, lane| lane.share.in_flight > 0 || lane.not_before > now);
        }
    }
}

impl Share {
    fn take(&mut self, turn: u64) {
        self.in_flight += 1;
        self.turn = turn;
    }
}

impl Lane {
    /// Returns the time before which nothing is sent.
    fn from(&self) -> Duration {
        self.not_before.max(self.pace.next())
    }
}
