//! How much a connection is asked at once, shared by all jobs that use it.
//!
//! The numbers are found by [`crate::slots`]; here they meet tasks and the clock. A request asks for a
//! `Pass`, waits for its turn, and tells with it how it ended. While a mailbox is to be left alone
//! because its server said so, its requests wait here and take no slot; other mailboxes go on.

use crate::clock::Clock;
use crate::slots::{Controller, Gate, Grant, MAILBOX_SLOTS_MAX, Outcome, Ticket, Verdict};
use c2b_api::slots::SlotsInfo;
use c2b_mailbox::Address;
use chrono::{DateTime, Utc};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

/// Requests in flight for one mailbox.
pub(crate) const REQUESTS_MAILBOX_MAX: usize = MAILBOX_SLOTS_MAX as usize;

/// Between two looks whether slots stay empty: long enough for a mailbox that was just begun to ask for one.
const HUNGER_INTERVAL: Duration = Duration::from_millis(100);

/// Bounds on the use of one connection. All jobs of a connection share one.
#[derive(Debug)]
pub struct ConnectionLimits {
    state: Mutex<State>,
    answers: AtomicU64,
    start: Instant,
    clock: Clock,
}

/// The leave to send one request, until it ends.
#[derive(Debug)]
pub struct Pass {
    limits: Arc<ConnectionLimits>,
    ticket: Ticket,
    outcome: Outcome,
}

/// What a back-off hint changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// By how much the time was put off: less than the hint when an earlier one reaches into it.
    pub added: Duration,
    /// The time of day until which the mailbox is left alone.
    pub until: DateTime<Utc>,
}

#[derive(Debug)]
struct State {
    gate: Gate<String, Address>,
    granted: HashSet<Ticket>,
    /// How to wake those who wait.
    bells: HashMap<Ticket, Arc<Notify>>,
    /// When the server last answered, or was first asked after it owed no answer; none while it owes none.
    owes_since: Option<Instant>,
}

/// A place in the queue, until it is left.
struct Waiter<'a> {
    limits: &'a Arc<ConnectionLimits>,
    ticket: Ticket,
    bell: Arc<Notify>,
    is_over: bool,
}

impl ConnectionLimits {
    /// Returns the bounds of a connection of which nothing is known yet.
    pub fn new(clock: Clock) -> Arc<Self> {
        Self::with(Controller::new(), clock)
    }

    /// Returns the bounds of a connection with a fixed number of slots: for measurements beside the others.
    pub fn fixed(slots: u32, clock: Clock) -> Arc<Self> {
        Self::with(Controller::fixed(slots), clock)
    }

    /// Returns what there is to see of the connection.
    pub fn info(&self) -> SlotsInfo {
        let facts = self.lock().gate.facts(self.now());
        SlotsInfo {
            slots: facts.slots,
            in_flight: facts.in_flight,
            waiting: facts.waiting,
            held_mailboxes: facts.held,
            latency_ms: facts.latency.map(|latency| u64::try_from(latency.as_millis()).unwrap_or(u64::MAX)),
            answered: facts.answered,
            refused: facts.refused,
            lost: facts.lost,
            throttled_secs: facts.throttled.as_secs(),
        }
    }

    /// Waits until a request of `job` for `mailbox` may be sent; without a mailbox it is one of the connection as such.
    pub async fn enter(self: &Arc<Self>, job: &str, mailbox: Option<&Address>) -> Pass {
        loop {
            self.rest(mailbox).await;
            if let Some(pass) = self.enter_unless_held(job, mailbox).await {
                return pass;
            }
        }
    }

    /// Waits until `mailbox` need not be left alone any more.
    pub(crate) async fn rest(&self, mailbox: Option<&Address>) {
        let Some(mailbox) = mailbox else { return };
        loop {
            let verdict = self.lock().gate.verdict(self.now(), mailbox);
            match verdict {
                Verdict::Free => return,
                Verdict::Held(until) => sleep_until(self.start + until).await,
            }
        }
    }

