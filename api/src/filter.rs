//! Which items and folders of its mailboxes a job backs up (spec.md section 2, settings 7 and 8).
//!
//! What is filtered out is not deleted: what was backed up of it stays as it is.

use crate::span::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// What a job takes of a mailbox; the default takes everything but associated items.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Filter {
    /// Items of which age.
    #[serde(default, skip_serializing_if = "Age::is_any")]
    pub age: Age,
    /// Takes contacts and distribution lists whatever their age.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub contacts_always: bool,
    /// Special folders to leave out, with what is below them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub leave_out: BTreeSet<SpecialFolder>,
    /// Takes the associated (hidden) items of folders, too: settings, views, rules. Their age does not matter.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub associated: bool,
}

impl Filter {
    /// Returns whether it says nothing that the default does not.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Items of which age. An item's age counts from when it occurs (its end; of a series the last end, of an endless
/// one now), else from its last modification.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Age {
    /// All.
    #[default]
    Any,
    /// Only what is at least this old.
    OlderThan(Span),
    /// Only what is at most this old; what lies ahead is.
    NotOlderThan(Span),
}

impl Age {
    /// Returns whether age does not matter.
    pub fn is_any(&self) -> bool {
        *self == Self::Any
    }
}

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("of any age"),
            Self::OlderThan(span) => write!(f, "older than {span}"),
            Self::NotOlderThan(span) => write!(f, "not older than {span}"),
        }
    }
}

/// A special folder that a job can leave out. It is found by its well-known role, never by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SpecialFolder {
    /// Deleted Items.
    DeletedItems,
    /// Junk E-mail.
    Junk,
    /// Drafts.
    Drafts,
    /// Outbox.
    Outbox,
    /// Sent Items.
    Sent,
    /// Sync Issues: conflicts, local and server failures.
    SyncIssues,
    /// Conversation History.
    ConversationHistory,
    /// RSS Feeds.
    RssFeeds,
    /// What users deleted for good and the server still keeps.
    RecoverableItems,
    /// The archive mailbox as a whole.
    ArchiveMailbox,
    /// Notes.
    Notes,
    /// Journal.
    Journal,
    /// Tasks.
    Tasks,
    /// Contacts.
    Contacts,
    /// Calendar.
    Calendar,
}

impl SpecialFolder {
    /// All of them, in the order of spec.md.
    pub const ALL: [Self; 15] = [
        Self::DeletedItems,
        Self::Junk,
        Self::Drafts,
        Self::Outbox,
        Self::Sent,
        Self::SyncIssues,
        Self::ConversationHistory,
        Self::RssFeeds,
        Self::RecoverableItems,
        Self::ArchiveMailbox,
        Self::Notes,
        Self::Journal,
        Self::Tasks,
        Self::Contacts,
        Self::Calendar,
    ];

    /// Returns the word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DeletedItems => "deleted-items",
            Self::Junk => "junk",
            Self::Drafts => "drafts",
            Self::Outbox => "outbox",
            Self::Sent => "sent",
            Self::SyncIssues => "sync-issues",
            Self::ConversationHistory => "conversation-history",
            Self::RssFeeds => "rss-feeds",
            Self::RecoverableItems => "recoverable-items",
            Self::ArchiveMailbox => "archive-mailbox",
            Self::Notes => "notes",
            Self::Journal => "journal",
            Self::Tasks => "tasks",
            Self::Contacts => "contacts",
            Self::Calendar => "calendar",
        }
    }
}

impl fmt::Display for SpecialFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no special folder.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no special folder: expected one of {}", SpecialFolder::ALL.map(SpecialFolder::as_str).join(", "))]
pub struct SpecialFolderError {
    text: String,
}

impl FromStr for SpecialFolder {
    type Err = SpecialFolderError;

    fn from_str(text: &str) -> Result<Self, SpecialFolderError> {
        Self::ALL.into_iter().find(|folder| folder.as_str() == text).ok_or_else(|| SpecialFolderError { text: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_what_its_text_says() {
        let filter = Filter {
            age: Age::NotOlderThan("6mo".parse().unwrap()),
            contacts_always: true,
            leave_out: [SpecialFolder::Junk, SpecialFolder::DeletedItems].into(),
            associated: true,
        };
        let text = serde_json::to_string(&filter).unwrap();
        assert_eq!(text, r#"{"age":{"not-older-than":"6mo"},"contacts-always":true,"leave-out":["deleted-items","junk"],"associated":true}"#);
        assert_eq!(serde_json::from_str::<Filter>(&text).unwrap(), filter);
        assert_eq!(serde_json::to_string(&Filter::default()).unwrap(), "{}");
        assert_eq!(serde_json::from_str::<Age>("\"any\"").unwrap(), Age::Any);
        for wrong in [r#"{"leave-out":["spam"]}"#, r#"{"age":{"older-than":"6mo","not-older-than":"1y"}}"#, r#"{"ages":"any"}"#] {
            assert!(serde_json::from_str::<Filter>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn each_special_folder_has_its_word() {
        for folder in SpecialFolder::ALL {
            assert_eq!(folder.as_str().parse(), Ok(folder));
            assert_eq!(serde_json::to_string(&folder).unwrap(), format!("\"{folder}\""));
        }
        assert!("Junk".parse::<SpecialFolder>().unwrap_err().to_string().contains("deleted-items, junk"));
    }
}
