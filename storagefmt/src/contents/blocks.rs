//! Decoded blocks: read, proven, unsealed, and kept while there is room.

use crate::catalog::Shared;
use crate::format::record::Record;
use crate::format::row::{Table, grant_key};
use crate::pack::frame::{decode_frame, read_frame};
use crate::store::Store;
use crate::{CommitSeq, Error, FrameKey, MailboxKey, Place};
use lru::LruCache;
use std::io;
use std::num::NonZero;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Decoded blocks in memory, in bytes, unless said otherwise: of a whole organisation's mail, a third is read twice as fast with it as with 32 MiB.
pub(super) const CACHE_BYTES: usize = 96 << 20;

/// Commits in which somebody reads on: the mailbox's own, and those that brought what it shares with others.
const READ_ON_COMMITS: NonZero<usize> = NonZero::new(8).unwrap();

/// What zstd compresses as one, in bytes.
const ZSTD_BLOCK_BYTES: u32 = 128 << 10;

/// Where blocks come from.
pub(super) struct Blocks {
    shared: Arc<Shared>,
    store: Arc<dyn Store>,
    cache: Mutex<Cache>,
}

struct Cache {
    blocks: LruCache<FrameKey, Arc<Block>>,
    bytes: usize,
    bytes_max: usize,
    /// The commits of the last blocks in which somebody read on where the reader before had ended: there, whole blocks are wanted.
    read_on: LruCache<CommitSeq, ()>,
}

/// A decoded block, or its beginning.
pub(super) struct Block {
    raw: Vec<u8>,
}

impl Block {
    /// Returns a stretch; `None` when the block has no such.
    pub(super) fn get(&self, offset: u32, len: u32) -> Option<&[u8]> {
        self.raw.get(offset as usize..offset as usize + len as usize)
    }
}

impl Blocks {
    pub(super) fn new(shared: Arc<Shared>, store: Arc<dyn Store>) -> Self {
        Self {
            shared,
            store,
            cache: Mutex::new(Cache { blocks: LruCache::unbounded(), bytes: 0, bytes_max: CACHE_BYTES, read_on: LruCache::new(READ_ON_COMMITS) }),
        }
    }

    /// Sets how many bytes of decoded blocks are kept.
    pub(super) fn set_cache(&self, bytes_max: usize) {
        let mut cache = self.cache();
        cache.bytes_max = bytes_max;
        cache.shrink();
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Returns a block of which at least the bytes from `begin` to `end` are decoded. `mailbox` must have been granted it.
    pub(super) fn get(&self, mailbox: MailboxKey, key: FrameKey, begin: u32, end: u32) -> Result<Arc<Block>, Error> {
        let upto = {
            let mut cache = self.cache();
            match cache.blocks.get(&key).map(Arc::clone) {
                Some(block) if block.raw.len() >= end as usize => return Ok(block),
                // The second look beyond what is decoded: there will be more.
                Some(block) => {
                    if block.raw.len() >= begin as usize {
                        cache.read_on.put(key.seq, ());
                    }
                    None
                }
                None => Some(end).filter(|_| cache.read_on.get(&key.seq).is_none()),
            }
        };
        let block = match self.read(mailbox, key, upto) {
            // The pack may have been replaced since the index was last looked at.
            Err(Error::File { err, .. }) if err.kind() == io::ErrorKind::NotFound => {
                self.shared.catch_up()?;
                match self.read(mailbox, key, upto) {
                    Err(Error::File { err, .. }) if err.kind() == io::ErrorKind::NotFound => return Err(Error::PackMissing { seq: key.seq }),
                    other => other?,
                }
            }
            other => other?,
        };
        let block = Arc::new(block);
        self.cache().keep(key, &block);
        Ok(block)
    }

    fn read(&self, mailbox: MailboxKey, key: FrameKey, upto: Option<u32>) -> Result<Block, Error> {
        let (frame, pack) = self.shared.locate(key)?.ok_or(Error::BlockMissing { block: key })?;
        let (header, stored) = read_frame(self.store.as_ref(), &pack, frame.offset, frame.stored)?;
        // zstd decodes no less at once.
        let upto = upto.filter(|upto| upto.next_multiple_of(ZSTD_BLOCK_BYTES) < header.raw);
        let hash = if header.keygen == 0 { None } else { Some(self.capability(mailbox, key)?) };
        let raw = decode_frame(&header, stored, &self.shared.keys(), hash.as_ref(), upto)?;
        Ok(Block { raw })
    }

    /// Returns the hash that opens a block.
    fn capability(&self, mailbox: MailboxKey, key: FrameKey) -> Result<[u8; 32], Error> {
        let index = self.shared.index();
        let place: Place = index.row(Table::Grants, &grant_key(mailbox, key))?.ok_or(Error::BlockMissing { block: key })?;
        match index.record(place)?.as_deref() {
            Some(Record::Block(block)) => Ok(block.hash),
            Some(Record::Grant(grant)) => Ok(grant.hash),
            _ => Err(Error::BlockMissing { block: key }),
        }
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cache {
    fn keep(&mut self, key: FrameKey, block: &Arc<Block>) {
        self.bytes += block.raw.len();
        if let Some((_, replaced)) = self.blocks.push(key, Arc::clone(block)) {
            self.bytes -= replaced.raw.len();
        }
        self.shrink();
    }

    fn shrink(&mut self) {
        while self.bytes > self.bytes_max {
            let Some((_, oldest)) = self.blocks.pop_lru() else { break };
            self.bytes -= oldest.raw.len();
        }
    }
}
