//! Decisions: every version of every item held against a policy.
//!
//! The history is read item by item, so memory does not grow with the archive but for what is decided.

use super::COMMIT_VERSIONS;
use super::policy::{RetentionPolicy, RetentionRule};
use crate::catalog::Shared;
use crate::format::record::Record;
use crate::format::row::{CommitRow, FolderRowValue, HistoryRow, ItemPlaceRow, ItemRowValue, Key, KeyTake, Table, past_key};
use crate::format::{micros, time_of};
use crate::index::staged::Staged;
use crate::index::{Row, decode};
use crate::{Catalog, CommitSeq, Error, FolderKey, ItemKey, MailboxKey};
use c2b_mailbox::Address;
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::HashMap;

/// Longer without a commit than any schedule leaves: the clock may have jumped.
const GAP_MAX: TimeDelta = TimeDelta::days(400);

/// A version that goes, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Its mailbox.
    pub mailbox: Address,
    /// The path of its folder, names as the source gave them, joined by `/`.
    pub folder: String,
    /// Its subject.
    pub subject: String,
    /// Its date, as a mount shows it.
    pub date: DateTime<Utc>,
    /// Its item.
    pub key: ItemKey,
    /// The version's number.
    pub version: u32,
    /// The first commit in which it held.
    pub from: CommitSeq,
    /// When it was replaced, or its deletion was seen.
    pub since: DateTime<Utc>,
    /// The rule.
    pub rule: RetentionRule,
    /// Bytes that it brought.
    pub logical_bytes: u64,
}

/// What a rule decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuleCount {
    /// Versions.
    pub versions: u64,
    /// Bytes that they brought.
    pub logical_bytes: u64,
}

/// What would be marked.
#[derive(Clone, Debug)]
pub struct RetentionPlan {
    /// The commit that the plan looked at.
    pub head: CommitSeq,
    /// Past versions looked at, those not counted that are marked already.
    pub considered: u64,
    /// By [`RetentionPolicy::superseded_after`].
    pub superseded: RuleCount,
    /// By [`RetentionPolicy::deleted_after`].
    pub deleted: RuleCount,
    /// By [`RetentionPolicy::versions_max`].
    pub too_many: RuleCount,
    marks: Vec<Mark>,
}

/// A version to be marked, by mailbox, so that a commit has few.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mark {
    pub(super) mailbox: u32,
    pub(super) item: u64,
    pub(super) from: u64,
    pub(super) until: u64,
    pub(super) rule: RetentionRule,
}

impl RetentionPlan {
    /// Returns how many versions would be marked.
    pub fn versions(&self) -> u64 {
        self.superseded.versions + self.deleted.versions + self.too_many.versions
    }

    /// Returns the bytes that they brought.
    pub fn logical_bytes(&self) -> u64 {
        self.superseded.logical_bytes + self.deleted.logical_bytes + self.too_many.logical_bytes
    }

    /// Takes some thousand of its decisions out of it, for [`Writer::retention_mark`](crate::Writer::retention_mark) to mark
    /// in one commit; `None` when none is left. Counts stay what they are.
    pub fn take_some(&mut self) -> Option<Self> {
        let marks = self.marks.split_off(self.marks.len().saturating_sub(COMMIT_VERSIONS));
        (!marks.is_empty()).then_some(Self { marks, ..*self })
    }

    pub(super) fn marks(&self) -> &[Mark] {
        &self.marks
    }

    fn count(&mut self, rule: RetentionRule, bytes: u64) {
        let count = match rule {
            RetentionRule::Superseded => &mut self.superseded,
            RetentionRule::Deleted => &mut self.deleted,
            RetentionRule::TooMany => &mut self.too_many,
        };
        count.versions += 1;
        count.logical_bytes += bytes;
    }
}

