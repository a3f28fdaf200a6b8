//! Care for a storage beside its daily work: what a check may find while others write, verification by parts, and repairs of what cannot be read at all.

use crate::harm::Harm;
use crate::support::{Place, inbox, list, mail, noise, pack_of, password, put, sealing, time, unlock};
use c2b_mailbox::{Cursor, ItemId};
use c2b_storagefmt::{Catalog, CheckOptions, CheckReport, CursorScope, Error, FolderKey, MailboxKey, Moment, Sealing, Unlock, Writer, check, rebuild, repair};
use std::collections::BTreeSet;
use std::fs;

/// Three commits of four mails each.
fn fill(place: &Place) -> (MailboxKey, FolderKey) {
    let mut writer = place.create();
    let inbox = inbox(&mut writer);
    for commit in 0..3u64 {
        for n in 0..4u64 {
            let number = commit * 4 + n;
            put(&mut writer, inbox, mail(&format!("I-{number}"), &format!("subject {number}"), &noise(60_000, number)));
        }
        writer.set_cursor(inbox.0, CursorScope::Folder(inbox.1), Some(&Cursor::new(format!("cursor {commit}")))).unwrap();
        writer.commit(time(i64::try_from(commit).unwrap())).unwrap();
    }
    inbox
}

fn checked(place: &Place, options: impl Into<CheckOptions>) -> CheckReport {
    check(&place.dir(), &place.scratch(), &Unlock::Open, options, &mut |_| {}).unwrap()
}

#[test]
fn parts_read_everything_and_times_are_kept() {
    let place = Place::new();
    fill(&place);
    let mut read = BTreeSet::new();
    for part in 1..=2 {
        let report = checked(&place, CheckOptions { read_data: true, subset: Some((part, 2)) });
        assert_eq!(report.damages, []);
        assert!(report.verified.iter().all(|pack| read.insert(pack.clone())), "a pack was read twice");
        let mut writer = place.open();
        assert_eq!(writer.catalog().oldest_verification().unwrap(), None);
        assert_eq!(writer.note_verified(&report.verified, time(i64::from(part))).unwrap(), report.verified.len());
    }
    assert_eq!(read.len(), 3);
    assert_eq!(place.open().catalog().oldest_verification().unwrap(), Some(time(1)));
    rebuild(&place.dir(), &Unlock::Open, &mut |_| {}).unwrap();
    assert_eq!(place.reader().0.oldest_verification().unwrap(), Some(time(1)), "a rebuild forgot it");
    assert_eq!(place.open().note_verified(&["packs/01/nonsense".to_owned()], time(9)).unwrap(), 0);
    assert_eq!(checked(&place, true).damages, [], "times are no difference");
}

#[test]
fn a_block_is_found_by_the_part_that_its_pack_is_in() {
    let place = Place::new();
    fill(&place);
    Harm::Flip(1000).strike(&pack_of(&place.dir(), 2));
    let found = |part| checked(&place, CheckOptions { read_data: true, subset: Some((part, 3)) }).damages.len();
    assert_eq!([found(1), found(2), found(3)], [0, 1, 0]);
}

#[test]
fn packs_that_are_replaced_meanwhile_are_no_damage() {
    let place = Place::new();
    let inbox = fill(&place);
    let mut done = false;
    let report = check(&place.dir(), &place.scratch(), &Unlock::Open, true, &mut |at| {
        // The structure of all three packs was read, and the data of none.
        if at.packs == 3 && !done {
            done = true;
            let third = pack_of(&place.dir(), 3);
            Harm::Flip(34).strike(&third);
            repair(&place.dir(), &Unlock::Open, time(5), &mut |_| {}).unwrap();
            assert!(!third.exists());
            let mut writer = place.open();
            put(&mut writer, inbox, mail("I-99", "subject 99", &noise(60_000, 99)));
            writer.commit(time(6)).unwrap();
        }
    });
    assert!(done);
    let report = report.unwrap();
    assert_eq!(report.damages, []);
    assert_eq!(report.verified.len(), 4, "{:?}", report.verified);
}

#[test]
fn without_the_key_checksums_are_proven() {
    let place = Place::new();
    let mut writer = Writer::create(&place.dir(), time(0), sealing(Some("secret"))).unwrap().0;
    let at = inbox(&mut writer);
    put(&mut writer, at, mail("I", "subject", &noise(60_000, 1)));
    writer.commit(time(1)).unwrap();
    drop(writer);
    let report = checked(&place, true);
    assert!(report.locked && report.damages.is_empty() && report.packs == 1 && !report.notes.is_empty());
    let whole = check(&place.dir(), &place.scratch(), &unlock(true), true, &mut |_| {}).unwrap();
    assert!(!whole.locked && whole.damages.is_empty() && whole.items == 1);
    Harm::Flip(1000).strike(&pack_of(&place.dir(), 1));
    assert_eq!(checked(&place, true).damages.len(), 1);
    let wrong = password("other");
    assert!(matches!(check(&place.dir(), &place.scratch(), &wrong, true, &mut |_| {}), Err(Error::Seal { .. })));
    assert!(matches!(repair(&place.dir(), &Unlock::Open, time(2), &mut |_| {}), Err(Error::Seal { .. })));
}

