//! Autodiscover by SOAP: `GetUserSettings`.

use super::{AlternateMailbox, Settings};
use crate::body::Body;
use crate::xml::{XmlError, XmlReader, XmlWriter};
use url::Url;

const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const AUTODISCOVER: &str = "http://schemas.microsoft.com/exchange/2010/Autodiscover";
const ADDRESSING: &str = "http://www.w3.org/2005/08/addressing";
const ACTION: &str = "http://schemas.microsoft.com/exchange/2010/Autodiscover/Autodiscover/GetUserSettings";
/// The settings that are asked for; servers leave out what they do not know.
const SETTINGS: [&str; 9] = [
    "UserDisplayName",
    "AutoDiscoverSMTPAddress",
    "InternalEwsUrl",
    "ExternalEwsUrl",
    "GroupingInformation",
    "PublicFolderInformation",
    "InternalRpcClientServer",
    "AlternateMailboxes",
    "CasVersion",
];

/// What a place told, in either language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// Settings; the URLs in the order internal, external.
    Settings(Box<Settings>),
    /// Ask again with this address.
    Address(String),
    /// Ask there.
    Url(String),
    /// Ask later.
    Busy,
    /// It knows nothing, and says why.
    Refused(String),
}

/// Writes the request for an address to a place.
pub(super) fn write(address: &str, to: &Url) -> Body {
    let mut xml = XmlWriter::document();
    xml.element("s:Envelope", &[("xmlns:s", SOAP), ("xmlns:a", AUTODISCOVER), ("xmlns:wsa", ADDRESSING)], |xml| {
        xml.element("s:Header", &[], |xml| {
            xml.text("a:RequestedServerVersion", "Exchange2013");
            xml.text("wsa:Action", ACTION);
            xml.text("wsa:To", to.as_str());
        });
        xml.element("s:Body", &[], |xml| {
            xml.element("a:GetUserSettingsRequestMessage", &[], |xml| {
                xml.element("a:Request", &[], |xml| {
                    xml.element("a:Users", &[], |xml| xml.element("a:User", &[], |xml| xml.text("a:Mailbox", address)));
                    xml.element("a:RequestedSettings", &[], |xml| SETTINGS.iter().for_each(|setting| xml.text("a:Setting", setting)));
                });
            });
        });
    });
    xml.finish()
}

/// Reads an answer; none when it is not one of Autodiscover.
pub(super) fn read(body: Vec<u8>) -> Option<Told> {
    let mut xml = XmlReader::new(Box::new(std::io::Cursor::new(body)));
    read_envelope(&mut xml).ok().flatten()
}

fn read_envelope(xml: &mut XmlReader) -> Result<Option<Told>, XmlError> {
    if xml.child()?.is_none_or(|root| root.name() != "Envelope") {
        return Ok(None);
    }
    let mut version = None;
    let mut told = None;
    while let Some(part) = xml.child()? {
        match part.name() {
            "Header" => {
                while let Some(header) = xml.child()? {
                    if header.name() == "ServerVersionInfo" { version = read_version(xml)? } else { xml.skip()? }
                }
            }
            "Body" => {
                while let Some(message) = xml.child()? {
                    match message.name() {
                        "GetUserSettingsResponseMessage" => told = read_message(xml)?,
                        "Fault" => told = Some(Told::Refused(read_fault(xml)?)),
                        _ => xml.skip()?,
                    }
                }
            }
            _ => xml.skip()?,
        }
    }
    if let Some(Told::Settings(settings)) = &mut told {
        settings.version = version.or(settings.version.take());
    }
    Ok(told)
}

fn read_version(xml: &mut XmlReader) -> Result<Option<String>, XmlError> {
    let mut numbers = [None, None, None, None];
    while let Some(part) = xml.child()? {
        let place = ["MajorVersion", "MinorVersion", "MajorBuildNumber", "MinorBuildNumber"].iter().position(|name| *name == part.name());
        match place.and_then(|place| numbers.get_mut(place)) {
            Some(number) => *number = Some(xml.text()?.trim().to_owned()),
            None => xml.skip()?,
        }
    }
    let [Some(major), Some(minor), Some(build), Some(revision)] = numbers else { return Ok(None) };
    Ok(Some(format!("{major}.{minor}.{build}.{revision}")))
}

/// What a response, or a user's part of it, says.
#[derive(Default)]
struct Status {
    code: String,
    message: String,
    target: String,
}

