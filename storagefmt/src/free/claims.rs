//! What is referred to anew while freeing is under way: it is wanted, whatever was found before.

use crate::format::recipe::ChunkRef;
use crate::format::record::Record;
use crate::{ContentId, FrameKey, MailboxKey};
use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Filled by the writer with every record that it adds, emptied by the steps of freeing.
#[derive(Default)]
pub(crate) struct Claims(Mutex<Claimed>);

/// Blocks and contents that batches refer to since freeing looked last. Those of batches that were abandoned stay in it.
#[derive(Default)]
pub(super) struct Claimed {
    pub(super) blocks: HashSet<FrameKey>,
    pub(super) contents: HashSet<(MailboxKey, ContentId)>,
    /// Marked versions are shown again, so they are listed elsewhere.
    pub(super) moved: bool,
}

impl Claims {
    /// Notes what a record refers to.
    pub(crate) fn note(&self, mailbox: MailboxKey, record: &Record) {
        match record {
            Record::Recipe(recipe) => self.claimed().blocks.extend(recipe.chunks().map(ChunkRef::frame)),
            Record::Item(item) => {
                let contents = [item.shown, item.export].into_iter().flatten();
                self.claimed().contents.extend(contents.map(|content| (mailbox, content.content())));
            }
            Record::VersionBack(_) => self.claimed().moved = true,
            _ => {}
        }
    }

    /// Returns what was noted, and forgets it.
    pub(super) fn take(&self) -> Claimed {
        std::mem::take(&mut self.claimed())
    }

    fn claimed(&self) -> MutexGuard<'_, Claimed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
