//! Telling the kernel what it must forget, so that it may keep everything else for hours.
//!
//! Promise: after a step to a newer commit, every name, attribute and listing of `latest/` that the kernel
//! keeps from before and that is not true any more is dropped. Past states and contents never change;
//! what has only a brief hold (mailboxes, `at/`, `storage/`) expires by itself.

use crate::archive::Archive;
use crate::errno::ViewError;
use crate::folders::FolderTree;
use crate::node::{Node, View};
use crate::tree::{ASSOCIATED, Step, Tree};
use c2b_storagefmt::{FolderKey, MailboxKey, Touched};
use std::collections::{BTreeSet, HashSet};

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
    let mut mailboxes = BTreeSet::new();
    let touched: HashSet<Touched> = step.touched.iter().map(|touched| Touched { seq: step.after, ..*touched }).collect();
    for touched in touched {
        folders.insert(Notice::Folder(Node::Top(View::Latest, touched.mailbox)));
        folders.insert(folder(touched.folder));
        folders.insert(associated(touched.folder));
        let Some(key) = touched.item else {
            mailboxes.insert(touched.mailbox);
            continue;
        };
        let at = |seq| tree.archive().item(key, seq).map_err(ViewError::catalogue("item"));
        let Some(old) = at(step.before)? else { continue };
        let new = at(step.after)?;
        let was_in = if old.meta.associated { Node::Associated(View::Latest, old.folder) } else { Node::Folder(View::Latest, old.folder) };
        if new.is_none_or(|new| (new.folder, new.from, new.meta.associated, &new.file_name) != (old.folder, old.from, old.meta.associated, &old.file_name)) {
            folders.insert(folder(old.folder));
            folders.insert(associated(old.folder));
            names.insert(Notice::Name(was_in, old.file_name));
        }
        if old.meta.associated {
            // It may have been the last one.
            names.insert(Notice::Name(Node::Folder(View::Latest, old.folder), ASSOCIATED.to_owned()));
        }
    }
    for mailbox in mailboxes {
        let load = |seq| tree.archive().folders(mailbox, seq).map(FolderTree::new).map_err(ViewError::catalogue("folders"));
        let (old, new) = (load(step.before)?, load(step.after)?);
        // All of them: a folder moves without a change of its own when its parent comes or goes.
        for key in old.keys().chain(new.keys()) {
            let (was, is) = (old.place(key), new.place(key));
            if was == is {
                continue;
            }
            folders.extend(was.iter().chain(&is).map(|(up, _)| Notice::Folder(parent(mailbox, *up))));
            names.extend(was.map(|(up, name)| Notice::Name(parent(mailbox, up), name.to_owned())));
        }
    }
    Ok(folders.into_iter().chain(names).collect())
}

fn folder(key: FolderKey) -> Notice {
    Notice::Folder(Node::Folder(View::Latest, key))
}

fn associated(key: FolderKey) -> Notice {
    Notice::Folder(Node::Associated(View::Latest, key))
}

fn parent(mailbox: MailboxKey, key: Option<FolderKey>) -> Node {
    key.map_or(Node::Top(View::Latest, mailbox), |key| Node::Folder(View::Latest, key))
}
