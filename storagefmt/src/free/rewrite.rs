//! One new pack out of neighbours, with what is wanted of them, in steps.
//!
//! Blocks first, a stretch in each step; then, in the last step, records: these are judged when nothing can change any
//! more, and blocks that were claimed meanwhile still come in. Nothing is visible before the end, and until the
//! index has gone over to the new pack the old ones are there.

use super::records::drop_dead;
use super::scan::Scan;
use crate::catalog::Shared;
use crate::format::pack::{CommitEntry, FrameEntry, FrameKind, PackHeader};
use crate::format::row::{MailboxRowValue, Key, PackRow, Table};
use crate::pack::file::PackSealed;
use crate::pack::frame::{decode_frame, read_frame};
use crate::pack::reader::PackReader;
use crate::pack::records::decode_records;
use crate::pack::rewrite::PackRewriter;
use crate::store::Store;
use crate::{CommitSeq, Error, FrameKey, MailboxKey};
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;

/// Bytes of blocks copied in a step: some tenths of a second.
const STEP_BYTES: u64 = 32 << 20;

/// A pack on its way that will replace others.
pub(super) struct Rewrite {
    rewriter: PackRewriter,
    pub(super) old: Vec<OldPack>,
    blocks: VecDeque<(usize, FrameEntry)>,
    /// Blocks left out so far.
    dead: Vec<(usize, FrameEntry)>,
    records: VecDeque<(usize, FrameEntry)>,
}

/// A pack that goes.
pub(super) struct OldPack {
    pub(super) first: CommitSeq,
    pub(super) name: String,
    pub(super) bytes: u64,
}

/// What became of it.
pub(super) struct Rewritten {
    pub(super) sealed: PackSealed,
    /// Frames of records that are not as they were.
    pub(super) changed: HashSet<FrameKey>,
}

impl Rewrite {
    /// Opens the packs, and tells what of them is wanted. Damaged ones are not touched: a repair knows better what is left of them.
    pub(super) fn begin(store: &Arc<dyn Store>, shared: &Shared, scan: &Scan, packs: &BTreeMap<CommitSeq, PackRow>) -> Result<Self, Error> {
        let (storage, keys) = (shared.info().uuid, shared.keys());
        let (mut sources, mut old) = (Vec::<(PackHeader, Vec<CommitEntry>)>::new(), Vec::new());
        let (mut blocks, mut dead, mut records) = (VecDeque::new(), Vec::new(), VecDeque::new());
        let mut erased = BTreeMap::new();
        for (number, (first, row)) in packs.iter().enumerate() {
            let name = row.name(*first);
            let mut reader = PackReader::open(store.as_ref(), &name, row.bytes, storage)?;
            if let Some(damage) = reader.take_damages().into_iter().next() {
                return Err(Error::PackDamaged { path: name, offset: damage.offset, reason: damage.reason });
            }
            for frame in reader.frames() {
                match frame.header.kind {
                    FrameKind::Block if scan.blocks.is_wanted(frame.header.key) => blocks.push_back((number, *frame)),
                    FrameKind::Block => dead.push((number, *frame)),
                    FrameKind::Records if is_erased(shared, &mut erased, frame.header.mailbox)? => {}
                    FrameKind::Records => records.push_back((number, *frame)),
                    FrameKind::Directory => {}
                }
            }
            let header = PackHeader { storage, first: *first, last: CommitSeq(row.last), generation: row.generation };
            sources.push((header, reader.commits(&keys)?));
            old.push(OldPack { first: *first, name, bytes: row.bytes });
        }
        let rewriter = PackRewriter::new(Arc::clone(store), storage, &sources, keys)?;
        Ok(Self { rewriter, old, blocks, dead, records })
    }

    /// Returns whether the packs are still those that hold.
    pub(super) fn is_present(&self, shared: &Shared) -> Result<bool, Error> {
        let index = shared.index();
        for old in &self.old {
            let row: Option<PackRow> = index.row(Table::Packs, &Key::number(old.first.0))?;
            if row.is_none_or(|row| row.name(old.first) != old.name) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Copies blocks for a while; `true` when there are no more.
    pub(super) fn copy(&mut self, store: &dyn Store) -> Result<bool, Error> {
        let mut bytes = 0;
        while bytes < STEP_BYTES
            && let Some((number, frame)) = self.blocks.pop_front()
        {
            self.copy_one(store, number, &frame)?;
            bytes += frame.header.bytes();
        }
        Ok(self.blocks.is_empty())
    }

    /// Adds what was claimed meanwhile, and the records that still say something; makes the pack durable and visible.
    pub(super) fn finish(mut self, store: &dyn Store, shared: &Shared, scan: &Scan) -> Result<(Rewritten, Vec<OldPack>), Error> {
        for (number, frame) in std::mem::take(&mut self.dead) {
            if scan.blocks.is_wanted(frame.header.key) {
                self.copy_one(store, number, &frame)?;
            }
        }
        let mut changed = HashSet::new();
        for (number, entry) in std::mem::take(&mut self.records) {
            let (header, stored) = self.read(store, number, &entry)?;
            let raw = decode_frame(&header, stored.clone(), &shared.keys(), None, None)?;
            let damaged = |reason| Error::FrameDamaged { frame: header.key, reason };
            let mut records = decode_records(&raw).map_err(damaged)?;
            if !drop_dead(shared, scan, header.key, MailboxKey(header.mailbox), &mut records)? {
                self.rewriter.copy(&header, &stored)?;
            } else if records.iter().any(Option::is_some) {
                self.rewriter.records(&header, &records)?;
                changed.insert(header.key);
            }
        }
        // The index must not fall behind what was dropped, whatever the machine does: it would not learn of it from packs.
        shared.index().sync()?;
        Ok((Rewritten { sealed: self.rewriter.finish()?, changed }, self.old))
    }

    fn copy_one(&mut self, store: &dyn Store, number: usize, frame: &FrameEntry) -> Result<(), Error> {
        let (header, stored) = self.read(store, number, frame)?;
        self.rewriter.copy(&header, &stored)
    }

    fn read(&self, store: &dyn Store, number: usize, frame: &FrameEntry) -> Result<(crate::format::pack::FrameHeader, Vec<u8>), Error> {
        let name = self.old.get(number).map(|pack| pack.name.as_str()).unwrap_or_default();
        let (header, stored) = read_frame(store, name, frame.offset, frame.header.stored)?;
        if header == frame.header {
            return Ok((header, stored));
        }
        Err(Error::PackDamaged { path: name.to_owned(), offset: frame.offset, reason: "its frame header is not the one that the directory lists".to_owned() })
    }
}

/// Returns whether the frames of a mailbox say nothing any more.
fn is_erased(shared: &Shared, known: &mut BTreeMap<u32, bool>, mailbox: u32) -> Result<bool, Error> {
    if let Some(erased) = known.get(&mailbox) {
        return Ok(*erased);
    }
    let row: Option<MailboxRowValue> = shared.index().row(Table::Mailboxes, &Key::mailbox(MailboxKey(mailbox)))?;
    let erased = mailbox != 0 && row.is_some_and(|row| row.erased);
    known.insert(mailbox, erased);
    Ok(erased)
}
