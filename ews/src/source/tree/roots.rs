//! The listing of all folders below several roots, by as few requests as there are pages.
//!
//! What one root answers says nothing about the others: a mailbox without an archive is as good as one with it. Only
//! the primary root must answer. A part that is not there, or cannot be read, is told with its reason, and so is one
//! whose list is short or empty: what is missing in it must not count as gone.

use super::{ListedPage, ROOT_MARK, mark, root_folder, to_folder};
use crate::capability::Ability;
use crate::error::Failure;
use crate::operation::find_folder::{FindFolder, FoundFolders, Traversal};
use crate::operation::get_folder::RawFolder;
use crate::soap::Batch;
use crate::source::EwsSource;
use crate::source::cursor::{Place, RootPlace};
use crate::source::mailbox::OpenMailbox;
use c2b_mailbox::{Folder, FolderChange, FolderId, FolderMark, FolderPage, Part, Presence, Retry, Trouble};
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Code of the failure of a listing that ends before its end.
pub(super) const SHORT: &str = "short listing";

/// How the made-up id of a root begins that a server does not tell, since it leaves out what folders are in.
const NO_ROOT: &str = "root:";

/// A page, as it is put together.
struct Gathered<'a> {
    open: &'a OpenMailbox,
    with_counters: bool,
    /// Whether counters are known to mean something here.
    is_proved: bool,
    date: Option<DateTime<Utc>>,
    folders: Vec<Folder>,
    marks: HashMap<FolderId, FolderMark>,
    parts: BTreeMap<Part, Presence>,
    /// The ids of the parts' roots.
    roots: BTreeMap<Part, String>,
    left: Vec<RootPlace>,
}

impl EwsSource {
    /// Lists the first page of every root, or the next of the first that is left.
    pub(super) async fn list_folders(&self, open: &OpenMailbox, left: &[RootPlace], with_counters: bool) -> Result<ListedPage, Failure> {
        let (asked, batch) = match left.first() {
            Some(next) => (vec![next.clone()], self.ask_for_roots(open, std::slice::from_ref(next), with_counters).await?),
            None => self.ask_for_all_roots(open, with_counters).await?,
        };
        if let Some(broken) = batch.broken {
            return Err(broken);
        }
        let is_proved = self.capabilities.is_proved(Ability::FolderCounters);
        let mut gathered = Gathered {
            open,
            with_counters,
            is_proved,
            date: batch.date,
            folders: Vec::new(),
            marks: HashMap::new(),
            parts: BTreeMap::new(),
            roots: BTreeMap::new(),
            left: Vec::new(),
        };
        let mut lacks_counters = false;
        let mut answers = asked.into_iter().zip(batch.answers);
        if left.is_empty() {
            let (place, answer) = answers.next().ok_or_else(|| Failure::new(Trouble::Malformed, "answer", "the answer holds no response message"))?;
            lacks_counters = gathered.take_primary(place, answer?)?;
        }
        for (place, answer) in answers {
            match place.part {
                None => lacks_counters |= gathered.take_primary(place, answer?)?,
                Some(part) => gathered.take_part(part, place, answer)?,
            }
        }
        if left.is_empty() {
            let has_parts = gathered.parts.values().any(|presence| *presence != Presence::Absent);
            open.has_parts.get_or_init(|| has_parts);
        }
        if with_counters && gathered.is_proved && !lacks_counters {
            self.capabilities.prove(Ability::FolderCounters);
        }
        gathered.left.extend(left.iter().skip(1).cloned());
        Ok(ListedPage { page: gathered.finish(), lacks_counters })
    }

