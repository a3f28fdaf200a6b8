//! Writing: one process, one writer, one batch at a time.
//!
//! Calls fill a batch; [`Writer::commit`] makes it durable and visible in one step, [`Writer::abandon`]
//! forgets it. Later calls of a batch see what earlier ones did. A commit is exactly one pack; a batch
//! without changes writes nothing. When anything fails, what was committed before is untouched, and
//! the batch must be abandoned.

mod folders;
mod items;
mod recover;

pub(crate) use recover::{Applied, apply_pack, packs};

use crate::catalog::{Shared, cursor_key};
use crate::format::micros;
use crate::format::record::{CommitRecord, CursorRecord, FailureGoneRecord, FailureRecord, MailboxRecord, PointRecord, Record};
use crate::format::row::{CommitRow, Key, MailboxRowValue, Table};
use crate::index::apply::{apply, commit};
use crate::index::staged::Staged;
use crate::layout::Lock;
use crate::pack::writer::PackWriter;
use crate::store::{DirStore, Store};
use crate::{Catalog, CommitSeq, Contents, CursorScope, Error, Failure, MailboxKey, Pending, StorageStats};
use c2b_mailbox::{Address, Cursor, ItemId};
use chrono::{DateTime, Utc};
use folders::Tree;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The one writer of a storage. Holds the storage's kernel lock, which ends with it or with its process.
pub struct Writer {
    dir: PathBuf,
    store: Arc<dyn Store>,
    shared: Arc<Shared>,
    contents: Contents,
    seq: CommitSeq,
    rows: Staged,
    pack: PackWriter,
    items: u64,
    introduced: HashSet<MailboxKey>,
    trees: HashMap<MailboxKey, Tree>,
    state: BatchState,
    _lock: Lock,
}

/// How the open batch stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BatchState {
    /// It can be filled and committed.
    Good,
    /// Something failed while it was filled: it is incomplete.
    Broken,
    /// Committing it failed: whether its pack is there must be looked at.
    Unsure,
}

impl Writer {
    /// Creates a storage at `dir`, which must be missing or empty.
    ///
    /// # Errors
    /// When there is something else, or files cannot be written.
    pub fn create(dir: &Path, now: DateTime<Utc>) -> Result<Self, Error> {
        Self::create_on(dir, Arc::new(DirStore::new(dir)), now)
    }

    /// Creates a storage whose packs lie in `store`.
    ///
    /// # Errors
    /// As [`Writer::create`].
    pub fn create_on(dir: &Path, store: Arc<dyn Store>, now: DateTime<Utc>) -> Result<Self, Error> {
        recover::create(dir, now)?;
        Self::open_on(dir, store)
    }

