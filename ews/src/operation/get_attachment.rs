//! `GetAttachment`: the bytes of one attachment, of a file or (as MIME) of an item.

use crate::error::Failure;
use crate::item::{RawAttachment, read_attachments};
use crate::soap::Operation;
use crate::xml::{Element, XmlReader, XmlWriter};
use std::path::Path;

/// `GetAttachmentType` for one id.
pub(crate) struct GetAttachment {
    pub(crate) id: String,
}

/// `AttachmentInfoResponseMessageType`.
#[derive(Debug, Default)]
pub(crate) struct AttachmentAnswer {
    pub(crate) attachment: Option<RawAttachment>,
}

impl Operation for GetAttachment {
    const NAME: &'static str = "GetAttachment";
    type Message = AttachmentAnswer;

    fn write(&self, xml: &mut XmlWriter) {
        xml.element("m:GetAttachment", &[], |xml| {
            xml.element("m:AttachmentShape", &[], |xml| xml.text("t:IncludeMimeContent", "true"));
            xml.element("m:AttachmentIds", &[], |xml| xml.empty("t:AttachmentId", &[("Id", &self.id)]));
        });
    }

    fn read(answer: &mut AttachmentAnswer, element: &Element, xml: &mut XmlReader, spool_dir: &Path) -> Result<(), Failure> {
        if element.name() != "Attachments" {
            return Ok(xml.skip()?);
        }
        answer.attachment = read_attachments(xml, spool_dir)?.into_iter().next();
        Ok(())
    }
}
