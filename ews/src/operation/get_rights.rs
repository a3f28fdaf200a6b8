//! `GetFolder`, to see what the user may do with folders and whether there are any below.

use super::FolderName;
use crate::error::Failure;
use crate::operation::get_item::boolean;
use crate::soap::Operation;
use crate::xml::{Element, XmlReader, XmlWriter};
use std::path::Path;

/// `GetFolderType`.
pub(crate) struct GetRights {
    pub(crate) folders: Vec<FolderName>,
}

/// What a folder says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RawRights {
    /// `EffectiveRights/Read`; none when the server does not tell.
    pub(crate) read: Option<bool>,
    pub(crate) children: Option<u32>,
}

impl Operation for GetRights {
    const NAME: &'static str = "GetFolder";
    type Message = RawRights;

    fn write(&self, xml: &mut XmlWriter) {
        super::write_get_folder(xml, &["folder:ChildFolderCount", "folder:EffectiveRights"], self.folders.iter().cloned());
    }

    fn read(rights: &mut RawRights, element: &Element, xml: &mut XmlReader, _: &Path) -> Result<(), Failure> {
        if element.name() != "Folders" {
            return Ok(xml.skip()?);
        }
        while xml.child()?.is_some() {
            while let Some(property) = xml.child()? {
                match property.name() {
                    "ChildFolderCount" => rights.children = xml.text()?.trim().parse().ok(),
                    "EffectiveRights" => {
                        while let Some(right) = xml.child()? {
                            if right.name() == "Read" { rights.read = boolean(&xml.text()?) } else { xml.skip()? }
                        }
                    }
                    _ => xml.skip()?,
                }
            }
        }
        Ok(())
    }
}