    /// Waits for a turn, but not for a mailbox that is to be left alone: then there is no pass.
    pub(crate) async fn enter_unless_held(self: &Arc<Self>, job: &str, mailbox: Option<&Address>) -> Option<Pass> {
        let waiter = Waiter::new(self, job, mailbox);
        loop {
            let wait = {
                let mut state = self.lock();
                let wait = state.serve(self.now());
                if state.granted.contains(&waiter.ticket) {
                    drop(state);
                    return Some(waiter.pass());
                }
                if let Some(mailbox) = mailbox
                    && state.gate.verdict(self.now(), mailbox) != Verdict::Free
                {
                    return None;
                }
                wait
            };
            let alarm = async {
                match wait {
                    Some(time) => sleep_until(self.start + time).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = waiter.bell.notified() => {}
                () = alarm => {}
            }
        }
    }

    /// Leaves `mailbox` alone for `delay` from now, or longer when that was said before.
    pub fn hold_off(&self, mailbox: &Address, delay: Duration) -> Hold {
        let now = self.now();
        let mut state = self.lock();
        let hold = state.gate.hold(now, mailbox, delay);
        // Who waits for this mailbox learns that it is left alone.
        state.bells.values().for_each(|bell| bell.notify_one());
        Hold { added: hold.added, until: self.clock.now() + hold.until.saturating_sub(now) }
    }

    /// Waits until slots stay empty, since nobody who may send wants to.
    pub(crate) async fn hunger(&self) {
        loop {
            sleep(HUNGER_INTERVAL).await;
            if self.lock().gate.is_hungry(self.now()) {
                return;
            }
        }
    }

    /// Returns the number of slots at present.
    pub fn slots(&self) -> u32 {
        self.lock().gate.slots()
    }

    /// Notes that the server answered a request, whatever the answer was.
    pub(crate) fn answered(&self) {
        self.answers.fetch_add(1, Ordering::Relaxed);
        let now = sleep(Duration::ZERO).deadline();
        let mut state = self.lock();
        state.owes_since = (!state.granted.is_empty()).then_some(now);
    }

    /// Returns for how long the server was asked and has answered nobody.
    pub(crate) fn silence(&self) -> Duration {
        let now = sleep(Duration::ZERO).deadline();
        self.lock().owes_since.map_or(Duration::ZERO, |since| now - since)
    }

    /// Returns how many requests were answered: when it grows, the connection as such works.
    pub(crate) fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }

    fn with(controller: Controller, clock: Clock) -> Arc<Self> {
        let state = State { gate: Gate::new(controller), granted: HashSet::new(), bells: HashMap::new(), owes_since: None };
        Arc::new(Self { state: Mutex::new(state), answers: AtomicU64::new(0), start: sleep(Duration::ZERO).deadline(), clock })
    }

    /// Ends a request, or its waiting, and lets others take its place.
    fn end(&self, ticket: Ticket, outcome: Outcome) {
        let now = self.now();
        let mut state = self.lock();
        state.granted.remove(&ticket);
        state.bells.remove(&ticket);
        state.gate.end(now, ticket, outcome);
        if state.serve(now).is_some()
            && let Some(bell) = state.bells.values().next()
        {
            // Somebody has to wake when the time has come.
            bell.notify_one();
        }
    }

    fn now(&self) -> Duration {
        sleep(Duration::ZERO).deadline() - self.start
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Grants what may be sent, and wakes who waits for it. Returns when to look again, where only time can help.
    fn serve(&mut self, now: Duration) -> Option<Duration> {
        loop {
            match self.gate.next(now) {
                Grant::Send(ticket) => {
                    self.granted.insert(ticket);
                    if let Some(bell) = self.bells.get(&ticket) {
                        bell.notify_one();
                    }
                }
                Grant::Wait(until) => return Some(until),
                Grant::Nothing => return None,
            }
        }
    }
}

impl Pass {
    /// Ends the request.
    pub fn end(mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.limits.end(self.ticket, self.outcome);
    }
}

impl<'a> Waiter<'a> {
    fn new(limits: &'a Arc<ConnectionLimits>, job: &str, mailbox: Option<&Address>) -> Self {
        let mut state = limits.lock();
        let ticket = state.gate.ask(job.to_owned(), mailbox.cloned());
        let bell = Arc::new(Notify::new());
        state.bells.insert(ticket, bell.clone());
        drop(state);
        Self { limits, ticket, bell, is_over: false }
    }

