//! Which contents are wanted: those of all versions that are not freed.
//!
//! 8 bytes and a bit for each content: 17 MB for two million. What is kept of a content's name is short, so one in
//! 2^64 divided by their number may be taken for wanted that is not; never the other way round.

use crate::{ContentId, MailboxKey};

/// Contents of mailboxes; complete when it is [sealed](Contents::seal).
#[derive(Default)]
pub(super) struct Contents {
    hashes: Vec<u64>,
    /// Whether the recipe was found, one bit for each.
    found: Vec<u64>,
}

impl Contents {
    /// Adds a content that is wanted.
    pub(super) fn push(&mut self, mailbox: MailboxKey, id: &[u8; 32]) {
        self.hashes.push(hash(mailbox, id));
        // Doubles are many: new metadata, the same content. They go before the memory grows.
        if self.hashes.len() == self.hashes.capacity() {
            self.sort();
        }
    }

    /// Ends the adding.
    pub(super) fn seal(&mut self) {
        self.sort();
        self.hashes.shrink_to_fit();
        self.found = vec![0; self.hashes.len().div_ceil(64)];
    }

    /// Returns whether a content is wanted.
    pub(super) fn contains(&self, mailbox: MailboxKey, id: &ContentId) -> bool {
        self.find(mailbox, id).is_some()
    }

    /// Notes that the recipe of a content was found.
    pub(super) fn found(&mut self, mailbox: MailboxKey, id: &ContentId) {
        if let Some(at) = self.find(mailbox, id) {
            self.found[at / 64] |= 1 << (at % 64);
        }
    }

    /// Returns whether the recipe of a content was found; `true` for those that are not wanted.
    pub(super) fn was_found(&self, mailbox: MailboxKey, id: &ContentId) -> bool {
        self.find(mailbox, id).is_none_or(|at| self.found[at / 64] >> (at % 64) & 1 == 1)
    }

    /// Returns whether all recipes were found.
    pub(super) fn all_found(&self) -> bool {
        self.found.iter().map(|word| u64::from(word.count_ones())).sum::<u64>() == self.hashes.len() as u64
    }

    fn sort(&mut self) {
        self.hashes.sort_unstable();
        self.hashes.dedup();
    }

    fn find(&self, mailbox: MailboxKey, id: &ContentId) -> Option<usize> {
        self.hashes.binary_search(&hash(mailbox, &id.0)).ok()
    }
}

/// The first bytes of a content's id, which are as good as random, mixed with the mailbox.
fn hash(mailbox: MailboxKey, id: &[u8; 32]) -> u64 {
    let mut first = [0; 8];
    first.copy_from_slice(&id[..8]);
    u64::from_le_bytes(first) ^ u64::from(mailbox.0).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
