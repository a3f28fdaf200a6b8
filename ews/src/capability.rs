//! What this server has proved able or unable to do, remembered for the life of the process.
//!
//! An ability starts unknown. Its first success proves it, and nothing takes that back, so that one poisoned
//! item cannot cost the others their fidelity. Its first refusal as unsupported makes it lacking; then it is not asked for again.

use std::sync::atomic::{AtomicU8, Ordering};

/// What a server may lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ability {
    /// `ExportItems`.
    Export,
    /// `SyncFolderItems`.
    SyncItems,
    /// `SyncFolderItems` with pages of 512.
    FullPages,
    /// `SyncFolderHierarchy`.
    SyncFolders,
    /// `GetItem` with a list of properties.
    PropertyList,
    /// Change counters of folders among their properties.
    FolderCounters,
    /// `SyncFolderItems` with the size of each item.
    SizesInSync,
}

const UNKNOWN: u8 = 0;
const PROVED: u8 = 1;
const LACKING: u8 = 2;

/// What is known about one server.
#[derive(Debug, Default)]
pub(crate) struct Capabilities {
    states: [AtomicU8; 7],
}

impl Capabilities {
    /// Returns whether it is known that the server cannot do this.
    pub(crate) fn lacks(&self, ability: Ability) -> bool {
        self.state(ability).load(Ordering::Relaxed) == LACKING
    }

    /// Returns whether the server has done this.
    pub(crate) fn is_proved(&self, ability: Ability) -> bool {
        self.state(ability).load(Ordering::Relaxed) == PROVED
    }

    /// Notes that the server did this.
    pub(crate) fn prove(&self, ability: Ability) {
        self.state(ability).store(PROVED, Ordering::Relaxed);
    }

    /// Notes that the server cannot do this, unless it has done it before.
    pub(crate) fn miss(&self, ability: Ability) {
        if self.state(ability).compare_exchange(UNKNOWN, LACKING, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            tracing::warn!(?ability, "server lacks an ability, going on without it");
        }
    }

    fn state(&self, ability: Ability) -> &AtomicU8 {
        let [export, sync_items, full_pages, sync_folders, property_list, folder_counters, sizes_in_sync] = &self.states;
        match ability {
            Ability::Export => export,
            Ability::SyncItems => sync_items,
            Ability::FullPages => full_pages,
            Ability::SyncFolders => sync_folders,
            Ability::PropertyList => property_list,
            Ability::FolderCounters => folder_counters,
            Ability::SizesInSync => sizes_in_sync,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_proved_is_never_lacking() {
        let known = Capabilities::default();
        known.miss(Ability::SyncItems);
        known.prove(Ability::Export);
        known.miss(Ability::Export);
        assert!(known.lacks(Ability::SyncItems) && !known.lacks(Ability::Export) && !known.lacks(Ability::SyncFolders));
    }
}
