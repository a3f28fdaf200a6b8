//! Keys and values of the index: numbers and keyed hashes, never a text of a mailbox.
//!
//! Texts are in the frames of records, which [`Table::Records`] holds as packs hold them: sealed, in a
//! sealed storage. Other rows say at which [`Place`] a record is. Derived from packs, hence free to
//! change with any release: [`INDEX_VERSION`] makes an older index be remade. Numbers in keys are
//! big-endian, since RocksDB orders keys by their bytes.

use super::pack::{self, FrameEntry, FrameKind};
use crate::{CommitSeq, FolderKey, FrameKey, ItemKey, MailboxKey, Place};
use minicbor::decode::Error as DecodeError;
use minicbor::encode::{Error as EncodeError, Write};
use minicbor::{Decode, Decoder, Encode, Encoder};

/// Version of everything below.
pub const INDEX_VERSION: u32 = 4;

/// The first 20 bytes of a keyed BLAKE3 hash: what a text is in the index.
pub type Hash20 = [u8; 20];

/// Declares the tables with their column families.
macro_rules! tables {
    ($($(#[$doc:meta])* $table:ident = $name:literal,)*) => {
        /// A table of the index: one column family each.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Table {
            $($(#[$doc])* $table,)*
        }

        impl Table {
            /// All tables.
            pub const ALL: &[Self] = &[$(Self::$table,)*];

            /// Returns the name of its column family.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$table => $name,)*
                }
            }
        }
    };
}

tables! {
    /// `""` → [`StateRow`].
    State = "state",
    /// first commit → [`PackRow`].
    Packs = "packs",
    /// seq → [`CommitRow`].
    Commits = "commits",
    /// time, seq → nothing.
    Times = "times",
    /// seq, n → [`FrameRow`].
    Frames = "frames",
    /// seq, n → header and stored bytes of a frame of records.
    Records = "records",
    /// mailbox → [`MailboxRowValue`].
    Mailboxes = "mailboxes",
    /// hash of an address → mailbox.
    Addresses = "addresses",
    /// mailbox, folder, from → [`FolderRowValue`].
    Folders = "folders",
    /// mailbox, hash of a server id → [`FolderIdRow`].
    FolderIds = "folder-ids",
    /// mailbox, folder, from, item → [`ItemRowValue`].
    ItemsLive = "items-live",
    /// mailbox, folder, until, from, item → [`ItemRowValue`].
    ItemsPast = "items-past",
    /// As [`Table::ItemsPast`]: what retention marked.
    ItemsMarked = "items-marked",
    /// item → [`ItemPlaceRow`].
    Places = "places",
    /// item, from → [`HistoryRow`].
    History = "history",
    /// mailbox, hash of a server id → [`ItemIdRow`].
    ItemIds = "item-ids",
    /// mailbox, folder (0 for the tree) → [`Place`] of the cursor.
    Cursors = "cursors",
    /// mailbox, hash of a server id → [`Place`] of the failure.
    Failures = "failures",
    /// mailbox, hash of a server id → [`WaitingRow`].
    Waiting = "waiting",
    /// mailbox, folder, since when the item's age counts, hash of its server id → [`Place`] of the record.
    Ripening = "ripening",
    /// mailbox, seq → nothing.
    Points = "points",
    /// seq, mailbox, folder, item (0 for none) → nothing.
    Changes = "changes",
    /// chunk (in a sealed storage its hash) → [`ChunkRow`]. Holds only while there is the frame.
    Chunks = "chunks",
    /// mailbox, content (in a sealed storage its hash) → [`Place`] of the recipe.
    Recipes = "recipes",
    /// mailbox, seq, n → [`Place`] of the record with the block's hash.
    Grants = "grants",
    /// mailbox, content (in a sealed storage its hash) → [`Place`] of the record of the loss.
    Lost = "lost",
    /// hash of an address → [`Place`] of the erasure.
    Erased = "erased",
}

impl Table {
    /// Whether keys begin with the mailbox that rows belong to.
    pub fn is_of_mailboxes(self) -> bool {
        matches!(
            self,
            Self::Folders
                | Self::FolderIds
                | Self::ItemsLive
                | Self::ItemsPast
                | Self::ItemsMarked
                | Self::ItemIds
                | Self::Cursors
                | Self::Failures
                | Self::Waiting
                | Self::Ripening
                | Self::Points
                | Self::Recipes
                | Self::Grants
                | Self::Lost
        )
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
    /// Generation of the storage key that hashes are keyed with; 0 in a storage that is not sealed.
    #[n(8)]
    pub keygen: u16,
    /// How often packs were rewritten or a mailbox erased: what readers remember of records holds while this stays.
    #[n(9)]
    pub rewrites: u64,
}

/// A pack.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct PackRow {
    /// The last commit of its range.
    #[n(0)]
    pub last: u64,
    /// Its generation.
    #[n(1)]
    pub generation: u32,
    /// The first bytes of its directory's checksum.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub check: [u8; 4],
    /// Its length in bytes.
    #[n(3)]
    pub bytes: u64,
    /// When all of it was last found whole, in microseconds since 1970.
    #[n(4)]
    pub verified: Option<i64>,
}

/// A commit.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct CommitRow {
    /// Microseconds since 1970.
    #[n(0)]
    pub time: i64,
}

