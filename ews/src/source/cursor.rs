//! Where an enumeration stands, as text.
//!
//! * `tree:<what is known of the mailbox>`: the whole folder tree was listed, and is listed again each time. What was
//!   learned when the mailbox was opened goes along, so that it is opened without a request.
//! * `sync:<state>`: the server keeps count; the state is its own.
//! * `list:<offset>:<total>`: the server cannot tell changes; we are inside a plain listing that had `total` entries
//!   when it began. A total that changes under way spoils the listing.
//! * `listed`: a plain listing came to its end. It cannot tell what happens next, hence the next cycle gets
//!   [`Trouble::CursorInvalid`]: the caller asks again with no cursor and compares with its catalogue, which finds
//!   additions, changes and deletions alike.

use super::mailbox::Opening;
use crate::error::Failure;
use c2b_mailbox::{Cursor, Trouble};

/// A cursor, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Before anything.
    Start,
    /// The server's own state.
    Sync(String),
    /// Behind a whole folder tree.
    Tree(Opening),
    /// Inside a plain listing.
    List {
        /// Entries passed.
        offset: u32,
        /// Entries that there were when the listing began.
        total: u32,
    },
}

impl Place {
    /// Reads a cursor.
    pub(super) fn of(cursor: Option<&Cursor>) -> Result<Self, Failure> {
        let Some(text) = cursor.map(Cursor::as_str) else { return Ok(Self::Start) };
        if let Some(state) = text.strip_prefix("sync:") {
            return Ok(Self::Sync(state.to_owned()));
        }
        if let Some(opening) = text.strip_prefix("tree:").and_then(|json| serde_json::from_str(json).ok()) {
            return Ok(Self::Tree(opening));
        }
        let numbers = text.strip_prefix("list:").and_then(|rest| rest.split_once(':'));
        let place = numbers.and_then(|(offset, total)| Some(Self::List { offset: offset.parse().ok()?, total: total.parse().ok()? }));
        place.ok_or_else(|| invalid("the server cannot tell what changed since the last listing"))
    }

    /// Returns the cursor behind a page of a plain listing.
    pub(super) fn after_list(offset: u32, total: u32, last: bool) -> Cursor {
        if last { Cursor::new("listed") } else { Cursor::new(format!("list:{offset}:{total}")) }
    }

    /// Returns the cursor behind a whole folder tree.
    pub(super) fn after_tree(opening: &Opening) -> Cursor {
        // A map of texts always serializes.
        Cursor::new(format!("tree:{}", serde_json::to_string(opening).unwrap_or_default()))
    }

    /// Returns the cursor that holds a server's state.
    pub(super) fn after_sync(state: &str) -> Cursor {
        Cursor::new(format!("sync:{state}"))
    }

    /// Returns the server's state, when the cursor holds one.
    pub(super) fn state(&self) -> Option<String> {
        match self {
            Self::Sync(state) => Some(state.clone()),
            Self::Start | Self::List { .. } | Self::Tree(_) => None,
        }
    }
}

/// Makes the failure that sends the caller into a comparison with its catalogue.
pub(super) fn invalid(why: &str) -> Failure {
    Failure::new(Trouble::CursorInvalid, "cursor", why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_survives_being_text() {
        assert_eq!(Place::of(None).unwrap(), Place::Start);
        assert_eq!(Place::of(Some(&Place::after_sync("H4s:=="))).unwrap(), Place::Sync("H4s:==".to_owned()));
        assert_eq!(Place::of(Some(&Place::after_list(512, 700, false))).unwrap(), Place::List { offset: 512, total: 700 });
        for spoiled in [Place::after_list(700, 700, true), Cursor::new(""), Cursor::new("list:x:1"), Cursor::new("delta:7")] {
            assert_eq!(Place::of(Some(&spoiled)).unwrap_err().trouble, Trouble::CursorInvalid);
        }
    }
}
