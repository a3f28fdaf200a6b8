//! Watching: a source tells of mailboxes in which something happened, before anybody asks.
//!
//! It is a hint and nothing else: events may be told twice, late, or never, and a source may not know the art at all.
//! Whoever listens looks at the mailbox as ever, and looks at all of them now and then without being told.

use crate::Address;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Who wants to hear of mailboxes.
#[async_trait]
pub trait Listener: Send + Sync {
    /// Something happened in this mailbox, or may have happened unheard.
    fn heard(&self, mailbox: &Address);

    /// How well the source listens has changed.
    fn listens(&self, how: Listening);

    /// Waits: a source has no clock.
    async fn pause(&self, time: Duration);

    /// Waits until nobody wants to hear any more.
    async fn ended(&self);
}

/// How well a source listens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Listening {
    /// Mailboxes of which events are heard.
    pub mailboxes: usize,
    /// Connections over which they come.
    pub connections: usize,
    /// Why the other mailboxes are not heard; empty when all are, or no reason is known yet.
    pub reason: String,
}
