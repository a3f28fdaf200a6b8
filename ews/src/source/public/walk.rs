//! The walk through the tree, level by level.

use super::ROOT;
use crate::error::Failure;
use crate::http::Target;
use crate::operation::FolderName;
use crate::operation::find_folder::{FindFolder, Traversal};
use crate::operation::get_folder::{GetFolder, RawFolder};
use crate::source::EwsSource;
use crate::source::tree::mark;
use c2b_mailbox::public::{MissingFolder, Naming, join_path, naming};
use c2b_mailbox::{Address, Folder, FolderId, PublicFolder, PublicTree, Retry, Trouble};
use std::collections::{BTreeMap, HashSet};
use std::sync::PoisonError;

/// Folders whose folders one request asks for, and folders whose counters one asks for.
pub(super) const FOLDERS_AT_ONCE: usize = 50;

/// Deeper folders are not looked for: Outlook makes none so deep, and a server that goes round in circles does.
const LEVELS_MAX: usize = 100;

/// A folder that is to be opened.
struct Door {
    name: FolderName,
    /// `None` for the root.
    id: Option<FolderId>,
    path: String,
    offset: u32,
    total: Option<u32>,
}

/// The walk so far.
#[derive(Default)]
struct Walk {
    tree: PublicTree,
    /// The content mailbox's GUID of each folder that is taken.
    replicas: Vec<(FolderId, Option<String>)>,
    next: Vec<Door>,
    /// Paths that were seen, in lower case.
    paths: HashSet<String>,
}

impl EwsSource {
    pub(super) async fn walk(&self, reader: Option<&Address>, wanted: &[PublicFolder]) -> Result<PublicTree, Failure> {
        self.find_reader(reader).await?;
        let target = self.hierarchy();
        let mut walk = Walk::default();
        let mut doors = vec![Door { name: FolderName::WellKnown(ROOT, None), id: None, path: String::new(), offset: 0, total: None }];
        for _ in 0..LEVELS_MAX {
            for group in doors.chunks(FOLDERS_AT_ONCE) {
                self.open_doors(&target, group, wanted, &mut walk).await?;
            }
            doors = std::mem::take(&mut walk.next);
            if doors.is_empty() {
                break;
            }
        }
        walk.tell_missing(wanted);
        let Walk { mut tree, replicas, .. } = walk;
        let groups = self.route(replicas, reader).await;
        for (mailbox, folders) in groups {
            for some in folders.chunks(FOLDERS_AT_ONCE) {
                self.mark_folders(&mailbox, some, &mut tree).await?;
            }
        }
        Ok(tree)
    }

    /// Lists what is right below some folders. Those with longer lists are asked on, one by one.
    async fn open_doors(&self, target: &Target, doors: &[Door], wanted: &[PublicFolder], walk: &mut Walk) -> Result<(), Failure> {
        let request = |doors: &[Door]| FindFolder {
            roots: doors.iter().map(|door| door.name.clone()).collect(),
            offset: doors.first().map_or(0, |door| door.offset),
            with_counters: false,
            traversal: Traversal::Public,
        };
        let batch = self.transport.call(request(doors), target).await?;
        if let Some(broken) = batch.broken {
            return Err(broken);
        }
        if batch.answers.len() < doors.len() {
            return Err(Failure::new(Trouble::Malformed, "answer", "the answer lacks some of the folders").retrying(Retry::Backoff));
        }
        for (door, answer) in doors.iter().zip(batch.answers) {
            let mut answer = answer;
            let mut at = Door { name: door.name.clone(), id: door.id.clone(), path: door.path.clone(), offset: 0, total: None };
            loop {
                let found = match answer {
                    Ok(found) => found,
                    Err(failure) if at.id.is_none() || at.total.is_some() || failure.retry != Retry::No => return Err(failure),
                    Err(failure) => {
                        walk.miss(&at.path, format!("{} ({})", failure.message, failure.code));
                        break;
                    }
                };
                let place = found.place_after(at.offset, found.folders.len(), at.total)?;
                for folder in found.folders {
                    walk.take(&at, folder, wanted);
                }
                if place.last {
                    walk.tree.opened.extend(at.id.clone());
                    break;
                }
                (at.offset, at.total) = (place.offset, Some(place.total));
                answer = self.transport.call(request(std::slice::from_ref(&at)), target).await?.single();
            }
        }
        Ok(())
    }

    /// Finds the mailboxes that hold the contents, and remembers where those of each folder are.
    async fn route(&self, replicas: Vec<(FolderId, Option<String>)>, reader: Option<&Address>) -> BTreeMap<String, Vec<FolderId>> {
        let mut groups: BTreeMap<String, Vec<FolderId>> = BTreeMap::new();
        for (id, guid) in replicas {
            let mailbox = match guid {
                Some(guid) => self.content_mailbox(&guid, reader).await,
                None => String::new(),
            };
            self.public.contents.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), mailbox.clone());
            groups.entry(mailbox).or_default().push(id);
        }
        groups
    }

    /// Reads the change counters of folders where their contents are. What that cannot tell, the listing of items will.
    async fn mark_folders(&self, mailbox: &str, folders: &[FolderId], tree: &mut PublicTree) -> Result<(), Failure> {
        let request = GetFolder { folders: folders.iter().cloned().map(FolderName::Id).collect(), with_counters: true };
        let batch = match self.transport.call(request, &self.content_target(mailbox)).await {
            Err(failure) if failure.trouble == Trouble::Throttled => return Err(failure),
            Err(failure) => {
                tracing::debug!(mailbox, code = failure.code, "public folders are not told apart by counters");
                return Ok(());
            }
            Ok(batch) => batch,
        };
        let date = batch.date;
        for (id, answer) in folders.iter().zip(batch.answers) {
            let mark = answer.ok().and_then(|folder| mark(&folder.counters, date?));
            tree.marks.extend(mark.map(|mark| (id.clone(), mark)));
        }
        Ok(())
    }
}

impl Walk {
    /// Takes a folder that is right below `door`.
    fn take(&mut self, door: &Door, raw: RawFolder, wanted: &[PublicFolder]) {
        if raw.id.is_empty() || raw.search || !self.tree.seen.insert(FolderId::new(&raw.id)) {
            return;
        }
        let (id, path) = (FolderId::new(raw.id), join_path(&door.path, &raw.name));
        self.paths.insert(path.to_lowercase());
        let naming = naming(wanted, &path);
        let leads = wanted.iter().any(|one| one.path.to_lowercase().starts_with(&format!("{}/", path.to_lowercase())));
        match naming {
            Naming::No => return,
            Naming::Leads => drop(self.tree.bare.insert(id.clone())),
            Naming::Whole | Naming::Alone => self.replicas.push((id.clone(), raw.replica)),
        }
        if naming == Naming::Whole || leads {
            self.next.push(Door { name: FolderName::Id(id.clone()), id: Some(id.clone()), path, offset: 0, total: None });
        }
        self.tree.folders.push(Folder { id, parent: door.id.clone(), name: raw.name, class: raw.class, role: None });
    }

    fn tell_missing(&mut self, wanted: &[PublicFolder]) {
        for one in wanted {
            let path = one.path.trim_matches('/');
            if !path.is_empty() && !self.paths.contains(&path.to_lowercase()) {
                self.miss(path, "there is no such public folder, or the account may not see it".to_owned());
            }
        }
    }

    fn miss(&mut self, path: &str, reason: String) {
        self.tree.missing.push(MissingFolder { path: path.to_owned(), reason });
    }
}
