//! Folder trees of mailboxes in given states, kept while they are used.
//!
//! The cache is bounded by trees and by times of folders, not by items: walking a mailbox of a
//! million items costs the same memory as one of ten.

use crate::archive::{Archive, Fault};
use c2b_storagefmt::{CommitSeq, FolderKey, FolderRow, ItemRow, MailboxKey, Touched};
use chrono::{DateTime, Utc};
use lru::LruCache;
use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Trees kept; a walk has one mailbox in hand at a time, and a tree of 100 folders takes about 40 KB.
const TREES_MAX: NonZeroUsize = NonZeroUsize::new(128).unwrap();

/// What is known of the items of so many folders is kept, 80 bytes each.
const TIMES_MAX: NonZeroUsize = NonZeroUsize::new(65_536).unwrap();

/// Items looked at to find the newest of a folder: about 0.1 s. A larger folder has the newest of these many.
const NEWEST_ITEMS_MAX: usize = 20_000;

/// A state of a mailbox, as a cache key: `None` is the newest, which moves.
pub type Frozen = Option<CommitSeq>;

/// All folders of a mailbox in one state.
#[derive(Debug)]
pub struct FolderTree {
    rows: HashMap<FolderKey, FolderRow>,
    children: HashMap<Option<FolderKey>, Vec<FolderKey>>,
}

/// The cache.
pub struct Folders {
    trees: Mutex<LruCache<(MailboxKey, Frozen), Arc<FolderTree>>>,
    items: Mutex<LruCache<(FolderKey, Frozen), FolderItems>>,
    owners: Mutex<HashMap<FolderKey, MailboxKey>>,
}

/// What is told of a folder's items without listing them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FolderItems {
    /// Time of the newest one; `None` when there is none.
    pub newest: Option<DateTime<Utc>>,
    /// Time of the newest of those that are associated with the folder; `None` when none was passed.
    pub newest_associated: Option<DateTime<Utc>>,
    /// Whether these are all of them: only the first ones of a large folder were looked at.
    pub are_all: bool,
    passed: usize,
}

impl FolderItems {
    /// Takes notice of the next item. Of a large folder only the first ones count, and the first associated one behind them.
    pub fn pass(&mut self, item: &ItemRow) {
        let counts = self.passed < NEWEST_ITEMS_MAX;
        self.passed += 1;
        let newest = if item.meta.associated { &mut self.newest_associated } else { &mut self.newest };
        if counts || (item.meta.associated && newest.is_none()) {
            *newest = (*newest).max(Some(item.time));
        }
    }
}

impl FolderTree {
    /// Arranges rows as a tree in which every row is reachable: one whose parents do not lead to the top is at the top.
    pub fn new(rows: Vec<FolderRow>) -> Self {
        let rows: HashMap<FolderKey, FolderRow> = rows.into_iter().map(|row| (row.key, row)).collect();
        let mut children: HashMap<Option<FolderKey>, Vec<FolderKey>> = HashMap::new();
        for row in rows.values() {
            children.entry(row.parent.filter(|_| rooted(&rows, row))).or_default().push(row.key);
        }
        let name = |key: &FolderKey| rows.get(key).map(|row| row.file_name.clone());
        children.values_mut().for_each(|keys| keys.sort_by_cached_key(name));
        Self { rows, children }
    }

    /// Returns a folder.
    pub fn get(&self, key: FolderKey) -> Option<&FolderRow> {
        self.rows.get(&key)
    }

    /// Returns the folders in a folder, or at the top, in the order of their file names.
    pub fn children(&self, parent: Option<FolderKey>) -> impl ExactSizeIterator<Item = &FolderRow> {
        self.below(parent).iter().map(|key| &self.rows[key])
    }

    /// Returns the folder of this file name in a folder, or at the top.
    pub fn find(&self, parent: Option<FolderKey>, file_name: &str) -> Option<&FolderRow> {
        let keys = self.below(parent);
        let place = keys.binary_search_by(|key| self.rows[key].file_name.as_str().cmp(file_name)).ok()?;
        self.rows.get(keys.get(place)?)
    }

    /// Returns every folder.
    pub fn keys(&self) -> impl Iterator<Item = FolderKey> {
        self.rows.keys().copied()
    }

    /// Returns where a folder is shown: in which folder (or at the top), under which file name.
    pub fn place(&self, key: FolderKey) -> Option<(Option<FolderKey>, &str)> {
        let row = self.rows.get(&key)?;
        Some((row.parent.filter(|_| rooted(&self.rows, row)), row.file_name.as_str()))
    }

    /// Returns the original names from the top down to a folder, joined by `/`.
    pub fn path(&self, key: FolderKey) -> String {
        let mut names = Vec::new();
        let mut next = Some(key);
        while let Some(row) = next.and_then(|key| self.rows.get(&key)).filter(|_| names.len() <= self.rows.len()) {
            names.push(row.name.as_str());
            next = row.parent;
        }
        names.reverse();
        names.join("/")
    }