#[test]
fn where_nothing_says_what_was_lost_everything_is_compared_again() {
    let place = Place::new();
    let inbox = fill(&place);
    fs::remove_file(pack_of(&place.dir(), 2)).unwrap();
    rebuild(&place.dir(), &Unlock::Open, &mut |_| {}).unwrap();
    assert_eq!(checked(&place, true).damages.len(), 1, "a gap stays one until it is repaired");
    let report = repair(&place.dir(), &Unlock::Open, time(5), &mut |_| {}).unwrap();
    assert_eq!((report.made.len(), report.unknown.len(), report.lost.len()), (1, 1, 0), "{report:?}");
    assert_eq!(checked(&place, true).damages, []);
    let mut writer = place.open();
    assert_eq!(writer.catalog().cursor(inbox.0, CursorScope::Folder(inbox.1)).unwrap(), None, "the next cycle would miss what is lost");
    assert_eq!(list(&writer.catalog(), inbox, Moment::Latest).len(), 8);
    for number in 4..8u64 {
        put(&mut writer, inbox, mail(&format!("I-{number}"), &format!("subject {number}"), &noise(60_000, number)));
    }
    writer.commit(time(9)).unwrap();
    assert_eq!(checked(&place, true).damages, []);
}

#[test]
fn a_past_version_that_is_lost_is_named_as_such() {
    let place = Place::new();
    let inbox = fill(&place);
    let mut writer = place.open();
    put(&mut writer, inbox, mail("I-5", "subject 5, changed", b"another text"));
    writer.delete_item(inbox.0, &ItemId::new("I-6")).unwrap();
    writer.commit(time(5)).unwrap();
    drop(writer);
    fs::remove_file(pack_of(&place.dir(), 2)).unwrap();
    let report = repair(&place.dir(), &Unlock::Open, time(6), &mut |_| {}).unwrap();
    let lost: Vec<_> = report.lost.iter().map(|lost| (lost.item.subject.as_str(), lost.version)).collect();
    assert_eq!(lost, [("subject 5", 1), ("subject 6", 1)]);
    let again: Vec<_> = report.fetched_again.iter().map(|item| item.subject.as_str()).collect();
    assert_eq!(again, ["subject 4", "subject 7"]);
    let report = checked(&place, true);
    assert_eq!((report.damages.len(), report.known_losses), (0, 4));
}

#[test]
fn an_index_that_says_something_else_is_found() {
    let place = Place::new();
    fill(&place);
    let kept = place.root.path().join("kept");
    fs::rename(place.dir().join("packs/03"), &kept).unwrap();
    rebuild(&place.dir(), &Unlock::Open, &mut |_| {}).unwrap();
    fs::remove_dir_all(place.dir().join("packs/02")).unwrap();
    fs::rename(&kept, place.dir().join("packs/03")).unwrap();
    let report = checked(&place, false);
    assert_eq!(report.damages.iter().map(|damage| damage.items.len()).collect::<Vec<_>>(), [4], "{:?}", report.damages);
    assert_eq!(report.notes.len(), 1, "{:?}", report.notes);
}

