//! The mails of the histories, by small numbers.

use crate::support::{mail, noise, time};
use base64::Engine as _;
use c2b_mailbox::{Content, Fidelity, Item, ItemId};
use c2b_storagefmt::{ContentId, Failure, FolderKey};
use std::sync::LazyLock;

/// How many there are.
pub(super) const BODIES: u8 = 7;

/// What they hold, in the order of their numbers: as mail and as export stream.
static ALL: LazyLock<Vec<Mail>> = LazyLock::new(|| (0..BODIES).map(Mail::make).collect());

pub(super) struct Mail {
    pub(super) mime: Vec<u8>,
    pub(super) stream: Vec<u8>,
    /// The content that is shown.
    pub(super) id: ContentId,
}

impl Mail {
    fn make(number: u8) -> Self {
        let mime = body(number);
        Self { id: ContentId::of(&mime), mime, stream: stream(number) }
    }

    pub(super) fn of(number: u8) -> &'static Self {
        &ALL[usize::from(number)]
    }

    /// Returns the number of the one that is shown under this id.
    pub(super) fn number(id: &ContentId) -> Option<u8> {
        ALL.iter().position(|mail| mail.id == *id).and_then(|number| u8::try_from(number).ok())
    }
}

/// The mail with this number: short, long, with attachments that others have, too, in several codings.
fn body(number: u8) -> Vec<u8> {
    let head = format!("Subject: {number}\r\nMIME-Version: 1.0\r\n");
    let attachment = |len: usize, line: usize| -> String {
        let encoded = base64::engine::general_purpose::STANDARD.encode(noise(len, 1));
        encoded.as_bytes().chunks(line).map(|line| String::from_utf8_lossy(line).into_owned() + "\r\n").collect()
    };
    let mixed = |parts: &[String]| {
        let parts: String = parts.iter().map(|part| format!("--b\r\n{part}\r\n")).collect();
        format!("{head}Content-Type: multipart/mixed; boundary=b\r\n\r\n{parts}--b--\r\n").into_bytes()
    };
    let base64 = |len, line| format!("Content-Transfer-Encoding: base64\r\n\r\n{}", attachment(len, line));
    let text = "The quick brown fox jumps over the lazy dog. ".repeat(40);
    match number {
        0 => Vec::new(),
        1 => format!("{head}\r\nshort\r\n").into_bytes(),
        2 => format!("{head}\r\n{text}").into_bytes(),
        3 => mixed(&[format!("\r\n{text}"), base64(5000, 76)]),
        4 => mixed(&[base64(5000, 60), base64(700, 76)]),
        5 => mixed(&[base64(9000, 76)]),
        _ => format!("{head}Content-Transfer-Encoding: quoted-printable\r\n\r\n{}", "caf=C3=A9 =\r\nau lait\r\n".repeat(60)).into_bytes(),
    }
}

/// The export stream of that mail: its attachment in frames.
fn stream(number: u8) -> Vec<u8> {
    let bytes = noise(
        match number {
            3 | 4 => 5000,
            5 => 9000,
            _ => 600,
        },
        1,
    );
    let value = [&0x3701_0102u32.to_le_bytes()[..], &u32::try_from(bytes.len()).unwrap().to_le_bytes(), &bytes, &[number]].concat();
    value.chunks(1000).flat_map(|piece| [&2u32.to_le_bytes()[..], &u32::try_from(piece.len()).unwrap().to_le_bytes(), piece].concat()).collect()
}

pub(super) fn failure(mailbox: FolderKey, id: u8, attempts: u8) -> Failure {
    Failure {
        id: ItemId::new(format!("I{id}")),
        folder: mailbox,
        job: "nightly".to_owned(),
        change_key: None,
        subject: "x".to_owned(),
        date: None,
        size: Some(7),
        code: "ErrorItemCorrupt".to_owned(),
        message: "y".to_owned(),
        attempts: u32::from(attempts),
        first_seen: time(0),
        last_seen: time(1),
        next_try: None,
    }
}

pub(super) fn item(id: u8, subject: u8, number: u8, export: bool) -> Item {
    let mut item = mail(&format!("I{id}"), &format!("subject {subject}"), &Mail::of(number).mime);
    if export {
        item.export = Some(Content::from_bytes(&Mail::of(number).stream).unwrap());
        item.fidelity = Fidelity::Full;
    }
    item
}
