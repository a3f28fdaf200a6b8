//! Damage of every kind in every place: nothing panics, no wrong byte is handed out, and what is not hit stays readable.

use crate::dump::dump;
use crate::support::{Place, folder, inbox, list, mail, noise, put, time};
use c2b_storagefmt::{Catalog, CheckReport, Contents, Error, FolderKey, MailboxKey, Moment, RebuildReport, Sealing, Unlock, Writer, check, rebuild};
use std::fs;
use std::path::{Path, PathBuf};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Flip,
    Truncate,
    Delete,
}

/// A place in a pack, by what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spot {
    Header,
    Block,
    Records,
    Directory,
    Trailer,
}

const SPOTS: [Spot; 5] = [Spot::Header, Spot::Block, Spot::Records, Spot::Directory, Spot::Trailer];

/// Three commits; the second is the one to be damaged. Returns the inbox.
fn fill(place: &Place) -> (MailboxKey, FolderKey) {
    let mut writer = place.create();
    let inbox = inbox(&mut writer);
    for commit in 0..3u64 {
        let sub = writer.put_folder(inbox.0, &folder("F-sub", "Projects", Some("F-inbox"))).unwrap();
        for n in 0..4u64 {
            let number = commit * 4 + n;
            let at = if n == 3 { (inbox.0, sub) } else { inbox };
            put(&mut writer, at, mail(&format!("I-{number}"), &format!("subject {number}"), &noise(60_000, number)));
        }
        writer.commit(time(i64::try_from(commit).unwrap())).unwrap();
    }
    inbox
}

fn pack(place: &Place, seq: u64) -> PathBuf {
    let folder = place.dir().join(format!("packs/{seq:02x}"));
    fs::read_dir(folder).unwrap().next().unwrap().unwrap().path()
}

/// Finds a spot by the frames' kinds; the format document says where they are.
fn offset(bytes: &[u8], spot: Spot) -> usize {
    // The frames of the mailbox: those of the storage hold no item.
    let is_frame = |at: &usize| &bytes[*at..at + 4] == b"c2bf" && (1..=3).contains(&bytes[at + 4]) && (bytes[at + 8] == 1 || bytes[at + 4] == 3);
    let frames: Vec<usize> = (0..bytes.len() - 64).filter(is_frame).collect();
    let of = |kind: u8| frames.iter().copied().find(|at| bytes[at + 4] == kind).unwrap() + 64 + 3;
    match spot {
        Spot::Header => 34,
        Spot::Block => of(1),
        Spot::Records => of(2),
        Spot::Directory => of(3),
        Spot::Trailer => bytes.len() - 20,
    }
}

fn harm(path: &Path, action: Action, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    match action {
        Action::Flip => {
            bytes[at] ^= 0x10;
            fs::write(path, bytes).unwrap();
        }
        Action::Truncate => fs::write(path, &bytes[..at]).unwrap(),
        Action::Delete => fs::remove_file(path).unwrap(),
    }
}

/// Returns the subjects of what can be read now; everything else must be an error.
fn readable(catalog: &Catalog, contents: &Contents, at: (MailboxKey, FolderKey)) -> Vec<String> {
    let whole = |row: &c2b_storagefmt::ItemRow| {
        let mut bytes = vec![0; usize::try_from(row.size).unwrap()];
        let id = row.shown.unwrap();
        match contents.open(at.0, &id).and_then(|file| file.read_at(0, &mut bytes)) {
            Ok(n) => {
                assert_eq!((n as u64, blake3::hash(&bytes).as_bytes()), (row.size, &id.0), "wrong bytes were handed out");
                true
            }
            Err(_) => false,
        }
    };
    let mut subjects: Vec<String> = list(catalog, at, Moment::Latest).into_iter().filter(whole).map(|row| row.meta.subject).collect();
    subjects.sort();
    subjects
}

fn checked(place: &Place, read_data: bool) -> CheckReport {
    check(&place.dir(), &place.scratch(), &Unlock::Open, read_data, &mut |_| {}).unwrap()
}

fn rebuilt(place: &Place) -> RebuildReport {
    rebuild(&place.dir(), &Unlock::Open, &mut |_| {}).unwrap()
}

