//! Keys and values of the index.
//!
//! Derived from packs, hence free to change with any release: [`INDEX_VERSION`] makes an older
//! index be remade. Numbers in keys are big-endian, since RocksDB orders keys by their bytes.

use super::record::ItemRecord;
use crate::{CommitSeq, FolderKey, ItemKey, MailboxKey};
use minicbor::{Decode, Encode};

/// Version of everything below.
pub const INDEX_VERSION: u32 = 1;

/// A table of the index: one column family each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(usize)]
pub enum Table {
    /// `""` → [`StateRow`].
    State,
    /// seq → [`CommitRow`].
    Commits,
    /// time, seq → nothing.
    Times,
    /// mailbox → [`MailboxRowValue`].
    Mailboxes,
    /// address → mailbox.
    Addresses,
    /// mailbox, folder, from → [`FolderRowValue`].
    Folders,
    /// mailbox, server id → [`FolderIdRow`].
    FolderIds,
    /// mailbox, folder, from, item → [`ItemRowValue`].
    ItemsLive,
    /// mailbox, folder, until, from, item → [`ItemRowValue`].
    ItemsPast,
    /// item → [`PlaceRow`].
    Places,
    /// item, from → [`HistoryRow`].
    History,
    /// mailbox, server id → [`ItemIdRow`].
    ItemIds,
    /// mailbox, folder (0 for the tree) → cursor.
    Cursors,
    /// mailbox, server id → `FailureRecord`.
    Failures,
    /// mailbox, seq → nothing.
    Points,
    /// seq, mailbox, folder, item (0 for none) → nothing.
    Changes,
    /// chunk id → [`ChunkPlace`].
    Chunks,
    /// content id → `RecipeRecord`.
    Recipes,
}

impl Table {
    /// All tables, in the order of their numbers.
    pub const ALL: [Self; 18] = [
        Self::State,
        Self::Commits,
        Self::Times,
        Self::Mailboxes,
        Self::Addresses,
        Self::Folders,
        Self::FolderIds,
        Self::ItemsLive,
        Self::ItemsPast,
        Self::Places,
        Self::History,
        Self::ItemIds,
        Self::Cursors,
        Self::Failures,
        Self::Points,
        Self::Changes,
        Self::Chunks,
        Self::Recipes,
    ];

    /// Returns the name of its column family.
    pub fn name(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Commits => "commits",
            Self::Times => "times",
            Self::Mailboxes => "mailboxes",
            Self::Addresses => "addresses",
            Self::Folders => "folders",
            Self::FolderIds => "folder-ids",
            Self::ItemsLive => "items-live",
            Self::ItemsPast => "items-past",
            Self::Places => "places",
            Self::History => "history",
            Self::ItemIds => "item-ids",
            Self::Cursors => "cursors",
            Self::Failures => "failures",
            Self::Points => "points",
            Self::Changes => "changes",
            Self::Chunks => "chunks",
            Self::Recipes => "recipes",
        }
    }
}

/// The one row of [`Table::State`].
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
pub struct StateRow {
    /// [`INDEX_VERSION`] of the program that made the index.
    #[n(0)]
    pub version: u32,
    /// The last commit.
    #[n(1)]
    pub head: u64,
    /// Mailbox keys given out.
    #[n(2)]
    pub mailboxes: u32,
    /// Folder keys given out.
    #[n(3)]
    pub folders: u64,
    /// Item keys given out.
    #[n(4)]
    pub items: u64,
    /// Packs.
    #[n(5)]
    pub packs: u64,
    /// Bytes of all packs.
    #[n(6)]
    pub pack_bytes: u64,
    /// Chunks.
    #[n(7)]
    pub chunks: u64,
}

/// A commit.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct CommitRow {
    /// Microseconds since 1970.
    #[n(0)]
    pub time: i64,
    /// Name of its pack.
    #[n(1)]
    pub pack: String,
    /// Length of its pack in bytes.
    #[n(2)]
    pub bytes: u64,
}

/// A mailbox.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
pub struct MailboxRowValue {
    /// Its address.
    #[n(0)]
    pub address: String,
    /// The commit that brought it.
    #[n(1)]
    pub first: u64,
    /// The last commit that changed a folder or item of it.
    #[n(2)]
    pub changed: u64,
    /// Its last point.
    #[n(3)]
    pub point: u64,
    /// Live items.
    #[n(4)]
    pub items: u64,
    /// Live folders.
    #[n(5)]
    pub folders: u64,
    /// Versions of items.
    #[n(6)]
    pub versions: u64,
    /// Bytes that versions brought.
    #[n(7)]
    pub logical_bytes: u64,
}

/// A version of a folder; its record's fields, and until when it holds.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct FolderRowValue {
    /// The record.
    #[n(0)]
    pub record: super::record::FolderRecord,
    /// The first commit in which it holds no more; 0 while it holds.
    #[n(1)]
    pub until: u64,
}

/// What a server's folder id is to us.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct FolderIdRow {
    /// Our key.
    #[n(0)]
    pub key: u64,
    /// The first commit of the present version; 0 when the folder is gone.
    #[n(1)]
    pub from: u64,
}

