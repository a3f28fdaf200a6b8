//! The failure ledger of one mailbox: items that could not be backed up, and when to try again.
//!
//! It is kept in the storage, with the data; this is the copy that a cycle works with.

use c2b_mailbox::{ChangeKey, ItemId};
use c2b_storagefmt::{Failure, FolderKey};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::HashMap;

/// Waits after the first failures, in minutes; the last one repeats.
const WAITS_MINUTES: [i64; 6] = [1, 5, 15, 60, 4 * 60, 24 * 60];

/// After so many attempts (about five days) an item is tried again only when it changes.
const ATTEMPTS_MAX: u32 = 10;

/// The ledger of one mailbox, as it will be once everything handed over is committed.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    entries: HashMap<ItemId, Failure>,
}

/// One failed try.
#[derive(Clone, Debug)]
pub(crate) struct Try {
    pub(crate) id: ItemId,
    pub(crate) folder: FolderKey,
    pub(crate) change_key: Option<ChangeKey>,
    pub(crate) code: String,
    pub(crate) message: String,
}

impl Ledger {
    /// Returns the ledger with these entries.
    pub(crate) fn new(entries: impl IntoIterator<Item = Failure>) -> Self {
        Self { entries: entries.into_iter().map(|failure| (failure.id.clone(), failure)).collect() }
    }

    pub(crate) fn get(&self, id: &ItemId) -> Option<&Failure> {
        self.entries.get(id)
    }

    /// Takes an item out; returns whether it was in.
    pub(crate) fn clear(&mut self, id: &ItemId) -> bool {
        self.entries.remove(id).is_some()
    }

    /// Takes out what is in folders that do not live any more; returns the items.
    pub(crate) fn clear_dead(&mut self, lives: impl Fn(FolderKey) -> bool) -> Vec<ItemId> {
        let dead: Vec<ItemId> = self.entries.values().filter(|failure| !lives(failure.folder)).map(|failure| failure.id.clone()).collect();
        for id in &dead {
            self.entries.remove(id);
        }
        dead
    }

    /// Returns whether this state of the item failed before in this folder and its time has not come.
    pub(crate) fn rests(&self, id: &ItemId, folder: FolderKey, change_key: Option<&ChangeKey>, now: DateTime<Utc>) -> bool {
        let is_it = |failure: &Failure| failure.folder == folder && change_key.is_some() && failure.change_key.as_ref() == change_key;
        self.entries.get(id).is_some_and(|failure| is_it(failure) && !is_due(failure, now))
    }

    /// Returns the items that failed in a folder.
    pub(crate) fn within(&self, folder: FolderKey) -> Vec<ItemId> {
        self.entries.values().filter(|failure| failure.folder == folder).map(|failure| failure.id.clone()).collect()
    }

    /// Returns the entries to be tried now, oldest first.
    pub(crate) fn due(&self, now: DateTime<Utc>) -> Vec<Failure> {
        sorted(self.entries.values().filter(|failure| is_due(failure, now)))
    }

    /// Returns the entries that trying again may help, due or not, oldest first.
    pub(crate) fn hopeful(&self) -> Vec<Failure> {
        sorted(self.entries.values().filter(|failure| failure.next_try.is_some()))
    }

    /// Enters a failed try; `seen` fills in what is known of the item. Returns the entry as it is now.
    pub(crate) fn fail(&mut self, one: Try, job: &str, now: DateTime<Utc>, seen: impl FnOnce(&mut Failure)) -> Failure {
        let earlier = self.entries.get(&one.id);
        // Another state of the item is another chance.
        let tried = earlier.filter(|failure| failure.change_key == one.change_key).map_or(0, |failure| failure.attempts);
        let attempts = tried + 1;
        let mut failure = Failure {
            id: one.id,
            folder: one.folder,
            job: job.to_owned(),
            change_key: one.change_key,
            subject: earlier.map(|failure| failure.subject.clone()).unwrap_or_default(),
            date: earlier.and_then(|failure| failure.date),
            size: earlier.and_then(|failure| failure.size),
            code: one.code,
            message: one.message,
            attempts,
            first_seen: earlier.map_or(now, |failure| failure.first_seen),
            last_seen: now,
            next_try: next_try(attempts, now),
        };
        seen(&mut failure);
        self.entries.insert(failure.id.clone(), failure.clone());
        failure
    }
}

/// Returns when to try again after so many attempts; `None` when it is of no use.
fn next_try(attempts: u32, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    if attempts >= ATTEMPTS_MAX {
        return None;
    }
    let place = usize::try_from(attempts.saturating_sub(1)).unwrap_or(usize::MAX);
    let minutes = WAITS_MINUTES.get(place).or(WAITS_MINUTES.last()).copied().unwrap_or(1);
    now.checked_add_signed(TimeDelta::minutes(minutes))
}

fn is_due(failure: &Failure, now: DateTime<Utc>) -> bool {
    // One that was tried in the future was tried by a clock that ran ahead.
    failure.next_try.is_some_and(|time| time <= now || failure.last_seen > now)
}

fn sorted<'a>(entries: impl Iterator<Item = &'a Failure>) -> Vec<Failure> {
    let mut entries: Vec<Failure> = entries.cloned().collect();
    entries.sort_by(|a, b| (a.first_seen, &a.id).cmp(&(b.first_seen, &b.id)));
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(key: &str) -> Try {
        Try { id: ItemId::new("i"), folder: FolderKey(1), change_key: Some(ChangeKey::new(key)), code: "X".into(), message: "x".into() }
    }

    #[test]
    fn tries_get_rarer_and_end_until_the_item_changes() {
        let mut ledger = Ledger::default();
        let mut now = DateTime::<Utc>::UNIX_EPOCH;
        let mut waits = Vec::new();
        loop {
            let failure = ledger.fail(one("1"), "j", now, |_| ());
            let Some(next) = failure.next_try else { break };
            assert!(ledger.due(now).is_empty() && ledger.rests(&failure.id, FolderKey(1), failure.change_key.as_ref(), now));
            assert_eq!(ledger.due(next).len(), 1);
            waits.push((next - now).num_minutes());
            now = next;
        }
        assert_eq!(waits, [1, 5, 15, 60, 240, 1440, 1440, 1440, 1440]);
        let id = ItemId::new("i");
        assert!(ledger.rests(&id, FolderKey(1), Some(&ChangeKey::new("1")), now + TimeDelta::days(99)), "a hopeless item is tried again");
        assert!(!ledger.rests(&id, FolderKey(1), Some(&ChangeKey::new("2")), now), "a changed item has to wait");
        assert!(!ledger.rests(&id, FolderKey(2), Some(&ChangeKey::new("1")), now), "a moved item has to wait");
        let failure = ledger.fail(one("2"), "j", now, |_| ());
        assert_eq!((failure.attempts, failure.first_seen), (1, DateTime::<Utc>::UNIX_EPOCH));
    }
}
