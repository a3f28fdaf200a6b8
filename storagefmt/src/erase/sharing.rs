//! What others have of the blocks that a mailbox had a part in, and how they keep it.

use super::EraseReport;
use super::coverage::{Coverage, Verdict};
use crate::catalog::{Shared, Walk};
use crate::format::micros;
use crate::format::recipe::ChunkRef;
use crate::format::record::{LostRecord, Record};
use crate::format::row::{FrameRow, KeyTake, Table};
use crate::index::decode;
use crate::index::recipes::RecipeWalk;
use crate::rehome::rehome;
use crate::{CommitSeq, ContentId, Error, FrameKey, MailboxKey, Writer};
use chrono::{DateTime, Utc};
use std::collections::BTreeSet;

/// Rows looked at in a step: about a tenth of a second.
const STEP_ROWS: usize = 20_000;
/// Pages of recipes looked at in a step: 16 MiB of records at most.
const STEP_PAGES: usize = 8;
/// Contents stored anew in a commit.
const CONTENTS_MAX: usize = 1024;
/// Bytes stored anew in a commit, about.
const COMMIT_BYTES_MAX: u64 = 32 << 20;

/// Looks for the blocks that a mailbox had a part in, then for who refers to them.
pub(super) struct Scan {
    mailbox: MailboxKey,
    named: Vec<FrameKey>,
    grants: Walk,
    frames: Walk,
    /// Whether all blocks are found.
    collected: bool,
    recipes: RecipeWalk,
}

impl Scan {
    /// Begins. `named` are blocks of others that must go as far as nobody refers to them.
    pub(super) fn new(writer: &Writer, mailbox: MailboxKey, named: &[(u64, u32)]) -> Self {
        let shared = writer.shared();
        Self {
            mailbox,
            named: named.iter().map(|(seq, n)| FrameKey::new(CommitSeq(*seq), *n)).collect(),
            grants: shared.walk_of(Table::Grants, mailbox),
            frames: shared.walk(Table::Frames),
            collected: false,
            recipes: RecipeWalk::default(),
        }
    }

    /// Does a part; `true` when it was the last.
    pub(super) fn step(&mut self, writer: &Writer, coverage: &mut Coverage) -> Result<bool, Error> {
        let shared = writer.shared();
        if !self.collected {
            self.collected = self.collect(shared, coverage)?;
            return Ok(false);
        }
        for _ in 0..STEP_PAGES {
            let Some(page) = self.recipes.page(&shared.index(), must_read)? else { return Ok(true) };
            page.iter().filter(|found| found.holds()).for_each(|found| coverage.recipe(found.mailbox, self.mailbox, &found.recipe));
        }
        Ok(false)
    }

    /// Returns whether all blocks are found, and who refers to them is being looked for.
    pub(super) fn is_collected(&self) -> bool {
        self.collected
    }

    fn collect(&mut self, shared: &Shared, coverage: &mut Coverage) -> Result<bool, Error> {
        let index = shared.index();
        for block in self.named.drain(..) {
            if let Some(row) = index.frame(block)? {
                coverage.block(block, row.raw, true);
            }
        }
        let mut rows = 0;
        for row in self.grants.by_ref().take(STEP_ROWS) {
            let (key, _) = row?;
            let mut take = KeyTake::new(&key);
            let (_, block) = take.mailbox().zip(take.frame()).ok_or(Error::IndexRow { table: Table::Grants.name() })?;
            if let Some(row) = index.frame(block)? {
                coverage.block(block, row.raw, row.mailbox == self.mailbox.0);
            }
            rows += 1;
        }
        for row in self.frames.by_ref().take(STEP_ROWS - rows) {
            let (key, value) = row?;
            let block = KeyTake::new(&key).frame().ok_or(Error::IndexRow { table: Table::Frames.name() })?;
            let row: FrameRow = decode(Table::Frames, &value)?;
            if row.is_block() && row.mailbox == self.mailbox.0 {
                coverage.block(block, row.raw, true);
            }
            rows += 1;
        }
        Ok(rows < STEP_ROWS)
    }
}

/// Stores anew what others have of blocks that go.
pub(super) struct Sharing {
    mailbox: MailboxKey,
    doomed: BTreeSet<FrameKey>,
    /// Absent when nobody has a part of what goes.
    recipes: Option<RecipeWalk>,
}

impl Sharing {
    /// Decides which blocks go.
    pub(super) fn new(mailbox: MailboxKey, coverage: &mut Coverage) -> Self {
        let (mut doomed, mut moves) = (BTreeSet::new(), false);
        for (block, verdict) in coverage.verdicts().filter(|(_, verdict)| *verdict != Verdict::Stays) {
            doomed.insert(block);
            moves |= verdict == Verdict::Moves;
        }
        Self { mailbox, doomed, recipes: moves.then(RecipeWalk::default) }
    }

    /// Returns the blocks that go.
    pub(super) fn doomed(&self) -> &BTreeSet<FrameKey> {
        &self.doomed
    }

    /// Does a part; `true` when it was the last. A part that failed is done again.
    pub(super) fn step(&mut self, writer: &mut Writer, now: DateTime<Utc>, report: &mut EraseReport) -> Result<bool, Error> {
        let Some(recipes) = &mut self.recipes else { return Ok(true) };
        let (mut contents, mut bytes, mut at) = (Vec::new(), 0, recipes.clone());
        let mut more = true;
        for _ in 0..STEP_PAGES {
            if contents.len() >= CONTENTS_MAX || bytes >= COMMIT_BYTES_MAX {
                break;
            }
            let Some(page) = at.page(&writer.shared().index(), must_read)? else {
                more = false;
                break;
            };
            for found in page.iter().filter(|found| found.holds() && found.mailbox != self.mailbox) {
                let recipe = &found.recipe;
                let moved: u64 = recipe.chunks().filter(|chunk| self.doomed.contains(&chunk.frame())).map(|chunk| u64::from(chunk.len)).sum();
                if recipe.chunks().map(ChunkRef::frame).any(|block| self.doomed.contains(&block)) {
                    contents.push((found.mailbox, found.content()));
                    bytes += moved;
                }
            }
        }
        let rehomed = rehome(writer, &self.doomed, &contents, now)?;
        report.moved += rehomed.contents;
        let lost: Vec<_> = rehomed.unreadable.iter().map(|(mailbox, id, _)| (*mailbox, *id)).collect();
        note_lost(writer, &lost, now)?;
        report.lost.extend(lost);
        *recipes = at;
        Ok(!more)
    }
}

/// Who may have a part in what goes must be known.
fn must_read(_: FrameKey, err: Error) -> Result<(), Error> {
    Err(err)
}

/// Notes that contents cannot be read any more, and could not before.
fn note_lost(writer: &mut Writer, lost: &[(MailboxKey, ContentId)], now: DateTime<Utc>) -> Result<(), Error> {
    let result = lost.iter().try_for_each(|(mailbox, id)| {
        writer.introduce(*mailbox)?;
        let reason = "a block that it shared with an erased mailbox was damaged".to_owned();
        writer.record(*mailbox, &Record::Lost(LostRecord { id: id.0, reason, time: micros(now) }))
    });
    result.and_then(|()| writer.commit(now)).inspect_err(|_| writer.abandon())?;
    Ok(())
}
