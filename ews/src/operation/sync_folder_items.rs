//! `SyncFolderItems`: what changed among a folder's items since a sync state.

use super::FolderName;
use crate::error::Failure;
use crate::soap::Operation;
use crate::xml::{Element, XmlError, XmlReader, XmlWriter};
use c2b_mailbox::{Change, ChangeKey, FolderId, ItemId};
use std::path::Path;

/// `SyncFolderItemsType`, ids only: each further property costs the server a look at the item.
pub(crate) struct SyncFolderItems {
    pub(crate) folder: FolderId,
    pub(crate) state: Option<String>,
    /// 1 to 512.
    pub(crate) changes_max: u16,
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
            xml.element("m:ItemShape", &[], |xml| xml.text("t:BaseShape", "IdOnly"));
            xml.element("m:SyncFolderId", &[], |xml| FolderName::Id(self.folder.clone()).write(xml));
            if let Some(state) = &self.state {
                xml.text("m:SyncState", state);
            }
            xml.text("m:MaxChangesReturned", &self.changes_max.to_string());
            xml.text("m:SyncScope", "NormalItems");
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
        let mut id = None;
        let mut read = None;
        while let Some(element) = xml.child()? {
            match element.name() {
                "ItemId" => {
                    id = super::get_item::item_id(&element).or(id);
                    xml.skip()?;
                }
                "IsRead" => read = super::get_item::boolean(&xml.text()?),
                // Create and Update wrap the id into an element of the item's kind.
                _ => {
                    while let Some(inner) = xml.child()? {
                        if inner.name() == "ItemId" {
                            id = super::get_item::item_id(&inner).or(id);
                        }
                        xml.skip()?;
                    }
                }
            }
        }
        changes.extend(id.and_then(|(id, change_key)| to_change(change.name(), id, change_key, read)));
    }
    Ok(())
}

fn to_change(kind: &str, id: ItemId, change_key: Option<ChangeKey>, read: Option<bool>) -> Option<Change> {
    match (kind, read) {
        ("Create" | "Update", _) => Some(Change::Upsert { id, change_key }),
        ("ReadFlagChange", Some(read)) => Some(Change::Read { id, change_key, read }),
        // A read state that is not told must be fetched.
        ("ReadFlagChange", None) => Some(Change::Upsert { id, change_key }),
        ("Delete", _) => Some(Change::Delete(id)),
        _ => None,
    }
}
