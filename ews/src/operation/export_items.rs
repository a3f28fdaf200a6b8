//! `ExportItems`: the full-fidelity stream of items.

use super::write_item_ids;
use crate::decoder::{Decoded, Decoder};
use crate::error::Failure;
use crate::soap::Operation;
use crate::xml::{Element, XmlReader, XmlWriter};
use c2b_mailbox::{Content, ItemId, Retry, Scope, Trouble};
use std::path::Path;

/// `ExportItemsType`.
pub(crate) struct ExportItems {
    pub(crate) ids: Vec<ItemId>,
}

/// `ExportItemsResponseMessageType`.
#[derive(Debug, Default)]
pub(crate) struct Export {
    pub(crate) id: Option<ItemId>,
    pub(crate) data: Option<Content>,
}

impl Operation for ExportItems {
    const NAME: &'static str = "ExportItems";
    type Message = Export;

    fn write(&self, xml: &mut XmlWriter) {
        xml.element("m:ExportItems", &[], |xml| write_item_ids(xml, &self.ids));
    }

    fn read(export: &mut Export, element: &Element, xml: &mut XmlReader, spool_dir: &Path) -> Result<(), Failure> {
        match element.name() {
            "ItemId" => {
                export.id = super::get_item::item_id(element).map(|(id, _)| id);
                xml.skip()?;
            }
            "Data" => export.data = Some(read_base64(xml, spool_dir)?),
            _ => xml.skip()?,
        }
        Ok(())
    }
}

/// Reads the open element's base64 text; what is wrong with it is about the item only.
pub(crate) fn read_base64(xml: &mut XmlReader, spool_dir: &Path) -> Result<Content, Failure> {
    let mut decoder = Decoder::new(spool_dir);
    xml.stream(&mut |piece| decoder.push(piece))?;
    let decoded = decoder.finish().map_err(crate::xml::XmlError::Keep)?;
    let failure = |code, words| Failure::new(Trouble::Malformed, code, words).reaching(Scope::Item);
    match decoded {
        Decoded::Whole(content) => Ok(content),
        Decoded::Truncated => Err(failure("Truncated Data", "the server could not export the whole item now").retrying(Retry::Backoff)),
        Decoded::Bad => Err(failure("base64", "the bytes of the item are not base64").retrying(Retry::Backoff)),
    }
}
