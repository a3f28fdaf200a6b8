//! What is wanted: from versions to contents, from contents to recipes, from recipes to blocks.
//!
//! In steps of some tenths of a second, between which batches may be committed. What these refer to anew
//! is claimed apart (see [`Claims`](super::claims::Claims)). Anything that cannot be read ends the scan: what is
//! not known to be dead is not freed.

use super::blocks::Blocks;
use super::claims::Claimed;
use super::contents::Contents;
use crate::catalog::Shared;
use crate::format::recipe::ChunkRef;
use crate::format::record::Record;
use crate::format::row::{FrameRow, ItemRowValue, KeyTake, Table};
use crate::index::recipes::{FoundRecipe, RecipeWalk};
use crate::index::{Row, decode, successor};
use crate::{CommitSeq, ContentId, Error, FrameKey, MailboxKey, Place};
use std::collections::{BTreeSet, HashSet};

/// Versions looked at in a step.
const STEP_VERSIONS: usize = 8192;
/// Blocks noted in a step.
const STEP_FRAMES: usize = 1 << 16;
/// Pages of recipes in a step.
const STEP_PAGES: usize = 8;

/// What is wanted, as far as it is known.
pub(super) struct Scan {
    /// Commits beyond came later: what they say is wanted.
    pub(super) head: CommitSeq,
    /// Whether marked versions are looked at as if they were freed.
    as_freed: bool,
    stage: Stage,
    contents: Contents,
    pub(super) blocks: Blocks,
    /// Blocks that were referred to before all blocks were noted.
    early: HashSet<FrameKey>,
    /// Contents that were referred to since.
    claimed: HashSet<(MailboxKey, ContentId)>,
    /// Commits with recipes that would hold again if later ones of theirs were dropped before them.
    pub(super) shadowed: BTreeSet<CommitSeq>,
    /// Blocks that were referred to since the last round of putting groups together began.
    pub(super) renewed: HashSet<FrameKey>,
}

/// Where the scan stands: a table, and the key to go on from.
enum Stage {
    Versions(usize, Vec<u8>),
    Blocks(Vec<u8>),
    Recipes(RecipeWalk),
    Done,
}

/// In this order: a version that ends, or that is marked, moves to a table that comes later.
const VERSIONS: [Table; 3] = [Table::ItemsLive, Table::ItemsPast, Table::ItemsMarked];

impl Scan {
    /// Begins; `as_freed` looks at marked versions as if they were freed already.
    pub(super) fn new(head: CommitSeq, as_freed: bool) -> Self {
        Self {
            head,
            as_freed,
            stage: Stage::Versions(0, Vec::new()),
            contents: Contents::default(),
            blocks: Blocks::default(),
            early: HashSet::new(),
            claimed: HashSet::new(),
            shadowed: BTreeSet::new(),
            renewed: HashSet::new(),
        }
    }

