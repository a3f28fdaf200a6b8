//! Erasing a mailbox.
use crate::{FrameKey, MailboxKey};
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// What an erasure under way keeps others from referring to.
pub(crate) struct Barred {
    pub(crate) mailbox: MailboxKey,
    blocks: Mutex<BTreeSet<FrameKey>>,
}

impl Barred {
    pub(crate) fn has(&self, block: FrameKey) -> bool {
        self.blocks.lock().unwrap_or_else(PoisonError::into_inner).contains(&block)
    }
}
