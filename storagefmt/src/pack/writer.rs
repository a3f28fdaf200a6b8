//! Writing the pack of one commit: chunks and records in, a sealed file out.
//!
//! Every chunk and record has its place the moment it is handed over; hashing, compressing, sealing and writing
//! happen on [`Workers`] meanwhile, and frames come to lie in the order in which they are ready. What a
//! worker fails at is reported by the next call, and by [`PackWriter::finish`]. Memory: open groups, what is on its way,
//! and the records of the commit.

use super::file::PackFile;
pub(crate) use super::file::PackSealed;
use super::frame::FrameDraft;
use super::groups::{Group, Groups};
use super::placement::{Placement, placement};
use super::records::encode_record;
use super::workers::Workers;
use crate::format::pack::{CommitEntry, DIRECTORY_N, FrameKind, PackHeader, TAG_BYTES};
use crate::format::record::{BlockChunk, BlockRecord, CommitRecord, GrantRecord, Record};
use crate::seal::Keys;
use crate::store::Store;
use crate::{ChunkId, CommitSeq, Error, FrameKey, MailboxKey, Place};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use uuid::Uuid;

/// Small chunks are compressed together up to this many bytes: two blocks of zstd, which is what reading a small item costs at most.
/// 512 KiB leave 2 % less on disk.
const GROUP_BYTES_MAX: usize = 256 << 10;
/// Chunks of one content that do not compress lie together up to this many bytes: the fewer runs, the fewer grants.
const RUN_BYTES_MAX: usize = 512 << 10;
/// Open groups of all mailboxes together.
const GROUPS_BYTES_MAX: usize = 16 << 20;
/// Records are compressed together up to this many bytes, so that a damaged frame loses few and one is read at low cost.
const RECORDS_BYTES_MAX: usize = 64 << 10;
/// Open frames of records of all mailboxes together.
const STREAMS_BYTES_MAX: usize = 8 << 20;

/// A pack on its way.
pub(crate) struct PackWriter {
    seq: CommitSeq,
    keys: Keys,
    workers: Arc<Workers>,
    shared: Arc<Shared>,
    frames: u32,
    groups: Groups<(ChunkId, u32)>,
    /// Bytes of one content that do not compress: one after the other, so that few hashes open a large attachment.
    runs: Groups<(ChunkId, u32)>,
    streams: Groups<()>,
    known: HashMap<ChunkId, BlockRef>,
    blocks: BTreeMap<u32, Block>,
    shares: BTreeSet<(u32, u32)>,
    records: u64,
}

/// Where a chunk is: a stretch of the raw bytes of one of this commit's blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockRef {
    pub(crate) n: u32,
    pub(crate) offset: u32,
    pub(crate) len: u32,
}

/// A block that was given a number.
struct Block {
    owner: u32,
    chunks: Vec<BlockChunk>,
}

/// What the caller and the workers have in common.
struct Shared {
    state: Mutex<State>,
    /// A frame came to its end.
    ended: Condvar,
    /// Something failed, or nobody wants the pack any more: do not begin anything.
    stopped: AtomicBool,
    bytes: AtomicU64,
}

struct State {
    file: Option<PackFile>,
    under_way: usize,
    hashes: HashMap<u32, [u8; 32]>,
    error: Option<Error>,
}

/// A frame that is under way; when this is dropped, it is not any more.
struct Ticket {
    shared: Arc<Shared>,
    bytes: u64,
    result: Result<(), Error>,
}

impl PackWriter {
    /// Begins the pack of a commit; no file is made before something must be written.
    pub(crate) fn new(store: Arc<dyn Store>, storage: Uuid, seq: CommitSeq, keys: Keys, workers: Arc<Workers>) -> Self {
        let file = PackFile::new(store, PackHeader { storage, first: seq, last: seq, generation: 0 });
        let state = State { file: Some(file), under_way: 0, hashes: HashMap::new(), error: None };
        let shared = Shared { state: Mutex::new(state), ended: Condvar::new(), stopped: AtomicBool::new(false), bytes: AtomicU64::new(0) };
        Self {
            seq,
            keys,
            workers,
            shared: Arc::new(shared),
            frames: 0,
            groups: Groups::new(GROUP_BYTES_MAX, GROUPS_BYTES_MAX),
            runs: Groups::new(RUN_BYTES_MAX, GROUPS_BYTES_MAX),
            streams: Groups::new(RECORDS_BYTES_MAX, STREAMS_BYTES_MAX),
            known: HashMap::new(),
            blocks: BTreeMap::new(),
            shares: BTreeSet::new(),
            records: 0,
        }
    }

