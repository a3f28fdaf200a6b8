//! `GetStreamingEvents`: events of subscriptions, in documents that follow each other on one connection.

use crate::error::Failure;
use crate::soap::Operation;
use crate::xml::{Element, XmlError, XmlReader, XmlWriter};
use std::path::Path;

/// `GetStreamingEventsType`.
pub(crate) struct GetStreamingEvents {
    /// At most 200.
    pub(crate) subscriptions: Vec<String>,
    /// After how many minutes the server ends the answer, 1 to 30.
    pub(crate) minutes: u8,
}

/// `GetStreamingEventsResponseMessageType`, of which there are many in one answer.
#[derive(Debug, Default)]
pub(crate) struct StreamedEvents {
    /// Subscriptions to which something happened.
    pub(crate) news: Vec<String>,
    /// Whether there was any notification, if only that nothing happened.
    pub(crate) alive: bool,
    /// Subscriptions that are no more.
    pub(crate) lost: Vec<String>,
    /// Whether the server says that no more will come.
    pub(crate) closed: bool,
    /// What is wrong.
    pub(crate) failure: Option<Failure>,
}

impl Operation for GetStreamingEvents {
    const NAME: &'static str = "GetStreamingEvents";
    type Message = StreamedEvents;

    fn write(&self, xml: &mut XmlWriter) {
        xml.element("m:GetStreamingEvents", &[], |xml| {
            xml.element("m:SubscriptionIds", &[], |xml| self.subscriptions.iter().for_each(|id| xml.text("t:SubscriptionId", id)));
            xml.text("m:ConnectionTimeout", &self.minutes.to_string());
        });
    }

    fn read(events: &mut StreamedEvents, element: &Element, xml: &mut XmlReader, _: &Path) -> Result<(), Failure> {
        match element.name() {
            "Notifications" => {
                while xml.child()?.is_some() {
                    read_notification(xml, events)?;
                }
            }
            // The schema has it inside of `Notifications`; it is understood without as well.
            "Notification" => read_notification(xml, events)?,
            "ErrorSubscriptionIds" => {
                while xml.child()?.is_some() {
                    events.lost.push(xml.text()?.trim().to_owned());
                }
            }
            "ConnectionStatus" => events.closed |= xml.text()?.trim() == "Closed",
            _ => xml.skip()?,
        }
        Ok(())
    }

    fn refused(events: StreamedEvents, failure: Failure) -> Result<StreamedEvents, Failure> {
        Ok(StreamedEvents { failure: Some(failure), ..events })
    }
}

/// Events are named after what happened; a `StatusEvent` says that nothing did.
fn read_notification(xml: &mut XmlReader, events: &mut StreamedEvents) -> Result<(), XmlError> {
    let (mut id, mut is_news) = (String::new(), false);
    events.alive = true;
    while let Some(element) = xml.child()? {
        match element.name() {
            "SubscriptionId" => xml.text()?.trim().clone_into(&mut id),
            name => {
                is_news |= name.ends_with("Event") && name != "StatusEvent";
                xml.skip()?;
            }
        }
    }
    if is_news {
        events.news.push(id);
    }
    Ok(())
}
