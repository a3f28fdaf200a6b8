//! Erasing a mailbox: nothing of it is left in any file, and others have what they had.

use crate::canary::find;
use crate::dump::dump;
use crate::faulty::{Fault, fault_everywhere};
use crate::support::{Place, address, folder, mail, noise, sealing, time, unlock};
use c2b_mailbox::{ChangeKey, Content, Cursor, Fidelity, Format, Item, ItemId, ItemMeta, Readable};
use c2b_storagefmt::{Catalog, CursorScope, EraseReport, EraseStep, Error, Failure, FolderKey, MailboxKey, Writer, rebuild};
use std::fs;
use std::path::Path;

/// Words that only the mailbox to be erased has: in bodies, subjects, names, ids, cursors, failures.
const WORDS: [&str; 8] =
    ["heffalump", "woozlehunt", "Tiddelypom", "backsonfolder", "eve-item-id", "eve-cursor-state", "eve-failure-text", "eve-attachment-name"];

pub(crate) fn create(place: &Place, sealed: bool) -> Writer {
    Writer::create(&place.dir(), time(0), sealing(sealed.then_some("correct horse"))).unwrap().0
}

/// Commits that fill the storage.
const COMMITS: u64 = 4;

/// A message with a text of its own, a text and an attachment that others have, too.
fn message(own: &str, shared: u64) -> Vec<u8> {
    use base64::Engine as _;
    let text = format!("Minutes of meeting {shared}: {}\r\n", format!("point {shared} was agreed upon. ").repeat(30));
    let lines: String = base64::engine::general_purpose::STANDARD
        .encode(noise(9_000, shared))
        .as_bytes()
        .chunks(76)
        .map(|line| String::from_utf8_lossy(line).into_owned() + "\r\n")
        .collect();
    format!(
        "Subject: {own}\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n{own} {}\r\n--b\r\nContent-Type: text/plain\r\n\r\n{text}\r\n--b\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n{lines}\r\n--b--\r\n",
        format!("{own} and more of {own}, ").repeat(20)
    )
    .into_bytes()
}

fn put(writer: &mut Writer, at: (MailboxKey, FolderKey), id: &str, subject: &str, bytes: &[u8]) -> Result<(), Error> {
    writer.put_item(at.0, at.1, mail(id, subject, bytes)).map(drop)
}

fn inbox(writer: &mut Writer, name: &str) -> (MailboxKey, FolderKey) {
    let mailbox = writer.mailbox(&address(name)).unwrap();
    let folder = writer.put_folder(mailbox, &folder("F-inbox", if name == "eve" { "backsonfolder" } else { "Inbox" }, None)).unwrap();
    (mailbox, folder)
}

/// Fills a storage: alice first, then eve, then bob and alice, all with parts in common.
pub(crate) fn fill(writer: &mut Writer) {
    let alice = inbox(writer, "alice");
    (0..6).for_each(|n| put(writer, alice, &format!("A-{n}"), "minutes", &message(&format!("alice{n}"), n)).unwrap());
    writer.commit(time(1)).unwrap();
    let eve = inbox(writer, "eve");
    (3..12).for_each(|n| put(writer, eve, &format!("eve-item-id-{n}"), "woozlehunt", &message(&format!("heffalump{n}"), n)).unwrap());
    let mut meta = ItemMeta::new(ItemId::new("eve-item-id-x"), "IPM.Note");
    meta.change_key = Some(ChangeKey::new("eve-item-id-change"));
    meta.subject = "eve-attachment-name.pdf".to_owned();
    let readable = Readable { format: Format::Txt, rendered: false, content: Content::from_bytes(&noise(300_000, 99)).unwrap() };
    writer.put_item(eve.0, eve.1, Item { meta, readable: Some(readable), export: None, fidelity: Fidelity::Mime }).unwrap();
    writer.set_cursor(eve.0, CursorScope::Hierarchy, Some(&Cursor::new("eve-cursor-state"))).unwrap();
    let failure = Failure {
        id: ItemId::new("eve-item-id-failed"),
        folder: eve.1,
        job: "job".to_owned(),
        change_key: None,
        subject: "Tiddelypom".to_owned(),
        date: None,
        size: None,
        code: "Timeout".to_owned(),
        message: "eve-failure-text".to_owned(),
        attempts: 1,
        first_seen: time(2),
        last_seen: time(2),
        next_try: None,
    };
    writer.put_failure(eve.0, failure).unwrap();
    writer.mark_point(eve.0).unwrap();
    writer.commit(time(2)).unwrap();
    let bob = inbox(writer, "bob");
    (8..16).for_each(|n| put(writer, bob, &format!("B-{n}"), "minutes", &message(&format!("bob{n}"), n)).unwrap());
    let alice = inbox(writer, "alice");
    (5..10).for_each(|n| put(writer, alice, &format!("A-{}", n + 100), "more minutes", &message(&format!("alice{n}"), n)).unwrap());
    put(writer, bob, "B-x", "big", &noise(300_000, 99)).unwrap();
    writer.commit(time(3)).unwrap();
    let eve = inbox(writer, "eve");
    put(writer, eve, "eve-item-id-3", "woozlehunt", &message("heffalump again", 3)).unwrap();
    writer.delete_item(eve.0, &ItemId::new("eve-item-id-4")).unwrap();
    put(writer, bob, "B-8", "minutes, changed", &message("bob8 changed", 8)).unwrap();
    writer.commit(time(4)).unwrap();
}

