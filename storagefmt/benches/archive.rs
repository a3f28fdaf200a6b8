//! How fast mail goes in and comes out: `cargo bench -p c2b-storagefmt`.

#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use base64::Engine as _;
use c2b_mailbox::{Address, Content, Fidelity, Folder, FolderId, Format, Item, ItemId, ItemMeta, Readable};
use c2b_storagefmt::{ContentId, FolderKey, MailboxKey, Moment, Sealing, Writer};
use chrono::{DateTime, Utc};
use divan::Bencher;
use divan::counter::BytesCount;
use tempfile::TempDir;

fn main() {
    divan::main();
}

/// Mails of one kind: short texts, or texts with an attachment of 1 MiB.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Text,
    Attachment,
}

const MAILS: usize = 64;

fn noise(len: usize, seed: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

fn mails(kind: Kind) -> Vec<Vec<u8>> {
    let mail = |number: usize| {
        let words: Vec<String> = noise(300, number).iter().map(|byte| format!("word{}", byte % 64)).collect();
        let text = format!(
            "From: a@b\r\nSubject: mail {number}\r\nContent-Type: multipart/mixed; boundary=b{number}\r\n\r\n--b{number}\r\n\r\n{}\r\n",
            words.join(" ")
        );
        let attachment = match kind {
            Kind::Text => String::new(),
            Kind::Attachment => {
                let encoded = base64::engine::general_purpose::STANDARD.encode(noise(1 << 20, number));
                let lines: String = encoded.as_bytes().chunks(76).map(|line| String::from_utf8_lossy(line).into_owned() + "\r\n").collect();
                format!("--b{number}\r\nContent-Transfer-Encoding: base64\r\n\r\n{lines}")
            }
        };
        format!("{text}{attachment}--b{number}--\r\n").into_bytes()
    };
    (0..MAILS).map(mail).collect()
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_000_000, 0).unwrap()
}

fn storage() -> (TempDir, Writer, MailboxKey, FolderKey) {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::create(&dir.path().join("storage"), now(), Sealing::None).unwrap().0;
    let mailbox = writer.mailbox(&Address::parse("a@b").unwrap()).unwrap();
    let folder = Folder { id: FolderId::new("F"), parent: None, name: "Inbox".to_owned(), class: String::new(), role: None };
    let folder = writer.put_folder(mailbox, &folder).unwrap();
    (dir, writer, mailbox, folder)
}

fn ingest(writer: &mut Writer, mailbox: MailboxKey, folder: FolderKey, mails: &[Vec<u8>]) {
    for (number, mime) in mails.iter().enumerate() {
        let readable = Readable { format: Format::Eml, rendered: false, content: Content::from_bytes(mime).unwrap() };
        let meta = ItemMeta::new(ItemId::new(number.to_string()), "IPM.Note");
        writer.put_item(mailbox, folder, Item { meta, readable: Some(readable), export: None, fidelity: Fidelity::Mime }).unwrap();
    }
    writer.commit(now()).unwrap();
}

#[divan::bench(args = [Kind::Text, Kind::Attachment], sample_count = 10)]
fn new_mail(bencher: Bencher<'_, '_>, kind: Kind) {
    let mails = mails(kind);
    let bytes: usize = mails.iter().map(Vec::len).sum();
    bencher.counter(BytesCount::new(bytes)).with_inputs(storage).bench_local_values(|(dir, mut writer, mailbox, folder)| {
        ingest(&mut writer, mailbox, folder, &mails);
        (dir, writer)
    });
}

#[divan::bench(args = [Kind::Text, Kind::Attachment], sample_count = 10)]
fn known_mail(bencher: Bencher<'_, '_>, kind: Kind) {
    let mails = mails(kind);
    let bytes: usize = mails.iter().map(Vec::len).sum();
    let (_dir, mut writer, mailbox, folder) = storage();
    ingest(&mut writer, mailbox, folder, &mails);
    bencher.counter(BytesCount::new(bytes)).bench_local(|| ingest(&mut writer, mailbox, folder, &mails));
}

#[divan::bench(args = [Kind::Text, Kind::Attachment], sample_count = 10)]
fn read_back(bencher: Bencher<'_, '_>, kind: Kind) {
    let mails = mails(kind);
    let bytes: usize = mails.iter().map(Vec::len).sum();
    let (_dir, mut writer, mailbox, folder) = storage();
    ingest(&mut writer, mailbox, folder, &mails);
    let shown: Vec<ContentId> = writer.catalog().items(mailbox, folder, Moment::Latest).unwrap().map(|row| row.unwrap().shown.unwrap()).collect();
    bencher.counter(BytesCount::new(bytes)).with_inputs(|| (writer.contents(), vec![0; 128 << 10])).bench_local_values(|(contents, mut buffer)| {
        for id in &shown {
            let file = contents.open(mailbox, id).unwrap();
            let mut offset = 0;
            while offset < file.len() {
                offset += file.read_at(offset, &mut buffer).unwrap() as u64;
            }
        }
    });
}
