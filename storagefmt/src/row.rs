//! What the catalogue answers with: one struct for each question.

use crate::{CommitSeq, ContentId, FolderKey, ItemKey, MailboxKey};
use c2b_mailbox::{Address, ChangeKey, Fidelity, FolderId, Format, ItemId, ItemMeta, Role};
use chrono::{DateTime, Utc};
use std::path::PathBuf;
use uuid::Uuid;

/// What a storage says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageInfo {
    /// Its identity, given at creation.
    pub uuid: Uuid,
    /// The format version of its files.
    pub version: u32,
    /// When it was created.
    pub created: DateTime<Utc>,
    /// Whether everything in it is sealed with keys.
    pub sealed: bool,
}

/// A mailbox that the archive knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailboxRow {
    /// Our key.
    pub key: MailboxKey,
    /// Its address.
    pub address: Address,
    /// The commit that brought it.
    pub first: CommitSeq,
}

/// One version of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderRow {
    /// Our key.
    pub key: FolderKey,
    /// Its id at the source.
    pub id: FolderId,
    /// The folder that holds it; `None` at the top.
    pub parent: Option<FolderKey>,
    /// The display name as the source gave it.
    pub name: String,
    /// A safe file name, unique among the siblings of any moment, at most 200 bytes.
    pub file_name: String,
    /// The folder class; empty when the source has none.
    pub class: String,
    /// The well-known role, when it has one.
    pub role: Option<Role>,
    /// Who may do what in it, a line for each; `None` when that was never read.
    pub permissions: Option<String>,
    /// The first commit in which this version holds.
    pub from: CommitSeq,
    /// The first commit in which it holds no more; `None` while it holds.
    pub until: Option<CommitSeq>,
    /// When the folder was first committed.
    pub created: DateTime<Utc>,
}

/// One version of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemRow {
    /// Our key.
    pub key: ItemKey,
    /// The mailbox it is in.
    pub mailbox: MailboxKey,
    /// The folder it is in.
    pub folder: FolderKey,
    /// The first commit in which this version holds.
    pub from: CommitSeq,
    /// The first commit in which it holds no more; `None` while it holds.
    pub until: Option<CommitSeq>,
    /// The version's number, from 1; metadata versions count.
    pub version: u32,
    /// A safe file name that ends in the item's key, at most 200 bytes.
    pub file_name: String,
    /// Exact length of [`ItemRow::shown`] in bytes; 0 when there is nothing to show.
    pub size: u64,
    /// File time: received; start of an appointment; last change of a contact. Never 1970.
    pub time: DateTime<Utc>,
    /// Its properties.
    pub meta: ItemMeta,
    /// How much of the item this is.
    pub fidelity: Fidelity,
    /// What a mount serves: the readable form, or the export stream when there is no readable form.
    pub shown: Option<ContentId>,
    /// The readable form's file format; `None` when `shown` is the export stream or nothing.
    pub format: Option<Format>,
    /// Whether the readable form was rendered by us from properties.
    pub rendered: bool,
    /// The export stream.
    pub export: Option<ContentId>,
    /// Length of the export stream in bytes; 0 without one.
    pub export_bytes: u64,
}

/// A server's change key as the archive knows it: a keyed hash, made by [`Catalog::change_mark`](crate::Catalog::change_mark).
///
/// Equal marks mean equal change keys, but for one in 2^64; marks of different storages cannot be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ChangeMark(pub(crate) [u8; 8]);

/// What the archive knows of a server's item id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Our key of the item.
    pub key: ItemKey,
    /// The folder it is in.
    pub folder: FolderKey,
    /// The server's mark of the state that we hold.
    pub change: Option<ChangeMark>,
    /// How much of the item we hold.
    pub fidelity: Fidelity,
}

/// Where an enumeration of changes belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CursorScope {
    /// The mailbox's folder tree.
    Hierarchy,
    /// The items of one folder.
    Folder(FolderKey),
}

/// An item that could not be fetched or stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Its id at the source.
    pub id: ItemId,
    /// The folder in which it was seen.
    pub folder: FolderKey,
    /// The job that tried.
    pub job: String,
    /// The state that was tried.
    pub change_key: Option<ChangeKey>,
    /// Its subject, as far as known.
    pub subject: String,
    /// Its date, as far as known.
    pub date: Option<DateTime<Utc>>,
    /// Its size as the server reports it, in bytes.
    pub size: Option<u64>,
    /// The protocol's code.
    pub code: String,
    /// Why, in plain words.
    pub message: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When it failed first.
    pub first_seen: DateTime<Utc>,
    /// When it failed last.
    pub last_seen: DateTime<Utc>,
    /// When to try again; `None` when trying again is of no use.
    pub next_try: Option<DateTime<Utc>>,
}