    fn below(&self, parent: Option<FolderKey>) -> &[FolderKey] {
        self.children.get(&parent).map_or(&[], Vec::as_slice)
    }
}

impl Folders {
    /// Returns an empty cache.
    pub fn new() -> Self {
        Self { trees: Mutex::new(LruCache::new(TREES_MAX)), items: Mutex::new(LruCache::new(TIMES_MAX)), owners: Mutex::default() }
    }

    /// Returns a mailbox's tree; `seq` is the commit that `frozen` means now.
    ///
    /// # Errors
    /// When the catalogue cannot be read.
    pub fn tree(&self, archive: &impl Archive, mailbox: MailboxKey, frozen: Frozen, seq: CommitSeq) -> Result<Arc<FolderTree>, Fault> {
        if let Some(tree) = locked(&self.trees).get(&(mailbox, frozen)) {
            return Ok(tree.clone());
        }
        let tree = Arc::new(FolderTree::new(archive.folders(mailbox, seq)?));
        locked(&self.owners).extend(tree.rows.keys().map(|key| (*key, mailbox)));
        locked(&self.trees).put((mailbox, frozen), tree.clone());
        Ok(tree)
    }

    /// Returns the mailbox of a folder that was in a tree before: every folder whose inode the kernel knows was.
    pub fn owner(&self, key: FolderKey) -> Option<MailboxKey> {
        locked(&self.owners).get(&key).copied()
    }

    /// Returns what is told of a folder's items.
    ///
    /// # Errors
    /// When the catalogue cannot be read.
    pub fn items(&self, archive: &impl Archive, mailbox: MailboxKey, folder: FolderKey, frozen: Frozen, seq: CommitSeq) -> Result<FolderItems, Fault> {
        if let Some(known) = locked(&self.items).get(&(folder, frozen)) {
            return Ok(*known);
        }
        let mut rows = archive.items(mailbox, folder, seq)?;
        let mut known = FolderItems::default();
        for item in rows.by_ref().take(NEWEST_ITEMS_MAX) {
            known.pass(&item?);
        }
        known.are_all = rows.next().is_none();
        locked(&self.items).put((folder, frozen), known);
        Ok(known)
    }

    /// Returns what is told of a folder's items, and whether any is associated with it, however many there are.
    ///
    /// # Errors
    /// When the catalogue cannot be read.
    pub fn associated(&self, archive: &impl Archive, mailbox: MailboxKey, folder: FolderKey, frozen: Frozen, seq: CommitSeq) -> Result<FolderItems, Fault> {
        let mut known = self.items(archive, mailbox, folder, frozen, seq)?;
        if known.newest_associated.is_none() && !known.are_all {
            for item in archive.items(mailbox, folder, seq)?.skip(NEWEST_ITEMS_MAX) {
                known.pass(&item?);
                if known.newest_associated.is_some() {
                    break;
                }
            }
            known.are_all = known.newest_associated.is_none();
            locked(&self.items).put((folder, frozen), known);
        }
        Ok(known)
    }

    /// Forgets what the newest state was of what has been touched since.
    pub fn forget(&self, touched: &[Touched]) {
        let (mut trees, mut items) = (locked(&self.trees), locked(&self.items));
        for touched in touched {
            trees.pop(&(touched.mailbox, None));
            items.pop(&(touched.folder, None));
        }
    }
}

impl Default for Folders {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether a folder's parents lead to the top.
fn rooted(rows: &HashMap<FolderKey, FolderRow>, row: &FolderRow) -> bool {
    let mut next = row.parent;
    for _ in 0..=rows.len() {
        match next {
            None => return true,
            Some(key) => match rows.get(&key) {
                Some(parent) => next = parent.parent,
                None => return false,
            },
        }
    }
    false
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use c2b_mailbox::FolderId;

    fn row(key: u64, parent: Option<u64>, name: &str) -> FolderRow {
        FolderRow {
            key: FolderKey(key),
            id: FolderId::new(name),
            parent: parent.map(FolderKey),
            name: name.to_owned(),
            file_name: name.replace('/', "_"),
            class: String::new(),
            role: None,
            permissions: None,
            from: CommitSeq(1),
            until: None,
            created: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn every_folder_is_reachable_even_with_broken_parents() {
        let rows = vec![row(1, None, "Inbox"), row(2, Some(1), "a/b"), row(3, Some(99), "lost"), row(4, Some(5), "ring"), row(5, Some(4), "ring 2")];
        let tree = FolderTree::new(rows);
        let mut seen = Vec::new();
        let mut open = vec![None];
        while let Some(parent) = open.pop() {
            for row in tree.children(parent) {
                seen.push(row.key.0);
                open.push(Some(row.key));
            }
        }
        seen.sort_unstable();
        assert_eq!(seen, [1, 2, 3, 4, 5]);
        assert_eq!(tree.find(Some(FolderKey(1)), "a_b").unwrap().key, FolderKey(2));
        assert_eq!(tree.path(FolderKey(2)), "Inbox/a/b");
        assert!(tree.path(FolderKey(4)).len() < 100, "a ring has an endless path");
    }
}
