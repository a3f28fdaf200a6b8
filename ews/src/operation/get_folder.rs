//! `GetFolder`: properties of folders named by id or well-known word; and what a folder looks like in any answer.

use super::{FolderName, write_fields};
use crate::error::Failure;
use crate::item::date_time;
use crate::soap::Operation;
use crate::xml::{Element, XmlError, XmlReader, XmlWriter};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use std::path::Path;
use uuid::Uuid;

/// The properties of a folder that a backup keeps.
pub(super) const FOLDER_FIELDS: [&str; 5] =
    ["folder:FolderId", "folder:ParentFolderId", "folder:DisplayName", "folder:FolderClass", "folder:DistinguishedFolderId"];

/// `GetFolderType`.
pub(crate) struct GetFolder {
    pub(crate) folders: Vec<FolderName>,
    /// Whether their change counters are asked for.
    pub(crate) with_counters: bool,
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
    /// GUID of the mailbox that holds a public folder's contents.
    pub(crate) replica: Option<String>,
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
    /// `PidTagAssociatedContentCount`.
    pub(crate) associated: Option<u64>,
}

/// `PR_REPLICA_LIST`.
pub(super) const REPLICA_LIST: u16 = 0x6698;

/// Characters of a GUID as text.
const GUID_CHARS: usize = 36;

/// The tags of the counters and their types.
const COUNTER_TAGS: [(&str, &str); 5] = [("0x670A", "SystemTime"), ("0x670B", "Integer"), ("0x3602", "Integer"), ("0x3603", "Integer"), ("0x3617", "Integer")];

impl Operation for GetFolder {
    const NAME: &'static str = "GetFolder";
    type Message = RawFolder;

    fn write(&self, xml: &mut XmlWriter) {
        xml.element("m:GetFolder", &[], |xml| {
            write_folder_shape(xml, self.with_counters);
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

/// Writes `FolderShape` with the properties that a backup keeps of a public folder, and where its contents are.
pub(super) fn write_public_shape(xml: &mut XmlWriter) {
    xml.element("m:FolderShape", &[], |xml| {
        xml.text("t:BaseShape", "IdOnly");
        xml.element("t:AdditionalProperties", &[], |xml| {
            write_fields(xml, &FOLDER_FIELDS[..FOLDER_FIELDS.len() - 1]);
            xml.empty("t:ExtendedFieldURI", &[("PropertyTag", &REPLICA_LIST.to_string()), ("PropertyType", "Binary")]);
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
            "ExtendedProperty" => read_extended(&mut folder, xml)?,
            "DistinguishedFolderId" => folder.well_known = Some(xml.text()?).filter(|word| !word.is_empty()),
            _ => xml.skip()?,
        }
    }
    Ok(folder)
}

fn read_extended(folder: &mut RawFolder, xml: &mut XmlReader) -> Result<(), XmlError> {
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
    let counters = &mut folder.counters;
    match tag {
        Some(REPLICA_LIST) => folder.replica = guid(&value),
        Some(0x670A) => counters.committed = date_time(&value),
        Some(0x670B) => counters.deleted = count(&value),
        Some(0x3602) => counters.items = count(&value),
        Some(0x3603) => counters.unread = count(&value),
        Some(0x3617) => counters.associated = count(&value),
        _ => {}
    }
    Ok(())
}

/// Reads the first 36 characters of a replica list: the GUID of the mailbox that holds the contents.
fn guid(value: &str) -> Option<String> {
    let bytes = STANDARD.decode(value.trim()).ok()?;
    let text = String::from_utf8(bytes.get(..GUID_CHARS)?.to_vec()).ok()?;
    Uuid::try_parse(&text).ok().map(|_| text)
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
