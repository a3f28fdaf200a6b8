//! Reading the log: what was done, with how it ended.

use super::{AuditError, AuditLog, verify};
use c2b_api::audit::{AuditEntry, AuditQuery};
use std::collections::{HashMap, VecDeque};

impl AuditLog {
    /// Returns the records that are asked for, the oldest first. Blocks.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn show(&self, query: &AuditQuery) -> Result<Vec<AuditEntry>, AuditError> {
        if !self.folder.exists() {
            return Ok(Vec::new());
        }
        let limit = query.limit.unwrap_or(usize::MAX);
        let mut outcomes = HashMap::new();
        let mut found = VecDeque::new();
        // From the newest file back: an outcome stands after what it is of.
        for file in verify::files(&self.folder)?.iter().rev() {
            let records: Vec<_> = verify::lines(file)?.filter_map(Result::ok).map(|line| line.record).collect();
            let is_older = records.first().is_some_and(|first| query.since.is_some_and(|since| first.entry.time < since));
            for record in records.into_iter().rev() {
                match record.of {
                    Some(of) => {
                        outcomes.insert(of, record.entry.outcome);
                    }
                    None if found.len() < limit && is_wanted(&record.entry, query) => {
                        let outcome = outcomes.remove(&record.entry.seq).unwrap_or(record.entry.outcome);
                        found.push_front(AuditEntry { outcome, ..record.entry });
                    }
                    None => {}
                }
            }
            if found.len() >= limit || is_older {
                break;
            }
        }
        Ok(found.into())
    }
}

fn is_wanted(entry: &AuditEntry, query: &AuditQuery) -> bool {
    let same = |one: &str, other: &str| one.eq_ignore_ascii_case(other);
    let begins = |action: &str| entry.action.strip_prefix(action).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
    query.since.is_none_or(|since| entry.time >= since)
        && query.user.as_ref().is_none_or(|user| entry.user == *user)
        && query.action.as_ref().is_none_or(|action| begins(action.trim()))
        && query.mailbox.as_ref().is_none_or(|wanted| entry.mailboxes.iter().any(|mailbox| same(mailbox, wanted)))
}
