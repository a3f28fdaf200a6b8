//! Which packs are made anew: those of which enough is dead, and small neighbours that become one.

use std::ops::Range;

/// A pack of which at least one part in so many is dead is made anew.
const DEAD_PART: u64 = 5;
/// A pack below this is joined with small neighbours.
const SMALL_BYTES: u64 = 4 << 20;
/// A pack that is joined has at most about so many bytes, so that the ballast is room enough for it.
const JOINED_BYTES_MAX: u64 = 32 << 20;
/// Packs joined at once: each is opened, which takes its time.
const JOINED_MAX: usize = 512;

/// A pack, and what of it is dead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PackUse {
    /// Its length in bytes.
    pub(super) bytes: u64,
    /// Bytes of blocks and frames of which nothing is wanted.
    pub(super) dead: u64,
    /// Whether it is made anew however little of it is dead.
    pub(super) must: bool,
}

impl PackUse {
    /// Bytes that stay.
    pub(super) fn live(&self) -> u64 {
        self.bytes.saturating_sub(self.dead)
    }
}

/// Returns which of these neighbours become one new pack each, oldest first.
pub(super) fn choose(packs: &[PackUse]) -> Vec<Range<usize>> {
    let (mut chosen, mut at) = (Vec::new(), 0);
    while at < packs.len() {
        let (mut end, mut bytes) = (at, 0);
        while let Some(pack) = packs.get(end).filter(|pack| pack.live() < SMALL_BYTES && bytes + pack.live() <= JOINED_BYTES_MAX && end - at < JOINED_MAX) {
            bytes += pack.live();
            end += 1;
        }
        end = end.max(at + 1);
        let alone = packs[at];
        if end - at > 1 || alone.must || alone.dead > 0 && alone.dead * DEAD_PART >= alone.bytes {
            chosen.push(at..end);
        }
        at = end;
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pack(bytes: u64, dead: u64) -> PackUse {
        PackUse { bytes: bytes << 20, dead: dead << 20, must: false }
    }

    #[test]
    fn what_is_dead_enough_or_small_is_chosen() {
        assert_eq!(choose(&[pack(50, 0), pack(50, 9), pack(50, 10), pack(50, 50)]), [2..3, 3..4]);
        assert_eq!(choose(&[pack(1, 0), pack(50, 0), pack(1, 0), pack(2, 0), pack(10, 7)]), vec![2..5]);
        assert_eq!(choose(&[pack(1, 0)]), []);
        assert_eq!(choose(&[PackUse { must: true, ..pack(50, 0) }]), vec![0..1]);
        assert_eq!(choose(&[pack(3, 0); 25]), [0..10, 10..20, 20..25]);
    }

    proptest! {
        #[test]
        fn choosing_comes_to_an_end(packs in proptest::collection::vec((1u64..60, 0u64..60), 0..60)) {
            let mut packs: Vec<PackUse> = packs.into_iter().map(|(bytes, dead)| pack(bytes, dead.min(bytes))).collect();
            // Making packs anew leaves nothing dead; what is left to join becomes less each time.
            for _ in 0..8 {
                let chosen = choose(&packs);
                prop_assert!(chosen.is_sorted_by_key(|range| range.start) && chosen.windows(2).all(|pair| pair[0].end <= pair[1].start));
                for range in chosen.into_iter().rev() {
                    let bytes = packs[range.clone()].iter().map(PackUse::live).sum();
                    prop_assert!(range.len() == 1 || bytes <= JOINED_BYTES_MAX);
                    packs.splice(range, [PackUse { bytes, dead: 0, must: false }]);
                }
            }
            prop_assert_eq!(choose(&packs), []);
        }
    }
}
