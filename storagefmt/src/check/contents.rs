//! Contents: whether every recipe leads to blocks that are there and may be read, and with data, whether the bytes are the right ones.

use super::{Check, cause, is_gone};
use crate::cut::BUFFER_BYTES;
use crate::format::recipe::{ChunkRef, RecipeRecord};
use crate::format::row::{FrameRow, Key, Table, grant_key};
use crate::index::recipes::RecipeWalk;
use crate::index::{Index, decode};
use crate::{ContentFile, ContentId, Error, FrameKey, MailboxKey, Place};
use std::collections::BTreeMap;
use std::sync::Arc;

impl Check<'_> {
    /// Looks at every content that there is a recipe of.
    pub(super) fn contents(&mut self) -> Result<(), Error> {
        let index = Arc::clone(self.rows.index());
        let mut buffer = vec![0; BUFFER_BYTES * 4];
        each_recipe(&index, |mailbox, place, recipe| {
            let id = ContentId(recipe.id);
            if let Some(reason) = missing(&index, mailbox, recipe)? {
                self.blame.content(mailbox, id, reason);
                return Ok(());
            }
            if recipe.chunks().any(|chunk| self.blame.content_at(mailbox, id, chunk.frame())) {
                return Ok(());
            }
            let pack = index.pack_of(place.frame.seq)?.map_or(place.frame.seq, |(first, _)| first);
            let reads = self.options.reads(pack);
            let mut found = self.prove(mailbox, recipe, reads, &mut buffer);
            if found.as_ref().is_err_and(is_gone) {
                // Its pack was rewritten since.
                self.look_again()?;
                self.follow()?;
                found = self.prove(mailbox, recipe, reads, &mut buffer);
            }
            match found {
                Ok(found) if found == id => {}
                Ok(found) => self.blame.content(mailbox, id, format!("content {id}: its bytes give {found}")),
                Err(err) => self.blame.content(mailbox, id, format!("{err}{}", cause(&err))),
            }
            Ok(())
        })
    }

    fn prove(&self, mailbox: MailboxKey, recipe: &RecipeRecord, reads: bool, buffer: &mut [u8]) -> Result<ContentId, Error> {
        let file = self.contents.open_recipe(mailbox, recipe)?;
        if reads { identify(&file, buffer) } else { Ok(ContentId(recipe.id)) }
    }
}

/// Goes through all recipes that hold, in the order in which contents were written, which is that in which they lie.
pub(crate) fn each_recipe(index: &Index, mut action: impl FnMut(MailboxKey, Place, &RecipeRecord) -> Result<(), Error>) -> Result<(), Error> {
    let mut walk = RecipeWalk::default();
    // What cannot be read was noted when its pack was looked at.
    while let Some(page) = walk.page(index, |_, _| Ok(()))? {
        for found in page.iter().filter(|found| found.holds()) {
            action(found.mailbox, found.place, &found.recipe)?;
        }
    }
    Ok(())
}

/// Says which block of a recipe is not there, is too short, or may not be read by the mailbox.
pub(crate) fn missing(index: &Index, mailbox: MailboxKey, recipe: &RecipeRecord) -> Result<Option<String>, Error> {
    let mut blocks = BTreeMap::<FrameKey, u64>::new();
    for chunk in recipe.chunks() {
        let end = u64::from(chunk.offset) + u64::from(chunk.len);
        blocks.entry(ChunkRef::frame(chunk)).and_modify(|most| *most = end.max(*most)).or_insert(end);
    }
    let frames: Vec<Vec<u8>> = blocks.keys().map(|block| Key::frame(*block).0).collect();
    let grants: Vec<Vec<u8>> = blocks.keys().map(|block| grant_key(mailbox, *block).0).collect();
    let found = index.get_many(Table::Frames, &frames)?.into_iter().zip(index.get_many(Table::Grants, &grants)?);
    for ((block, end), (frame, grant)) in blocks.iter().zip(found) {
        let Some(frame) = frame else { return Ok(Some(format!("block {block} is not in the archive"))) };
        let frame: FrameRow = decode(Table::Frames, &frame)?;
        if !frame.is_block() || *end > u64::from(frame.raw) {
            return Ok(Some(format!("block {block} is shorter than what should be in it")));
        }
        if grant.is_none() && frame.keygen != 0 {
            return Ok(Some(format!("the capability to block {block} is lost")));
        }
    }
    Ok(None)
}

/// Reads a content to its end.
pub(crate) fn identify(file: &ContentFile, buffer: &mut [u8]) -> Result<ContentId, Error> {
    let (mut hasher, mut offset) = (blake3::Hasher::new(), 0);
    while offset < file.len() {
        let n = file.read_at(offset, buffer)?;
        if n == 0 {
            break;
        }
        hasher.update(&buffer[..n]);
        offset += n as u64;
    }
    Ok(ContentId(*hasher.finalize().as_bytes()))
}