fn eve(catalog: &Catalog) -> Option<MailboxKey> {
    catalog.mailbox(&address("eve")).unwrap().map(|row| row.key)
}

/// What is told of the others at the moments before anything was erased, with their contents.
fn others(writer: &Writer) -> String {
    let text = dump(&writer.catalog(), &writer.contents());
    assert!(!text.contains("unreadable"), "a content cannot be read");
    let (mut others, mut is_other, mut is_early) = (String::new(), false, true);
    for line in text.lines() {
        if line.starts_with("MailboxRow") {
            is_other = !line.contains("eve@");
        }
        if !line.starts_with("  ") {
            let moment = line.strip_prefix("at ").and_then(|rest| rest.split(' ').next()?.parse::<u64>().ok());
            is_early = moment.is_none_or(|moment| moment <= COMMITS);
        }
        if is_other && is_early {
            others.push_str(line);
            others.push('\n');
        }
    }
    others
}

fn erase(writer: &mut Writer, mailbox: MailboxKey) -> Result<EraseReport, Error> {
    let mut run = writer.erase_begin(mailbox, "root", time(10))?;
    while writer.erase_step(&mut run, time(11))? == EraseStep::More {}
    Ok(run.report().clone())
}

fn finish(writer: &mut Writer) {
    while let Some(mut run) = writer.erase_continue(time(12)).unwrap() {
        while writer.erase_step(&mut run, time(12)).unwrap() == EraseStep::More {}
    }
}

fn words_left(dir: &Path) -> Vec<String> {
    // RocksDB deletes logs of writes that are not needed any more a little later.
    let mut found = find(dir, &WORDS);
    for _ in 0..200 {
        if found.iter().all(|found| !found.contains(".log:")) {
            break;
        }
        std::thread::yield_now();
        found = find(dir, &WORDS);
    }
    found
}

