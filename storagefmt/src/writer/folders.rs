//! Folders of the open batch: the living tree of a mailbox, safe names, subtrees.

use super::Writer;
use crate::catalog::damaged;
use crate::format::record::{FailureGoneRecord, FolderGoneRecord, FolderRecord, ItemGoneRecord, Record};
use crate::format::row::{FolderIdRow, FolderRowValue, Key, KeyTake, Table};
use crate::index::decode;
use crate::{Error, FolderKey, MailboxKey, name};
use c2b_mailbox::{Folder, FolderId};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The living folders of a mailbox, as the open batch sees them.
#[derive(Default)]
pub(super) struct Tree {
    folders: BTreeMap<u64, FolderRecord>,
    keys: HashMap<String, u64>,
    /// Who has a name among the children of a parent, as file systems compare names.
    names: HashMap<(Option<u64>, String), u64>,
    /// Folders whose parent is not known yet.
    orphans: BTreeSet<u64>,
}

impl Writer {
    /// Records a folder's state; nothing when it is recorded already.
    ///
    /// A parent that is not known yet leaves the folder at the top until the parent is put.
    ///
    /// # Errors
    /// When the mailbox is unknown or the index cannot be read.
    pub fn put_folder(&mut self, mailbox: MailboxKey, folder: &Folder) -> Result<FolderKey, Error> {
        self.ready()?;
        self.mailbox_row(mailbox)?;
        let known: Option<FolderIdRow> = self.rows.row(Table::FolderIds, &self.rows.text_key(mailbox, folder.id.as_str()))?;
        let key = match &known {
            Some(row) => row.key,
            None => self.rows.state()?.folders + 1,
        };
        let created = match &known {
            Some(_) => self.folder_created(mailbox, key)?,
            None => self.seq.0,
        };
        let tree = self.tree(mailbox)?;
        let parent = folder.parent.as_ref().and_then(|parent| tree.keys.get(parent.as_str())).copied().filter(|parent| !tree.is_within(*parent, key));
        let record = FolderRecord {
            mailbox: mailbox.0,
            key,
            id: folder.id.as_str().to_owned(),
            parent_id: folder.parent.as_ref().map(|parent| parent.as_str().to_owned()),
            parent,
            name: folder.name.clone(),
            file_name: tree.file_name(key, parent, &folder.name),
            class: folder.class.clone(),
            role: folder.role.as_ref().map(|role| role.as_str().to_owned()),
            created,
            permissions: tree.folders.get(&key).and_then(|record| record.permissions.clone()),
        };
        if tree.folders.get(&key) == Some(&record) {
            return Ok(FolderKey(key));
        }
        self.put_record(mailbox, record)?;
        self.adopt(mailbox, key, folder.id.as_str())?;
        Ok(FolderKey(key))
    }

    /// Records who may do what in a living folder; nothing when it is recorded already.
    ///
    /// # Errors
    /// When the mailbox is unknown or the index cannot be read.
    pub fn put_permissions(&mut self, mailbox: MailboxKey, folder: FolderKey, permissions: &str) -> Result<(), Error> {
        self.ready()?;
        let Some(record) = self.tree(mailbox)?.folders.get(&folder.0) else { return Ok(()) };
        if record.permissions.as_deref() == Some(permissions) {
            return Ok(());
        }
        let record = FolderRecord { permissions: Some(permissions.to_owned()), ..record.clone() };
        self.put_record(mailbox, record)
    }

    /// Ends a folder with its subtree, its items, those that wait, their failures and its cursors; nothing when it is unknown.
    ///
    /// Without its cursor, a folder that comes back is enumerated anew.
    ///
    /// # Errors
    /// When the mailbox is unknown or the index cannot be read.
    pub fn delete_folder(&mut self, mailbox: MailboxKey, id: &FolderId) -> Result<(), Error> {
        self.ready()?;
        let tree = self.tree(mailbox)?;
        let Some(key) = tree.keys.get(id.as_str()).copied() else { return Ok(()) };
        let gone: Vec<u64> = tree.folders.keys().copied().filter(|folder| tree.is_within(*folder, key)).collect();
        self.introduce(mailbox)?;
        for failure in self.failures_in(mailbox, &gone)? {
            self.record(mailbox, &Record::FailureGone(FailureGoneRecord { mailbox: mailbox.0, id: failure }))?;
        }
        for folder in gone {
            self.delete_items(mailbox, folder)?;
            self.end_waiting_in(mailbox, folder)?;
            self.record(mailbox, &Record::FolderGone(FolderGoneRecord { mailbox: mailbox.0, key: folder }))?;
            self.tree(mailbox)?.remove(folder);
        }
        Ok(())
    }

    /// Ends the items of a folder, a page at a time.
    fn delete_items(&mut self, mailbox: MailboxKey, folder: u64) -> Result<(), Error> {
        let prefix = Key::mailbox(mailbox).u64(folder);
        let mut next = Some(prefix.0.clone());
        while let Some(start) = next {
            let page = self.rows.page(Table::ItemsLive, &prefix, &start, ITEMS_PAGE)?;
            for (key, _) in &page.rows {
                let item = KeyTake::new(key.get(20..).unwrap_or_default()).u64().ok_or(damaged(Table::ItemsLive))?;
                self.record(mailbox, &Record::ItemGone(ItemGoneRecord { key: item }))?;
            }
            next = page.next;
        }
        Ok(())
    }

