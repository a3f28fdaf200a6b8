//! One file for each operation of EWS: its request, and how its answer is read.

pub(crate) mod export_items;
pub(crate) mod find_folder;
pub(crate) mod find_item;
pub(crate) mod get_attachment;
pub(crate) mod get_folder;
pub(crate) mod get_item;
pub(crate) mod resolve_names;
pub(crate) mod sync_folder_hierarchy;
pub(crate) mod sync_folder_items;

use crate::xml::XmlWriter;
use c2b_mailbox::{Address, FolderId, ItemId};

/// A folder named in a request: EWS `FolderId` or `DistinguishedFolderId`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FolderName {
    /// By its id.
    Id(FolderId),
    /// By its well-known word, in the mailbox given or else that of the caller.
    WellKnown(&'static str, Option<Address>),
}

impl FolderName {
    fn write(&self, xml: &mut XmlWriter) {
        match self {
            Self::Id(id) => xml.empty("t:FolderId", &[("Id", id.as_str())]),
            Self::WellKnown(word, None) => xml.empty("t:DistinguishedFolderId", &[("Id", word)]),
            Self::WellKnown(word, Some(mailbox)) => xml.element("t:DistinguishedFolderId", &[("Id", word)], |xml| {
                xml.element("t:Mailbox", &[], |xml| xml.text("t:EmailAddress", mailbox.as_str()));
            }),
        }
    }
}

fn write_item_ids(xml: &mut XmlWriter, ids: &[ItemId]) {
    xml.element("m:ItemIds", &[], |xml| {
        for id in ids {
            xml.empty("t:ItemId", &[("Id", id.as_str())]);
        }
    });
}

fn write_fields(xml: &mut XmlWriter, uris: &[&str]) {
    for uri in uris {
        xml.empty("t:FieldURI", &[("FieldURI", uri)]);
    }
}
