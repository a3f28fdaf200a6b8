//! Identifiers that a server gives: opaque, compared byte for byte, never parsed.
//!
//! They are attributes of our objects, not their identity: a server may change an item's id
//! when the item moves. Our own keys live in the archive.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! server_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Wraps the server's text unchanged.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// Returns the server's text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

server_id! {
    /// A folder's id at the source. Case-sensitive; survives moves and renames on Exchange.
    FolderId
}
server_id! {
    /// An item's id at the source. Case-sensitive; changes when the item moves (EWS).
    ItemId
}
server_id! {
    /// The source's mark of one state of an object: another change key means another state.
    ChangeKey
}
server_id! {
    /// Where an enumeration of changes stands (EWS sync state, Graph delta token). Opaque.
    Cursor
}
server_id! {
    /// The source's mark of the state of a folder's items: while it is the same, no item came, went or changed.
    ///
    /// It is read before the items are listed, and holds for them once that listing is complete.
    FolderMark
}