    /// Returns the ids of the items that failed in these folders.
    fn failures_in(&self, mailbox: MailboxKey, folders: &[u64]) -> Result<Vec<String>, Error> {
        let mut failures = Vec::new();
        for (_, value) in self.rows.scan(Table::Failures, &Key::mailbox(mailbox))? {
            let place = decode(Table::Failures, &value)?;
            if let Some(Record::Failure(failure)) = self.rows.record(place)?.as_deref()
                && folders.contains(&failure.folder)
            {
                failures.push(failure.id.clone());
            }
        }
        Ok(failures)
    }

    /// Returns whether a folder lives.
    pub(super) fn has_folder(&mut self, mailbox: MailboxKey, folder: FolderKey) -> Result<bool, Error> {
        Ok(!self.is_barred(mailbox) && self.tree(mailbox)?.folders.contains_key(&folder.0))
    }

    fn put_record(&mut self, mailbox: MailboxKey, record: FolderRecord) -> Result<(), Error> {
        self.introduce(mailbox)?;
        self.record(mailbox, &Record::Folder(record.clone()))?;
        self.tree(mailbox)?.insert(record);
        Ok(())
    }

    /// Puts those under a new folder that waited for it.
    fn adopt(&mut self, mailbox: MailboxKey, parent: u64, id: &str) -> Result<(), Error> {
        let tree = self.tree(mailbox)?;
        let waiting = tree.orphans.iter().filter_map(|key| tree.folders.get(key)).filter(|record| record.parent_id.as_deref() == Some(id));
        let waiting: Vec<FolderRecord> = waiting.filter(|record| !tree.is_within(parent, record.key)).cloned().collect();
        for record in waiting {
            let tree = self.tree(mailbox)?;
            let file_name = tree.file_name(record.key, Some(parent), &record.name);
            self.put_record(mailbox, FolderRecord { parent: Some(parent), file_name, ..record })?;
        }
        Ok(())
    }

    fn folder_created(&self, mailbox: MailboxKey, key: u64) -> Result<u64, Error> {
        let versions = self.rows.scan(Table::Folders, &Key::mailbox(mailbox).u64(key))?;
        for (_, value) in versions {
            let row: FolderRowValue = decode(Table::Folders, &value)?;
            if let Some(Record::Folder(record)) = self.rows.record(row.place)?.as_deref() {
                return Ok(record.created);
            }
        }
        Ok(self.seq.0)
    }

    fn tree(&mut self, mailbox: MailboxKey) -> Result<&mut Tree, Error> {
        if !self.trees.contains_key(&mailbox) {
            let mut tree = Tree::default();
            for (_, value) in self.rows.scan(Table::Folders, &Key::mailbox(mailbox))? {
                let row: FolderRowValue = decode(Table::Folders, &value)?;
                if row.until == 0
                    && let Some(Record::Folder(record)) = self.rows.record(row.place)?.as_deref()
                {
                    tree.insert(record.clone());
                }
            }
            self.trees.insert(mailbox, tree);
        }
        Ok(self.trees.entry(mailbox).or_default())
    }
}

/// Items ended at once.
const ITEMS_PAGE: usize = 1024;

impl Tree {
    fn insert(&mut self, record: FolderRecord) {
        self.remove(record.key);
        self.keys.insert(record.id.clone(), record.key);
        self.names.insert((record.parent, name::fold(&record.file_name)), record.key);
        if record.parent.is_none() && record.parent_id.is_some() {
            self.orphans.insert(record.key);
        }
        self.folders.insert(record.key, record);
    }

    fn remove(&mut self, key: u64) {
        if let Some(record) = self.folders.remove(&key) {
            self.keys.remove(&record.id);
            self.names.remove(&(record.parent, name::fold(&record.file_name)));
            self.orphans.remove(&key);
        }
    }

    /// Returns the file name of a folder: the one it has, if name and parent are the same, else a new one.
    fn file_name(&self, key: u64, parent: Option<u64>, name: &str) -> String {
        match self.folders.get(&key) {
            Some(record) if record.parent == parent && record.name == name => record.file_name.clone(),
            _ => name::folder(name, FolderKey(key), |folded| self.names.get(&(parent, folded.to_owned())).is_some_and(|holder| *holder != key)),
        }
    }

    /// Returns whether `folder` is `ancestor` or within it.
    fn is_within(&self, folder: u64, ancestor: u64) -> bool {
        let mut at = Some(folder);
        // No chain is longer than the tree has folders, even a broken one.
        for _ in 0..=self.folders.len() {
            match at {
                Some(key) if key == ancestor => return true,
                Some(key) => at = self.folders.get(&key).and_then(|record| record.parent),
                None => return false,
            }
        }
        false
    }
}
