//! `GetFolder`, to see who may do what in folders: `FindFolder` does not tell.

use super::FolderName;
use crate::error::Failure;
use crate::soap::Operation;
use crate::xml::{Element, XmlError, XmlReader, XmlWriter};
use c2b_mailbox::FolderId;
use std::path::Path;

/// `GetFolderType`.
pub(crate) struct GetPermissions {
    pub(crate) folders: Vec<FolderId>,
}

/// `PermissionSetType` or `CalendarPermissionSetType`, as text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RawPermissions {
    /// A line for each user, sorted; `None` when the server does not tell.
    pub(crate) text: Option<String>,
}

impl Operation for GetPermissions {
    const NAME: &'static str = "GetFolder";
    type Message = RawPermissions;

    fn write(&self, xml: &mut XmlWriter) {
        super::write_get_folder(xml, &["folder:PermissionSet"], self.folders.iter().cloned().map(FolderName::Id));
    }

    fn read(permissions: &mut RawPermissions, element: &Element, xml: &mut XmlReader, _: &Path) -> Result<(), Failure> {
        if element.name() != "Folders" {
            return Ok(xml.skip()?);
        }
        while xml.child()?.is_some() {
            while let Some(property) = xml.child()? {
                if property.name() == "PermissionSet" { permissions.text = Some(read_set(xml)?) } else { xml.skip()? }
            }
        }
        Ok(())
    }
}

fn read_set(xml: &mut XmlReader) -> Result<String, XmlError> {
    let mut lines = Vec::new();
    while let Some(list) = xml.child()? {
        // Beside the permissions there may be entries that nobody can name any more.
        if !matches!(list.name(), "Permissions" | "CalendarPermissions") {
            xml.skip()?;
            continue;
        }
        while xml.child()?.is_some() {
            lines.push(read_permission(xml)?);
        }
    }
    lines.sort();
    Ok(lines.join("\n"))
}

/// Reads who may do what: `ann@example.org: Reviewer`; of a level that has no name, each right.
fn read_permission(xml: &mut XmlReader) -> Result<String, XmlError> {
    let (mut who, mut level) = (String::new(), String::new());
    let mut rights = Vec::new();
    while let Some(property) = xml.child()? {
        match property.name() {
            "UserId" => who = read_user(xml)?,
            "PermissionLevel" | "CalendarPermissionLevel" => level = xml.text()?.trim().to_owned(),
            name => {
                let name = name.to_owned();
                rights.push(format!("{name}={}", xml.text()?.trim()));
            }
        }
    }
    let rights = if level == "Custom" || level.is_empty() { format!(" ({})", rights.join(", ")) } else { String::new() };
    Ok(format!("{who}: {level}{rights}"))
}

/// Reads whom a permission is for, by the best name that is told.
fn read_user(xml: &mut XmlReader) -> Result<String, XmlError> {
    let mut best = (u8::MAX, String::new());
    while let Some(property) = xml.child()? {
        let rank = match property.name() {
            "DistinguishedUser" => 0,
            "PrimarySmtpAddress" => 1,
            "DisplayName" => 2,
            "SID" => 3,
            _ => 4,
        };
        let text = xml.text()?.trim().to_owned();
        if rank < best.0 && !text.is_empty() {
            best = (rank, text);
        }
    }
    Ok(best.1)
}
