//! Damage of every kind to every kind of file, before every later operation: nothing panics, no wrong byte is handed out, a check
//! names exactly what is hit, the rest reads back, and every error says what to do.

use crate::support::{Place, address, at, folder, inbox, list, mail, noise, time};
use c2b_storagefmt::{Argon2Params, Catalog, CheckReport, Contents, Error, ItemKey, MailboxKey, Moment, Sealing, Unlock, Writer, check, rebuild, repair};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Flip,
    Truncate,
    Delete,
}

const ACTIONS: [Action; 3] = [Action::Flip, Action::Truncate, Action::Delete];

/// A kind of file, and where in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spot {
    /// A place in the pack of the second commit.
    Pack(PackSpot),
    /// The file of this name, in its middle.
    File(&'static str),
    /// The largest file of the index whose name has this in it.
    Index(&'static str),
    BothKeys,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PackSpot {
    Header,
    Group,
    Large,
    Records,
    Directory,
    Trailer,
}

/// What is in the archive: by mailbox and item, the bytes of its versions.
type Truth = BTreeMap<(MailboxKey, ItemKey), BTreeSet<[u8; 32]>>;

/// A storage to be copied, and what is in it.
struct Sample {
    place: Place,
    key: Unlock,
    truth: Truth,
}

fn machine() -> Zeroizing<[u8; 32]> {
    Zeroizing::new([7; 32])
}

/// What a sample is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Open,
    Sealed,
    /// The index's rows are in its log still.
    Logged,
    /// The pack of the second commit was made anew.
    Rewritten,
}

impl Sample {
    /// Three commits of two mailboxes; the second commit has small mails in a group, one large, and what replaces a version.
    fn new(kind: Kind) -> Self {
        let (place, sealed) = (Place::new(), kind == Kind::Sealed);
        let key = if sealed { Unlock::Machine(machine()) } else { Unlock::Open };
        let params = Argon2Params { memory_kib: 8, passes: 1, lanes: 1 };
        let sealing = if sealed { Sealing::Sealed { password: None, machine: Some(machine()), params } } else { Sealing::None };
        let mut writer = Writer::create(&place.dir(), time(0), sealing).unwrap().0;
        let inbox = inbox(&mut writer);
        for commit in 0..3u64 {
            let sub = writer.put_folder(inbox.0, &folder("F-sub", "Projects", Some("F-inbox"))).unwrap();
            for n in 0..4u64 {
                let number = commit * 4 + n;
                let folder = if n == 3 { sub } else { inbox.1 };
                writer.put_item(inbox.0, folder, mail(&format!("I-{number}"), &format!("subject {number}"), &text(number))).unwrap();
            }
            writer.put_item(inbox.0, inbox.1, mail(&format!("L-{commit}"), &format!("subject large {commit}"), &noise(150_000, commit))).unwrap();
            writer.put_item(inbox.0, inbox.1, mail("V", "subject versions", &text(100 + commit))).unwrap();
            let bob = writer.mailbox(&address("bob")).unwrap();
            let his = writer.put_folder(bob, &folder("F-bob", "Inbox", None)).unwrap();
            writer.put_item(bob, his, mail(&format!("B-{commit}"), &format!("subject of bob {commit}"), &text(200 + commit))).unwrap();
            writer.set_cursor(inbox.0, c2b_storagefmt::CursorScope::Folder(inbox.1), Some(&c2b_mailbox::Cursor::new(format!("cursor {commit}")))).unwrap();
            writer.mark_point(inbox.0).unwrap();
            writer.commit(time(i64::try_from(commit).unwrap())).unwrap();
        }
        if kind != Kind::Logged {
            // Opening once more moves rows from the log into table files.
            drop(writer);
            if kind == Kind::Rewritten {
                harm(&pack(&place.dir(), 2), Action::Flip, Some(34));
                assert_eq!(repair(&place.dir(), &key, time(4), &mut |_| {}).unwrap().quarantined.len(), 1);
            }
            writer = Writer::open(&place.dir(), &key).unwrap();
        }
        let truth = whole(&writer.catalog(), &writer.contents());
        assert_eq!(truth.len(), 12 + 3 + 1 + 3);
        drop(writer);
        fs::write(place.dir().join("reserve"), vec![0; 4096]).unwrap();
        Self { place, key, truth }
    }

    fn copy(&self) -> Place {
        let place = Place::new();
        copy(&self.place.dir(), &place.dir());
        fs::create_dir_all(place.scratch()).unwrap();
        place
    }

    fn open(&self, place: &Place) -> Result<Writer, Error> {
        Writer::open(&place.dir(), &self.key)
    }

    fn check(&self, place: &Place, read_data: bool) -> Result<CheckReport, Error> {
        check(&place.dir(), &place.scratch(), &self.key, read_data, &mut |_| {})
    }
}

fn text(number: u64) -> Vec<u8> {
    format!("Subject: {number}\r\n\r\n{}", "words of this mail, which are many. ".repeat(20 + usize::try_from(number % 7).unwrap())).into_bytes()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().unwrap().is_dir() {
            copy(&from, &to);
        } else {
            fs::copy(from, to).unwrap();
        }
    }
}