/// Where a frame is in its pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct FrameRow {
    /// 1 block, 2 records.
    #[n(0)]
    pub kind: u8,
    /// Where its header begins, in bytes from the beginning of the pack.
    #[n(1)]
    pub offset: u64,
    /// Length as stored, in bytes.
    #[n(2)]
    pub stored: u32,
    /// Length when decoded, in bytes.
    #[n(3)]
    pub raw: u32,
    /// The mailbox that it belongs to; 0 for the storage itself.
    #[n(4)]
    pub mailbox: u32,
    /// Generation of the key that seals it; 0 when it is not sealed.
    #[n(5)]
    pub keygen: u16,
}

/// A mailbox.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
pub struct MailboxRowValue {
    /// Its last record (of its erasure, when it is erased); absent when only damage is left of it.
    #[n(0)]
    pub place: Option<Place>,
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
    /// Versions of items, marked ones included.
    #[n(6)]
    pub versions: u64,
    /// Bytes that versions brought, marked ones included.
    #[n(7)]
    pub logical_bytes: u64,
    /// Versions that retention marked.
    #[n(8)]
    pub marked_versions: u64,
    /// Bytes that marked versions brought.
    #[n(9)]
    pub marked_bytes: u64,
    /// Whether it was erased.
    #[n(10)]
    pub erased: bool,
    /// Whether nothing of it is left in packs and index, where it was erased.
    #[n(11)]
    pub purged: bool,
}

/// A version of a folder.
#[derive(Clone, Copy, Debug, PartialEq, Encode, Decode)]
pub struct FolderRowValue {
    /// Its record.
    #[n(0)]
    pub place: Place,
    /// The first commit in which it holds no more; 0 while it holds.
    #[n(1)]
    pub until: u64,
}

/// What a server's folder id is to us.
#[derive(Clone, Copy, Debug, PartialEq, Encode, Decode)]
pub struct FolderIdRow {
    /// Our key.
    #[n(0)]
    pub key: u64,
    /// The first commit of the present version; 0 when the folder is gone.
    #[n(1)]
    pub from: u64,
}

/// A version of an item.
#[derive(Clone, Copy, Debug, PartialEq, Encode, Decode)]
pub struct ItemRowValue {
    /// Its record.
    #[n(0)]
    pub place: Place,
    /// Bytes of the contents that differ from those of the version before.
    #[n(1)]
    pub brought: u64,
    /// Number of the version, from 1.
    #[n(2)]
    pub version: u32,
    /// The record of its last change key, when that came after the version.
    #[n(3)]
    pub mark: Option<Place>,
    /// The rule by which retention marked it.
    #[n(4)]
    pub rule: Option<u8>,
    /// The last commit in which retention marked it, or took the mark back.
    #[n(5)]
    pub judged: Option<u64>,
}

/// Where an item is now, or was last.
#[derive(Clone, Copy, Debug, PartialEq, Encode, Decode)]
pub struct ItemPlaceRow {
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
    /// The first bytes of the hash of its id: with the mailbox, what [`Table::ItemIds`] has it under.
    #[cbor(n(5), with = "minicbor::bytes")]
    pub id: [u8; 8],
}

