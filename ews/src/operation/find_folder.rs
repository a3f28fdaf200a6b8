//! `FindFolder`: a page of all folders below each of some roots, with their change counters or without.

use super::FolderName;
use super::find_item::{ListPlace, PAGE_ENTRIES, Paging, no_root};
use super::get_folder::{RawFolder, read_folder, write_folder_shape, write_public_shape};
use crate::error::Failure;
use crate::soap::Operation;
use crate::xml::{Element, XmlReader, XmlWriter};
use std::path::Path;

/// `FindFolderType`. Each root has an answer of its own, in this order.
pub(crate) struct FindFolder {
    pub(crate) roots: Vec<FolderName>,
    pub(crate) offset: u32,
    pub(crate) with_counters: bool,
    pub(crate) traversal: Traversal,
}

/// How deep to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Traversal {
    /// All folders below.
    Deep,
    /// Those right below, and where the contents of each are: public folders can be asked for in no other way.
    Public,
}

/// `FindFolderResponseMessageType`.
#[derive(Debug, Default)]
pub(crate) struct FoundFolders {
    paging: Option<Paging>,
    pub(crate) folders: Vec<RawFolder>,
}

impl Operation for FindFolder {
    const NAME: &'static str = "FindFolder";
    type Message = FoundFolders;

    fn write(&self, xml: &mut XmlWriter) {
        let is_public = self.traversal == Traversal::Public;
        xml.element("m:FindFolder", &[("Traversal", if is_public { "Shallow" } else { "Deep" })], |xml| {
            if is_public {
                write_public_shape(xml);
            } else {
                write_folder_shape(xml, self.with_counters);
            }
            let offset = self.offset.to_string();
            xml.empty("m:IndexedPageFolderView", &[("MaxEntriesReturned", PAGE_ENTRIES), ("Offset", &offset), ("BasePoint", "Beginning")]);
            xml.element("m:ParentFolderIds", &[], |xml| self.roots.iter().for_each(|root| root.write(xml)));
        });
    }

    fn read(found: &mut FoundFolders, element: &Element, xml: &mut XmlReader, _: &Path) -> Result<(), Failure> {
        if element.name() != "RootFolder" {
            return Ok(xml.skip()?);
        }
        found.paging = Some(Paging::of(element));
        while let Some(list) = xml.child()? {
            if list.name() != "Folders" {
                xml.skip()?;
                continue;
            }
            while let Some(folder) = xml.child()? {
                found.folders.push(read_folder(&folder, xml)?);
            }
        }
        Ok(())
    }
}

impl FoundFolders {
    /// Returns where the listing stands behind this page.
    pub(crate) fn place_after(&self, offset: u32, entries: usize, total: Option<u32>) -> Result<ListPlace, Failure> {
        match self.paging {
            Some(paging) => paging.place_after(offset, entries, total),
            None => Err(no_root()),
        }
    }
}
