//! Words that must not be found: a search through every byte of a storage, whatever it is packed in.

use crate::dump::dump;
use crate::support::{Place, address, files, folder, noise, password, sealing, time};
use c2b_mailbox::{ChangeKey, Content, Cursor, Fidelity, FolderId, Format, Item, ItemId, ItemMeta, Readable};
use c2b_storagefmt::{CursorScope, EraseStep, Failure, ResealStep, Writer, rebuild};
use std::fs;
use std::io::Read;
use std::path::Path;

/// Looks for words in all files below a folder: as they are, in base64, and in anything that zstd packed.
/// Returns each finding as `file: word`.
pub(crate) fn find(dir: &Path, words: &[&str]) -> Vec<String> {
    let needles: Vec<(String, Vec<Vec<u8>>)> = words.iter().map(|word| ((*word).to_owned(), forms(word.as_bytes()))).collect();
    let mut found = Vec::new();
    for path in files(dir) {
        let mut texts = vec![fs::read(&path).unwrap()];
        if path.extension().is_some_and(|extension| extension == "log") {
            texts.push(joined(&texts[0]));
        }
        let packed: Vec<Vec<u8>> = texts.iter().flat_map(|text| unpacked(text)).collect();
        texts.extend(packed);
        for (word, forms) in &needles {
            if forms.iter().any(|form| texts.iter().any(|text| memchr::memmem::find(text, form).is_some())) {
                found.push(format!("{}: {word}", path.strip_prefix(dir).unwrap().display()));
            }
        }
    }
    found
}

/// Returns a word as it may stand in a file: as it is, as UTF-16, and in base64 wherever it may begin in a group of three.
fn forms(word: &[u8]) -> Vec<Vec<u8>> {
    use base64::Engine as _;
    let mut forms = vec![word.to_vec(), word.iter().flat_map(|byte| [*byte, 0]).collect()];
    for before in 0..3 {
        let bytes = [&b"\0\0"[..before], word].concat();
        let encoded = base64::engine::general_purpose::STANDARD_NO_PAD.encode(&bytes);
        // The characters at the edges also hold bits of the neighbours.
        let (skip, keep) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
        forms.push(encoded.as_bytes()[skip..keep].to_vec());
    }
    forms
}

/// Unpacks whatever begins like a zstd frame, as far as that goes.
fn unpacked(bytes: &[u8]) -> Vec<Vec<u8>> {
    let begins = memchr::memmem::find_iter(bytes, &[0x28, 0xb5, 0x2f, 0xfd]);
    begins
        .filter_map(|at| {
            let (mut decoder, mut out) = (zstd::stream::read::Decoder::new(&bytes[at..]).ok()?.single_frame(), Vec::new());
            let mut buffer = [0; 4096];
            while let Ok(n @ 1..) = decoder.read(&mut buffer) {
                out.extend_from_slice(&buffer[..n]);
            }
            Some(out)
        })
        .collect()
}

/// Puts together what RocksDB's log of writes cuts at every 32 KiB: a header of seven bytes stands before each piece.
fn joined(log: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    for block in log.chunks(32 << 10) {
        let mut rest = block;
        while let Some((header, tail)) = rest.split_first_chunk::<7>() {
            let len = usize::from(u16::from_le_bytes([header[4], header[5]]));
            let Some((piece, after)) = tail.split_at_checked(len).filter(|_| header[6] != 0) else { break };
            whole.extend_from_slice(piece);
            rest = after;
        }
    }
    whole
}

#[test]
fn words_are_found_in_every_form() {
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| fs::write(dir.path().join(name), bytes).unwrap();
    let text = format!("{} zanzibar {}", "a ".repeat(5000), "b ".repeat(5000));
    put("raw", text.as_bytes());
    put("packed", &[b"header".as_slice(), &zstd::bulk::compress(text.as_bytes(), 3).unwrap(), b"tail"].concat());
    for (n, name) in ["one", "two", "three"].into_iter().enumerate() {
        use base64::Engine as _;
        put(name, base64::engine::general_purpose::STANDARD.encode(format!("{}zanzibar in a line", &"xyz"[..n])).as_bytes());
    }
    put("none", b"nothing");
    let mut found = find(dir.path(), &["zanzibar", "absent"]);
    found.sort();
    assert_eq!(found, ["one: zanzibar", "packed: zanzibar", "raw: zanzibar", "three: zanzibar", "two: zanzibar"]);
}

/// Words of every kind that is told of a mailbox.
const CANARIES: [&str; 17] = [
    "canarymailbox",
    "canaryfolder",
    "canaryrenamed",
    "canarysubject",
    "canarysender",
    "canaryrecipient",
    "canarybodyword",
    "canaryattachment",
    "canarycategory",
    "canary-item-id",
    "canary-change-key",
    "canary-message-id",
    "canary-cursor",
    "canary-failure",
    "canary-job",
    "canary-who",
    "canary-password",
];

