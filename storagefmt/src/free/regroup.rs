//! Groups of which enough is dead, and small ones, are put together anew, so that they can go.
//!
//! Which contents refer to them is found out in one pass over all recipes; then these get new recipes, some
//! at a time. While that goes on nothing refers to the groups anew but batches beside it, and what these
//! refer to stays. 2,000 groups and the contents in them take some 20 MB.

use super::scan::{Scan, must_read};
use crate::catalog::Shared;
use crate::format::row::{FrameRow, KeyTake, Table};
use crate::index::recipes::RecipeWalk;
use crate::index::{decode, successor};
use crate::{ContentId, Error, FrameKey, MailboxKey};
use std::collections::{BTreeMap, BTreeSet};

/// A group of which at least one part in so many is dead is put together anew.
const DEAD_PART: u64 = 5;
/// A group below this is small. If a mailbox has enough small ones for [`FULL_BYTES`], they become full ones.
const SMALL_BYTES: u64 = 128 << 10;
const FULL_BYTES: u64 = 512 << 10;
/// Groups put together in one round, in raw bytes.
const ROUND_BYTES_MAX: u64 = 1 << 30;
/// Bytes of contents stored anew in a step.
const STEP_BYTES: u64 = 8 << 20;
/// Frames looked at in a step.
const STEP_FRAMES: usize = 1 << 16;

/// A round of putting groups together.
#[derive(Default)]
pub(super) struct Regroup {
    stage: Stage,
    pub(super) groups: BTreeSet<FrameKey>,
    bytes: u64,
    /// Small groups and what of them is wanted, for each mailbox.
    small: BTreeMap<u32, (u64, Vec<FrameKey>)>,
    contents: Vec<Content>,
}

/// Where the round stands.
enum Stage {
    /// Groups are chosen.
    Choosing(Vec<u8>),
    /// Contents are looked for.
    Looking(RecipeWalk),
    /// They are stored anew, from this one on.
    Storing(usize),
}

/// A content with chunks in one of the groups. By mailbox and first chunk, so that neighbours stay neighbours.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Content {
    mailbox: MailboxKey,
    group: FrameKey,
    offset: u32,
    id: ContentId,
    bytes: u64,
}

/// What is next.
pub(super) enum Next {
    /// Come again.
    More,
    /// These contents are to be stored anew.
    Store(Vec<(MailboxKey, ContentId)>),
    /// All were; `true` when there was anything to do.
    Done(bool),
}

impl Default for Stage {
    fn default() -> Self {
        Self::Choosing(Vec::new())
    }
}

impl Regroup {
    /// Goes on for a while.
    pub(super) fn step(&mut self, shared: &Shared, scan: &Scan) -> Result<Next, Error> {
        match std::mem::take(&mut self.stage) {
            Stage::Choosing(start) => self.stage = self.choose(shared, scan, &start)?,
            Stage::Looking(walk) if !self.groups.is_empty() => self.stage = self.look(shared, scan, walk)?,
            Stage::Looking(_) => return Ok(Next::Done(false)),
            Stage::Storing(from) => {
                let (mut batch, mut bytes) = (Vec::new(), 0);
                while let Some(content) = self.contents.get(from + batch.len()).filter(|_| bytes < STEP_BYTES) {
                    bytes += content.bytes;
                    batch.push((content.mailbox, content.id));
                }
                self.stage = Stage::Storing(from + batch.len());
                return Ok(if batch.is_empty() { Next::Done(true) } else { Next::Store(batch) });
            }
        }
        Ok(Next::More)
    }

    fn choose(&mut self, shared: &Shared, scan: &Scan, start: &[u8]) -> Result<Stage, Error> {
        let rows = shared.index().scan(Table::Frames, b"", start, STEP_FRAMES)?;
        for (key, value) in &rows {
            let group = KeyTake::new(key).frame().ok_or(Error::IndexRow { table: Table::Frames.name() })?;
            let row: FrameRow = decode(Table::Frames, value)?;
            // What is wanted is known of what was there when all was looked at.
            let Some(wanted) = scan.blocks.wanted_bytes(group).filter(|wanted| *wanted > 0 && row.is_block()) else { continue };
            let raw = u64::from(row.raw);
            if self.bytes + raw > ROUND_BYTES_MAX {
                return Ok(self.end_choosing());
            }
            if raw.saturating_sub(wanted) * DEAD_PART >= raw {
                self.groups.insert(group);
                self.bytes += raw;
            } else if raw < SMALL_BYTES {
                let small = self.small.entry(row.mailbox).or_default();
                small.0 += wanted;
                small.1.push(group);
            }
        }
        Ok(match rows.last() {
            Some((key, _)) if rows.len() == STEP_FRAMES => Stage::Choosing(successor(key)),
            _ => self.end_choosing(),
        })
    }

    fn end_choosing(&mut self) -> Stage {
        for (_, (bytes, groups)) in std::mem::take(&mut self.small) {
            if bytes >= FULL_BYTES && self.bytes < ROUND_BYTES_MAX {
                self.bytes += bytes;
                self.groups.extend(groups);
            }
        }
        Stage::Looking(RecipeWalk::default())
    }

    /// Looks for the contents that refer to the groups.
    fn look(&mut self, shared: &Shared, scan: &Scan, mut walk: RecipeWalk) -> Result<Stage, Error> {
        if let Some(page) = walk.page(&shared.index(), must_read)? {
            for found in page.iter().filter(|found| scan.is_present(found)) {
                let mut within = found.recipe.chunks().filter(|chunk| self.groups.contains(&chunk.frame()));
                if let Some(first) = within.next() {
                    let bytes = u64::from(first.len) + within.map(|chunk| u64::from(chunk.len)).sum::<u64>();
                    self.contents.push(Content { mailbox: found.mailbox, group: first.frame(), offset: first.offset, id: found.content(), bytes });
                }
            }
            return Ok(Stage::Looking(walk));
        }
        self.contents.sort_unstable();
        Ok(Stage::Storing(0))
    }
}
