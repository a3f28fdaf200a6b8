//! A machine that works on several requests at once, or a line that they share.

use std::collections::VecDeque;

/// Work done in a second, by how many requests are worked on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Curve {
    /// So many cores: in proportion up to there, and no more beyond.
    Cores(f64),
    /// A part of the work is done by one at a time (Amdahl).
    Serial(f64),
    /// Requests hinder each other, the more there are (USL without contention): the best number is given.
    Thrash(f64),
    /// So many cores, and beyond them each further request costs this part of what is left.
    Collapse(f64, f64),
    /// So much, however many share it: a line, in megabytes.
    Line(f64),
    /// Each is as quick as if it were alone.
    Free,
}

/// What shares a curve. Beyond `workers`, requests wait for their turn.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    curve: Curve,
    workers: usize,
    /// Part of the capacity that is there at present.
    pub(super) capacity: f64,
    active: Vec<(usize, f64)>,
    queue: VecDeque<(usize, f64)>,
    time: f64,
    pub(super) version: u64,
}

impl Curve {
    /// Returns the work done in a second, with a part of the capacity: knee and height shrink alike.
    pub(crate) fn rate(self, n: f64, capacity: f64) -> f64 {
        let n = n / capacity;
        capacity
            * match self {
                Self::Cores(cores) => n.min(cores),
                Self::Serial(part) => n / (1.0 + part * (n - 1.0).max(0.0)),
                Self::Thrash(best) => n / (1.0 + (n / best).powi(2)),
                Self::Collapse(cores, part) => n.min(cores) / (1.0 + part * (n - cores).max(0.0)),
                Self::Line(whole) => whole,
                Self::Free => n,
            }
    }
}

impl Node {
    pub(super) fn new(curve: Curve, workers: usize) -> Self {
        Self { curve, workers, capacity: 1.0, active: Vec::new(), queue: VecDeque::new(), time: 0.0, version: 0 }
    }

    pub(super) fn add(&mut self, now: f64, request: usize, work: f64) {
        self.advance(now);
        if self.active.len() < self.workers { self.active.push((request, work)) } else { self.queue.push_back((request, work)) }
    }

    /// Changes the part of the capacity that is there.
    pub(super) fn set(&mut self, now: f64, capacity: f64) {
        self.advance(now);
        self.capacity = capacity;
    }

    /// Takes out what is done by now.
    pub(super) fn done(&mut self, now: f64) -> Vec<usize> {
        self.advance(now);
        let (done, active): (Vec<_>, Vec<_>) = self.active.iter().copied().partition(|(_, work)| *work <= 1e-9);
        self.active = active;
        while self.active.len() < self.workers
            && let Some(next) = self.queue.pop_front()
        {
            self.active.push(next);
        }
        done.into_iter().map(|(request, _)| request).collect()
    }

    /// Returns when the next one is done.
    pub(super) fn next(&self) -> Option<f64> {
        let least = self.active.iter().map(|(_, work)| *work).min_by(f64::total_cmp)?;
        Some(self.time + least.max(0.0) / self.each())
    }

    fn each(&self) -> f64 {
        let n = self.active.len() as f64;
        (self.curve.rate(n, self.capacity) / n).max(1e-9)
    }

    fn advance(&mut self, now: f64) {
        if !self.active.is_empty() {
            let work = (now - self.time) * self.each();
            for (_, left) in &mut self.active {
                *left -= work;
            }
        }
        self.time = now;
        self.version += 1;
    }
}
