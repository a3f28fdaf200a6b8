//! Which packs there are, and which of them count.
//!
//! Packs partition the commits. A pack that was rewritten lies within the range of one of higher generation, and is
//! garbage: both may be there when a rewriting was interrupted before it deleted what it replaced.

use crate::format::pack::{PackName, parse_name};
use crate::store::{Store, StoreEntry};
use crate::{CommitSeq, Error};
use std::collections::BTreeMap;

/// The packs of a storage.
#[derive(Debug, Default)]
pub(crate) struct PackList {
    /// Those that count, by their first commits; their ranges are disjoint.
    pub(crate) live: BTreeMap<CommitSeq, Found>,
    /// Those that a live one replaces.
    pub(crate) replaced: Vec<Found>,
}

/// A pack file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// What its name says.
    pub(crate) name: PackName,
    /// Its file.
    pub(crate) file: StoreEntry,
}

impl PackList {
    /// Lists the packs of a store.
    ///
    /// # Errors
    /// When they cannot be listed, or two claim one commit.
    pub(crate) fn read(store: &dyn Store) -> Result<Self, Error> {
        let mut found = Vec::new();
        for file in store.list("packs/").map_err(Error::file("list", "packs"))? {
            match parse_name(&file.name) {
                Some(name) => found.push(Found { name, file }),
                None => tracing::warn!(file = %file.name, "a file among the packs is not ours"),
            }
        }
        Self::of(found)
    }

    /// Tells the packs that count from those that are replaced.
    fn of(mut found: Vec<Found>) -> Result<Self, Error> {
        // The wider first: what lies within another comes after it.
        found.sort_by_key(|pack| (pack.name.first, std::cmp::Reverse(pack.name.last), std::cmp::Reverse(pack.name.generation)));
        let mut list = Self::default();
        for pack in found {
            match list.live.last_entry() {
                Some(other) if other.get().name.last >= pack.name.first => {
                    if !other.get().replaces(&pack) {
                        let seq = pack.name.first;
                        return Err(Error::PackTwice { seq, one: other.get().file.name.clone(), other: pack.file.name });
                    }
                    list.replaced.push(pack);
                }
                _ => drop(list.live.insert(pack.name.first, pack)),
            }
        }
        Ok(list)
    }

    /// Returns the commits before the last that no pack has, as ranges.
    pub(crate) fn gaps(&self) -> Vec<(CommitSeq, CommitSeq)> {
        let mut expected = 1;
        let mut gaps = Vec::new();
        for pack in self.live.values() {
            if pack.name.first.0 > expected {
                gaps.push((CommitSeq(expected), CommitSeq(pack.name.first.0 - 1)));
            }
            expected = pack.name.last.0 + 1;
        }
        gaps
    }

    /// Returns the live pack that has a commit.
    pub(crate) fn of_commit(&self, seq: CommitSeq) -> Option<&Found> {
        self.live.range(..=seq).next_back().map(|(_, pack)| pack).filter(|pack| seq <= pack.name.last)
    }
}

impl Found {
    /// Returns whether this pack was written in place of another.
    pub(crate) fn replaces(&self, other: &Self) -> bool {
        self.name.generation > other.name.generation && self.name.first <= other.name.first && other.name.last <= self.name.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(packs: &[(u64, u64, u32)]) -> Result<(Vec<u64>, usize), Error> {
        let found = packs.iter().map(|(first, last, generation)| {
            let name = PackName { first: CommitSeq(*first), last: CommitSeq(*last), generation: *generation, check: [0; 4] };
            Found { name, file: StoreEntry { name: format!("{first}-{last}-{generation}"), bytes: 0 } }
        });
        PackList::of(found.collect()).map(|list| (list.live.keys().map(|first| first.0).collect(), list.replaced.len()))
    }

    #[test]
    fn a_pack_within_one_of_higher_generation_is_replaced() {
        assert_eq!(list(&[(1, 1, 0), (2, 2, 0), (3, 3, 0)]).unwrap(), (vec![1, 2, 3], 0));
        assert_eq!(list(&[(1, 1, 0), (2, 2, 0), (1, 2, 1), (3, 3, 0)]).unwrap(), (vec![1, 3], 2));
        assert_eq!(list(&[(1, 1, 0), (1, 1, 1), (1, 1, 2)]).unwrap(), (vec![1], 2));
        assert_eq!(list(&[(2, 3, 1), (1, 4, 2), (2, 2, 0)]).unwrap(), (vec![1], 2));
    }

    #[test]
    fn packs_that_only_overlap_are_refused() {
        for packs in [&[(1, 2, 1), (2, 3, 1)][..], &[(1, 2, 1), (2, 3, 2)], &[(1, 1, 0), (1, 1, 0)], &[(1, 5, 1), (2, 3, 2)]] {
            assert!(matches!(list(packs), Err(Error::PackTwice { .. })), "{packs:?}");
        }
    }
}
