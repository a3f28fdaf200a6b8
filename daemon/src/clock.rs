//! The clock: the only file of the product that asks what time it is.
//!
//! Everything else takes a [`Clock`], so that tests can set the time.

use chrono::{DateTime, Utc};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Tells the time of day and measures time.
#[derive(Clone, Debug)]
pub struct Clock(Kind);

#[derive(Clone, Debug)]
enum Kind {
    System { started: Instant },
    Manual(Arc<Mutex<Manual>>),
}

#[derive(Debug)]
struct Manual {
    now: DateTime<Utc>,
    elapsed: Duration,
}

impl Clock {
    /// Returns the system's clock.
    #[expect(clippy::disallowed_methods, reason = "this is the file that reads the clock")]
    pub fn system() -> Self {
        Self(Kind::System { started: Instant::now() })
    }

    /// Returns a clock that stands still until it is advanced. For tests.
    pub fn manual(now: DateTime<Utc>) -> Self {
        Self(Kind::Manual(Arc::new(Mutex::new(Manual { now, elapsed: Duration::ZERO }))))
    }

    /// Returns the time of day. It may jump either way.
    #[expect(clippy::disallowed_methods, reason = "this is the file that reads the clock")]
    pub fn now(&self) -> DateTime<Utc> {
        match &self.0 {
            Kind::System { .. } => Utc::now(),
            Kind::Manual(manual) => manual.lock().unwrap_or_else(PoisonError::into_inner).now,
        }
    }

    /// Returns the time since some fixed moment. It never goes back.
    pub fn elapsed(&self) -> Duration {
        match &self.0 {
            Kind::System { started } => started.elapsed(),
            Kind::Manual(manual) => manual.lock().unwrap_or_else(PoisonError::into_inner).elapsed,
        }
    }

    /// Sets a manual clock to a time of day, as an administrator does; does nothing to the system's.
    pub fn set(&self, now: DateTime<Utc>) {
        if let Kind::Manual(manual) = &self.0 {
            manual.lock().unwrap_or_else(PoisonError::into_inner).now = now;
        }
    }

    /// Moves a manual clock on; does nothing to the system's.
    pub fn advance(&self, by: Duration) {
        if let Kind::Manual(manual) = &self.0 {
            let mut manual = manual.lock().unwrap_or_else(PoisonError::into_inner);
            manual.now += by;
            manual.elapsed += by;
        }
    }
}
