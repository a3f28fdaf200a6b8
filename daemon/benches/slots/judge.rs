//! How a controller did on a server, beside the best fixed number of slots found by search.

#![expect(clippy::cast_possible_truncation, reason = "times and rates of a run are small")]

use super::simulator::{Ended, Plan, Run, Server, World};

/// Numbers of slots that the search for the best one tries.
pub(crate) const LEVELS: &[u32] = &[1, 2, 3, 4, 5, 6, 8, 10, 12, 14, 16, 18, 20, 24, 27, 32];

/// Requests for each of the best slots within which the throughput is to be reached.
pub(crate) const ROUNDS: usize = 60;

/// Part of the requests that may be refused in steady state.
pub(crate) const REFUSED_MAX: f64 = 0.01;

/// Least throughput, in parts of the best one's, and least evenness (Jain's index) of two clients.
pub(crate) const RATE_MIN: f64 = 0.9;
pub(crate) const JAIN_MIN: f64 = 0.95;

/// What the aims are about.
pub(crate) const AIMS: [&str; 5] = ["throughput", "reached", "refused", "after a loss", "shares"];

/// Seconds of a client alone, and of two clients.
pub(crate) const WHOLE: f64 = 600.0;

/// When half of the capacity is lost, in seconds.
pub(crate) const LOSS: f64 = 120.0;

/// Seconds after a loss of capacity within which the rest is to be used.
const RECOVERY: f64 = 30.0;

/// Until when it is measured, in seconds. What a budget of the account refuses until it is even comes in waves of minutes.
const AFTER: f64 = 300.0;
const AFTER_WAVES: f64 = 900.0;

/// From and until when two clients are measured, in seconds; the second comes after a minute. Each goes up and down, at
/// limits of a few requests by a part of what it has: it is the mean of a quarter of an hour that is to be fair.
const TOGETHER: (f64, f64) = (900.0, 1800.0);

/// What came of one server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Verdict {
    /// The fewest slots that do (within 1 %) as well as the best, and its work a second.
    pub(crate) best: u32,
    pub(crate) best_rate: f64,
    /// The mean number of slots in steady state.
    pub(crate) slots: f64,
    /// Throughput after 60 requests for each slot, in parts of the best one's.
    pub(crate) rate: f64,
    /// Requests for each slot after which 90 % are reached.
    pub(crate) reached: f64,
    /// Part of the requests that were refused in steady state.
    pub(crate) refused: f64,
    /// The best number of slots after half of the capacity was lost, and the throughput from the 30th second after it on, in parts of its.
    pub(crate) best_then: u32,
    pub(crate) rate_then: f64,
    /// Jain's index of what two clients got: 1 when it is the same.
    pub(crate) jain: f64,
    /// What both got together, in parts of what the best fixed number gives one client.
    pub(crate) together: f64,
}

/// The work done until each moment with each fixed number of slots.
#[derive(Clone, Debug)]
pub(crate) struct Search {
    pub(crate) levels: Vec<(u32, Done)>,
}

/// What was done until each tenth of a second: the work, the requests that ended, and those of them that were refused.
#[derive(Clone, Debug)]
pub(crate) struct Done {
    pub(crate) work: Vec<f32>,
    pub(crate) ended: Vec<f32>,
    pub(crate) refused: Vec<f32>,
}

const TICK: f64 = 0.1;

impl Verdict {
    /// Returns the aims that are missed.
    pub(crate) fn misses(&self) -> Vec<&'static str> {
        let met = [self.rate >= RATE_MIN, self.reached <= ROUNDS as f64, self.refused <= REFUSED_MAX, self.rate_then >= RATE_MIN, self.jain >= JAIN_MIN];
        AIMS.into_iter().zip(met).filter(|(_, is_met)| !is_met).map(|(name, _)| name).collect()
    }
}

/// Searches for the best fixed number of slots.
pub(crate) fn search(server: &Server, seed: u64, until: f64, levels: &[u32]) -> Search {
    let run = |slots: u32| Done::of(&World::new(server, &[Plan::fixed(slots)], seed).run(usize::MAX, until), 0, until);
    Search { levels: levels.iter().map(|slots| (*slots, run(*slots))).collect() }
}

/// Returns the server with half of its capacity lost.
pub(crate) fn halved(server: &Server) -> Server {
    server.stepping(LOSS, 0.5)
}

/// Returns until when a loss is measured.
pub(crate) fn after(server: &Server) -> f64 {
    if server.budget.is_some_and(|budget| !budget.each_mailbox) { AFTER_WAVES } else { AFTER }
}

/// Searches and judges.
pub(crate) fn judge(server: &Server, seed: u64, levels: &[u32]) -> Verdict {
    judge_beside(server, seed, &search(server, seed, WHOLE, levels), &search(&halved(server), seed, after(server), levels))
}

