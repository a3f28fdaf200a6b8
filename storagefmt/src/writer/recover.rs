//! From files to an open storage: creation, and what a crash left to do.
//!
//! The index is not synced with each commit, so it may be behind the packs: by commits, by rewritten packs, or both.
//! What is published and not in the index is taken in; what was begun and not published is removed; packs that were
//! replaced are deleted. Anything else that does not fit (a missing pack, two for one commit, a damaged one
//! that was never taken in) is reported, never guessed at.

use crate::copy::incoming;
use crate::format::VERSION;
use crate::format::pack::{Directory, FrameEntry, FrameKind, PackName, parse_name};
use crate::format::row::{KeyTake, PackRow, Table};
use crate::index::apply::apply;
use crate::index::commit::{PackFacts, commit, replace_packs};
use crate::index::staged::Staged;
use crate::index::{Index, decode};
use crate::layout::{self, Access, INDEX, Lock};
use crate::pack::file::PackSealed;
use crate::pack::frame::{decode_frame, split_frame};
use crate::pack::list::{Found, PackList};
use crate::pack::reader::PackReader;
use crate::pack::records::decode_records;
use crate::seal::{KeyFile, Keys, NewKeys, RecoveryKey, SealError, Unlock};
use crate::store::Store;
use crate::unlock::{self, KeysIn};
use crate::writer::Sealing;
use crate::{CommitSeq, Error, FrameKey, MailboxKey, Place, StorageInfo};
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use uuid::Uuid;

/// A storage that is open for writing.
pub(crate) struct Opened {
    pub(crate) info: StorageInfo,
    pub(crate) lock: Lock,
    pub(crate) index: Arc<Index>,
    pub(crate) keys: Keys,
    pub(crate) key_file: Option<KeyFile>,
}

/// Makes an empty storage.
pub(super) fn create(dir: &Path, store: &dyn Store, now: DateTime<Utc>, sealing: Sealing) -> Result<(Opened, Option<RecoveryKey>), Error> {
    layout::furnish(dir, store)?;
    let lock = Lock::take(dir)?;
    // Left by a creation that was interrupted; nothing is in it.
    let index = dir.join(INDEX);
    if index.exists() {
        std::fs::remove_dir_all(&index).map_err(Error::file("remove", &index))?;
    }
    let uuid = Uuid::new_v4();
    let (keys, key_file, recovery) = match sealing {
        Sealing::None => (Keys::unsealed(uuid), None, None),
        Sealing::Sealed { password, machine, params } => {
            let new = NewKeys {
                password: password.as_ref().map(|password| ("password", password, params)),
                machine: machine.as_ref().map(|machine| ("machine", machine)),
            };
            let (mut file, keys, recovery) = KeyFile::create(uuid, &new, now)?;
            file.save(&KeysIn(store))?;
            (keys, Some(file), Some(recovery))
        }
    };
    let index = Arc::new(Index::create(&index, &keys)?);
    index.flush()?;
    let info = StorageInfo { uuid, version: VERSION, created: now, sealed: keys.is_sealed() };
    layout::write_description(store, &info, &[])?;
    Ok((Opened { info, lock, index, keys, key_file }, recovery))
}

/// Opens a storage for writing.
pub(super) fn open(dir: &Path, store: &dyn Store, key: &Unlock) -> Result<Opened, Error> {
    let info = layout::read_description(dir, store, Access::Write)?;
    let lock = Lock::take(dir)?;
    open_locked(dir, store, key, info, lock)
}

