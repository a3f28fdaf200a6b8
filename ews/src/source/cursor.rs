//! Where an enumeration stands, as text.
//!
//! * `tree:<what is known of the mailbox>`: the whole folder tree was listed, and is listed again each time. What was
//!   learned when the mailbox was opened goes along, so that it is opened without a request.
//! * `roots:<what is left>`: inside that listing, which goes root by root once the first page of each is there.
//! * `sync:<state>`: the server keeps count; the state is its own.
//! * `both:<state>`: the same of a folder's associated items, too. What a state was begun with it keeps: no document
//!   says what a server makes of another scope.
//! * `list:<offset>:<total>`: the server cannot tell changes; we are inside a plain listing that had `total` entries
//!   when it began. A total that changes under way spoils the listing.
//! * `hidden:<offset>:<total>`: inside the listing of associated items that follows; `-` for a total before its first page.
//! * `listed`: a plain listing came to its end. It cannot tell what happens next, hence the next cycle gets
//!   [`Trouble::CursorInvalid`]: the caller asks again with no cursor and compares with its catalogue, which finds
//!   additions, changes and deletions alike.

use super::mailbox::Opening;
use crate::error::Failure;
use c2b_mailbox::{Cursor, Part, Trouble};
use serde::{Deserialize, Serialize};

/// Where the listing of the folders below one root stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RootPlace {
    /// Whose root it is; `None`: that of the primary folders.
    pub(super) part: Option<Part>,
    /// The root's id, as far as it is known.
    pub(super) root: Option<String>,
    /// Entries passed.
    pub(super) offset: u32,
    /// Entries that there were when the listing began; `None` before the first page.
    pub(super) total: Option<u32>,
}

/// A cursor, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Before anything.
    Start,
    /// The server's own state.
    Sync {
        /// The state.
        state: String,
        /// Whether it is of associated items, too.
        associated: bool,
    },
    /// Behind a whole folder tree.
    Tree(Opening),
    /// Inside the listing of a folder tree: what is left of it, never empty.
    Roots(Vec<RootPlace>),
    /// Inside a plain listing.
    List {
        /// Entries passed.
        offset: u32,
        /// Entries that there were when the listing began; `None` before its first page.
        total: Option<u32>,
        /// Whether it is of associated items.
        associated: bool,
    },
}

impl Place {
    /// Reads a cursor.
    pub(super) fn of(cursor: Option<&Cursor>) -> Result<Self, Failure> {
        let Some(text) = cursor.map(Cursor::as_str) else { return Ok(Self::Start) };
        for (prefix, associated) in [("sync:", false), ("both:", true)] {
            if let Some(state) = text.strip_prefix(prefix) {
                return Ok(Self::Sync { state: state.to_owned(), associated });
            }
        }
        if let Some(opening) = text.strip_prefix("tree:").and_then(|json| serde_json::from_str(json).ok()) {
            return Ok(Self::Tree(opening));
        }
        let roots: Option<Vec<RootPlace>> = text.strip_prefix("roots:").and_then(|json| serde_json::from_str(json).ok());
        if let Some(roots) = roots.filter(|roots| !roots.is_empty()) {
            return Ok(Self::Roots(roots));
        }
        let place = [("list:", false), ("hidden:", true)].into_iter().find_map(|(prefix, associated)| {
            let (offset, total) = text.strip_prefix(prefix)?.split_once(':')?;
            let total = if total == "-" { None } else { Some(total.parse().ok()?) };
            Some(Self::List { offset: offset.parse().ok()?, total, associated })
        });
        place.ok_or_else(|| invalid("the server cannot tell what changed since the last listing"))
    }

    /// Returns the cursor behind the whole of a plain listing.
    pub(super) fn listed() -> Cursor {
        Cursor::new("listed")
    }

    /// Returns the cursor inside a plain listing.
    pub(super) fn inside_list(offset: u32, total: Option<u32>, associated: bool) -> Cursor {
        let word = if associated { "hidden" } else { "list" };
        Cursor::new(format!("{word}:{offset}:{}", total.map_or_else(|| "-".to_owned(), |total| total.to_string())))
    }

    /// Returns the cursor behind a whole folder tree.
    pub(super) fn after_tree(opening: &Opening) -> Cursor {
        // A map of texts always serializes.
        Cursor::new(format!("tree:{}", serde_json::to_string(opening).unwrap_or_default()))
    }

    /// Returns the cursor inside the listing of a folder tree.
    pub(super) fn inside_tree(left: &[RootPlace]) -> Cursor {
        Cursor::new(format!("roots:{}", serde_json::to_string(left).unwrap_or_default()))
    }

    /// Returns the cursor that holds a server's state.
    pub(super) fn after_sync(state: &str, associated: bool) -> Cursor {
        let word = if associated { "both" } else { "sync" };
        Cursor::new(format!("{word}:{state}"))
    }

    /// Returns the server's state, when the cursor holds one.
    pub(super) fn state(&self) -> Option<String> {
        match self {
            Self::Sync { state, .. } => Some(state.clone()),
            Self::Start | Self::List { .. } | Self::Roots(_) | Self::Tree(_) => None,
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
        for associated in [false, true] {
            let sync = Place::Sync { state: "H4s:==".to_owned(), associated };
            assert_eq!(Place::of(Some(&Place::after_sync("H4s:==", associated))).unwrap(), sync);
            for total in [None, Some(700)] {
                let list = Place::List { offset: 512, total, associated };
                assert_eq!(Place::of(Some(&Place::inside_list(512, total, associated))).unwrap(), list);
            }
        }
        let roots = vec![RootPlace { part: Some(Part::Archive), root: Some("A==".to_owned()), offset: 1000, total: Some(1200) }];
        assert_eq!(Place::of(Some(&Place::inside_tree(&roots))).unwrap(), Place::Roots(roots));
        for spoiled in [Place::listed(), Cursor::new(""), Cursor::new("roots:[]"), Cursor::new("list:x:1"), Cursor::new("delta:7")] {
            assert_eq!(Place::of(Some(&spoiled)).unwrap_err().trouble, Trouble::CursorInvalid);
        }
    }
}