/// Judges beside what was found by search.
pub(crate) fn judge_beside(server: &Server, seed: u64, whole: &Search, after: &Search) -> Verdict {
    let run = World::new(server, &[Plan::found()], seed).run(usize::MAX, WHOLE);
    let done = Done::of(&run, 0, WHOLE);
    let (best, _) = whole.best(WHOLE / 2.0, WHOLE);
    // A slow server has half of the time to get through its requests.
    let warm = run.done.get(ROUNDS * best as usize).map_or(WHOLE, |done| done.time).min(WHOLE / 2.0);
    let (_, best_rate) = whole.best(warm, WHOLE);
    let late = || run.done.iter().filter(|done| done.time > warm);
    let end = self::after(server);
    let halved = Done::of(&World::new(&halved(server), &[Plan::found()], seed).run(usize::MAX, end), 0, end);
    let (best_then, best_rate_then) = after.best(LOSS + RECOVERY, end);
    let (from, until) = TOGETHER;
    let two = World::new(server, &[Plan::found(), Plan { start: 60.0, ..Plan::found() }], seed).run(usize::MAX, until);
    let [a, b] = [0, 1].map(|client| Done::of(&two, client, until).rate(from, until));
    Verdict {
        best,
        best_rate,
        slots: mean_slots(&run, warm),
        rate: done.rate(warm, WHOLE) / best_rate,
        reached: reached(&run, &done, whole.level(best), best),
        refused: late().filter(|done| done.refused).count() as f64 / late().count().max(1) as f64,
        best_then,
        rate_then: halved.rate(LOSS + RECOVERY, end) / best_rate_then,
        jain: (a + b).powi(2) / (2.0 * (a * a + b * b)),
        together: (a + b) / whole.best(WHOLE / 2.0, WHOLE).1,
    }
}

impl Search {
    /// Returns the fewest slots that are within one percent of the best, and the best throughput. Numbers
    /// that are refused more than is allowed do not count, unless all are.
    pub(crate) fn best(&self, from: f64, until: f64) -> (u32, f64) {
        let refused = |done: &Done| done.refused(from, until);
        let allowed = self.levels.iter().map(|(_, done)| refused(done)).fold(1.0, f64::min).max(REFUSED_MAX);
        let rates = || self.levels.iter().filter(|(_, done)| refused(done) <= allowed).map(|(slots, done)| (*slots, done.rate(from, until)));
        let best = rates().map(|(_, rate)| rate).fold(0.0, f64::max);
        (rates().find(|(_, rate)| *rate >= 0.99 * best).map_or(1, |(slots, _)| slots), best)
    }

    fn level(&self, slots: u32) -> &Done {
        &self.levels.iter().find(|(level, _)| *level == slots).expect("the best one was tried").1
    }
}

impl Done {
    fn of(run: &Run, client: usize, until: f64) -> Self {
        let sums = |of: fn(&Ended) -> f64| {
            let mut ticks = vec![0.0f32; (until / TICK).ceil() as usize + 2];
            for done in run.done.iter().filter(|done| done.client == client) {
                ticks[(done.time / TICK).ceil() as usize] += of(done) as f32;
            }
            let mut sum = 0.0f64;
            for tick in &mut ticks {
                sum += f64::from(*tick);
                *tick = sum as f32;
            }
            ticks
        };
        Self { work: sums(|done| done.worth), ended: sums(|_| 1.0), refused: sums(|done| if done.refused { 1.0 } else { 0.0 }) }
    }

    fn rate(&self, from: f64, until: f64) -> f64 {
        between(&self.work, from, until) / (until - from).max(TICK)
    }

    fn refused(&self, from: f64, until: f64) -> f64 {
        between(&self.refused, from, until) / between(&self.ended, from, until).max(1.0)
    }
}

fn between(sums: &[f32], from: f64, until: f64) -> f64 {
    let at = |time: f64| {
        let n = time / TICK;
        let (low, part) = (n.floor(), n - n.floor());
        let get = |n: f64| f64::from(sums.get(n as usize).or(sums.last()).copied().unwrap_or(0.0));
        get(low) * (1.0 - part) + get(low + 1.0) * part
    };
    at(until) - at(from)
}

/// Returns after how many requests for each slot 90 % of what the best number does in the same seconds are there.
fn reached(run: &Run, done: &Done, best: &Done, slots: u32) -> f64 {
    let window = (20 * slots as usize).max(60);
    let step = (slots as usize).max(5);
    for start in (0..run.done.len().saturating_sub(window)).step_by(step) {
        let (from, until) = (if start == 0 { 0.0 } else { run.done[start - 1].time }, run.done[start + window - 1].time);
        if done.rate(from, until) >= 0.9 * best.rate(from, until) {
            return start as f64 / f64::from(slots);
        }
    }
    f64::INFINITY
}

fn mean_slots(run: &Run, from: f64) -> f64 {
    let mut sum = 0.0;
    for (n, (time, _, slots)) in run.slots.iter().enumerate() {
        let next = run.slots.get(n + 1).map_or(run.end, |(time, ..)| *time);
        sum += (next.max(from) - time.max(from)).max(0.0) * f64::from(*slots);
    }
    sum / (run.end - from).max(1e-9)
}
