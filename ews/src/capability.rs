//! What this server has proved able or unable to do, remembered for the life of the process.
//!
//! An ability starts unknown. Its first success proves it, and nothing takes that back, so that one poisoned
//! item cannot cost the others their fidelity. Its first refusal as unsupported makes it lacking; then it is not asked for again.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What a server may lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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
    /// `SyncFolderItems` with read states.
    ReadsInSync,
    /// `SyncFolderItems` with what says how old items are.
    FactsInSync,
    /// `FindItem` with read states.
    ReadsInFind,
    /// `FindItem` with what says how old items are.
    FactsInFind,
    /// `SyncFolderItems` with associated items.
    AssociatedInSync,
    /// `FindItem` of associated items.
    AssociatedInFind,
    /// `FindFolder` with several roots, also those of archives and recoverable items.
    ManyRoots,
    /// `Subscribe` and `GetStreamingEvents`.
    Notifications,
    /// `ExportItems` of public folders, which the documents do not promise.
    ExportPublic,
}

/// What is known about one server.
#[derive(Debug, Default)]
pub(crate) struct Capabilities {
    /// Whether the server has an ability; those of which nothing is known are not in it.
    known: Mutex<BTreeMap<Ability, bool>>,
}

impl Capabilities {
    /// Returns whether it is known that the server cannot do this.
    pub(crate) fn lacks(&self, ability: Ability) -> bool {
        self.lock().get(&ability) == Some(&false)
    }

    /// Returns whether the server has done this.
    pub(crate) fn is_proved(&self, ability: Ability) -> bool {
        self.lock().get(&ability) == Some(&true)
    }

    /// Notes that the server did this.
    pub(crate) fn prove(&self, ability: Ability) {
        self.lock().insert(ability, true);
    }

    /// Notes that the server cannot do this, unless it has done it before.
    pub(crate) fn miss(&self, ability: Ability) {
        if let Entry::Vacant(place) = self.lock().entry(ability) {
            place.insert(false);
            tracing::warn!(?ability, "server lacks an ability, going on without it");
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Ability, bool>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
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
