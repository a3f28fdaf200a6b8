//! Storing anew what contents hold in certain blocks, so that nothing refers to these blocks any more.
//!
//! Erasing does this to groups that others share with the erased mailbox, freeing to groups of which little is
//! wanted. A block is read whole and compared with its hash before anything is taken from it, and a stretch is
//! known by its own hash from then on: so every content has the bytes that it had, or the error says
//! whose has not.

use crate::cut::Sink;
use crate::format::recipe::{ChunkRef, Op, RecipeRecord};
use crate::format::record::Record;
use crate::pack::frame::{decode_frame, read_frame};
use crate::writer::Writer;
use crate::{ChunkId, CommitSeq, ContentId, Error, FrameKey, MailboxKey};
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Decoded blocks in memory, in bytes.
const BLOCKS_BYTES_MAX: usize = 16 << 20;

/// What came of storing contents anew.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rehomed {
    /// The commit; `None` when there was nothing to do.
    pub(crate) seq: Option<CommitSeq>,
    /// Contents with a new recipe.
    pub(crate) contents: u64,
    /// Bytes stored anew.
    pub(crate) bytes: u64,
    /// Contents that cannot be read, with the block at fault; their recipes are as they were.
    pub(crate) unreadable: Vec<(MailboxKey, ContentId, FrameKey)>,
}

/// Stores anew what these contents refer to in `blocks`, each for its own mailbox, and commits.
///
/// What is stored elsewhere already is referred to there. There must be no open batch. The caller bounds
/// how much is done at once: the commit holds all of it.
///
/// # Errors
/// When packs or index cannot be read or written: nothing has changed then.
pub(crate) fn rehome(writer: &mut Writer, blocks: &BTreeSet<FrameKey>, contents: &[(MailboxKey, ContentId)], now: DateTime<Utc>) -> Result<Rehomed, Error> {
    writer.between_batches()?;
    let mut rehoming = Rehoming { writer, blocks, decoded: BTreeMap::new(), report: Rehomed::default() };
    let result = contents.iter().try_for_each(|(mailbox, id)| rehoming.content(*mailbox, id));
    let Rehoming { mut report, .. } = rehoming;
    match result.and_then(|()| writer.commit(now)) {
        Ok(seq) => {
            report.seq = seq;
            Ok(report)
        }
        Err(err) => {
            writer.abandon();
            Err(err)
        }
    }
}

struct Rehoming<'a> {
    writer: &'a mut Writer,
    blocks: &'a BTreeSet<FrameKey>,
    /// Blocks that were read lately; those that cannot be read are `None`.
    decoded: BTreeMap<FrameKey, Option<Arc<Vec<u8>>>>,
    report: Rehomed,
}

impl Rehoming<'_> {
    /// Writes a new recipe of a content, if it refers to one of the blocks.
    fn content(&mut self, mailbox: MailboxKey, id: &ContentId) -> Result<(), Error> {
        let Some(mut recipe) = self.writer.shared().recipe(mailbox, id)? else { return Ok(()) };
        let named: BTreeSet<FrameKey> = recipe.chunks().map(ChunkRef::frame).filter(|block| self.blocks.contains(block)).collect();
        if named.is_empty() {
            return Ok(());
        }
        for block in &named {
            if self.read(mailbox, *block)?.is_none() {
                self.report.unreadable.push((mailbox, *id, *block));
                return Ok(());
            }
        }
        self.writer.introduce(mailbox)?;
        for chunk in chunks_mut(&mut recipe).filter(|chunk| named.contains(&chunk.frame())) {
            let block = self.read(mailbox, chunk.frame())?.ok_or(Error::BlockMissing { block: chunk.frame() })?;
            let bytes = block.get(chunk.offset as usize..).and_then(|rest| rest.get(..chunk.len as usize));
            let bytes = bytes.ok_or_else(|| Error::ContentDamaged { content: *id, reason: format!("its recipe reaches beyond block {}", chunk.frame()) })?;
            *chunk = self.writer.storing(mailbox, self.blocks, &mut self.report.bytes).chunk(ChunkId::of(bytes), bytes)?;
        }
        self.writer.end_content(mailbox);
        self.writer.record(mailbox, &Record::Recipe(recipe))?;
        self.report.contents += 1;
        Ok(())
    }

    /// Reads a block as the mailbox may, and proves it; `None` when that cannot be done.
    fn read(&mut self, mailbox: MailboxKey, block: FrameKey) -> Result<Option<Arc<Vec<u8>>>, Error> {
        if let Some(raw) = self.decoded.get(&block) {
            return Ok(raw.clone());
        }
        let raw = match proven_block(self.writer, mailbox, block) {
            Ok(raw) => Some(Arc::new(raw)),
            Err(err @ (Error::Index { .. } | Error::IndexRow { .. })) => return Err(err),
            Err(err) => {
                tracing::warn!(%block, mailbox = mailbox.0, error = &err as &dyn std::error::Error, "a block cannot be read");
                None
            }
        };
        if self.decoded.values().flatten().map(|raw| raw.len()).sum::<usize>() > BLOCKS_BYTES_MAX {
            self.decoded.clear();
        }
        self.decoded.insert(block, raw.clone());
        Ok(raw)
    }
}

/// Reads a block whole, and compares its bytes with its hash.
fn proven_block(writer: &Writer, mailbox: MailboxKey, block: FrameKey) -> Result<Vec<u8>, Error> {
    let (shared, missing) = (writer.shared(), || Error::BlockMissing { block });
    let hash = shared.grant(mailbox, block)?.ok_or_else(missing)?;
    let (frame, pack) = shared.locate(block)?.ok_or_else(missing)?;
    let (header, stored) = read_frame(writer.store().as_ref(), &pack, frame.offset, frame.stored)?;
    let raw = decode_frame(&header, stored, &shared.keys(), Some(&hash), None)?;
    if header.key == block && *blake3::hash(&raw).as_bytes() == hash {
        return Ok(raw);
    }
    Err(Error::FrameDamaged { frame: block, reason: "its bytes are not those of its hash".to_owned() })
}

/// Returns all stretches that a recipe names.
fn chunks_mut(recipe: &mut RecipeRecord) -> impl Iterator<Item = &mut ChunkRef> {
    let parts = recipe.ops.iter_mut().filter_map(|op| match op {
        Op::Skeleton(_) => None,
        Op::Part(part) => Some(&mut part.chunks),
    });
    recipe.skeleton.iter_mut().chain(parts.flatten())
}

#[cfg(test)]
pub(crate) mod tests;
