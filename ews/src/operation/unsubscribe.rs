//! `Unsubscribe`: what was subscribed to need not be remembered any more.

use crate::error::Failure;
use crate::soap::Operation;
use crate::xml::{Element, XmlReader, XmlWriter};
use std::path::Path;

/// `UnsubscribeType`.
pub(crate) struct Unsubscribe {
    pub(crate) subscription: String,
}

impl Operation for Unsubscribe {
    const NAME: &'static str = "Unsubscribe";
    type Message = ();

    fn write(&self, xml: &mut XmlWriter) {
        xml.element("m:Unsubscribe", &[], |xml| xml.text("m:SubscriptionId", &self.subscription));
    }

    fn read((): &mut (), _: &Element, xml: &mut XmlReader, _: &Path) -> Result<(), Failure> {
        Ok(xml.skip()?)
    }
}