fn item(n: usize) -> Item {
    let mime = format!(
        "From: canarysender\r\nSubject: canarysubject {n}\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: text/plain\r\n\r\n{}\r\n--x\r\nContent-Type: application/x; name=canaryattachment\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\r\n--x--\r\n",
        "canarybodyword in a line of text. ".repeat(20 + n),
        forms_of_attachment(n)
    );
    let mut meta = ItemMeta::new(ItemId::new(format!("canary-item-id-{n}")), "IPM.Note");
    meta.change_key = Some(ChangeKey::new(format!("canary-change-key-{n}")));
    meta.subject = format!("canarysubject {n}");
    meta.from = "canarysender@example.org".to_owned();
    meta.recipients = vec!["canaryrecipient@example.org".to_owned()];
    meta.message_id = Some("canary-message-id".to_owned());
    meta.categories = vec!["canarycategory".to_owned()];
    meta.received = Some(time(-60));
    let readable = Readable { format: Format::Eml, rendered: false, content: Content::from_bytes(mime.as_bytes()).unwrap() };
    let export = Content::from_bytes(format!("canarybodyword export {n} {}", "canaryattachment ".repeat(30)).as_bytes()).unwrap();
    Item { meta, readable: Some(readable), export: Some(export), fidelity: Fidelity::Full }
}

fn forms_of_attachment(n: usize) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode([b"canarybodyword inside".to_vec(), noise(20_000, n as u64)].concat())
}

#[test]
fn no_file_of_a_sealed_storage_holds_a_word() {
    let place = Place::new();
    let unlock = password("canary-password");
    let mut writer = Writer::create(&place.dir(), time(0), sealing(Some("canary-password"))).unwrap().0;
    let silent = |stage: &str| assert_eq!(find(&place.dir(), &CANARIES), Vec::<String>::new(), "after {stage}");

    let mailboxes = ["canarymailbox1", "canarymailbox2"].map(|name| writer.mailbox(&address(name)).unwrap());
    let folders = mailboxes.map(|mailbox| {
        let inbox = writer.put_folder(mailbox, &folder("canary-item-id-F", "canaryfolder", None)).unwrap();
        (inbox, writer.put_folder(mailbox, &folder("canary-item-id-G", "canaryfolder below", Some("canary-item-id-F"))).unwrap())
    });
    for (mailbox, (inbox, _)) in mailboxes.into_iter().zip(folders) {
        for n in 0..12 {
            writer.put_item(mailbox, inbox, item(n)).unwrap();
        }
        writer.set_cursor(mailbox, CursorScope::Folder(inbox), Some(&Cursor::new("canary-cursor"))).unwrap();
        writer.mark_point(mailbox).unwrap();
    }
    writer.commit(time(1)).unwrap();
    silent("a backup");

    let [one, two] = mailboxes;
    writer.put_item(one, folders[0].1, item(3)).unwrap();
    writer.set_read(one, &ItemId::new("canary-item-id-4"), Some(&ChangeKey::new("canary-change-key-new")), true).unwrap();
    writer.delete_item(one, &ItemId::new("canary-item-id-5")).unwrap();
    writer.put_folder(one, &folder("canary-item-id-F", "canaryrenamed", None)).unwrap();
    let failure = Failure {
        id: ItemId::new("canary-item-id-failed"),
        folder: folders[0].0,
        job: "canary-job".to_owned(),
        change_key: Some(ChangeKey::new("canary-change-key-failed")),
        subject: "canarysubject failed".to_owned(),
        date: Some(time(1)),
        size: Some(5),
        code: "canary-failure-code".to_owned(),
        message: "canary-failure".to_owned(),
        attempts: 1,
        first_seen: time(1),
        last_seen: time(1),
        next_try: None,
    };
    writer.put_failure(one, failure).unwrap();
    writer.commit(time(2)).unwrap();
    writer.delete_folder(two, &FolderId::new("canary-item-id-G")).unwrap();
    writer.commit(time(3)).unwrap();
    silent("changes");
    writer.put_item(one, folders[0].0, item(30)).unwrap();
    silent("half a batch");
    writer.abandon();
    drop(writer);
    silent("the writer");

    assert_eq!(rebuild(&place.dir(), &unlock, &mut |_| {}).unwrap().damages, []);
    silent("a rebuild");
    let mut writer = Writer::open(&place.dir(), &unlock).unwrap();
    writer.keys().unwrap().rotate(&unlock, None, time(4)).unwrap();
    let mut run = writer.reseal_begin().unwrap();
    while writer.reseal_step(&mut run).unwrap() == ResealStep::More {}
    silent("sealing anew");
    let mut run = writer.erase_begin(two, "canary-who", time(5)).unwrap();
    while writer.erase_step(&mut run, time(5)).unwrap() == EraseStep::More {
        silent("a step of an erasure");
    }
    let (catalog, contents) = c2b_storagefmt::Catalog::open_reader(&place.dir(), &place.scratch(), &unlock).unwrap();
    assert!(dump(&catalog, &contents).contains("canarybodyword") || dump(&catalog, &contents).contains("canarysubject"));
    silent("a reader");
}
