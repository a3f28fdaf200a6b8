//! Hearing between cycles: the source tells of mailboxes in which something happened, and they are looked at soon.
//!
//! It is a hint that shortens the wait and nothing else; the next cycle comes in its time whatever is heard. Events are
//! gathered, each mailbox is left alone for a while after a look, and looks take at most half of the time, so that
//! a mailbox in which something happens all the time keeps nobody busy.

use super::handle::Handle;
use async_trait::async_trait;
use c2b_api::job::ListeningInfo;
use c2b_mailbox::{Address, Listener, Listening, Source};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

/// Shortest idle time with which listening is worth while.
const IDLE_MIN: Duration = Duration::from_secs(10);
/// How long events are gathered before a look: a delivery is several of them.
const GATHER: Duration = Duration::from_secs(1);
/// Shortest time from a look at a mailbox to the next one.
const MAILBOX_REST: Duration = Duration::from_secs(5);
/// Longest rest between two looks, but after failures.
const REST_MAX: Duration = Duration::from_secs(60);
/// Rest after a look that failed; doubled with each further one.
const FAILED_REST_MIN: Duration = Duration::from_secs(15);
/// Longest rest after looks that failed.
const FAILED_REST_MAX: Duration = Duration::from_secs(15 * 60);

/// What is listened to, until it is dropped.
pub(super) struct Hearing {
    pub(super) ear: Arc<Ear>,
    source: Arc<dyn Source>,
    mailboxes: BTreeSet<Address>,
    over: CancellationToken,
}

/// What was heard and not looked at yet.
pub(super) struct Ear {
    handle: Arc<Handle>,
    over: CancellationToken,
    of: usize,
    state: Mutex<State>,
    news: Notify,
}

#[derive(Default)]
struct State {
    /// Since when there is something to look at.
    heard: HashMap<Address, Instant>,
    /// When a look at it ended.
    looked: HashMap<Address, Instant>,
    /// No look before this.
    rest: Option<Instant>,
    failures: u32,
    looks: u64,
    how: Listening,
    /// Whether the source gave it up.
    is_deaf: bool,
}

impl Hearing {
    /// Begins to listen, or goes on with what fits; nothing when cycles follow each other closely anyway.
    pub(super) fn of(before: Option<Self>, source: Arc<dyn Source>, mailboxes: Vec<Address>, idle: Duration, handle: &Arc<Handle>) -> Option<Self> {
        if idle < IDLE_MIN || mailboxes.is_empty() {
            return None;
        }
        let mailboxes: BTreeSet<Address> = mailboxes.into_iter().collect();
        if let Some(before) = before.filter(|before| before.fits(&source, &mailboxes)) {
            return Some(before);
        }
        let over = CancellationToken::new();
        let ear = Arc::new(Ear { handle: handle.clone(), over: over.clone(), of: mailboxes.len(), state: Mutex::default(), news: Notify::new() });
        let (listener, from, list) = (ear.clone(), source.clone(), mailboxes.iter().cloned().collect::<Vec<_>>());
        tokio::spawn(async move {
            if let Err(error) = from.watch(&list, &*listener).await {
                tracing::info!(job = %listener.handle.name(), code = %error.code, reason = %error.message, "not listening to the source");
                listener.lock().is_deaf = true;
                listener.listens(Listening { reason: error.message, ..Listening::default() });
            }
        });
        Some(Self { ear, source, mailboxes, over })
    }

    /// Returns whether this is what is wanted; who left is no reason to begin anew.
    fn fits(&self, source: &Arc<dyn Source>, mailboxes: &BTreeSet<Address>) -> bool {
        Arc::ptr_eq(&self.source, source) && mailboxes.is_subset(&self.mailboxes) && !self.ear.lock().is_deaf
    }
}

impl Drop for Hearing {
    fn drop(&mut self) {
        self.over.cancel();
    }
}

impl Ear {
    /// Waits until there are mailboxes to look at, and returns them.
    pub(super) async fn due(&self) -> Vec<Address> {
        loop {
            let news = self.news.notified();
            let next = self.lock().next();
            match next {
                Some(time) if time <= Instant::now() => return self.lock().take(Instant::now()),
                Some(time) => tokio::select! {
                    () = sleep_until(time) => {}
                    () = news => {}
                },
                None => news.await,
            }
        }
    }

    /// Forgets what was heard, since all mailboxes are looked at now.
    pub(super) fn forget(&self) {
        self.lock().heard.clear();
    }

    /// Notes that a look at these mailboxes took so long.
    pub(super) fn looked(&self, mailboxes: &[Address], took: Duration, succeeded: bool) {
        let now = Instant::now();
        let mut state = self.lock();
        state.looks += 1;
        state.looked.extend(mailboxes.iter().map(|mailbox| (mailbox.clone(), now)));
        // What nobody can hear of any more need not be remembered.
        state.looked.retain(|_, looked| now - *looked < MAILBOX_REST);
        if succeeded {
            state.failures = 0;
            state.rest = Some(now + took.min(REST_MAX));
        } else {
            let rest = FAILED_REST_MIN.saturating_mul(1 << state.failures.min(16)).min(FAILED_REST_MAX);
            state.failures += 1;
            state.rest = Some(now + rest);
            for mailbox in mailboxes {
                state.heard.entry(mailbox.clone()).or_insert(now);
            }
        }
        drop(state);
        self.tell();
    }

    fn tell(&self) {
        let state = self.lock();
        let info = ListeningInfo {
            mailboxes: state.how.mailboxes as u64,
            of: self.of as u64,
            connections: state.how.connections as u64,
            looks: state.looks,
            reason: state.how.reason.clone(),
        };
        drop(state);
        if !self.over.is_cancelled() {
            self.handle.listens(info);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Returns when a mailbox may be looked at of which something was heard at `heard`.
    fn when(&self, mailbox: &Address, heard: Instant) -> Instant {
        let rested = self.looked.get(mailbox).map(|looked| *looked + MAILBOX_REST);
        [Some(heard + GATHER), rested, self.rest].into_iter().flatten().max().unwrap_or(heard)
    }

    /// Returns when the first mailbox is due.
    fn next(&self) -> Option<Instant> {
        self.heard.iter().map(|(mailbox, heard)| self.when(mailbox, *heard)).min()
    }

    fn take(&mut self, now: Instant) -> Vec<Address> {
        let mut due: Vec<Address> =
            self.heard.iter().filter(|(mailbox, heard)| self.when(mailbox, **heard) <= now).map(|(mailbox, _)| mailbox.clone()).collect();
        due.sort();
        for mailbox in &due {
            self.heard.remove(mailbox);
        }
        due
    }
}

#[async_trait]
impl Listener for Ear {
    fn heard(&self, mailbox: &Address) {
        let is_new = {
            let mut state = self.lock();
            let is_new = !state.heard.contains_key(mailbox);
            state.heard.entry(mailbox.clone()).or_insert_with(Instant::now);
            is_new
        };
        if is_new {
            self.news.notify_one();
        }
    }

    fn listens(&self, how: Listening) {
        self.lock().how = how;
        self.tell();
    }

    async fn pause(&self, time: Duration) {
        sleep(time).await;
    }

    async fn ended(&self) {
        self.over.cancelled().await;
    }
}
