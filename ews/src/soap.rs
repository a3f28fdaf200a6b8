//! The SOAP envelope around every operation: request headers, faults, server version, and the list of
//! response messages with their codes.

use crate::body::Body;
use crate::error::Failure;
use crate::xml::{Element, XmlError, XmlReader, XmlWriter};
use c2b_mailbox::{Address, Trouble};
use chrono::{DateTime, Utc};
use std::path::Path;
use std::time::Duration;

const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const TYPES: &str = "http://schemas.microsoft.com/exchange/services/2006/types";
const MESSAGES: &str = "http://schemas.microsoft.com/exchange/services/2006/messages";

/// Newest schema that every server since Exchange 2013 SP1 speaks.
const SERVER_VERSION: &str = "Exchange2013_SP1";

/// One EWS operation: how its request is written and its answer read.
///
/// An answer is a [`Batch`]: one response message for each thing that was asked for.
pub(crate) trait Operation: Send + Sync + 'static {
    /// Microsoft's name of the operation.
    const NAME: &'static str;
    /// What a response message says besides whether it worked.
    type Message: Default + Send + 'static;

    /// Writes the request element, which stands in the SOAP body.
    fn write(&self, xml: &mut XmlWriter);

    /// Reads an element of a response message, which is open, to its end. What is large goes to `spool_dir`.
    fn read(message: &mut Self::Message, element: &Element, xml: &mut XmlReader, spool_dir: &Path) -> Result<(), Failure>;

    /// Says what becomes of a message that tells an error: the error, unless what came with it matters as well.
    fn refused(_: Self::Message, failure: Failure) -> Result<Self::Message, Failure> {
        Err(failure)
    }
}

/// An answer and the version of the server that gave it.
#[derive(Debug)]
pub(crate) struct Reply<T> {
    pub(crate) version: Option<ServerVersion>,
    pub(crate) answer: Result<Batch<T>, Failure>,
}

/// The server's version, as it says in every answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServerVersion {
    /// `15.2.2562.17`.
    pub(crate) build: String,
    /// `Exchange2016`, `V2017_07_11`, …; empty when it does not say.
    pub(crate) schema: String,
}

/// Returns the request of an operation as a document.
pub(crate) fn write<O: Operation>(operation: &O, impersonate: Option<&Address>) -> Body {
    let mut xml = XmlWriter::document();
    xml.element("s:Envelope", &[("xmlns:s", SOAP), ("xmlns:t", TYPES), ("xmlns:m", MESSAGES)], |xml| {
        xml.element("s:Header", &[], |xml| {
            xml.empty("t:RequestServerVersion", &[("Version", SERVER_VERSION)]);
            if let Some(address) = impersonate {
                xml.element("t:ExchangeImpersonation", &[], |xml| {
                    xml.element("t:ConnectingSID", &[], |xml| xml.text("t:PrimarySmtpAddress", address.as_str()));
                });
            }
            xml.element("t:TimeZoneContext", &[], |xml| xml.empty("t:TimeZoneDefinition", &[("Id", "UTC")]));
        });
        xml.element("s:Body", &[], |xml| operation.write(xml));
    });
    xml.finish()
}

/// Reads a document as the answer of an operation.
pub(crate) fn read<O: Operation>(xml: &mut XmlReader, spool_dir: &Path) -> Reply<O::Message> {
    let mut version = None;
    let mut batch = None;
    let answer = match (read_envelope::<O>(xml, spool_dir, &mut version, &mut batch), batch) {
        (Ok(()), Some(batch)) => Ok(batch),
        (Ok(()), None) => Err(Failure::new(Trouble::Malformed, "answer", "the answer holds no response")),
        // What came whole counts, even if the rest never came.
        (Err(failure), Some(mut batch)) => {
            batch.broken.get_or_insert(failure);
            Ok(batch)
        }
        (Err(failure), None) => Err(failure),
    };
    Reply { version, answer }
}

fn read_envelope<O: Operation>(
    xml: &mut XmlReader,
    spool_dir: &Path,
    version: &mut Option<ServerVersion>,
    batch: &mut Option<Batch<O::Message>>,
) -> Result<(), Failure> {
    match xml.child() {
        Ok(Some(root)) if root.name() == "Envelope" => {}
        Ok(None) => return Err(Failure::new(Trouble::Malformed, "answer", "the answer is empty")),
        Ok(Some(_)) | Err(XmlError::Syntax(_)) => return Err(Failure::new(Trouble::WrongUrl, "no SOAP", "the answer is not SOAP")),
        Err(err) => return Err(err.into()),
    }
    while let Some(part) = xml.child()? {
        match part.name() {
            "Header" => read_header(xml, version)?,
            "Body" => read_body::<O>(xml, spool_dir, batch)?,
            _ => xml.skip()?,
        }
    }
    Ok(())
}

