//! Storages that were through something: damaged and repaired, thinned out, erased from, sealed anew, copied. The other reader lists and
//! extracts exactly what the library gives, after every step.

use super::{MACHINE, Made, PASSWORD, folders, history, python, read, run, sealing, text, time};
use c2b_mailbox::{Address, ItemId};
use c2b_storagefmt::{
    Argon2Params, Catalog, EraseStep, FreeStep, MailboxKey, RepairReport, ResealStep, RetentionPolicy, Sealing, WrapKind, Writer, copy, rebuild, repair,
};
use c2b_tests::files;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// The largest attachment has 40 kB: two chunks of a run.
const SCALE: u64 = 12;

#[test]
fn another_reader_follows_an_open_storage_through_its_life() {
    follow(Sealing::None);
}

#[test]
fn another_reader_follows_a_sealed_storage_through_its_life() {
    follow(sealing());
}

#[test]
fn both_readers_make_up_the_same_names_for_what_is_lost() {
    lose_folders(|readers| drop(readers.agree_wholly(&readers.made.storage())));
}

#[test]
fn both_readers_list_what_a_repair_left_of_folders_that_are_lost() {
    lose_folders(|readers| {
        let listed = readers.agree(&readers.made.storage()).len();
        repair(&readers.made.storage(), &readers.made.unlock, time(20), &mut |_| {}).unwrap();
        assert_eq!(readers.agree(&readers.made.storage()).len(), listed, "a repair lost items");
    });
}

/// Loses the records that say which folders there are, and the index.
fn lose_folders(then: impl FnOnce(&Readers<'_>)) {
    let Some(python) = python() else { return };
    let made = Made::scaled(Sealing::None, SCALE);
    // The records of the first commit say which folders there are.
    harm(&made.packs()[0], 2, 0);
    fs::remove_dir_all(made.storage().join("index")).unwrap();
    assert!(!rebuild(&made.storage(), &made.unlock, &mut |_| {}).unwrap().damages.is_empty());
    let readers = Readers { made: &made, python: &python, secret: Vec::new() };
    let listed = readers.agree(&made.storage());
    assert!(listed.iter().any(|row| row["folder"].as_str().unwrap().starts_with("lost folder [")), "no folder is lost");
    then(&readers);
}

#[test]
fn a_copy_whose_landing_was_interrupted_is_whole_after_a_repair() {
    let Some(python) = python() else { return };
    let made = Made::scaled(Sealing::None, SCALE);
    let readers = Readers { made: &made, python: &python, secret: Vec::new() };
    let (storage, dest) = (made.storage(), made.root.path().join("copy"));
    let update = || copy(&storage, &dest, &made.unlock, &mut |_| ControlFlow::Continue(())).unwrap();
    update();
    let mut writer = Writer::open(&storage, &made.unlock).unwrap();
    (80..82).for_each(|minute| fill(&mut writer, "dan", minute));
    drop(writer);
    // The later of the two new packs is in its place, the other is not.
    let packs = made.packs();
    let [.., earlier, later] = packs.as_slice() else { unreachable!() };
    let place = dest.join(later.strip_prefix(&storage).unwrap());
    for folder in [place.parent().unwrap(), &dest.join("incoming")] {
        fs::create_dir_all(folder).unwrap();
    }
    fs::copy(later, place).unwrap();
    fs::copy(earlier, dest.join("incoming").join(earlier.file_name().unwrap())).unwrap();
    fs::write(dest.join("incoming/ready"), b"").unwrap();
    repair(&dest, &made.unlock, time(90), &mut |_| {}).unwrap();
    assert_eq!(readers.agree(&dest), readers.agree(&storage));
    update();
}

#[test]
fn a_frame_that_is_found_twice_counts_once() {
    let Some(python) = python() else { return };
    let made = Made::scaled(Sealing::None, SCALE);
    let readers = Readers { made: &made, python: &python, secret: Vec::new() };
    // Without its directory, and with its first frame once more at the end.
    let pack = made.packs()[1].clone();
    let bytes = fs::read(&pack).unwrap();
    let number = |at: usize, len: usize| bytes[at..at + len].iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte));
    let (directory, frame) = (number(bytes.len() - 24, 8), 64..128 + number(64 + 24, 4));
    fs::write(&pack, [&bytes[..directory], &bytes[frame]].concat()).unwrap();
    let before = readers.agree_wholly(&made.storage());
    repair(&made.storage(), &made.unlock, time(90), &mut |_| {}).unwrap();
    assert_eq!(readers.agree_wholly(&made.storage()), before);
}

