//! Finds the number of slots of one server: the fewest that give nearly all the throughput there is.
//!
//! It works by trials. From the present number of slots it tries more, and fewer, for some rounds of
//! requests, and compares how slow the answers are: with twice the requests in flight and answers
//! that take as long, throughput doubles; with answers that take twice as long, nothing is gained.
//! More slots stay when they bring a fair part of what they cost; fewer stay when little is lost.
//!
//! * At first the number doubles with each trial: whatever the server bears is reached in a few rounds.
//! * The slower the server answers than it did when it was quiet, the more another slot must bring.
//!   So two programs that share a server come to equal shares: who has more of it gains less by more.
//! * A refusal, a time-out or a broken connection drops slots at once, and is not provoked again soon.
//! * An answer counts only when all slots were taken as its request was sent: what is not asked for
//!   says nothing about what the server bears.

mod refusals;

pub(super) use refusals::Blame;

use super::ceiling::Ceiling;
use super::cost::Costs;
use super::quiet::Quiet;
use super::stage::{Evidence, Stage};
use super::trouble::{Suspicion, Trouble};
use super::weight::Weight;
use std::time::Duration;

/// Most slots of a connection. 32 requests keep a server busy that is a quarter of a second away and
/// delivers more than the archive can take in, and what they bring (4 MiB each) fits into memory.
/// Exchange's default policy refuses one account above 27; that is found out like any other limit.
pub const SLOTS_MAX: u32 = 32;

/// Slots of a server that nothing is known of. Nearly all bear two, and one tells nothing about more.
const SLOTS_FIRST: u32 = 2;

/// Least part of its share that another slot must bring.
const GAIN_MIN: f64 = 0.08;

/// Another slot must bring half of its share when the square of the slots, times how much slower the server is than a quiet
/// one, is this. The square lets those who have more of a shared server give way; a server of which three tenths are
/// serial, the flattest curve that was measured, still gets the 17 slots that bring 92 % of what 32 do.
const MARK_HALF: f64 = 8000.0;

/// Part of its share that doubling must bring to go on doubling.
const GAIN_DOUBLING: f64 = 0.45;

/// Logarithm of the factor by which trials differ: part of the deviation of single answers, and its bounds.
const STEP_OF_DEVIATION: f64 = 0.8;
const STEP_MIN: f64 = 0.3;
const STEP_MAX: f64 = 0.7;

/// Answers from which a trial may be plain, and how many standard errors away from the mark it is then.
const PLAIN_MIN: f64 = 8.0;
const PLAIN: f64 = 2.0;

/// Variance of single answers, as logarithms, up to which four rounds are enough for a trial.
const VARIANCE_PLAIN: f64 = 0.3;

/// How many standard errors a result must be away from the mark to be taken for sure.
const SURE: f64 = 1.0;

/// Trials of one number after which it is as good as the present one.
const TRIALS_MAX: u32 = 4;

/// Part of what is known from trials that is left when they are made again after a rest.
const EVIDENCE_KEPT: f64 = 0.8;

/// First and longest time without trials once they show nothing to gain.
const REST_FIRST: Duration = Duration::from_secs(2);
const REST_MAX: Duration = Duration::from_secs(40);

/// Answers for each slot between trials that show nothing to gain: bounds what trials cost.
const REST_ROUNDS: u64 = 16;

/// Least and largest part of the slots that stays when the server becomes slow.
const DROP_SLOWER: (f64, f64) = (0.4, 0.75);

/// A logarithm: that much slower than before, and sure, means that the server lost capacity.
const SLOWER: f64 = 0.3;

