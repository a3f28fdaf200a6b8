//! `Subscribe`: asks the server to remember what happens in a mailbox, to be heard by `GetStreamingEvents`.

use super::FolderName;
use crate::error::Failure;
use crate::soap::Operation;
use crate::xml::{Element, XmlReader, XmlWriter};
use std::path::Path;

/// All that may call for another look; free/busy times follow from items.
const EVENTS: [&str; 6] = ["NewMailEvent", "CreatedEvent", "DeletedEvent", "ModifiedEvent", "MovedEvent", "CopiedEvent"];

/// `SubscribeType` with a `StreamingSubscriptionRequest`.
pub(crate) struct Subscribe {
    /// Which folders, of one mailbox; none are all folders of the mailbox acted for.
    pub(crate) folders: Vec<FolderName>,
}

/// `SubscribeResponseMessageType`.
#[derive(Debug, Default)]
pub(crate) struct Subscribed {
    pub(crate) id: String,
}

impl Operation for Subscribe {
    const NAME: &'static str = "Subscribe";
    type Message = Subscribed;

    fn write(&self, xml: &mut XmlWriter) {
        let all: &[(&str, &str)] = if self.folders.is_empty() { &[("SubscribeToAllFolders", "true")] } else { &[] };
        xml.element("m:Subscribe", &[], |xml| {
            xml.element("m:StreamingSubscriptionRequest", all, |xml| {
                if !self.folders.is_empty() {
                    xml.element("t:FolderIds", &[], |xml| self.folders.iter().for_each(|folder| folder.write(xml)));
                }
                xml.element("t:EventTypes", &[], |xml| EVENTS.iter().for_each(|event| xml.text("t:EventType", event)));
            });
        });
    }

    fn read(subscribed: &mut Subscribed, element: &Element, xml: &mut XmlReader, _: &Path) -> Result<(), Failure> {
        match element.name() {
            "SubscriptionId" => xml.text()?.trim().clone_into(&mut subscribed.id),
            _ => xml.skip()?,
        }
        Ok(())
    }
}