/// Takes a storage through its life.
fn follow(sealing: Sealing) {
    let Some(python) = python() else { return };
    let made = Made::scaled(sealing, SCALE);
    let sealed = made.recovery.is_some();
    let secret = if sealed { made.secret("password", PASSWORD.as_bytes()) } else { Vec::new() };
    let readers = Readers { made: &made, python: &python, secret };
    let storage = made.storage();

    let report = damage_and_repair(&made);
    assert!(report.quarantined.len() == 3 && !report.fetched_again.is_empty() && !report.lost.is_empty(), "{report:#?}");
    let before = readers.agree_wholly(&storage).len();

    let mut writer = Writer::open(&storage, &made.unlock).unwrap();
    let newest = RetentionPolicy { versions_max: Some(1), ..RetentionPolicy::default() };
    assert!(mark(&mut writer, &newest, 30) > 0);
    assert!(readers.agree(&storage).len() < before, "nothing is hidden");
    assert!(writer.retention_undo(time(31)).unwrap() > 0);
    assert_eq!(readers.agree(&storage).len(), before, "not all is back");
    assert!(mark(&mut writer, &newest, 32) > 0);
    assert!(free(&mut writer) > 0);
    readers.agree_wholly(&storage);

    // Marks on top of what was freed.
    delete(&mut writer, "ann", &["I-0", "I-5", "I-20"], 33);
    let deleted = RetentionPolicy { deleted_after: Some(chrono::TimeDelta::minutes(1)), ..RetentionPolicy::default() };
    assert!(mark(&mut writer, &deleted, 40) > 0);
    readers.agree(&storage);

    erase(&mut writer, "bob");
    let listed = readers.agree(&storage);
    assert!(!listed.iter().any(|row| row["mailbox"] == "bob@example.org"), "bob is still there");
    assert!(files(&storage.join("quarantine")).is_empty(), "what was set aside is still there");
    assert!(writer.allow(&address("bob"), time(50)).unwrap());
    fill(&mut writer, "bob", 51);
    let listed = readers.agree(&storage);
    assert!(listed.iter().any(|row| row["mailbox"] == "bob@example.org"), "bob is not there again");
    free(&mut writer);
    fill(&mut writer, "cem", 52);
    readers.agree_wholly(&storage);

    if sealed {
        let machine = MACHINE.into();
        writer.keys().unwrap().rotate(&made.unlock, Some(&machine), time(60)).unwrap();
        fill(&mut writer, "ann", 61);
        readers.agree(&storage);
        let mut run = writer.reseal_begin().unwrap();
        while writer.reseal_step(&mut run).unwrap() == ResealStep::More {}
        assert_eq!(run.report().dropped_generations, [1], "{:?}", run.report());
        readers.agree_wholly(&storage);
        passwords(&mut writer, &readers);
    }
    drop(writer);
    copies(&readers);
}

/// Harms a block, records, and the end of three packs, and repairs the storage.
fn damage_and_repair(made: &Made) -> RepairReport {
    let packs = made.packs();
    harm(&packs[1], 1, 2);
    harm(&packs[2], 2, 0);
    let mut bytes = fs::read(&packs[3]).unwrap();
    let end = bytes.len();
    bytes[end - 20] ^= 1;
    fs::write(&packs[3], bytes).unwrap();
    harm(&packs[3], 1, 1);
    repair(&made.storage(), &made.unlock, time(20), &mut |_| {}).unwrap()
}

/// Flips a bit in the stored bytes of a pack's `number`-th frame of a kind.
fn harm(pack: &Path, kind: u8, number: usize) {
    let mut bytes = fs::read(pack).unwrap();
    let frame = (64..bytes.len() - 64).filter(|place| bytes[*place..].starts_with(&[b'c', b'2', b'b', b'f', kind])).nth(number).unwrap();
    bytes[frame + 64] ^= 1;
    fs::write(pack, bytes).unwrap();
}

fn mark(writer: &mut Writer, policy: &RetentionPolicy, minute: i64) -> u64 {
    let plan = writer.catalog().retention_plan(policy, time(minute), true, &mut |_| {}).unwrap();
    writer.retention_mark(&plan, time(minute)).unwrap()
}