    fn pass(mut self) -> Pass {
        self.is_over = true;
        let now = sleep(Duration::ZERO).deadline();
        let mut state = self.limits.lock();
        state.bells.remove(&self.ticket);
        state.owes_since.get_or_insert(now);
        drop(state);
        Pass { limits: self.limits.clone(), ticket: self.ticket, outcome: Outcome::Dropped }
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.limits.end(self.ticket, Outcome::Dropped);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slots::{Kind, Weight};
    use std::sync::atomic::AtomicUsize;

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    fn now() -> Instant {
        sleep(Duration::ZERO).deadline()
    }

    const ANSWER: Outcome = Outcome::Answered(Weight { kind: Kind::Items, items: 1, bytes: 1000 });

    #[tokio::test(start_paused = true)]
    async fn a_held_mailbox_waits_and_the_others_go_on() {
        let limits = ConnectionLimits::new(Clock::system());
        let start = now();
        limits.hold_off(&address("slow@x"), Duration::from_secs(60));
        limits.enter("job", Some(&address("quick@x"))).await.end(ANSWER);
        assert_eq!(now() - start, Duration::ZERO, "the other mailbox waited");
        limits.enter("job", Some(&address("slow@x"))).await.end(ANSWER);
        assert!(now() - start >= Duration::from_secs(60), "a request was sent inside the back-off");
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_learns_that_the_mailbox_is_left_alone() {
        let limits = ConnectionLimits::fixed(1, Clock::system());
        let pass = limits.enter("job", None).await;
        let slow = address("slow@x");
        let waiting = limits.enter_unless_held("job", Some(&slow));
        tokio::pin!(waiting);
        assert!(tokio::time::timeout(Duration::from_secs(1), &mut waiting).await.is_err(), "the only slot is taken");
        limits.hold_off(&slow, Duration::from_secs(60));
        assert!(waiting.await.is_none(), "a pass for a mailbox that is left alone");
        pass.end(ANSWER);
        assert_eq!((limits.info().in_flight, limits.info().waiting), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn hints_of_the_same_time_count_once() {
        let limits = ConnectionLimits::new(Clock::system());
        let first = limits.hold_off(&address("a@x"), Duration::from_secs(10));
        let second = limits.hold_off(&address("a@x"), Duration::from_secs(4));
        let third = limits.hold_off(&address("a@x"), Duration::from_secs(15));
        assert_eq!([first.added, second.added, third.added].map(|d| d.as_secs()), [10, 0, 5]);
        assert_eq!(limits.info().throttled_secs, 15);
    }

    #[tokio::test(start_paused = true)]
    async fn requests_in_flight_stay_within_the_bounds_and_none_is_forgotten() {
        let limits = ConnectionLimits::new(Clock::system());
        let (all, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let requests = (0..400).map(|n| {
            let (limits, all, most) = (limits.clone(), all.clone(), most.clone());
            let mailbox = address(&format!("m{}@x", n % 5));
            async move {
                let pass = limits.enter(&format!("job {}", n % 2), Some(&mailbox)).await;
                let in_flight = all.fetch_add(1, Ordering::SeqCst) + 1;
                assert!(in_flight <= limits.slots().max(2) as usize * 2, "{in_flight} in flight");
                most.fetch_max(in_flight, Ordering::SeqCst);
                sleep(Duration::from_millis(10)).await;
                all.fetch_sub(1, Ordering::SeqCst);
                // Some are given up, which must free their slots, too.
                if n % 7 != 0 {
                    pass.end(ANSWER);
                }
            }
        });
        futures_util::future::join_all(requests).await;
        assert_eq!(most.load(Ordering::SeqCst), 5 * REQUESTS_MAILBOX_MAX, "a server that bears everything was not used");
        assert_eq!((limits.info().in_flight, limits.info().waiting), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn slots_that_stay_empty_are_noticed() {
        let limits = ConnectionLimits::fixed(2, Clock::system());
        let first = limits.enter("job", None).await;
        limits.hunger().await;
        let second = limits.enter("job", None).await;
        assert!(tokio::time::timeout(Duration::from_secs(9), limits.hunger()).await.is_err());
        first.end(ANSWER);
        limits.hunger().await;
        second.end(ANSWER);
    }
}