/// Reads every version at every moment; returns what is whole. Everything else must be an error.
fn whole(catalog: &Catalog, contents: &Contents) -> Truth {
    let mut found = Truth::new();
    let Ok(head) = catalog.head().map_err(|err| says_what_to_do(&err)) else { return found };
    for mailbox in catalog.mailboxes().map_err(|err| says_what_to_do(&err)).unwrap_or_default() {
        for moment in (1..=head.0).map(at).chain([Moment::Latest]) {
            for folder in catalog.folders(mailbox.key, moment).map_err(|err| says_what_to_do(&err)).unwrap_or_default() {
                let Ok(items) = catalog.items(mailbox.key, folder.key, moment).map_err(|err| says_what_to_do(&err)) else { continue };
                for item in items {
                    let Ok(item) = item.map_err(|err| says_what_to_do(&err)) else { break };
                    let (id, mut bytes) = (item.shown.unwrap(), vec![0; usize::try_from(item.size).unwrap()]);
                    match contents.open(mailbox.key, &id).and_then(|file| file.read_at(0, &mut bytes)) {
                        Ok(n) => {
                            assert_eq!((n as u64, blake3::hash(&bytes).as_bytes()), (item.size, &id.0), "wrong bytes were handed out");
                            found.entry((mailbox.key, item.key)).or_default().insert(id.0);
                        }
                        Err(err) => says_what_to_do(&err),
                    }
                }
            }
        }
    }
    found
}

