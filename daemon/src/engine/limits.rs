//! How much a connection is asked at once, shared by all jobs that use it.
//!
//! It bounds the requests in flight, in all and for each mailbox, and keeps the time before
//! which a mailbox must be left alone because its server said so. Other mailboxes go on.
//! The numbers are fixed for now; a controller that measures will replace them.

use crate::clock::Clock;
use c2b_mailbox::Address;
use chrono::{DateTime, Utc};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, sleep_until};

/// Requests in flight over one connection. Two busy mailboxes at full speed; well below the 10 to 27
/// concurrent requests that Exchange's default policies allow one account.
pub(crate) const REQUESTS_MAX: usize = 6;

/// Requests in flight for one mailbox. Exchange Online allows four for an application and mailbox;
/// one is left for the administrator's own tools.
pub(crate) const REQUESTS_MAILBOX_MAX: usize = 3;

/// Bounds on the use of one connection. All jobs of a connection share one.
#[derive(Debug)]
pub struct ConnectionLimits {
    requests: Arc<Semaphore>,
    lanes: Mutex<HashMap<Address, Arc<Lane>>>,
    answers: AtomicU64,
    clock: Clock,
}

/// The leave to send one request, until it is dropped.
#[derive(Debug)]
pub(crate) struct Pass {
    _lane: Option<OwnedSemaphorePermit>,
    _request: OwnedSemaphorePermit,
}

/// What a back-off hint changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hold {
    /// By how much the time was put off: less than the hint when an earlier one reaches into it.
    pub(crate) added: Duration,
    /// The time of day until which the mailbox is left alone.
    pub(crate) until: DateTime<Utc>,
}

#[derive(Debug)]
struct Lane {
    requests: Arc<Semaphore>,
    not_before: Mutex<Option<Instant>>,
}

impl ConnectionLimits {
    /// Returns the bounds of a connection.
    pub fn new(clock: Clock) -> Arc<Self> {
        Arc::new(Self { requests: Arc::new(Semaphore::new(REQUESTS_MAX)), lanes: Mutex::new(HashMap::new()), answers: AtomicU64::new(0), clock })
    }

    /// Waits until a request for `mailbox` may be sent; `None` is for requests of the connection as such.
    pub(crate) async fn enter(&self, mailbox: Option<&Address>) -> Pass {
        loop {
            self.rest(mailbox).await;
            if let Some(pass) = self.enter_unless_held(mailbox).await {
                return pass;
            }
        }
    }

    /// Waits until `mailbox` need not be left alone any more.
    pub(crate) async fn rest(&self, mailbox: Option<&Address>) {
        if let Some(time) = mailbox.and_then(|mailbox| self.lane(mailbox).not_before()) {
            sleep_until(time).await;
        }
    }

    /// Waits for requests that are in flight, but not for a mailbox that is to be left alone: then there is no pass.
    pub(crate) async fn enter_unless_held(&self, mailbox: Option<&Address>) -> Option<Pass> {
        let lane = mailbox.map(|mailbox| self.lane(mailbox));
        let own = match &lane {
            Some(lane) => Some(lane.requests.clone().acquire_owned().await.ok()?),
            None => None,
        };
        let request = self.requests.clone().acquire_owned().await.ok()?;
        lane.is_none_or(|lane| lane.may_send()).then_some(Pass { _lane: own, _request: request })
    }

    /// Leaves `mailbox` alone for `delay` from now, or longer when that was said before.
    pub(crate) fn hold_off(&self, mailbox: &Address, delay: Duration) -> Hold {
        let lane = self.lane(mailbox);
        let start = sleep(Duration::ZERO).deadline();
        let end = start + delay;
        let mut not_before = lane.not_before.lock().unwrap_or_else(PoisonError::into_inner);
        let earlier = not_before.map_or(start, |time| time.max(start));
        let later = earlier.max(end);
        *not_before = Some(later);
        let whole = later.saturating_duration_since(start);
        Hold { added: later.saturating_duration_since(earlier), until: self.clock.now() + whole }
    }

    /// Notes that the server answered a request, whatever the answer was.
    pub(crate) fn answered(&self) {
        self.answers.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns how many requests were answered: when it grows, the connection as such works.
    pub(crate) fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }

    fn lane(&self, mailbox: &Address) -> Arc<Lane> {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let lane = lanes
            .entry(mailbox.clone())
            .or_insert_with(|| Arc::new(Lane { requests: Arc::new(Semaphore::new(REQUESTS_MAILBOX_MAX)), not_before: Mutex::new(None) }));
        lane.clone()
    }
}

impl Lane {
    fn not_before(&self) -> Option<Instant> {
        *self.not_before.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn may_send(&self) -> bool {
        self.not_before().is_none_or(|time| time <= sleep(Duration::ZERO).deadline())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    fn now() -> Instant {
        sleep(Duration::ZERO).deadline()
    }

    #[tokio::test(start_paused = true)]
    async fn a_held_mailbox_waits_and_the_others_go_on() {
        let limits = ConnectionLimits::new(Clock::system());
        let start = now();
        limits.hold_off(&address("slow@x"), Duration::from_secs(60));
        limits.enter(Some(&address("quick@x"))).await;
        assert_eq!(now() - start, Duration::ZERO, "the other mailbox waited");
        limits.enter(Some(&address("slow@x"))).await;
        assert!(now() - start >= Duration::from_secs(60), "a request was sent inside the back-off");
    }

    #[tokio::test(start_paused = true)]
    async fn hints_of_the_same_time_count_once() {
        let limits = ConnectionLimits::new(Clock::system());
        let first = limits.hold_off(&address("a@x"), Duration::from_secs(10));
        let second = limits.hold_off(&address("a@x"), Duration::from_secs(4));
        let third = limits.hold_off(&address("a@x"), Duration::from_secs(15));
        assert_eq!([first.added, second.added, third.added].map(|d| d.as_secs()), [10, 0, 5]);
    }

    #[tokio::test(start_paused = true)]
    async fn requests_in_flight_stay_within_the_bounds() {
        let limits = ConnectionLimits::new(Clock::system());
        let (all, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let requests = (0..40).map(|n| {
            let (limits, all, most) = (limits.clone(), all.clone(), most.clone());
            let mailbox = address(&format!("m{}@x", n % 5));
            async move {
                let _pass = limits.enter(Some(&mailbox)).await;
                most.fetch_max(all.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                sleep(Duration::from_millis(10)).await;
                all.fetch_sub(1, Ordering::SeqCst);
            }
        });
        futures_util::future::join_all(requests).await;
        assert_eq!(most.load(Ordering::SeqCst), REQUESTS_MAX);
    }
}
