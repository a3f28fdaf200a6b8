//! A stretch of time with one number of slots, and what was measured in it.

/// Slowest and quickest that one answer may count, as logarithms: a single stall is no measurement.
const OUTLIER: f64 = 1.6;

/// Mean and spread of what was measured with one number of slots.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stage {
    pub(super) slots: u32,
    pub(super) count: f64,
    pub(super) mean: f64,
    squares: f64,
}

/// What trials of another number of slots, beside the present one, say about it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Evidence {
    pub(super) slots: u32,
    pub(super) trials: u32,
    weights: f64,
    sum: f64,
}

/// How sure something is: the elasticity of throughput, and its standard error.
#[derive(Clone, Copy, Debug)]
pub(super) struct Elasticity {
    /// By what part of the change in slots the throughput changes: 1 when it follows, 0 when nothing is gained.
    pub(super) value: f64,
    pub(super) error: f64,
}

impl Stage {
    pub(super) fn new(slots: u32) -> Self {
        Self { slots, ..Self::default() }
    }

    /// Takes an answer that was this much slower than the rule, as a logarithm.
    pub(super) fn add(&mut self, slower: f64) {
        let slower = if self.count >= 4.0 { slower.clamp(self.mean - OUTLIER, self.mean + OUTLIER) } else { slower };
        self.count += 1.0;
        let from = slower - self.mean;
        self.mean += from / self.count;
        self.squares += from * (slower - self.mean);
    }

    /// Returns the mean square of what single answers differ by.
    pub(super) fn variance(&self) -> Option<f64> {
        (self.count >= 6.0).then(|| self.squares / (self.count - 1.0))
    }
}

impl Evidence {
    pub(super) fn new(slots: u32) -> Self {
        Self { slots, ..Self::default() }
    }

    /// Takes a trial beside a stage with the present number of slots; `variance` is that of single answers.
    pub(super) fn add(&mut self, base: &Stage, trial: &Stage, variance: f64) {
        let weight = 1.0 / (variance * (1.0 / base.count.max(1.0) + 1.0 / trial.count.max(1.0))).max(1e-9);
        self.trials += 1;
        self.weights += weight;
        self.sum += weight * (trial.mean - base.mean);
    }

    /// Lets what was learned count for less, since it was learned some time ago.
    pub(super) fn fade(&mut self, keep: f64) {
        self.weights *= keep;
        self.sum *= keep;
    }

    /// Returns what this says about going back, when the number that was tried became the present one.
    pub(super) fn seen_from_there(self, slots: u32) -> Self {
        Self { slots, trials: 0, sum: -self.sum, ..self }
    }

    pub(super) fn elasticity(&self, base_slots: u32) -> Option<Elasticity> {
        if self.weights <= 0.0 || self.slots == base_slots {
            return None;
        }
        let change = (f64::from(self.slots) / f64::from(base_slots)).ln();
        Some(Elasticity { value: 1.0 - self.sum / self.weights / change, error: (1.0 / self.weights).sqrt() / change.abs() })
    }
}
