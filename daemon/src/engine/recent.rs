//! What was handed to the writer and may not be in the catalogue yet.
//!
//! The catalogue shows committed state only. Whoever asks what is stored asks here first, so that
//! decisions rest on what will be, not on what was. Entries leave once the catalogue shows them.

use super::writer::Ticket;
use c2b_mailbox::ItemId;
use c2b_storagefmt::{ChangeMark, FolderKey, Known};
use std::collections::HashMap;

/// Entries from which on it pays to look for committed ones.
const PRUNE_FROM: usize = 1024;

/// Where an item is, and in what state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) folder: FolderKey,
    pub(crate) change: Option<ChangeMark>,
}

/// The latest effects on the items of one mailbox.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    entries: HashMap<ItemId, (Ticket, Option<Held>)>,
}

impl Recent {
    /// Notes that an order put the item there, or ended it.
    pub(crate) fn note(&mut self, id: ItemId, ticket: Ticket, held: Option<Held>) {
        self.entries.insert(id, (ticket, held));
    }

    /// Returns the latest effect on the item: where it is, or that it ended; `None` when the catalogue knows.
    pub(crate) fn get(&self, id: &ItemId) -> Option<&Option<Held>> {
        self.entries.get(id).map(|(_, held)| held)
    }

    /// Returns what the archive holds once all orders are carried out; `committed` is what the catalogue says.
    pub(crate) fn resolve(&self, id: &ItemId, committed: Option<Known>) -> Option<Held> {
        match self.get(id) {
            Some(held) => held.clone(),
            None => committed.map(|known| Held { folder: known.folder, change: known.change }),
        }
    }

    /// Forgets what the catalogue shows. To be called before the catalogue is asked, never between asking and resolving.
    pub(crate) fn prune(&mut self, committed: Ticket) {
        if self.entries.len() >= PRUNE_FROM {
            self.entries.retain(|_, (ticket, _)| *ticket > committed);
        }
    }
}

impl Held {
    /// Returns whether this is the reported state, in this folder: then nothing needs to be fetched.
    pub(crate) fn is(&self, folder: FolderKey, change: Option<ChangeMark>) -> bool {
        self.folder == folder && change.is_some() && self.change == change
    }
}
