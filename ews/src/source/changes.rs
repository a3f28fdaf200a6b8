//! What changed among a folder's items, those associated with it included where that is wished for.
//!
//! `SyncFolderItems` tells of both in one enumeration; a listing goes through the one and then through the other. A
//! server that refuses associated items is asked for the others alone, and what it lacks is remembered.

use super::EwsSource;
use super::cursor::{Place, invalid};
use super::tree::roots::is_made_up;
use crate::capability::Ability;
use crate::error::Failure;
use crate::http::Target;
use crate::operation::find_item::{FindItem, FoundItems};
use crate::operation::listed_item::{ListedItem, ListingShape};
use crate::operation::sync_folder_items::{ItemChanges, SyncFolderItems};
use crate::soap::Batch;
use c2b_mailbox::{Address, Change, Cursor, FolderId, Page, Scope, SourceError, Told, Trouble, Wishes};

/// Changes that one page holds at most: the most that the schema allows, and what a server that refuses it gets.
const PAGE_CHANGES: u16 = 512;
const SMALL_PAGE_CHANGES: u16 = 100;

impl EwsSource {
    /// Returns the next page of item changes.
    pub(super) async fn next_items(&self, mailbox: &Address, folder: &FolderId, cursor: Option<&Cursor>, wishes: Wishes) -> Result<Page<Change>, SourceError> {
        let open = self.open(mailbox).await?;
        let page = self.next_items_of(&open.target, folder, cursor, wishes).await;
        page.map_err(|failure| failure.about(Scope::Folder, format!("list changes of folder {folder} of {mailbox}")))
    }

    async fn next_items_of(&self, target: &Target, folder: &FolderId, cursor: Option<&Cursor>, wishes: Wishes) -> Result<Page<Change>, Failure> {
        if is_made_up(folder) {
            return Ok(Page { changes: Vec::new(), cursor: Place::listed(), last: true });
        }
        let place = Place::of(cursor)?;
        if let Place::List { .. } = place {
            return self.list_items(target, folder, place, wishes).await;
        }
        if !self.capabilities.lacks(Ability::SyncItems) {
            match self.sync_items_from(target, folder, &place, wishes).await {
                Err(failure) if failure.trouble == Trouble::Unsupported => self.capabilities.miss(Ability::SyncItems),
                page => return page,
            }
        }
        match place {
            Place::Start => self.list_items(target, folder, place, wishes).await,
            _ => Err(invalid("the server no longer tells item changes")),
        }
    }

    /// Asks for what the cursor is about; where none is, for what is wished, as far as the server knows that.
    async fn sync_items_from(&self, target: &Target, folder: &FolderId, place: &Place, wishes: Wishes) -> Result<Page<Change>, Failure> {
        const ABILITY: Ability = Ability::AssociatedInSync;
        let known = &self.capabilities;
        let refuses = |failure: &Failure| matches!(failure.trouble, Trouble::Unsupported | Trouble::Refused);
        let associated = match place {
            Place::Sync { associated: true, .. } if !wishes.associated => return Err(invalid("the state is of associated items, too")),
            Place::Sync { associated: false, .. } if wishes.associated && known.is_proved(ABILITY) => {
                return Err(invalid("the state is of no associated items"));
            }
            // Begun without them because the server refused them then.
            Place::Sync { associated: false, .. } if wishes.associated => {
                known.miss(ABILITY);
                false
            }
            Place::Sync { associated, .. } => *associated,
            _ => wishes.associated && !known.lacks(ABILITY),
        };
        let page = self.sync_items(target, folder, place.state(), Wishes { associated, ..wishes }).await;
        match page {
            Ok(page) => {
                if associated {
                    known.prove(ABILITY);
                }
                Ok(page)
            }
            Err(failure) if associated && !known.is_proved(ABILITY) && refuses(&failure) => {
                if *place != Place::Start {
                    return Err(invalid("the server no longer tells associated items"));
                }
                let page = self.sync_items(target, folder, None, Wishes { associated: false, ..wishes }).await?;
                known.miss(ABILITY);
                Ok(page)
            }
            Err(failure) => Err(failure),
        }
    }

    async fn sync_items(&self, target: &Target, folder: &FolderId, state: Option<String>, wishes: Wishes) -> Result<Page<Change>, Failure> {
        let before = state;
        let ItemChanges { state, last, changes } = self.ask_for_changes(target, folder, before.as_ref(), wishes).await?;
        self.capabilities.prove(Ability::SyncItems);
        let state = state.ok_or_else(|| Failure::new(Trouble::Malformed, "answer", "the answer holds no sync state"))?;
        // A page that changes nothing and leads nowhere would be asked for for ever.
        let stuck = changes.is_empty() && before.as_deref() == Some(state.as_str());
        let last = stuck || last.unwrap_or(changes.is_empty());
        Ok(Page { changes, cursor: Place::after_sync(&state, wishes.associated), last })
    }

