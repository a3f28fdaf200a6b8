//! The corpus as a source sees it: mailboxes, their folders, the items of a folder by name. No contents.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A mailbox: a folder at the top of the corpus, named by its address.
pub(crate) struct Mailbox {
    pub(crate) address: String,
    pub(crate) folders: Vec<Folder>,
}

/// A folder; parents come before their children.
pub(crate) struct Folder {
    /// Its path below the mailbox.
    pub(crate) path: String,
    pub(crate) items: Vec<Entry>,
}

/// A file.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) path: PathBuf,
    pub(crate) name: String,
    pub(crate) len: u64,
    /// Its modification time, in seconds since 1970.
    pub(crate) modified: i64,
}

/// Returns the addresses of the corpus, in order.
pub(crate) fn addresses(corpus: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(corpus).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Walks one mailbox.
pub(crate) fn mailbox(corpus: &Path, address: &str) -> Mailbox {
    let mut folders = Vec::new();
    walk(&corpus.join(address), String::new(), &mut folders);
    Mailbox { address: address.to_owned(), folders }
}

fn walk(dir: &Path, path: String, folders: &mut Vec<Folder>) {
    let (mut items, mut below) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() {
            below.push(name);
        } else {
            let status = entry.metadata().unwrap();
            items.push(Entry { path: entry.path(), name, len: status.len(), modified: status.mtime() });
        }
    }
    items.sort_by(|a, b| a.name.cmp(&b.name));
    below.sort();
    if !path.is_empty() {
        folders.push(Folder { path: path.clone(), items });
    }
    for name in below {
        let inner = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
        walk(&dir.join(&name), inner, folders);
    }
}