fn read_header(xml: &mut XmlReader, version: &mut Option<ServerVersion>) -> Result<(), XmlError> {
    while let Some(header) = xml.child()? {
        if header.name() == "ServerVersionInfo" {
            let number = |name| header.attribute(name).unwrap_or("0");
            let build = format!("{}.{}.{}.{}", number("MajorVersion"), number("MinorVersion"), number("MajorBuildNumber"), number("MinorBuildNumber"));
            *version = Some(ServerVersion { build, schema: header.attribute("Version").unwrap_or_default().to_owned() });
        }
        xml.skip()?;
    }
    Ok(())
}

fn read_body<O: Operation>(xml: &mut XmlReader, spool_dir: &Path, batch: &mut Option<Batch<O::Message>>) -> Result<(), Failure> {
    while let Some(element) = xml.child()? {
        if element.name() == "Fault" {
            return Err(read_fault(xml)?);
        }
        let batch = batch.insert(Batch { answers: Vec::new(), broken: None, date: None });
        // Some operations answer with the one message itself.
        if element.attribute("ResponseClass").is_some() {
            batch.answers.push(read_message::<O>(&element, xml, spool_dir)?);
            continue;
        }
        while let Some(list) = xml.child()? {
            if list.name() != "ResponseMessages" {
                xml.skip()?;
                continue;
            }
            while let Some(message) = xml.child()? {
                batch.answers.push(read_message::<O>(&message, xml, spool_dir)?);
            }
        }
    }
    Ok(())
}

/// What a fault or a response message says went wrong.
#[derive(Debug, Default)]
struct Status {
    error: bool,
    code: String,
    message: String,
    values: Vec<(String, String)>,
}