/// Where a version of an item is listed.
#[derive(Clone, Copy, Debug, PartialEq, Encode, Decode)]
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
    /// Whether retention marked it.
    #[n(3)]
    pub marked: bool,
}

/// What a server's item id is to us.
#[derive(Clone, Copy, Debug, PartialEq, Encode, Decode)]
pub struct ItemIdRow {
    /// Our key.
    #[n(0)]
    pub key: u64,
    /// The folder it is in.
    #[n(1)]
    pub folder: u64,
    /// Hash of the server's mark of the present state.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub change: Option<[u8; 8]>,
    /// Fidelity code.
    #[n(3)]
    pub fidelity: u8,
    /// Whether the item is there now.
    #[n(4)]
    pub live: bool,
}

/// An item that waits until it is of the right age.
#[derive(Clone, Copy, Debug, PartialEq, Encode, Decode)]
pub struct WaitingRow {
    /// Its record.
    #[n(0)]
    pub place: Place,
    /// The folder it is in.
    #[n(1)]
    pub folder: u64,
    /// From when its age counts, in microseconds since 1970.
    #[n(2)]
    pub since: i64,
}

/// Where a chunk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ChunkRow {
    /// The commit of the block.
    #[n(0)]
    pub seq: u64,
    /// Which of that commit's frames.
    #[n(1)]
    pub n: u32,
    /// Where the chunk begins in the block's raw bytes.
    #[n(2)]
    pub offset: u32,
    /// Its length in bytes.
    #[n(3)]
    pub len: u32,
}

impl PackRow {
    /// Returns the pack's name.
    pub fn name(&self, first: CommitSeq) -> String {
        pack::name(first, CommitSeq(self.last), self.generation, self.check)
    }
}

impl FrameRow {
    /// Returns whether it holds records.
    pub fn is_records(&self) -> bool {
        self.kind == KIND_RECORDS
    }

    /// Returns whether it is a block.
    pub fn is_block(&self) -> bool {
        self.kind == KIND_BLOCK
    }
}

const KIND_BLOCK: u8 = 1;
const KIND_RECORDS: u8 = 2;
const KIND_DIRECTORY: u8 = 3;

impl From<&FrameEntry> for FrameRow {
    fn from(entry: &FrameEntry) -> Self {
        let header = &entry.header;
        let kind = match header.kind {
            FrameKind::Block => KIND_BLOCK,
            FrameKind::Records => KIND_RECORDS,
            FrameKind::Directory => KIND_DIRECTORY,
        };
        Self { kind, offset: entry.offset, stored: header.stored, raw: header.raw, mailbox: header.mailbox, keygen: header.keygen }
    }
}

impl ChunkRow {
    /// Returns the block.
    pub fn frame(&self) -> FrameKey {
        FrameKey::new(CommitSeq(self.seq), self.n)
    }
}

impl<C> Encode<C> for Place {
    fn encode<W: Write>(&self, encoder: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
        encoder.array(3)?.u64(self.frame.seq.0)?.u32(self.frame.n)?.u32(self.index)?;
        Ok(())
    }
}

impl<'b, C> Decode<'b, C> for Place {
    fn decode(decoder: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
        if decoder.array()? != Some(3) {
            return Err(DecodeError::message("a place has three numbers"));
        }
        Ok(Self { frame: FrameKey::new(CommitSeq(decoder.u64()?), decoder.u32()?), index: decoder.u32()? })
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
        Self::default().and_time(micros)
    }

    /// Begins with a frame.
    pub fn frame(frame: FrameKey) -> Self {
        Self::number(frame.seq.0).u32(frame.n)
    }

    /// Begins with a hash.
    pub fn hash(hash: &Hash20) -> Self {
        Self(hash.to_vec())
    }