fn read_message(xml: &mut XmlReader) -> Result<Option<Told>, XmlError> {
    let mut status = Status::default();
    let mut told = None;
    while let Some(response) = xml.child()? {
        if response.name() != "Response" {
            xml.skip()?;
            continue;
        }
        while let Some(part) = xml.child()? {
            match part.name() {
                "ErrorCode" => status.code = xml.text()?.trim().to_owned(),
                "ErrorMessage" => status.message = xml.text()?,
                "UserResponses" => {
                    while xml.child()?.is_some() {
                        let next = read_user(xml)?;
                        told = told.or(Some(next));
                    }
                }
                _ => xml.skip()?,
            }
        }
    }
    Ok(match status.code.as_str() {
        "NoError" | "" => told,
        _ => Some(judge(&status, None)),
    })
}

fn read_user(xml: &mut XmlReader) -> Result<Told, XmlError> {
    let mut status = Status::default();
    let mut settings = Settings::default();
    let (mut internal, mut external) = (None, None);
    while let Some(part) = xml.child()? {
        match part.name() {
            "ErrorCode" => status.code = xml.text()?.trim().to_owned(),
            "ErrorMessage" => status.message = xml.text()?,
            "RedirectTarget" => status.target = xml.text()?.trim().to_owned(),
            "UserSettings" => {
                while xml.child()?.is_some() {
                    read_setting(xml, &mut settings, &mut internal, &mut external)?;
                }
            }
            _ => xml.skip()?,
        }
    }
    settings.ews_urls = [internal, external].into_iter().flatten().collect();
    settings.ews_urls.dedup();
    Ok(judge(&status, Some(settings)))
}

fn read_setting(xml: &mut XmlReader, settings: &mut Settings, internal: &mut Option<Url>, external: &mut Option<Url>) -> Result<(), XmlError> {
    let (mut name, mut value) = (String::new(), String::new());
    while let Some(part) = xml.child()? {
        match part.name() {
            "Name" => name = xml.text()?.trim().to_owned(),
            "Value" => value = xml.text()?.trim().to_owned(),
            "AlternateMailboxes" => {
                while xml.child()?.is_some() {
                    settings.alternate.push(read_alternate(xml)?);
                }
            }
            _ => xml.skip()?,
        }
    }
    if value.is_empty() {
        return Ok(());
    }
    match name.as_str() {
        "UserDisplayName" => settings.display_name = Some(value),
        "AutoDiscoverSMTPAddress" => settings.address = Some(value),
        "InternalEwsUrl" => *internal = Url::parse(&value).ok(),
        "ExternalEwsUrl" => *external = Url::parse(&value).ok(),
        "GroupingInformation" => settings.grouping = Some(value),
        "PublicFolderInformation" => settings.public_folders = Some(value),
        "InternalRpcClientServer" => settings.rpc_server = Some(value),
        "CasVersion" => settings.version = Some(value),
        _ => {}
    }
    Ok(())
}

/// Reads `AlternateMailbox`, or `AlternativeMailbox` of the older language.
pub(super) fn read_alternate(xml: &mut XmlReader) -> Result<AlternateMailbox, XmlError> {
    let mut mailbox = AlternateMailbox::default();
    while let Some(part) = xml.child()? {
        let field = match part.name() {
            "Type" => &mut mailbox.kind,
            "DisplayName" => &mut mailbox.display_name,
            "SmtpAddress" => &mut mailbox.smtp_address,
            "LegacyDN" => &mut mailbox.legacy_dn,
            _ => {
                xml.skip()?;
                continue;
            }
        };
        *field = xml.text()?.trim().to_owned();
    }
    Ok(mailbox)
}

fn read_fault(xml: &mut XmlReader) -> Result<String, XmlError> {
    let mut text = String::new();
    while let Some(part) = xml.child()? {
        match part.name() {
            "faultstring" => text = xml.text()?.trim().to_owned(),
            _ => xml.skip()?,
        }
    }
    Ok(if text.is_empty() { "a SOAP fault".to_owned() } else { text })
}

