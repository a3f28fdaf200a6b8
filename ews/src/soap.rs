//! The SOAP envelope around every operation: request headers, faults, server version, and the list of
//! response messages with their codes.

use crate::error::Failure;
use crate::xml::{Element, XmlError, XmlReader, XmlWriter};
use c2b_mailbox::{Address, Trouble};
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
pub(crate) fn write<O: Operation>(operation: &O, impersonate: Option<&Address>) -> String {
    let mut xml = XmlWriter::default();
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
    format!("<?xml version=\"1.0\" encoding=\"utf-8\"?>{}", xml.finish())
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
        let batch = batch.insert(Batch { answers: Vec::new(), broken: None });
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
        let code = if inner.is_some() || hidden { "ErrorServerBusy" } else { self.code.as_str() };
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
    let coded = status.code.starts_with("Error") && message.attribute("ResponseClass") != Some("Warning");
    Ok(match refused {
        _ if status.error || coded => Err(status.failure()),
        Some(failure) => Err(failure),
        None if overlong => Err(Failure::new(Trouble::Malformed, "answer", "a property is longer than 4 MiB").retrying(c2b_mailbox::Retry::No)),
        None => Ok(value),
    })
}
