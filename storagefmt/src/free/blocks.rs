//! Which blocks are wanted, and how much of each.
//!
//! 16 bytes for each block, and a bit for each 256 bytes of those that compress: for ten million blocks and 100 GB of
//! text, 160 MB and 50 MB.

use crate::FrameKey;

/// Bits of a block's number within its commit; commits are counted by the rest. A block beyond is always wanted.
const N_BITS: u32 = 24;
/// A block that holds many chunks is looked at in parts of so many bytes. One that does not compress is one part: it holds one chunk.
const PART_BYTES: u32 = 256;

/// The blocks that there were when freeing began. Any other is wanted.
#[derive(Default)]
pub(super) struct Blocks {
    /// Commit and number of each block, ascending.
    keys: Vec<u64>,
    /// The first part of each block, and of none behind the last.
    starts: Vec<u64>,
    /// Parts that contents refer to.
    parts: Vec<u64>,
    /// How many parts there are.
    count: u64,
}

impl Blocks {
    /// Adds a block with its lengths; they must come in the order of their names.
    pub(super) fn push(&mut self, block: FrameKey, raw: u32, stored: u32) {
        let Some(key) = pack(block).filter(|key| self.keys.last().is_none_or(|last| last < key)) else { return };
        self.keys.push(key);
        self.starts.push(self.count);
        self.count += if stored < raw { u64::from(raw.div_ceil(PART_BYTES).max(1)) } else { 1 };
        self.parts.resize(usize::try_from(self.count.div_ceil(64)).unwrap_or(usize::MAX), 0);
    }

    /// Notes that a stretch of a block is wanted.
    pub(super) fn want(&mut self, block: FrameKey, offset: u32, len: u32) {
        let Some(range) = self.find(block) else { return };
        let last = range.end - 1;
        let first = (range.start + u64::from(offset / PART_BYTES)).min(last);
        let until = (range.start + u64::from(offset.saturating_add(len.saturating_sub(1)) / PART_BYTES)).min(last);
        self.set(first..until + 1);
    }

    /// Notes that all of a block is wanted.
    pub(super) fn want_all(&mut self, block: FrameKey) {
        if let Some(range) = self.find(block) {
            self.set(range);
        }
    }

    /// Notes that nothing of a block is wanted any more.
    pub(super) fn forget(&mut self, block: FrameKey) {
        for part in self.find(block).into_iter().flatten() {
            let (word, bit) = place(part);
            self.parts[word] &= !bit;
        }
    }

    /// Returns whether anything of a block is wanted.
    pub(super) fn is_wanted(&self, block: FrameKey) -> bool {
        self.find(block).is_none_or(|mut range| range.any(|part| self.is_set(part)))
    }

    /// Returns how many bytes of a block of many parts are wanted, about; `None` for any other.
    pub(super) fn wanted_bytes(&self, block: FrameKey) -> Option<u64> {
        let range = self.find(block).filter(|range| range.end - range.start > 1)?;
        Some(range.filter(|part| self.is_set(*part)).count() as u64 * u64::from(PART_BYTES))
    }

    fn set(&mut self, parts: std::ops::Range<u64>) {
        for part in parts {
            let (word, bit) = place(part);
            self.parts[word] |= bit;
        }
    }

    fn is_set(&self, part: u64) -> bool {
        let (word, bit) = place(part);
        self.parts[word] & bit != 0
    }

    /// Returns the parts of a block.
    fn find(&self, block: FrameKey) -> Option<std::ops::Range<u64>> {
        let at = self.keys.binary_search(&pack(block)?).ok()?;
        Some(*self.starts.get(at)?..self.starts.get(at + 1).copied().unwrap_or(self.count))
    }
}

fn pack(block: FrameKey) -> Option<u64> {
    (block.n >> N_BITS == 0 && block.seq.0 >> (u64::BITS - N_BITS) == 0).then_some(block.seq.0 << N_BITS | u64::from(block.n))
}

/// Returns the word and the bit of a part.
fn place(part: u64) -> (usize, u64) {
    (usize::try_from(part / 64).unwrap_or(usize::MAX), 1 << (part % 64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CommitSeq;
    use proptest::prelude::*;

    fn block(seq: u64, n: u32) -> FrameKey {
        FrameKey::new(CommitSeq(seq), n)
    }

    #[test]
    fn what_is_not_known_is_wanted() {
        let mut blocks = Blocks::default();
        [block(1, 0), block(1, 2), block(7, 1)].into_iter().for_each(|block| blocks.push(block, 1000, 500));
        blocks.push(block(7, 2), 100_000, 100_000);
        assert!(!blocks.is_wanted(block(1, 2)));
        assert!(blocks.is_wanted(block(1, 1)) && blocks.is_wanted(block(8, 0)) && blocks.is_wanted(block(1, 1 << 24)) && blocks.is_wanted(block(1 << 40, 0)));
        blocks.want(block(1, 2), 600 << 10, 5);
        blocks.want_all(block(7, 1));
        blocks.want(block(9, 9), 0, 1);
        assert!(blocks.is_wanted(block(1, 2)) && blocks.is_wanted(block(7, 1)) && !blocks.is_wanted(block(1, 0)) && !blocks.is_wanted(block(7, 2)));
        blocks.want(block(1, 0), 0, 0);
        assert!(blocks.is_wanted(block(1, 0)), "an empty stretch needs its block all the same");
        blocks.forget(block(7, 1));
        assert!(!blocks.is_wanted(block(7, 1)));
        assert_eq!((blocks.wanted_bytes(block(1, 0)), blocks.wanted_bytes(block(7, 2))), (Some(256), None));
    }

    proptest! {
        #[test]
        fn wanted_is_what_was_asked_for(lens in proptest::collection::vec((1u32..5000, any::<bool>()), 1..20), wants in proptest::collection::vec((0u32..20, 0u32..5000, 1u32..3000), 0..30)) {
            let mut blocks = Blocks::default();
            for (n, (raw, packed)) in (0..).zip(&lens) {
                blocks.push(block(3, n), *raw, if *packed { raw / 2 } else { *raw });
            }
            for (n, offset, len) in &wants {
                blocks.want(block(3, *n), *offset, *len);
            }
            for (n, (raw, packed)) in (0..).zip(&lens) {
                let of: Vec<_> = wants.iter().filter(|(at, ..)| *at == n).collect();
                prop_assert_eq!(blocks.is_wanted(block(3, n)), !of.is_empty());
                if *packed && *raw > 256 && of.iter().all(|(_, offset, len)| offset + len <= *raw) {
                    let parts: std::collections::BTreeSet<u32> = of.iter().flat_map(|(_, offset, len)| offset / 256..(offset + len - 1) / 256 + 1).collect();
                    prop_assert_eq!(blocks.wanted_bytes(block(3, n)), Some(parts.len() as u64 * 256));
                }
            }
        }
    }
}
