//! `SyncFolderHierarchy`: what changed in the folder tree below a root since a sync state.

use super::FolderName;
use super::get_folder::{RawFolder, read_folder, write_folder_shape};
use crate::error::Failure;
use crate::soap::Operation;
use crate::xml::{Element, XmlError, XmlReader, XmlWriter};
use std::path::Path;

/// `SyncFolderHierarchyType`. The root must be the same for all states of one mailbox.
pub(crate) struct SyncFolderHierarchy {
    pub(crate) root: FolderName,
    pub(crate) state: Option<String>,
}

/// `SyncFolderHierarchyResponseMessageType`.
#[derive(Debug, Default)]
pub(crate) struct HierarchyChanges {
    pub(crate) state: Option<String>,
    pub(crate) last: Option<bool>,
    pub(crate) changes: Vec<HierarchyChange>,
}

/// `SyncFolderHierarchyCreateOrUpdateType`, `SyncFolderHierarchyDeleteType`.
#[derive(Debug)]
pub(crate) enum HierarchyChange {
    Upsert(Box<RawFolder>),
    Delete(String),
}

impl Operation for SyncFolderHierarchy {
    const NAME: &'static str = "SyncFolderHierarchy";
    type Message = HierarchyChanges;

    fn write(&self, xml: &mut XmlWriter) {
        xml.element("m:SyncFolderHierarchy", &[], |xml| {
            write_folder_shape(xml, false);
            xml.element("m:SyncFolderId", &[], |xml| self.root.write(xml));
            if let Some(state) = &self.state {
                xml.text("m:SyncState", state);
            }
        });
    }

    fn read(page: &mut HierarchyChanges, element: &Element, xml: &mut XmlReader, _: &Path) -> Result<(), Failure> {
        match element.name() {
            "SyncState" => page.state = Some(xml.text()?),
            "IncludesLastFolderInRange" => page.last = super::get_item::boolean(&xml.text()?),
            "Changes" => read_changes(xml, &mut page.changes)?,
            _ => xml.skip()?,
        }
        Ok(())
    }
}

fn read_changes(xml: &mut XmlReader, changes: &mut Vec<HierarchyChange>) -> Result<(), XmlError> {
    while let Some(change) = xml.child()? {
        while let Some(element) = xml.child()? {
            match (change.name(), element.name()) {
                (_, "FolderId") => {
                    let id = element.attribute("Id").map(str::to_owned);
                    xml.skip()?;
                    if let (Some(id), "Delete") = (id, change.name()) {
                        changes.push(HierarchyChange::Delete(id));
                    }
                }
                ("Create" | "Update", _) => {
                    let folder = read_folder(&element, xml)?;
                    if !folder.id.is_empty() {
                        changes.push(HierarchyChange::Upsert(Box::new(folder)));
                    }
                }
                _ => xml.skip()?,
            }
        }
    }
    Ok(())
}
