//! Writing: one process, one writer, one batch at a time.
//!
//! Calls fill a batch; [`Writer::commit`] makes it durable and visible in one step, [`Writer::abandon`]
//! forgets it. Later calls of a batch see what earlier ones did. A commit is exactly one pack; a batch
//! without changes writes nothing. When anything fails, what was committed before is untouched, and
//! the batch must be abandoned.

mod bodies;
mod folders;
mod items;
mod keys;
mod loss;
mod packs;
pub(crate) mod recover;
mod room;
mod waiting;

use crate::ballast;
pub use keys::StorageKeys;

use crate::catalog::{Shared, cursor_key};
use crate::cut::Cutter;
use crate::erase::Barred;
use crate::format::micros;
use crate::format::record::{CursorRecord, FailureGoneRecord, FailureRecord, MailboxRecord, PointRecord, Record};
use crate::format::row::{Key, MailboxRowValue, Table};
use crate::format::time_of;
use crate::free::claims::Claims;
use crate::index::apply::apply;
use crate::index::staged::Staged;
use crate::layout::Lock;
use crate::pack::workers::Workers;
use crate::pack::writer::PackWriter;
use crate::seal::{Argon2Params, KeyFile, Keys, RecoveryKey, Unlock};
use crate::store::{DirStore, Store};
use crate::unlock::KeysIn;
use crate::{Catalog, CommitSeq, Contents, CursorScope, Error, Failure, MailboxKey, Pending, Place, StorageStats};
use c2b_mailbox::{Address, Cursor, ItemId};
use chrono::{DateTime, Utc};
use folders::Tree;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Weak};
use zeroize::Zeroizing;

/// The one writer of a storage. Holds the storage's kernel lock, which ends with it or with its process.
pub struct Writer {
    store: Arc<dyn Store>,
    shared: Arc<Shared>,
    contents: Contents,
    workers: Arc<Workers>,
    keys: Keys,
    key_file: Option<KeyFile>,
    cutter: Cutter,
    seq: CommitSeq,
    rows: Staged,
    pack: PackWriter,
    items: u64,
    /// Addresses of mailboxes that were asked for: their records may be lost to damage.
    addresses: HashMap<MailboxKey, String>,
    introduced: HashSet<MailboxKey>,
    trees: HashMap<MailboxKey, Tree>,
    state: BatchState,
    /// What is referred to anew while something is freed.
    claims: Weak<Claims>,
    /// What an erasure that is under way does not want to be referred to.
    barred: Weak<Barred>,
    /// Whether the storage's description says that items wait.
    waiting_required: bool,
    _lock: Lock,
}

/// Whether and how a new storage is sealed.
#[derive(Debug)]
pub enum Sealing {
    /// Not at all: whoever has the files can read them.
    None,
    /// With keys that a password, the recovery key or a machine key opens.
    Sealed {
        /// The first password; without one, the recovery key is the only way for people.
        password: Option<Zeroizing<String>>,
        /// A key that this machine keeps, so that backups need nobody to type.
        machine: Option<Zeroizing<[u8; 32]>>,
        /// How expensive it is to try passwords.
        params: Argon2Params,
    },
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
    /// Creates a storage at `dir`, which must be missing or empty. A sealed one comes with its recovery key.
    ///
    /// # Errors
    /// When there is something else, or files cannot be written.
    pub fn create(dir: &Path, now: DateTime<Utc>, sealing: Sealing) -> Result<(Self, Option<RecoveryKey>), Error> {
        Self::create_on(dir, Arc::new(DirStore::new(dir)), now, sealing)
    }

    /// Creates a storage whose files lie in `store`; lock and index lie at `dir`.
    ///
    /// # Errors
    /// As [`Writer::create`].
    pub fn create_on(dir: &Path, store: Arc<dyn Store>, now: DateTime<Utc>, sealing: Sealing) -> Result<(Self, Option<RecoveryKey>), Error> {
        let (opened, recovery) = recover::create(dir, store.as_ref(), now, sealing)?;
        Ok((Self::new(dir, store, opened)?, recovery))
    }

    /// Opens the storage at `dir` for writing, and finishes what an interrupted commit or rewriting left to do.
    ///
    /// # Errors
    /// When there is no storage, its format is another, the key does not fit, another process has it, or packs are missing.
    pub fn open(dir: &Path, unlock: &Unlock) -> Result<Self, Error> {
        Self::open_on(dir, Arc::new(DirStore::new(dir)), unlock)
    }

