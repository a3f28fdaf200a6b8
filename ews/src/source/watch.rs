//! What the server tells by itself: streaming notifications, heard over few connections.
//!
//! Mailboxes are subscribed to in groups whose subscriptions the same server keeps (`group`); each group is heard over one
//! connection (`hear`). Which mailboxes can share a group is found by trying: one that the group's server refuses, or keeps
//! elsewhere, goes to another group. What fails for a time is tried again, with longer and longer pauses. Every
//! subscription that is new, also after a loss, is told as an event, since something may have happened before.

mod board;
mod group;
mod hear;

use super::EwsSource;
use crate::capability::Ability;
use crate::error::Failure;
use crate::http::Target;
use crate::operation::unsubscribe::Unsubscribe;
use board::{Board, Strays};
use c2b_mailbox::{Address, Listener, Retry, Scope, SourceError, Trouble};
use futures_util::stream::{self, FuturesUnordered, StreamExt};
use group::{Group, Member};
use hyper::header::HeaderMap;
use std::time::Duration;

/// Subscriptions of one connection: the most that Microsoft allows.
const GROUP_MAX: usize = 200;
/// Connections that are kept open: for 10,000 mailboxes.
const GROUPS_MAX: usize = 50;
/// How often mailboxes may be sent on to another group: there are not more sites than that.
const ROUNDS_MAX: usize = 8;
/// Pause before a stream is opened again that ended as it should; doubled with each failure.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// Longest pause after failures.
const PAUSE_MAX: Duration = Duration::from_secs(300);
/// Pause where something else than time must help: quotas, rights.
const PAUSE_LONG: Duration = Duration::from_secs(1800);
/// How long may pass with taking leave.
const FAREWELL_MAX: Duration = Duration::from_secs(2);
/// Requests at once when taking leave.
const FAREWELL_REQUESTS_MAX: usize = 4;

impl EwsSource {
    /// Tells the listener of events until it wants no more; an error when nothing can be heard as things stand.
    pub(super) async fn listen(&self, mailboxes: &[Address], listener: &dyn Listener) -> Result<(), SourceError> {
        let board = Board::new(listener);
        tokio::select! {
            biased;
            () = listener.ended() => {}
            failure = self.attend_all(mailboxes, &board) => return Err(failure),
        }
        self.take_leave(&board).await;
        Ok(())
    }

    /// Attends to all groups; ends with what concerns all of them.
    async fn attend_all(&self, mailboxes: &[Address], board: &Board<'_>) -> SourceError {
        if self.capabilities.lacks(Ability::Notifications) {
            return about(lacking());
        }
        let members = match self.open_members(mailboxes, board).await {
            Ok(members) => members,
            Err(error) => return error,
        };
        let mut open = FuturesUnordered::new();
        let mut seats = 0;
        for group in groups(members, 0) {
            if seats < GROUPS_MAX {
                open.push(self.attend(group, board, seats));
            } else {
                board.refuse("more connections are not kept open");
            }
            seats += 1;
        }
        loop {
            tokio::select! {
                Some(failure) = open.next() => return about(failure),
                Strays { members, round } = board.strays() => {
                    for group in groups(members, round) {
                        if round <= ROUNDS_MAX && seats < GROUPS_MAX {
                            open.push(self.attend(group, board, seats));
                            seats += 1;
                        } else {
                            board.refuse("the server keeps their subscriptions in too many places");
                        }
                    }
                }
            }
        }
    }

    /// Opens the mailboxes, in the order of their addresses, as far as they can be opened.
    async fn open_members(&self, mailboxes: &[Address], board: &Board<'_>) -> Result<Vec<Member>, SourceError> {
        let mut sorted = mailboxes.to_vec();
        sorted.sort();
        let mut members = Vec::with_capacity(sorted.len());
        for mailbox in sorted {
            match self.open(&mailbox).await {
                Ok(open) => members.push(Member::new(mailbox, open)),
                Err(error) if error.scope == Scope::Connection => return Err(error),
                Err(error) => board.refuse(&error.message),
            }
        }
        Ok(members)
    }

