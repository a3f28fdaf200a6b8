//! What is where: names, attributes and listings of the mount, without a kernel.
//!
//! Promises: every answer belongs to the one commit that the caller's [`Head`] names; sizes, times and
//! names come from the catalogue, so that looking costs no body; past states never change.
//! Does not: read bodies (`read.rs`), speak FUSE (`fuse.rs`).

mod dates;
mod listing;
mod read;
mod report;

pub use listing::Listing;

use crate::archive::Archive;
use crate::errno::ViewError;
use crate::folders::{FolderTree, Folders, Frozen};
use crate::head::Head;
use crate::node::{Node, Nodes, Past, Report, Second, View};
use crate::xattr;
use c2b_storagefmt::{CommitSeq, FolderKey, FolderRow, ItemKey, ItemRow, MailboxKey, MailboxRow, Touched};
use chrono::{DateTime, Utc};
use lru::LruCache;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

/// Commit times kept: items of a listing share a few commits.
const COMMITS_MAX: NonZeroUsize = NonZeroUsize::new(4096).unwrap();

/// The name of the folder with the public folders.
const PUBLIC_FOLDERS: &str = "public-folders";

/// The name of the folder with the items that are associated with the folder above. No folder's own name begins so.
pub(crate) const ASSOCIATED: &str = ".associated";

/// Typed times whose commit is kept; more are looked up again.
const TYPED_MAX: NonZeroUsize = NonZeroUsize::new(4096).unwrap();

/// The view of one archive.
pub struct Tree<A> {
    archive: A,
    /// Inode numbers.
    pub nodes: Nodes,
    head: RwLock<Head>,
    folders: Folders,
    commits: Mutex<LruCache<CommitSeq, DateTime<Utc>>>,
    typed: Mutex<LruCache<Second, CommitSeq>>,
    readers: read::Readers,
    reports: report::Reports,
}

/// What kind of file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A folder.
    Folder,
    /// A file with bytes.
    File,
}

/// How long the kernel may keep an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Until we say that it changed; or for ever, for what cannot change.
    Long,
    /// For a moment: nobody tells when it changes.
    Brief,
}

/// From one commit to a newer one.
#[derive(Clone, Debug)]
pub struct Step {
    /// The commit that was shown.
    pub before: CommitSeq,
    /// The commit that is shown now.
    pub after: CommitSeq,
    /// What the commits between touched.
    pub touched: Vec<Touched>,
}

impl Step {
    /// Joins this step and the one that follows it.
    pub fn then(mut self, next: Self) -> Self {
        self.touched.extend(next.touched);
        Self { before: self.before, after: next.after, touched: self.touched }
    }
}

/// Attributes of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attr {
    /// The node.
    pub node: Node,
    /// Folder or file.
    pub kind: Kind,
    /// Exact bytes of a file; 0 of a folder.
    pub size: u64,
    /// Received time of a mail, newest item of a folder, commit time of a point.
    pub modified: DateTime<Utc>,
    /// When the archive got this version.
    pub changed: DateTime<Utc>,
    /// Links: 2 and its folders for a folder; 1 where counting would cost more than it tells.
    pub links: u32,
    /// How long the kernel may keep this.
    pub hold: Hold,
}

impl<A: Archive> Tree<A> {
    /// Opens the view at the archive's newest commit.
    ///
    /// # Errors
    /// [`ViewError::Catalogue`].
    pub fn new(archive: A) -> Result<Self, ViewError> {
        let seq = archive.refresh().map_err(ViewError::catalogue("newest commit"))?;
        let head = Head::load(&archive, seq).map_err(ViewError::catalogue("mailboxes"))?;
        Ok(Self {
            archive,
            nodes: Nodes::default(),
            head: RwLock::new(head),
            folders: Folders::new(),
            commits: Mutex::new(LruCache::new(COMMITS_MAX)),
            typed: Mutex::new(LruCache::new(TYPED_MAX)),
            readers: read::Readers::new(),
            reports: report::Reports::new(),
        })
    }

    /// Returns the archive.
    pub fn archive(&self) -> &A {
        &self.archive
    }

    /// Returns the commit that answers belong to. Held until the answer is sent, so that what the kernel
    /// learns of an old commit it learns before it hears that there is a new one.
    pub fn head(&self) -> RwLockReadGuard<'_, Head> {
        self.head.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves to the archive's newest commit; returns what changed on the way, `None` when nothing did.
    ///
    /// # Errors
    /// [`ViewError::Catalogue`]; then the view stays where it was.
    pub fn advance(&self) -> Result<Option<Step>, ViewError> {
        let after = self.archive.refresh().map_err(ViewError::catalogue("newest commit"))?;
        let before = self.head().seq;
        if after <= before {
            return Ok(None);
        }
        let touched = self.archive.changes_since(before).map_err(ViewError::catalogue("changes"))?;
        let next = Head::load(&self.archive, after).map_err(ViewError::catalogue("mailboxes"))?;
        let mut head = self.head.write().unwrap_or_else(PoisonError::into_inner);
        self.folders.forget(&touched);
        *head = next;
        Ok(Some(Step { before, after, touched }))
    }