#[test]
fn a_damaged_description_is_refused_found_and_repaired() {
    let place = Place::new();
    fill(&place);
    let path = place.dir().join("storage.toml");
    let text = fs::read_to_string(&path).unwrap();
    let text_of_uuid = text.lines().nth(2).map(str::to_owned);
    type Expected = fn(&Error) -> bool;
    let cases: [(String, Expected); 7] = [
        (text.replace("format = 2", "format = 3\nunknown = 3"), |err| matches!(err, Error::NewerFormat { found, supported: 2, .. } if found == "3")),
        (text.replace("incompatible = []", "incompatible = [\"sealed\"]"), |err| matches!(err, Error::NewerFormat { found, .. } if found.contains("sealed"))),
        (text.replace("format = 2", "format = 1"), |err| matches!(err, Error::PreviewFormat { found: 1, .. })),
        (text.replace("format = 2", "format = "), |err| matches!(err, Error::Description { .. })),
        (text.replace("uuid", "uiud"), |err| matches!(err, Error::Description { .. })),
        (text[..20].to_owned(), |err| matches!(err, Error::Description { .. })),
        (String::new(), |err| matches!(err, Error::Description { .. })),
    ];
    for (text, expected) in cases {
        fs::write(&path, &text).unwrap();
        let errors = [
            Writer::open(&place.dir(), &Unlock::Open).err().unwrap(),
            Catalog::open_reader(&place.dir(), &place.scratch(), &Unlock::Open).err().unwrap(),
            rebuild(&place.dir(), &Unlock::Open, &mut |_| {}).err().unwrap(),
        ];
        for err in errors {
            assert!(expected(&err), "{text:?}: {err}");
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        let checked = check(&place.dir(), &place.scratch(), &Unlock::Open, false, &mut |_| {});
        match repair(&place.dir(), &Unlock::Open, time(9), &mut |_| {}) {
            Ok(report) => {
                assert_eq!((report.made.len(), report.quarantined.len(), checked.unwrap().damages.len()), (1, 1, 1));
                assert_eq!(fs::read_to_string(&path).unwrap().lines().nth(2), text_of_uuid.as_deref());
            }
            Err(err) => assert!(matches!(err, Error::NewerFormat { .. } | Error::PreviewFormat { .. }) && checked.is_err(), "{text:?}: {err}"),
        }
    }
    // Another uuid would begin another storage among its packs.
    let uuid = text_of_uuid.unwrap();
    let other = if uuid.contains("\"0") { uuid.replace("\"0", "\"1") } else { uuid.replacen(uuid.chars().nth(8).unwrap(), "0", 1) };
    fs::write(&path, text.replace(&uuid, &other)).unwrap();
    assert!(matches!(Writer::open(&place.dir(), &Unlock::Open), Err(Error::Description { .. })));
    assert!(matches!(Catalog::open_reader(&place.dir(), &place.scratch(), &Unlock::Open), Err(Error::Description { .. })));
    assert!(matches!(rebuild(&place.dir(), &Unlock::Open, &mut |_| {}), Err(Error::Description { .. })));
    assert_eq!(checked(&place, true).damages.len(), 1);
    repair(&place.dir(), &Unlock::Open, time(9), &mut |_| {}).unwrap();
    assert_eq!(checked(&place, true).damages, []);
    // A flag that only writers must know keeps readers going.
    fs::write(&path, text.replace("read_only = []", "read_only = [\"later\"]").replace("compatible = []\nread", "compatible = [\"sooner\"]\nread")).unwrap();
    assert!(matches!(Writer::open(&place.dir(), &Unlock::Open), Err(Error::NewerFormat { .. })));
    assert_eq!(place.reader().0.head().unwrap().0, 3);
    fs::remove_file(&path).unwrap();
    assert!(matches!(Writer::open(&place.dir(), &Unlock::Open), Err(Error::NotAStorage { .. })));
    assert!(matches!(Writer::create(&place.dir(), time(0), Sealing::None), Err(Error::NotEmpty { .. })), "packs would be buried");
}

#[test]
fn packs_that_do_not_fit_are_reported_never_guessed_at() {
    let place = Place::new();
    fill(&place);
    let (one, three) = (pack_of(&place.dir(), 1), pack_of(&place.dir(), 3));
    let named = |first: u64, last: u64, generation: u32| {
        let path = place.dir().join(format!("packs/{:02x}/{first:016x}-{last:016x}-{generation:04x}-00000000.pack", first & 0xff));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    };
    let twin = named(1, 1, 0);
    fs::copy(&one, &twin).unwrap();
    assert!(matches!(Writer::open(&place.dir(), &Unlock::Open), Err(Error::PackTwice { seq, .. }) if seq.0 == 1));
    assert!(matches!(rebuild(&place.dir(), &Unlock::Open, &mut |_| {}), Err(Error::PackTwice { .. })));
    fs::remove_file(twin).unwrap();
    // A pack of the future, with a gap before it.
    let fifth = named(5, 5, 0);
    fs::copy(&three, &fifth).unwrap();
    assert!(matches!(Writer::open(&place.dir(), &Unlock::Open), Err(Error::PackMissing { seq }) if seq.0 == 4));
    fs::remove_file(&fifth).unwrap();
    // The next pack, but damaged.
    let fourth = named(4, 4, 0);
    fs::copy(&three, &fourth).unwrap();
    assert!(matches!(Writer::open(&place.dir(), &Unlock::Open), Err(Error::PackDamaged { .. })), "another commit's pack was taken in");
    fs::remove_file(&fourth).unwrap();
    // A pack that says it replaces others, but holds something else: it replaces nothing, and nothing is deleted.
    let wide = named(1, 2, 1);
    fs::copy(&three, &wide).unwrap();
    assert!(matches!(Writer::open(&place.dir(), &Unlock::Open), Err(Error::PackDamaged { .. })), "a false pack replaced others");
    assert!(one.exists());
    fs::remove_file(&wide).unwrap();
    assert_eq!(place.open().catalog().head().unwrap().0, 3);
}