/// A version of an item: its record, and how many bytes it brought.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct ItemRowValue {
    /// The record.
    #[n(0)]
    pub record: ItemRecord,
    /// Bytes of the contents that differ from those of the version before.
    #[n(1)]
    pub brought: u64,
}

/// Where an item is now, or was last.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct PlaceRow {
    /// The mailbox.
    #[n(0)]
    pub mailbox: u32,
    /// The folder.
    #[n(1)]
    pub folder: u64,
    /// The first commit of the present version.
    #[n(2)]
    pub from: u64,
    /// Number of the last version.
    #[n(3)]
    pub version: u32,
    /// Whether it is there now.
    #[n(4)]
    pub live: bool,
}

/// Where a version of an item is listed.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct HistoryRow {
    /// The mailbox.
    #[n(0)]
    pub mailbox: u32,
    /// The folder.
    #[n(1)]
    pub folder: u64,
    /// The first commit in which it holds no more; 0 while it holds.
    #[n(2)]
    pub until: u64,
}

/// What a server's item id is to us.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct ItemIdRow {
    /// Our key.
    #[n(0)]
    pub key: u64,
    /// The folder it is in.
    #[n(1)]
    pub folder: u64,
    /// The server's mark of the present state.
    #[n(2)]
    pub change_key: Option<String>,
    /// Fidelity code.
    #[n(3)]
    pub fidelity: u8,
    /// Whether the item is there now.
    #[n(4)]
    pub live: bool,
}

/// Where a chunk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkPlace {
    /// The pack's commit.
    pub seq: CommitSeq,
    /// Where the block's frame header begins.
    pub block: u64,
    /// Stored length of the block.
    pub stored: u32,
    /// Decoded length of the block.
    pub raw: u32,
    /// Where the chunk begins in the decoded block.
    pub offset: u32,
    /// Its length.
    pub len: u32,
}

impl ChunkPlace {
    /// Encodes the value of [`Table::Chunks`].
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(32);
        bytes.extend(self.seq.0.to_le_bytes());
        bytes.extend(self.block.to_le_bytes());
        for number in [self.stored, self.raw, self.offset, self.len] {
            bytes.extend(number.to_le_bytes());
        }
        bytes
    }

    /// Decodes the value of [`Table::Chunks`].
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut take = super::Take(bytes);
        Some(Self { seq: CommitSeq(take.u64()?), block: take.u64()?, stored: take.u32()?, raw: take.u32()?, offset: take.u32()?, len: take.u32()? })
    }
}

/// A key under construction: fields in order of significance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Key(pub Vec<u8>);

impl Key {
    /// Begins with a mailbox.
    pub fn mailbox(mailbox: MailboxKey) -> Self {
        Self::default().u32(mailbox.0)
    }

    /// Begins with a number.
    pub fn number(number: u64) -> Self {
        Self::default().u64(number)
    }

    /// Begins with a time in microseconds since 1970.
    pub fn time(micros: i64) -> Self {
        // Flipping the sign bit makes negative times sort before positive ones.
        Self::number(micros.cast_unsigned() ^ 1 << 63)
    }

    /// Continues with a number.
    #[expect(clippy::big_endian_bytes, reason = "RocksDB orders keys by their bytes")]
    #[must_use]
    pub fn u64(mut self, number: u64) -> Self {
        self.0.extend(number.to_be_bytes());
        self
    }

    /// Continues with a number.
    #[expect(clippy::big_endian_bytes, reason = "RocksDB orders keys by their bytes")]
    #[must_use]
    pub fn u32(mut self, number: u32) -> Self {
        self.0.extend(number.to_be_bytes());
        self
    }

    /// Ends with a text.
    #[must_use]
    pub fn text(mut self, text: &str) -> Self {
        self.0.extend(text.as_bytes());
        self
    }
}

/// A key being read, from its most significant field.
pub struct KeyTake<'a>(super::Take<'a>);

impl<'a> KeyTake<'a> {
    /// Begins.
    pub fn new(key: &'a [u8]) -> Self {
        Self(super::Take(key))
    }

    /// Takes a number.
    pub fn u64(&mut self) -> Option<u64> {
        self.0.array().map(u64::from_be_bytes)
    }

    /// Takes a number.
    pub fn u32(&mut self) -> Option<u32> {
        self.0.array().map(u32::from_be_bytes)
    }

    /// Takes a mailbox.
    pub fn mailbox(&mut self) -> Option<MailboxKey> {
        self.u32().map(MailboxKey)
    }
}

/// Key of [`Table::ItemsLive`].
pub fn live_key(mailbox: MailboxKey, folder: FolderKey, from: u64, item: ItemKey) -> Key {
    Key::mailbox(mailbox).u64(folder.0).u64(from).u64(item.0)
}

/// Key of [`Table::ItemsPast`].
pub fn past_key(mailbox: MailboxKey, folder: FolderKey, until: u64, from: u64, item: ItemKey) -> Key {
    Key::mailbox(mailbox).u64(folder.0).u64(until).u64(from).u64(item.0)
}