    /// Finds a name in a folder.
    ///
    /// # Errors
    /// [`ViewError::Missing`] when there is no such name; [`ViewError::NotFolder`]; [`ViewError::Catalogue`].
    pub fn lookup(&self, head: &Head, parent: Node, name: &str) -> Result<Attr, ViewError> {
        let node = match parent {
            Node::Root => match name {
                "README.txt" => Node::Readme,
                "mailboxes" => Node::Mailboxes,
                PUBLIC_FOLDERS => Node::Mailbox(head.public_folders().ok_or(ViewError::Missing)?.key),
                "storage" => Node::Storage,
                _ => return Err(ViewError::Missing),
            },
            Node::Storage => match name {
                "status.json" => Node::Report(Report::Status, head.seq),
                "mailboxes.json" => Node::Report(Report::Mailboxes, head.seq),
                _ => return Err(ViewError::Missing),
            },
            Node::Mailboxes => Node::Mailbox(head.named(name).ok_or(ViewError::Missing)?.key),
            Node::Mailbox(key) => match name {
                "latest" => Node::Top(View::Latest, key),
                "at" => Node::At(key),
                _ => return Err(ViewError::Missing),
            },
            Node::At(key) => self.lookup_year(head, key, name)?,
            Node::Date(key, date) => self.lookup_date(head, key, date, name)?,
            Node::Top(view, key) => return self.lookup_folder(head, view, key, None, name),
            Node::Folder(view, folder) => {
                let mailbox = self.owner(head, folder)?;
                match self.lookup_folder(head, view, mailbox, Some(folder), name) {
                    Err(ViewError::Missing) if name == ASSOCIATED => Node::Associated(view, folder),
                    Err(ViewError::Missing) => return self.lookup_item(head, view, folder, false, name),
                    found => return found,
                }
            }
            Node::Associated(view, folder) => return self.lookup_item(head, view, folder, true, name),
            Node::Readme | Node::Report(..) | Node::Item(..) | Node::PointItem(..) => return Err(ViewError::NotFolder),
        };
        self.attr(head, node)
    }

    /// Returns a node's attributes.
    ///
    /// # Errors
    /// [`ViewError::Stale`] or [`ViewError::Missing`] when it is not there any more; [`ViewError::Catalogue`].
    pub fn attr(&self, head: &Head, node: Node) -> Result<Attr, ViewError> {
        let folder = |modified, links, hold| Attr { node, kind: Kind::Folder, size: 0, modified, changed: modified, links, hold };
        match node {
            Node::Root => Ok(folder(head.time, if head.public_folders().is_some() { 5 } else { 4 }, Hold::Brief)),
            Node::Mailboxes => Ok(folder(head.time, count(head.named_mailboxes().count()), Hold::Brief)),
            Node::Storage => Ok(folder(head.time, 2, Hold::Brief)),
            Node::Readme => {
                let created = self.archive.info().created;
                Ok(Attr { node, kind: Kind::File, size: report::README.len() as u64, modified: created, changed: created, links: 1, hold: Hold::Long })
            }
            Node::Report(report, seq) => {
                let text = self.report(head, report, seq)?;
                Ok(Attr { node, kind: Kind::File, size: text.bytes.len() as u64, modified: text.time, changed: text.time, links: 1, hold: Hold::Brief })
            }
            Node::Mailbox(key) => Ok(folder(self.last_change(head, mailbox(head, key)?)?, 4, Hold::Brief)),
            Node::At(key) => Ok(folder(self.last_change(head, mailbox(head, key)?)?, 1, Hold::Brief)),
            Node::Date(key, date) => {
                let (modified, hold) = self.date_times(head, mailbox(head, key)?, date)?;
                Ok(folder(modified, 1, hold))
            }
            Node::Top(View::Latest, key) => {
                let tree = self.tree_of(head, View::Latest, key)?;
                Ok(folder(self.last_change(head, mailbox(head, key)?)?, count(tree.children(None).len()), Hold::Brief))
            }
            Node::Top(view @ View::Past(_), _) => Ok(folder(self.commit_time(self.seq_of(head, view)?)?, 1, hold(head, view))),
            Node::Folder(view, key) => {
                let mailbox = self.owner(head, key)?;
                let tree = self.tree_of(head, view, mailbox)?;
                self.folder_attr(head, view, mailbox, &tree, tree.get(key).ok_or(ViewError::Stale)?)
            }
            Node::Associated(view, key) => {
                let mailbox = self.owner(head, key)?;
                let row = self.tree_of(head, view, mailbox)?.get(key).ok_or(ViewError::Stale)?.from;
                let seq = self.seq_of(head, view)?;
                let items = self.folders.associated(&self.archive, mailbox, key, frozen(view, seq), seq).map_err(ViewError::catalogue("items"))?;
                let modified = items.newest_associated.ok_or(ViewError::Missing)?;
                Ok(Attr { changed: self.commit_time(row)?, ..folder(modified, 2, hold(head, view)) })
            }
            Node::Item(..) | Node::PointItem(..) => self.item_attr(node, Hold::Long, &self.item(node)?),
        }
    }