    /// Opens a storage whose files lie in `store`; lock and index lie at `dir`.
    ///
    /// # Errors
    /// As [`Writer::open`].
    pub fn open_on(dir: &Path, store: Arc<dyn Store>, unlock: &Unlock) -> Result<Self, Error> {
        let opened = match recover::open(dir, store.as_ref(), unlock) {
            // Whoever makes room must be able to open it.
            Err(err) if err.is_no_space() && ballast::release(store.as_ref())? => recover::open(dir, store.as_ref(), unlock)?,
            other => other?,
        };
        let mut writer = Self::new(dir, store, opened)?;
        match writer.destroy_erased_keys() {
            // They are gone from memory; the next commit writes the file.
            Err(err) if err.is_no_space() => tracing::warn!(error = &err as &dyn std::error::Error, "no room to write the keys"),
            other => other?,
        }
        Ok(writer)
    }

    fn new(dir: &Path, store: Arc<dyn Store>, opened: recover::Opened) -> Result<Self, Error> {
        let recover::Opened { info, lock, index, keys, key_file } = opened;
        let seq = CommitSeq(index.state()?.head + 1);
        let workers = Workers::start()?;
        let pack = PackWriter::new(Arc::clone(&store), info.uuid, seq, keys.clone(), Arc::clone(&workers));
        let shared = Shared::new(dir, info, Arc::clone(&index));
        Ok(Self {
            contents: Contents::new(Arc::clone(&shared), Arc::clone(&store)),
            pack,
            store,
            shared,
            workers,
            keys,
            key_file,
            cutter: Cutter::default(),
            seq,
            rows: Staged::new(index),
            items: 0,
            addresses: HashMap::new(),
            introduced: HashSet::new(),
            trees: HashMap::new(),
            state: BatchState::Good,
            claims: Weak::new(),
            barred: Weak::new(),
            waiting_required: false,
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
    /// When the mailbox was erased, or the index cannot be read.
    pub fn mailbox(&mut self, address: &Address) -> Result<MailboxKey, Error> {
        self.ready()?;
        let text = address.as_str();
        let hash = Key::hash(&self.rows.hash20(text));
        if let Some(place) = self.rows.row::<Place>(Table::Erased, &hash)? {
            let time = match self.rows.record(place)?.as_deref() {
                Some(Record::Erased(record)) => time_of(record.time),
                _ => self.shared.info().created,
            };
            return Err(Error::Erased { address: text.to_owned(), time });
        }
        let known: Option<u32> = self.rows.row(Table::Addresses, &hash)?;
        if let Some(key) = known.map(MailboxKey) {
            if let Some(barred) = self.barred.upgrade().filter(|barred| barred.mailbox == key) {
                return Err(Error::Erased { address: text.to_owned(), time: barred.since() });
            }
            self.addresses.entry(key).or_insert_with(|| text.to_owned());
            return Ok(key);
        }
        let key = MailboxKey(self.rows.state()?.mailboxes + 1);
        self.keys.ensure_mailbox(key.0);
        self.addresses.insert(key, text.to_owned());
        self.introduced.insert(key);
        self.record(key, &Record::Mailbox(MailboxRecord { key: key.0, address: text.to_owned(), first: self.seq.0 }))?;
        Ok(key)
    }

    /// Records where an enumeration of changes stands; `None` forgets it. Nothing when it stands there already.
    ///
    /// # Errors
    /// When the mailbox is unknown or the index cannot be read.
    pub fn set_cursor(&mut self, mailbox: MailboxKey, scope: CursorScope, cursor: Option<&Cursor>) -> Result<(), Error> {
        self.ready()?;
        let held = self.rows.row::<Place>(Table::Cursors, &cursor_key(mailbox, scope))?;
        let record = held.map_or(Ok(None), |place| self.rows.record(place))?;
        let text = match record.as_deref() {
            Some(Record::Cursor(record)) => record.cursor.as_deref(),
            _ => None,
        };
        // A cursor whose record is lost is no cursor, but must be forgotten like one.
        if text == cursor.map(Cursor::as_str) && (text.is_some() || held.is_none()) {
            return Ok(());
        }
        self.introduce(mailbox)?;
        let folder = match scope {
            CursorScope::Hierarchy => None,
            CursorScope::Folder(folder) => Some(folder.0),
        };
        self.record(mailbox, &Record::Cursor(CursorRecord { mailbox: mailbox.0, folder, cursor: cursor.map(|cursor| cursor.as_str().to_owned()) }))
    }

    /// Returns where an enumeration of changes stands, once the open batch is committed.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn cursor(&self, mailbox: MailboxKey, scope: CursorScope) -> Result<Option<Cursor>, Error> {
        let place = self.rows.row::<Place>(Table::Cursors, &cursor_key(mailbox, scope))?;
        match place.map_or(Ok(None), |place| self.rows.record(place))?.as_deref() {
            Some(Record::Cursor(record)) => Ok(record.cursor.as_ref().map(Cursor::new)),
            _ => Ok(None),
        }
    }

    /// Records a failure; it replaces an earlier one of the same item, and ends its waiting.
    ///
    /// # Errors
    /// When the mailbox is unknown or the index cannot be read.
    pub fn put_failure(&mut self, mailbox: MailboxKey, failure: Failure) -> Result<(), Error> {
        self.ready()?;
        let record = Record::Failure(FailureRecord::new(mailbox.0, &failure));
        let held = self.rows.row::<Place>(Table::Failures, &self.rows.text_key(mailbox, failure.id.as_str()))?;
        self.end_waiting(mailbox, &failure.id, None)?;
        if held.map_or(Ok(None), |place| self.rows.record(place))?.as_deref() == Some(&record) {
            return Ok(());
        }
        self.introduce(mailbox)?;
        self.record(mailbox, &record)
    }

    /// Forgets the failure of an item, if there is one.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn clear_failure(&mut self, mailbox: MailboxKey, id: &ItemId) -> Result<(), Error> {
        self.ready()?;
        if self.rows.get(Table::Failures, &self.rows.text_key(mailbox, id.as_str()).0)?.is_none() {
            return Ok(());
        }
        self.introduce(mailbox)?;
        self.record(mailbox, &Record::FailureGone(FailureGoneRecord { mailbox: mailbox.0, id: id.as_str().to_owned() }))
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
        self.record(mailbox, &Record::Point(PointRecord { mailbox: mailbox.0 }))
    }

    /// Returns how many items of a mailbox are there, those of the open batch included.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn live_items(&self, mailbox: MailboxKey) -> Result<u64, Error> {
        let row: Option<MailboxRowValue> = self.rows.row(Table::Mailboxes, &Key::mailbox(mailbox))?;
        Ok(row.map_or(0, |row| row.items))
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
        // A pack that is there must never need a key that is not.
        self.save_keys()?;
        let next = self.next_pack(seq);
        let published = std::mem::replace(&mut self.pack, next).finish(micros(now))?;
        recover::finish(&mut self.rows, &published)?;
        if let Err(err) = self.rows.write() {
            // The pack is durable. If the disk was full only for a moment, the index takes it in once it is opened again.
            return match self.ready() {
                Ok(()) if self.seq > seq => Ok(Some(seq)),
                _ => Err(err),
            };
        }
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
        self.pack = self.next_pack(self.seq);
    }

