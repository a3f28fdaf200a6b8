//! What changed in a mailbox's folder tree.

use super::EwsSource;
use super::cursor::{Place, invalid};
use super::mailbox::OpenMailbox;
use crate::capability::Ability;
use crate::error::Failure;
use crate::operation::find_folder::FindFolder;
use crate::operation::get_folder::RawFolder;
use crate::operation::sync_folder_hierarchy::{HierarchyChange, HierarchyChanges, SyncFolderHierarchy};
use c2b_mailbox::{Address, Cursor, Folder, FolderChange, FolderId, Page, Role, Scope, SourceError, Trouble};

impl EwsSource {
    /// Returns the next page of folder changes.
    pub(super) async fn next_folders(&self, mailbox: &Address, cursor: Option<&Cursor>) -> Result<Page<FolderChange>, SourceError> {
        let open = self.open(mailbox).await?;
        self.next_folders_of(&open, cursor).await.map_err(|failure| failure.about(Scope::Mailbox, format!("list folders of {mailbox}")))
    }

    async fn next_folders_of(&self, open: &OpenMailbox, cursor: Option<&Cursor>) -> Result<Page<FolderChange>, Failure> {
        let place = Place::of(cursor)?;
        if let Place::List { offset, total } = place {
            return self.list_folders(open, offset, Some(total)).await;
        }
        if !self.capabilities.lacks(Ability::SyncFolders) {
            match self.sync_folders(open, place.state()).await {
                Err(failure) if failure.trouble == Trouble::Unsupported => self.capabilities.miss(Ability::SyncFolders),
                page => return page,
            }
        }
        match place {
            Place::Start => self.list_folders(open, 0, None).await,
            _ => Err(invalid("the server no longer tells folder changes")),
        }
    }

    async fn sync_folders(&self, open: &OpenMailbox, state: Option<String>) -> Result<Page<FolderChange>, Failure> {
        let before = state;
        let request = SyncFolderHierarchy { root: open.root.clone(), state: before.clone() };
        let HierarchyChanges { state, last, changes } = self.transport.call(request, &open.target).await?.single()?;
        self.capabilities.prove(Ability::SyncFolders);
        let state = state.ok_or_else(|| Failure::new(Trouble::Malformed, "answer", "the answer holds no sync state"))?;
        // A page that changes nothing and leads nowhere would be asked for for ever.
        let stuck = changes.is_empty() && before.as_deref() == Some(state.as_str());
        let last = stuck || last.unwrap_or(changes.is_empty());
        let changes = changes.into_iter().filter_map(|change| match change {
            HierarchyChange::Upsert(folder) => to_folder(open, folder).map(FolderChange::Upsert),
            HierarchyChange::Delete(id) => Some(FolderChange::Delete(FolderId::new(id))),
        });
        Ok(Page { changes: changes.collect(), cursor: Place::after_sync(&state), last })
    }

    async fn list_folders(&self, open: &OpenMailbox, offset: u32, total: Option<u32>) -> Result<Page<FolderChange>, Failure> {
        let found = self.transport.call(FindFolder { root: open.root.clone(), offset }, &open.target).await?.single()?;
        let place = found.place_after(offset, found.folders.len(), total)?;
        let changes = found.folders.into_iter().filter_map(|folder| to_folder(open, folder).map(FolderChange::Upsert)).collect();
        Ok(Page { changes, cursor: Place::after_list(place.offset, place.total, place.last), last: place.last })
    }
}

/// Turns a folder into ours; `None` for the root itself and for stored searches, which hold nothing of their own.
fn to_folder(open: &OpenMailbox, raw: RawFolder) -> Option<Folder> {
    if raw.search || raw.id.is_empty() || raw.id == open.root_id {
        return None;
    }
    let role = raw.well_known.as_deref().map(Role::new).or_else(|| open.roles.get(&raw.id).cloned());
    let parent = raw.parent.filter(|parent| *parent != open.root_id && !parent.is_empty()).map(FolderId::new);
    Some(Folder { id: FolderId::new(raw.id), parent, name: raw.name, class: raw.class, role })
}
