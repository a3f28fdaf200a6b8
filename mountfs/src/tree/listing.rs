//! Reading a folder from its beginning, a piece at a time, in bounded memory.
//!
//! A listing belongs to the commit at which it was opened. Offsets are places in it; going on from
//! where the last piece ended costs nothing, going anywhere else starts over.

use super::{Attr, Hold, Tree, hold, item_node};
use crate::archive::{Archive, Rows};
use crate::errno::ViewError;
use crate::head::Head;
use crate::node::{Node, View};
use c2b_storagefmt::{CommitSeq, FolderKey, MailboxKey, MailboxRow};

/// An open folder.
pub struct Listing {
    fixed: Vec<(String, Attr)>,
    items: Option<Items>,
    /// The entry that was made but did not fit, and its place.
    held: Option<(usize, (String, Attr))>,
}

/// The items that follow the fixed entries.
struct Items {
    mailbox: MailboxKey,
    folder: FolderKey,
    view: View,
    hold: Hold,
    seq: CommitSeq,
    rows: Option<Rows>,
    /// Place of the next row among the items.
    next: usize,
}

impl<A: Archive> Tree<A> {
    /// Opens a folder for reading.
    ///
    /// # Errors
    /// [`ViewError::NotFolder`]; [`ViewError::Stale`]; [`ViewError::Catalogue`].
    pub fn list(&self, head: &Head, node: Node) -> Result<Listing, ViewError> {
        let named = |names: &[&str]| -> Result<Vec<(String, Attr)>, ViewError> {
            names.iter().map(|name| Ok(((*name).to_owned(), self.lookup(head, node, name)?))).collect()
        };
        let fixed = match node {
            Node::Root => named(&["README.txt", "mailboxes", "storage"])?,
            Node::Storage => named(&["mailboxes.json", "status.json"])?,
            Node::Mailbox(_) => named(&["at", "latest"])?,
            Node::Mailboxes => {
                let entry = |row: &MailboxRow| Ok((row.address.to_string(), self.attr(head, Node::Mailbox(row.key))?));
                head.mailboxes().map(entry).collect::<Result<_, ViewError>>()?
            }
            Node::At(key) => self.list_years(head, key)?,
            Node::Date(key, date) => self.list_date(head, key, date)?,
            Node::Top(view, key) => self.list_folders(head, view, key, None)?,
            Node::Folder(view, key) => {
                let mailbox = self.owner(head, key)?;
                let items = Items { mailbox, folder: key, view, hold: hold(head, view), seq: self.seq_of(head, view)?, rows: None, next: 0 };
                return Ok(Listing { fixed: self.list_folders(head, view, mailbox, Some(key))?, items: Some(items), held: None });
            }
            Node::Readme | Node::Report(..) | Node::Item(..) | Node::PointItem(..) => return Err(ViewError::NotFolder),
        };
        Ok(Listing { fixed, items: None, held: None })
    }

    fn list_folders(&self, head: &Head, view: View, mailbox: MailboxKey, parent: Option<FolderKey>) -> Result<Vec<(String, Attr)>, ViewError> {
        let tree = self.tree_of(head, view, mailbox)?;
        if parent.is_some_and(|key| tree.get(key).is_none()) {
            return Err(ViewError::Stale);
        }
        let children = tree.children(parent);
        children.map(|row| Ok((row.file_name.clone(), self.folder_attr(head, view, mailbox, &tree, row)?))).collect()
    }
}

impl Listing {
    /// Returns the entry at a place, from 0; `None` behind the last one.
    ///
    /// # Errors
    /// [`ViewError::Catalogue`].
    pub fn entry<A: Archive>(&mut self, tree: &Tree<A>, place: usize) -> Result<Option<(String, Attr)>, ViewError> {
        if let Some((_, entry)) = self.held.take_if(|(held, _)| *held == place) {
            return Ok(Some(entry));
        }
        if let Some(entry) = self.fixed.get(place) {
            return Ok(Some(entry.clone()));
        }
        match &mut self.items {
            Some(items) => items.entry(tree, place - self.fixed.len()),
            None => Ok(None),
        }
    }

    /// Keeps an entry that did not fit, for the call that asks for its place next.
    pub fn keep(&mut self, place: usize, entry: (String, Attr)) {
        self.held = Some((place, entry));
    }
}

impl Items {
    fn entry<A: Archive>(&mut self, tree: &Tree<A>, place: usize) -> Result<Option<(String, Attr)>, ViewError> {
        if self.rows.is_none() || place < self.next {
            self.rows = Some(tree.archive.items(self.mailbox, self.folder, self.seq).map_err(ViewError::catalogue("items"))?);
            self.next = 0;
        }
        let row = self.rows.as_mut().and_then(|rows| rows.nth(place - self.next));
        self.next = place + 1;
        let Some(row) = row else { return Ok(None) };
        let row = row.map_err(ViewError::catalogue("items"))?;
        let attr = tree.item_attr(item_node(self.view, &row), self.hold, &row)?;
        Ok(Some((row.file_name, attr)))
    }
}