/// Opens a storage whose lock the caller has.
pub(crate) fn open_locked(dir: &Path, store: &dyn Store, key: &Unlock, info: StorageInfo, lock: Lock) -> Result<Opened, Error> {
    store.sweep().map_err(Error::file("clear", dir.join("tmp")))?;
    incoming::land(store)?;
    let (keys, mut key_file) = unlock::unlock(store, &info, key)?;
    let index = Arc::new(Index::open(&dir.join(INDEX), &keys)?);
    if let Some((first, pack)) = index.pack_of(CommitSeq(index.state()?.head))? {
        layout::prove_pack(dir, store, &info, &pack.name(first))?;
    }
    if let Some(file) = &mut key_file {
        for name in file.repair(&KeysIn(store))? {
            tracing::warn!(file = name, "a copy of the keys was written anew from the other");
        }
    }
    sync_with_packs(store, info.uuid, &keys, &index)?;
    Ok(Opened { info, lock, index, keys, key_file })
}

/// Applies what a pack that was just published says beyond what is in the batch already.
pub(super) fn finish(rows: &mut Staged, sealed: &PackSealed) -> Result<(), Error> {
    for (place, mailbox, record) in &sealed.added {
        apply(rows, *place, *mailbox, record)?;
    }
    let name = parse_name(&sealed.name).ok_or(Error::BatchBroken)?;
    commit(rows, &PackFacts { name, bytes: sealed.bytes, directory: &sealed.directory, records: &sealed.records })
}

/// Brings the index to the state of the packs, and deletes the packs that were replaced.
pub(crate) fn sync_with_packs(store: &dyn Store, storage: Uuid, keys: &Keys, index: &Arc<Index>) -> Result<(), Error> {
    let list = PackList::read(store)?;
    let known = known(index)?;
    for (first, row) in &known {
        let is_there = |pack: &Found| pack.file.name == row.name(*first) || pack.name.generation > row.generation && pack.name.last.0 >= row.last;
        if !list.of_commit(*first).is_some_and(is_there) {
            return Err(Error::PackMissing { seq: *first });
        }
    }
    let mut rows = Staged::new(Arc::clone(index));
    for (first, pack) in &list.live {
        if known.get(first).is_some_and(|row| row.name(*first) == pack.file.name) {
            continue;
        }
        let head = CommitSeq(index.state()?.head);
        let old: Vec<CommitSeq> = known.range(*first..=pack.name.last).map(|(first, _)| *first).collect();
        if first.0 > head.0 + 1 {
            return Err(Error::PackMissing { seq: CommitSeq(head.0 + 1) });
        }
        if *first <= head && old.is_empty() {
            return Err(Error::PackUnknown { path: pack.file.name.clone() });
        }
        take_in(store, storage, keys, pack, &old, head, &mut rows)?;
    }
    for pack in &list.replaced {
        let name = &pack.file.name;
        store.delete(name).and_then(|()| store.sync(name)).map_err(Error::file("delete", name))?;
        tracing::info!(pack = %name, "replaced pack deleted");
    }
    Ok(())
}

/// Returns the packs that the index knows.
pub(crate) fn known(index: &Index) -> Result<BTreeMap<CommitSeq, PackRow>, Error> {
    let rows = index.scan_all(Table::Packs, b"")?;
    let row = |(key, value): &(Vec<u8>, Vec<u8>)| {
        let first = KeyTake::new(key).u64().ok_or(Error::IndexRow { table: Table::Packs.name() })?;
        Ok((CommitSeq(first), decode(Table::Packs, value)?))
    };
    rows.iter().map(row).collect()
}

