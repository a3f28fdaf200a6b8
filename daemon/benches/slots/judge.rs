//! How a controller did on a server, beside the best fixed number of slots found by search.

#![expect(clippy::cast_possible_truncation, reason = "rounds of at most 32 requests are small")]

use super::simulator::{Plan, Run, Server, World};

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// Numbers of slots that the search for the best one tries.
    pub(crate) levels: &'static [u32],
    /// Answers that a steady state is measured over.
    pub(crate) steady: usize,
    /// Seconds that are measured after a loss of capacity, from the 30th on.
    pub(crate) after: f64,
    /// From and until which second two clients are measured.
    pub(crate) shared: (f64, f64),
}

/// Requests for each slot within which the throughput is to be reached.
const ROUNDS: f64 = 60.0;

/// Longest that any run goes, in seconds.
const LONGEST: f64 = 3600.0;

/// When half of the capacity is lost, in seconds.
pub(crate) const LOSS: f64 = 120.0;

/// Seconds after a loss of capacity within which the rest is to be used.
const RECOVERY: f64 = 30.0;

/// What came of a client alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Solo {
    /// The fewest slots that do (within 1 %) as well as the best.
    pub(crate) best: u32,
    /// Work a second with the best.
    pub(crate) best_rate: f64,
    /// The mean number of slots in steady state.
    pub(crate) slots: f64,
    /// Throughput after 60 requests for each slot, in parts of the best one's.
    pub(crate) rate: f64,
    /// Requests for each slot after which 90 % are reached.
    pub(crate) reached: f64,
    /// Part of the requests that were refused in steady state.
    pub(crate) refused: f64,
}

/// What came of the loss of half of the capacity.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Halved {
    /// The best number of slots after it.
    pub(crate) best: u32,
    /// Throughput from the 30th second after it, in parts of the new best one's.
    pub(crate) rate: f64,
}

/// What came of two clients.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shared {
    /// Jain's index of what they got: 1 when it is the same.
    pub(crate) jain: f64,
    /// The smaller part.
    pub(crate) least: f64,
    /// What both got together, in parts of what the best fixed number gives one client.
    pub(crate) rate: f64,
}

/// Measures a client alone.
pub(crate) fn solo(server: &Server, seed: u64, effort: Effort) -> Solo {
    // What others do changes with time: so each number is measured over the same seconds.
    let found = |answers| World::new(server, &[Plan::found()], seed).run(answers, LONGEST);
    let time_of = |run: &Run, answers: usize| run.done.get(answers).map_or(run.end / 2.0, |done| done.time);
    let first = found(600 + effort.steady);
    let (best, _) = search(server, seed, (time_of(&first, 600), first.end), effort);
    let warm = (ROUNDS * f64::from(best)) as usize;
    let run = found(warm + effort.steady);
    let from = time_of(&run, warm);
    let (_, best_rate) = search(server, seed, (from, run.end), effort);
    let refused = run.done.iter().skip(warm).filter(|done| done.refused).count() as f64;
    Solo {
        best,
        best_rate,
        slots: mean_slots(&run, from),
        rate: rate(&run, 0, from, run.end) / best_rate,
        reached: reached(&run, &World::new(server, &[Plan::fixed(best)], seed).run(usize::MAX, run.end), best),
        refused: refused / run.done.len().saturating_sub(warm).max(1) as f64,
    }
}

/// Measures a client whose server loses half of its capacity.
pub(crate) fn halved(server: &Server, seed: u64, effort: Effort) -> Halved {
    let at = LOSS;
    let server = server.stepping(at, 0.5);
    let until = at + RECOVERY + effort.after;
    let (best, best_rate) = search(&server, seed, (at + RECOVERY, until), effort);
    let run = World::new(&server, &[Plan::found()], seed).run(usize::MAX, until);
    Halved { best, rate: rate(&run, 0, at + RECOVERY, until) / best_rate }
}

/// Measures two clients, the second of which comes a minute after the first.
pub(crate) fn shared(server: &Server, seed: u64, effort: Effort) -> Shared {
    let (from, until) = effort.shared;
    let (_, best_rate) = search(server, seed, effort.shared, effort);
    let run = World::new(server, &[Plan::found(), Plan { start: 60.0, ..Plan::found() }], seed).run(usize::MAX, until);
    let (a, b) = (rate(&run, 0, from, until), rate(&run, 1, from, until));
    Shared { jain: (a + b).powi(2) / (2.0 * (a * a + b * b)), least: a.min(b) / (a + b), rate: (a + b) / best_rate }
}

/// Returns the fewest slots that are within one percent of the best, and the best throughput.
fn search(server: &Server, seed: u64, (from, until): (f64, f64), effort: Effort) -> (u32, f64) {
    let tried: Vec<(u32, f64)> = effort
        .levels
        .iter()
        .map(|slots| {
            let run = World::new(server, &[Plan::fixed(*slots)], seed).run(usize::MAX, until);
            (*slots, rate(&run, 0, from, until))
        })
        .collect();
    let best = tried.iter().map(|(_, rate)| *rate).fold(0.0, f64::max);
    let slots = tried.iter().find(|(_, rate)| *rate >= 0.99 * best).map_or(1, |(slots, _)| *slots);
    (slots, best)
}

fn rate(run: &Run, client: usize, from: f64, until: f64) -> f64 {
    let worth: f64 = run.done.iter().filter(|done| done.client == client && done.time > from && done.time <= until).map(|done| done.worth).sum();
    worth / (until - from).max(1e-9)
}

/// Returns after how many requests for each slot 90 % of what the best number does in the same seconds are there.
fn reached(run: &Run, best: &Run, slots: u32) -> f64 {
    let window = (20 * slots as usize).max(60);
    let step = (slots as usize).max(5);
    for start in (0..run.done.len().saturating_sub(window)).step_by(step) {
        let (from, until) = (if start == 0 { 0.0 } else { run.done[start - 1].time }, run.done[start + window - 1].time);
        if rate(run, 0, from, until) >= 0.9 * rate(best, 0, from, until) {
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