fn judge(status: &Status, settings: Option<Settings>) -> Told {
    match (status.code.as_str(), settings) {
        ("NoError" | "", Some(settings)) => Told::Settings(Box::new(settings)),
        ("RedirectAddress", _) => Told::Address(status.target.clone()),
        ("RedirectUrl", _) => Told::Url(status.target.clone()),
        ("ServerBusy", _) => Told::Busy,
        (code, _) => Told::Refused(format!("{} ({code})", status.message.trim())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn answer(user: &str) -> String {
        format!(
            r#"<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:a="http://www.w3.org/2005/08/addressing"><s:Header>
            <h:ServerVersionInfo xmlns:h="http://schemas.microsoft.com/exchange/2010/Autodiscover"><h:MajorVersion>15</h:MajorVersion><h:MinorVersion>2</h:MinorVersion>
            <h:MajorBuildNumber>1118</h:MajorBuildNumber><h:MinorBuildNumber>7</h:MinorBuildNumber><h:Version>Exchange2016</h:Version></h:ServerVersionInfo></s:Header>
            <s:Body><GetUserSettingsResponseMessage xmlns="http://schemas.microsoft.com/exchange/2010/Autodiscover"><Response xmlns:i="http://www.w3.org/2001/XMLSchema-instance">
            <ErrorCode>NoError</ErrorCode><ErrorMessage/><UserResponses><UserResponse>{user}</UserResponse></UserResponses></Response></GetUserSettingsResponseMessage></s:Body></s:Envelope>"#
        )
    }

    const SETTINGS_ANSWER: &str = r#"<ErrorCode>NoError</ErrorCode><ErrorMessage>No error.</ErrorMessage><RedirectTarget i:nil="true"/><UserSettingErrors/><UserSettings>
        <UserSetting i:type="StringSetting"><Name>ExternalEwsUrl</Name><Value>https://mail.example.org/EWS/Exchange.asmx</Value></UserSetting>
        <UserSetting i:type="StringSetting"><Name>InternalEwsUrl</Name><Value>https://ex1.corp/EWS/Exchange.asmx</Value></UserSetting>
        <UserSetting i:type="StringSetting"><Name>PublicFolderInformation</Name><Value>pf1@example.org</Value></UserSetting>
        <UserSetting i:type="AlternateMailboxCollectionSetting"><Name>AlternateMailboxes</Name><AlternateMailboxes><AlternateMailbox><Type>Archive</Type>
        <DisplayName>Archive - A</DisplayName><LegacyDN>/o=x</LegacyDN><Server>s</Server><SmtpAddress i:nil="true"/></AlternateMailbox></AlternateMailboxes></UserSetting></UserSettings>"#;

    #[test]
    fn settings_are_read() {
        let Some(Told::Settings(settings)) = read(answer(SETTINGS_ANSWER).into_bytes()) else { panic!("no settings") };
        let urls: Vec<&str> = settings.ews_urls.iter().map(Url::as_str).collect();
        assert_eq!(urls, ["https://ex1.corp/EWS/Exchange.asmx", "https://mail.example.org/EWS/Exchange.asmx"]);
        assert_eq!((settings.version.as_deref(), settings.public_folders.as_deref()), (Some("15.2.1118.7"), Some("pf1@example.org")));
        assert_eq!((settings.alternate[0].kind.as_str(), settings.alternate[0].legacy_dn.as_str()), ("Archive", "/o=x"));
    }

    #[test]
    fn redirects_and_refusals_are_told_apart() {
        let user = |code: &str, target: &str| {
            read(answer(&format!("<ErrorCode>{code}</ErrorCode><ErrorMessage>Words.</ErrorMessage><RedirectTarget>{target}</RedirectTarget>")).into_bytes())
        };
        assert_eq!(user("RedirectAddress", "a@b.c"), Some(Told::Address("a@b.c".to_owned())));
        assert_eq!(user("RedirectUrl", "https://x/"), Some(Told::Url("https://x/".to_owned())));
        assert_eq!(user("ServerBusy", ""), Some(Told::Busy));
        assert_eq!(user("InvalidUser", ""), Some(Told::Refused("Words. (InvalidUser)".to_owned())));
        for strange in ["", "<html><body>Hi</body></html>", "<s:Envelope><s:Body/></s:Envelope>", "no xml at all"] {
            assert_eq!(read(strange.as_bytes().to_vec()), None, "{strange}");
        }
    }

    proptest! {
        #[test]
        fn a_spoiled_answer_is_read_to_some_end(at in 0usize..1500, removed in 0usize..60, added: Vec<u8>) {
            let mut bytes = answer(SETTINGS_ANSWER).into_bytes();
            let at = at.min(bytes.len());
            let end = (at + removed).min(bytes.len());
            bytes.splice(at..end, added.into_iter().take(9));
            let _ = read(bytes.clone());
            let _ = super::super::pox::read(bytes);
        }
    }
}