/// Frees what is marked, and returns how many packs were replaced.
fn free(writer: &mut Writer) -> u64 {
    let mut run = writer.free_begin().unwrap();
    while writer.free_step(&mut run, time(32)).unwrap() == FreeStep::More {}
    run.report().packs_replaced
}

fn delete(writer: &mut Writer, name: &str, ids: &[&str], minute: i64) {
    let mailbox = key(writer, name);
    for id in ids {
        assert!(writer.delete_item(mailbox, &ItemId::new(*id)).unwrap(), "{id} is not there");
    }
    writer.commit(time(minute)).unwrap();
}

fn erase(writer: &mut Writer, name: &str) {
    let mailbox = key(writer, name);
    let mut run = writer.erase_begin(mailbox, "admin", time(41)).unwrap();
    while writer.erase_step(&mut run, time(41)).unwrap() == EraseStep::More {}
}

/// Gives a mailbox new items, of which others have some parts.
fn fill(writer: &mut Writer, name: &str, minute: i64) {
    let (mailbox, inbox, deeper) = folders(writer, name);
    let mut other = Made::empty(SCALE);
    for kind in 0..8 {
        let item = other.item(&format!("N-{kind}"), kind, 9, minute.unsigned_abs());
        writer.put_item(mailbox, if kind % 3 == 0 { deeper } else { inbox }, item).unwrap();
    }
    writer.commit(time(minute)).unwrap();
}

fn address(name: &str) -> Address {
    Address::parse(&format!("{name}@example.org")).unwrap()
}

fn key(writer: &Writer, name: &str) -> MailboxKey {
    writer.catalog().mailbox(&address(name)).unwrap().unwrap().key
}

/// Changes what opens a storage; each reads with the other reader, or does not.
fn passwords(writer: &mut Writer, readers: &Readers<'_>) {
    let Readers { made, python, secret } = readers;
    let params = Argon2Params { memory_kib: 64, passes: 1, lanes: 1 };
    let mut keys = writer.keys().unwrap();
    let second = keys.add_password("zweites", &"zwei".to_owned().into(), params, time(70)).unwrap();
    let recovery = keys.renew_recovery(time(70)).unwrap().to_string().replace('-', "\u{2013}");
    let opens = |secret: &[String]| made.read(python, secret, &["list"]).status.code() != Some(2);
    let (two, paper) = (made.secret("password", b"zwei\n"), made.secret("recovery-key", recovery.as_bytes()));
    let digits: String = MACHINE.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(opens(&two) && opens(&paper) && opens(&made.secret("machine-key", format!("{digits}\n").as_bytes())));
    let machine = keys.list().iter().find(|wrap| wrap.kind == WrapKind::Machine).unwrap().id;
    keys.remove(second).unwrap();
    keys.remove(machine).unwrap();
    assert!(!opens(&two) && !opens(&made.secret("machine-key", &MACHINE)));
    // The password is back in the file that all others read it from.
    assert_eq!(made.secret("password", PASSWORD.as_bytes()), *secret);
}

/// Copies a storage; what an unfinished copy has beside itself does not disturb.
fn copies(readers: &Readers<'_>) {
    let (storage, unlock) = (readers.made.storage(), &readers.made.unlock);
    let dest = readers.made.root.path().join("copy");
    let stopped =
        |dest: &Path| !copy(&storage, dest, unlock, &mut |at| if at.packs > 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }).unwrap().complete;
    assert!(stopped(&dest), "there is one pack only");
    assert_eq!(readers.read(&dest, &["list"]).status.code(), Some(2), "an unfinished copy is a storage already");
    assert!(copy(&storage, &dest, unlock, &mut |_| ControlFlow::Continue(())).unwrap().complete);
    assert_eq!(readers.agree(&dest), readers.agree(&storage));
    let mut writer = Writer::open(&storage, unlock).unwrap();
    fill(&mut writer, "dan", 80);
    fill(&mut writer, "eve", 81);
    drop(writer);
    let before = readers.agree(&dest);
    assert!(stopped(&dest));
    assert!(dest.join("incoming").exists());
    assert_eq!(readers.agree(&dest), before, "half of a copy shows");
    assert!(copy(&storage, &dest, unlock, &mut |_| ControlFlow::Continue(())).unwrap().complete);
    assert_eq!(readers.agree_wholly(&dest), readers.agree(&storage));
}