fn says_what_to_do(err: &Error) {
    let text = std::iter::successors(Some(err as &dyn std::error::Error), |err| err.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ");
    let hints =
        ["storage check", "storage repair", "storage rebuild", "put the file back", "restore", "newer c2b", "is not in the archive", "put one of them back"];
    assert!(hints.iter().any(|hint| text.contains(hint)), "nothing says what to do: {text} ({err:?})");
}

fn pack(dir: &Path, seq: u64) -> PathBuf {
    fs::read_dir(dir.join(format!("packs/{seq:02x}"))).unwrap().next().unwrap().unwrap().path()
}

/// Finds a spot by the kinds of frames; the format document says where they are.
fn offset(bytes: &[u8], spot: PackSpot) -> usize {
    let is_frame = |at: &usize| &bytes[*at..at + 4] == b"c2bf" && (1..=3).contains(&bytes[at + 4]) && bytes[at + 5] <= 1;
    let frames: Vec<usize> = (0..bytes.len() - 64).filter(is_frame).collect();
    let stored = |at: usize| u32::from_le_bytes(bytes[at + 24..at + 28].try_into().unwrap());
    let of = |kind: u8, mailbox: u8, large: bool| {
        frames.iter().copied().find(|at| bytes[at + 4] == kind && bytes[at + 8] == mailbox && (stored(*at) > 100_000) == large).unwrap() + 64 + 3
    };
    match spot {
        PackSpot::Header => 34,
        PackSpot::Group => of(1, 1, false),
        PackSpot::Large => of(1, 1, true),
        PackSpot::Records => of(2, 1, false),
        PackSpot::Directory => of(3, 0, false),
        PackSpot::Trailer => bytes.len() - 20,
    }
}

fn harm(path: &Path, action: Action, at: Option<usize>) {
    let mut bytes = fs::read(path).unwrap();
    let at = at.unwrap_or(bytes.len() / 2);
    match action {
        Action::Flip if bytes.is_empty() => fs::write(path, [1]).unwrap(),
        Action::Flip => {
            bytes[at] ^= 0x10;
            fs::write(path, bytes).unwrap();
        }
        Action::Truncate => fs::write(path, &bytes[..at]).unwrap(),
        Action::Delete => fs::remove_file(path).unwrap(),
    }
}

/// Harms a storage; `false` when it has no such file.
fn strike(dir: &Path, spot: Spot, action: Action) -> bool {
    match spot {
        Spot::Pack(spot) => {
            let path = pack(dir, 2);
            let at = offset(&fs::read(&path).unwrap(), spot);
            harm(&path, action, Some(at));
        }
        Spot::File(name) => harm(&dir.join(name), action, None),
        Spot::BothKeys => ["keys/a", "keys/b"].iter().for_each(|name| harm(&dir.join(name), action, None)),
        Spot::Index(part) => {
            let files = fs::read_dir(dir.join("index")).unwrap().map(|entry| entry.unwrap().path());
            let files = files.filter(|path| path.file_name().unwrap().to_string_lossy().contains(part));
            let Some(file) = files.max_by_key(|path| fs::metadata(path).unwrap().len()) else { return false };
            harm(&file, action, None);
        }
    }
    true
}

/// What a cell of the matrix may be like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Expected {
    /// Whether a check without data finds it; `None` when that depends.
    found: Option<bool>,
    /// Whether one with data does.
    found_with_data: Option<bool>,
    /// Whether anything can be read or repaired after it at all.
    hopeless: bool,
}

/// Runs every operation after one damage.
fn cell(sample: &Sample, spot: Spot, action: Action, expected: Expected) {
    let case = format!("{action:?} at {spot:?}");
    let struck = || {
        let place = sample.copy();
        strike(&place.dir(), spot, action).then_some(place)
    };
    let Some(place) = struck() else { panic!("{case}: no such file") };

    // Reading, and what a check makes of it.
    let scratch = place.root.path().join("reader");
    let read = match Catalog::open_reader(&place.dir(), &scratch, &sample.key) {
        Ok((catalog, contents)) => Some(whole(&catalog, &contents)),
        Err(err) => {
            says_what_to_do(&err);
            None
        }
    };
    for read_data in [false, true] {
        let report = sample.check(&place, read_data).unwrap_or_else(|err| panic!("{case}: no check: {err}"));
        let found = if read_data { expected.found_with_data } else { expected.found };
        assert!(found.is_none_or(|found| found != report.damages.is_empty()), "{case}: read_data {read_data}, {:#?}", report.damages);
        assert_eq!(report.locked, expected.hopeless, "{case}");
        let named: BTreeSet<ItemKey> = report.damages.iter().flat_map(|damage| &damage.items).map(|item| item.key).collect();
        if let (Some(read), true) = (&read, read_data || expected.found == Some(true))
            && !matches!(spot, Spot::Index(_))
        {
            let hit: BTreeSet<ItemKey> = sample.truth.iter().filter(|(key, versions)| read.get(key) != Some(versions)).map(|((_, key), _)| *key).collect();
            assert_eq!(named, hit, "{case}: read_data {read_data}: {:#?}", report.damages);
        }
        for item in report.damages.iter().flat_map(|damage| &damage.items) {
            assert!(item.subject.starts_with("subject ") && item.folder.starts_with("Inbox") && item.date == time(-60), "{case}: {item:?}");
            assert!(["alice@example.org", "bob@example.org"].contains(&item.mailbox.as_str()), "{case}: {item:?}");
        }
    }

    // Rebuilding the index: what is not hit is there.
    match rebuild(&place.dir(), &sample.key, &mut |_| {}) {
        Ok(_) => {
            let (catalog, contents) = Catalog::open_reader(&place.dir(), &place.root.path().join("rebuilt"), &sample.key).unwrap();
            let rebuilt = whole(&catalog, &contents);
            assert!(rebuilt.iter().all(|(key, versions)| versions.is_subset(&sample.truth[key])), "{case}: a rebuild made something up");
            if !matches!(spot, Spot::Pack(_)) {
                assert_eq!(rebuilt, sample.truth, "{case}: after a rebuild");
            }
        }
        Err(err) => says_what_to_do(&err),
    }
    backs_up(sample, &struck().unwrap(), &case);
    repairs(sample, &struck().unwrap(), &case, read.as_ref(), expected);
}

