//! Sealed storages: who has a key reads everything, who has only the files learns no word.

use crate::dump::dump;
use crate::support::{Place, address, files, folder, inbox, mail, noise, password, put, sealing, time, unlock};
use c2b_mailbox::{Cursor, ItemId};
use c2b_storagefmt::{Catalog, CursorScope, Error, ProbeKind, SealError, Unlock, Writer, check, probe, rebuild};
use std::fs;
use zeroize::Zeroizing;

const WORDS: [&str; 6] = ["canary-address", "canary-subject", "canary-folder", "canary-body", "canary-cursor", "canary-attachment"];

fn create(place: &Place) -> (Writer, Unlock) {
    let (writer, recovery) = Writer::create(&place.dir(), time(0), sealing(Some("secret"))).unwrap();
    (writer, Unlock::Recovery(Zeroizing::new(recovery.unwrap().to_string())))
}

fn fill(writer: &mut Writer) {
    for name in ["canary-address", "bob"] {
        let mailbox = writer.mailbox(&address(name)).unwrap();
        let at = (mailbox, writer.put_folder(mailbox, &folder("F", "canary-folder", None)).unwrap());
        for n in 0..5u64 {
            let text = format!("Subject: canary-subject\r\n\r\ncanary-body {n} canary-attachment {}", "canary-body ".repeat(50));
            let item = mail(&format!("I-{n}"), "canary-subject", &[text.as_bytes(), &noise(20_000, n)].concat());
            put(writer, at, item);
        }
        writer.set_cursor(mailbox, CursorScope::Folder(at.1), Some(&Cursor::new("canary-cursor"))).unwrap();
        writer.mark_point(mailbox).unwrap();
        writer.commit(time(1)).unwrap();
    }
}

#[test]
fn every_key_opens_everything_and_no_other_does() {
    let place = Place::new();
    let (mut writer, recovery) = create(&place);
    fill(&mut writer);
    let before = dump(&writer.catalog(), &writer.contents());
    drop(writer);
    for key in [password("secret"), recovery, unlock(true)] {
        let (catalog, contents) = Catalog::open_reader(&place.dir(), &place.scratch(), &key).unwrap();
        assert_eq!(dump(&catalog, &contents), before, "{key:?}");
        assert_eq!(check(&place.dir(), &place.scratch(), &key, true, &mut |_| {}).unwrap().damages, [], "{key:?}");
        assert_eq!(rebuild(&place.dir(), &key, &mut |_| {}).unwrap().damages, [], "{key:?}");
        let writer = Writer::open(&place.dir(), &key).unwrap();
        assert_eq!(dump(&writer.catalog(), &writer.contents()), before, "{key:?}, rebuilt");
    }
    for key in [password("Secret"), Unlock::Open, Unlock::Machine(Zeroizing::new([8; 32]))] {
        assert!(matches!(Writer::open(&place.dir(), &key), Err(Error::Seal { err: SealError::WrongKey { .. } | SealError::Locked })), "{key:?}");
        assert!(Catalog::open_reader(&place.dir(), &place.scratch(), &key).is_err(), "{key:?}");
    }
    assert!(matches!(probe(&place.dir()).unwrap().kind, ProbeKind::Storage(info) if info.sealed));
}

#[test]
fn no_word_is_in_any_file() {
    let place = Place::new();
    let (mut writer, _) = create(&place);
    fill(&mut writer);
    drop(writer);
    drop(Writer::open(&place.dir(), &password("secret")).unwrap());
    let found = files(&place.dir());
    assert!(found.len() > 8, "{} files", found.len());
    for path in found {
        let bytes = fs::read(&path).unwrap();
        for word in WORDS {
            assert!(memchr::memmem::find(&bytes, word.as_bytes()).is_none(), "{word} is in {}", path.display());
        }
    }
}

#[test]
fn what_mailboxes_share_is_stored_once_and_read_by_both() {
    let place = Place::new();
    let (mut writer, _) = create(&place);
    let bytes = noise(700_000, 1);
    let alice = inbox(&mut writer);
    assert_eq!(put(&mut writer, alice, mail("I", "x", &bytes)).stored_bytes, 700_000);
    let bob = writer.mailbox(&address("bob")).unwrap();
    let bob = (bob, writer.put_folder(bob, &folder("F", "Inbox", None)).unwrap());
    // Within the commit that brings it, and after it.
    assert_eq!(put(&mut writer, bob, mail("I", "x", &bytes)).stored_bytes, 0);
    writer.commit(time(1)).unwrap();
    let carol = writer.mailbox(&address("carol")).unwrap();
    let carol = (carol, writer.put_folder(carol, &folder("F", "Inbox", None)).unwrap());
    assert_eq!(put(&mut writer, carol, mail("I", "x", &bytes)).stored_bytes, 0);
    writer.commit(time(2)).unwrap();
    drop(writer);
    let key = password("secret");
    let (catalog, contents) = Catalog::open_reader(&place.dir(), &place.scratch(), &key).unwrap();
    for at in [alice, bob, carol] {
        let row = crate::support::list(&catalog, at, c2b_storagefmt::Moment::Latest).pop().unwrap();
        assert!(crate::support::read(&contents, at.0, &row.shown.unwrap()) == bytes);
    }
    // A reader learns of mailboxes that came after it.
    let mut writer = Writer::open(&place.dir(), &key).unwrap();
    let dave = writer.mailbox(&address("dave")).unwrap();
    let dave = (dave, writer.put_folder(dave, &folder("F", "Inbox", None)).unwrap());
    put(&mut writer, dave, mail("I", "x", &bytes));
    assert!(writer.set_read(alice.0, &ItemId::new("I"), None, true).unwrap().is_some());
    writer.commit(time(3)).unwrap();
    catalog.refresh().unwrap();
    let row = crate::support::list(&catalog, dave, c2b_storagefmt::Moment::Latest).pop().unwrap();
    assert!(crate::support::read(&contents, dave.0, &row.shown.unwrap()) == bytes);
}
