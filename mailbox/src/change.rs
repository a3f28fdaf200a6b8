//! What a source reports: pages of changes, each with the cursor that follows it.

use crate::{ChangeKey, Cursor, Folder, FolderId, FolderMark, ItemId};
use std::collections::HashMap;

/// A page of changes.
///
/// Committing the page's effects together with `cursor` and asking for the next page with it
/// loses nothing and repeats nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<C> {
    /// The changes, in the order in which they are to be applied.
    pub changes: Vec<C>,
    /// Where the enumeration stands after this page.
    pub cursor: Cursor,
    /// Whether this was the last page for now.
    pub last: bool,
}

/// A page of changes of a folder tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderPage {
    /// The changes, in the order in which they are to be applied.
    pub changes: Vec<FolderChange>,
    /// How the items of folders stand, of which the source can tell without listing them. A folder
    /// without a mark must be listed to know.
    pub marks: HashMap<FolderId, FolderMark>,
    /// Where the enumeration stands after this page.
    pub cursor: Cursor,
    /// Whether this was the last page for now.
    pub last: bool,
    /// Whether this page and those before it list the whole tree, whatever the cursor was: a folder that is not
    /// in them is gone.
    pub whole: bool,
}

/// A change in the folder tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FolderChange {
    /// The folder is new, or its name, place or class is another one.
    Upsert(Folder),
    /// The folder is gone.
    Delete(FolderId),
}

/// A change in a folder's items.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The item is new or changed. Sources do not tell these apart reliably: ask the catalogue.
    Upsert {
        /// Which item.
        id: ItemId,
        /// The mark of its present state, when the server gives one.
        change_key: Option<ChangeKey>,
        /// Its size in bytes, when the server tells it along with the change.
        size: Option<u64>,
    },
    /// Only the read state changed.
    Read {
        /// Which item.
        id: ItemId,
        /// The mark of its present state, when the server gives one.
        change_key: Option<ChangeKey>,
        /// The new read state.
        read: bool,
    },
    /// The item is no longer in this folder.
    Delete(ItemId),
}
