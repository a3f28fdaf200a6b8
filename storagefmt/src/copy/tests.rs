//! Copies of storages whose packs were made anew and whose keys changed: what the public interface cannot bring about.

use super::{copy, copy_on};
use crate::layout::{self, Access};
use crate::pack::list::PackList;
use crate::pack::reader::PackReader;
use crate::pack::rewrite::PackRewriter;
use crate::seal::{Argon2Params, KeyFile, Keys, SealError, Unlock};
use crate::store::temporary::{copy_folder, temporary};
use crate::store::{DirStore, Store, StoreEntry, StoreFile};
use crate::unlock::KeysIn;
use crate::{Catalog, CommitSeq, Error, Moment, Sealing, Writer, check, pins};
use c2b_mailbox::{Address, Content, Fidelity, Folder, FolderId, Format, Item, ItemId, ItemMeta, Readable};
use chrono::{DateTime, TimeDelta, Utc};
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;
use zeroize::Zeroizing;

const CHEAP: Argon2Params = Argon2Params { memory_kib: 8, passes: 1, lanes: 1 };

struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(temporary())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn source(&self) -> PathBuf {
        self.path("storage")
    }

    fn dest(&self) -> PathBuf {
        self.path("copy")
    }

    fn copy(&self) -> Result<super::CopyReport, Error> {
        copy(&self.source(), &self.dest(), &Unlock::Open, &mut |_| ControlFlow::Continue(()))
    }

    fn is_clean(&self) {
        assert_eq!(check(&self.dest(), &self.path("scratch"), &Unlock::Open, true, &mut |_| {}).unwrap().damages, []);
        assert_eq!(packs(&self.dest()), packs(&self.source()));
    }
}

fn time(minute: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::minutes(minute)
}

