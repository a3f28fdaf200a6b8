//! What changed among a folder's items.

use super::EwsSource;
use super::cursor::{Place, invalid};
use crate::capability::Ability;
use crate::error::Failure;
use crate::http::Target;
use crate::operation::find_item::FindItem;
use crate::operation::sync_folder_items::{ItemChanges, SyncFolderItems};
use crate::soap::Batch;
use c2b_mailbox::{Address, Change, Cursor, FolderId, Page, Scope, SourceError, Trouble};

/// Changes that one page holds at most: the most that the schema allows, and what a server that refuses it gets.
const PAGE_CHANGES: u16 = 512;
const SMALL_PAGE_CHANGES: u16 = 100;

impl EwsSource {
    /// Returns the next page of item changes.
    pub(super) async fn next_items(&self, mailbox: &Address, folder: &FolderId, cursor: Option<&Cursor>) -> Result<Page<Change>, SourceError> {
        let open = self.open(mailbox).await?;
        let page = self.next_items_of(&open.target, folder, cursor).await;
        page.map_err(|failure| failure.about(Scope::Folder, format!("list changes of folder {folder} of {mailbox}")))
    }

    async fn next_items_of(&self, target: &Target, folder: &FolderId, cursor: Option<&Cursor>) -> Result<Page<Change>, Failure> {
        let place = Place::of(cursor)?;
        if let Place::List { offset, total } = place {
            return self.list_items(target, folder, offset, Some(total)).await;
        }
        if !self.capabilities.lacks(Ability::SyncItems) {
            match self.sync_items(target, folder, place.state()).await {
                Err(failure) if failure.trouble == Trouble::Unsupported => self.capabilities.miss(Ability::SyncItems),
                page => return page,
            }
        }
        match place {
            Place::Start => self.list_items(target, folder, 0, None).await,
            _ => Err(invalid("the server no longer tells item changes")),
        }
    }

    async fn sync_items(&self, target: &Target, folder: &FolderId, state: Option<String>) -> Result<Page<Change>, Failure> {
        let before = state;
        let ItemChanges { state, last, changes } = self.ask_for_changes(target, folder, before.as_ref()).await?;
        self.capabilities.prove(Ability::SyncItems);
        let state = state.ok_or_else(|| Failure::new(Trouble::Malformed, "answer", "the answer holds no sync state"))?;
        // A page that changes nothing and leads nowhere would be asked for for ever.
        let stuck = changes.is_empty() && before.as_deref() == Some(state.as_str());
        let last = stuck || last.unwrap_or(changes.is_empty());
        Ok(Page { changes, cursor: Place::after_sync(&state), last })
    }

    /// Asks for as much as the server is not known to refuse; finds out once what it refuses.
    async fn ask_for_changes(&self, target: &Target, folder: &FolderId, state: Option<&String>) -> Result<ItemChanges, Failure> {
        let known = &self.capabilities;
        let may = |ability, asked| if asked { !known.lacks(ability) } else { !known.is_proved(ability) };
        let ways = [(true, true), (true, false), (false, true), (false, false)].into_iter();
        let mut first = None;
        for (full, with_sizes) in ways.filter(|(full, sizes)| may(Ability::FullPages, *full) && may(Ability::SizesInSync, *sizes)) {
            let changes_max = if full { PAGE_CHANGES } else { SMALL_PAGE_CHANGES };
            let request = SyncFolderItems { folder: folder.clone(), state: state.cloned(), changes_max, with_sizes };
            match self.transport.call(request, target).await.and_then(Batch::single) {
                Ok(changes) => {
                    for (ability, asked) in [(Ability::FullPages, full), (Ability::SizesInSync, with_sizes)] {
                        if asked { known.prove(ability) } else { known.miss(ability) }
                    }
                    return Ok(changes);
                }
                Err(failure) if matches!(failure.trouble, Trouble::Unsupported | Trouble::Refused) => {
                    first.get_or_insert(failure);
                }
                Err(failure) => return Err(failure),
            }
        }
        Err(first.unwrap_or_else(|| Failure::new(Trouble::Unsupported, "sync", "the server refuses every way to tell changes")))
    }

    async fn list_items(&self, target: &Target, folder: &FolderId, offset: u32, total: Option<u32>) -> Result<Page<Change>, Failure> {
        let found = self.transport.call(FindItem { folder: folder.clone(), offset }, target).await?.single()?;
        let place = found.place_after(offset, found.items.len(), total)?;
        let changes = found.items.into_iter().map(|(id, change_key)| Change::Upsert { id, change_key, size: None }).collect();
        Ok(Page { changes, cursor: Place::after_list(place.offset, place.total, place.last), last: place.last })
    }
}