/// Decides how many requests one server is sent at once.
#[derive(Clone, Debug)]
pub struct Controller {
    costs: Costs,
    /// The present number of slots, to which trials are compared.
    slots: u32,
    plan: Plan,
    stage: Stage,
    /// Which stage it is: an answer counts in the stage its request was sent in.
    number: u64,
    /// The last stage with the present number of slots.
    base: Stage,
    more: Evidence,
    fewer: Evidence,
    next_is_fewer: bool,
    rest: Duration,
    variance: f64,
    /// How slow the server is at present, and what it was when the number of slots was settled.
    present: f64,
    present_count: f64,
    settled: Option<f64>,
    quiet: Quiet,
    ceiling: Option<Ceiling>,
    answers: u64,
    /// Requests sent before this time were sent before the last drop, and tell nothing new.
    dropped: Option<Duration>,
    trouble: Option<Trouble>,
    suspicion: Suspicion,
    fixed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Plan {
    /// Doubling with each trial.
    Doubling,
    /// Measuring the present number of slots, to compare.
    Measure,
    /// Trying another number of slots.
    Trial,
    /// Nothing to gain for now.
    Rest { until: Duration, answers: u64 },
}

/// What a request was sent under.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    pub(super) time: Duration,
    pub(super) in_flight: u32,
    stage: u64,
    full: bool,
}

impl Sent {
    /// Returns it as sent with so many in flight.
    pub(super) fn among(self, in_flight: u32) -> Self {
        Self { in_flight, ..self }
    }
}

impl Default for Controller {
    fn default() -> Self {
        Self::new()
    }
}

impl Controller {
    /// Returns the controller of a server that nothing is known of.
    pub fn new() -> Self {
        Self {
            costs: Costs::default(),
            slots: SLOTS_FIRST,
            plan: Plan::Doubling,
            stage: Stage::new(SLOTS_FIRST),
            number: 0,
            base: Stage::default(),
            more: Evidence::default(),
            fewer: Evidence::default(),
            next_is_fewer: false,
            rest: REST_FIRST,
            variance: 0.2,
            present: 0.0,
            present_count: 0.0,
            settled: None,
            quiet: Quiet::default(),
            ceiling: None,
            answers: 0,
            dropped: None,
            trouble: None,
            suspicion: Suspicion::default(),
            fixed: false,
        }
    }

    /// Returns a controller that always says `slots`: what the other one is measured against.
    pub fn fixed(slots: u32) -> Self {
        let mut controller = Self::new();
        controller.slots = slots.max(1);
        controller.stage.slots = controller.slots;
        controller.fixed = true;
        controller
    }

    /// Returns how many requests may be in flight.
    pub fn slots(&self) -> u32 {
        self.stage.slots
    }

    /// Notes that a request was sent, with so many in flight, itself included.
    pub fn sent(&mut self, now: Duration, in_flight: u32) -> Sent {
        Sent { time: now, stage: self.number, in_flight, full: in_flight >= self.stage.slots }
    }

    /// Notes that a request was answered.
    pub fn answered(&mut self, now: Duration, sent: &Sent, weight: &Weight) {
        self.answers += 1;
        self.suspicion.answered(self.is_of_trial(sent));
        self.trouble = self.trouble.take().and_then(|trouble| trouble.after_answer(sent, self.slots));
        let secs = now.saturating_sub(sent.time).as_secs_f64().max(1e-6);
        let Some(slower) = self.costs.learn(weight, secs) else { return };
        if self.fixed || !sent.full || sent.stage != self.number {
            return;
        }
        self.stage.add(slower);
        if self.stage.slots == self.slots && self.notices(now, slower) {
            return;
        }
        if self.stage.count >= self.enough() || self.is_plain() {
            self.judge(now);
        }
    }

    /// Watches the present number of slots; returns whether the server changed so much that all begins anew.
    fn notices(&mut self, now: Duration, slower: f64) -> bool {
        let window = (1.5 * f64::from(self.slots)).clamp(8.0, 40.0);
        let slower = slower.clamp(self.present - 1.6, self.present + 1.6);
        self.present_count += 1.0;
        self.present += (slower - self.present) / self.present_count.min(window);
        if self.present_count < window {
            return false;
        }
        let Some(settled) = self.settled else {
            self.settled = Some(self.present);
            return false;
        };
        let change = self.present - settled;
        if change.abs() < SLOWER.max(4.0 * (self.variance / window).sqrt()) {
            // A slow drift is none of ours.
            self.settled = Some(settled + change / (20.0 * window));
            return false;
        }
        self.rest = REST_FIRST;
        if change > 0.0 {
            // The more it lost, the fewer remain.
            self.drop_to(now, part(self.slots, (-change / 2.0).exp().clamp(DROP_SLOWER.0, DROP_SLOWER.1)));
        } else {
            let slots = self.slots;
            self.settle_on(slots);
            self.measure();
        }
        true
    }

