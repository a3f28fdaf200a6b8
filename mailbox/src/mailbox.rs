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
    /// Whether it has an archive mailbox beside it; none where the source does not tell.
    pub archive: Option<bool>,
    /// Why it is not backed up, in a few words; none for one that is.
    pub skipped: Option<String>,
}

impl Mailbox {
    /// Makes a mailbox of a kind, which is left out for the reason that the kind gives, if any.
    pub fn new(address: Address, display_name: impl Into<String>, kind: MailboxKind) -> Self {
        Self { address, display_name: display_name.into(), kind, archive: None, skipped: kind.why_skipped().map(str::to_owned) }
    }
}

/// What kind of mailbox it is (spec.md section 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MailboxKind {
    /// A person's mailbox.
    User,
    /// A mailbox of a person whose account is in another forest.
    Linked,
    /// A shared mailbox.
    Shared,
    /// A room.
    Room,
    /// A piece of equipment.
    Equipment,
    /// An archive whose mailbox is on another server.
    Archive,
    /// A mailbox that holds public folders.
    PublicFolder,
    /// A mailbox that the server keeps for itself.
    System,
    /// A group with a mailbox of its own, or a list of members.
    Group,
    /// A person of another organisation.
    Guest,
    /// Something else that has an address and no mailbox here.
    Unsupported,
    /// The source does not tell.
    Unknown,
}

impl MailboxKind {
    /// Returns the word that people see.
    pub fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Linked => "linked",
            Self::Shared => "shared",
            Self::Room => "room",
            Self::Equipment => "equipment",
            Self::Archive => "archive",
            Self::PublicFolder => "public-folder",
            Self::System => "system",
            Self::Group => "group",
            Self::Guest => "guest",
            Self::Unsupported => "unsupported",
            Self::Unknown => "unknown",
        }
    }

    /// Returns why mailboxes of this kind are not backed up; none for those that are.
    pub fn why_skipped(self) -> Option<&'static str> {
        match self {
            Self::User | Self::Linked | Self::Shared | Self::Room | Self::Equipment | Self::Unknown => None,
            Self::Archive => Some("only its archive is on this server"),
            Self::PublicFolder => Some("it holds public folders, which are backed up as such"),
            Self::System => Some("the server keeps it for itself"),
            Self::Group => Some("a group, whose mailbox cannot be read this way"),
            Self::Guest => Some("a guest has no mailbox here"),
            Self::Unsupported => Some("it has no mailbox on this server"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_that_cannot_be_backed_up_says_why() {
        let of = |kind| Mailbox::new(Address::parse("a@b").unwrap(), "A", kind);
        assert_eq!(of(MailboxKind::Shared).skipped, None);
        assert!(of(MailboxKind::System).skipped.is_some());
    }
}
