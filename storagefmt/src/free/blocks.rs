//! Which blocks are wanted, and about how much of each.
//!
//! 16 bytes for each block: 160 MB for ten million blocks, and groups hold some hundred chunks each.

use crate::FrameKey;

/// Bits of a block's number within its commit; commits are counted by the rest. A block beyond is always wanted.
const N_BITS: u32 = 24;
/// A block is looked at in parts of this many bytes: 64 of them are a full group.
const PART_BYTES: u32 = 8 << 10;
/// The last part, which also stands for everything behind it.
const PART_LAST: u32 = u64::BITS - 1;

/// The blocks that there were when freeing began. Any other is wanted.
#[derive(Default)]
pub(super) struct Blocks {
    /// Commit and number of each block, ascending.
    keys: Vec<u64>,
    /// The parts of each block that contents refer to, one bit each.
    parts: Vec<u64>,
}

impl Blocks {
    /// Adds a block; they must come in the order of their names.
    pub(super) fn push(&mut self, block: FrameKey) {
        if let Some(key) = pack(block).filter(|key| self.keys.last().is_none_or(|last| last < key)) {
            self.keys.push(key);
            self.parts.push(0);
        }
    }

    /// Notes that a stretch of a block is wanted.
    pub(super) fn want(&mut self, block: FrameKey, offset: u32, len: u32) {
        if let Some(at) = self.find(block) {
            let (first, last) = (offset / PART_BYTES, offset.saturating_add(len.saturating_sub(1)) / PART_BYTES);
            let (first, last) = (first.min(PART_LAST), last.min(PART_LAST));
            self.parts[at] |= u64::MAX >> (PART_LAST - last) & u64::MAX << first;
        }
    }

    /// Notes that all of a block is wanted.
    pub(super) fn want_all(&mut self, block: FrameKey) {
        if let Some(at) = self.find(block) {
            self.parts[at] = u64::MAX;
        }
    }

    /// Returns whether anything of a block is wanted.
    pub(super) fn is_wanted(&self, block: FrameKey) -> bool {
        self.find(block).is_none_or(|at| self.parts[at] != 0)
    }

    fn find(&self, block: FrameKey) -> Option<usize> {
        self.keys.binary_search(&pack(block)?).ok()
    }
}

fn pack(block: FrameKey) -> Option<u64> {
    (block.n >> N_BITS == 0 && block.seq.0 >> (u64::BITS - N_BITS) == 0).then_some(block.seq.0 << N_BITS | u64::from(block.n))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CommitSeq;

    #[test]
    fn what_is_not_known_is_wanted() {
        let block = |seq, n| FrameKey::new(CommitSeq(seq), n);
        let mut blocks = Blocks::default();
        [block(1, 0), block(1, 2), block(7, 1)].into_iter().for_each(|block| blocks.push(block));
        assert!(!blocks.is_wanted(block(1, 2)));
        assert!(blocks.is_wanted(block(1, 1)) && blocks.is_wanted(block(8, 0)) && blocks.is_wanted(block(1, 1 << 24)) && blocks.is_wanted(block(1 << 40, 0)));
        blocks.want(block(1, 2), 600 << 10, 5);
        blocks.want_all(block(7, 1));
        blocks.want(block(9, 9), 0, 1);
        assert!(blocks.is_wanted(block(1, 2)) && blocks.is_wanted(block(7, 1)) && !blocks.is_wanted(block(1, 0)));
        blocks.want(block(1, 0), 0, 0);
        assert!(blocks.is_wanted(block(1, 0)), "an empty stretch needs its block all the same");
    }
}