    /// Returns the extended attributes of a node, names without `user.c2b.`.
    ///
    /// # Errors
    /// As [`Tree::attr`].
    pub fn xattrs(&self, head: &Head, node: Node) -> Result<Vec<xattr::Pair>, ViewError> {
        match node {
            Node::Mailbox(key) | Node::At(key) | Node::Date(key, _) | Node::Top(_, key) => Ok(xattr::of_mailbox(&mailbox(head, key)?.address)),
            Node::Folder(view, key) | Node::Associated(view, key) => {
                let owner = self.owner(head, key)?;
                let tree = self.tree_of(head, view, owner)?;
                Ok(xattr::of_folder(&mailbox(head, owner)?.address, &tree.path(key), tree.get(key).ok_or(ViewError::Stale)?))
            }
            Node::Item(..) | Node::PointItem(..) => {
                let row = self.item(node)?;
                let view = if let Node::PointItem(seq, _) = node { View::Past(Past::Point(seq)) } else { View::Latest };
                let mut tree = self.tree_of(head, view, row.mailbox)?;
                if tree.get(row.folder).is_none() {
                    // A version that is kept open while its folder has gone.
                    tree = self.tree_of(head, View::Past(Past::Point(row.from)), row.mailbox)?;
                }
                Ok(xattr::of_item(&mailbox(head, row.mailbox)?.address, &tree.path(row.folder), &row))
            }
            Node::Root | Node::Readme | Node::Mailboxes | Node::Storage | Node::Report(..) => Ok(Vec::new()),
        }
    }

    /// Returns whose mail a node is or holds, and which item it is; none where it is nobody's, or gone.
    pub(crate) fn whose(&self, head: &Head, node: Node) -> Option<(String, Option<ItemKey>)> {
        let (key, item) = match node {
            Node::Mailbox(key) | Node::At(key) | Node::Date(key, _) | Node::Top(_, key) => (key, None),
            Node::Folder(_, key) | Node::Associated(_, key) => (self.owner(head, key).ok()?, None),
            Node::Item(..) | Node::PointItem(..) => {
                let row = self.item(node).ok()?;
                (row.mailbox, Some(row.key))
            }
            Node::Root | Node::Readme | Node::Mailboxes | Node::Storage | Node::Report(..) => return None,
        };
        Some((mailbox(head, key).ok()?.address.to_string(), item))
    }

    /// Returns the folder that holds a node; the root where that is not known.
    pub fn parent(&self, head: &Head, node: Node) -> Node {
        match node {
            Node::Root | Node::Readme | Node::Mailboxes | Node::Storage => Node::Root,
            Node::Report(..) => Node::Storage,
            Node::Mailbox(key) if head.public_folders().is_some_and(|row| row.key == key) => Node::Root,
            Node::Mailbox(_) => Node::Mailboxes,
            Node::At(key) | Node::Top(View::Latest, key) => Node::Mailbox(key),
            Node::Date(key, date) => dates::parent(key, date),
            Node::Top(View::Past(_), key) => Node::At(key),
            Node::Folder(view, key) => {
                let tree = self.owner(head, key).and_then(|mailbox| Ok((mailbox, self.tree_of(head, view, mailbox)?)));
                match tree {
                    Ok((mailbox, tree)) => tree.place(key).and_then(|(parent, _)| parent).map_or(Node::Top(view, mailbox), |up| Node::Folder(view, up)),
                    Err(_) => Node::Root,
                }
            }
            Node::Associated(view, key) => Node::Folder(view, key),
            Node::Item(..) | Node::PointItem(..) => Node::Root,
        }
    }

    /// Returns the version of an item that a node stands for.
    pub(crate) fn item(&self, node: Node) -> Result<ItemRow, ViewError> {
        let (Node::Item(seq, key) | Node::PointItem(seq, key)) = node else { return Err(ViewError::NotFile) };
        self.archive.item(key, seq).map_err(ViewError::catalogue("item"))?.ok_or(ViewError::Stale)
    }

    fn lookup_folder(&self, head: &Head, view: View, mailbox: MailboxKey, parent: Option<FolderKey>, name: &str) -> Result<Attr, ViewError> {
        let tree = self.tree_of(head, view, mailbox)?;
        let row = tree.find(parent, name).ok_or(ViewError::Missing)?;
        self.folder_attr(head, view, mailbox, &tree, row)
    }

