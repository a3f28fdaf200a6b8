//! How long an answer of a kind and size takes as a rule, learned from the answers themselves.
//!
//! For each kind a line, `a + b · size`, fitted by least squares of *relative* errors with slow
//! forgetting. What is learned is divided by how slow the server is at the moment, so that the line
//! stays what it is while the load changes.

use super::weight::{Kind, Weight};

/// A thing in an answer costs about as much as this many bytes: it is looked up, and has properties.
const ITEM_BYTES: f64 = 8192.0;

/// Share of what is known that an answer displaces: the last few thousand count.
const FORGET: f64 = 1.0 / 2000.0;

/// Answers of a kind before their times are told apart by it.
const ANSWERS_MIN: f64 = 3.0;

/// Share of the latest answer in how slow the server is at the moment.
const SLOWNESS_SHARE: f64 = 0.15;

/// Least of the fitted line that does not depend on the size: a line through nothing predicts nothing.
const FIXED_SHARE_MIN: f64 = 0.05;

/// What answers of each kind and size take.
#[derive(Clone, Debug, Default)]
pub(super) struct Costs {
    lines: [Line; Kind::COUNT],
    /// Natural logarithm of the present slowness, relative to the lines.
    slowness: f64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Line {
    answers: f64,
    weights: f64,
    x: f64,
    xx: f64,
    y: f64,
    xy: f64,
    fixed: f64,
    each: f64,
}

impl Costs {
    /// Takes an answer's time in seconds; returns the logarithm of how many times slower it was than
    /// such answers are as a rule, once that is known.
    pub(super) fn learn(&mut self, weight: &Weight, secs: f64) -> Option<f64> {
        let size = size(weight);
        let line = &mut self.lines[weight.kind.index()];
        let known = line.answers >= ANSWERS_MIN;
        let slower = known.then(|| (secs / line.at(size)).ln());
        if let Some(slower) = slower {
            self.slowness += SLOWNESS_SHARE * (slower.clamp(self.slowness - 1.5, self.slowness + 1.5) - self.slowness);
        }
        line.add(size, secs / self.slowness.exp());
        slower
    }
}

impl Line {
    fn at(&self, x: f64) -> f64 {
        (self.fixed + self.each * x).max(1e-6)
    }

    fn add(&mut self, x: f64, y: f64) {
        let expected = if self.answers < 1.0 { y } else { self.at(x) };
        // An answer that took very long says little about the rule.
        let y = y.clamp(expected / 6.0, expected * 6.0).max(1e-6);
        let weight = 1.0 / (expected * expected);
        let keep = 1.0 - FORGET;
        for (sum, one) in
            [(&mut self.weights, weight), (&mut self.x, weight * x), (&mut self.xx, weight * x * x), (&mut self.y, weight * y), (&mut self.xy, weight * x * y)]
        {
            *sum = *sum * keep + one;
        }
        self.answers = self.answers * keep + 1.0;
        let (mean_x, mean_y) = (self.x / self.weights, self.y / self.weights);
        let spread = self.xx / self.weights - mean_x * mean_x;
        let slope =
            if self.answers >= ANSWERS_MIN && spread > 1e-6 * (1.0 + mean_x * mean_x) { (self.xy / self.weights - mean_x * mean_y) / spread } else { 0.0 };
        // The fixed part stays above a share of the mean, so the slope is at most what leaves that.
        let slope_max = if mean_x > 0.0 { mean_y * (1.0 - FIXED_SHARE_MIN) / mean_x } else { 0.0 };
        self.each = slope.clamp(0.0, slope_max);
        self.fixed = mean_y - self.each * mean_x;
    }
}

fn size(weight: &Weight) -> f64 {
    weight.bytes as f64 + ITEM_BYTES * weight.items as f64
}
