//! `GetAttachment`: the bytes of one attachment, of a file or (as MIME) of an item.

use crate::error::Failure;
use crate::item::{RawAttachment, read_attachments};
use crate::soap::{Batch, Operation, read_messages};
use crate::xml::{XmlReader, XmlWriter};
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
    type Answer = Batch<AttachmentAnswer>;

    fn write(&self, xml: &mut XmlWriter) {
        xml.element("m:GetAttachment", &[], |xml| {
            xml.element("m:AttachmentShape", &[], |xml| xml.text("t:IncludeMimeContent", "true"));
            xml.element("m:AttachmentIds", &[], |xml| xml.empty("t:AttachmentId", &[("Id", &self.id)]));
        });
    }

    fn read(&self, xml: &mut XmlReader, spool_dir: &Path) -> Result<Self::Answer, Failure> {
        Ok(read_messages(xml, |answer: &mut AttachmentAnswer, element, xml| {
            if element.name() != "Attachments" {
                return Ok(xml.skip()?);
            }
            answer.attachment = read_attachments(xml, spool_dir)?.into_iter().next();
            Ok(())
        }))
    }
}
