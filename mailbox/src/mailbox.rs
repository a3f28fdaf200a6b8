//! A mailbox as the source lists it.

use crate::Address;
use serde::{Deserialize, Serialize};

/// A mailbox that the source knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mailbox {
    /// Its primary SMTP address.
    pub address: Address,
    /// The name people see in the address list.
    pub display_name: String,
    /// What kind of mailbox it is, as far as the source tells.
    pub kind: MailboxKind,
}

/// What kind of mailbox it is (spec.md section 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MailboxKind {
    /// A person's mailbox.
    User,
    /// A shared mailbox.
    Shared,
    /// A room or equipment mailbox.
    Resource,
    /// The source does not tell.
    Unknown,
}
