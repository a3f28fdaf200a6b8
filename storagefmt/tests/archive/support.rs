//! A storage in its own temporary folder, and short ways to fill and read it.

use c2b_mailbox::{Address, ChangeKey, Content, Fidelity, Folder, FolderId, Format, Item, ItemId, ItemMeta, Readable};
use c2b_storagefmt::{Catalog, CommitSeq, ContentId, Contents, FolderKey, ItemRow, MailboxKey, Moment, Put, Sealing, Unlock, Writer};
use chrono::{DateTime, TimeDelta, Utc};
use std::path::PathBuf;
use tempfile::TempDir;

/// A temporary storage; ends with the test.
pub(crate) struct Place {
    pub(crate) root: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { root: tempfile::tempdir().unwrap() }
    }

    /// A place in memory, where there is one: for tests that make many storages.
    pub(crate) fn fast() -> Self {
        tempfile::tempdir_in("/dev/shm").map_or_else(|_| Self::new(), |root| Self { root })
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

    pub(crate) fn reader(&self) -> (Catalog, Contents) {
        Catalog::open_reader(&self.dir(), &self.scratch(), &Unlock::Open).unwrap()
    }
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
