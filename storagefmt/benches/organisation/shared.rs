//! One attachment in many mailboxes: every copy has its own headers, boundary and line of text.

use crate::measure::{Stopwatch, as_map};
use crate::{Shared, storage};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use c2b_mailbox::{Address, Content, Fidelity, Folder, FolderId, Format, Item, ItemId, ItemMeta, Readable};
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

/// Sends the attachment to every mailbox; one commit for each.
pub(crate) fn attachment(args: &Shared) -> Map<String, Value> {
    let mut bytes = vec![0; args.bytes];
    blake3::Hasher::new().update(b"attachment").finalize_xof().fill(&mut bytes);
    let encoded = STANDARD.encode(&bytes);
    let lines: Vec<&[u8]> = encoded.as_bytes().chunks(76).collect();
    let encoded = lines.join(b"\r\n".as_slice());
    let watch = Stopwatch::start();
    let mut writer = storage::create(&args.storage, args.sealed, now(0));
    for number in 0..args.mailboxes {
        let address = format!("user{number}@example.org");
        let key = writer.mailbox(&Address::parse(&address).unwrap()).unwrap();
        let folder = Folder { id: FolderId::new("F"), parent: None, name: "Inbox".to_owned(), class: String::new(), role: None };
        let folder = writer.put_folder(key, &folder).unwrap();
        let mut mail = format!(
            "Delivered-To: {address}\r\nFrom: a@example.org\r\nTo: {address}\r\nSubject: the file\r\nContent-Type: multipart/mixed; boundary=\"b{number}\"\r\n\r\n\
             --b{number}\r\n\r\nHello {address}\r\n--b{number}\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        )
        .into_bytes();
        mail.extend(&encoded);
        mail.extend(format!("\r\n--b{number}--\r\n").into_bytes());
        let readable = Readable { format: Format::Eml, rendered: false, content: Content::from_bytes(&mail).unwrap() };
        let item = Item { meta: ItemMeta::new(ItemId::new("I"), "IPM.Note"), readable: Some(readable), export: None, fidelity: Fidelity::Mime };
        writer.put_item(key, folder, item).unwrap();
        writer.mark_point(key).unwrap();
        writer.commit(now(number)).unwrap();
    }
    drop(writer);
    let mut figures = watch.figures();
    figures.extend(as_map(json!({ "mailboxes": args.mailboxes, "attachment_bytes": args.bytes })));
    figures
}

fn now(number: u32) -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_000_000 + i64::from(number), 0).unwrap()
}
