//! Reading a folder from its beginning, a piece at a time, in bounded memory.
//!
//! A listing belongs to the commit at which it was opened. Offsets are places in it; going on from
//! where the last piece ended costs nothing, going anywhere else starts over.

use super::{ASSOCIATED, Attr, Hold, Kind, PUBLIC_FOLDERS, Tree, hold, item_node};
use crate::archive::{Archive, Rows};
use crate::errno::ViewError;
use crate::folders::FolderItems;
use crate::head::Head;
use crate::node::{Node, View};
use c2b_storagefmt::{CommitSeq, FolderKey, ItemRow, MailboxKey, MailboxRow};
use chrono::{DateTime, Utc};

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
    /// Of those that are associated with the folder, rather than of those in it: these are followed by the folder of those.
    associated: bool,
    /// When the folder came.
    changed: DateTime<Utc>,
    rows: Option<Rows>,
    /// The rows that were passed.
    passed: FolderItems,
    /// Place of the next entry among the items.
    next: usize,
}

/// An entry that follows the fixed ones.
enum Step {
    /// An item.
    Item(Box<ItemRow>),
    /// The folder of the associated items, of which this is the newest.
    Associated(DateTime<Utc>),
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
            Node::Root if head.public_folders().is_some() => named(&["README.txt", "mailboxes", PUBLIC_FOLDERS, "storage"])?,
            Node::Root => named(&["README.txt", "mailboxes", "storage"])?,
            Node::Storage => named(&["mailboxes.json", "status.json"])?,
            Node::Mailbox(_) => named(&["at", "latest"])?,
            Node::Mailboxes => {
                let entry = |row: &MailboxRow| Ok((row.address.to_string(), self.attr(head, Node::Mailbox(row.key))?));
                head.named_mailboxes().map(entry).collect::<Result<_, ViewError>>()?
            }
            Node::At(key) => self.list_years(head, key)?,
            Node::Date(key, date) => self.list_date(head, key, date)?,
            Node::Top(view, key) => self.list_folders(head, view, key, None)?,
            Node::Folder(view, key) => {
                let mailbox = self.owner(head, key)?;
                let fixed = self.list_folders(head, view, mailbox, Some(key))?;
                return Ok(Listing { fixed, items: Some(self.items(head, view, mailbox, key, false)?), held: None });
            }
            Node::Associated(view, key) => {
                let mailbox = self.owner(head, key)?;
                return Ok(Listing { fixed: Vec::new(), items: Some(self.items(head, view, mailbox, key, true)?), held: None });
            }
            Node::Readme | Node::Report(..) | Node::Item(..) | Node::PointItem(..) => return Err(ViewError::NotFolder),
        };
        Ok(Listing { fixed, items: None, held: None })
    }

    fn items(&self, head: &Head, view: View, mailbox: MailboxKey, folder: FolderKey, associated: bool) -> Result<Items, ViewError> {
        let from = self.tree_of(head, view, mailbox)?.get(folder).ok_or(ViewError::Stale)?.from;
        Ok(Items {
            mailbox,
            folder,
            view,
            hold: hold(head, view),
            seq: self.seq_of(head, view)?,
            associated,
            changed: self.commit_time(from)?,
            rows: None,
            passed: FolderItems::default(),
            next: 0,
        })
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
            (self.passed, self.next) = (FolderItems::default(), 0);
        }
        loop {
            let step = self.step()?;
            let is_it = self.next == place;
            self.next += 1;
            if is_it || step.is_none() {
                return step.map(|step| self.shown(tree, step)).transpose();
            }
        }
    }

    /// Returns what comes next: a row, or at the end the folder of the associated items, if any was passed.
    fn step(&mut self) -> Result<Option<Step>, ViewError> {
        let Some(rows) = &mut self.rows else { return Ok(None) };
        for row in rows {
            let row = row.map_err(ViewError::catalogue("items"))?;
            self.passed.pass(&row);
            if row.meta.associated == self.associated {
                return Ok(Some(Step::Item(Box::new(row))));
            }
        }
        self.rows = Some(Box::new(std::iter::empty()));
        let newest = self.passed.newest_associated.take().filter(|_| !self.associated);
        Ok(newest.map(Step::Associated))
    }

    fn shown<A: Archive>(&self, tree: &Tree<A>, step: Step) -> Result<(String, Attr), ViewError> {
        match step {
            Step::Item(row) => {
                let attr = tree.item_attr(item_node(self.view, &row), self.hold, &row)?;
                Ok((row.file_name, attr))
            }
            Step::Associated(modified) => {
                let node = Node::Associated(self.view, self.folder);
                Ok((ASSOCIATED.to_owned(), Attr { node, kind: Kind::Folder, size: 0, modified, changed: self.changed, links: 2, hold: self.hold }))
            }
        }
    }
}