/// An item that was seen and is not of an age yet that is backed up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Its id at the source.
    pub id: ItemId,
    /// The folder in which it was seen.
    pub folder: FolderKey,
    /// The state that was seen.
    pub change_key: Option<ChangeKey>,
    /// Its size as the server reports it, in bytes.
    pub size: Option<u64>,
    /// From when its age counts.
    pub since: DateTime<Utc>,
}

/// A point in time of a mailbox: the end of a cycle that changed something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// The commit.
    pub seq: CommitSeq,
    /// Its time.
    pub time: DateTime<Utc>,
}

/// Something that a commit touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Touched {
    /// The commit.
    pub seq: CommitSeq,
    /// The mailbox.
    pub mailbox: MailboxKey,
    /// The folder: itself when `item` is `None`, else the folder whose listing changed.
    pub folder: FolderKey,
    /// The item.
    pub item: Option<ItemKey>,
}

/// How much the archive holds of one mailbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MailboxCounts {
    /// Items that the source still has.
    pub items: u64,
    /// Folders that the source still has.
    pub folders: u64,
    /// Versions of items, past ones and marked ones included.
    pub versions: u64,
    /// Bytes of all contents that versions brought, before any deduplication or compression.
    pub logical_bytes: u64,
    /// Versions that retention marked: not shown any more, and not freed yet.
    pub marked_versions: u64,
    /// Bytes that marked versions brought.
    pub marked_bytes: u64,
}

/// A mailbox that was erased from all history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erasure {
    /// The key that it had.
    pub key: MailboxKey,
    /// Its address.
    pub address: Address,
    /// When.
    pub time: DateTime<Utc>,
    /// Who asked for it.
    pub who: String,
    /// Items that it had.
    pub items: u64,
    /// Versions that it had.
    pub versions: u64,
}

/// How much a storage holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StorageStats {
    /// Pack files.
    pub packs: u64,
    /// Bytes on disk: packs and index.
    pub stored_bytes: u64,
    /// How many of these the index has.
    pub index_bytes: u64,
    /// Bytes of all contents that versions brought.
    pub logical_bytes: u64,
    /// Mailboxes.
    pub mailboxes: u64,
    /// Items that the sources still have.
    pub items: u64,
    /// Versions of items, past ones and marked ones included.
    pub versions: u64,
    /// Versions that retention marked: not shown any more, and not freed yet.
    pub marked_versions: u64,
    /// Bytes that marked versions brought.
    pub marked_bytes: u64,
    /// Mailboxes that were erased.
    pub erased_mailboxes: u64,
    /// Contents that were found lost and are not back.
    pub lost_contents: u64,
    /// Distinct chunks.
    pub chunks: u64,
    /// Bytes that the file system has left for us.
    pub free_bytes: u64,
    /// Whether the storage is sealed.
    pub sealed: bool,
}

/// What the open batch holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pending {
    /// Items put.
    pub items: u64,
    /// Bytes in the open pack file, as stored.
    pub bytes: u64,
    /// Records of any kind.
    pub changes: u64,
}

/// What came of putting an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Put {
    /// Its key.
    pub key: ItemKey,
    /// What changed.
    pub outcome: PutOutcome,
    /// Bytes of its contents as they came in.
    pub logical_bytes: u64,
    /// Bytes of chunks that the archive did not hold yet, decoded and before compression.
    pub stored_bytes: u64,
}

/// What putting an item changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutOutcome {
    /// The item is new (or is back after its deletion).
    New,
    /// Its contents differ from those of the version before.
    NewVersion,
    /// Only properties or its place differ.
    MetadataOnly,
    /// Nothing differs that one could see. A new change key is remembered all the same.
    Unchanged,
}

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// What it is.
    pub kind: ProbeKind,
    /// Bytes that its file system has left for us; 0 when that cannot be told.
    pub free_bytes: u64,
}

/// What a path is to us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeKind {
    /// There is nothing.
    Missing,
    /// An empty folder, or one that only an interrupted creation of ours left.
    Empty,
    /// A storage.
    Storage(StorageInfo),
    /// Something else: nothing of ours may be written there. Says what was found.
    Foreign(PathBuf),
}