/// Holds every version against a policy.
pub(super) fn plan(
    catalog: &Catalog,
    policy: &RetentionPolicy,
    now: DateTime<Utc>,
    trust: bool,
    each: &mut dyn FnMut(&Decision),
) -> Result<RetentionPlan, Error> {
    let shared = catalog.shared();
    let head = catalog.head()?;
    let clock = Clock::read(shared, now, trust)?;
    let empty = RetentionPlan {
        head,
        considered: 0,
        superseded: RuleCount::default(),
        deleted: RuleCount::default(),
        too_many: RuleCount::default(),
        marks: Vec::new(),
    };
    let mut planning = Planning { shared, policy, now, clock, names: Names::default(), plan: empty, each };
    let mut item = Vec::new();
    for row in shared.walk(Table::History) {
        let version = Past::of(&row?)?;
        if item.last().is_some_and(|last: &Past| last.item != version.item) {
            planning.item(&item)?;
            item.clear();
        }
        item.push(version);
    }
    planning.item(&item)?;
    let mut plan = planning.plan;
    plan.marks.sort_unstable();
    Ok(plan)
}

/// Returns whether an item is at the source.
pub(super) fn is_live(rows: &Staged, item: u64) -> Result<bool, Error> {
    let place: Option<ItemPlaceRow> = rows.row(Table::Places, &Key::number(item))?;
    Ok(place.is_some_and(|place| place.live))
}

/// A version as the history lists it.
struct Past {
    item: u64,
    from: u64,
    history: HistoryRow,
}

impl Past {
    fn of((key, value): &Row) -> Result<Self, Error> {
        let mut take = KeyTake::new(key);
        let (item, from) = take.u64().zip(take.u64()).ok_or(Error::IndexRow { table: Table::History.name() })?;
        Ok(Self { item, from, history: decode(Table::History, value)? })
    }
}

struct Planning<'a> {
    shared: &'a Shared,
    policy: &'a RetentionPolicy,
    now: DateTime<Utc>,
    clock: Clock,
    names: Names,
    plan: RetentionPlan,
    each: &'a mut dyn FnMut(&Decision),
}

impl Planning<'_> {
    /// Decides about the versions of one item, given oldest first.
    fn item(&mut self, versions: &[Past]) -> Result<(), Error> {
        let Some(last) = versions.last() else { return Ok(()) };
        let deleted = if last.history.until == 0 { None } else { Some(last.history.until) };
        for (newer, version) in (0u32..).zip(versions.iter().rev()) {
            let HistoryRow { until, marked, .. } = version.history;
            if until == 0 || marked {
                continue;
            }
            self.plan.considered += 1;
            let since = self.clock.time(until);
            let ended = |after: Option<TimeDelta>, time: DateTime<Utc>| after.is_some_and(|after| self.now - time > after);
            let rule = if let Some(deleted) = deleted
                && ended(self.policy.deleted_after, self.clock.time(deleted))
            {
                RetentionRule::Deleted
            } else if newer > 0 && ended(self.policy.superseded_after, since) {
                RetentionRule::Superseded
            } else if self.policy.versions_max.is_some_and(|max| newer >= max) {
                RetentionRule::TooMany
            } else {
                continue;
            };
            self.decide(version, rule, since)?;
        }
        Ok(())
    }

    fn decide(&mut self, version: &Past, rule: RetentionRule, since: DateTime<Utc>) -> Result<(), Error> {
        let index = self.shared.index();
        let (item, from) = (ItemKey(version.item), version.from);
        let HistoryRow { mailbox, folder, until, .. } = version.history;
        let lost = || Error::ScanFailed { what: format!("the record of version {from} of item {item} cannot be read") };
        let key = past_key(MailboxKey(mailbox), FolderKey(folder), until, from, item);
        let row: ItemRowValue = index.row(Table::ItemsPast, &key)?.ok_or_else(lost)?;
        let record = index.record(row.place)?;
        let Some(Record::Item(record)) = record.as_deref() else { return Err(lost()) };
        let decision = Decision {
            mailbox: self.names.mailbox(self.shared, MailboxKey(mailbox))?,
            folder: self.names.folder(self.shared, MailboxKey(mailbox), folder)?,
            subject: record.meta.subject.clone(),
            date: time_of(record.time),
            key: item,
            version: row.version,
            from: CommitSeq(from),
            since,
            rule,
            logical_bytes: row.brought,
        };
        self.plan.count(rule, row.brought);
        self.plan.marks.push(Mark { mailbox, item: version.item, from, until, rule });
        (self.each)(&decision);
        Ok(())
    }
}