/// How far readers are compared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    Names,
    Contents,
}

/// Both readers of a storage.
struct Readers<'a> {
    made: &'a Made,
    python: &'a Path,
    secret: Vec<String>,
}

impl Readers<'_> {
    fn read(&self, storage: &Path, command: &[&str]) -> std::process::Output {
        run(self.python, storage, &self.secret.iter().map(String::as_str).collect::<Vec<_>>(), command)
    }

    /// Compares what the other reader lists with what the library gives. Returns the listing.
    fn agree(&self, storage: &Path) -> Vec<Value> {
        self.compare(storage, Depth::Names)
    }

    /// Compares also what the other reader extracts and calls damaged, of every version.
    fn agree_wholly(&self, storage: &Path) -> Vec<Value> {
        self.compare(storage, Depth::Contents)
    }

    fn compare(&self, storage: &Path, depth: Depth) -> Vec<Value> {
        let scratch = tempfile::tempdir_in(self.made.root.path()).unwrap();
        let (catalog, contents) = Catalog::open_reader(storage, &scratch.path().join("index"), &self.made.unlock).unwrap();
        let ours = history(&catalog);
        let last: BTreeMap<u64, u32> = ours.keys().copied().collect();
        let output = self.read(storage, &["list", "--json"]);
        let listed: BTreeMap<(u64, u64), Value> = text(&output.stdout)
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .map(|row| ((row["key"].as_u64().unwrap(), row["version"].as_u64().unwrap()), row))
            .collect();
        let mut expected = BTreeMap::new();
        for ((item, version), (row, path, address)) in &ours {
            let content = |id: Option<c2b_storagefmt::ContentId>, len: u64| id.map(|id| json!({ "id": id.to_string(), "length": len }));
            let state = match row.until {
                None => "live",
                Some(_) if last[item] == *version => "deleted",
                Some(_) => "past",
            };
            let value = json!({
                "mailbox": address, "folder": path, "file_name": row.file_name, "key": item, "version": version, "state": state,
                "from": row.from.0, "until": row.until.map(|until| until.0), "time": row.time.timestamp_micros(), "subject": row.meta.subject,
                "shown": content(row.shown, row.size), "export": content(row.export, row.export_bytes),
            });
            expected.insert((*item, u64::from(*version)), value);
        }
        for version in listed.keys().chain(expected.keys()) {
            assert_eq!(listed.get(version), expected.get(version), "{version:?}\n{}", text(&output.stderr));
        }
        if depth == Depth::Names {
            return listed.into_values().collect();
        }

        let (mut bytes, mut unreadable) = (BTreeMap::<PathBuf, Vec<u8>>::new(), BTreeSet::new());
        for ((item, version), (row, path, address)) in &ours {
            let file = match row.until {
                None => PathBuf::from(address).join(path).join(&row.file_name),
                Some(_) => PathBuf::from(address).join(format!("versions/{}/{version}", row.key)),
            };
            for (id, file) in [(row.shown, file.clone()), (row.export, PathBuf::from(format!("{}.fts", file.display())))] {
                let Some(id) = id else { continue };
                match read(&contents, row.mailbox, &id) {
                    Ok(content) => drop(bytes.insert(file, content)),
                    Err(_) => drop(unreadable.insert((*item, u64::from(*version)))),
                }
            }
        }
        let target = scratch.path().join("extracted");
        fs::create_dir(&target).unwrap();
        self.read(storage, &["extract", target.to_str().unwrap(), "--exports", "--versions"]);
        let extracted: BTreeSet<PathBuf> = files(&target).into_iter().collect();
        assert_eq!(extracted, bytes.keys().cloned().collect::<BTreeSet<_>>());
        for (file, bytes) in bytes {
            assert!(fs::read(target.join(&file)).unwrap() == bytes, "{} is not what the library gives", file.display());
        }

        let output = self.read(storage, &["verify", "--json"]);
        let named: BTreeSet<(u64, u64)> = text(&output.stdout)
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .map(|row| (row["key"].as_u64().unwrap(), row["version"].as_u64().unwrap()))
            .collect();
        assert_eq!(named, unreadable, "{}", text(&output.stderr));
        listed.into_values().collect()
    }
}
