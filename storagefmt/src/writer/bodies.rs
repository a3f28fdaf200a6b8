//! Contents of the open batch: which bytes the mailbox has already, which any mailbox has, which are new.

use super::{BatchState, Writer};
use crate::cut::{CutError, Kind, Sink};
use crate::erase::Barred;
use crate::format::recipe::{ChunkRef, RecipeRecord};
use crate::format::record::{ContentRef, GrantRecord, Record};
use crate::format::row::{FrameRow, Key, Table, grant_key};
use crate::index::apply::apply;
use crate::index::staged::Staged;
use crate::pack::writer::PackWriter;
use crate::{ChunkId, CommitSeq, ContentId, Error, FrameKey, MailboxKey, Place};
use c2b_mailbox::{Content, ItemId};
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

impl Writer {
    /// Stores a content unless the mailbox has it whole.
    pub(super) fn content(
        &mut self,
        mailbox: MailboxKey,
        item: &ItemId,
        mut content: Content,
        kind: Kind,
        stored_bytes: &mut u64,
    ) -> Result<ContentRef, Error> {
        let unreadable = |err| Error::Fetched { item: item.as_str().to_owned(), err };
        let id = self.cutter.identify(&mut content).map_err(unreadable)?;
        let found = ContentRef { id: id.0, len: content.len() };
        if self.holds(mailbox, &id)? {
            return Ok(found);
        }
        let avoid = BTreeSet::new();
        let mut sink =
            Storing { rows: &mut self.rows, pack: &mut self.pack, seq: self.seq, mailbox, avoid: &avoid, barred: self.barred.upgrade(), stored_bytes };
        let cut = self.cutter.cut(&mut content, id, kind, &mut sink);
        self.pack.end_content(mailbox);
        let recipe = match cut {
            Ok(recipe) => recipe,
            Err(CutError::Read(err)) => return Err(unreadable(err)),
            Err(CutError::Sink(err)) => {
                self.state = BatchState::Broken;
                return Err(err);
            }
        };
        tracing::trace!(content = %id, bytes = found.len, "content stored");
        self.record(mailbox, &Record::Recipe(recipe))?;
        Ok(found)
    }

    /// Returns what stores chunks of a mailbox, anew even if they are in one of the blocks to `avoid`.
    pub(crate) fn storing<'a>(&'a mut self, mailbox: MailboxKey, avoid: &'a BTreeSet<FrameKey>, stored_bytes: &'a mut u64) -> impl Sink + 'a {
        Storing { rows: &mut self.rows, pack: &mut self.pack, seq: self.seq, mailbox, avoid, barred: self.barred.upgrade(), stored_bytes }
    }

    /// Says that all chunks of a content were stored.
    pub(crate) fn end_content(&mut self, mailbox: MailboxKey) {
        self.pack.end_content(mailbox);
    }

    /// Returns whether the mailbox has a content, and the archive every block of it.
    pub(super) fn holds(&self, mailbox: MailboxKey, id: &ContentId) -> Result<bool, Error> {
        let place: Option<Place> = self.rows.row(Table::Recipes, &self.rows.content_key(mailbox, id))?;
        let Some(place) = place else { return Ok(false) };
        match self.rows.record(place)?.as_deref() {
            Some(Record::Recipe(recipe)) if recipe.id == id.0 => self.holds_all(mailbox, recipe),
            _ => Ok(false),
        }
    }

    /// Returns whether every block that a recipe names is in the archive or in the open pack, and readable for the mailbox.
    fn holds_all(&self, mailbox: MailboxKey, recipe: &RecipeRecord) -> Result<bool, Error> {
        // What the open pack holds is granted when the pack is sealed.
        let blocks: HashSet<FrameKey> = recipe.chunks().map(ChunkRef::frame).filter(|block| block.seq != self.seq).collect();
        let frames: Vec<Vec<u8>> = blocks.iter().map(|block| Key::frame(*block).0).collect();
        let grants: Vec<Vec<u8>> = blocks.iter().map(|block| grant_key(mailbox, *block).0).collect();
        Ok(self.rows.get_many(Table::Frames, &frames)?.iter().all(Option::is_some) && self.rows.get_many(Table::Grants, &grants)?.iter().all(Option::is_some))
    }
}

/// Puts chunks into the pack that the archive does not hold.
struct Storing<'a> {
    rows: &'a mut Staged,
    pack: &'a mut PackWriter,
    seq: CommitSeq,
    mailbox: MailboxKey,
    /// Blocks that are to get no new references.
    avoid: &'a BTreeSet<FrameKey>,
    /// What an erasure does not want to be referred to.
    barred: Option<Arc<Barred>>,
    stored_bytes: &'a mut u64,
}

impl Sink for Storing<'_> {
    fn chunk(&mut self, id: ChunkId, bytes: &[u8]) -> Result<ChunkRef, Error> {
        if self.pack.has(&id).is_none() {
            if let Some(found) = self.committed(&id)? {
                return Ok(found);
            }
            *self.stored_bytes += bytes.len() as u64;
        }
        let block = self.pack.chunk(self.mailbox, id, bytes)?;
        Ok(ChunkRef { seq: self.seq.0, n: block.n, offset: block.offset, len: block.len })
    }
}

impl Storing<'_> {
    /// Returns where a chunk is in what is committed, and sees to it that the mailbox may read it; `None` when it must be stored.
    fn committed(&mut self, id: &ChunkId) -> Result<Option<ChunkRef>, Error> {
        let Some(row) = self.rows.chunk(id)? else { return Ok(None) };
        let block = row.frame();
        if self.avoid.contains(&block) || self.barred.as_ref().is_some_and(|barred| barred.has(block)) {
            return Ok(None);
        }
        if self.rows.get(Table::Grants, &grant_key(self.mailbox, block).0)?.is_none() {
            let frame: Option<FrameRow> = self.rows.row(Table::Frames, &Key::frame(block))?;
            let hash = match frame {
                Some(frame) if (row.offset, row.len) == (0, frame.raw) => Some(id.0),
                Some(frame) => self.hash_of(MailboxKey(frame.mailbox), block)?,
                None => None,
            };
            let Some(hash) = hash else { return Ok(None) };
            let record = Record::Grant(GrantRecord { seq: row.seq, n: row.n, hash });
            let place = self.pack.record(Some(self.mailbox), &record)?;
            apply(self.rows, place, Some(self.mailbox), &record)?;
        }
        Ok(Some(ChunkRef { seq: row.seq, n: row.n, offset: row.offset, len: row.len }))
    }

    /// Returns the hash of a block as its owner knows it; `None` when its key is destroyed or the record lost.
    fn hash_of(&self, owner: MailboxKey, block: FrameKey) -> Result<Option<[u8; 32]>, Error> {
        let Some(place): Option<Place> = self.rows.row(Table::Grants, &grant_key(owner, block))? else { return Ok(None) };
        Ok(match self.rows.record(place)?.as_deref() {
            Some(Record::Block(record)) => Some(record.hash),
            Some(Record::Grant(record)) => Some(record.hash),
            _ => None,
        })
    }
}
