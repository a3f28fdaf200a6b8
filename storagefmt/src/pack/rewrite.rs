//! One pack in place of neighbours: what is wanted of them, over their joined range.
//!
//! Frames keep their names, so nothing that refers to them changes. They are copied as they stand; frames of
//! records can be given anew, with holes for records that are dropped; any frame can be sealed with the current keys. A
//! frame that is not given is dropped. The new pack is durable before it is visible; the packs that it replaces
//! are deleted by the caller, when the index knows the new one.

use super::file::{PackFile, PackSealed};
use super::frame::{FrameDraft, FrameMaker, decode_frame};
use super::records::encode_record;
use crate::format::pack::{Codec, CommitEntry, FrameHeader, FrameKind, PackHeader};
use crate::format::record::Record;
use crate::seal::Keys;
use crate::store::Store;
use crate::{Error, FrameKey};
use std::collections::BTreeSet;
use std::sync::Arc;
use uuid::Uuid;

/// A pack that will replace others.
pub(crate) struct PackRewriter {
    file: PackFile,
    header: PackHeader,
    keys: Keys,
    maker: FrameMaker,
    commits: Vec<CommitEntry>,
    frames: BTreeSet<FrameKey>,
}

impl PackRewriter {
    /// Begins the pack that replaces `sources`, each given with its commits, in their order and without a gap.
    pub(crate) fn new(store: Arc<dyn Store>, storage: Uuid, sources: &[(PackHeader, Vec<CommitEntry>)], keys: Keys) -> Result<Self, Error> {
        let joined = join(storage, sources).ok_or(Error::PacksApart { packs: sources.len() })?;
        let commits = sources.iter().flat_map(|(_, commits)| commits).copied().collect();
        Ok(Self { file: PackFile::new(store, joined), header: joined, keys, maker: FrameMaker::default(), commits, frames: BTreeSet::new() })
    }

    /// Returns how many bytes were written.
    pub(crate) fn bytes(&self) -> u64 {
        self.file.bytes()
    }

    /// Copies a frame as it stands.
    pub(crate) fn copy(&mut self, header: &FrameHeader, stored: &[u8]) -> Result<(), Error> {
        if !header.holds(stored) {
            return Err(damaged(header, "its checksum does not hold"));
        }
        self.claim(header)?;
        self.file.append(header, [header.encode().as_slice(), stored].concat())
    }

    /// Writes a frame of records anew; `None` is a hole. Numbers stay only if no record is left out before another.
    pub(crate) fn records(&mut self, header: &FrameHeader, records: &[Option<Record>]) -> Result<(), Error> {
        self.claim(header)?;
        let mut raw = Vec::new();
        records.iter().for_each(|record| encode_record(record.as_ref(), &mut raw));
        self.make(FrameDraft { kind: FrameKind::Records, mailbox: header.mailbox, key: header.key, hash: None, raw, compress: true })
    }

    /// Opens a frame with the keys that it was sealed with, and seals it with the current ones. A block needs its hash.
    pub(crate) fn reseal(&mut self, header: &FrameHeader, stored: Vec<u8>, hash: Option<&[u8; 32]>) -> Result<(), Error> {
        if header.keygen == self.keys.generation() {
            return self.copy(header, &stored);
        }
        if !header.holds(&stored) {
            return Err(damaged(header, "its checksum does not hold"));
        }
        let raw = decode_frame(header, stored, &self.keys, hash, None)?;
        if header.kind == FrameKind::Block && hash.is_some_and(|hash| blake3::hash(&raw) != *hash) {
            return Err(damaged(header, "it is not the block that its hash names"));
        }
        self.claim(header)?;
        let compress = header.codec == Codec::Zstd;
        self.make(FrameDraft { kind: header.kind, mailbox: header.mailbox, key: header.key, hash: hash.copied(), raw, compress })
    }

    /// Seals the pack, makes it durable and publishes it.
    pub(crate) fn finish(self) -> Result<PackSealed, Error> {
        self.file.finish(self.commits, &self.keys)
    }

    fn make(&mut self, draft: FrameDraft) -> Result<(), Error> {
        let frame = self.maker.make(draft, &self.keys)?;
        self.file.append(&frame.header, frame.bytes)
    }

    /// Makes sure that a frame belongs here, and comes once.
    fn claim(&mut self, header: &FrameHeader) -> Result<(), Error> {
        let (key, range) = (header.key, self.header.first..=self.header.last);
        if header.kind == FrameKind::Directory || !range.contains(&key.seq) {
            return Err(damaged(header, "it does not belong into this pack"));
        }
        if self.frames.insert(key) { Ok(()) } else { Err(damaged(header, "it is there twice")) }
    }
}

/// Returns the header of the pack in place of these; `None` when they are not neighbours in their order.
fn join(storage: Uuid, sources: &[(PackHeader, Vec<CommitEntry>)]) -> Option<PackHeader> {
    let (first, last) = (sources.first()?.0.first, sources.last()?.0.last);
    let adjacent = sources.windows(2).all(|pair| pair[0].0.last.0.checked_add(1) == Some(pair[1].0.first.0));
    let within = sources.iter().all(|(pack, commits)| {
        pack.storage == storage && commits.iter().all(|commit| (pack.first..=pack.last).contains(&commit.seq)) && commits.is_sorted_by_key(|commit| commit.seq)
    });
    let generation = sources.iter().map(|(pack, _)| pack.generation).max()?.checked_add(1)?;
    (adjacent && within).then_some(PackHeader { storage, first, last, generation })
}

fn damaged(header: &FrameHeader, reason: &str) -> Error {
    Error::FrameDamaged { frame: header.key, reason: reason.to_owned() }
}