/// Takes a pack into the index that was published and is not there.
fn take_in(store: &dyn Store, storage: Uuid, keys: &Keys, pack: &Found, old: &[CommitSeq], head: CommitSeq, rows: &mut Staged) -> Result<(), Error> {
    let (path, PackName { first, last, .. }) = (&pack.file.name, pack.name);
    // The crash may have come between giving the name and making it durable.
    store.sync(path).map_err(Error::file("sync the folder of", path))?;
    let mut reader = PackReader::open(store, path, pack.file.bytes, storage)?;
    let frames = record_frames(&mut reader)?;
    let directory = Directory { commits: reader.commits(keys)?, frames: reader.frames().to_vec() };
    if !old.is_empty() {
        // What it replaces will be deleted: every frame must be whole.
        for entry in directory.frames.iter().filter(|entry| entry.header.kind == FrameKind::Block) {
            reader.raw(entry)?;
        }
    }
    let damaged = |offset, reason| Error::PackDamaged { path: path.clone(), offset, reason };
    if let Some(damage) = reader.take_damages().into_iter().next() {
        return Err(damaged(damage.offset, damage.reason));
    }
    let records: Vec<(FrameKey, Vec<u8>)> = frames.iter().map(RecordFrame::bytes).collect();
    let facts = PackFacts { name: pack.name, bytes: pack.file.bytes, directory: &directory, records: &records };
    if !old.is_empty() {
        replace_packs(rows, old, &facts)?;
    }
    let mut applied = 0;
    if last > head {
        commit(rows, &facts)?;
        for frame in frames.into_iter().filter(|frame| frame.entry.header.key.seq > head) {
            let offset = frame.entry.offset;
            applied += frame.apply(rows, keys)?.map_err(|reason| damaged(offset, reason))?;
        }
    }
    rows.write()?;
    tracing::info!(first = first.0, last = last.0, pack = %path, records = applied, "pack taken in");
    Ok(())
}

/// A frame of records as it lies in a pack.
pub(crate) struct RecordFrame {
    pub(crate) entry: FrameEntry,
    stored: Vec<u8>,
}

/// Reads the whole frames of records of a pack, in the order in which they were begun; the reader notes the others as damage.
pub(crate) fn record_frames(reader: &mut PackReader<'_>) -> Result<Vec<RecordFrame>, Error> {
    let mut entries: Vec<FrameEntry> = reader.frames().iter().filter(|frame| frame.header.kind == FrameKind::Records).copied().collect();
    entries.sort_unstable_by_key(|entry| entry.header.key);
    let mut frames = Vec::with_capacity(entries.len());
    for entry in entries {
        frames.extend(reader.raw(&entry)?.map(|stored| RecordFrame { entry, stored }));
    }
    Ok(frames)
}

impl RecordFrame {
    /// Takes a frame as the index keeps it; says what is wrong with it.
    pub(crate) fn kept(bytes: Vec<u8>) -> Result<Self, String> {
        let (header, stored) = split_frame(bytes)?;
        Ok(Self { entry: FrameEntry { offset: 0, header }, stored })
    }

    /// Returns what the index keeps of the frame.
    pub(crate) fn bytes(&self) -> (FrameKey, Vec<u8>) {
        (self.entry.header.key, [self.entry.header.encode().as_slice(), &self.stored].concat())
    }

    /// Applies the records. Returns how many there were, or what is wrong with the frame.
    ///
    /// Records of a mailbox whose key was destroyed say nothing any more.
    pub(crate) fn apply(self, rows: &mut Staged, keys: &Keys) -> Result<Result<u64, String>, Error> {
        let header = self.entry.header;
        let raw = match decode_frame(&header, self.stored, keys, None, None) {
            Ok(raw) => raw,
            Err(Error::Seal { err: SealError::KeyDestroyed { .. } }) => return Ok(Ok(0)),
            Err(Error::FrameDamaged { reason, .. }) => return Ok(Err(reason)),
            Err(Error::Seal { err }) => return Ok(Err(err.to_string())),
            Err(err) => return Err(err),
        };
        let records = match decode_records(&raw) {
            Ok(records) => records,
            Err(reason) => return Ok(Err(reason)),
        };
        let mailbox = Some(MailboxKey(header.mailbox)).filter(|mailbox| mailbox.0 != 0);
        let mut applied = 0;
        for (index, record) in (0..).zip(&records) {
            if let Some(record) = record {
                apply(rows, Place { frame: header.key, index }, mailbox, record)?;
                applied += 1;
            }
        }
        Ok(Ok(applied))
    }
}

#[cfg(test)]
mod tests;
