//! `SyncFolderItems`: what changed among a folder's items since a sync state.

use super::FolderName;
use crate::error::Failure;
use crate::soap::Operation;
use crate::xml::{Element, XmlError, XmlReader, XmlWriter};
use c2b_mailbox::{Change, ChangeKey, FolderId, ItemId};
use std::path::Path;

/// `SyncFolderItemsType`, ids and at most sizes: each further property costs the server a look at the items.
pub(crate) struct SyncFolderItems {
    pub(crate) folder: FolderId,
    pub(crate) state: Option<String>,
    /// 1 to 512.
    pub(crate) changes_max: u16,
    /// Whether sizes are asked for, which is one more look at the folder but makes it known how many items fit one answer.
    pub(crate) with_sizes: bool,
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
            xml.element("m:ItemShape", &[], |xml| {
                xml.text("t:BaseShape", "IdOnly");
                if self.with_sizes {
                    xml.element("t:AdditionalProperties", &[], |xml| super::write_fields(xml, &["item:Size"]));
                }
            });
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
        let (mut read, mut size) = (None, None);
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
                        match inner.name() {
                            "Size" => size = xml.text()?.trim().parse().ok(),
                            name => {
                                if name == "ItemId" {
                                    id = super::get_item::item_id(&inner).or(id);
                                }
                                xml.skip()?;
                            }
                        }
                    }
                }
            }
        }
        changes.extend(id.and_then(|(id, change_key)| to_change(change.name(), id, change_key, read, size)));
    }
    Ok(())
}

fn to_change(kind: &str, id: ItemId, change_key: Option<ChangeKey>, read: Option<bool>, size: Option<u64>) -> Option<Change> {
    match (kind, read) {
        ("Create" | "Update", _) => Some(Change::Upsert { id, change_key, size }),
        ("ReadFlagChange", Some(read)) => Some(Change::Read { id, change_key, read }),
        // A read state that is not told must be fetched.
        ("ReadFlagChange", None) => Some(Change::Upsert { id, change_key, size }),
        ("Delete", _) => Some(Change::Delete(id)),
        _ => None,
    }
}