    fn next_pack(&self, seq: CommitSeq) -> PackWriter {
        PackWriter::new(Arc::clone(&self.store), self.shared.info().uuid, seq, self.keys.clone(), Arc::clone(&self.workers))
    }

    /// Makes sure that the batch can be filled; after a failed commit, finds out what became of it.
    fn ready(&mut self) -> Result<(), Error> {
        self.shared.index().recover()?;
        match self.state {
            BatchState::Good => Ok(()),
            BatchState::Broken => Err(Error::BatchBroken),
            BatchState::Unsure => {
                // The pack may be published or not: as after a crash, what is there is applied.
                let index = self.shared.index();
                recover::sync_with_packs(self.store.as_ref(), self.shared.info().uuid, &self.keys, &index)?;
                self.seq = CommitSeq(index.state()?.head + 1);
                self.state = BatchState::Good;
                self.forget();
                Ok(())
            }
        }
    }

    /// Makes sure that there is no open batch; what works on all of the archive would become part of it.
    pub(crate) fn between_batches(&mut self) -> Result<(), Error> {
        self.ready()?;
        if self.pack.records() > 0 || self.pack.bytes() > 0 {
            return Err(Error::BatchOpen);
        }
        Ok(())
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Drops all generations of keys but the present one: nothing may be sealed with them any more. Returns which these were.
    pub(crate) fn drop_generations(&mut self) -> Result<Vec<u16>, Error> {
        let (current, index) = (self.keys.generation(), self.shared.index().state()?.keygen);
        let older: Vec<u16> = self.keys.generations().into_iter().map(|(generation, _)| generation).filter(|generation| *generation != current).collect();
        if let Some(file) = &mut self.key_file {
            older.iter().try_for_each(|generation| file.drop_generation(*generation, index))?;
        }
        self.save_keys()?;
        Ok(older)
    }

    pub(crate) fn key_ring(&self) -> &Keys {
        &self.keys
    }

    /// Writes the file of keys if it does not hold all of them as they are.
    pub(crate) fn save_keys(&mut self) -> Result<(), Error> {
        if let Some(file) = self.key_file.as_mut().filter(|_| !self.keys.is_saved()) {
            file.save(&KeysIn(self.store.as_ref()))?;
        }
        Ok(())
    }

    /// Keeps others from referring to what an erasure is about to take away, as long as the erasure is under way.
    pub(crate) fn bar(&mut self, barred: &Arc<Barred>) {
        self.barred = Arc::downgrade(barred);
    }

    /// Returns what an erasure bars that is under way.
    pub(crate) fn barred(&self) -> Option<Arc<Barred>> {
        self.barred.upgrade()
    }

    /// Forgets what is remembered of a mailbox beside the index.
    pub(crate) fn forget_mailbox(&mut self, mailbox: MailboxKey) {
        self.addresses.remove(&mailbox);
        self.trees.remove(&mailbox);
    }

    /// Adds a record of the storage itself.
    pub(crate) fn storage_record(&mut self, record: &Record) -> Result<(), Error> {
        let place = self.pack.record(None, record)?;
        apply(&mut self.rows, place, None, record).inspect_err(|_| self.state = BatchState::Broken)
    }

    /// Adds a record of a mailbox to the pack and applies it to the batch's rows.
    pub(crate) fn record(&mut self, mailbox: MailboxKey, record: &Record) -> Result<(), Error> {
        let result = self.add(mailbox, record);
        if result.is_err() {
            self.state = BatchState::Broken;
        }
        result
    }

    fn add(&mut self, mailbox: MailboxKey, record: &Record) -> Result<(), Error> {
        if let Some(claims) = self.claims.upgrade() {
            claims.note(mailbox, record);
        }
        let place = self.pack.record(Some(mailbox), record)?;
        apply(&mut self.rows, place, Some(mailbox), record)
    }

    /// Repeats the mailbox's own record in a commit that touches it, so that no other is needed to know whose items these are.
    pub(crate) fn introduce(&mut self, mailbox: MailboxKey) -> Result<(), Error> {
        let row = self.mailbox_row(mailbox)?;
        if !self.introduced.insert(mailbox) {
            return Ok(());
        }
        let held = row.place.map_or(Ok(None), |place| self.rows.record(place))?;
        let address = match held.as_deref() {
            Some(Record::Mailbox(record)) => Some(record.address.clone()),
            _ => self.addresses.get(&mailbox).cloned(),
        };
        let address = address.ok_or_else(|| Error::UnknownKey { what: "mailbox", key: mailbox.to_string() })?;
        // After a rotation that was interrupted it may have none of the present generation.
        self.keys.ensure_mailbox(mailbox.0);
        self.record(mailbox, &Record::Mailbox(MailboxRecord { key: mailbox.0, address, first: row.first }))
    }

    /// Returns the rows that the open batch is laid over.
    pub(crate) fn rows(&self) -> &Staged {
        &self.rows
    }

    /// Returns whether a mailbox is being erased: nothing of it is stored any more.
    fn is_barred(&self, mailbox: MailboxKey) -> bool {
        self.barred.upgrade().is_some_and(|barred| barred.mailbox == mailbox)
    }

    fn mailbox_row(&self, mailbox: MailboxKey) -> Result<MailboxRowValue, Error> {
        let row: Option<MailboxRowValue> = self.rows.row(Table::Mailboxes, &Key::mailbox(mailbox))?;
        row.filter(|row| !row.erased && !self.is_barred(mailbox)).ok_or_else(|| Error::UnknownKey { what: "mailbox", key: mailbox.to_string() })
    }
}

impl Drop for Writer {
    /// Empties a long write-ahead log of the index, so that the next to open need not replay it.
    fn drop(&mut self) {
        if let Err(err) = self.shared.index().flush_log() {
            tracing::warn!(err = &err as &dyn std::error::Error, "the index was closed with rows in its log only; the next opening applies them");
        }
    }
}
