//! `GetItem`: items with their properties, and with their MIME or with body and attachment list.

use super::{write_fields, write_item_ids};
use crate::error::Failure;
use crate::item::RawItem;
use crate::soap::Operation;
use crate::xml::{Element, XmlReader, XmlWriter};
use c2b_mailbox::{ChangeKey, ItemId};
use std::path::Path;

/// Properties that [`c2b_mailbox::ItemMeta`] keeps.
const META_FIELDS: [&str; 27] = [
    "item:ItemClass",
    "item:Subject",
    "item:DateTimeReceived",
    "item:Size",
    "item:Categories",
    "item:Importance",
    "item:DateTimeSent",
    "item:DateTimeCreated",
    "item:HasAttachments",
    "item:LastModifiedTime",
    "item:Flag",
    "item:IsDraft",
    "message:From",
    "message:Sender",
    "message:ToRecipients",
    "message:CcRecipients",
    "message:BccRecipients",
    "message:InternetMessageId",
    "message:IsRead",
    "calendar:UID",
    "calendar:Start",
    "calendar:End",
    "calendar:Organizer",
    "task:StartDate",
    "task:DueDate",
    "contacts:DisplayName",
    "contacts:FileAs",
];

/// Properties beside these that say until when a series goes on.
const SERIES_FIELDS: [&str; 3] = ["calendar:Recurrence", "calendar:LastOccurrence", "task:Recurrence"];

/// `PidTagSearchKey` and `PidTagMessageFlags`: what no element of the schema tells, or of a newer one only.
const TAGS: [(&str, &str); 2] = [("0x300B", "Binary"), ("0x0E07", "Integer")];
/// `PidLidLogStart` and `PidLidLogEnd` of journal entries, and the property set that they belong to.
const LOG_SET: &str = "0006200a-0000-0000-c000-000000000046";
const LOG_TIMES: [&str; 2] = ["34566", "34568"];

/// How much is asked of each item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// The properties of the metadata and the server's MIME.
    Mime,
    /// All properties with body and attachment list, no MIME: what a readable form is rendered from.
    Everything,
    /// As `Mime`, for servers that know no list of properties.
    PlainMime,
    /// The properties of the metadata alone, and what says how old an item is.
    Listing,
}

/// `GetItemType`.
pub(crate) struct GetItem {
    pub(crate) ids: Vec<ItemId>,
    pub(crate) shape: Shape,
}

impl Operation for GetItem {
    const NAME: &'static str = "GetItem";
    type Message = RawItem;

    fn write(&self, xml: &mut XmlWriter) {
        xml.element("m:GetItem", &[], |xml| {
            xml.element("m:ItemShape", &[], |xml| self.write_shape(xml));
            write_item_ids(xml, &self.ids);
        });
    }

    fn read(item: &mut RawItem, element: &Element, xml: &mut XmlReader, spool_dir: &Path) -> Result<(), Failure> {
        if element.name() != "Items" {
            return Ok(xml.skip()?);
        }
        while let Some(element) = xml.child()? {
            item.read(&element, xml, spool_dir)?;
        }
        Ok(())
    }
}

impl GetItem {
    fn write_shape(&self, xml: &mut XmlWriter) {
        match self.shape {
            Shape::Mime | Shape::Listing => {
                xml.text("t:BaseShape", "IdOnly");
                if self.shape == Shape::Mime {
                    xml.text("t:IncludeMimeContent", "true");
                }
                xml.element("t:AdditionalProperties", &[], |xml| {
                    write_fields(xml, &META_FIELDS);
                    if self.shape == Shape::Listing {
                        write_fields(xml, &SERIES_FIELDS);
                    }
                    write_tags(xml);
                });
            }
            Shape::PlainMime => {
                xml.text("t:BaseShape", "AllProperties");
                xml.text("t:IncludeMimeContent", "true");
            }
            Shape::Everything => {
                xml.text("t:BaseShape", "AllProperties");
                xml.text("t:IncludeMimeContent", "false");
                xml.text("t:BodyType", "Best");
                xml.element("t:AdditionalProperties", &[], |xml| {
                    write_fields(xml, &["item:Body", "item:Attachments"]);
                    write_tags(xml);
                    for id in LOG_TIMES {
                        xml.empty("t:ExtendedFieldURI", &[("PropertySetId", LOG_SET), ("PropertyId", id), ("PropertyType", "SystemTime")]);
                    }
                });
            }
        }
    }
}

fn write_tags(xml: &mut XmlWriter) {
    for (tag, kind) in TAGS {
        xml.empty("t:ExtendedFieldURI", &[("PropertyTag", tag), ("PropertyType", kind)]);
    }
}

/// Reads `ItemIdType`.
pub(super) fn item_id(element: &Element) -> Option<(ItemId, Option<ChangeKey>)> {
    let id = element.attribute("Id").filter(|id| !id.is_empty())?;
    Some((ItemId::new(id), element.attribute("ChangeKey").filter(|key| !key.is_empty()).map(ChangeKey::new)))
}

/// Reads `xs:boolean`.
pub(crate) fn boolean(text: &str) -> Option<bool> {
    match text.trim() {
        "true" | "1" | "True" => Some(true),
        "false" | "0" | "False" => Some(false),
        _ => None,
    }
}