/// A backup goes on, or says why not; what it writes can be read.
fn backs_up(sample: &Sample, place: &Place, case: &str) {
    let mut writer = match sample.open(place) {
        Ok(writer) => writer,
        Err(err) => return says_what_to_do(&err),
    };
    let before = whole(&writer.catalog(), &writer.contents());
    let outcome = add(&mut writer);
    if let Err(err) = outcome {
        return says_what_to_do(&err);
    }
    let after = whole(&writer.catalog(), &writer.contents());
    assert!(before.iter().all(|(key, versions)| after.get(key).is_some_and(|held| versions.is_subset(held))), "{case}: a backup lost something");
    let new = list(&writer.catalog(), inbox(&mut writer), Moment::Latest).into_iter().find(|row| row.meta.id.as_str() == "new").unwrap();
    assert!(after.contains_key(&(new.mailbox, new.key)), "{case}: what was backed up cannot be read");
}

fn add(writer: &mut Writer) -> Result<(), Error> {
    let mailbox = writer.mailbox(&address("alice"))?;
    let inbox = writer.put_folder(mailbox, &folder("F-inbox", "Inbox", None))?;
    writer.put_item(mailbox, inbox, mail("new", "subject new", &noise(30_000, 77)))?;
    writer.commit(time(9))?;
    Ok(())
}

