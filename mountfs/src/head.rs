//! The newest commit that the view answers for, with the mailboxes that it holds.
//!
//! The view moves to a newer commit in one step (`Tree::advance`), so that every answer belongs to
//! exactly one commit, whatever the writer does meanwhile.

use crate::archive::{Archive, Fault};
use c2b_storagefmt::{CommitSeq, MailboxKey, MailboxRow};
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, HashMap};

/// A commit and its mailboxes.
#[derive(Debug)]
pub struct Head {
    /// The commit.
    pub seq: CommitSeq,
    /// Its time; the storage's creation before the first commit.
    pub time: DateTime<Utc>,
    rows: BTreeMap<MailboxKey, MailboxRow>,
    names: HashMap<String, MailboxKey>,
}

impl Head {
    /// Reads what a commit holds.
    ///
    /// # Errors
    /// When the catalogue cannot be read.
    pub fn load(archive: &impl Archive, seq: CommitSeq) -> Result<Self, Fault> {
        let time = archive.commit_time(seq)?.unwrap_or(archive.info().created);
        let rows: BTreeMap<_, _> = archive.mailboxes()?.into_iter().filter(|row| row.first <= seq).map(|row| (row.key, row)).collect();
        let named = rows.values().filter(|row| !row.address.is_of_public_folders());
        let names = named.map(|row| (row.address.as_str().to_owned(), row.key)).collect();
        Ok(Self { seq, time, rows, names })
    }

    /// Returns a mailbox by its key.
    pub fn mailbox(&self, key: MailboxKey) -> Option<&MailboxRow> {
        self.rows.get(&key)
    }

    /// Returns a mailbox by the name of its folder.
    pub fn named(&self, name: &str) -> Option<&MailboxRow> {
        self.names.get(name).and_then(|key| self.rows.get(key))
    }

    /// Returns the mailboxes that have a folder of their own, by key.
    pub fn named_mailboxes(&self) -> impl Iterator<Item = &MailboxRow> {
        self.rows.values().filter(|row| !row.address.is_of_public_folders())
    }

    /// Returns what holds the public folders, if there is such.
    pub fn public_folders(&self) -> Option<&MailboxRow> {
        self.rows.values().find(|row| row.address.is_of_public_folders())
    }

    /// Returns all mailboxes, and what holds the public folders.
    pub fn mailboxes(&self) -> impl ExactSizeIterator<Item = &MailboxRow> {
        self.rows.values()
    }
}