    /// Asks for as much as the server is not known to refuse; finds out once what it refuses.
    async fn ask_for_changes(&self, target: &Target, folder: &FolderId, state: Option<&String>, wishes: Wishes) -> Result<ItemChanges, Failure> {
        let known = &self.capabilities;
        let may = |ability, asked| if asked { !known.lacks(ability) } else { !known.is_proved(ability) };
        // Of what may be left out.
        let is_wished = wishes.read || wishes.facts;
        let granting = if wishes.facts { Ability::FactsInSync } else { Ability::ReadsInSync };
        let least = Wishes { associated: wishes.associated, ..Wishes::default() };
        let all = ListingShape { sizes: true, wishes };
        let mut shapes = vec![ListingShape { sizes: true, wishes: least }, ListingShape { sizes: false, wishes: least }];
        if is_wished {
            shapes.insert(0, all);
        }
        let grants = |shape: &ListingShape| shape.wishes == wishes;
        shapes.retain(|shape| may(Ability::SizesInSync, shape.sizes) && (!is_wished || may(granting, grants(shape))));
        let mut first = None;
        for full in [true, false].into_iter().filter(|full| may(Ability::FullPages, *full)) {
            for shape in &shapes {
                let changes_max = if full { PAGE_CHANGES } else { SMALL_PAGE_CHANGES };
                let request = SyncFolderItems { folder: folder.clone(), state: state.cloned(), changes_max, shape: *shape };
                match self.transport.call(request, target).await.and_then(Batch::single) {
                    Ok(changes) => {
                        let found = [(Ability::FullPages, full), (Ability::SizesInSync, shape.sizes)];
                        let wished = is_wished.then_some((granting, grants(shape)));
                        for (ability, asked) in found.into_iter().chain(wished) {
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
        }
        Err(first.unwrap_or_else(|| Failure::new(Trouble::Unsupported, "sync", "the server refuses every way to tell changes")))
    }

    /// Returns the next page of a plain listing: from its beginning, or from inside one.
    pub(super) async fn list_items(&self, target: &Target, folder: &FolderId, place: Place, wishes: Wishes) -> Result<Page<Change>, Failure> {
        const ABILITY: Ability = Ability::AssociatedInFind;
        let known = &self.capabilities;
        let (offset, total, associated) = match place {
            Place::List { offset, total, associated } => (offset, total, associated),
            _ => (0, None, false),
        };
        let found = match self.find_items(target, folder, offset, Wishes { associated, ..wishes }).await {
            Err(failure) if associated && !known.is_proved(ABILITY) && matches!(failure.trouble, Trouble::Unsupported | Trouble::Refused) => {
                known.miss(ABILITY);
                return Ok(Page { changes: Vec::new(), cursor: Place::listed(), last: true });
            }
            found => found?,
        };
        if associated {
            known.prove(ABILITY);
        }
        let place = found.place_after(offset, found.items.len(), total)?;
        let goes_on = place.last && !associated && wishes.associated && !known.lacks(ABILITY);
        let cursor = match place.last {
            false => Place::inside_list(place.offset, Some(place.total), associated),
            true if goes_on => Place::inside_list(0, None, true),
            true => Place::listed(),
        };
        let told = |item: ListedItem| {
            let told = Told { associated: wishes.associated.then_some(associated), ..item.told };
            ListedItem { told, ..item }.into_change()
        };
        Ok(Page { changes: found.items.into_iter().filter_map(told).collect(), cursor, last: place.last && !goes_on })
    }

    /// Asks for as much as the server is not known to refuse; finds out once what it refuses.
    async fn find_items(&self, target: &Target, folder: &FolderId, offset: u32, wishes: Wishes) -> Result<FoundItems, Failure> {
        let known = &self.capabilities;
        let ask = async |read, facts| {
            let shape = ListingShape { sizes: false, wishes: Wishes { read, facts, associated: false } };
            self.transport.call(FindItem { folder: folder.clone(), offset, shape, associated: wishes.associated }, target).await?.single()
        };
        let granting = if wishes.facts { Ability::FactsInFind } else { Ability::ReadsInFind };
        if !(wishes.read || wishes.facts) || known.lacks(granting) {
            return ask(false, false).await;
        }
        match ask(wishes.read, wishes.facts).await {
            Err(failure) if !known.is_proved(granting) && matches!(failure.trouble, Trouble::Unsupported | Trouble::Refused) => {
                let found = ask(false, false).await?;
                known.miss(granting);
                Ok(found)
            }
            found => {
                let found = found?;
                known.prove(granting);
                Ok(found)
            }
        }
    }
}
