//! An example archive of every released format, kept in the repository: it must be readable for ever.
//!
//! `tests/data/archive/<version>/` holds a storage without its index, `<version>.txt` what it answers.
//! They were made by [`fill`]; the ignored test writes them for a new format version. A sealed one is opened by [`PASSWORD`].

use crate::dump::dump;
use crate::support::{Place, address, copy_folder, folder, mail, noise, password, put, sealing, time};
use c2b_mailbox::{Content, Cursor, Fidelity, FolderId, Format, ItemId, Readable};
use c2b_storagefmt::{Catalog, CursorScope, Failure, Unlock, Writer, check, rebuild};
use std::fs;
use std::path::{Path, PathBuf};

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/archive")
}

/// Opens the sealed examples.
const PASSWORD: &str = "c2b-example";

fn key(sealed: bool) -> Unlock {
    if sealed { password(PASSWORD) } else { Unlock::Open }
}

/// Makes an example; one that is not sealed has the same identity each time.
fn make(place: &Place, sealed: bool) -> String {
    if sealed {
        return fill(Writer::create(&place.dir(), time(0), sealing(Some(PASSWORD))).unwrap().0);
    }
    drop(place.create());
    let description = place.dir().join("storage.toml");
    let text = fs::read_to_string(&description).unwrap();
    let uuid = text.lines().find(|line| line.starts_with("uuid")).unwrap();
    fs::write(&description, text.replace(uuid, "uuid = \"00000000-0000-4000-8000-000000000002\"")).unwrap();
    fill(Writer::open(&place.dir(), &Unlock::Open).unwrap())
}

/// A small history with a record of every kind that a backup writes.
fn fill(mut writer: Writer) -> String {
    let mailbox = writer.mailbox(&address("alice")).unwrap();
    let inbox = (mailbox, writer.put_folder(mailbox, &folder("F-1", "Inbox", None)).unwrap());
    writer.put_folder(mailbox, &folder("F-2", "Größe: a/b", Some("F-1"))).unwrap();
    let quoted = "Content-Transfer-Encoding: quoted-printable\r\n\r\n".to_owned() + &"caf=C3=A9 au lait\r\n".repeat(30);
    put(&mut writer, inbox, mail("I-1", "Re: 👩‍👧 <budget>", quoted.as_bytes()));
    // Two bits of noise in each byte: long enough for a list of chunks, and small when compressed.
    let attachment: Vec<u8> = noise(700_000, 1).into_iter().map(|byte| byte & 3).collect();
    let base64 = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &attachment);
    let lines: Vec<&str> = base64.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let mut attached = mail("I-2", "attached", format!("Content-Transfer-Encoding: base64\n\n{}\n", lines.join("\n")).as_bytes());
    let mut stream = [1u32, 8, 0, 1].map(u32::to_le_bytes).concat();
    let value = [&0x3701_0102u32.to_le_bytes()[..], &700_000u32.to_le_bytes(), &attachment].concat();
    for piece in value.chunks(31_680) {
        stream.extend([2, u32::try_from(piece.len()).unwrap()].map(u32::to_le_bytes).concat());
        stream.extend(piece);
    }
    attached.export = Some(Content::from_bytes(&stream).unwrap());
    attached.fidelity = Fidelity::Full;
    put(&mut writer, inbox, attached);
    writer.set_cursor(mailbox, CursorScope::Hierarchy, Some(&Cursor::new("tree"))).unwrap();
    writer.mark_point(mailbox).unwrap();
    writer.commit(time(1)).unwrap();

    let mut event = mail("I-3", "an event", b"");
    event.meta.class = "IPM.Appointment".to_owned();
    event.meta.start = Some(time(90));
    event.meta.categories = vec!["Blue".to_owned()];
    event.meta.search_key = Some(vec![1, 2, 3]);
    event.readable = Some(Readable { format: Format::Ics, rendered: true, content: Content::from_bytes(b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n").unwrap() });
    put(&mut writer, inbox, event);
    writer.set_read(mailbox, &ItemId::new("I-1"), None, true).unwrap();
    let mut marked = mail("I-2", "attached", b"another text");
    marked.fidelity = Fidelity::Partial;
    put(&mut writer, inbox, marked);
    let failure = Failure {
        id: ItemId::new("I-4"),
        folder: inbox.1,
        job: "nightly".to_owned(),
        change_key: None,
        subject: "broken".to_owned(),
        date: Some(time(0)),
        size: Some(1),
        code: "ErrorItemCorrupt".to_owned(),
        message: "the server cannot read it".to_owned(),
        attempts: 1,
        first_seen: time(2),
        last_seen: time(2),
        next_try: None,
    };
    writer.put_failure(mailbox, failure.clone()).unwrap();
    writer.put_failure(mailbox, Failure { id: ItemId::new("I-5"), ..failure }).unwrap();
    writer.mark_point(mailbox).unwrap();
    writer.commit(time(2)).unwrap();

    let mut same = mail("I-1", "Re: 👩‍👧 <budget>", quoted.as_bytes());
    (same.meta.read, same.meta.change_key) = (Some(true), None);
    put(&mut writer, inbox, same);
    writer.clear_failure(mailbox, &ItemId::new("I-5")).unwrap();
    writer.delete_item(mailbox, &ItemId::new("I-3")).unwrap();
    writer.delete_folder(mailbox, &FolderId::new("F-2")).unwrap();
    writer.set_cursor(mailbox, CursorScope::Hierarchy, None).unwrap();
    writer.commit(time(3)).unwrap();
    dump(&writer.catalog(), &writer.contents())
}

#[test]
fn every_format_ever_released_reads_back() {
    let versions: Vec<PathBuf> = fs::read_dir(data()).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    for released in ["v2", "v2-sealed"] {
        assert!(versions.iter().any(|path| path.ends_with(released)), "the example {released} is gone");
    }
    for version in versions {
        let place = Place::with_copy_of(&version);
        let key = key(version.ends_with("v2-sealed"));
        assert_eq!(rebuild(&place.dir(), &key, &mut |_| {}).unwrap().damages, [], "{}", version.display());
        let (catalog, contents) = Catalog::open_reader(&place.dir(), &place.scratch(), &key).unwrap();
        assert_eq!(dump(&catalog, &contents), fs::read_to_string(version.with_extension("txt")).unwrap(), "{}", version.display());
        assert_eq!(check(&place.dir(), &place.scratch(), &key, true, &mut |_| {}).unwrap().damages, [], "{}", version.display());
    }
}

#[test]
fn the_same_history_gives_the_same_answers_as_ever() {
    for (sealed, name) in [(false, "v2.txt"), (true, "v2-sealed.txt")] {
        assert!(make(&Place::new(), sealed) == fs::read_to_string(data().join(name)).unwrap(), "{name} is something else");
    }
}

#[test]
#[ignore = "writes the examples of a new format version into the source tree"]
fn write_the_examples() {
    for (sealed, name) in [(false, "v2"), (true, "v2-sealed")] {
        let place = Place::new();
        let answers = make(&place, sealed);
        let to = data().join(name);
        fs::create_dir_all(&to).unwrap();
        for folder in ["packs", "keys"].map(|folder| place.dir().join(folder)).iter().filter(|folder| folder.exists()) {
            copy_folder(folder, &to.join(folder.file_name().unwrap()));
        }
        fs::copy(place.dir().join("storage.toml"), to.join("storage.toml")).unwrap();
        fs::write(data().join(format!("{name}.txt")), answers).unwrap();
    }
}