    /// Goes on for a while; `true` when everything is known.
    pub(super) fn step(&mut self, shared: &Shared) -> Result<bool, Error> {
        self.stage = match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Versions(number, start) => self.versions(shared, number, &start)?,
            Stage::Blocks(start) => self.note_blocks(shared, &start)?,
            Stage::Recipes(walk) => self.recipes(shared, walk)?,
            Stage::Done => Stage::Done,
        };
        Ok(matches!(self.stage, Stage::Done))
    }

    /// Takes in what was referred to meanwhile.
    pub(super) fn claim(&mut self, shared: &Shared, claimed: Claimed) -> Result<(), Error> {
        let mut blocks = claimed.blocks;
        for (mailbox, id) in claimed.contents {
            if let Some(recipe) = shared.recipe(mailbox, &id)? {
                blocks.extend(recipe.chunks().map(ChunkRef::frame));
            }
            self.claimed.insert((mailbox, id));
        }
        if matches!(self.stage, Stage::Versions(..) | Stage::Blocks(_)) {
            self.early.extend(blocks);
        } else {
            blocks.iter().for_each(|block| self.blocks.want_all(*block));
            self.renewed.extend(blocks);
        }
        if claimed.moved && matches!(self.stage, Stage::Versions(..)) {
            // A version may have moved to a table that was looked at before.
            self.stage = Stage::Versions(0, Vec::new());
        }
        Ok(())
    }

    /// Returns whether any version has a content.
    pub(super) fn is_wanted(&self, mailbox: MailboxKey, id: &ContentId) -> bool {
        self.contents.contains(mailbox, id) || self.claimed.contains(&(mailbox, *id))
    }

    fn versions(&mut self, shared: &Shared, number: usize, start: &[u8]) -> Result<Stage, Error> {
        let Some(table) = VERSIONS.get(number).filter(|table| !self.as_freed || **table != Table::ItemsMarked) else {
            self.contents.seal();
            return Ok(Stage::Blocks(Vec::new()));
        };
        let rows = shared.index().scan(*table, b"", start, STEP_VERSIONS)?;
        for (mailbox, id) in contents(shared, *table, &rows)? {
            self.contents.push(mailbox, &id.0);
        }
        Ok(match rows.last() {
            Some((key, _)) if rows.len() == STEP_VERSIONS => Stage::Versions(number, successor(key)),
            _ => Stage::Versions(number + 1, Vec::new()),
        })
    }

    fn note_blocks(&mut self, shared: &Shared, start: &[u8]) -> Result<Stage, Error> {
        let rows = shared.index().scan(Table::Frames, b"", start, STEP_FRAMES)?;
        for (key, value) in &rows {
            let frame = KeyTake::new(key).frame().ok_or(Error::IndexRow { table: Table::Frames.name() })?;
            // What came since is wanted, and wanted is what is not noted.
            let row: FrameRow = decode(Table::Frames, value)?;
            if frame.seq <= self.head && row.is_block() {
                self.blocks.push(frame, row.raw, row.stored);
            }
        }
        if let Some((key, _)) = rows.last().filter(|_| rows.len() == STEP_FRAMES) {
            return Ok(Stage::Blocks(successor(key)));
        }
        self.early.drain().for_each(|block| self.blocks.want_all(block));
        Ok(Stage::Recipes(RecipeWalk::default()))
    }

    fn recipes(&mut self, shared: &Shared, mut walk: RecipeWalk) -> Result<Stage, Error> {
        for _ in 0..STEP_PAGES {
            let Some(page) = walk.page(&shared.index(), must_read)? else {
                self.prove(shared)?;
                return Ok(Stage::Done);
            };
            page.iter().for_each(|found| self.note(found));
        }
        Ok(Stage::Recipes(walk))
    }

    /// Notes the blocks that a recipe names, if it is wanted.
    fn note(&mut self, found: &FoundRecipe) {
        let id = found.content();
        if !self.is_wanted(found.mailbox, &id) {
            if found.held.is_some_and(|held| held > found.place) {
                self.shadowed.insert(found.place.frame.seq);
            }
        } else if found.holds() {
            self.contents.found(found.mailbox, &id);
            found.recipe.chunks().for_each(|chunk| self.blocks.want(chunk.frame(), chunk.offset, chunk.len));
        }
    }

    /// Returns whether a recipe holds, and is of a content that is wanted.
    pub(super) fn is_present(&self, found: &FoundRecipe) -> bool {
        found.holds() && self.is_wanted(found.mailbox, &found.content())
    }

    /// Makes sure that every wanted content has a recipe, or is known to be lost.
    fn prove(&self, shared: &Shared) -> Result<(), Error> {
        if self.contents.all_found() {
            return Ok(());
        }
        let index = shared.index();
        for table in VERSIONS {
            let mut start = Some(Vec::new());
            while let Some(from) = start.take() {
                let rows = index.scan(table, b"", &from, STEP_VERSIONS)?;
                start = rows.last().filter(|_| rows.len() == STEP_VERSIONS).map(|(key, _)| successor(key));
                for (mailbox, id) in contents(shared, table, &rows)? {
                    if !self.contents.was_found(mailbox, &id) && index.get(Table::Lost, &index.content_key(mailbox, &id).0)?.is_none() {
                        return Err(Error::ScanFailed { what: format!("content {id} of mailbox {mailbox} has no recipe") });
                    }
                }
            }
        }
        Ok(())
    }
}

/// Returns the contents of versions; every one must be readable.
fn contents(shared: &Shared, table: Table, rows: &[Row]) -> Result<Vec<(MailboxKey, ContentId)>, Error> {
    let places = rows.iter().map(|(_, value)| Ok(decode::<ItemRowValue>(table, value)?.place)).collect::<Result<Vec<Place>, Error>>()?;
    let unreadable = |place: &Place| Error::ScanFailed { what: format!("record {} of {} cannot be read", place.index, place.frame) };
    let records = shared.index().records(&places)?;
    let mut contents = Vec::with_capacity(rows.len());
    for (place, record) in places.iter().zip(records) {
        let Some(Record::Item(item)) = record.as_deref() else { return Err(unreadable(place)) };
        contents.extend([item.shown, item.export].into_iter().flatten().map(|content| (MailboxKey(item.mailbox), content.content())));
    }
    Ok(contents)
}

/// What is not known to be dead is not freed.
pub(super) fn must_read(frame: FrameKey, _: Error) -> Result<(), Error> {
    Err(Error::ScanFailed { what: format!("records {frame} cannot be read") })
}
