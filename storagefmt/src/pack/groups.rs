//! Bytes that wait for more of the same mailbox, to be compressed together.
//!
//! Each mailbox has its own, so that what is erased with a mailbox lies apart from what stays. The number
//! of the frame is given out when the first bytes come, so that they can be referred to at once.

use lru::LruCache;

/// Open groups of frames, one for each mailbox.
pub(super) struct Groups<T> {
    open: LruCache<u32, Group<T>>,
    bytes: usize,
    group_bytes_max: usize,
    bytes_max: usize,
}

/// The bytes of one frame, and the parts that they consist of.
pub(super) struct Group<T> {
    pub(super) mailbox: u32,
    pub(super) n: u32,
    pub(super) raw: Vec<u8>,
    pub(super) parts: Vec<T>,
}

/// Where a part was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Put {
    pub(super) n: u32,
    /// Where it begins in the frame's bytes.
    pub(super) offset: usize,
    /// Its number among the frame's parts.
    pub(super) index: usize,
}

impl<T> Groups<T> {
    /// Returns groups of `group_bytes_max` each, and `bytes_max` together; larger parts have a group of their own.
    pub(super) fn new(group_bytes_max: usize, bytes_max: usize) -> Self {
        Self { open: LruCache::unbounded(), bytes: 0, group_bytes_max, bytes_max }
    }

    /// Returns how many bytes are waiting.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds a part to the mailbox's group. Returns its place, and the groups that are full now.
    pub(super) fn add(&mut self, mailbox: u32, part: T, bytes: &[u8], number: impl FnOnce() -> u32) -> (Put, Vec<Group<T>>) {
        let mut full = Vec::new();
        if self.open.get(&mailbox).is_some_and(|group| group.raw.len() + bytes.len() > self.group_bytes_max) {
            full.extend(self.open.pop(&mailbox));
        }
        let group = self.open.get_or_insert_mut(mailbox, || Group { mailbox, n: number(), raw: Vec::new(), parts: Vec::new() });
        let put = Put { n: group.n, offset: group.raw.len(), index: group.parts.len() };
        group.raw.extend_from_slice(bytes);
        group.parts.push(part);
        self.bytes += bytes.len();
        self.bytes -= full.iter().map(|group: &Group<T>| group.raw.len()).sum::<usize>();
        // The mailbox that was not heard of for the longest time has probably been read to its end.
        while self.bytes > self.bytes_max
            && let Some((_, group)) = self.open.pop_lru()
        {
            self.bytes -= group.raw.len();
            full.push(group);
        }
        (put, full)
    }

    /// Closes the group of one mailbox.
    pub(super) fn close(&mut self, mailbox: u32) -> Option<Group<T>> {
        let group = self.open.pop(&mailbox)?;
        self.bytes -= group.raw.len();
        Some(group)
    }

    /// Closes all groups, in the order of their numbers.
    pub(super) fn close_all(&mut self) -> Vec<Group<T>> {
        self.bytes = 0;
        let mut groups = Vec::with_capacity(self.open.len());
        while let Some((_, group)) = self.open.pop_lru() {
            groups.push(group);
        }
        groups.sort_unstable_by_key(|group| group.n);
        groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_group_is_full_before_it_is_too_long() {
        let (mut groups, mut n) = (Groups::new(10, 100), 0..);
        let mut add = |mailbox, bytes: &[u8]| groups.add(mailbox, (), bytes, || n.next().unwrap());
        assert_eq!(add(1, b"12345").0, Put { n: 0, offset: 0, index: 0 });
        assert_eq!(add(2, b"x").0, Put { n: 1, offset: 0, index: 0 });
        assert_eq!(add(1, b"67890").0, Put { n: 0, offset: 5, index: 1 });
        let (put, full) = add(1, b"a");
        assert_eq!((put, full.len(), full[0].raw.as_slice()), (Put { n: 2, offset: 0, index: 0 }, 1, b"1234567890".as_slice()));
    }

    proptest! {
        #[test]
        fn no_byte_is_lost_and_memory_is_bounded(parts in proptest::collection::vec((0u32..9, 0usize..30), 0..80)) {
            let (mut groups, mut n, mut closed, mut expected) = (Groups::new(20, 60), 0.., Vec::new(), std::collections::BTreeMap::<u32, Vec<u8>>::new());
            for (place, (mailbox, len)) in parts.into_iter().enumerate() {
                let bytes = vec![u8::try_from(place).unwrap(); len];
                expected.entry(mailbox).or_default().extend(&bytes);
                closed.extend(groups.add(mailbox, (), &bytes, || n.next().unwrap()).1);
                prop_assert!(groups.bytes() <= 60);
                prop_assert_eq!(groups.bytes(), groups.open.iter().map(|(_, group)| group.raw.len()).sum::<usize>());
            }
            closed.extend(groups.close_all());
            closed.sort_by_key(|group| group.n);
            let mut found = std::collections::BTreeMap::<u32, Vec<u8>>::new();
            for group in closed {
                prop_assert!(group.raw.len() <= 20 || group.parts.len() == 1);
                found.entry(group.mailbox).or_default().extend(group.raw);
            }
            prop_assert_eq!(found, expected);
        }
    }
}
