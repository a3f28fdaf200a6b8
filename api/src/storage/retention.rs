//! Retention: which past versions are removed when. Marking is one step, freeing the next; between them it can be undone.

use crate::span::Span;
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Days between marking and freeing where the policy does not say otherwise: long enough for somebody to notice.
const UNDO_DEFAULT: Span = Span::days(7);

/// What is removed when. The clock is when a version was replaced or a deletion was seen, never the item's own date.
/// The newest version of a living item is never removed. Rules are alternatives: what one of them names is marked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RetentionPolicy {
    /// Versions that were replaced longer ago than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub superseded_after: Option<Span>,
    /// All versions of items that were seen to be deleted at the source longer ago than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_after: Option<Span>,
    /// The oldest versions of an item beyond this number, the newest included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub versions_max: Option<u32>,
    /// How often the daemon marks by itself; none for never. While marked versions wait for their freeing, it marks no others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<Span>,
    /// How long the schedule leaves marked versions before it frees them. `storage free` does not wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<Span>,
}

/// A policy that nobody can have meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct PolicyError {
    /// The key that is wrong.
    pub key: &'static str,
    /// What is wrong with it.
    pub message: String,
    /// What to do.
    pub hint: &'static str,
}

/// Why a version goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RetentionRule {
    /// It was replaced long enough ago.
    SupersededAfter,
    /// Its item was deleted long enough ago.
    DeletedAfter,
    /// Its item has too many versions.
    VersionsMax,
}

/// Marks versions by the policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StoragePrune {
    /// Only says what would be marked, each with its rule.
    #[serde(default)]
    pub dry_run: bool,
    /// Goes on although the clock does not fit to the times of commits.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub trust_clock: bool,
}

/// One version that goes, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct RetentionDecision {
    /// Mailbox.
    pub mailbox: String,
    /// Folder path.
    pub folder: String,
    /// Subject.
    pub subject: String,
    /// The item's time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<DateTime<Utc>>,
    /// The short key in its file name.
    pub key: String,
    /// Which of its versions, from 1.
    pub version: u64,
    /// What the version takes when it is kept whole, in bytes.
    pub bytes: u64,
    /// When it was replaced, or its deletion was seen.
    pub since: DateTime<Utc>,
    /// Why it goes.
    pub rule: RetentionRule,
}

/// What was marked, or would be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct StoragePruneReport {
    /// Whether nothing was done.
    pub dry_run: bool,
    /// Past versions looked at.
    pub considered: u64,
    /// Versions marked.
    pub versions: u64,
    /// What they take when each is kept whole, in bytes. How much space that frees is known when it is freed.
    pub logical_bytes: u64,
    /// How many of them by which rule.
    pub rules: Vec<RuleCount>,
    /// When the schedule frees them; none without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub freed_from: Option<DateTime<Utc>>,
}

/// How many versions go by a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct RuleCount {
    /// The rule.
    pub rule: RetentionRule,
    /// How many versions.
    pub versions: u64,
}

/// What was undone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct StorageUnpruneReport {
    /// Versions that stay after all.
    pub versions: u64,
}

impl RetentionPolicy {
    /// Returns whether it removes nothing, ever.
    pub fn keeps_all(&self) -> bool {
        self.superseded_after.is_none() && self.deleted_after.is_none() && self.versions_max.is_none()
    }

    /// Returns whether it removes something that another one leaves: by a rule that the other has not or has with a longer
    /// time, or by itself where the other waits for somebody. The months of the calendar count 30 days here.
    pub fn keeps_less_than(&self, other: &Self) -> bool {
        let sooner = |one: Option<Span>, other: Option<Span>| one.is_some_and(|one| other.is_none_or(|other| one.hours_about() < other.hours_about()));
        let fewer = |one: Option<u32>, other: Option<u32>| one.is_some_and(|one| other.is_none_or(|other| one < other));
        sooner(self.superseded_after, other.superseded_after)
            || sooner(self.deleted_after, other.deleted_after)
            || fewer(self.versions_max, other.versions_max)
            || !self.keeps_all() && self.every.is_some() && other.every.is_none()
    }

    /// Returns how long marked versions stay until the schedule frees them.
    pub fn undo(&self) -> Span {
        self.undo.unwrap_or(UNDO_DEFAULT)
    }