    /// Returns how many answers a stage needs.
    fn enough(&self) -> f64 {
        let slots = f64::from(self.stage.slots);
        match self.plan {
            Plan::Doubling => (2.0 * slots).max(8.0),
            Plan::Measure | Plan::Trial => (4.0 * slots).max(24.0) * (self.variance / VARIANCE_PLAIN).clamp(1.0, 2.5),
            Plan::Rest { .. } => 4.0 * slots,
        }
    }

    /// Returns whether a trial is so plain already that it need not go on.
    fn is_plain(&self) -> bool {
        if self.plan != Plan::Trial || self.stage.count < PLAIN_MIN.max(f64::from(self.stage.slots)) {
            return false;
        }
        let mut evidence = if self.stage.slots > self.slots { self.more } else { self.fewer };
        evidence.add(&self.base, &self.stage, self.variance);
        evidence.elasticity(self.slots).is_some_and(|gain| (gain.value - self.mark()).abs() > PLAIN * gain.error)
    }

    /// Goes on after a stage.
    fn judge(&mut self, now: Duration) {
        if let Some(variance) = self.stage.variance() {
            self.variance += 0.3 * (variance.clamp(0.005, 1.5) - self.variance);
        }
        let stage = self.stage;
        self.quiet.note(now, stage.mean);
        match self.plan {
            Plan::Doubling if stage.slots == self.slots => {
                self.base = stage;
                self.go_on_doubling(now);
            }
            Plan::Doubling => {
                let mut evidence = Evidence::new(stage.slots);
                evidence.add(&self.base, &stage, self.variance);
                let gain = evidence.elasticity(self.slots).map_or(0.0, |gain| gain.value);
                if gain >= GAIN_DOUBLING {
                    self.settle_on(stage.slots);
                    self.base = stage;
                    self.go_on_doubling(now);
                } else {
                    // Between the two, the nearer to the larger the more it brought.
                    let slots = f64::from(self.slots) * (gain.max(0.0) * (f64::from(stage.slots) / f64::from(self.slots)).ln()).exp();
                    self.settle_on(whole(slots));
                    self.measure();
                }
            }
            Plan::Measure => {
                self.base = stage;
                self.try_another(now);
            }
            Plan::Trial => self.weigh_trial(now, stage),
            Plan::Rest { until, answers } => {
                self.base = stage;
                if now >= until && self.answers >= answers {
                    self.try_another(now);
                } else {
                    self.begin(self.slots);
                }
            }
        }
    }

    fn go_on_doubling(&mut self, now: Duration) {
        let next = (self.slots * 2).min(self.top(now));
        if next > self.slots {
            self.begin(next);
        } else {
            self.try_another(now);
        }
    }

    fn weigh_trial(&mut self, now: Duration, stage: Stage) {
        let mark = self.mark();
        let is_more = stage.slots > self.slots;
        let evidence = if is_more { &mut self.more } else { &mut self.fewer };
        evidence.add(&self.base, &stage, self.variance);
        let trials = evidence.trials;
        let Some(gain) = evidence.elasticity(self.slots) else { return self.measure() };
        let clear = gain.value - mark;
        let sure = clear.abs() > SURE * gain.error;
        if is_more
            && let Some(ceiling) = self.ceiling
            && stage.slots >= ceiling.level
        {
            self.ceiling = Some(ceiling.lifted(now, self.answers));
        }
        // Where nothing is sure, fewer are better.
        let is_told = sure || (!is_more && trials >= TRIALS_MAX);
        if is_told && (clear > 0.0) == is_more {
            // A move: the trial is the new base, and what lies beyond is tried next.
            let back = if is_more { self.more } else { self.fewer }.seen_from_there(self.slots);
            self.settle_on(stage.slots);
            *(if is_more { &mut self.fewer } else { &mut self.more }) = back;
            self.base = stage;
            self.next_is_fewer = !is_more;
            self.rest = REST_FIRST;
            if is_more && gain.value - gain.error >= GAIN_DOUBLING {
                self.plan = Plan::Doubling;
                self.go_on_doubling(now);
            } else {
                self.try_another(now);
            }
        } else if is_told || trials >= TRIALS_MAX {
            self.next_is_fewer = is_more;
            let other_is_done = if is_more { self.fewer.trials > 0 || self.slots == 1 } else { self.more.trials > 0 || self.top(now) <= self.slots };
            if other_is_done {
                self.take_rest(now);
            } else {
                self.measure();
            }
        } else {
            self.next_is_fewer = !is_more;
            self.measure();
        }
    }

