//! Packs written, read back, damaged and rewritten.

mod damage;
mod rewrite;
mod sealed;

use super::frame::{decode_frame, read_frame};
use super::reader::PackReader;
use super::workers::Workers;
use super::writer::{BlockRef, PackSealed, PackWriter};
use crate::Error;
use crate::format::pack::{FrameEntry, FrameKind};
use crate::format::record::{ItemGoneRecord, Record};
use crate::layout::describe_from_packs;
use crate::seal::Keys;
use crate::store::{DirStore, Store};
use crate::store::{StoreEntry, StoreFile};
use crate::{ChunkId, CommitSeq, FrameKey, MailboxKey};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use tempfile::TempDir;
use uuid::Uuid;

const STORAGE: Uuid = Uuid::from_u128(0xc2b);
const ALICE: MailboxKey = MailboxKey(1);
const BOB: MailboxKey = MailboxKey(2);

static WORKERS: LazyLock<Arc<Workers>> = LazyLock::new(|| Workers::start().unwrap());

/// A storage's folder, with its keys.
pub(super) struct Place {
    dir: TempDir,
    pub(super) store: Arc<dyn Store>,
    pub(super) keys: Keys,
}

impl Place {
    pub(super) fn new(keys: Keys) -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { store: Arc::new(DirStore::new(dir.path())), dir, keys }
    }

    pub(super) fn writer(&self, seq: u64) -> PackWriter {
        PackWriter::new(Arc::clone(&self.store), STORAGE, CommitSeq(seq), self.keys.clone(), Arc::clone(&WORKERS))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(super) fn open(&self, sealed: &PackSealed) -> PackReader<'_> {
        let bytes = self.store.len(&sealed.name).unwrap().unwrap();
        PackReader::open(self.store.as_ref(), &sealed.name, bytes, STORAGE).unwrap()
    }

    /// Reads a chunk back by its reference.
    pub(super) fn chunk(&self, sealed: &PackSealed, at: BlockRef) -> Vec<u8> {
        let entry = sealed.directory.frames.iter().find(|frame| frame.header.key.n == at.n).unwrap();
        let (header, stored) = read_frame(self.store.as_ref(), &sealed.name, entry.offset, entry.header.stored).unwrap();
        let hash = hash(sealed, at.n);
        let raw = decode_frame(&header, stored, &self.keys, Some(&hash), Some(at.offset + at.len)).unwrap();
        raw[at.offset as usize..][..at.len as usize].to_vec()
    }
}

/// Returns the hash of a block from its record.
fn hash(sealed: &PackSealed, n: u32) -> [u8; 32] {
    let found = sealed.added.iter().find_map(|(_, _, record)| match record {
        Record::Block(block) if block.n == n => Some(block.hash),
        _ => None,
    });
    found.unwrap()
}

fn unsealed() -> Place {
    Place::new(Keys::unsealed(STORAGE))
}

pub(super) fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

fn text(len: usize, seed: u64) -> Vec<u8> {
    (0..).flat_map(|line| format!("line {line} of text {seed}, as people write it\r\n").into_bytes()).take(len).collect()
}

fn put(writer: &mut PackWriter, mailbox: MailboxKey, bytes: &[u8]) -> BlockRef {
    writer.chunk(mailbox, ChunkId::of(bytes), bytes).unwrap()
}

fn gone(key: u64) -> Record {
    Record::ItemGone(ItemGoneRecord { key })
}

fn records(reader: &mut PackReader<'_>, keys: &Keys) -> BTreeMap<FrameKey, Vec<Option<Record>>> {
    let frames: Vec<FrameEntry> = reader.frames().iter().filter(|frame| frame.header.kind == FrameKind::Records).copied().collect();
    frames.iter().map(|frame| (frame.header.key, reader.records(frame, keys).unwrap().unwrap_or_default())).collect()
}

