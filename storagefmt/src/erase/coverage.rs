//! Who refers to which stretches of the blocks that an erased mailbox had a part in.

use crate::format::recipe::RecipeRecord;
use crate::{FrameKey, MailboxKey};
use std::collections::{BTreeMap, BTreeSet};

/// Blocks, and the stretches of them that recipes name.
#[derive(Default)]
pub(super) struct Coverage {
    blocks: BTreeMap<FrameKey, Uses>,
}

/// What is known of a block.
struct Uses {
    /// Its length in bytes.
    raw: u32,
    /// Whether everything in it is the erased mailbox's, as far as nobody else refers to it.
    whole: bool,
    /// What the erased mailbox refers to.
    own: Stretches,
    /// What others refer to.
    others: Stretches,
}

/// What has to become of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// All that the erased mailbox had of it, others have, too.
    Stays,
    /// Others have a part of it: that must be stored anew, then it goes.
    Moves,
    /// Nobody else has anything of it.
    Goes,
}

impl Coverage {
    /// Adds a block. All bytes of a `whole` one must go that nobody else refers to; of another, those that the erased mailbox named.
    pub(super) fn block(&mut self, block: FrameKey, raw: u32, whole: bool) {
        let uses = self.blocks.entry(block).or_insert_with(|| Uses { raw, whole, own: Stretches::default(), others: Stretches::default() });
        uses.whole |= whole;
    }

    /// Returns the blocks that were added.
    pub(super) fn blocks(&self) -> BTreeSet<FrameKey> {
        self.blocks.keys().copied().collect()
    }

    /// Notes what a recipe names.
    pub(super) fn recipe(&mut self, mailbox: MailboxKey, erased: MailboxKey, recipe: &RecipeRecord) {
        for chunk in recipe.chunks() {
            if let Some(uses) = self.blocks.get_mut(&chunk.frame()) {
                let stretches = if mailbox == erased { &mut uses.own } else { &mut uses.others };
                stretches.add(chunk.offset, chunk.offset.saturating_add(chunk.len));
            }
        }
    }

    /// Decides about each block.
    pub(super) fn verdicts(&mut self) -> impl Iterator<Item = (FrameKey, Verdict)> {
        self.blocks.iter_mut().map(|(block, uses)| (*block, uses.verdict()))
    }

    /// Returns the blocks that were added for the part that the erased mailbox named.
    pub(super) fn of_others(&self) -> BTreeSet<FrameKey> {
        self.blocks.iter().filter(|(_, uses)| !uses.whole).map(|(block, _)| *block).collect()
    }
}

impl Uses {
    fn verdict(&mut self) -> Verdict {
        if self.whole {
            self.own = Stretches::default();
            self.own.add(0, self.raw);
        }
        self.own.settle();
        self.others.settle();
        if self.own.0.iter().all(|(start, end)| self.others.covers(*start, *end)) {
            Verdict::Stays
        } else if self.others.0.is_empty() {
            Verdict::Goes
        } else {
            Verdict::Moves
        }
    }
}

/// Stretches of bytes, from and to.
#[derive(Default)]
struct Stretches(Vec<(u32, u32)>);

impl Stretches {
    fn add(&mut self, start: u32, end: u32) {
        match self.0.last_mut() {
            Some(last) if last.0 <= start && start <= last.1 => last.1 = last.1.max(end),
            _ if start < end => {
                // Many mailboxes name the same: joined when the memory would grow.
                if self.0.len() == self.0.capacity() {
                    self.settle();
                }
                self.0.push((start, end));
            }
            _ => {}
        }
    }

    /// Sorts and joins.
    fn settle(&mut self) {
        self.0.sort_unstable();
        let mut joined: Vec<(u32, u32)> = Vec::with_capacity(self.0.len());
        for (start, end) in self.0.drain(..) {
            match joined.last_mut() {
                Some(last) if start <= last.1 => last.1 = last.1.max(end),
                _ => joined.push((start, end)),
            }
        }
        self.0 = joined;
        self.0.reserve(self.0.len().max(4));
    }

    /// Returns whether a stretch lies within; only of settled ones.
    fn covers(&self, start: u32, end: u32) -> bool {
        let before = self.0.partition_point(|stretch| stretch.0 <= start);
        before.checked_sub(1).and_then(|at| self.0.get(at)).is_some_and(|stretch| end <= stretch.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CommitSeq;
    use crate::format::recipe::ChunkRef;
    use proptest::prelude::*;

    const ERASED: MailboxKey = MailboxKey(1);

    fn coverage(whole: bool, own: &[(u32, u32)], others: &[(u32, u32)]) -> Verdict {
        let mut coverage = Coverage::default();
        coverage.block(FrameKey::new(CommitSeq(1), 0), 100, whole);
        for (mailbox, stretches) in [(ERASED, own), (MailboxKey(2), others)] {
            let skeleton = stretches.iter().map(|(start, end)| ChunkRef { seq: 1, n: 0, offset: *start, len: end - start }).collect();
            coverage.recipe(mailbox, ERASED, &RecipeRecord { id: [0; 32], len: 0, skeleton, ops: Vec::new(), frames: Vec::new() });
        }
        let verdicts: Vec<_> = coverage.verdicts().map(|(_, verdict)| verdict).collect();
        assert_eq!(verdicts.len(), 1);
        verdicts[0]
    }

    #[test]
    fn a_block_stays_when_others_have_all_that_the_mailbox_had() {
        assert_eq!(coverage(true, &[], &[(0, 100)]), Verdict::Stays);
        assert_eq!(coverage(true, &[], &[(50, 100), (0, 60)]), Verdict::Stays);
        assert_eq!(coverage(true, &[(0, 10)], &[(0, 99)]), Verdict::Moves);
        assert_eq!(coverage(true, &[(0, 10)], &[]), Verdict::Goes);
        assert_eq!(coverage(false, &[(0, 10)], &[(0, 20)]), Verdict::Stays);
        assert_eq!(coverage(false, &[(0, 10), (20, 30)], &[(0, 20), (90, 95)]), Verdict::Moves);
        assert_eq!(coverage(false, &[(0, 10)], &[]), Verdict::Goes);
        assert_eq!(coverage(false, &[], &[]), Verdict::Stays);
    }

    proptest! {
        #[test]
        fn stretches_cover_what_a_list_of_bytes_does(stretches in prop::collection::vec((0u32..100, 0u32..20), 0..60), start in 0u32..100, len in 1u32..30) {
            let (mut covered, mut bytes) = (Stretches::default(), [false; 200]);
            for (start, len) in stretches {
                covered.add(start, start + len);
                bytes[start as usize..(start + len) as usize].fill(true);
            }
            covered.settle();
            let all = bytes[start as usize..(start + len) as usize].iter().all(|byte| *byte);
            prop_assert_eq!(covered.covers(start, start + len), all);
        }
    }
}
