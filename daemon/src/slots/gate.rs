//! Who may send next, over one connection.
//!
//! Of the requests that wait and may be sent, the next one is of the job with the fewest in flight,
//! in it of the mailbox with the fewest, and among equals of who waited longest for a turn: a job
//! with a thousand waiting requests does not starve a job with one. A mailbox that its server wants
//! to be left alone takes no slot, and nothing is sent for it before the time.

use super::controller::{Controller, Sent};
use super::pace::Pace;
use super::weight::Weight;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::Hash;
use std::time::Duration;

/// Requests in flight for one mailbox. Exchange Online allows four for an application and mailbox;
/// one is left for the administrator's own tools.
pub const MAILBOX_SLOTS_MAX: u32 = 3;

/// Mailboxes refused one after the other, with no answer between, after which all of them pause.
const PAUSE_REFUSALS: u32 = 3;

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
    /// Seconds between requests that the last mailbox bore whose budget was used up.
    usual_gap: Option<f64>,
    streak: Option<Streak>,
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

/// Refusals without an answer between them.
#[derive(Clone, Copy, Debug)]
struct Streak {
    since: Duration,
    count: u32,
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
            usual_gap: None,
            streak: None,
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
        if self.pause_until > now {
            return Grant::Wait(self.pause_until);
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
        !self.is_asking() && self.pause_until <= now && self.in_flight() < self.controller.slots() && !self.waiting.values().any(may_send)
    }

    /// Ends a request, whether it was sent or still waits.
    pub fn end(&mut self, now: Duration, ticket: Ticket, outcome: Outcome) {
        self.waiting.remove(&ticket);
        let Some(one) = self.flying.remove(&ticket) else { return };
        if let Some(share) = self.jobs.get_mut(&one.job) {
            share.in_flight -= 1;
        }
        if matches!(outcome, Outcome::Answered(_) | Outcome::Neutral) {
            self.end_streak(one.since);
        }
        let mut lane = one.mailbox.as_ref().and_then(|mailbox| self.lanes.get_mut(mailbox));
        if let Some(lane) = &mut lane {
            lane.share.in_flight -= 1;
        }
        match outcome {
            Outcome::Answered(_) | Outcome::Neutral => {
                self.facts.answered += 1;
                if let Some(lane) = &mut lane {
                    lane.pace.answered();
                }
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
                let first = lane.is_none_or(|lane| {
                    let first = lane.not_before <= one.since || lane.not_before <= now;
                    if first
                        && pause.is_some()
                        && let Some(gap) = lane.pace.refused(now, self.usual_gap)
                    {
                        self.usual_gap = Some(gap);
                    }
                    first
                });
                if first {
                    self.controller.refused(now, &one.sent, pause);
                    self.note_streak(now, one.since, pause);
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
        let sent = self.controller.sent(now, self.in_flight() + 1);
        self.flying.insert(ticket, Flying { job, mailbox, since: now, sent });
        Grant::Send(ticket)
    }

    /// Pauses all mailboxes when one after another is refused: then the budget is the account's.
    fn note_streak(&mut self, now: Duration, since: Duration, hint: Option<Duration>) {
        let streak = self.streak.get_or_insert(Streak { since: now, count: 0, paused: false });
        if streak.count > 0 && since <= streak.since {
            // Sent before the one before was known.
            return;
        }
        streak.since = now;
        streak.count += 1;
        let enough = if self.is_of_account { PAUSE_REFUSALS - 1 } else { PAUSE_REFUSALS };
        if streak.count < enough {
            return;
        }
        let own = PAUSE_FIRST.saturating_mul(1 << (streak.count - enough).min(6));
        streak.paused = true;
        self.is_of_account = true;
        self.pause_until = self.pause_until.max(now + hint.unwrap_or(own).min(PAUSE_MAX));
    }

    /// Notes that a request was answered that was sent then.
    fn end_streak(&mut self, sent: Duration) {
        if let Some(streak) = self.streak.filter(|streak| sent > streak.since) {
            self.is_of_account &= streak.paused;
            self.streak = None;
        }
    }

    /// Returns whether one request asks for all whether the account's budget is recharged.
    fn is_asking(&self) -> bool {
        self.is_of_account && self.streak.is_some_and(|streak| self.flying.values().any(|one| one.since > streak.since))
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