    /// Asks for the first page of all roots; of the primary one alone where the server does not know the others.
    async fn ask_for_all_roots(&self, open: &OpenMailbox, with_counters: bool) -> Result<(Vec<RootPlace>, Batch<FoundFolders>), Failure> {
        let begin = |part| RootPlace { part, root: None, offset: 0, total: None };
        let primary = vec![begin(None)];
        if !self.capabilities.lacks(Ability::ManyRoots) {
            let all: Vec<RootPlace> = std::iter::once(None).chain(Part::ALL.map(Some)).map(begin).collect();
            let is_proved = self.capabilities.is_proved(Ability::ManyRoots);
            match self.ask_for_roots(open, &all, with_counters).await {
                Ok(batch) if batch.answers.len() == all.len() || batch.broken.is_some() || is_proved => {
                    if batch.answers.first().is_some_and(Result::is_ok) {
                        self.capabilities.prove(Ability::ManyRoots);
                    }
                    return Ok((all, batch));
                }
                // One answer for all is an answer of the first, or a refusal of the others.
                Ok(batch) if batch.answers.first().is_some_and(Result::is_ok) => {
                    self.capabilities.miss(Ability::ManyRoots);
                    return Ok((all, batch));
                }
                Ok(batch) => match batch.single() {
                    Err(failure) if !is_refusal(&failure) => return Err(failure),
                    _ => {}
                },
                Err(failure) if is_proved || !is_refusal(&failure) => return Err(failure),
                Err(_) => {}
            }
            let batch = self.ask_for_roots(open, &primary, with_counters).await?;
            if batch.answers.first().is_some_and(Result::is_ok) {
                self.capabilities.miss(Ability::ManyRoots);
            }
            return Ok((primary, batch));
        }
        let batch = self.ask_for_roots(open, &primary, with_counters).await?;
        Ok((primary, batch))
    }

    /// Asks for a page of some roots, all from the same place on.
    async fn ask_for_roots(&self, open: &OpenMailbox, places: &[RootPlace], with_counters: bool) -> Result<Batch<FoundFolders>, Failure> {
        let roots = places.iter().map(|place| place.part.map_or_else(|| open.root.clone(), |part| open.root_of(part)));
        let offset = places.first().map_or(0, |place| place.offset);
        self.transport.call(FindFolder { roots: roots.collect(), offset, with_counters, traversal: Traversal::Deep }, &open.target).await
    }
}

impl Gathered<'_> {
    /// Takes a page of the primary folders; returns whether it shows that the server has no change counters.
    fn take_primary(&mut self, place: RootPlace, found: FoundFolders) -> Result<bool, Failure> {
        let after = place_after(&place, &found)?;
        let mut folders = found.folders;
        if folders.is_empty() && place.offset == 0 {
            return Err(Failure::new(Trouble::Malformed, SHORT, "the folder list is empty, and no mailbox is without folders").retrying(Retry::Backoff));
        }
        folders.retain(|folder| !folder.search);
        self.is_proved |= folders.iter().any(has_counters);
        let lacks_counters = folders.iter().any(|folder| !has_counters(folder) && folder.counters.items != Some(0));
        self.take(folders);
        self.left.extend(after);
        Ok(lacks_counters)
    }

    /// Takes a page of a part, or notes why there is none.
    fn take_part(&mut self, part: Part, mut place: RootPlace, answer: Result<FoundFolders, Failure>) -> Result<(), Failure> {
        let is_first = place.total.is_none();
        let found = match answer {
            Ok(found) => found,
            Err(failure) if !is_first || failure.trouble == Trouble::Throttled => return Err(failure),
            Err(failure) => {
                self.parts.insert(part, presence(&failure));
                return Ok(());
            }
        };
        let after = match place_after(&place, &found) {
            Err(failure) if is_first && failure.trouble != Trouble::CursorInvalid => {
                self.parts.insert(part, Presence::Closed(format!("{} ({})", failure.message, failure.code)));
                return Ok(());
            }
            after => after?,
        };
        let mut folders = found.folders;
        if is_first {
            // Some server may list the same folders whatever root is named.
            let known: HashSet<&str> = self.folders.iter().map(|folder| folder.id.as_str()).collect();
            folders.retain(|folder| !known.contains(folder.id.as_str()));
            if folders.is_empty() {
                self.parts.insert(part, Presence::Absent);
                return Ok(());
            }
            let root = root_of(&folders).unwrap_or_else(|| format!("{NO_ROOT}{}", part.role_word()));
            place.root = Some(root.clone());
            let within = part.within().and_then(|part| self.roots.get(&part));
            self.folders.push(root_folder(part, &root, within.map(String::as_str)));
            self.marks.insert(FolderId::new(&root), FolderMark::new(ROOT_MARK));
            self.roots.insert(part, root);
            self.parts.insert(part, Presence::Listed);
        }
        folders.retain(|folder| !folder.search);
        for folder in folders.iter_mut().filter(|folder| folder.parent.as_ref().is_none_or(String::is_empty)) {
            folder.parent.clone_from(&place.root);
        }
        self.take(folders);
        self.left.extend(after.map(|after| RootPlace { root: place.root, ..after }));
        Ok(())
    }

    fn take(&mut self, folders: Vec<RawFolder>) {
        for folder in folders {
            let mark = self.date.filter(|_| self.with_counters && self.is_proved).and_then(|date| mark(&folder.counters, date));
            if let Some(mark) = mark {
                self.marks.insert(FolderId::new(&folder.id), mark);
            }
            self.folders.extend(to_folder(self.open, folder));
        }
    }

    fn finish(self) -> FolderPage {
        let last = self.left.is_empty();
        let cursor = if last { Place::after_tree(&self.open.opening) } else { Place::inside_tree(&self.left) };
        let changes = self.folders.into_iter().map(FolderChange::Upsert).collect();
        FolderPage { changes, marks: self.marks, cursor, last, whole: true, parts: self.parts }
    }
}