    fn take_rest(&mut self, now: Duration) {
        self.more.trials = 0;
        self.fewer.trials = 0;
        self.more.fade(EVIDENCE_KEPT);
        self.fewer.fade(EVIDENCE_KEPT);
        let answers = self.answers + REST_ROUNDS * u64::from(self.slots);
        self.plan = Plan::Rest { until: now + self.rest, answers };
        self.rest = (self.rest * 2).min(REST_MAX);
        self.begin(self.slots);
    }

    /// Begins a trial of more or of fewer slots, whichever is due and possible; rests when neither is.
    fn try_another(&mut self, now: Duration) {
        let step = self.step();
        let slots = f64::from(self.slots);
        let more = whole((slots * step).floor().max(slots + 1.0)).min(self.top(now));
        let fewer = whole((slots / step).ceil().min(slots - 1.0).max(1.0));
        // What is known from where it came is of use there alone.
        let more = if self.more.slots > self.slots { self.more.slots.min(self.top(now)).max(self.slots) } else { more };
        let fewer = if (1..self.slots).contains(&self.fewer.slots) { self.fewer.slots } else { fewer };
        let slots = match (more > self.slots, fewer < self.slots) {
            (true, true) if self.next_is_fewer => fewer,
            (true, _) => more,
            (false, true) => fewer,
            (false, false) => return self.take_rest(now),
        };
        let evidence = if slots > self.slots { &mut self.more } else { &mut self.fewer };
        if evidence.slots != slots {
            *evidence = Evidence::new(slots);
        }
        self.plan = Plan::Trial;
        self.begin(slots);
    }

    /// Returns by what factor a trial differs: the more the times of single answers vary, the larger it
    /// must be for a difference to be seen.
    fn step(&self) -> f64 {
        (STEP_OF_DEVIATION * self.variance.sqrt()).clamp(STEP_MIN, STEP_MAX).exp()
    }

    /// Makes a number of slots the present one: what was learned beside another says nothing about it.
    fn settle_on(&mut self, slots: u32) {
        self.slots = slots.clamp(1, SLOTS_MAX);
        self.more = Evidence::default();
        self.fewer = Evidence::default();
        self.present_count = 0.0;
        self.settled = None;
    }

    fn measure(&mut self) {
        self.plan = Plan::Measure;
        self.begin(self.slots);
    }

    fn begin(&mut self, slots: u32) {
        self.number += 1;
        self.stage = Stage::new(slots);
    }

    /// Returns the most slots that may be tried now.
    fn top(&self, now: Duration) -> u32 {
        match self.ceiling {
            Some(ceiling) if ceiling.is_over(now, self.answers) => ceiling.level.min(SLOTS_MAX),
            Some(ceiling) => (ceiling.level - 1).clamp(1, SLOTS_MAX),
            None => SLOTS_MAX,
        }
    }

    /// Returns how many times slower the server is than it was when it was quiet.
    fn slowness(&self) -> f64 {
        self.quiet.least().map_or(1.0, |quiet| (self.base.mean - quiet).exp().max(1.0))
    }

    /// Returns the part of its share that another slot must bring.
    fn mark(&self) -> f64 {
        let penalty = self.slowness() * f64::from(self.base.slots).powi(2) / MARK_HALF;
        (penalty / (1.0 + penalty)).max(GAIN_MIN)
    }
}

fn part(slots: u32, part: f64) -> u32 {
    whole((f64::from(slots) * part).floor())
}

fn whole(slots: f64) -> u32 {
    (1..=SLOTS_MAX).min_by(|a, b| (f64::from(*a) - slots).abs().total_cmp(&(f64::from(*b) - slots).abs())).unwrap_or(1)
}
