//! Answers as EWS servers give them.

use crate::server::{Answer, Request, ok};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Wraps the inside of a SOAP body.
pub(crate) fn envelope(body: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Header><h:ServerVersionInfo \
         xmlns:h=\"http://schemas.microsoft.com/exchange/services/2006/types\" MajorVersion=\"15\" MinorVersion=\"2\" MajorBuildNumber=\"2562\" \
         MinorBuildNumber=\"17\" Version=\"V2017_07_11\"/></s:Header><s:Body>{body}</s:Body></s:Envelope>"
    )
}

/// Wraps response messages of an operation.
pub(crate) fn response(operation: &str, messages: &str) -> String {
    envelope(&format!("<m:{operation}Response xmlns:m=\"m\" xmlns:t=\"t\"><m:ResponseMessages>{messages}</m:ResponseMessages></m:{operation}Response>"))
}

pub(crate) fn success(operation: &str, inside: &str) -> String {
    format!("<m:{operation}ResponseMessage ResponseClass=\"Success\"><m:ResponseCode>NoError</m:ResponseCode>{inside}</m:{operation}ResponseMessage>")
}

pub(crate) fn error(operation: &str, code: &str) -> String {
    format!(
        "<m:{operation}ResponseMessage ResponseClass=\"Error\"><m:MessageText>It says {code}.</m:MessageText><m:ResponseCode>{code}</m:ResponseCode>\
         <m:DescriptiveLinkKey>0</m:DescriptiveLinkKey></m:{operation}ResponseMessage>"
    )
}

pub(crate) fn fault(code: &str, detail: &str) -> String {
    envelope(&format!(
        "<s:Fault><faultcode>a:{code}</faultcode><faultstring>It says {code}.</faultstring><detail><e:ResponseCode xmlns:e=\"e\">{code}</e:ResponseCode>\
         <e:Message xmlns:e=\"e\">It says {code}.</e:Message>{detail}</detail></s:Fault>"
    ))
}

/// What a server answers that knows no change counters.
const FOLDERS_WITHOUT_COUNTERS: &str =
    "<m:RootFolder TotalItemsInView='1' IncludesLastItemInRange='true'><t:Folders><t:Folder><t:FolderId Id='INBOX'/></t:Folder></t:Folders></m:RootFolder>";

/// Answers a GetFolder that opens a mailbox: a root, an inbox, nothing else. Folders have no change counters.
pub(crate) fn open(request: &Request) -> Answer {
    if request.operation() == "FindFolder" {
        return ok(response("FindFolder", &success("FindFolder", FOLDERS_WITHOUT_COUNTERS)));
    }
    let folder = |id: &str| success("GetFolder", &format!("<m:Folders><t:Folder><t:FolderId Id=\"{id}\" ChangeKey=\"k\"/></t:Folder></m:Folders>"));
    let words = request.ids("t:DistinguishedFolderId");
    let answers = words.iter().map(|word| match word.as_str() {
        "msgfolderroot" => folder("ROOT"),
        "inbox" => folder("INBOX"),
        _ => error("GetFolder", "ErrorFolderNotFound"),
    });
    ok(response("GetFolder", &answers.collect::<String>()))
}

/// Makes a message with its MIME.
pub(crate) fn message(id: &str, mime: &str) -> String {
    let mime = STANDARD.encode(mime);
    success(
        "GetItem",
        &format!(
            "<m:Items><t:Message><t:MimeContent CharacterSet=\"UTF-8\">{mime}</t:MimeContent><t:ItemId Id=\"{id}\" ChangeKey=\"k-{id}\"/>\
             <t:ItemClass>IPM.Note</t:ItemClass><t:Subject>About {id}</t:Subject><t:Size>1000</t:Size></t:Message></m:Items>"
        ),
    )
}

pub(crate) fn export(id: &str, data: &str) -> String {
    success("ExportItems", &format!("<m:ItemId Id=\"{id}\" ChangeKey=\"k-{id}\"/><m:Data>{}</m:Data>", STANDARD.encode(data)))
}

/// Answers as a healthy server with a message for each id.
pub(crate) fn healthy(request: &Request) -> Answer {
    let ids = request.ids("t:ItemId");
    match request.operation() {
        "GetFolder" => open(request),
        "GetItem" => ok(response("GetItem", &ids.iter().map(|id| message(id, &mime_of(id))).collect::<String>())),
        "ExportItems" => ok(response("ExportItems", &ids.iter().map(|id| export(id, &export_of(id))).collect::<String>())),
        other => panic!("nobody expected {other}"),
    }
}

pub(crate) fn mime_of(id: &str) -> String {
    format!("Subject: About {id}\r\n\r\nText of {id}.\r\n")
}

pub(crate) fn export_of(id: &str) -> String {
    format!("stream of {id}")
}
