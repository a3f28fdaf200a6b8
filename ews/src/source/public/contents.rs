//! The items of public folders: listed whole and compared, fetched where they are.

use crate::capability::Ability;
use crate::source::EwsSource;
use crate::source::cursor::{Place, invalid};
use c2b_mailbox::{Change, Cursor, Fetched, FolderId, ItemId, ItemRef, Looked, Page, Scope, SourceError, Wishes};
use std::collections::BTreeMap;
use std::sync::PoisonError;

/// Stands between a content mailbox and an item's id; no id has it.
const BETWEEN: char = '|';

impl EwsSource {
    /// Returns the next page of a public folder's items.
    pub(in crate::source) async fn next_public_items(&self, folder: &FolderId, cursor: Option<&Cursor>, wishes: Wishes) -> Result<Page<Change>, SourceError> {
        let about = |failure: crate::error::Failure| failure.about(Scope::Folder, format!("list items of public folder {folder}"));
        let place = Place::of(cursor).map_err(about)?;
        if !matches!(place, Place::Start | Place::List { .. }) {
            return Err(about(invalid("public folders are listed whole")));
        }
        let mailbox = self.public.contents.lock().unwrap_or_else(PoisonError::into_inner).get(folder).cloned().unwrap_or_default();
        let page = self.list_items(&self.content_target(&mailbox), folder, place, wishes).await.map_err(about)?;
        let changes = page.changes.into_iter().map(|change| at_home(&mailbox, change)).collect();
        Ok(Page { changes, ..page })
    }

    /// Fetches items of public folders.
    pub(in crate::source) async fn fetch_public_items(&self, items: &[ItemRef]) -> Result<Vec<Fetched>, SourceError> {
        let mut fetched = Vec::with_capacity(items.len());
        for (mailbox, items) in groups(items.iter(), |item| &item.id) {
            let open = self.open_contents(&mailbox);
            let items: Vec<ItemRef> = items.into_iter().map(|(id, item)| ItemRef { id, ..item.clone() }).collect();
            for one in self.fetch_from(&open, &items, Ability::ExportPublic, "a public folder").await? {
                let id = join(&mailbox, &one.id);
                let result = one.result.map(|mut item| {
                    item.meta.id = id.clone();
                    item
                });
                fetched.push(Fetched { id, result, ..one });
            }
        }
        Ok(fetched)
    }

    /// Looks at items of public folders.
    pub(in crate::source) async fn look_at_public_items(&self, ids: &[ItemId]) -> Result<Vec<Looked>, SourceError> {
        let mut looked = Vec::with_capacity(ids.len());
        for (mailbox, ids) in groups(ids.iter(), |id| id) {
            let ids: Vec<ItemId> = ids.into_iter().map(|(id, _)| id).collect();
            for one in self.look_from(&self.content_target(&mailbox), &ids, "a public folder").await? {
                let id = join(&mailbox, &one.id);
                let result = one.result.map(|mut sight| {
                    sight.meta.id = id.clone();
                    sight
                });
                looked.push(Looked { id, result });
            }
        }
        Ok(looked)
    }
}

/// Groups things by the mailbox that their ids say, each with its id in there.
fn groups<'a, T>(things: impl Iterator<Item = &'a T>, id_of: impl Fn(&T) -> &ItemId) -> BTreeMap<String, Vec<(ItemId, &'a T)>> {
    let mut groups: BTreeMap<String, Vec<(ItemId, &'a T)>> = BTreeMap::new();
    for thing in things {
        let id = id_of(thing).as_str();
        let (mailbox, own) = id.split_once(BETWEEN).unwrap_or(("", id));
        groups.entry(mailbox.to_owned()).or_default().push((ItemId::new(own), thing));
    }
    groups
}

fn join(mailbox: &str, id: &ItemId) -> ItemId {
    if mailbox.is_empty() { id.clone() } else { ItemId::new(format!("{mailbox}{BETWEEN}{id}")) }
}

fn at_home(mailbox: &str, change: Change) -> Change {
    match change {
        Change::Upsert { id, change_key, told } => Change::Upsert { id: join(mailbox, &id), change_key, told },
        Change::Read { id, change_key, read } => Change::Read { id: join(mailbox, &id), change_key, read },
        Change::Delete(id) => Change::Delete(join(mailbox, &id)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_says_where_its_item_is() {
        let (here, there) = (ItemId::new("A=="), join("pf2@example.org", &ItemId::new("B==")));
        assert_eq!(there.as_str(), "pf2@example.org|B==");
        let both = [here.clone(), there.clone()];
        let groups = groups(both.iter(), |id| id);
        assert_eq!(groups[""], [(ItemId::new("A=="), &here)]);
        assert_eq!(groups["pf2@example.org"], [(ItemId::new("B=="), &there)]);
        assert_eq!(join("", &here), here);
    }
}
