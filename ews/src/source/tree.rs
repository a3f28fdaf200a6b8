//! What changed in a mailbox's folder tree, and how its folders' items stand.
//!
//! Where folders have change counters, one `FindFolder` gives the whole tree and all counters: then a mailbox in which
//! nothing changed costs this request and no other. It asks for several roots at once: those of the primary folders, of
//! the archive and of the recoverable items; a root that is not there answers for itself alone. A server without
//! counters lists all the same where a mailbox has such parts; else `SyncFolderHierarchy` tells the changes of the tree,
//! or a plain listing what there is.

pub(super) mod roots;

use super::EwsSource;
use super::cursor::{Place, RootPlace};
use super::mailbox::OpenMailbox;
use crate::capability::Ability;
use crate::error::Failure;
use crate::operation::get_folder::{FolderCounters, RawFolder};
use crate::operation::sync_folder_hierarchy::{HierarchyChange, HierarchyChanges, SyncFolderHierarchy};
use c2b_mailbox::{Address, Cursor, Folder, FolderChange, FolderId, FolderMark, FolderPage, Part, Role, Scope, SourceError, Trouble};
use chrono::{DateTime, TimeDelta, Utc};
use roots::SHORT;
use std::collections::{BTreeMap, HashMap};

/// How long after its last change a folder's counters can be trusted: they mostly tell whole seconds, so a change in the
/// second in which they were read may leave them as they are. One more second for clocks that differ.
const SETTLED_AFTER: TimeDelta = TimeDelta::seconds(2);

/// The mark of the root of a part, whose own items hardly anybody has: they are listed first and in full looks.
const ROOT_MARK: &str = "root";

/// A page of a listing.
struct ListedPage {
    page: FolderPage,
    /// Whether it shows that the server has no change counters.
    lacks_counters: bool,
}

impl EwsSource {
    /// Returns the next page of folder changes.
    pub(super) async fn next_folders(&self, mailbox: &Address, cursor: Option<&Cursor>) -> Result<FolderPage, SourceError> {
        let about = |failure: Failure| failure.about(Scope::Mailbox, format!("list folders of {mailbox}"));
        let place = Place::of(cursor).map_err(about)?;
        let open = match &place {
            Place::Tree(opening) => self.open_as_before(mailbox, opening).await?,
            _ => self.open(mailbox).await?,
        };
        match self.next_folders_of(&open, &place).await {
            // What was known of the mailbox holds no more.
            Err(failure) if open.is_presumed && failure.is_of_opening() => {
                let open = self.reopen(mailbox).await?;
                self.next_folders_of(&open, &place).await.map_err(about)
            }
            page => page.map_err(about),
        }
    }

    async fn next_folders_of(&self, open: &OpenMailbox, place: &Place) -> Result<FolderPage, Failure> {
        let left: &[RootPlace] = if let Place::Roots(left) = place { left } else { &[] };
        if !self.capabilities.lacks(Ability::FolderCounters) {
            match self.list_folders(open, left, true).await {
                Ok(ListedPage { lacks_counters: true, .. }) if left.is_empty() && !self.capabilities.is_proved(Ability::FolderCounters) => {
                    self.capabilities.miss(Ability::FolderCounters);
                }
                Err(failure)
                    if (matches!(failure.trouble, Trouble::Unsupported | Trouble::Refused) || failure.code == SHORT)
                        && !self.capabilities.is_proved(Ability::FolderCounters) =>
                {
                    self.capabilities.miss(Ability::FolderCounters);
                }
                listed => return listed.map(|listed| listed.page),
            }
        }
        let may_have_parts = *open.has_parts.get().unwrap_or(&self.capabilities.is_proved(Ability::ManyRoots));
        if left.is_empty() && !may_have_parts && !self.capabilities.lacks(Ability::SyncFolders) {
            match self.sync_folders(open, place.state()).await {
                Err(failure) if failure.trouble == Trouble::Unsupported => self.capabilities.miss(Ability::SyncFolders),
                page => return page,
            }
        }
        Ok(self.list_folders(open, left, false).await?.page)
    }