/// After a repair a check is clean, what was not hit is there, and what the source still has comes back.
fn repairs(sample: &Sample, place: &Place, case: &str, read: Option<&Truth>, expected: Expected) {
    let report = match repair(&place.dir(), &sample.key, time(5), &mut |_| {}) {
        Ok(report) => report,
        Err(err) => {
            assert!(expected.hopeless, "{case}: no repair: {err:?}");
            return says_what_to_do(&err);
        }
    };
    assert!(!expected.hopeless, "{case} was repaired");
    assert_eq!(sample.check(place, true).unwrap().damages, [], "{case}: after {report:#?}");
    let again = repair(&place.dir(), &sample.key, time(6), &mut |_| {}).unwrap();
    assert!(again.made.is_empty() && again.quarantined.is_empty() && again.fetched_again.is_empty() && again.lost.is_empty(), "{case}: {again:#?}");
    let mut writer = sample.open(place).unwrap();
    let after = whole(&writer.catalog(), &writer.contents());
    if let Some(read) = read {
        let kept = |(key, versions): (&(MailboxKey, ItemKey), &BTreeSet<[u8; 32]>)| after.get(key).is_some_and(|held| versions.is_subset(held));
        assert!(read.iter().all(kept), "{case}: a repair lost what could be read: {report:#?}");
    }
    let named: BTreeSet<ItemKey> = report.fetched_again.iter().chain(report.lost.iter().map(|lost| &lost.item)).map(|item| item.key).collect();
    for ((mailbox, key), versions) in &sample.truth {
        assert!(after.get(&(*mailbox, *key)) == Some(versions) || named.contains(key), "{case}: {key} is lost and not named: {report:#?}");
    }
    // As the next cycle does.
    let due: Vec<_> = writer.catalog().failures(None).unwrap().into_iter().filter(|(_, failure)| failure.next_try == Some(time(5))).collect();
    assert_eq!(due.len(), report.fetched_again.len(), "{case}");
    for (mailbox, failure) in due {
        let known = writer.catalog().known(mailbox, std::slice::from_ref(&failure.id)).unwrap().pop().flatten().unwrap();
        assert_eq!(known.change, None, "{case}: it would count as held");
        let bytes = match failure.id.as_str().split_at(2) {
            ("I-", number) => text(number.parse().unwrap()),
            ("B-", number) => text(200 + number.parse::<u64>().unwrap()),
            ("L-", number) => noise(150_000, number.parse().unwrap()),
            _ => text(102),
        };
        writer.put_item(mailbox, failure.folder, mail(failure.id.as_str(), &failure.subject, &bytes)).unwrap();
    }
    writer.commit(time(7)).unwrap();
    assert_eq!(writer.catalog().failures(None).unwrap(), [], "{case}");
    let healed = whole(&writer.catalog(), &writer.contents());
    for item in &report.fetched_again {
        assert!(healed.iter().any(|((_, key), _)| *key == item.key), "{case}: {item:?} did not come back");
    }
    drop(writer);
    assert_eq!(sample.check(place, true).unwrap().damages, [], "{case}: after the next cycle");
}

const ALWAYS: Expected = Expected { found: Some(true), found_with_data: Some(true), hopeless: false };
const WITH_DATA: Expected = Expected { found: Some(false), ..ALWAYS };
const NEVER: Expected = Expected { found: Some(false), found_with_data: Some(false), hopeless: false };

/// What a log lost can be in table files, or is taken in from packs when a writer comes.
const PERHAPS: Expected = Expected { found: None, found_with_data: None, hopeless: false };

fn row(kind: Kind, spot: Spot, expected: impl Fn(Action) -> Expected) {
    let sample = Sample::new(kind);
    for action in ACTIONS {
        cell(&sample, spot, action, expected(action));
    }
}

macro_rules! rows {
    ($($name:ident: $kind:expr, $spot:expr, $expected:expr;)*) => {
        $(#[test]
        fn $name() {
            row($kind, $spot, $expected);
        })*
    };
}

fn block(action: Action) -> Expected {
    if action == Action::Flip { WITH_DATA } else { ALWAYS }
}

