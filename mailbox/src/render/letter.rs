//! Everything else as an internet message; mail-builder writes headers and small parts.
//!
//! Attachments stream through base64, so their size costs no memory. Attached messages stay as they are. The boundary is made
//! from the item's key; nothing is added that the item does not have, not even a date.

use super::Properties;
use super::plain::clean;
use super::properties::{Attachment, Person};
use crate::Importance;
use mail_builder::encoders::base64::Base64Encoder;
use mail_builder::headers::address::Address;
use mail_builder::headers::content_type::ContentType;
use mail_builder::headers::date::Date;
use mail_builder::headers::message_id::MessageId;
use mail_builder::headers::text::Text;
use mail_builder::headers::{Header, HeaderType};
use mail_builder::mime::{BodyPart, MimePart};
use std::io::{self, Read, Seek, SeekFrom, Write};

/// Bytes of an attachment that make one line of 76 characters.
const LINE_BYTES: usize = 57;
/// Lines encoded at once.
const LINES: usize = 512;

/// Writes the message.
pub(super) fn write(properties: &mut Properties, out: &mut impl Write) -> io::Result<()> {
    out.write_all(&head(properties))?;
    let mut attachments = std::mem::take(&mut properties.attachments);
    let body = body(properties);
    if attachments.is_empty() {
        return out.write_all(&body);
    }
    let boundary = boundary(&properties.key);
    let related = attachments.iter().all(|attachment| attachment.inline && attachment.content_id.is_some());
    let kind = ContentType::new(if related { "multipart/related" } else { "multipart/mixed" }).attribute("boundary", boundary.as_str());
    let mut start = Vec::new();
    header(&mut start, "Content-Type", kind.into());
    out.write_all(&start)?;
    write!(out, "\r\n--{boundary}\r\n")?;
    out.write_all(&body)?;
    for attachment in &mut attachments {
        write!(out, "\r\n--{boundary}\r\n")?;
        write_attachment(attachment, out)?;
    }
    write!(out, "\r\n--{boundary}--\r\n")
}

fn head(it: &Properties) -> Vec<u8> {
    let mut out = Vec::new();
    let mut people = |name, people: &[Person]| {
        if !people.is_empty() {
            header(&mut out, name, Address::new_list(people.iter().map(address).collect()).into());
        }
    };
    people("From", it.from.as_ref().or(it.sender.as_ref()).map_or(&[], std::slice::from_ref));
    if it.from.is_some() && it.sender != it.from {
        people("Sender", it.sender.as_slice());
    }
    people("Reply-To", &it.reply_to);
    people("To", &it.to);
    people("Cc", &it.cc);
    people("Bcc", &it.bcc);
    header(&mut out, "Subject", Text::new(line(&it.subject)).into());
    if let Some(date) = it.sent.or(it.received).or(it.created) {
        header(&mut out, "Date", Date::new(date.timestamp()).into());
    }
    for (name, ids) in [("Message-ID", &it.message_id), ("In-Reply-To", &it.in_reply_to), ("References", &it.references)] {
        let ids: Vec<String> =
            ids.iter().flat_map(|ids| line(ids).split_whitespace().map(|id| id.trim_matches(['<', '>']).to_owned()).collect::<Vec<_>>()).collect();
        if !ids.is_empty() {
            header(&mut out, name, MessageId::new_list(ids.into_iter()).into());
        }
    }
    match it.importance {
        Some(Importance::High) => header(&mut out, "Importance", Text::new("high").into()),
        Some(Importance::Low) => header(&mut out, "Importance", Text::new("low").into()),
        Some(Importance::Normal) | None => {}
    }
    if !it.categories.is_empty() {
        header(&mut out, "Keywords", Text::new(line(&it.categories.join(", "))).into());
    }
    header(&mut out, "MIME-Version", Text::new("1.0").into());
    out
}

/// Returns the body as a MIME part with its headers.
fn body(properties: &Properties) -> Vec<u8> {
    let (kind, text) = match &properties.body {
        Some(body) if body.html => ("text/html", body.text.clone()),
        Some(body) => ("text/plain", body.text.clone()),
        None => ("text/plain", String::new()),
    };
    let mut out = Vec::new();
    MimePart::new(kind, BodyPart::Text(text.into())).write_part(&mut out);
    out
}

fn write_attachment(attachment: &mut Attachment, out: &mut impl Write) -> io::Result<()> {
    let message = attachment.content_type.eq_ignore_ascii_case("message/rfc822");
    let disposition = ContentType::new(if attachment.inline { "inline" } else { "attachment" });
    let name = line(&attachment.name);
    let disposition = if name.is_empty() { disposition } else { disposition.attribute("filename", name) };
    let mut part = MimePart::new(ContentType::new(media_type(&attachment.content_type)), BodyPart::Binary((&[]).into()))
        .header("Content-Disposition", disposition)
        .transfer_encoding(if message { "8bit" } else { "base64" });
    if let Some(id) = &attachment.content_id {
        part = part.cid(line(id).trim_matches(['<', '>']).to_owned());
    }
    let mut head = Vec::new();
    part.write_part(&mut head);
    out.write_all(&head)?;
    attachment.content.seek(SeekFrom::Start(0))?;
    if message {
        io::copy(&mut attachment.content, out)?;
        return Ok(());
    }
    write_base64(&mut attachment.content, out)
}

fn write_base64(from: &mut impl Read, out: &mut impl Write) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(LINE_BYTES * LINES);
    loop {
        bytes.clear();
        from.by_ref().take((LINE_BYTES * LINES) as u64).read_to_end(&mut bytes)?;
        if bytes.is_empty() {
            return Ok(());
        }
        let mut encoded = Vec::with_capacity(bytes.len() * 3 / 2);
        Base64Encoder::new().wrap_lines().encode_into(&bytes, &mut encoded);
        out.write_all(&encoded)?;
    }
}

fn header(out: &mut Vec<u8>, name: &str, value: HeaderType<'_>) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    value.write_header(out, name.len() + 2);
}

/// Returns a person as an address; one without any gets an empty group, which readers show as the name.
fn address(person: &Person) -> Address<'static> {
    let name = Some(line(&person.name)).filter(|name| !name.is_empty());
    if person.address.is_empty() {
        return Address::new_group(name, Vec::new());
    }
    Address::new_address(name, line(&person.address).replace(['<', '>', ' '], ""))
}

fn line(text: &str) -> String {
    clean(text).replace(['\n', '\t'], " ")
}

fn media_type(text: &str) -> String {
    let text = text.trim().to_ascii_lowercase();
    let token = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte));
    match text.split_once('/') {
        Some((kind, sub)) if token(kind) && token(sub) && kind != "multipart" => text,
        _ => "application/octet-stream".to_owned(),
    }
}

/// Makes a boundary from the key by FNV-1a; `=_` occurs neither in base64 nor in quoted-printable.
fn boundary(key: &str) -> String {
    let hash = key.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    format!("=_c2b_{hash:016x}")
}
