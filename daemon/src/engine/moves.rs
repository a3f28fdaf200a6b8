//! Items that moved between folders: what left, and what arrived and may be the same.
//!
//! On Exchange an item that moves gets another id: one folder reports a deletion, another a new item, in any order. So new items
//! wait until everything is listed, or until too many wait. Then those that may be one of those that left are looked at,
//! and who is recognised is not fetched. What the job leaves out does not wait so long: it is looked at again at the end.
//! Nothing is recognised in an item that did not leave: a copy is not a move.

use super::fetch::Wanted;
use super::identity::{fixed, is_moved};
use c2b_mailbox::{Fidelity, ItemId, ItemMeta, Sight};
use c2b_storagefmt::{ContentId, ItemKey, ItemRow};
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

/// New items that may wait, at some hundred bytes each.
const WAITING_MAX: usize = 16 * 1024;

/// Items that left and can be recognised, at most; at some hundred bytes each.
pub(crate) const LEFT_MAX: usize = 100_000;

/// What left and what arrived.
#[derive(Debug, Default)]
pub(crate) struct Moves {
    left: HashMap<(u64, u64), Vec<Left>>,
    items: HashSet<ItemKey>,
    sizes: HashSet<u64>,
    waiting: Vec<Wanted>,
    passed: HashMap<ItemId, Wanted>,
    keys: (RandomState, RandomState),
    /// Whether those are known that left in earlier cycles.
    pub(crate) is_complete: bool,
    /// Whether more may be listed that leaves.
    pub(crate) may_grow: bool,
}

/// An item that left.
#[derive(Debug)]
struct Left {
    item: ItemKey,
    contents: (Option<ContentId>, Option<ContentId>),
    modified: Option<chrono::DateTime<chrono::Utc>>,
}

impl Moves {
    /// Notes that an item left, as it was last.
    pub(crate) fn leave(&mut self, row: &ItemRow) {
        let is_whole = row.fidelity != Fidelity::Partial && (row.shown.is_some() || row.export.is_some());
        let Some(size) = row.meta.size.filter(|_| is_whole && row.meta.search_key.is_some() && self.items.len() < LEFT_MAX) else { return };
        if self.items.insert(row.key) {
            self.sizes.insert(size);
            let left = Left { item: row.key, contents: (row.shown, row.export), modified: row.meta.modified };
            self.left.entry(self.hash(&row.meta)).or_default().push(left);
        }
    }

    /// Keeps a new item until it is known what left.
    pub(crate) fn wait(&mut self, wanted: Wanted) {
        self.waiting.push(wanted);
    }

    /// Returns whether new items wait.
    pub(crate) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Returns whether so many wait that no more should.
    pub(crate) fn is_full(&self) -> bool {
        self.waiting.len() >= WAITING_MAX
    }

    /// Lets go of the new items: those that must be looked at, and those that are no item that left.
    pub(crate) fn release(&mut self) -> (Vec<Wanted>, Vec<Wanted>) {
        std::mem::take(&mut self.waiting).into_iter().partition(|wanted| self.may_have_left(wanted))
    }

    /// Remembers a new item that was left out, if more may leave; at most as many as may have left.
    pub(crate) fn pass(&mut self, wanted: &Wanted) {
        if self.may_grow && self.passed.len() < LEFT_MAX {
            self.passed.insert(wanted.id.clone(), wanted.clone());
        }
    }

    /// Forgets that an item was left out, since it is told of again.
    pub(crate) fn unpass(&mut self, id: &ItemId) {
        self.passed.remove(id);
    }

    /// Returns those that were left out and may be one that left by now, once.
    pub(crate) fn take_passed(&mut self) -> Vec<Wanted> {
        let mut passed: Vec<Wanted> = std::mem::take(&mut self.passed).into_values().filter(|wanted| self.may_have_left(wanted)).collect();
        passed.sort_by_key(|wanted| wanted.page);
        passed
    }

    fn may_have_left(&self, wanted: &Wanted) -> bool {
        !self.left.is_empty() && wanted.size.is_none_or(|size| self.sizes.contains(&size))
    }

    /// Returns the item that left and arrived as `sight`; it is not one of those any more that left.
    pub(crate) fn take(&mut self, sight: &Sight) -> Option<ItemKey> {
        let hash = self.hash(&sight.meta);
        let left = self.left.get_mut(&hash)?;
        let is_it = |one: &Left| is_moved(&ItemMeta { modified: one.modified, ..sight.meta.clone() }, sight);
        // Among several whose contents differ nobody can tell.
        let contents = left.first().map(|one| one.contents)?;
        if left.iter().any(|one| one.contents != contents) {
            return None;
        }
        let place = left.iter().position(is_it)?;
        Some(left.swap_remove(place).item)
    }

    /// Hashes what a move leaves alone. Two hashes by keys that nobody knows stand for the texts themselves.
    fn hash(&self, meta: &ItemMeta) -> (u64, u64) {
        let said = (fixed(meta), meta.size);
        (self.keys.0.hash_one(&said), self.keys.1.hash_one(&said))
    }
}