rows! {
    a_pack_at_its_header: Kind::Open, Spot::Pack(PackSpot::Header), |_| ALWAYS;
    a_pack_in_a_group: Kind::Open, Spot::Pack(PackSpot::Group), block;
    a_pack_in_a_large_chunk: Kind::Open, Spot::Pack(PackSpot::Large), block;
    a_pack_in_its_records: Kind::Open, Spot::Pack(PackSpot::Records), |_| ALWAYS;
    a_pack_in_its_directory: Kind::Open, Spot::Pack(PackSpot::Directory), |_| ALWAYS;
    a_pack_at_its_end: Kind::Open, Spot::Pack(PackSpot::Trailer), |_| ALWAYS;
    a_sealed_pack_in_a_group: Kind::Sealed, Spot::Pack(PackSpot::Group), block;
    a_sealed_pack_in_its_records: Kind::Sealed, Spot::Pack(PackSpot::Records), |_| ALWAYS;
    a_rewritten_pack_in_a_group: Kind::Rewritten, Spot::Pack(PackSpot::Group), block;
    a_rewritten_pack_in_its_directory: Kind::Rewritten, Spot::Pack(PackSpot::Directory), |_| ALWAYS;
    one_copy_of_the_keys: Kind::Sealed, Spot::File("keys/a"), |_| ALWAYS;
    the_other_copy_of_the_keys: Kind::Sealed, Spot::File("keys/b"), |_| ALWAYS;
    both_copies_of_the_keys: Kind::Sealed, Spot::BothKeys, |_| Expected { hopeless: true, ..ALWAYS };
    the_text_for_people: Kind::Open, Spot::File("README.txt"), |_| NEVER;
    the_lock: Kind::Open, Spot::File("lock"), |_| NEVER;
    the_reserve: Kind::Open, Spot::File("reserve"), |_| NEVER;
    the_indexs_pointer: Kind::Open, Spot::Index("CURRENT"), |_| ALWAYS;
    the_indexs_manifest: Kind::Open, Spot::Index("MANIFEST"), |_| ALWAYS;
    the_indexs_tables: Kind::Open, Spot::Index(".sst"), |_| ALWAYS;
    the_indexs_log: Kind::Logged, Spot::Index(".log"), |_| PERHAPS;
    the_indexs_options: Kind::Open, Spot::Index("OPTIONS"), |_| NEVER;
    the_indexs_identity: Kind::Open, Spot::Index("IDENTITY"), |_| NEVER;
    the_indexs_diary: Kind::Open, Spot::Index("LOG"), |_| NEVER;
}

/// Damages of any file at any place, as many as `C2B_DAMAGE_CASES` says: nothing panics, no wrong byte is handed out, and a repair makes a check clean.
#[test]
fn any_damage_is_repaired_or_explained() {
    let cases = std::env::var("C2B_DAMAGE_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(4u64);
    let seed = std::env::var("C2B_DAMAGE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1u64);
    let samples = [Kind::Open, Kind::Sealed, Kind::Logged, Kind::Rewritten].map(Sample::new);
    for case in seed..seed + cases {
        let random = noise(64, case);
        let number = |at: usize| u64::from_le_bytes(random[at * 8..at * 8 + 8].try_into().unwrap());
        let sample = &samples[usize::try_from(number(0) % 4).unwrap()];
        let place = sample.copy();
        let mut said = format!("case {case}");
        for hit in 0..=number(1) % 2 {
            let at = 2 + 3 * usize::try_from(hit).unwrap();
            let mut files = files(&place.dir());
            files.sort();
            let path = &files[usize::try_from(number(at)).unwrap() % files.len()];
            let length = fs::metadata(path).unwrap().len().max(1);
            let action = ACTIONS[usize::try_from(number(at + 1) % 3).unwrap()];
            let offset = usize::try_from(number(at + 2) % length).unwrap();
            said += &format!(", {action:?} at {offset} of {}", path.strip_prefix(place.dir()).unwrap().display());
            harm(path, action, Some(offset));
        }
        if let Ok((catalog, contents)) = Catalog::open_reader(&place.dir(), &place.root.path().join("reader"), &sample.key).map_err(|err| says_what_to_do(&err))
        {
            whole(&catalog, &contents);
        }
        if let Err(err) = sample.check(&place, true) {
            says_what_to_do(&err);
        }
        match repair(&place.dir(), &sample.key, time(5), &mut |_| {}) {
            Ok(report) => {
                assert_eq!(sample.check(&place, true).unwrap().damages, [], "{said}: after {report:#?}");
                backs_up(sample, &place, &said);
                assert_eq!(sample.check(&place, true).unwrap().damages, [], "{said}: after a backup");
            }
            Err(err) => says_what_to_do(&err),
        }
    }
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() { found.extend(files(&entry.path())) } else { found.push(entry.path()) }
    }
    found
}