#[test]
fn nothing_is_left_of_an_erased_mailbox_and_all_of_others() {
    for sealed in [false, true] {
        let place = Place::new();
        let mut writer = create(&place, sealed);
        fill(&mut writer);
        let mailbox = eve(&writer.catalog()).unwrap();
        let content = writer.catalog().items(mailbox, FolderKey(2), c2b_storagefmt::Moment::Latest).unwrap().next().unwrap().unwrap().shown.unwrap();
        assert!(writer.contents().open(mailbox, &content).is_ok());
        let before = others(&writer);
        let found = find(&place.dir(), &WORDS);
        assert_eq!(found.is_empty(), sealed, "{found:?}");
        fs::create_dir_all(place.dir().join("quarantine")).unwrap();
        fs::write(place.dir().join("quarantine/old.pack"), "heffalump").unwrap();

        let plan = writer.erase_plan(mailbox).unwrap();
        assert_eq!((plan.address.as_str(), plan.items, plan.versions), ("eve@example.org", 9, 11));
        assert!(plan.shared_bytes > 50_000 && plan.moved_bytes > 0 && plan.logical_bytes > 400_000, "{plan:?}");
        let report = erase(&mut writer, mailbox).unwrap();
        assert!(report.moved > 0 && report.packs >= 2 && report.freed_bytes > 0 && report.quarantined == 1, "{report:?}");
        assert_eq!((report.lost.len(), report.damaged_frames), (0, 0));

        assert_eq!(words_left(&place.dir()), Vec::<String>::new(), "sealed: {sealed}");
        assert!(others(&writer) == before);
        assert_eq!(eve(&writer.catalog()), None);
        assert!(writer.contents().open(mailbox, &content).is_err());
        let erasures = writer.catalog().erasures().unwrap();
        assert_eq!(erasures.len(), 1);
        let erasure = &erasures[0];
        assert_eq!((erasure.address.as_str(), erasure.who.as_str(), erasure.items, erasure.versions), ("eve@example.org", "root", 9, 11));
        assert_eq!((erasure.key, erasure.time), (mailbox, time(11)));
        assert_eq!(writer.pending_erasures().unwrap(), []);
        assert!(matches!(writer.mailbox(&address("eve")), Err(Error::Erased { .. })));
        assert!(matches!(writer.erase_begin(mailbox, "root", time(12)), Err(Error::UnknownKey { .. })));
        drop(writer);
        place.is_clean(&unlock(sealed), &sealed);

        // A rebuild does not bring it back, nor gives its keys to others.
        let mut writer = Writer::open(&place.dir(), &unlock(sealed)).unwrap();
        let whole = dump(&writer.catalog(), &writer.contents());
        drop(writer);
        assert_eq!(rebuild(&place.dir(), &unlock(sealed), &mut |_| {}).unwrap().damages, []);
        writer = Writer::open(&place.dir(), &unlock(sealed)).unwrap();
        assert!(dump(&writer.catalog(), &writer.contents()) == whole, "a rebuild shows something else");
        assert_eq!(writer.catalog().erasures().unwrap(), erasures);
        assert_eq!(writer.pending_erasures().unwrap(), []);
        assert!(matches!(writer.mailbox(&address("eve")), Err(Error::Erased { .. })));

        // Allowed again, it begins anew under another key.
        writer.abandon();
        assert!(writer.allow(&address("eve"), time(13)).unwrap());
        assert!(!writer.allow(&address("eve"), time(13)).unwrap());
        let again = inbox(&mut writer, "eve");
        assert!(again.0 > mailbox && again.1 > FolderKey(3));
        put(&mut writer, again, "eve-item-id-3", "woozlehunt", &message("heffalump3", 3)).unwrap();
        writer.commit(time(14)).unwrap();
        assert_eq!(eve(&writer.catalog()), Some(again.0));
        assert!(others(&writer) == before);
    }
}

#[test]
fn a_mailbox_being_erased_is_not_written_to_and_the_others_are() {
    let place = Place::new();
    let mut writer = create(&place, true);
    fill(&mut writer);
    let mailbox = eve(&writer.catalog()).unwrap();
    let mut run = writer.erase_begin(mailbox, "root", time(10)).unwrap();
    assert!(matches!(writer.erase_begin(mailbox, "root", time(10)).map(drop), Err(Error::Erasing { .. })));
    let (mut n, mut steps) = (0, 0);
    let bob = writer.catalog().mailbox(&address("bob")).unwrap().unwrap().key;
    loop {
        // What the erased mailbox has, too, in every step anew.
        let at = inbox(&mut writer, "bob");
        assert_eq!(at.0, bob);
        put(&mut writer, at, &format!("B-new-{n}"), "late minutes", &message(&format!("bob late {n}"), 3 + n % 9)).unwrap();
        if eve(&writer.catalog()).is_some() {
            assert!(matches!(writer.mailbox(&address("eve")), Err(Error::Erased { .. })));
            assert!(put(&mut writer, (mailbox, FolderKey(2)), "eve-item-id-late", "woozlehunt", b"heffalump").is_err());
        }
        assert!(matches!(writer.erase_step(&mut run, time(11)), Err(Error::BatchOpen)));
        writer.commit(time(11)).unwrap();
        n += 1;
        steps += 1;
        if writer.erase_step(&mut run, time(11)).unwrap() == EraseStep::Done {
            break;
        }
    }
    assert!(steps > 5, "{steps} steps");
    others(&writer);
    drop(writer);
    place.is_clean(&unlock(true), &"erased");
}

