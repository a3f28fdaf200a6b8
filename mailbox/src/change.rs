//! What a source reports: pages of changes, each with the cursor that follows it.

use crate::{ChangeKey, Cursor, Facts, Folder, FolderId, FolderMark, ItemId, Part, Presence};
use std::collections::{BTreeMap, HashMap};

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
    /// in them is gone, unless it is in a part that is not [`Presence::Listed`].
    pub whole: bool,
    /// How the parts beside the primary folders stand, as far as they were looked for. Of what is below the root of
    /// another part nothing is known: it is not gone.
    pub parts: BTreeMap<Part, Presence>,
}

/// A change in the folder tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FolderChange {
    /// The folder is new, or its name, place or class is another one.
    Upsert(Folder),
    /// The folder is gone.
    Delete(FolderId),
}

/// What is to be told of items along with their changes, as far as the source can. Each of these costs a server something.
///
/// All but `associated` may be left out or come and go from page to page; they change nothing about the cursor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// The read state: it may change while the change key stays, so a comparison of change keys does not find it.
    pub read: bool,
    /// How old it is.
    pub facts: bool,
    /// The folder's associated (hidden) items, too. This decides what an enumeration is about: a cursor of one that was
    /// begun otherwise may be [`Trouble::CursorInvalid`](crate::Trouble::CursorInvalid).
    pub associated: bool,
}

/// What a source tells of an item along with its change: as much as it can without a further request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Its size in bytes.
    pub size: Option<u64>,
    /// Its read state, if that was wished for.
    pub read: Option<bool>,
    /// How old it is, if that was wished for. Of some items, of series for instance, only a look tells.
    pub facts: Option<Facts>,
    /// Whether it is associated with the folder rather than in it; `None` when the source does not say so here.
    pub associated: Option<bool>,
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
        /// What the server tells of it along with the change.
        told: Told,
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