#[test]
fn chunks_and_records_come_back_from_where_they_were_said_to_be() {
    let place = unsealed();
    let mut writer = place.writer(7);
    let mut chunks = Vec::new();
    for n in 0..300u64 {
        let bytes = match n % 4 {
            0 => text(9_000, n),
            1 => noise(30_000, n),
            2 => noise(300, n),
            _ => text(400_000 + usize::try_from(n).unwrap(), n),
        };
        let mailbox = if n % 3 == 0 { ALICE } else { BOB };
        chunks.push((put(&mut writer, mailbox, &bytes), bytes));
        writer.record(Some(mailbox), &gone(n)).unwrap();
    }
    let place_of_storage = writer.record(None, &gone(1000)).unwrap();
    assert!(writer.bytes() > 0 && writer.records() == 301);
    let sealed = writer.finish(55).unwrap();
    for (at, bytes) in &chunks {
        assert_eq!(place.chunk(&sealed, *at), *bytes);
    }
    let mut reader = place.open(&sealed);
    assert_eq!(reader.commits(&place.keys).unwrap(), sealed.directory.commits);
    assert_eq!(reader.frames(), sealed.directory.frames);
    let all = records(&mut reader, &place.keys);
    assert_eq!(all.keys().copied().collect::<Vec<_>>(), sealed.records.iter().map(|(key, _)| *key).collect::<Vec<_>>());
    assert_eq!(all[&place_of_storage.frame][place_of_storage.index as usize], Some(gone(1000)));
    for (place, _, record) in &sealed.added {
        assert_eq!(all[&place.frame][place.index as usize].as_ref(), Some(record));
    }
    let gone = all.values().flatten().flatten().filter(|record| matches!(record, Record::ItemGone(_))).count();
    assert_eq!(gone, 301);
    assert_eq!(reader.take_damages(), []);
    let (Some((last, None, Record::Commit(commit))), [entry]) = (sealed.added.last(), sealed.directory.commits.as_slice()) else { panic!("no commit") };
    assert_eq!((commit.time, entry.time, entry.seq), (55, 55, CommitSeq(7)));
    assert!(sealed.directory.frames.iter().all(|frame| frame.header.key.n < entry.frames && (frame.header.mailbox != 0 || frame.header.key.n == last.frame.n)));
}

#[test]
fn a_chunk_is_stored_once_and_granted_to_others() {
    let place = unsealed();
    let mut writer = place.writer(1);
    let bytes = text(5_000, 1);
    let first = put(&mut writer, ALICE, &bytes);
    assert_eq!(writer.has(&ChunkId::of(&bytes)), Some(first));
    assert_eq!(put(&mut writer, ALICE, &bytes), first);
    assert_eq!(put(&mut writer, BOB, &bytes), first);
    let own = put(&mut writer, BOB, &text(5_000, 2));
    assert_ne!(own.n, first.n, "two mailboxes share a group");
    let sealed = writer.finish(0).unwrap();
    let said: Vec<_> = sealed.added.iter().map(|(_, owner, record)| (owner.map(|owner| owner.0), record)).collect();
    let block = |n| said.iter().filter(|(_, record)| matches!(record, Record::Block(block) if block.n == n)).map(|(owner, _)| *owner).collect::<Vec<_>>();
    assert_eq!((block(first.n), block(own.n)), (vec![Some(ALICE.0)], vec![Some(BOB.0)]));
    let grants: Vec<_> = said
        .iter()
        .filter_map(|(owner, record)| match record {
            Record::Grant(grant) => Some((*owner, grant.seq, grant.n, grant.hash)),
            _ => None,
        })
        .collect();
    assert_eq!(grants, [(Some(BOB.0), 1, first.n, *blake3::hash(&bytes).as_bytes())]);
}

