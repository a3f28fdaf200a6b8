//! What all groups share: who listens, how well that goes, and what is to be given up at the end.

use super::group::Member;
use crate::http::Target;
use c2b_mailbox::{Address, Listener, Listening};
use hyper::header::HeaderMap;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Mailboxes that do not fit their group.
pub(super) struct Strays {
    pub(super) members: Vec<Member>,
    /// How often they have been sent on, this time included.
    pub(super) round: usize,
}

/// The board.
pub(super) struct Board<'a> {
    pub(super) listener: &'a dyn Listener,
    /// Whose turn it is to subscribe: one request at a time, beside those of the backup.
    pub(super) turn: tokio::sync::Mutex<()>,
    state: Mutex<State>,
    strayed: Notify,
}

#[derive(Default)]
struct State {
    /// By group: how many mailboxes are heard, and why not the others.
    seats: BTreeMap<usize, (usize, String)>,
    /// Why some mailbox is in no group.
    refused: String,
    told: Option<Listening>,
    strays: Vec<Strays>,
    subscriptions: HashMap<String, (Target, HeaderMap)>,
}

impl<'a> Board<'a> {
    pub(super) fn new(listener: &'a dyn Listener) -> Self {
        Self { listener, turn: tokio::sync::Mutex::new(()), state: Mutex::default(), strayed: Notify::new() }
    }

    /// Notes how well a group is heard.
    pub(super) fn seat(&self, seat: usize, mailboxes: usize, reason: &str) {
        self.change(|state| {
            state.seats.insert(seat, (mailboxes, reason.to_owned()));
        });
    }

    /// Notes why a mailbox is not heard whatever its group.
    pub(super) fn refuse(&self, reason: &str) {
        self.change(|state| reason.clone_into(&mut state.refused));
    }

    /// Tells an event.
    pub(super) fn heard(&self, mailbox: &Address) {
        self.listener.heard(mailbox);
    }

    /// Sends mailboxes on to another group.
    pub(super) fn stray(&self, members: Vec<Member>, round: usize) {
        if !members.is_empty() {
            self.lock().strays.push(Strays { members, round });
            self.strayed.notify_one();
        }
    }

    /// Waits for mailboxes that need another group.
    pub(super) async fn strays(&self) -> Strays {
        loop {
            if let Some(strays) = self.lock().strays.pop() {
                return strays;
            }
            self.strayed.notified().await;
        }
    }

    /// Remembers a subscription.
    pub(super) fn subscribed(&self, subscription: &str, target: Target, headers: HeaderMap) {
        self.lock().subscriptions.insert(subscription.to_owned(), (target, headers));
    }

    /// Forgets a subscription.
    pub(super) fn lost(&self, subscription: &str) {
        self.lock().subscriptions.remove(subscription);
    }

    /// Returns all subscriptions, with what it takes to reach them.
    pub(super) fn take_subscriptions(&self) -> Vec<(String, Target, HeaderMap)> {
        std::mem::take(&mut self.lock().subscriptions).into_iter().map(|(id, (target, headers))| (id, target, headers)).collect()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        let heard = || state.seats.values().filter(|(mailboxes, _)| *mailboxes > 0);
        let reason = state.seats.values().map(|(_, reason)| reason).chain([&state.refused]).find(|reason| !reason.is_empty());
        let now =
            Listening { mailboxes: heard().map(|(mailboxes, _)| mailboxes).sum(), connections: heard().count(), reason: reason.cloned().unwrap_or_default() };
        if state.told.as_ref() != Some(&now) {
            state.told = Some(now.clone());
            drop(state);
            self.listener.listens(now);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
