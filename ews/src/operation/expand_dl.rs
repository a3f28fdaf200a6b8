//! `ExpandDL`: who is in a distribution group, one level.

use super::resolve_names::{Resolution, read_resolution};
use crate::error::Failure;
use crate::operation::get_item::boolean;
use crate::soap::Operation;
use crate::xml::{Element, XmlReader, XmlWriter};
use c2b_mailbox::Address;
use std::path::Path;

/// `ExpandDLType`.
pub(crate) struct ExpandDl {
    pub(crate) group: Address,
}

/// `ArrayOfDLExpansionType`.
#[derive(Debug, Default)]
pub(crate) struct Expansion {
    pub(crate) members: Vec<Resolution>,
    /// Whether these are all.
    pub(crate) whole: Option<bool>,
}

impl Operation for ExpandDl {
    const NAME: &'static str = "ExpandDL";
    type Message = Expansion;

    fn write(&self, xml: &mut XmlWriter) {
        xml.element("m:ExpandDL", &[], |xml| {
            xml.element("m:Mailbox", &[], |xml| xml.text("t:EmailAddress", self.group.as_str()));
        });
    }

    fn read(found: &mut Expansion, element: &Element, xml: &mut XmlReader, _: &Path) -> Result<(), Failure> {
        if element.name() != "DLExpansion" {
            return Ok(xml.skip()?);
        }
        found.whole = element.attribute("IncludesLastItemInRange").and_then(boolean);
        while let Some(member) = xml.child()? {
            match member.name() {
                "Mailbox" => found.members.push(read_resolution(xml)?),
                _ => xml.skip()?,
            }
        }
        Ok(())
    }
}