    /// Returns how many bytes the pack has, those included that wait to be compressed.
    pub(crate) fn bytes(&self) -> u64 {
        self.shared.bytes.load(Ordering::Relaxed) + (self.groups.bytes() + self.runs.bytes() + self.streams.bytes()) as u64
    }

    /// Returns how many records the pack was given.
    pub(crate) fn records(&self) -> u64 {
        self.records
    }

    /// Returns where the pack has this chunk. Whoever refers to it calls [`PackWriter::share`].
    pub(crate) fn has(&self, id: &ChunkId) -> Option<BlockRef> {
        self.known.get(id).copied()
    }

    /// Notes that a mailbox refers to a block; if it is another's, the pack will hold the grant.
    pub(crate) fn share(&mut self, mailbox: MailboxKey, n: u32) {
        if self.blocks.get(&n).is_some_and(|block| block.owner != mailbox.0) {
            self.shares.insert((mailbox.0, n));
        }
    }

    /// Adds a chunk for a mailbox; one that the pack has already is only shared.
    pub(crate) fn chunk(&mut self, mailbox: MailboxKey, id: ChunkId, bytes: &[u8]) -> Result<BlockRef, Error> {
        self.check()?;
        if let Some(known) = self.has(&id) {
            self.share(mailbox, known.n);
            return Ok(known);
        }
        let len = small(bytes.len())?;
        let chunk = block_chunk(&id, len);
        let place = match placement(bytes) {
            Placement::Group => {
                let (put, full) = self.groups.add(mailbox.0, (id, len), bytes, || next(&mut self.frames));
                full.into_iter().for_each(|group| self.close_block(group, true));
                self.blocks.entry(put.n).or_insert_with(|| Block { owner: mailbox.0, chunks: Vec::new() }).chunks.push(chunk);
                BlockRef { n: put.n, offset: small(put.offset)?, len }
            }
            Placement::Run => {
                let (put, full) = self.runs.add(mailbox.0, (id, len), bytes, || next(&mut self.frames));
                full.into_iter().for_each(|run| self.close_block(run, false));
                self.blocks.entry(put.n).or_insert_with(|| Block { owner: mailbox.0, chunks: Vec::new() }).chunks.push(chunk);
                BlockRef { n: put.n, offset: small(put.offset)?, len }
            }
            Placement::Alone => {
                let n = next(&mut self.frames);
                // Room for the seal's tag: else all bytes would be copied for it.
                let mut raw = Vec::with_capacity(bytes.len() + TAG_BYTES);
                raw.extend_from_slice(bytes);
                self.blocks.insert(n, Block { owner: mailbox.0, chunks: vec![chunk] });
                self.frame(FrameDraft { kind: FrameKind::Block, mailbox: mailbox.0, key: self.key(n), hash: Some(id.0), raw, compress: true });
                BlockRef { n, offset: 0, len }
            }
        };
        self.known.insert(id, place);
        Ok(place)
    }

    /// Notes that a content of a mailbox ends: bytes that do not compress lie together with others of their content only.
    pub(crate) fn end_content(&mut self, mailbox: MailboxKey) {
        if let Some(run) = self.runs.close(mailbox.0) {
            self.close_block(run, false);
        }
    }

    /// Adds a record of a mailbox, or of the storage.
    pub(crate) fn record(&mut self, mailbox: Option<MailboxKey>, record: &Record) -> Result<Place, Error> {
        self.check()?;
        let mut bytes = Vec::new();
        encode_record(Some(record), &mut bytes);
        let (put, full) = self.streams.add(mailbox.map_or(0, |mailbox| mailbox.0), (), &bytes, || next(&mut self.frames));
        full.into_iter().for_each(|stream| self.close_stream(stream));
        self.records += 1;
        Ok(Place { frame: self.key(put.n), index: small(put.index)? })
    }

    /// Seals the pack, makes it durable and publishes it.
    pub(crate) fn finish(mut self, time: i64) -> Result<PackSealed, Error> {
        self.groups.close_all().into_iter().for_each(|group| self.close_block(group, true));
        self.runs.close_all().into_iter().for_each(|run| self.close_block(run, false));
        self.wait()?;
        let mut added = Vec::new();
        for (owner, record) in self.closing()? {
            let owner = Some(MailboxKey(owner)).filter(|owner| owner.0 != 0);
            added.push((self.record(owner, &record)?, owner, record));
        }
        let commit = Record::Commit(CommitRecord { time });
        added.push((self.record(None, &commit)?, None, commit));
        self.streams.close_all().into_iter().for_each(|stream| self.close_stream(stream));
        self.wait()?;
        if self.frames == DIRECTORY_N {
            return Err(too_long());
        }
        let file = self.shared.state().file.take().ok_or(Error::BatchBroken)?;
        let sealed = file.finish(vec![CommitEntry { seq: self.seq, time, frames: self.frames }], &self.keys)?;
        Ok(PackSealed { added, ..sealed })
    }