#[test]
fn every_damage_to_a_pack_is_found_named_and_contained() {
    for spot in SPOTS {
        for action in [Action::Flip, Action::Truncate, Action::Delete] {
            let place = Place::new();
            let inbox = fill(&place);
            let path = pack(&place, 2);
            harm(&path, action, offset(&fs::read(&path).unwrap(), spot));
            let case = format!("{action:?} at {spot:?}");

            let report = checked(&place, true);
            assert!(!report.damages.is_empty(), "{case} was not found");
            let quick = checked(&place, false);
            assert!(!quick.damages.is_empty() || (action, spot) == (Action::Flip, Spot::Block), "{case} was not found without reading data");
            let (catalog, contents) = place.reader();
            let lost: Vec<_> = report.damages.iter().flat_map(|damage| &damage.items).collect();
            for (at, path) in [(inbox, "Inbox"), ((inbox.0, FolderKey(2)), "Inbox/Projects")] {
                let whole = readable(&catalog, &contents, at);
                let total = list(&catalog, at, Moment::Latest).len();
                let named = lost.iter().filter(|item| item.folder == path).count();
                assert_eq!(whole.len() + named, total, "{case}: {named} named in {path}, {whole:?} readable");
            }
            assert!(
                lost.iter().all(|item| item.mailbox.as_str() == "alice@example.org" && item.subject.starts_with("subject ") && item.date == time(-60)),
                "{case}: {lost:?}"
            );
            let expected = match (action, spot) {
                (Action::Delete, _) | (Action::Truncate, Spot::Header | Spot::Block) => 4,
                (Action::Flip, Spot::Block) => 1,
                _ => 0,
            };
            assert_eq!(lost.len(), expected, "{case}");

            // The index still answers, so a writer may open it unless the file is gone; a rebuild uses what is left.
            match Writer::open(&place.dir(), &Unlock::Open) {
                Ok(_) => assert_ne!(action, Action::Delete),
                Err(err) => assert!(matches!(err, Error::PackMissing { seq } if seq.0 == 2) && action == Action::Delete, "{case}: {err}"),
            }
            let report = rebuilt(&place);
            let silent = (action, spot) == (Action::Flip, Spot::Block);
            assert_eq!(report.damages.is_empty(), silent, "{case}: {:?}", report.damages);
            let writer = place.open();
            let after: usize = [inbox.1, FolderKey(2)].iter().map(|folder| readable(&writer.catalog(), &writer.contents(), (inbox.0, *folder)).len()).sum();
            let expected = match (action, spot) {
                (Action::Delete, _) | (Action::Truncate, Spot::Header | Spot::Block) => 8,
                (_, Spot::Records) => 8,
                (Action::Flip, Spot::Block) => 11,
                _ => 12,
            };
            assert_eq!(after, expected, "{case}, after a rebuild");
        }
    }
}

#[test]
fn a_second_backup_makes_a_rebuilt_archive_whole() {
    let place = Place::new();
    let inbox = fill(&place);
    fs::remove_file(pack(&place, 2)).unwrap();
    assert_eq!(rebuilt(&place).damages.len(), 1);
    let mut writer = place.open();
    for number in 4..8u64 {
        put(&mut writer, inbox, mail(&format!("I-{number}"), &format!("subject {number}"), &noise(60_000, number)));
    }
    writer.commit(time(9)).unwrap();
    assert_eq!(checked(&place, true).damages, []);
}

#[test]
fn an_index_that_is_gone_or_broken_is_made_anew() {
    for broken in ["gone", "CURRENT", "MANIFEST", "sst"] {
        let place = Place::new();
        fill(&place);
        // Opening once more moves rows from the log into table files.
        let writer = place.open();
        let before = dump(&writer.catalog(), &writer.contents());
        drop(writer);
        let index = place.dir().join("index");
        match broken {
            "gone" => fs::remove_dir_all(&index).unwrap(),
            name => {
                let files = fs::read_dir(&index).unwrap().map(|entry| entry.unwrap().path());
                for file in files.filter(|file| file.file_name().unwrap().to_string_lossy().contains(name)) {
                    fs::write(file, b"broken").unwrap();
                }
            }
        }
        if broken == "gone" {
            assert!(matches!(Writer::open(&place.dir(), &Unlock::Open), Err(Error::IndexMissing { .. })));
            assert!(matches!(Catalog::open_reader(&place.dir(), &place.scratch(), &Unlock::Open), Err(Error::IndexMissing { .. })));
        } else if let Err(err) = Writer::open(&place.dir(), &Unlock::Open) {
            assert!(err.to_string().contains("storage rebuild"), "{broken}: {err}");
        }
        assert_eq!(rebuilt(&place).damages, [], "{broken}");
        let writer = place.open();
        assert_eq!(dump(&writer.catalog(), &writer.contents()), before, "{broken}");
    }
}

#[test]
fn a_damaged_description_is_refused_and_nothing_is_touched() {
    let place = Place::new();
    fill(&place);
    let path = place.dir().join("storage.toml");
    let text = fs::read_to_string(&path).unwrap();
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
            check(&place.dir(), &place.scratch(), &Unlock::Open, true, &mut |_| {}).err().unwrap(),
        ];
        for err in errors {
            assert!(expected(&err), "{text:?}: {err}");
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
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
    let (one, three) = (pack(&place, 1), pack(&place, 3));
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
