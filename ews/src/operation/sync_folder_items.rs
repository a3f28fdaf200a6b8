//! `SyncFolderItems`: what changed among a folder's items since a sync state.

use super::FolderName;
use super::listed_item::{ListedItem, ListingShape};
use crate::error::Failure;
use crate::soap::Operation;
use crate::xml::{Element, XmlError, XmlReader, XmlWriter};
use c2b_mailbox::{Change, FolderId};
use std::path::Path;

/// `SyncFolderItemsType`, ids and few properties: each further property costs the server a look at the items.
pub(crate) struct SyncFolderItems {
    pub(crate) folder: FolderId,
    pub(crate) state: Option<String>,
    /// 1 to 512.
    pub(crate) changes_max: u16,
    pub(crate) shape: ListingShape,
}

/// `SyncFolderItemsResponseMessageType`.
#[derive(Debug, Default)]
pub(crate) struct ItemChanges {
    pub(crate) state: Option<String>,
    pub(crate) last: Option<bool>,
    pub(crate) changes: Vec<Change>,
}

impl Operation for SyncFolderItems {
    const NAME: &'static str = "SyncFolderItems";
    type Message = ItemChanges;

    fn write(&self, xml: &mut XmlWriter) {
        xml.element("m:SyncFolderItems", &[], |xml| {
            self.shape.write(xml);
            xml.element("m:SyncFolderId", &[], |xml| FolderName::Id(self.folder.clone()).write(xml));
            if let Some(state) = &self.state {
                xml.text("m:SyncState", state);
            }
            xml.text("m:MaxChangesReturned", &self.changes_max.to_string());
            xml.text("m:SyncScope", if self.shape.wishes.associated { "NormalAndAssociatedItems" } else { "NormalItems" });
        });
    }

    fn read(page: &mut ItemChanges, element: &Element, xml: &mut XmlReader, _: &Path) -> Result<(), Failure> {
        match element.name() {
            "SyncState" => page.state = Some(xml.text()?),
            "IncludesLastItemInRange" => page.last = super::get_item::boolean(&xml.text()?),
            "Changes" => read_changes(xml, &mut page.changes)?,
            _ => xml.skip()?,
        }
        Ok(())
    }
}

fn read_changes(xml: &mut XmlReader, changes: &mut Vec<Change>) -> Result<(), XmlError> {
    while let Some(change) = xml.child()? {
        let mut item = ListedItem::default();
        while let Some(element) = xml.child()? {
            match element.name() {
                "ItemId" => {
                    item.id = super::get_item::item_id(&element).or(item.id);
                    xml.skip()?;
                }
                "IsRead" => item.told.read = super::get_item::boolean(&xml.text()?),
                // Create and Update wrap the id into an element of the item's kind.
                _ => {
                    let inner = ListedItem::read(&element, xml)?;
                    item = ListedItem { id: inner.id.or(item.id), told: inner.told };
                }
            }
        }
        changes.extend(to_change(change.name(), item));
    }
    Ok(())
}

fn to_change(kind: &str, item: ListedItem) -> Option<Change> {
    match (kind, item.told.read, &item.id) {
        ("ReadFlagChange", Some(read), Some((id, change_key))) => Some(Change::Read { id: id.clone(), change_key: change_key.clone(), read }),
        // A read state that is not told must be fetched.
        ("Create" | "Update" | "ReadFlagChange", ..) => item.into_change(),
        ("Delete", _, Some((id, _))) => Some(Change::Delete(id.clone())),
        _ => None,
    }
}
