//! `GetSearchableMailboxes`: what the user may search by role; Exchange 2013 and later, on-premises.

use crate::error::Failure;
use crate::operation::get_item::boolean;
use crate::soap::Operation;
use crate::xml::{Element, XmlError, XmlReader, XmlWriter};
use std::path::Path;

/// `GetSearchableMailboxesType`: all, groups not expanded.
pub(crate) struct GetSearchableMailboxes;

/// `GetSearchableMailboxesResponseMessageType`.
#[derive(Debug, Default)]
pub(crate) struct SearchableMailboxes {
    pub(crate) mailboxes: Vec<SearchableMailbox>,
    /// Those that could not be looked at.
    pub(crate) failed: Vec<String>,
}

/// `SearchableMailboxType`.
#[derive(Debug, Default)]
pub(crate) struct SearchableMailbox {
    pub(crate) address: String,
    pub(crate) name: String,
    /// In another organisation or in the cloud.
    pub(crate) external: bool,
    /// A group rather than a mailbox.
    pub(crate) group: bool,
}

impl Operation for GetSearchableMailboxes {
    const NAME: &'static str = "GetSearchableMailboxes";
    type Message = SearchableMailboxes;

    fn write(&self, xml: &mut XmlWriter) {
        xml.element("m:GetSearchableMailboxes", &[], |xml| {
            xml.text("m:SearchFilter", "");
            xml.text("m:ExpandGroupMembership", "false");
        });
    }

    fn read(found: &mut SearchableMailboxes, element: &Element, xml: &mut XmlReader, _: &Path) -> Result<(), Failure> {
        match element.name() {
            "SearchableMailboxes" => {
                while xml.child()?.is_some() {
                    found.mailboxes.push(read_mailbox(xml)?);
                }
            }
            "FailedMailboxes" => {
                while xml.child()?.is_some() {
                    while let Some(part) = xml.child()? {
                        match part.name() {
                            "Mailbox" => found.failed.push(xml.text()?),
                            _ => xml.skip()?,
                        }
                    }
                }
            }
            _ => xml.skip()?,
        }
        Ok(())
    }
}

fn read_mailbox(xml: &mut XmlReader) -> Result<SearchableMailbox, XmlError> {
    let mut mailbox = SearchableMailbox::default();
    while let Some(part) = xml.child()? {
        match part.name() {
            "PrimarySmtpAddress" => mailbox.address = xml.text()?,
            "DisplayName" => mailbox.name = xml.text()?,
            "IsExternalMailbox" => mailbox.external = boolean(&xml.text()?).unwrap_or(false),
            "IsMembershipGroup" => mailbox.group = boolean(&xml.text()?).unwrap_or(false),
            _ => xml.skip()?,
        }
    }
    Ok(mailbox)
}
