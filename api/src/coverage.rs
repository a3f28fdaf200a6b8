//! What of each mailbox a job backs up, and why not the rest.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a cycle covered of one mailbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct MailboxCoverage {
    /// Its address.
    pub mailbox: String,
    /// Each part, in the order of [`CoveredPart::ALL`]; of an organisation's public folders, these and associated items.
    pub parts: Vec<PartCoverage>,
}

/// How it stands with one part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct PartCoverage {
    /// Which part.
    pub part: CoveredPart,
    /// How it stands.
    pub state: CoverageState,
    /// Why it is not included, or among what it is; empty when there is nothing to say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Whether that is a warning: one would expect it to be included.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub warning: bool,
}

/// A part of a mailbox that a backup includes or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CoveredPart {
    /// The folders that people see.
    Primary,
    /// The archive mailbox.
    Archive,
    /// What users deleted for good and the server still keeps.
    RecoverableItems,
    /// Calendars.
    Calendar,
    /// Contacts.
    Contacts,
    /// Tasks.
    Tasks,
    /// Associated (FAI) items: settings, views, rules.
    AssociatedItems,
    /// Inbox rules and automatic replies.
    Rules,
    /// Public folders, which belong to no mailbox.
    PublicFolders,
}

/// How it stands with a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CoverageState {
    /// It is backed up.
    Included,
    /// The job leaves it out.
    ExcludedByConfiguration,
    /// There is none, or it cannot be had.
    NotAvailable,
}

impl PartCoverage {
    /// Says that a part is backed up.
    pub fn included(part: CoveredPart) -> Self {
        Self { part, state: CoverageState::Included, reason: String::new(), warning: false }
    }

    /// Says that a part is backed up among another one.
    pub fn included_as(part: CoveredPart, among: impl Into<String>) -> Self {
        Self { reason: among.into(), ..Self::included(part) }
    }

    /// Says that the job leaves a part out.
    pub fn excluded(part: CoveredPart, reason: impl Into<String>) -> Self {
        Self { part, state: CoverageState::ExcludedByConfiguration, reason: reason.into(), warning: false }
    }

    /// Says that a part is not there, as nobody expects it to be.
    pub fn absent(part: CoveredPart, reason: impl Into<String>) -> Self {
        Self { part, state: CoverageState::NotAvailable, reason: reason.into(), warning: false }
    }

    /// Says that a part cannot be had, though one would expect it.
    pub fn missing(part: CoveredPart, reason: impl Into<String>) -> Self {
        Self { warning: true, ..Self::absent(part, reason) }
    }
}

impl CoveredPart {
    /// All parts of a mailbox.
    pub const ALL: [Self; 8] =
        [Self::Primary, Self::Archive, Self::RecoverableItems, Self::Calendar, Self::Contacts, Self::Tasks, Self::AssociatedItems, Self::Rules];
}

impl fmt::Display for CoveredPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Primary => "primary",
            Self::Archive => "archive",
            Self::RecoverableItems => "recoverable items",
            Self::Calendar => "calendar",
            Self::Contacts => "contacts",
            Self::Tasks => "tasks",
            Self::AssociatedItems => "associated items",
            Self::Rules => "rules",
            Self::PublicFolders => "public folders",
        })
    }
}

impl fmt::Display for CoverageState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Included => "included",
            Self::ExcludedByConfiguration => "excluded by configuration",
            Self::NotAvailable => "not available",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coverage_is_what_its_json_says() {
        let coverage = MailboxCoverage {
            mailbox: "a@x".to_owned(),
            parts: vec![PartCoverage::included(CoveredPart::Primary), PartCoverage::missing(CoveredPart::Archive, "ErrorAccessDenied")],
        };
        let json = serde_json::to_string(&coverage).unwrap();
        let text = r#"{"mailbox":"a@x","parts":[{"part":"primary","state":"included"},{"part":"archive","state":"not-available","reason":"ErrorAccessDenied","warning":true}]}"#;
        assert_eq!(json, text);
        assert_eq!(serde_json::from_str::<MailboxCoverage>(text).unwrap(), coverage);
    }
}
