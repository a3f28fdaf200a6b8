//! `GetFolder`: properties of folders named by id or well-known word; and what a folder looks like in any answer.

use super::{FolderName, write_fields};
use crate::error::Failure;
use crate::soap::Operation;
use crate::xml::{Element, XmlError, XmlReader, XmlWriter};
use std::path::Path;

/// The properties of a folder that a backup keeps.
pub(super) const FOLDER_FIELDS: [&str; 5] =
    ["folder:FolderId", "folder:ParentFolderId", "folder:DisplayName", "folder:FolderClass", "folder:DistinguishedFolderId"];

/// `GetFolderType`.
pub(crate) struct GetFolder {
    pub(crate) folders: Vec<FolderName>,
}

/// `BaseFolderType` and its kinds, as far as a backup needs it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RawFolder {
    pub(crate) id: String,
    pub(crate) parent: Option<String>,
    pub(crate) name: String,
    pub(crate) class: String,
    pub(crate) well_known: Option<String>,
    /// A stored search: it shows items that live elsewhere.
    pub(crate) search: bool,
}

impl Operation for GetFolder {
    const NAME: &'static str = "GetFolder";
    type Message = RawFolder;

    fn write(&self, xml: &mut XmlWriter) {
        xml.element("m:GetFolder", &[], |xml| {
            write_folder_shape(xml);
            xml.element("m:FolderIds", &[], |xml| self.folders.iter().for_each(|folder| folder.write(xml)));
        });
    }

    fn read(folder: &mut RawFolder, element: &Element, xml: &mut XmlReader, _: &Path) -> Result<(), Failure> {
        if element.name() != "Folders" {
            return Ok(xml.skip()?);
        }
        while let Some(element) = xml.child()? {
            *folder = read_folder(&element, xml)?;
        }
        Ok(())
    }
}

/// Writes `FolderShape` with the properties that a backup keeps.
pub(super) fn write_folder_shape(xml: &mut XmlWriter) {
    xml.element("m:FolderShape", &[], |xml| {
        xml.text("t:BaseShape", "IdOnly");
        xml.element("t:AdditionalProperties", &[], |xml| write_fields(xml, &FOLDER_FIELDS));
    });
}

/// Reads a folder of any kind.
pub(super) fn read_folder(element: &Element, xml: &mut XmlReader) -> Result<RawFolder, XmlError> {
    let mut folder = RawFolder { search: element.name() == "SearchFolder", ..RawFolder::default() };
    while let Some(property) = xml.child()? {
        let id = property.attribute("Id").map(str::to_owned);
        match property.name() {
            "FolderId" => {
                folder.id = id.unwrap_or_default();
                xml.skip()?;
            }
            "ParentFolderId" => {
                folder.parent = id;
                xml.skip()?;
            }
            "DisplayName" => folder.name = xml.text()?,
            "FolderClass" => folder.class = xml.text()?,
            "DistinguishedFolderId" => folder.well_known = Some(xml.text()?).filter(|word| !word.is_empty()),
            _ => xml.skip()?,
        }
    }
    Ok(folder)
}
