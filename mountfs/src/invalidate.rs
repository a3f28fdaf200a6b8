//! Telling the kernel what it must forget, so that it may keep everything else for hours.
//!
//! Promise: after a step to a newer commit, every name, attribute and listing of `latest/` that the kernel
//! keeps from before and that is not true any more is dropped. Past states and contents never change;
//! what has only a brief hold (mailboxes, `at/`, `storage/`) expires by itself.

use crate::archive::Archive;
use crate::errno::ViewError;
use crate::folders::FolderTree;
use crate::node::{Node, View};
use crate::tree::{Step, Tree};
use c2b_storagefmt::{FolderKey, MailboxKey, Touched};
use std::collections::{BTreeMap, HashSet};

/// Something that the kernel must forget.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Notice {
    /// A folder's attributes and listing.
    Folder(Node),
    /// A name in a folder.
    Name(Node, String),
}

/// Returns what a step made untrue: folders first, since new items are seen by them, then names.
///
/// # Errors
/// [`ViewError::Catalogue`].
pub fn notices<A: Archive>(tree: &Tree<A>, step: &Step) -> Result<Vec<Notice>, ViewError> {
    let mut folders = HashSet::new();
    let mut names = HashSet::new();
    let mut mailboxes: BTreeMap<MailboxKey, Vec<FolderKey>> = BTreeMap::new();
    let touched: HashSet<Touched> = step.touched.iter().map(|touched| Touched { seq: step.after, ..*touched }).collect();
    for touched in touched {
        let changed = mailboxes.entry(touched.mailbox).or_default();
        folders.insert(Notice::Folder(Node::Top(View::Latest, touched.mailbox)));
        folders.insert(folder(touched.folder));
        let Some(key) = touched.item else {
            changed.push(touched.folder);
            continue;
        };
        let at = |seq| tree.archive().item(key, seq).map_err(ViewError::catalogue("item"));
        let Some(old) = at(step.before)? else { continue };
        let new = at(step.after)?;
        if new.is_none_or(|new| (new.folder, new.from, &new.file_name) != (old.folder, old.from, &old.file_name)) {
            folders.insert(folder(old.folder));
            names.insert(Notice::Name(Node::Folder(View::Latest, old.folder), old.file_name));
        }
    }
    for (mailbox, changed) in mailboxes.into_iter().filter(|(_, changed)| !changed.is_empty()) {
        let load = |seq| tree.archive().folders(mailbox, seq).map(FolderTree::new).map_err(ViewError::catalogue("folders"));
        let (old, new) = (load(step.before)?, load(step.after)?);
        for key in changed {
            let place = |tree: &FolderTree| tree.get(key).map(|row| (parent(mailbox, row.parent), row.file_name.clone()));
            let (was, is) = (place(&old), place(&new));
            folders.extend(was.iter().chain(&is).map(|(parent, _)| Notice::Folder(*parent)));
            names.extend(was.filter(|was| Some(was) != is.as_ref()).map(|(parent, name)| Notice::Name(parent, name)));
        }
    }
    Ok(folders.into_iter().chain(names).collect())
}

fn folder(key: FolderKey) -> Notice {
    Notice::Folder(Node::Folder(View::Latest, key))
}

fn parent(mailbox: MailboxKey, key: Option<FolderKey>) -> Node {
    key.map_or(Node::Top(View::Latest, mailbox), |key| Node::Folder(View::Latest, key))
}
