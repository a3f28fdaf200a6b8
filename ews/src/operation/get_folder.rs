//! `GetFolder`: properties of folders named by id or well-known word; and what a folder looks like in any answer.

use super::{FolderName, write_fields};
use crate::error::Failure;
use crate::item::date_time;
use crate::soap::Operation;
use crate::xml::{Element, XmlError, XmlReader, XmlWriter};
use chrono::{DateTime, Utc};
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
    /// Change counters, where they were asked for and the server has them.
    pub(crate) counters: FolderCounters,
}

/// What changes when a folder's items do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FolderCounters {
    /// `PidTagLocalCommitTimeMax`: when an item of the folder was last created or changed. It comes in whole seconds.
    pub(crate) committed: Option<DateTime<Utc>>,
    /// `PidTagDeletedCountTotal`: items that ever left the folder.
    pub(crate) deleted: Option<u64>,
    /// `PidTagContentCount`.
    pub(crate) items: Option<u64>,
    /// `PidTagContentUnreadCount`.
    pub(crate) unread: Option<u64>,
}

/// The tags of the counters and their types.
const COUNTER_TAGS: [(&str, &str); 4] = [("0x670A", "SystemTime"), ("0x670B", "Integer"), ("0x3602", "Integer"), ("0x3603", "Integer")];

impl Operation for GetFolder {
    const NAME: &'static str = "GetFolder";
    type Message = RawFolder;

    fn write(&self, xml: &mut XmlWriter) {
        xml.element("m:GetFolder", &[], |xml| {
            write_folder_shape(xml, false);
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

/// Writes `FolderShape` with the properties that a backup keeps, and the change counters.
pub(super) fn write_folder_shape(xml: &mut XmlWriter, with_counters: bool) {
    xml.element("m:FolderShape", &[], |xml| {
        xml.text("t:BaseShape", "IdOnly");
        xml.element("t:AdditionalProperties", &[], |xml| {
            write_fields(xml, &FOLDER_FIELDS);
            for (tag, kind) in COUNTER_TAGS.iter().filter(|_| with_counters) {
                xml.empty("t:ExtendedFieldURI", &[("PropertyTag", tag), ("PropertyType", kind)]);
            }
        });
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
            "ExtendedProperty" => read_counter(&mut folder.counters, xml)?,
            "DistinguishedFolderId" => folder.well_known = Some(xml.text()?).filter(|word| !word.is_empty()),
            _ => xml.skip()?,
        }
    }
    Ok(folder)
}

fn read_counter(counters: &mut FolderCounters, xml: &mut XmlReader) -> Result<(), XmlError> {
    let mut tag = None;
    let mut value = String::new();
    while let Some(element) = xml.child()? {
        match element.name() {
            "ExtendedFieldURI" => {
                tag = element.attribute("PropertyTag").and_then(number);
                xml.skip()?;
            }
            "Value" => value = xml.text()?,
            _ => xml.skip()?,
        }
    }
    match tag {
        Some(0x670A) => counters.committed = date_time(&value),
        Some(0x670B) => counters.deleted = count(&value),
        Some(0x3602) => counters.items = count(&value),
        Some(0x3603) => counters.unread = count(&value),
        _ => {}
    }
    Ok(())
}

/// Reads `PropertyTagType`: hexadecimal or decimal.
fn number(tag: &str) -> Option<u16> {
    match tag.strip_prefix("0x").or(tag.strip_prefix("0X")) {
        Some(digits) => u16::from_str_radix(digits, 16).ok(),
        None => tag.parse().ok(),
    }
}

/// Reads a 32-bit count, which runs over into negative numbers.
fn count(text: &str) -> Option<u64> {
    text.trim().parse::<i64>().ok().map(i64::cast_unsigned)
}