#[test]
fn an_erasure_that_is_given_up_before_its_record_leaves_the_mailbox() {
    let place = Place::new();
    let mut writer = create(&place, false);
    fill(&mut writer);
    let mailbox = eve(&writer.catalog()).unwrap();
    let before = dump(&writer.catalog(), &writer.contents());
    let mut run = writer.erase_begin(mailbox, "root", time(10)).unwrap();
    writer.erase_step(&mut run, time(11)).unwrap();
    drop(run);
    assert!(dump(&writer.catalog(), &writer.contents()) == before);
    let eve = inbox(&mut writer, "eve");
    put(&mut writer, eve, "eve-item-id-late", "woozlehunt", &message("heffalump late", 3)).unwrap();
    writer.commit(time(11)).unwrap();
    assert_eq!(writer.catalog().counts(mailbox).unwrap().items, 10);
}

#[test]
fn a_rebuild_between_does_not_forget_what_was_set_aside() {
    for stop_early in [true, false] {
        let place = Place::new();
        let mut writer = create(&place, false);
        fill(&mut writer);
        let mailbox = eve(&writer.catalog()).unwrap();
        let aside = place.dir().join("quarantine/old.pack");
        fs::create_dir_all(place.dir().join("quarantine")).unwrap();
        fs::write(&aside, "heffalump").unwrap();
        let mut run = writer.erase_begin(mailbox, "root", time(10)).unwrap();
        // Packs hold nothing of it any more when what was set aside is deleted.
        while writer.erase_step(&mut run, time(11)).unwrap() == EraseStep::More && (aside.exists() || !stop_early) {}
        drop(writer);
        fs::write(&aside, "heffalump").unwrap();
        rebuild(&place.dir(), &unlock(false), &mut |_| {}).unwrap();
        let mut writer = place.open();
        assert_eq!(writer.pending_erasures().unwrap().len(), usize::from(stop_early));
        finish(&mut writer);
        assert_eq!(aside.exists(), !stop_early, "what a repair set aside after the erasure is nobody's");
    }
}

#[test]
fn a_crash_before_any_step_of_an_erasure_is_made_good() {
    crash(false, Fault::Before);
}

#[test]
fn a_crash_after_any_step_of_an_erasure_is_made_good() {
    crash(true, Fault::After);
}

fn crash(sealed: bool, fault: impl Fn(usize) -> Fault) {
    let original = Place::new();
    let mut writer = create(&original, sealed);
    fill(&mut writer);
    let (mailbox, before) = (eve(&writer.catalog()).unwrap(), others(&writer));
    drop(writer);
    let work = |writer: &mut Writer| erase(writer, mailbox).map(drop);
    fault_everywhere(&original, &unlock(sealed), fault, work, |place, _, fault| {
        let mut writer = Writer::open(&place.dir(), &unlock(sealed)).unwrap();
        assert!(others(&writer) == before, "{fault:?}");
        match eve(&writer.catalog()) {
            Some(mailbox) => drop(erase(&mut writer, mailbox).unwrap()),
            None => {
                assert_eq!(writer.catalog().erasures().unwrap().len(), 1, "{fault:?}");
                assert!(matches!(writer.mailbox(&address("eve")), Err(Error::Erased { .. })));
                finish(&mut writer);
            }
        }
        assert_eq!(writer.pending_erasures().unwrap(), []);
        assert_eq!(words_left(&place.dir()), Vec::<String>::new(), "{fault:?}");
        assert!(others(&writer) == before, "{fault:?}, then the rest");
        drop(writer);
        place.is_clean(&unlock(sealed), &fault);
    });
}