    /// Refuses a policy that says nothing, or the opposite of what was meant.
    ///
    /// # Errors
    /// [`PolicyError`] names the key and the reason.
    pub fn check(&self) -> Result<(), PolicyError> {
        let wrong = |key, message: String, hint| Err(PolicyError { key, message, hint });
        if self.keeps_all() {
            let key = if self.every.is_some() { "every" } else { "retention" };
            let hint = "name superseded-after, deleted-after or versions-max; without a policy everything is kept";
            return wrong(key, "the retention policy has no rule: nothing would ever be removed".to_owned(), hint);
        }
        if self.versions_max == Some(0) {
            let hint = "say versions-max = 1 to keep the newest version alone";
            return wrong("versions-max", "versions-max = 0 contradicts that the newest version always stays".to_owned(), hint);
        }
        if let (Some(1), Some(span)) = (self.versions_max, self.superseded_after) {
            let message = format!("superseded-after = {span} keeps replaced versions for a time, versions-max = 1 removes them at once");
            return wrong("superseded-after", message, "leave one of the two out");
        }
        if let (None, Some(undo)) = (self.every, self.undo) {
            let hint = "name how often with every, or leave undo out: by hand, marked versions stay until `storage free`";
            return wrong("undo", format!("undo = {undo} is for the schedule, and there is none"), hint);
        }
        Ok(())
    }
}

impl RetentionRule {
    /// Returns the rule's key in the policy.
    pub fn key(self) -> &'static str {
        match self {
            Self::SupersededAfter => "superseded-after",
            Self::DeletedAfter => "deleted-after",
            Self::VersionsMax => "versions-max",
        }
    }
}

impl fmt::Display for RetentionPolicy {
    /// Writes the policy as one sentence.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.keeps_all() {
            return f.write_str("everything is kept");
        }
        let mut rules = Vec::new();
        rules.extend(self.superseded_after.map(|span| format!("replaced versions go after {span}")));
        rules.extend(self.deleted_after.map(|span| format!("deleted items go after {span}")));
        rules.extend(self.versions_max.map(|max| match max {
            1 => "only the newest version of an item stays".to_owned(),
            _ => format!("at most {max} versions of an item stay"),
        }));
        f.write_str(&rules.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(superseded: Option<&str>, deleted: Option<&str>, max: Option<u32>, every: Option<&str>, undo: Option<&str>) -> RetentionPolicy {
        let span = |text: Option<&str>| text.map(|text| text.parse().unwrap());
        RetentionPolicy { superseded_after: span(superseded), deleted_after: span(deleted), versions_max: max, every: span(every), undo: span(undo) }
    }

    #[test]
    fn empty_and_contradictory_policies_are_refused() {
        for (refused, key) in [
            (policy(None, None, None, None, None), "retention"),
            (policy(None, None, None, Some("1d"), None), "every"),
            (policy(None, None, Some(0), None, None), "versions-max"),
            (policy(Some("90d"), None, Some(1), None, None), "superseded-after"),
            (policy(Some("90d"), None, None, None, Some("3d")), "undo"),
        ] {
            assert_eq!(refused.check().unwrap_err().key, key, "{refused:?}");
        }
        for accepted in [
            policy(Some("90d"), Some("1y"), Some(50), Some("1d"), Some("14d")),
            policy(None, Some("1y"), Some(1), None, None),
            policy(Some("1h"), None, None, None, None),
        ] {
            accepted.check().unwrap();
        }
    }

    #[test]
    fn what_keeps_less_is_found() {
        let all = RetentionPolicy::default();
        let base = policy(Some("90d"), None, Some(50), None, None);
        for (other, less) in [
            (policy(Some("90d"), None, Some(50), None, None), false),
            (policy(Some("12w"), None, Some(50), None, None), true),
            (policy(Some("4mo"), None, None, None, None), false),
            (policy(Some("1y"), Some("10y"), Some(50), None, None), true),
            (policy(Some("1y"), None, Some(49), None, None), true),
            (policy(Some("90d"), None, Some(50), Some("1d"), None), true),
        ] {
            assert_eq!(other.keeps_less_than(&base), less, "{other:?}");
        }
        assert!(base.keeps_less_than(&all) && !all.keeps_less_than(&base));
    }

    #[test]
    fn unknown_keys_are_refused() {
        assert!(serde_json::from_str::<RetentionPolicy>("{\"superseded-after\":\"90d\"}").is_ok());
        assert!(serde_json::from_str::<RetentionPolicy>("{\"superseeded-after\":\"90d\"}").is_err());
        assert!(serde_json::from_str::<RetentionPolicy>("{\"superseded-after\":\"90\"}").is_err());
    }
}
