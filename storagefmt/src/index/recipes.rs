//! All recipes, in the order in which they were written: that in which their contents lie.
//!
//! They are read from the index's copies of frames of records; those of neighbours are decoded together. Those of a
//! mailbox whose key was destroyed say nothing any more.

use super::{Index, decode, successor};
use crate::format::recipe::RecipeRecord;
use crate::format::record::Record;
use crate::format::row::{KeyTake, Table};
use crate::pack::frame::{decode_frame, split_frame};
use crate::pack::records::decode_records;
use crate::seal::SealError;
use crate::{ContentId, Error, FrameKey, MailboxKey, Place};

/// Frames of records read at once: two megabytes at most.
const PAGE_FRAMES: usize = 32;

/// A walk over all recipes.
#[derive(Clone, Default)]
pub(crate) struct RecipeWalk {
    start: Vec<u8>,
}

/// A recipe and where it was found.
pub(crate) struct FoundRecipe {
    pub(crate) mailbox: MailboxKey,
    pub(crate) place: Place,
    pub(crate) recipe: RecipeRecord,
    /// Where the recipe is that holds for the content: a later one may have taken the place of this.
    pub(crate) held: Option<Place>,
}

impl FoundRecipe {
    /// Returns whether no later recipe took its place.
    pub(crate) fn holds(&self) -> bool {
        self.held == Some(self.place)
    }

    /// Returns what it is the recipe of.
    pub(crate) fn content(&self) -> ContentId {
        ContentId(self.recipe.id)
    }
}

impl RecipeWalk {
    /// Returns the next recipes; `None` at the end. Of a frame that cannot be read, `unreadable` says what to do: to go on, or why not.
    pub(crate) fn page(&mut self, index: &Index, unreadable: impl Fn(FrameKey, Error) -> Result<(), Error>) -> Result<Option<Vec<FoundRecipe>>, Error> {
        let frames = index.scan(Table::Records, b"", &self.start, PAGE_FRAMES)?;
        let Some((last, _)) = frames.last() else { return Ok(None) };
        let next = successor(last);
        let mut page = Vec::new();
        for (key, value) in frames {
            let frame = KeyTake::new(&key).frame().ok_or(Error::IndexRow { table: Table::Records.name() })?;
            match recipes(index, frame, value) {
                Ok(found) => page.extend(found),
                Err(err @ (Error::FrameDamaged { .. } | Error::Seal { .. })) => unreadable(frame, err)?,
                Err(err) => return Err(err),
            }
        }
        self.start = next;
        Ok(Some(page))
    }
}

fn recipes(index: &Index, frame: FrameKey, value: Vec<u8>) -> Result<Vec<FoundRecipe>, Error> {
    let damaged = |reason| Error::FrameDamaged { frame, reason };
    let (header, stored) = split_frame(value).map_err(damaged)?;
    if header.mailbox == 0 {
        return Ok(Vec::new());
    }
    let raw = match decode_frame(&header, stored, index.keys(), None, None) {
        Err(Error::Seal { err: SealError::KeyDestroyed { .. } }) => return Ok(Vec::new()),
        other => other?,
    };
    let mailbox = MailboxKey(header.mailbox);
    let mut found = Vec::new();
    for (index, record) in (0..).zip(decode_records(&raw).map_err(damaged)?) {
        if let Some(Record::Recipe(recipe)) = record {
            found.push(FoundRecipe { mailbox, place: Place { frame, index }, recipe, held: None });
        }
    }
    let keys: Vec<Vec<u8>> = found.iter().map(|found| index.content_key(mailbox, &found.content()).0).collect();
    for (found, row) in found.iter_mut().zip(index.get_many(Table::Recipes, &keys)?) {
        found.held = row.map(|row| decode(Table::Recipes, &row)).transpose()?;
    }
    Ok(found)
}
