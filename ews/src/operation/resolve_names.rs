//! `ResolveNames`: who in the address list begins with a few letters.

use crate::error::Failure;
use crate::operation::get_item::boolean;
use crate::soap::Operation;
use crate::xml::{Element, XmlError, XmlReader, XmlWriter};
use std::path::Path;

/// `ResolveNamesType`, in the directory only.
pub(crate) struct ResolveNames {
    pub(crate) beginning: String,
}

/// `ArrayOfResolutionType`.
#[derive(Debug, Default)]
pub(crate) struct Resolutions {
    pub(crate) entries: Vec<Resolution>,
    /// Whether there are no more; the server gives 100 at most.
    pub(crate) whole: Option<bool>,
}

/// `EmailAddressType` of a resolution.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Resolution {
    pub(crate) name: String,
    pub(crate) address: String,
    pub(crate) routing: String,
    /// `MailboxTypeType`: `Mailbox`, `PublicDL`, `Contact`, ….
    pub(crate) kind: String,
}

impl Operation for ResolveNames {
    const NAME: &'static str = "ResolveNames";
    type Message = Resolutions;

    fn write(&self, xml: &mut XmlWriter) {
        xml.element("m:ResolveNames", &[("ReturnFullContactData", "false"), ("SearchScope", "ActiveDirectory")], |xml| {
            xml.text("m:UnresolvedEntry", &self.beginning);
        });
    }

    fn read(found: &mut Resolutions, element: &Element, xml: &mut XmlReader, _: &Path) -> Result<(), Failure> {
        if element.name() != "ResolutionSet" {
            return Ok(xml.skip()?);
        }
        found.whole = element.attribute("IncludesLastItemInRange").and_then(boolean);
        while xml.child()?.is_some() {
            while let Some(part) = xml.child()? {
                match part.name() {
                    "Mailbox" => found.entries.push(read_resolution(xml)?),
                    _ => xml.skip()?,
                }
            }
        }
        Ok(())
    }
}

/// Reads `EmailAddressType`.
pub(super) fn read_resolution(xml: &mut XmlReader) -> Result<Resolution, XmlError> {
    let mut resolution = Resolution::default();
    while let Some(element) = xml.child()? {
        match element.name() {
            "Name" => resolution.name = xml.text()?,
            "EmailAddress" => resolution.address = xml.text()?,
            "RoutingType" => resolution.routing = xml.text()?,
            "MailboxType" => resolution.kind = xml.text()?,
            _ => xml.skip()?,
        }
    }
    Ok(resolution)
}