    /// Returns the records that can be written when all blocks are known: what is in each, and who may read it.
    fn closing(&mut self) -> Result<Vec<(u32, Record)>, Error> {
        let state = self.shared.state();
        let hash = |n: &u32| state.hashes.get(n).copied().ok_or(Error::BatchBroken);
        let mut records = Vec::with_capacity(self.blocks.len() + self.shares.len());
        for (n, block) in std::mem::take(&mut self.blocks) {
            records.push((block.owner, Record::Block(BlockRecord { n, hash: hash(&n)?, chunks: block.chunks })));
        }
        for (mailbox, n) in &self.shares {
            records.push((*mailbox, Record::Grant(GrantRecord { seq: self.seq.0, n: *n, hash: hash(n)? })));
        }
        Ok(records)
    }

    fn close_block(&mut self, group: Group<(ChunkId, u32)>, compress: bool) {
        // The hash of a single chunk is known.
        let hash = if let [(id, _)] = group.parts.as_slice() { Some(id.0) } else { None };
        let key = self.key(group.n);
        self.frame(FrameDraft { kind: FrameKind::Block, mailbox: group.mailbox, key, hash, raw: group.raw, compress });
    }

    fn close_stream(&mut self, stream: Group<()>) {
        let key = self.key(stream.n);
        self.frame(FrameDraft { kind: FrameKind::Records, mailbox: stream.mailbox, key, hash: None, raw: stream.raw, compress: true });
    }

    /// Hands a frame to the workers.
    fn frame(&self, mut draft: FrameDraft) {
        let bytes = draft.raw.len();
        self.shared.state().under_way += 1;
        self.shared.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        let ticket = Ticket { shared: Arc::clone(&self.shared), bytes: bytes as u64, result: Err(Error::BatchBroken) };
        let keys = self.keys.clone();
        self.workers.submit(bytes, move |maker| {
            if ticket.shared.stopped.load(Ordering::Relaxed) {
                return ticket.end(Ok(()));
            }
            if draft.kind == FrameKind::Block {
                draft.hash = draft.hash.or_else(|| Some(*blake3::hash(&draft.raw).as_bytes()));
            }
            let (n, hash) = (draft.key.n, draft.hash);
            let result = maker.make(draft, &keys).and_then(|frame| {
                let mut state = ticket.shared.state();
                state.hashes.extend(hash.map(|hash| (n, hash)));
                ticket.shared.bytes.fetch_add(frame.bytes.len() as u64, Ordering::Relaxed);
                state.file.as_mut().ok_or(Error::BatchBroken)?.append(&frame.header, frame.bytes)
            });
            ticket.end(result);
        });
    }

    /// Waits until nothing is under way.
    fn wait(&self) -> Result<(), Error> {
        let state = self.shared.state();
        drop(self.shared.ended.wait_while(state, |state| state.under_way > 0).unwrap_or_else(PoisonError::into_inner));
        self.check()
    }

    /// Reports what a worker failed at.
    fn check(&self) -> Result<(), Error> {
        if self.shared.stopped.load(Ordering::Relaxed) {
            return Err(self.shared.state().error.take().unwrap_or(Error::BatchBroken));
        }
        Ok(())
    }

    fn key(&self, n: u32) -> FrameKey {
        FrameKey::new(self.seq, n)
    }
}

impl Drop for PackWriter {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        let state = self.shared.state();
        // The file is removed here, not at some time by a worker.
        drop(self.shared.ended.wait_while(state, |state| state.under_way > 0).unwrap_or_else(PoisonError::into_inner).file.take());
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket {
    fn end(mut self, result: Result<(), Error>) {
        self.result = result;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.under_way -= 1;
        if let Err(err) = std::mem::replace(&mut self.result, Ok(())) {
            // The first one counts; those that were begun before it fail of the same.
            if !self.shared.stopped.swap(true, Ordering::Relaxed) {
                state.error = Some(err);
            }
        }
        self.shared.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.shared.ended.notify_all();
    }
}

/// Gives out the number of a frame.
fn next(frames: &mut u32) -> u32 {
    let n = *frames;
    *frames = n.saturating_add(1);
    n
}

fn block_chunk(id: &ChunkId, len: u32) -> BlockChunk {
    let mut short = [0; 20];
    short.copy_from_slice(&id.0[..20]);
    BlockChunk { id: short, len }
}

fn small(len: usize) -> Result<u32, Error> {
    u32::try_from(len).map_err(|_| too_long())
}

fn too_long() -> Error {
    Error::file("encode", "a pack")(io::Error::from(io::ErrorKind::FileTooLarge))
}
