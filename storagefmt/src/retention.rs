//! Retention: which past versions are shown no more. Planned, then marked; undone until they are freed.
//!
//! The clock of a rule is the time of the commit in which a version was replaced, or in which the deletion of its item was
//! seen. The newest version of a living item never goes. A mark hides a version and removes nothing: freeing does that.

mod plan;
mod policy;

pub use plan::{Decision, RetentionPlan, RuleCount};
pub use policy::{RetentionPolicy, RetentionRule};

use crate::format::record::{Record, VersionGoneRecord, VersionRecord};
use crate::format::row::{HistoryRow, Key, KeyTake, Table};
use crate::index::successor;
use crate::{Catalog, Error, ItemKey, MailboxKey, Writer};
use chrono::{DateTime, Utc};

/// Versions marked, shown again or freed in one commit: some tenths of a second, and about two megabytes of changed rows.
pub(crate) const COMMIT_VERSIONS: usize = 4096;

impl Catalog {
    /// Says which versions a policy would mark, and why, one decision after the other.
    ///
    /// Works beside the writer: what is committed meanwhile is left out.
    /// Memory: 24 bytes for each decision, and 8 for each commit.
    ///
    /// # Errors
    /// When the policy is empty or contradicts itself, the clock is suspect (see [`Error::SuspectClock`]) and not to be
    /// trusted all the same, or anything that decides cannot be read. Then nothing was decided, whatever `each` was told.
    pub fn retention_plan(
        &self,
        policy: &RetentionPolicy,
        now: DateTime<Utc>,
        trust_clock: bool,
        each: &mut dyn FnMut(&Decision),
    ) -> Result<RetentionPlan, Error> {
        policy.validate()?;
        plan::plan(self, policy, now, trust_clock, each)
    }
}

impl Writer {
    /// Marks what a plan decided, and returns how many versions that were. What changed since it was made is left out.
    ///
    /// Commits some thousand versions at a time: after an error or a crash a part of them is marked.
    ///
    /// # Errors
    /// When there is an open batch, or a commit fails.
    pub fn retention_mark(&mut self, plan: &RetentionPlan, now: DateTime<Utc>) -> Result<u64, Error> {
        self.between_batches()?;
        let mut marked = 0;
        for page in plan.marks().chunks(COMMIT_VERSIONS) {
            marked += self.with_room(|writer| writer.mark_page(page, now))?;
        }
        Ok(marked)
    }

    fn mark_page(&mut self, page: &[plan::Mark], now: DateTime<Utc>) -> Result<u64, Error> {
        let mut marked = 0;
        for mark in page {
            let history: Option<HistoryRow> = self.rows().row(Table::History, &Key::number(mark.item).u64(mark.from))?;
            let still = history.is_some_and(|history| history.until == mark.until && !history.marked && history.mailbox == mark.mailbox);
            let revived = mark.rule == RetentionRule::Deleted && plan::is_live(self.rows(), mark.item)?;
            if still && !revived {
                let record = Record::VersionGone(VersionGoneRecord { item: mark.item, from: mark.from, rule: mark.rule.code() });
                self.introduce(MailboxKey(mark.mailbox))?;
                self.record(MailboxKey(mark.mailbox), &record)?;
                marked += 1;
            }
        }
        self.commit(now)?;
        Ok(marked)
    }

    /// Shows all marked versions again that are not freed yet, and returns how many these are.
    ///
    /// # Errors
    /// As [`Writer::retention_mark`].
    pub fn retention_undo(&mut self, now: DateTime<Utc>) -> Result<u64, Error> {
        let mut undone = 0;
        loop {
            match self.retention_undo_some(now)? {
                0 => return Ok(undone),
                versions => undone += versions,
            }
        }
    }

    /// Shows some thousand marked versions again, in one commit, and returns how many these are; 0 when none is marked any more.
    ///
    /// # Errors
    /// As [`Writer::retention_mark`].
    pub fn retention_undo_some(&mut self, now: DateTime<Utc>) -> Result<u64, Error> {
        let Some((versions, _)) = self.marked(&[])? else { return Ok(0) };
        self.with_room(|writer| {
            for (mailbox, item, from) in &versions {
                writer.introduce(*mailbox)?;
                writer.record(*mailbox, &Record::VersionBack(VersionRecord { item: item.0, from: *from }))?;
            }
            writer.commit(now)
        })?;
        Ok(versions.len() as u64)
    }

    /// Returns the next marked versions, and where to go on; `None` when there are no more.
    #[expect(clippy::type_complexity, reason = "a page of keys")]
    pub(crate) fn marked(&mut self, start: &[u8]) -> Result<Option<(Vec<(MailboxKey, ItemKey, u64)>, Vec<u8>)>, Error> {
        self.between_batches()?;
        let rows = self.rows().index().scan(Table::ItemsMarked, b"", start, COMMIT_VERSIONS)?;
        let Some((last, _)) = rows.last() else { return Ok(None) };
        let next = successor(last);
        let version = |key: &[u8]| {
            let mut take = KeyTake::new(key);
            let (mailbox, _, _) = (take.mailbox()?, take.u64()?, take.u64()?);
            let (from, item) = (take.u64()?, take.u64()?);
            Some((mailbox, ItemKey(item), from))
        };
        let versions: Option<Vec<_>> = rows.iter().map(|(key, _)| version(key)).collect();
        Ok(Some((versions.ok_or(Error::IndexRow { table: Table::ItemsMarked.name() })?, next)))
    }
}
