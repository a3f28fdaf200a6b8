//! What a server was when it was quiet: the least slowness of the last ten to twenty minutes.

use std::time::Duration;

/// How long the quietest that a server was counts.
const QUIET_KEPT: Duration = Duration::from_secs(600);

/// The least slowness of the last minutes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Quiet {
    earlier: Option<f64>,
    now: Option<f64>,
    since: Duration,
}

impl Quiet {
    pub(super) fn note(&mut self, now: Duration, slower: f64) {
        if now.saturating_sub(self.since) >= QUIET_KEPT {
            self.earlier = self.now.take();
            self.since = now;
        }
        self.now = Some(self.now.map_or(slower, |least| least.min(slower)));
    }

    pub(super) fn least(&self) -> Option<f64> {
        match (self.earlier, self.now) {
            (Some(earlier), Some(now)) => Some(earlier.min(now)),
            (one, other) => one.or(other),
        }
    }
}