    /// Attends to a group for good; ends only with a failure that concerns all.
    async fn attend(&self, mut group: Group, board: &Board<'_>, seat: usize) -> Failure {
        let mut failures = 0;
        loop {
            let outcome = match self.subscribe_all(&mut group, board).await {
                Err(failure) => hear::Outcome { lively: false, failure: Some(failure) },
                Ok(()) if group.is_silent() => {
                    board.seat(seat, 0, &group.reason);
                    board.listener.pause(PAUSE_LONG).await;
                    group.hope();
                    continue;
                }
                Ok(()) => self.hear(&mut group, board, seat).await,
            };
            let pause = match &outcome.failure {
                None if outcome.lively => {
                    failures = 0;
                    group.hope();
                    PAUSE_MIN
                }
                None => backed_off(&mut failures),
                Some(failure) => {
                    tracing::debug!(anchor = %group.anchor(), code = %failure.code, reason = %failure.message, "listening failed");
                    if self.is_lacking(failure) {
                        return lacking();
                    }
                    if matches!(failure.trouble, Trouble::SignIn | Trouble::Certificate | Trouble::WrongUrl) {
                        return failure.clone();
                    }
                    if outcome.lively {
                        failures = 0;
                    }
                    board.seat(seat, 0, &failure.message);
                    match failure.retry {
                        _ if is_of_budget(failure) => {
                            if group.next_speaker() {
                                backed_off(&mut failures)
                            } else {
                                PAUSE_LONG
                            }
                        }
                        Retry::After(pause) => pause.max(backed_off(&mut failures)),
                        _ => backed_off(&mut failures),
                    }
                }
            };
            board.listener.pause(pause).await;
        }
    }

    /// Returns, and remembers, whether a failure says that the server does not have the art.
    fn is_lacking(&self, failure: &Failure) -> bool {
        if failure.trouble == Trouble::Unsupported {
            self.capabilities.miss(Ability::Notifications);
        }
        failure.trouble == Trouble::Unsupported && self.capabilities.lacks(Ability::Notifications)
    }

    /// Gives the subscriptions up, as far as that can be done in a moment; the server forgets the others by itself.
    async fn take_leave(&self, board: &Board<'_>) {
        let parting = stream::iter(board.take_subscriptions())
            .map(|(subscription, target, headers)| self.unsubscribe(subscription, target, headers))
            .buffer_unordered(FAREWELL_REQUESTS_MAX)
            .collect::<()>();
        // Nobody waits for it, and nothing hangs on it.
        let _in_time = tokio::time::timeout(FAREWELL_MAX, parting).await;
    }

    async fn unsubscribe(&self, subscription: String, target: Target, headers: HeaderMap) {
        if let Err(failure) = self.transport.call_with(Unsubscribe { subscription }, &target, headers).await {
            tracing::debug!(code = %failure.code, "unsubscribing failed");
        }
    }
}

/// Makes groups of those that are opened by the same right.
fn groups(members: Vec<Member>, round: usize) -> Vec<Group> {
    let (impersonated, others): (Vec<Member>, Vec<Member>) = members.into_iter().partition(Member::is_impersonated);
    let mut groups = Vec::new();
    for mut members in [impersonated, others] {
        while !members.is_empty() {
            let rest = members.split_off(members.len().min(GROUP_MAX));
            groups.extend(Group::new(members, round));
            members = rest;
        }
    }
    groups
}

/// Returns whether somebody else's budget may help.
fn is_of_budget(failure: &Failure) -> bool {
    failure.trouble == Trouble::Forbidden || failure.code == "ErrorExceededConnectionCount"
}

/// Counts a failure and returns the pause after it.
fn backed_off(failures: &mut u32) -> Duration {
    *failures = failures.saturating_add(1);
    PAUSE_MIN.saturating_mul(1 << (*failures).min(16)).min(PAUSE_MAX)
}

fn lacking() -> Failure {
    Failure::new(Trouble::Unsupported, "no notifications", "the server knows no streaming notifications")
}

fn about(failure: Failure) -> SourceError {
    failure.about(Scope::Connection, "listen to the server's notifications")
}