#[test]
fn a_batch_that_is_given_up_leaves_no_file() {
    let place = unsealed();
    let mut writer = place.writer(1);
    for n in 0..40 {
        put(&mut writer, ALICE, &noise(300_000, n));
    }
    drop(writer);
    assert_eq!(place.store.list("").unwrap(), []);
    assert_eq!(fs::read_dir(place.path("tmp")).unwrap().count(), 0);
}

#[test]
fn a_storage_is_described_by_its_packs() {
    let place = unsealed();
    assert_eq!(describe_from_packs(place.store.as_ref()).unwrap(), None);
    let names: Vec<String> = (1..=3).map(|seq| place.writer(seq).finish(i64::try_from(seq).unwrap() * 1_000_000).unwrap().name).collect();
    let info = describe_from_packs(place.store.as_ref()).unwrap().unwrap();
    assert_eq!((info.uuid, info.version, info.created.timestamp(), info.sealed), (STORAGE, 2, 1, false));
    // A pack that went astray changes nothing, nor does a damaged one.
    let stray = PackWriter::new(Arc::clone(&place.store), Uuid::from_u128(1), CommitSeq(9), place.keys.clone(), Arc::clone(&WORKERS));
    stray.finish(0).unwrap();
    fs::write(place.path(&names[0]), b"c2bpack\0").unwrap();
    let info = describe_from_packs(place.store.as_ref()).unwrap().unwrap();
    assert_eq!((info.uuid, info.created.timestamp()), (STORAGE, 2));
}

/// A store with room for so many bytes.
struct SmallStore {
    inner: DirStore,
    room: Arc<AtomicU64>,
}

struct SmallFile {
    inner: Box<dyn StoreFile>,
    room: Arc<AtomicU64>,
}

impl Store for SmallStore {
    fn begin(&self) -> io::Result<Box<dyn StoreFile>> {
        Ok(Box::new(SmallFile { inner: self.inner.begin()?, room: Arc::clone(&self.room) }))
    }

    fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read_at(name, offset, buffer)
    }

    fn len(&self, name: &str) -> io::Result<Option<u64>> {
        self.inner.len(name)
    }

    fn list(&self, prefix: &str) -> io::Result<Vec<StoreEntry>> {
        self.inner.list(prefix)
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        self.inner.delete(name)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.inner.rename(from, to)
    }

    fn sync(&self, name: &str) -> io::Result<()> {
        self.inner.sync(name)
    }

    fn sweep(&self) -> io::Result<()> {
        self.inner.sweep()
    }
}

impl StoreFile for SmallFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let take = |room: u64| room.checked_sub(bytes.len() as u64);
        self.room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).map_err(|_| io::Error::from(io::ErrorKind::StorageFull))?;
        self.inner.write(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.inner.sync()
    }

    fn publish(self: Box<Self>, name: &str) -> io::Result<()> {
        self.inner.publish(name)
    }
}

#[test]
fn a_full_disk_is_reported_by_a_later_call_and_by_finish() {
    let mut place = unsealed();
    for room in [0, 100_000, 1_000_000] {
        place.store = Arc::new(SmallStore { inner: DirStore::new(place.dir.path()), room: Arc::new(AtomicU64::new(room)) });
        let mut writer = place.writer(1);
        // More than can be on its way at a time: a call after it must learn of the error.
        let failed = (0..100).find_map(|n| {
            let bytes = noise(300_000, n);
            writer.chunk(ALICE, ChunkId::of(&bytes), &bytes).err()
        });
        assert!(failed.unwrap().is_no_space());
        assert!(matches!(writer.record(None, &gone(1)), Err(Error::BatchBroken)));
        assert!(matches!(writer.finish(0), Err(Error::BatchBroken)));
        let mut writer = place.writer(1);
        put(&mut writer, ALICE, &noise(2_000_000, 1));
        assert!(writer.finish(0).err().unwrap().is_no_space());
        assert_eq!(fs::read_dir(place.path("tmp")).unwrap().count(), 0, "a file that nobody needs stayed");
    }
}