    async fn sync_folders(&self, open: &OpenMailbox, state: Option<String>) -> Result<FolderPage, Failure> {
        let before = state;
        let request = SyncFolderHierarchy { root: open.root.clone(), state: before.clone() };
        let HierarchyChanges { state, last, changes } = self.transport.call(request, &open.target).await?.single()?;
        self.capabilities.prove(Ability::SyncFolders);
        let state = state.ok_or_else(|| Failure::new(Trouble::Malformed, "answer", "the answer holds no sync state"))?;
        // A page that changes nothing and leads nowhere would be asked for for ever.
        let stuck = changes.is_empty() && before.as_deref() == Some(state.as_str());
        let last = stuck || last.unwrap_or(changes.is_empty());
        let changes = changes.into_iter().filter_map(|change| match change {
            HierarchyChange::Upsert(folder) => to_folder(open, *folder).map(FolderChange::Upsert),
            HierarchyChange::Delete(id) => Some(FolderChange::Delete(FolderId::new(id))),
        });
        let (changes, cursor) = (changes.collect(), Place::after_sync(&state, false));
        Ok(FolderPage { changes, marks: HashMap::new(), cursor, last, whole: before.is_none(), parts: BTreeMap::new() })
    }
}

/// Makes a mark of counters that were read at `date` of the server's clock; `None` when they could hide a change.
pub(super) fn mark(counters: &FolderCounters, date: DateTime<Utc>) -> Option<FolderMark> {
    let FolderCounters { committed, deleted, items, unread, associated } = counters;
    // A folder that never held anything has no counters.
    let empty = *items == Some(0) && associated.unwrap_or(0) == 0 && committed.is_none();
    let settled = committed.is_some_and(|committed| committed + SETTLED_AFTER <= date) && deleted.is_some();
    let number = |count: &Option<u64>| count.map_or_else(|| "-".to_owned(), |count| count.to_string());
    let time = number(&committed.map(|time| time.timestamp_millis().cast_unsigned()));
    // What no folder had before is left out, so that marks of older versions go on.
    let associated = associated.filter(|count| *count > 0).map(|count| format!(" {count}")).unwrap_or_default();
    (empty || settled).then(|| FolderMark::new(format!("{time} {} {} {}{associated}", number(deleted), number(items), number(unread))))
}

/// Turns a folder into ours; `None` for the root itself and for stored searches, which hold nothing of their own.
fn to_folder(open: &OpenMailbox, raw: RawFolder) -> Option<Folder> {
    if raw.search || raw.id.is_empty() || raw.id == open.opening.root {
        return None;
    }
    let role = raw.well_known.as_deref().map(Role::new).or_else(|| open.opening.roles.get(&raw.id).cloned());
    let parent = raw.parent.filter(|parent| *parent != open.opening.root && !parent.is_empty()).map(FolderId::new);
    Some(Folder { id: FolderId::new(raw.id), parent, name: raw.name, class: raw.class, role })
}

/// Makes the folder that holds a part.
fn root_folder(part: Part, id: &str, within: Option<&str>) -> Folder {
    Folder {
        id: FolderId::new(id),
        parent: within.map(FolderId::new),
        name: part.folder_name().to_owned(),
        class: "IPF.Note".to_owned(),
        role: Some(part.role()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_that_could_hide_a_change_make_no_mark() {
        let time = DateTime::<Utc>::from_timestamp(1_800_000_000, 0).unwrap();
        let counters = FolderCounters { committed: Some(time), deleted: Some(3), items: Some(9), unread: None, associated: Some(0) };
        let at = |seconds| mark(&counters, time + TimeDelta::seconds(seconds));
        assert_eq!((at(-1), at(0), at(1)), (None, None, None));
        assert_eq!(at(2), Some(FolderMark::new("1800000000000 3 9 -")));
        let hidden = FolderCounters { associated: Some(4), ..counters.clone() };
        assert_eq!(mark(&hidden, time + TimeDelta::seconds(2)), Some(FolderMark::new("1800000000000 3 9 - 4")));
        let nothing_else = FolderCounters { items: Some(0), associated: Some(4), ..FolderCounters::default() };
        assert_eq!(mark(&nothing_else, time), None, "a folder with associated items is not empty");
        assert_eq!(mark(&FolderCounters { deleted: None, ..counters.clone() }, time + TimeDelta::days(1)), None);
        assert!(mark(&FolderCounters { items: Some(0), ..FolderCounters::default() }, time).is_some(), "an empty folder");
        assert_eq!(mark(&FolderCounters::default(), time), None);
    }
}