impl Status {
    fn value(&self, name: &str) -> Option<&str> {
        self.values.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn back_off(&self) -> Option<Duration> {
        self.value("BackOffMilliseconds").and_then(|text| text.trim().parse().ok()).map(Duration::from_millis)
    }

    /// Sees through servers that wrap "busy" into something else.
    fn failure(&self) -> Failure {
        let inner = self.value("InnerErrorResponseCode").filter(|code| *code == "ErrorServerBusy");
        let hidden = (self.code == "ErrorInternalServerError" || self.code.is_empty()) && self.message.contains("ErrorServerBusy");
        let code = match self.code.as_str() {
            _ if inner.is_some() || hidden => "ErrorServerBusy",
            "" | "NoError" => "error without code",
            code => code,
        };
        Failure::of_code(code, self.message.trim(), self.back_off())
    }

    fn read_message_xml(&mut self, xml: &mut XmlReader) -> Result<(), XmlError> {
        while let Some(element) = xml.child()? {
            let name = element.attribute("Name").unwrap_or(element.name()).to_owned();
            let value = xml.text()?;
            self.values.push((name, value));
        }
        Ok(())
    }
}

fn read_fault(xml: &mut XmlReader) -> Result<Failure, XmlError> {
    let mut status = Status { error: true, ..Status::default() };
    let mut fault_code = String::new();
    while let Some(element) = xml.child()? {
        match element.name() {
            "faultcode" => fault_code = xml.text()?,
            "faultstring" => status.message = xml.text()?,
            "Code" => fault_code = first_child_text(xml)?,
            "Reason" => status.message = first_child_text(xml)?,
            "detail" | "Detail" => read_detail(xml, &mut status)?,
            _ => xml.skip()?,
        }
    }
    if status.code.is_empty() {
        let local = fault_code.rsplit(':').next().unwrap_or_default();
        if local.starts_with("Error") {
            local.clone_into(&mut status.code);
        }
    }
    Ok(if status.code.is_empty() { uncoded_fault(&fault_code, &status) } else { status.failure() })
}

fn read_detail(xml: &mut XmlReader, status: &mut Status) -> Result<(), XmlError> {
    while let Some(element) = xml.child()? {
        match element.name() {
            "ResponseCode" => status.code = xml.text()?.trim().to_owned(),
            "Message" => {
                let message = xml.text()?;
                if !message.trim().is_empty() {
                    status.message = message;
                }
            }
            "MessageXml" => status.read_message_xml(xml)?,
            _ => xml.skip()?,
        }
    }
    Ok(())
}

fn first_child_text(xml: &mut XmlReader) -> Result<String, XmlError> {
    let mut text = String::new();
    while xml.child()?.is_some() {
        let next = xml.text()?;
        if text.is_empty() {
            text = next;
        }
    }
    Ok(text)
}

/// Judges a fault of a server that gives no response code, by what such servers write.
fn uncoded_fault(fault_code: &str, status: &Status) -> Failure {
    let text = format!("{fault_code} {}", status.message).to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let trouble = if says(&["errorserverbusy", "server too busy", "throttl"]) {
        Trouble::Throttled
    } else if says(&[
        "not support",
        "notsupported",
        "unsupported",
        "not implemented",
        "unknown operation",
        "unknown action",
        "unrecognized",
        "no such operation",
    ]) {
        Trouble::Unsupported
    } else if says(&["invalid", "malformed", "bad request", "not allowed"]) {
        // Whoever says what is wrong with the request is in no passing trouble, whatever the fault's code.
        Trouble::Refused
    } else if fault_code.ends_with("Server") || fault_code.ends_with("Receiver") {
        Trouble::Busy
    } else {
        Trouble::Refused
    };
    let mut failure = Failure::new(trouble, if fault_code.is_empty() { "SOAP fault" } else { fault_code }, status.message.trim());
    if let (Some(pause), true) = (status.back_off(), failure.retry != c2b_mailbox::Retry::No) {
        failure = failure.retrying(c2b_mailbox::Retry::After(pause));
    }
    failure
}

/// The response messages of one answer, as many as came whole.
#[derive(Debug)]
pub(crate) struct Batch<T> {
    /// One for each thing that was asked for, in the order of the request.
    pub(crate) answers: Vec<Result<T, Failure>>,
    /// Why there are no more, when the answer broke off.
    pub(crate) broken: Option<Failure>,
    /// The server's time when it answered, if it told.
    pub(crate) date: Option<DateTime<Utc>>,
}

impl<T> Batch<T> {
    /// Returns the one answer of a request that asked for one thing.
    pub(crate) fn single(self) -> Result<T, Failure> {
        if let Some(broken) = self.broken {
            return Err(broken);
        }
        self.answers.into_iter().next().unwrap_or_else(|| Err(Failure::new(Trouble::Malformed, "answer", "the answer holds no response message")))
    }
}

/// Reads one response message. `Err` outside: the document breaks off; inside: the message tells an error.
fn read_message<O: Operation>(message: &Element, xml: &mut XmlReader, spool_dir: &Path) -> Result<Result<O::Message, Failure>, Failure> {
    let mut status = Status { error: message.attribute("ResponseClass") == Some("Error"), ..Status::default() };
    let mut value = O::Message::default();
    let depth = xml.depth();
    let mut refused = None;
    xml.take_overlong();
    while let Some(element) = xml.child()? {
        match element.name() {
            "ResponseCode" => status.code = xml.text()?.trim().to_owned(),
            "MessageText" => status.message = xml.text()?,
            "MessageXml" => status.read_message_xml(xml)?,
            "DescriptiveLinkKey" => xml.skip()?,
            _ => match O::read(&mut value, &element, xml, spool_dir) {
                Ok(()) => {}
                Err(failure) if failure.is_of_item() => {
                    refused = Some(failure);
                    xml.close_to(depth)?;
                }
                Err(failure) => return Err(failure),
            },
        }
    }
    let overlong = xml.take_overlong();
    // A warning is a success with a remark, but for one: what it is about was not tried at all.
    let remark = message.attribute("ResponseClass") == Some("Warning") && status.code != "ErrorBatchProcessingStopped";
    let coded = status.code.starts_with("Error") && !remark;
    Ok(match refused {
        _ if status.error || coded => O::refused(value, status.failure()),
        Some(failure) => Err(failure),
        None if overlong => Err(Failure::new(Trouble::Malformed, "answer", "a property is longer than 4 MiB").retrying(c2b_mailbox::Retry::No)),
        None => Ok(value),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::export_items::ExportItems;
    use crate::operation::get_item::GetItem;
    use crate::operation::sync_folder_items::SyncFolderItems;
    use c2b_mailbox::Retry;
    use proptest::prelude::*;

    /// Reads an answer as it is and without the white space between its tags: both must mean the same.
    fn read_both<O: Operation>(pretty: &str) -> Reply<O::Message> {
        let minified: String = pretty.lines().map(str::trim).collect();
        let dir = tempfile::tempdir().unwrap();
        let read_one = |text: &str| read::<O>(&mut XmlReader::new(Box::new(std::io::Cursor::new(text.as_bytes().to_vec()))), dir.path());
        let (one, other) = (read_one(pretty), read_one(&minified));
        let shape = |reply: &Reply<O::Message>| match &reply.answer {
            Ok(batch) => format!(
                "{:?} {:?}",
                batch.answers.iter().map(|answer| answer.as_ref().err().map(|err| err.code.clone())).collect::<Vec<_>>(),
                batch.broken.is_some()
            ),
            Err(failure) => format!("{} {}", failure.code, failure.message),
        };
        assert_eq!(shape(&one), shape(&other));
        one
    }

    #[test]
    fn a_fault_tells_code_message_and_pause() {
        let reply = read_both::<GetItem>(
            r#"<?xml version="1.0" encoding="utf-8"?>
            <s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/">
              <s:Body>
                <s:Fault>
                  <faultcode xmlns:a="http://schemas.microsoft.com/exchange/services/2006/types">a:ErrorServerBusy</faultcode>
                  <faultstring xml:lang="en-US">The server cannot service this request right now.</faultstring>
                  <detail>
                    <e:ResponseCode xmlns:e="http://schemas.microsoft.com/exchange/services/2006/errors">ErrorServerBusy</e:ResponseCode>
                    <e:Message xmlns:e="http://schemas.microsoft.com/exchange/services/2006/errors">Try again later.</e:Message>
                    <t:MessageXml xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types">
                      <t:Value Name="BackOffMilliseconds">297749</t:Value>
                    </t:MessageXml>
                  </detail>
                </s:Fault>
              </s:Body>
            </s:Envelope>"#,
        );
        let failure = reply.answer.unwrap_err();
        assert_eq!(
            (failure.trouble, failure.retry, failure.message.as_str()),
            (Trouble::Throttled, Retry::After(Duration::from_millis(297_749)), "Try again later.")
        );
    }

    #[test]
    fn a_fault_of_soap_1_2_is_understood() {
        let reply = read_both::<GetItem>(
            r#"<env:Envelope xmlns:env="http://www.w3.org/2003/05/soap-envelope">
              <env:Body>
                <env:Fault>
                  <env:Code><env:Value>env:Sender</env:Value></env:Code>
                  <env:Reason><env:Text xml:lang="en">This operation is not supported</env:Text></env:Reason>
                </env:Fault>
              </env:Body>
            </env:Envelope>"#,
        );
        assert_eq!(reply.answer.unwrap_err().trouble, Trouble::Unsupported);
    }

    #[test]
    fn each_message_of_a_batch_stands_for_itself() {
        let reply = read_both::<ExportItems>(
            r#"<s:Envelope xmlns:s="s" xmlns:t="t" xmlns:m="m">
              <s:Header>
                <h:ServerVersionInfo xmlns:h="t" MajorVersion="15" MinorVersion="1" MajorBuildNumber="2507" MinorBuildNumber="6" Version="V2017_07_11"/>
              </s:Header>
              <s:Body>
                <m:ExportItemsResponse>
                  <m:ResponseMessages>
                    <m:ExportItemsResponseMessage ResponseClass="Success">
                      <m:ResponseCode>NoError</m:ResponseCode>
                      <m:ItemId Id="a"/>
                      <m:Data>AAEC</m:Data>
                    </m:ExportItemsResponseMessage>
                    <m:ExportItemsResponseMessage ResponseClass="Error">
                      <m:MessageText>The specified object was not found in the store.</m:MessageText>
                      <m:ResponseCode>ErrorItemNotFound</m:ResponseCode>
                      <m:DescriptiveLinkKey>0</m:DescriptiveLinkKey>
                    </m:ExportItemsResponseMessage>
                  </m:ResponseMessages>
                </m:ExportItemsResponse>
              </s:Body>
            </s:Envelope>"#,
        );
        assert_eq!(reply.version, Some(ServerVersion { build: "15.1.2507.6".to_owned(), schema: "V2017_07_11".to_owned() }));
        let batch = reply.answer.unwrap();
        let [Ok(export), Err(failure)] = batch.answers.as_slice() else { panic!("{:?}", batch.answers) };
        assert_eq!((export.data.as_ref().unwrap().len(), failure.trouble), (3, Trouble::NotFound));
        assert!(batch.broken.is_none());
    }

    #[test]
    fn a_property_that_is_too_long_costs_its_own_item_only() {
        let item = |subject: &str| {
            format!(
                "<m:GetItemResponseMessage ResponseClass='Success'><m:Items><t:Message><t:Subject>{subject}</t:Subject></t:Message></m:Items></m:GetItemResponseMessage>"
            )
        };
        let document = format!(
            "<s:Envelope><s:Body><m:R><m:ResponseMessages>{}{}</m:ResponseMessages></m:R></s:Body></s:Envelope>",
            item(&"x".repeat(5 * 1024 * 1024)),
            item("short")
        );
        let batch = read_both::<GetItem>(&document).answer.unwrap();
        let [Err(failure), Ok(short)] = batch.answers.as_slice() else { panic!("not one of each") };
        assert_eq!((failure.retry, short.properties.subject.as_str()), (Retry::No, "short"));
    }

    const SAMPLE: &str = "<?xml version='1.0'?><s:Envelope><s:Header><h:ServerVersionInfo MajorVersion='15'/></s:Header><s:Body><m:GetItemResponse><m:ResponseMessages>\
        <m:GetItemResponseMessage ResponseClass='Success'><m:ResponseCode>NoError</m:ResponseCode><m:Items><t:CalendarItem><t:MimeContent>QUJD</t:MimeContent><t:ItemId Id='a' ChangeKey='b'/>\
        <t:Subject>&#x1F600; &amp;</t:Subject><t:Attachments><t:FileAttachment><t:Content>AAAA</t:Content></t:FileAttachment><t:ItemAttachment><t:Message/></t:ItemAttachment></t:Attachments>\
        <t:RequiredAttendees><t:Attendee><t:Mailbox><t:Name>N</t:Name></t:Mailbox></t:Attendee></t:RequiredAttendees><t:Start>2026-11-21T10:00:00Z</t:Start>\
        <t:Recurrence><t:WeeklyRecurrence><t:Interval>1</t:Interval><t:DaysOfWeek>Monday</t:DaysOfWeek></t:WeeklyRecurrence><t:NumberedRecurrence><t:NumberOfOccurrences>3</t:NumberOfOccurrences></t:NumberedRecurrence></t:Recurrence>\
        </t:CalendarItem></m:Items></m:GetItemResponseMessage><m:GetItemResponseMessage ResponseClass='Error'><m:MessageXml><t:Value Name='BackOffMilliseconds'>9</t:Value></m:MessageXml>\
        <m:ResponseCode>ErrorServerBusy</m:ResponseCode></m:GetItemResponseMessage></m:ResponseMessages></m:GetItemResponse></s:Body></s:Envelope>";

    proptest! {
        /// Whatever becomes of an answer on its way, reading it ends, without a panic.
        #[test]
        fn a_spoiled_answer_is_read_to_some_end(edits in proptest::collection::vec((0..SAMPLE.len(), 0usize..40, any::<Vec<u8>>()), 0..6), cut in 0..=SAMPLE.len()) {
            let mut bytes = SAMPLE.as_bytes().to_vec();
            for (at, removed, added) in edits {
                let at = at.min(bytes.len());
                let end = (at + removed).min(bytes.len());
                bytes.splice(at..end, added.into_iter().take(8));
            }
            bytes.truncate(cut);
            let dir = tempfile::tempdir().unwrap();
            let document = || Box::new(std::io::Cursor::new(bytes.clone()));
            let _ = read::<GetItem>(&mut XmlReader::new(document()), dir.path());
            let _ = read::<ExportItems>(&mut XmlReader::new(document()), dir.path());
            let _ = read::<SyncFolderItems>(&mut XmlReader::new(document()), dir.path());
        }

        /// Cutting an answer anywhere never makes a whole item out of half of one.
        #[test]
        fn half_an_answer_holds_no_half_items(cut in 0..SAMPLE.len()) {
            let dir = tempfile::tempdir().unwrap();
            let reply = read::<GetItem>(&mut XmlReader::new(Box::new(std::io::Cursor::new(&SAMPLE.as_bytes()[..cut]))), dir.path());
            if let Ok(batch) = reply.answer {
                prop_assert!(batch.broken.is_some());
                let whole = SAMPLE.find("</m:GetItemResponseMessage>").unwrap_or_default() + "</m:GetItemResponseMessage>".len();
                prop_assert_eq!(!batch.answers.is_empty(), cut >= whole);
            }
        }
    }
}
