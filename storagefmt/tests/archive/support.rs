//! A storage in its own temporary folder, and short ways to fill and read it.

pub(crate) use crate::temporary::copy_folder;

use crate::temporary::temporary;
use c2b_mailbox::{Address, ChangeKey, Content, Fidelity, Folder, FolderId, Format, Item, ItemId, ItemMeta, Readable};
use c2b_storagefmt::{Argon2Params, Catalog, CommitSeq, ContentId, Contents, FolderKey, ItemRow, MailboxKey, Moment, Put, Sealing, Unlock, Writer, check};
use chrono::{DateTime, TimeDelta, Utc};
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use zeroize::Zeroizing;

/// Parameters of Argon2 that cost a test nothing.
pub(crate) const CHEAP: Argon2Params = Argon2Params { memory_kib: 8, passes: 1, lanes: 1 };

/// A temporary storage; ends with the test.
pub(crate) struct Place {
    pub(crate) root: TempDir,
}

impl Place {
    /// A place in memory, where there is enough of it: durability is asked of the store, not of a disk.
    pub(crate) fn new() -> Self {
        Self { root: temporary() }
    }

    /// A place with a copy of a storage.
    pub(crate) fn with_copy_of(dir: &Path) -> Self {
        let place = Self::new();
        copy_folder(dir, &place.dir());
        place
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.root.path().join("storage")
    }

    pub(crate) fn scratch(&self) -> PathBuf {
        self.root.path().join("scratch")
    }

    pub(crate) fn create(&self) -> Writer {
        Writer::create(&self.dir(), time(0), Sealing::None).unwrap().0
    }

    pub(crate) fn open(&self) -> Writer {
        Writer::open(&self.dir(), &Unlock::Open).unwrap()
    }

    /// Proves that nothing is damaged, every byte read.
    pub(crate) fn is_clean(&self, key: &Unlock, what: &dyn std::fmt::Debug) {
        let report = check(&self.dir(), &self.scratch(), key, true, &mut |_| {}).unwrap();
        assert_eq!(report.damages, [], "{what:?}");
    }

    /// Proves that no unfinished file is left.
    pub(crate) fn is_tidy(&self, what: &dyn std::fmt::Debug) {
        assert_eq!(files(&self.dir().join("tmp")), Vec::<PathBuf>::new(), "{what:?} left something");
    }

    pub(crate) fn reader(&self) -> (Catalog, Contents) {
        Catalog::open_reader(&self.dir(), &self.scratch(), &Unlock::Open).unwrap()
    }
}

/// Lists all files below a folder, in order of their names.
pub(crate) fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() { found.extend(files(&entry.path())) } else { found.push(entry.path()) }
    }
    found.sort();
    found
}

/// All files below a folder, with the hashes of their bytes.
pub(crate) fn prints(dir: &Path) -> Vec<(PathBuf, blake3::Hash)> {
    files(dir).into_iter().map(|path| (path.clone(), blake3::hash(&fs::read(path).unwrap()))).collect()
}

/// The pack that a commit wrote.
pub(crate) fn pack_of(dir: &Path, seq: u64) -> PathBuf {
    files(&dir.join(format!("packs/{seq:02x}"))).remove(0)
}

pub(crate) fn secret(text: &str) -> Zeroizing<String> {
    Zeroizing::new(text.to_owned())
}

pub(crate) fn password(text: &str) -> Unlock {
    Unlock::Password(secret(text))
}

/// The key that the machine of sealed test storages keeps.
pub(crate) fn machine() -> Zeroizing<[u8; 32]> {
    Zeroizing::new([7; 32])
}

/// A storage that opens with this password and with the machine's key; or one that is not sealed.
pub(crate) fn sealing(password: Option<&str>) -> Sealing {
    password.map_or(Sealing::None, |password| Sealing::Sealed { password: Some(secret(password)), machine: Some(machine()), params: CHEAP })
}

/// What opens a storage beside its password, if it is sealed.
pub(crate) fn unlock(sealed: bool) -> Unlock {
    if sealed { Unlock::Machine(machine()) } else { Unlock::Open }
}

/// Returns a number from the environment, or the usual one.
pub(crate) fn cases(name: &str, usual: u32) -> u32 {
    std::env::var(name).ok().and_then(|number| number.parse().ok()).unwrap_or(usual)
}

/// Goes on whatever is said of the progress.
pub(crate) fn go_on<T>(_: T) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// The time of minute `n` of our tests.
pub(crate) fn time(minute: i64) -> DateTime<Utc> {
    "2026-11-21T10:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::minutes(minute)
}

pub(crate) fn address(name: &str) -> Address {
    Address::parse(&format!("{name}@example.org")).unwrap()
}

pub(crate) fn folder(id: &str, name: &str, parent: Option<&str>) -> Folder {
    Folder { id: FolderId::new(id), parent: parent.map(FolderId::new), name: name.to_owned(), class: "IPF.Note".to_owned(), role: None }
}

/// A mail with these bytes; the change key is a hash of them.
pub(crate) fn mail(id: &str, subject: &str, mime: &[u8]) -> Item {
    let mut meta = ItemMeta::new(ItemId::new(id), "IPM.Note");
    meta.subject = subject.to_owned();
    meta.received = Some(time(-60));
    meta.change_key = Some(ChangeKey::new(ContentId::of(mime).to_string()));
    meta.read = Some(false);
    let readable = Readable { format: Format::Eml, rendered: false, content: Content::from_bytes(mime).unwrap() };
    Item { meta, readable: Some(readable), export: None, fidelity: Fidelity::Mime }
}

/// A storage with a mailbox and its inbox, in the open batch.
pub(crate) fn inbox(writer: &mut Writer) -> (MailboxKey, FolderKey) {
    let mailbox = writer.mailbox(&address("alice")).unwrap();
    let folder = writer.put_folder(mailbox, &folder("F-inbox", "Inbox", None)).unwrap();
    (mailbox, folder)
}

pub(crate) fn put(writer: &mut Writer, at: (MailboxKey, FolderKey), item: Item) -> Put {
    writer.put_item(at.0, at.1, item).unwrap()
}

pub(crate) fn list(catalog: &Catalog, at: (MailboxKey, FolderKey), moment: Moment) -> Vec<ItemRow> {
    catalog.items(at.0, at.1, moment).unwrap().map(Result::unwrap).collect()
}

pub(crate) fn read(contents: &Contents, mailbox: MailboxKey, id: &ContentId) -> Vec<u8> {
    let file = contents.open(mailbox, id).unwrap();
    let mut bytes = vec![0; usize::try_from(file.len()).unwrap() + 1];
    let n = file.read_at(0, &mut bytes).unwrap();
    bytes.truncate(n);
    assert_eq!(n as u64, file.len());
    bytes
}

pub(crate) fn at(seq: u64) -> Moment {
    Moment::At(CommitSeq(seq))
}

/// Bytes without any regularity, always the same for a seed.
pub(crate) fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}