    /// Opens the storage at `dir` for writing, and finishes what an interrupted commit left to do.
    ///
    /// # Errors
    /// When there is no storage, its format is newer, another process has it, or packs are missing.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        Self::open_on(dir, Arc::new(DirStore::new(dir)))
    }

    /// Opens a storage whose packs lie in `store`.
    ///
    /// # Errors
    /// As [`Writer::open`].
    pub fn open_on(dir: &Path, store: Arc<dyn Store>) -> Result<Self, Error> {
        let (info, lock, index) = recover::open(dir, store.as_ref())?;
        let seq = CommitSeq(index.state()?.head + 1);
        let storage = info.uuid;
        let shared = Shared::new(dir, info, Arc::clone(&index));
        Ok(Self {
            dir: dir.to_owned(),
            contents: Contents::new(Arc::clone(&shared), Arc::clone(&store)),
            pack: PackWriter::new(Arc::clone(&store), storage, seq),
            store,
            shared,
            seq,
            rows: Staged::new(index),
            items: 0,
            introduced: HashSet::new(),
            trees: HashMap::new(),
            state: BatchState::Good,
            _lock: lock,
        })
    }

    /// Returns the catalogue of what is committed; usable from any thread while the writer works.
    pub fn catalog(&self) -> Catalog {
        Catalog::new(Arc::clone(&self.shared))
    }

    /// Returns a reader of what is committed.
    pub fn contents(&self) -> Contents {
        self.contents.clone()
    }

    /// Returns the key of a mailbox, a new one if need be.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn mailbox(&mut self, address: &Address) -> Result<MailboxKey, Error> {
        self.ready()?;
        let known: Option<u32> = self.rows.row(Table::Addresses, &Key::default().text(address.as_str()))?;
        if let Some(key) = known {
            return Ok(MailboxKey(key));
        }
        let key = self.rows.state()?.mailboxes + 1;
        self.introduced.insert(MailboxKey(key));
        self.record(&Record::Mailbox(MailboxRecord { key, address: address.as_str().to_owned(), first: self.seq.0 }))?;
        Ok(MailboxKey(key))
    }

    /// Records where an enumeration of changes stands; `None` forgets it. Nothing when it stands there already.
    ///
    /// # Errors
    /// When the mailbox is unknown or the index cannot be read.
    pub fn set_cursor(&mut self, mailbox: MailboxKey, scope: CursorScope, cursor: Option<&Cursor>) -> Result<(), Error> {
        self.ready()?;
        let held = self.rows.get(Table::Cursors, &cursor_key(mailbox, scope).0)?;
        if held.as_deref() == cursor.map(|cursor| cursor.as_str().as_bytes()) {
            return Ok(());
        }
        self.introduce(mailbox)?;
        let folder = match scope {
            CursorScope::Hierarchy => None,
            CursorScope::Folder(folder) => Some(folder.0),
        };
        self.record(&Record::Cursor(CursorRecord { mailbox: mailbox.0, folder, cursor: cursor.map(|cursor| cursor.as_str().to_owned()) }))
    }

    /// Records a failure; it replaces an earlier one of the same item.
    ///
    /// # Errors
    /// When the mailbox is unknown or the index cannot be read.
    pub fn put_failure(&mut self, mailbox: MailboxKey, failure: Failure) -> Result<(), Error> {
        self.ready()?;
        let record = FailureRecord::new(mailbox.0, &failure);
        let held: Option<FailureRecord> = self.rows.row(Table::Failures, &Key::mailbox(mailbox).text(failure.id.as_str()))?;
        if held.as_ref() == Some(&record) {
            return Ok(());
        }
        self.introduce(mailbox)?;
        self.record(&Record::Failure(record))
    }

    /// Forgets the failure of an item, if there is one.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn clear_failure(&mut self, mailbox: MailboxKey, id: &ItemId) -> Result<(), Error> {
        self.ready()?;
        if self.rows.get(Table::Failures, &Key::mailbox(mailbox).text(id.as_str()).0)?.is_none() {
            return Ok(());
        }
        self.introduce(mailbox)?;
        self.record(&Record::FailureGone(FailureGoneRecord { mailbox: mailbox.0, id: id.as_str().to_owned() }))
    }

    /// Makes the next commit a point in time of this mailbox, if a folder or item of it changed since its last.
    ///
    /// # Errors
    /// When the mailbox is unknown or the index cannot be read.
    pub fn mark_point(&mut self, mailbox: MailboxKey) -> Result<(), Error> {
        self.ready()?;
        let row = self.mailbox_row(mailbox)?;
        if row.changed <= row.point {
            return Ok(());
        }
        self.introduce(mailbox)?;
        self.record(&Record::Point(PointRecord { mailbox: mailbox.0 }))
    }

    /// Returns what the open batch holds.
    pub fn pending(&self) -> Pending {
        Pending { items: self.items, bytes: self.pack.bytes(), changes: self.pack.records() }
    }

    /// Makes the open batch durable and visible in one step; `None` when there is nothing to commit.
    ///
    /// # Errors
    /// When the pack or the index cannot be written: the batch is lost then, and what was committed before stays.
    pub fn commit(&mut self, now: DateTime<Utc>) -> Result<Option<CommitSeq>, Error> {
        self.ready()?;
        if self.pack.records() == 0 {
            self.abandon();
            return Ok(None);
        }
        self.state = BatchState::Unsure;
        let seq = self.seq;
        self.pack.record(&Record::Commit(CommitRecord { time: micros(now) }))?;
        let sealed = std::mem::replace(&mut self.pack, PackWriter::new(Arc::clone(&self.store), self.shared.info().uuid, seq)).finish()?;
        let row = CommitRow { time: micros(now), pack: sealed.name, bytes: sealed.bytes };
        commit(&mut self.rows, seq, &row, &sealed.blocks)?;
        self.rows.write()?;
        self.seq = CommitSeq(seq.0 + 1);
        self.state = BatchState::Good;
        self.forget();
        Ok(Some(seq))
    }

    /// Forgets the open batch.
    pub fn abandon(&mut self) {
        if self.state == BatchState::Broken {
            self.state = BatchState::Good;
        }
        self.forget();
    }

    /// Returns how much the storage holds.
    ///
    /// # Errors
    /// When the index or the file system cannot be asked.
    pub fn stats(&self) -> Result<StorageStats, Error> {
        self.catalog().stats()
    }

    /// Begins an empty batch.
    fn forget(&mut self) {
        self.rows.clear();
        self.trees.clear();
        self.introduced.clear();
        self.items = 0;
        self.pack = PackWriter::new(Arc::clone(&self.store), self.shared.info().uuid, self.seq);
    }

    /// Makes sure that the batch can be filled; after a failed commit, finds out what became of it.
    fn ready(&mut self) -> Result<(), Error> {
        match self.state {
            BatchState::Good => Ok(()),
            BatchState::Broken => Err(Error::BatchBroken),
            BatchState::Unsure => {
                // The pack may be published or not: as after a crash, what is there is applied.
                recover::roll_forward(&self.dir, self.store.as_ref(), self.shared.info().uuid, &self.shared.index())?;
                self.seq = CommitSeq(self.shared.index().state()?.head + 1);
                self.state = BatchState::Good;
                self.forget();
                Ok(())
            }
        }
    }

    /// Adds a record to the pack and applies it to the batch's rows.
    fn record(&mut self, record: &Record) -> Result<(), Error> {
        let result = self.pack.record(record).and_then(|()| apply(&mut self.rows, self.seq, record));
        if result.is_err() {
            self.state = BatchState::Broken;
        }
        result
    }

    /// Repeats the mailbox's own record in a pack that touches it, so that no other pack is needed to know whose items these are.
    fn introduce(&mut self, mailbox: MailboxKey) -> Result<(), Error> {
        let row = self.mailbox_row(mailbox)?;
        if self.introduced.insert(mailbox) {
            self.record(&Record::Mailbox(MailboxRecord { key: mailbox.0, address: row.address, first: row.first }))?;
        }
        Ok(())
    }

    fn mailbox_row(&self, mailbox: MailboxKey) -> Result<MailboxRowValue, Error> {
        let row = self.rows.row(Table::Mailboxes, &Key::mailbox(mailbox))?;
        row.ok_or_else(|| Error::UnknownKey { what: "mailbox", key: mailbox.to_string() })
    }
}