fn bytes(number: i64) -> Vec<u8> {
    let mut bytes = vec![0; 20_000];
    blake3::Hasher::new().update(number.to_string().as_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

fn batch(writer: &mut Writer, number: i64) {
    let mailbox = writer.mailbox(&Address::parse("alice@example.org").unwrap()).unwrap();
    let folder = Folder { id: FolderId::new("F"), parent: None, name: "Inbox".to_owned(), class: "IPF.Note".to_owned(), role: None };
    let folder = writer.put_folder(mailbox, &folder).unwrap();
    let meta = ItemMeta::new(ItemId::new(format!("I-{number}")), "IPM.Note");
    let readable = Readable { format: Format::Eml, rendered: false, content: Content::from_bytes(&bytes(number)).unwrap() };
    writer.put_item(mailbox, folder, Item { meta, readable: Some(readable), export: None, fidelity: Fidelity::Mime }).unwrap();
    writer.commit(time(number)).unwrap();
}

fn open(dir: &Path) -> Writer {
    Writer::open(dir, &Unlock::Open).unwrap()
}

fn packs(dir: &Path) -> Vec<StoreEntry> {
    let mut packs = DirStore::new(dir).list("packs/").unwrap();
    packs.sort_by(|a, b| a.name.cmp(&b.name));
    packs
}

/// Makes one pack of those of these commits, as freeing does; the old ones are deleted at the next opening.
fn join(dir: &Path, from: u64, to: u64) {
    let store: Arc<dyn Store> = Arc::new(DirStore::new(dir));
    let storage = layout::read_description(dir, store.as_ref(), Access::Write).unwrap().uuid;
    let list = PackList::read(store.as_ref()).unwrap();
    let found = list.live.range(CommitSeq(from)..=CommitSeq(to)).map(|(_, pack)| &pack.file);
    let mut readers: Vec<_> = found.map(|file| PackReader::open(store.as_ref(), &file.name, file.bytes, storage).unwrap()).collect();
    let sources: Vec<_> = readers.iter().map(|reader| (reader.header().unwrap(), reader.listed_commits().to_vec())).collect();
    let mut joined = PackRewriter::new(Arc::clone(&store), storage, &sources, Keys::unsealed(storage)).unwrap();
    for reader in &mut readers {
        for frame in reader.frames().to_vec() {
            let stored = reader.raw(&frame).unwrap().unwrap();
            joined.copy(&frame.header, &stored).unwrap();
        }
    }
    joined.finish().unwrap();
}

#[test]
fn packs_made_anew_take_the_place_of_the_old_ones() {
    let place = Place::new();
    let mut writer = Writer::create(&place.source(), time(0), Sealing::None).unwrap().0;
    (1..=4).for_each(|number| batch(&mut writer, number));
    drop(writer);
    place.copy().unwrap();
    // A mount of the copy, kept open over everything.
    let (catalog, contents) = Catalog::open_reader(&place.dest(), &place.path("mount"), &Unlock::Open).unwrap();
    let mailbox = catalog.mailboxes().unwrap().remove(0).key;
    let folder = catalog.folders(mailbox, Moment::Latest).unwrap().remove(0).key;
    let rows: Vec<_> = catalog.items(mailbox, folder, Moment::Latest).unwrap().map(Result::unwrap).collect();
    join(&place.source(), 1, 3);
    batch(&mut open(&place.source()), 5);
    let report = place.copy().unwrap();
    assert_eq!((report.packs, report.packs_present, report.packs_removed, report.head.0), (2, 1, 3, 5), "{report:?}");
    place.is_clean();
    for row in rows {
        let file = contents.open(mailbox, &row.shown.unwrap()).unwrap();
        let mut buffer = vec![0; 20_000];
        assert_eq!(file.read_at(0, &mut buffer).unwrap(), 20_000);
        assert!((1..=4).any(|number| bytes(number) == buffer), "other bytes were handed out");
    }
    assert_eq!(catalog.refresh().unwrap().0, 5);
    assert_eq!(place.copy().unwrap().packs, 0);
    drop((catalog, contents));
    assert_eq!(pins(&place.dest()).unwrap(), []);
}

#[test]
fn a_pack_that_goes_meanwhile_is_looked_for_again() {
    let place = Place::new();
    let mut writer = Writer::create(&place.source(), time(0), Sealing::None).unwrap().0;
    (1..=5).for_each(|number| batch(&mut writer, number));
    drop(writer);
    let mut calls = 0;
    let report = copy(&place.source(), &place.dest(), &Unlock::Open, &mut |now| {
        calls += 1;
        if now.packs == 2 && packs(&place.source()).len() == 5 {
            join(&place.source(), 1, 4);
            drop(open(&place.source()));
        }
        ControlFlow::Continue(())
    })
    .unwrap();
    assert!(report.complete && packs(&place.source()).len() == 2, "{report:?} after {calls} calls");
    place.is_clean();
}

#[test]
fn a_copy_that_went_its_own_way_is_recognised_by_its_commits() {
    let place = Place::new();
    let mut writer = Writer::create(&place.source(), time(0), Sealing::None).unwrap().0;
    (1..=2).for_each(|number| batch(&mut writer, number));
    place.copy().unwrap();
    batch(&mut open(&place.dest()), 30);
    (3..=4).for_each(|number| batch(&mut writer, number));
    drop(writer);
    join(&place.source(), 1, 4);
    drop(open(&place.source()));
    let before = packs(&place.dest());
    assert!(matches!(place.copy(), Err(Error::CopyDiverged { reason }) if reason == "commit 3 is another there"));
    assert_eq!(packs(&place.dest()), before);
}

/// A store whose process dies after so many steps that change something.
struct Dying {
    inner: DirStore,
    left: AtomicUsize,
}

impl Dying {
    fn step(&self) -> io::Result<()> {
        let left = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        left.map(drop).map_err(|_| io::Error::other("dead"))
    }
}

impl Store for Dying {
    fn begin(&self) -> io::Result<Box<dyn StoreFile>> {
        self.step().and_then(|()| self.inner.begin())
    }

    fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read_at(name, offset, buffer)
    }

    fn len(&self, name: &str) -> io::Result<Option<u64>> {
        self.inner.len(name)
    }

    fn list(&self, prefix: &str) -> io::Result<Vec<StoreEntry>> {
        self.inner.list(prefix)
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        self.step().and_then(|()| self.inner.delete(name))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.step().and_then(|()| self.inner.rename(from, to))
    }

    fn sync(&self, name: &str) -> io::Result<()> {
        self.step().and_then(|()| self.inner.sync(name))
    }

    fn sweep(&self) -> io::Result<()> {
        self.inner.sweep()
    }
}

#[test]
fn a_crash_while_packs_take_the_place_of_others_leaves_a_whole_copy() {
    let place = Place::new();
    let mut writer = Writer::create(&place.source(), time(0), Sealing::None).unwrap().0;
    (1..=3).for_each(|number| batch(&mut writer, number));
    place.copy().unwrap();
    fs::rename(place.dest(), place.path("kept")).unwrap();
    batch(&mut writer, 4);
    drop(writer);
    // The one joins what the copy has with what it lacks.
    join(&place.source(), 1, 2);
    join(&place.source(), 3, 4);
    batch(&mut open(&place.source()), 5);
    for steps in 0.. {
        let _ = fs::remove_dir_all(place.dest());
        copy_folder(&place.path("kept"), &place.dest());
        let dying = Dying { inner: DirStore::new(&place.dest()), left: AtomicUsize::new(steps) };
        let (source, store) = (place.source(), DirStore::new(&place.source()));
        let result = copy_on((&source, &store), (&place.dest(), &dying), &Unlock::Open, &mut |_| ControlFlow::Continue(()));
        let head = open(&place.dest()).catalog().head().unwrap().0;
        assert!(head == 3 || head == 5, "after {steps} steps: head {head}");
        assert_eq!(check(&place.dest(), &place.path("scratch"), &Unlock::Open, true, &mut |_| {}).unwrap().damages, [], "after {steps} steps");
        if result.is_ok() {
            assert!(steps > 15, "{steps} steps");
            break;
        }
        assert_eq!(place.copy().unwrap().head.0, 5);
        assert_eq!(packs(&place.dest()), packs(&place.source()), "after {steps} steps");
    }
    place.is_clean();
}

#[test]
fn keys_follow_and_never_go_back() {
    let place = Place::new();
    let password = |text: &str| Zeroizing::new(text.to_owned());
    let sealing = Sealing::Sealed { password: Some(password("one")), machine: None, params: CHEAP };
    let mut writer = Writer::create(&place.source(), time(0), sealing).unwrap().0;
    batch(&mut writer, 1);
    let storage = writer.catalog().info().uuid;
    drop(writer);
    let run = |key: &str| copy(&place.source(), &place.dest(), &Unlock::Password(password(key)), &mut |_| ControlFlow::Continue(()));
    run("one").unwrap();
    let change = |dir: &Path, work: &dyn Fn(&mut KeyFile, &Keys)| {
        let store = DirStore::new(dir);
        let mut file = KeyFile::load(&KeysIn(&store), storage).unwrap();
        let keys = file.unlock(&Unlock::Password(password("one"))).unwrap();
        work(&mut file, &keys);
        file.save(&KeysIn(&store)).unwrap();
    };
    let keys = |dir: &Path| [fs::read(dir.join("keys/a")).unwrap(), fs::read(dir.join("keys/b")).unwrap()];
    // A new password, and nothing else that is new.
    change(&place.source(), &|file, _| assert!(file.add_password("second", &password("two"), CHEAP, time(1)).is_ok()));
    assert_eq!(run("two").unwrap().packs, 0);
    drop(Writer::open(&place.dest(), &Unlock::Password(password("two"))).unwrap());
    // A copy of the file that is lost or old is put in order.
    fs::remove_file(place.dest().join("keys/b")).unwrap();
    run("one").unwrap();
    assert_eq!(keys(&place.dest()), keys(&place.source()));
    // The key of an erased mailbox goes from the copy, too.
    change(&place.source(), &|_, keys| keys.destroy_mailbox(1, time(2)));
    run("one").unwrap();
    assert_eq!(keys(&place.dest()), keys(&place.source()));
    // A copy whose keys were changed is not set back.
    change(&place.dest(), &|file, _| assert!(file.add_password("third", &password("three"), CHEAP, time(3)).is_ok()));
    let before = keys(&place.dest());
    assert!(matches!(run("one"), Err(Error::CopyDiverged { .. })));
    assert_eq!(keys(&place.dest()), before);
    assert!(matches!(run("three"), Err(Error::Seal { err: SealError::WrongKey { .. } })));
}
