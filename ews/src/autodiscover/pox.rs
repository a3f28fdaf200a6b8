//! Autodiscover by plain XML, as Outlook speaks it.

use super::Settings;
use super::soap::{Told, read_alternate};
use crate::body::Body;
use crate::xml::{XmlError, XmlReader, XmlWriter};
use url::Url;

const REQUEST: &str = "http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006";
const RESPONSE: &str = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a";

/// Writes the request for an address.
pub(super) fn write(address: &str) -> Body {
    let mut xml = XmlWriter::document();
    xml.element("Autodiscover", &[("xmlns", REQUEST)], |xml| {
        xml.element("Request", &[], |xml| {
            xml.text("EMailAddress", address);
            xml.text("AcceptableResponseSchema", RESPONSE);
        });
    });
    xml.finish()
}

/// Reads an answer; none when it is not one of Autodiscover.
pub(super) fn read(body: Vec<u8>) -> Option<Told> {
    let mut xml = XmlReader::new(Box::new(std::io::Cursor::new(body)));
    read_document(&mut xml).ok().flatten()
}

fn read_document(xml: &mut XmlReader) -> Result<Option<Told>, XmlError> {
    if xml.child()?.is_none_or(|root| root.name() != "Autodiscover") {
        return Ok(None);
    }
    let mut told = None;
    while let Some(response) = xml.child()? {
        if response.name() != "Response" {
            xml.skip()?;
            continue;
        }
        let mut settings = Settings::default();
        let mut action = None;
        while let Some(part) = xml.child()? {
            match part.name() {
                "User" => read_user(xml, &mut settings)?,
                "Account" => action = read_account(xml, &mut settings)?,
                "Error" => told = Some(read_error(xml)?),
                _ => xml.skip()?,
            }
        }
        // An account without an action is a settings answer of an old server.
        let has_any = !settings.ews_urls.is_empty() || settings.address.is_some();
        told = told.or(action).or_else(|| has_any.then(|| Told::Settings(Box::new(settings))));
    }
    Ok(told)
}

fn read_user(xml: &mut XmlReader, settings: &mut Settings) -> Result<(), XmlError> {
    while let Some(part) = xml.child()? {
        match part.name() {
            "DisplayName" => settings.display_name = some(xml.text()?),
            "AutoDiscoverSMTPAddress" => settings.address = some(xml.text()?),
            _ => xml.skip()?,
        }
    }
    Ok(())
}

/// Reads the account; what it redirects to, if it does.
fn read_account(xml: &mut XmlReader, settings: &mut Settings) -> Result<Option<Told>, XmlError> {
    let mut redirect = None;
    let (mut internal, mut external) = (None, None);
    while let Some(part) = xml.child()? {
        match part.name() {
            "RedirectAddr" => redirect = redirect.or(some(xml.text()?).map(Told::Address)),
            "RedirectUrl" => redirect = redirect.or(some(xml.text()?).map(Told::Url)),
            "AlternativeMailbox" => settings.alternate.push(read_alternate(xml)?),
            "PublicFolderInformation" => {
                while let Some(part) = xml.child()? {
                    if part.name() == "SmtpAddress" { settings.public_folders = some(xml.text()?) } else { xml.skip()? }
                }
            }
            "Protocol" => read_protocol(xml, settings, &mut internal, &mut external)?,
            _ => xml.skip()?,
        }
    }
    settings.ews_urls = [internal, external].into_iter().flatten().collect();
    settings.ews_urls.dedup();
    Ok(redirect)
}

fn read_protocol(xml: &mut XmlReader, settings: &mut Settings, internal: &mut Option<Url>, external: &mut Option<Url>) -> Result<(), XmlError> {
    let (mut kind, mut server, mut url, mut grouping) = (String::new(), None, None, None);
    while let Some(part) = xml.child()? {
        match part.name() {
            "Type" => kind = xml.text()?.trim().to_ascii_uppercase(),
            "Server" => server = some(xml.text()?),
            "EwsUrl" => url = Url::parse(xml.text()?.trim()).ok(),
            "GroupingInformation" => grouping = some(xml.text()?),
            _ => xml.skip()?,
        }
    }
    settings.grouping = settings.grouping.take().or(grouping);
    match kind.as_str() {
        "EXCH" => {
            *internal = internal.take().or(url);
            settings.rpc_server = settings.rpc_server.take().or(server);
        }
        "EXPR" => *external = external.take().or(url),
        _ => {}
    }
    Ok(())
}

fn read_error(xml: &mut XmlReader) -> Result<Told, XmlError> {
    let (mut code, mut message) = (String::new(), String::new());
    while let Some(part) = xml.child()? {
        match part.name() {
            "ErrorCode" => code = xml.text()?.trim().to_owned(),
            "Message" => message = xml.text()?.trim().to_owned(),
            _ => xml.skip()?,
        }
    }
    Ok(Told::Refused(format!("{message} ({code})")))
}

fn some(text: String) -> Option<String> {
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(response: &str) -> Option<Told> {
        let text = format!(
            r#"<?xml version="1.0" encoding="utf-8"?><Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006">
            <Response xmlns="{RESPONSE}">{response}</Response></Autodiscover>"#
        );
        read(text.into_bytes())
    }

    #[test]
    fn settings_are_read() {
        let told = answer(
            "<User><DisplayName>Anna</DisplayName><AutoDiscoverSMTPAddress>anna@example.org</AutoDiscoverSMTPAddress></User><Account><AccountType>email</AccountType><Action>settings</Action>
            <Protocol><Type>EXCH</Type><Server>guid@example.org</Server><EwsUrl>https://ex1.corp/EWS/Exchange.asmx</EwsUrl></Protocol>
            <Protocol><Type>EXPR</Type><Server>mail.example.org</Server><EwsUrl>https://mail.example.org/EWS/Exchange.asmx</EwsUrl></Protocol>
            <AlternativeMailbox><Type>Archive</Type><DisplayName>A</DisplayName><SmtpAddress>x@example.org</SmtpAddress></AlternativeMailbox>
            <PublicFolderInformation><SmtpAddress>pf@example.org</SmtpAddress></PublicFolderInformation></Account>",
        );
        let Some(Told::Settings(settings)) = told else { panic!("{told:?}") };
        assert_eq!(
            (settings.ews_urls.len(), settings.rpc_server.as_deref(), settings.address.as_deref()),
            (2, Some("guid@example.org"), Some("anna@example.org"))
        );
        assert_eq!((settings.public_folders.as_deref(), settings.alternate.len()), (Some("pf@example.org"), 1));
    }

    #[test]
    fn redirects_and_errors_are_told_apart() {
        let account = |inside: &str| answer(&format!("<Account>{inside}</Account>"));
        assert_eq!(account("<Action>redirectAddr</Action><RedirectAddr>a@b.c</RedirectAddr>"), Some(Told::Address("a@b.c".to_owned())));
        assert_eq!(account("<Action>redirectUrl</Action><RedirectUrl>https://x/</RedirectUrl>"), Some(Told::Url("https://x/".to_owned())));
        let error = answer("<Error Time=\"1\" Id=\"2\"><ErrorCode>500</ErrorCode><Message>The email address can't be found.</Message><DebugData/></Error>");
        assert_eq!(error, Some(Told::Refused("The email address can't be found. (500)".to_owned())));
        assert_eq!(answer(""), None);
        assert_eq!(read(b"<html/>".to_vec()), None);
    }
}
