//! Files as items: ids and change keys of the shape and length that Exchange gives, properties from the headers.
//!
//! An item's id follows from its mailbox, folder and number (not from the flags in its name), its change
//! key from its name, length and time: a flag that changes is the same item in another state, a file that
//! moves is another item, as with EWS.

use crate::corpus::Entry;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use c2b_mailbox::{ChangeKey, Content, Fidelity, FlagStatus, Folder, FolderId, Format, Item, ItemId, ItemMeta, Readable};
use chrono::DateTime;

/// Returns a folder's id: 120 characters.
pub(crate) fn folder_id(address: &str, path: &str) -> FolderId {
    let mut bytes = mailbox_part(address);
    bytes.extend(entry(address, path, None));
    FolderId::new(STANDARD.encode(bytes))
}

/// Returns the folder at a path.
pub(crate) fn folder(address: &str, path: &str) -> Folder {
    let (parent, name) = path.rsplit_once('/').map_or((None, path), |(parent, name)| (Some(parent), name));
    let class = match name {
        "Calendar" => "IPF.Appointment",
        "Contacts" => "IPF.Contact",
        _ => "IPF.Note",
    };
    let parent = parent.map(|parent| folder_id(address, parent));
    Folder { id: folder_id(address, path), parent, name: name.to_owned(), class: class.to_owned(), role: None }
}

/// Returns an item's id: 152 characters, the first two thirds the same in a folder.
pub(crate) fn item_id(address: &str, path: &str, file: &Entry) -> ItemId {
    let number = file.name.rsplit_once(',').map_or(file.name.as_str(), |(number, _)| number);
    let mut bytes = mailbox_part(address);
    bytes.extend(entry(address, path, Some(number)));
    ItemId::new(STANDARD.encode(bytes))
}

/// Returns the mark of a file's state: 40 characters, all but the last eight the same in a mailbox.
pub(crate) fn change_key(address: &str, file: &Entry) -> ChangeKey {
    let mut bytes = vec![9, 0, 0, 0, 22, 0, 0, 0];
    bytes.extend(&hash(&[b"store", address.as_bytes()])[..16]);
    bytes.extend(&hash(&[file.name.as_bytes(), &file.len.to_le_bytes(), &file.modified.to_le_bytes()])[..6]);
    ChangeKey::new(STANDARD.encode(bytes))
}

/// Returns a file as an item.
pub(crate) fn item(address: &str, path: &str, file: &Entry, bytes: &[u8]) -> Item {
    let (format, class) = match file.name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("ics") => (Format::Ics, "IPM.Appointment"),
        Some("vcf") => (Format::Vcf, "IPM.Contact"),
        _ => (Format::Eml, "IPM.Note"),
    };
    let mut meta = ItemMeta::new(item_id(address, path, file), class);
    meta.change_key = Some(change_key(address, file));
    meta.size = Some(file.len);
    meta.created = DateTime::from_timestamp(file.modified, 0);
    meta.modified = meta.created;
    meta.search_key = Some(hash(&[address.as_bytes(), path.as_bytes(), file.name.as_bytes()])[..16].to_vec());
    if format == Format::Eml {
        let flags = file.name.rsplit_once(',').map_or("", |(_, flags)| flags.trim_end_matches(".eml"));
        meta.read = Some(flags.contains('S'));
        meta.flag = flags.contains('F').then_some(FlagStatus::Flagged);
        meta.received = meta.created;
        headers(bytes, &mut meta);
    } else {
        lines(bytes, &mut meta);
    }
    let readable = Readable { format, rendered: false, content: Content::from_bytes(bytes).unwrap() };
    Item { meta, readable: Some(readable), export: None, fidelity: Fidelity::Mime }
}

/// Takes properties from a mail's header.
fn headers(bytes: &[u8], meta: &mut ItemMeta) {
    let end = bytes.windows(4).take(64 << 10).position(|four| four == b"\r\n\r\n").unwrap_or(bytes.len().min(64 << 10));
    let text = String::from_utf8_lossy(&bytes[..end]).replace("\r\n\t", " ").replace("\r\n ", " ");
    for line in text.split("\r\n") {
        let Some((name, value)) = line.split_once(": ") else { continue };
        match name {
            "Subject" => value.clone_into(&mut meta.subject),
            "From" => value.clone_into(&mut meta.from),
            "To" | "Cc" => meta.recipients.extend(value.split(", ").map(str::to_owned)),
            "Message-ID" => meta.message_id = Some(value.to_owned()),
            "Date" => meta.sent = DateTime::parse_from_rfc2822(value).ok().map(|date| date.to_utc()),
            "Content-Type" => meta.has_attachments = value.starts_with("multipart/mixed"),
            _ => {}
        }
    }
}

/// Takes properties from an appointment or contact.
fn lines(bytes: &[u8], meta: &mut ItemMeta) {
    for line in String::from_utf8_lossy(bytes).split("\r\n") {
        match line.split_once(':') {
            Some(("SUMMARY" | "FN", value)) => value.clone_into(&mut meta.subject),
            Some(("UID", value)) => meta.message_id = Some(value.to_owned()),
            _ => {}
        }
    }
}

/// The part of an id that all objects of a mailbox share: its GUID as text.
fn mailbox_part(address: &str) -> Vec<u8> {
    let guid = hash(&[b"mailbox", address.as_bytes()]);
    let guid = uuid::Uuid::from_slice(&guid[..16]).unwrap().to_string();
    let mut bytes = vec![1, 0, 36, 0];
    bytes.extend(guid.as_bytes());
    bytes
}

/// A MAPI entry id: 46 bytes for a folder, 70 for an item.
fn entry(address: &str, path: &str, number: Option<&str>) -> Vec<u8> {
    let store = hash(&[b"store", address.as_bytes()]);
    let mut bytes = vec![0, 0, 0, 0];
    bytes.extend(&store[..16]);
    bytes.extend([if number.is_some() { 7 } else { 1 }, 0]);
    bytes.extend(&store[16..32]);
    bytes.extend([0]);
    bytes.extend(&hash(&[path.as_bytes()])[..5]);
    bytes.extend([0, 0]);
    if let Some(number) = number {
        bytes.extend(&store[16..32]);
        bytes.extend([0]);
        bytes.extend(&hash(&[path.as_bytes(), number.as_bytes()])[..5]);
        bytes.extend([0, 0]);
    }
    bytes
}

fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    *hasher.finalize().as_bytes()
}