    /// Finds an item by the key in its file name: one read, however large the folder is.
    fn lookup_item(&self, head: &Head, view: View, folder: FolderKey, associated: bool, name: &str) -> Result<Attr, ViewError> {
        let key = key_in(name).ok_or(ViewError::Missing)?;
        let found = self.archive.item(key, self.seq_of(head, view)?).map_err(ViewError::catalogue("item"))?;
        let is_it = |row: &ItemRow| row.folder == folder && row.meta.associated == associated && row.file_name == name;
        let row = found.filter(is_it).ok_or(ViewError::Missing)?;
        self.item_attr(item_node(view, &row), hold(head, view), &row)
    }

    fn folder_attr(&self, head: &Head, view: View, mailbox: MailboxKey, tree: &FolderTree, row: &FolderRow) -> Result<Attr, ViewError> {
        let seq = self.seq_of(head, view)?;
        let items = self.folders.items(&self.archive, mailbox, row.key, frozen(view, seq), seq).map_err(ViewError::catalogue("items"))?;
        let folders = tree.children(Some(row.key)).len() + usize::from(items.newest_associated.is_some());
        Ok(Attr {
            node: Node::Folder(view, row.key),
            kind: Kind::Folder,
            size: 0,
            modified: items.newest.unwrap_or(row.created),
            changed: self.commit_time(row.from)?,
            // Whether the rest of a large folder has associated items nobody knows yet.
            links: if items.are_all || items.newest_associated.is_some() { count(folders) } else { 1 },
            hold: hold(head, view),
        })
    }

    fn item_attr(&self, node: Node, hold: Hold, row: &ItemRow) -> Result<Attr, ViewError> {
        let changed = self.commit_time(row.from)?;
        Ok(Attr { node, kind: Kind::File, size: row.size, modified: row.time, changed, links: 1, hold })
    }

    fn tree_of(&self, head: &Head, view: View, mailbox: MailboxKey) -> Result<Arc<FolderTree>, ViewError> {
        let seq = self.seq_of(head, view)?;
        self.folders.tree(&self.archive, mailbox, frozen(view, seq), seq).map_err(ViewError::catalogue("folders"))
    }

    /// Returns the mailbox of a folder.
    fn owner(&self, head: &Head, key: FolderKey) -> Result<MailboxKey, ViewError> {
        if let Some(mailbox) = self.folders.owner(key) {
            return Ok(mailbox);
        }
        for row in head.mailboxes() {
            if self.tree_of(head, View::Latest, row.key)?.get(key).is_some() {
                return Ok(row.key);
            }
        }
        Err(ViewError::Stale)
    }

    fn seq_of(&self, head: &Head, view: View) -> Result<CommitSeq, ViewError> {
        match view {
            View::Latest => Ok(head.seq),
            View::Past(Past::Point(seq)) => Ok(seq),
            View::Past(Past::Typed(second)) => self.settle(head, second),
        }
    }

    fn commit_time(&self, seq: CommitSeq) -> Result<DateTime<Utc>, ViewError> {
        let mut commits = self.commits.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(time) = commits.get(&seq) {
            return Ok(*time);
        }
        let time = self.archive.commit_time(seq).map_err(ViewError::catalogue("commit"))?.ok_or(ViewError::Stale)?;
        commits.put(seq, time);
        Ok(time)
    }
}

/// A typed time after the newest commit may yet get a commit before it.
fn hold(head: &Head, view: View) -> Hold {
    match view {
        View::Past(Past::Typed(second)) if !dates::settled(head, second) => Hold::Brief,
        _ => Hold::Long,
    }
}

/// Returns the node of an item's row in a view.
fn item_node(view: View, row: &ItemRow) -> Node {
    match view {
        View::Past(Past::Point(seq)) => Node::PointItem(seq, row.key),
        View::Latest | View::Past(Past::Typed(_)) => Node::Item(row.from, row.key),
    }
}

/// Reads the item key that ends a file name: `… [k3f9c2].eml`.
fn key_in(name: &str) -> Option<ItemKey> {
    let (before, _extension) = name.rsplit_once(']')?;
    before.rsplit_once('[')?.1.parse().ok()
}

fn mailbox(head: &Head, key: MailboxKey) -> Result<&MailboxRow, ViewError> {
    head.mailbox(key).ok_or(ViewError::Stale)
}

fn frozen(view: View, seq: CommitSeq) -> Frozen {
    (view != View::Latest).then_some(seq)
}

/// Links of a folder with so many folders in it.
fn count(folders: usize) -> u32 {
    u32::try_from(folders).unwrap_or(u32::MAX - 2) + 2
}