    /// Continues with a time in microseconds since 1970.
    #[must_use]
    pub fn and_time(self, micros: i64) -> Self {
        // Flipping the sign bit makes negative times sort before positive ones.
        self.u64(micros.cast_unsigned() ^ 1 << 63)
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

    /// Ends with a hash.
    #[must_use]
    pub fn and_hash(mut self, hash: &Hash20) -> Self {
        self.0.extend(hash);
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

    /// Takes a frame.
    pub fn frame(&mut self) -> Option<FrameKey> {
        Some(FrameKey::new(CommitSeq(self.u64()?), self.u32()?))
    }
}

/// Key of [`Table::ItemsLive`].
pub fn live_key(mailbox: MailboxKey, folder: FolderKey, from: u64, item: ItemKey) -> Key {
    Key::mailbox(mailbox).u64(folder.0).u64(from).u64(item.0)
}

/// Key of [`Table::ItemsPast`] and [`Table::ItemsMarked`].
pub fn past_key(mailbox: MailboxKey, folder: FolderKey, until: u64, from: u64, item: ItemKey) -> Key {
    Key::mailbox(mailbox).u64(folder.0).u64(until).u64(from).u64(item.0)
}

/// Key of [`Table::Grants`].
pub fn grant_key(mailbox: MailboxKey, frame: FrameKey) -> Key {
    Key::mailbox(mailbox).u64(frame.seq.0).u32(frame.n)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn round<T: Encode<()> + for<'b> Decode<'b, ()>>(value: &T) -> T {
        minicbor::decode(&minicbor::to_vec(value).unwrap()).unwrap()
    }

    #[test]
    fn a_row_is_small() {
        let place = Place { frame: FrameKey::new(CommitSeq(1000), 20), index: 100 };
        let row = ItemRowValue { place, brought: 100_000, version: 1, mark: None, rule: None, judged: None };
        assert_eq!(minicbor::to_vec(row).unwrap().len(), 14);
        assert_eq!(minicbor::to_vec(ChunkRow { seq: 1000, n: 20, offset: 100_000, len: 9000 }).unwrap().len(), 13);
    }

    #[test]
    fn tables_have_names_of_their_own() {
        let names: std::collections::BTreeSet<_> = Table::ALL.iter().map(|table| table.name()).collect();
        assert_eq!(names.len(), Table::ALL.len());
    }

    proptest! {
        #[test]
        fn rows_read_back(seq: u64, n: u32, index: u32, brought: u64, version: u32, mark: bool, rule: Option<u8>, change: Option<[u8; 8]>, flag: bool) {
            let place = Place { frame: FrameKey::new(CommitSeq(seq), n), index };
            let row = ItemRowValue { place, brought, version, mark: mark.then_some(place), rule, judged: mark.then_some(seq) };
            prop_assert_eq!(round(&row), row);
            let row = ItemIdRow { key: brought, folder: seq, change, fidelity: 3, live: flag };
            prop_assert_eq!(round(&row), row);
            let row = MailboxRowValue { place: flag.then_some(place), versions: brought, erased: flag, ..MailboxRowValue::default() };
            prop_assert_eq!(round(&row), row.clone());
            let row = PackRow { last: seq, generation: n, check: index.to_le_bytes(), bytes: brought, verified: flag.then_some(-1) };
            prop_assert_eq!(round(&row), row.clone());
        }

        #[test]
        fn keys_read_back_and_sort_like_their_numbers(one: (u32, u64, u64, i64), other: (u32, u64, u64, i64)) {
            let key = |of: (u32, u64, u64, i64)| live_key(MailboxKey(of.0), FolderKey(of.1), of.2, ItemKey(7)).0;
            let mut take = KeyTake::new(&[]);
            prop_assert_eq!(take.u64(), None);
            let bytes = key(one);
            let mut take = KeyTake::new(&bytes);
            prop_assert_eq!((take.mailbox(), take.u64(), take.u64(), take.u64()), (Some(MailboxKey(one.0)), Some(one.1), Some(one.2), Some(7)));
            let numbers = |of: (u32, u64, u64, i64)| (of.0, of.1, of.2);
            prop_assert_eq!(key(one).cmp(&key(other)), numbers(one).cmp(&numbers(other)));
            prop_assert_eq!(Key::time(one.3).0.cmp(&Key::time(other.3).0), one.3.cmp(&other.3));
            let frame = FrameKey::new(CommitSeq(one.1), one.0);
            prop_assert_eq!(KeyTake::new(&Key::frame(frame).0).frame(), Some(frame));
        }
    }
}