/// When commits were made: 8 bytes each.
struct Clock {
    /// By commit, from the first; those of a commit that is nowhere are those of the commit before it.
    times: Vec<i64>,
}

impl Clock {
    /// Reads the times of all commits, and refuses to go by a clock that does not fit to them.
    fn read(shared: &Shared, now: DateTime<Utc>, trust: bool) -> Result<Self, Error> {
        let mut times: Vec<i64> = Vec::new();
        let (mut newest, mut latest) = (i64::MIN, i64::MIN);
        for row in shared.walk(Table::Commits) {
            let (key, value) = row?;
            let seq = KeyTake::new(&key).u64().and_then(|seq| usize::try_from(seq).ok()).ok_or(Error::IndexRow { table: Table::Commits.name() })?;
            let time = decode::<CommitRow>(Table::Commits, &value)?.time;
            newest = newest.max(time);
            // A clock that went back, or ahead of the present, must not make anything look older than it is.
            if time <= micros(now) {
                latest = latest.max(time);
            }
            times.resize(seq.saturating_sub(1), times.last().copied().unwrap_or(latest));
            times.push(latest);
        }
        if !trust && newest != i64::MIN {
            let last = time_of(newest);
            if last > now || now - last > GAP_MAX {
                return Err(Error::SuspectClock { now, last });
            }
        }
        Ok(Self { times })
    }

    fn time(&self, seq: u64) -> DateTime<Utc> {
        let at = usize::try_from(seq).ok().and_then(|seq| self.times.get(seq.checked_sub(1)?)).copied();
        time_of(at.unwrap_or(i64::MAX))
    }
}

/// Names for people, remembered: a few hundred bytes for each folder that is named.
#[derive(Default)]
struct Names {
    mailboxes: HashMap<MailboxKey, Address>,
    folders: HashMap<(MailboxKey, u64), (String, Option<u64>)>,
}

impl Names {
    fn mailbox(&mut self, shared: &Shared, key: MailboxKey) -> Result<Address, Error> {
        if let Some(address) = self.mailboxes.get(&key) {
            return Ok(address.clone());
        }
        let address = crate::catalog::address(shared, key)?.ok_or_else(|| Error::ScanFailed { what: format!("mailbox {key} cannot be read") })?;
        self.mailboxes.insert(key, address.clone());
        Ok(address)
    }

    /// Returns the path of a folder by the last names that it and those above it had.
    fn folder(&mut self, shared: &Shared, mailbox: MailboxKey, folder: u64) -> Result<String, Error> {
        let (mut names, mut at) = (Vec::new(), Some(folder));
        while let Some(key) = at.filter(|_| names.len() < DEPTH_MAX) {
            let (name, parent) = self.one(shared, mailbox, key)?;
            names.push(name);
            at = parent;
        }
        names.reverse();
        Ok(names.join("/"))
    }

    fn one(&mut self, shared: &Shared, mailbox: MailboxKey, folder: u64) -> Result<(String, Option<u64>), Error> {
        if let Some(known) = self.folders.get(&(mailbox, folder)) {
            return Ok(known.clone());
        }
        let index = shared.index();
        let versions = index.scan_all(Table::Folders, &Key::mailbox(mailbox).u64(folder).0)?;
        let row: Option<FolderRowValue> = versions.last().map(|(_, value)| decode(Table::Folders, value)).transpose()?;
        let record = row.map_or(Ok(None), |row| index.record(row.place))?;
        let named = match record.as_deref() {
            Some(Record::Folder(record)) => (record.name.clone(), record.parent),
            // A folder whose record is lost is listed under this name, too.
            _ => (format!("lost folder [{}]", FolderKey(folder)), None),
        };
        self.folders.insert((mailbox, folder), named.clone());
        Ok(named)
    }
}

/// Deeper than folders of any source; a circle ends here.
const DEPTH_MAX: usize = 300;