/// Returns where the listing of a root goes on, if it does.
fn place_after(place: &RootPlace, found: &FoundFolders) -> Result<Option<RootPlace>, Failure> {
    let entries = found.folders.len();
    let after = found.place_after(place.offset, entries, place.total)?;
    if after.last && u32::try_from(entries).unwrap_or(u32::MAX).saturating_add(place.offset) < after.total {
        // What is missing would count as gone.
        return Err(Failure::new(Trouble::Malformed, SHORT, "the folder list ends before its end").retrying(Retry::Backoff));
    }
    Ok((!after.last).then(|| RootPlace { part: place.part, root: place.root.clone(), offset: after.offset, total: Some(after.total) }))
}

/// Returns the one folder that folders are in and that is not among them.
fn root_of(folders: &[RawFolder]) -> Option<String> {
    let listed: HashSet<&str> = folders.iter().map(|folder| folder.id.as_str()).collect();
    let mut outside = folders.iter().filter_map(|folder| folder.parent.as_deref()).filter(|parent| !parent.is_empty() && !listed.contains(parent));
    let root = outside.next()?;
    outside.all(|other| other == root).then(|| root.to_owned())
}

fn has_counters(folder: &RawFolder) -> bool {
    folder.counters.committed.is_some() && folder.counters.deleted.is_some()
}

/// Returns whether a server that does not know a root would say so.
fn is_refusal(failure: &Failure) -> bool {
    matches!(failure.trouble, Trouble::Unsupported | Trouble::Refused | Trouble::NotFound)
}

/// Returns whether a folder is one of ours, of which no server knows items.
pub(in crate::source) fn is_made_up(folder: &FolderId) -> bool {
    folder.as_str().starts_with(NO_ROOT)
}

/// Returns what the refusal of a root says about the part.
fn presence(failure: &Failure) -> Presence {
    let is_unknown = matches!(failure.trouble, Trouble::NotFound | Trouble::Unsupported) || failure.code.starts_with("ErrorInvalid");
    if is_unknown || failure.code == "ErrorArchiveMailboxNotEnabled" {
        Presence::Absent
    } else {
        Presence::Closed(format!("{} ({})", failure.message, failure.code))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(id: &str, parent: Option<&str>) -> RawFolder {
        RawFolder { id: id.to_owned(), parent: parent.map(str::to_owned), ..RawFolder::default() }
    }

    #[test]
    fn the_root_is_the_folder_that_is_not_listed() {
        assert_eq!(root_of(&[folder("a", Some("R")), folder("b", Some("a")), folder("c", Some("R"))]), Some("R".to_owned()));
        assert_eq!(root_of(&[folder("a", Some("R")), folder("b", Some("S"))]), None, "two of them");
        assert_eq!(root_of(&[folder("a", None)]), None);
        assert_eq!(root_of(&[]), None);
    }

    #[test]
    fn what_a_server_does_not_have_is_told_from_what_it_does_not_show() {
        let of = |code: &str| presence(&Failure::of_code(code, "words", None));
        for absent in ["ErrorArchiveMailboxNotEnabled", "ErrorFolderNotFound", "ErrorInvalidIdMalformed", "ErrorInvalidRequest"] {
            assert_eq!(of(absent), Presence::Absent, "{absent}");
        }
        for closed in ["ErrorAccessDenied", "ErrorMailboxStoreUnavailable", "ErrorProxyCallFailed", "ErrorItemCorrupt"] {
            assert!(matches!(of(closed), Presence::Closed(_)), "{closed}");
        }
    }
}
