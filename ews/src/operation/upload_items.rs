//! `UploadItems`: what was exported becomes an item again, in all its properties.

use crate::body::SharedContent;
use crate::error::Failure;
use crate::soap::Operation;
use crate::xml::{Element, XmlReader, XmlWriter};
use c2b_mailbox::{FolderId, ItemId};
use std::path::Path;

/// `UploadItemsType` with one item, which is always a new one.
pub(crate) struct UploadItems {
    pub(crate) folder: FolderId,
    /// The bytes that `ExportItems` gave.
    pub(crate) data: SharedContent,
    /// Whether it belongs to the folder's associated (hidden) items.
    pub(crate) associated: bool,
}

/// `UploadItemsResponseMessageType`.
#[derive(Debug, Default)]
pub(crate) struct Uploaded {
    pub(crate) id: Option<ItemId>,
}

impl Operation for UploadItems {
    const NAME: &'static str = "UploadItems";
    type Message = Uploaded;

    fn write(&self, xml: &mut XmlWriter) {
        let attributes: &[(&str, &str)] =
            if self.associated { &[("CreateAction", "CreateNew"), ("IsAssociated", "true")] } else { &[("CreateAction", "CreateNew")] };
        xml.element("m:UploadItems", &[], |xml| {
            xml.element("m:Items", &[], |xml| {
                xml.element("t:Item", attributes, |xml| {
                    xml.empty("t:ParentFolderId", &[("Id", self.folder.as_str())]);
                    xml.base64("t:Data", self.data.clone());
                });
            });
        });
    }

    fn read(uploaded: &mut Uploaded, element: &Element, xml: &mut XmlReader, _spool_dir: &Path) -> Result<(), Failure> {
        if element.name() == "ItemId" {
            uploaded.id = super::get_item::item_id(element).map(|(id, _)| id);
        }
        Ok(xml.skip()?)
    }
}
