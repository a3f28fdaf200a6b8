//! Records: what a pack says, beside the bytes of contents.
//!
//! Encoded as CBOR (RFC 8949): a record is an array of its number and an array of its fields by
//! index. A field that is absent at the end is left out; readers ignore fields that they do not
//! know, so fields can be added. A new *kind* of record needs a feature flag.

use super::recipe::RecipeRecord;
use super::{micros, time_of};
use crate::{ContentId, Failure, FolderKey, Waiting};
use c2b_mailbox::{ChangeKey, Fidelity, FlagStatus, FolderId, Format, Importance, ItemId, ItemMeta, Role};
use minicbor::{Decode, Encode};

/// Anything that a pack can say.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub enum Record {
    /// A mailbox exists. Repeated in every commit that touches it.
    #[n(1)]
    Mailbox(#[n(0)] MailboxRecord),
    /// A folder is in this state from this commit on.
    #[n(2)]
    Folder(#[n(0)] FolderRecord),
    /// A folder is gone.
    #[n(3)]
    FolderGone(#[n(0)] FolderGoneRecord),
    /// An item is in this state from this commit on.
    #[n(4)]
    Item(#[n(0)] Box<ItemRecord>),
    /// An item is gone.
    #[n(5)]
    ItemGone(#[n(0)] ItemGoneRecord),
    /// An item has another change key, and nothing else changed.
    #[n(6)]
    ItemMark(#[n(0)] ItemMarkRecord),
    /// An enumeration of changes stands here.
    #[n(7)]
    Cursor(#[n(0)] CursorRecord),
    /// An item failed.
    #[n(8)]
    Failure(#[n(0)] FailureRecord),
    /// An item's failure is over.
    #[n(9)]
    FailureGone(#[n(0)] FailureGoneRecord),
    /// This commit is a point in time of a mailbox.
    #[n(10)]
    Point(#[n(0)] PointRecord),
    /// How a content is put together.
    #[n(11)]
    Recipe(#[n(0)] RecipeRecord),
    /// The commit's time. The last record of every commit.
    #[n(12)]
    Commit(#[n(0)] CommitRecord),
    /// A block of this commit: the capability to it, and the chunks in it.
    #[n(13)]
    Block(#[n(0)] BlockRecord),
    /// The mailbox may read a block that it did not store itself.
    #[n(14)]
    Grant(#[n(0)] GrantRecord),
    /// Retention marked a past version: it is not shown any more.
    #[n(15)]
    VersionGone(#[n(0)] VersionGoneRecord),
    /// A marked version is shown again.
    #[n(16)]
    VersionBack(#[n(0)] VersionRecord),
    /// A marked version is gone for good.
    #[n(17)]
    VersionFreed(#[n(0)] VersionRecord),
    /// A mailbox was erased from all history.
    #[n(18)]
    Erased(#[n(0)] ErasedRecord),
    /// A content is known to be lost.
    #[n(19)]
    Lost(#[n(0)] LostRecord),
    /// The address of an erased mailbox may be backed up again, under a new key.
    #[n(20)]
    Allowed(#[n(0)] AllowedRecord),
    /// An item was seen and is not of an age yet that is backed up, or it waits no more. Needs the flag `waiting`.
    #[n(21)]
    Waiting(#[n(0)] WaitingRecord),
}

/// See [`Record::Mailbox`].
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct MailboxRecord {
    /// Our key.
    #[n(0)]
    pub key: u32,
    /// Its address.
    #[n(1)]
    pub address: String,
    /// The commit that brought it.
    #[n(2)]
    pub first: u64,
}

/// See [`Record::Folder`].
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct FolderRecord {
    /// The mailbox.
    #[n(0)]
    pub mailbox: u32,
    /// Our key.
    #[n(1)]
    pub key: u64,
    /// Its id at the source.
    #[n(2)]
    pub id: String,
    /// The parent's id at the source.
    #[n(3)]
    pub parent_id: Option<String>,
    /// The parent's key, as far as it is known.
    #[n(4)]
    pub parent: Option<u64>,
    /// Display name.
    #[n(5)]
    pub name: String,
    /// Safe name, unique among siblings.
    #[n(6)]
    pub file_name: String,
    /// Class.
    #[n(7)]
    pub class: String,
    /// Well-known role.
    #[n(8)]
    pub role: Option<String>,
    /// The commit of the folder's first version.
    #[n(9)]
    pub created: u64,
    /// Who may do what in it, a line for each.
    #[n(10)]
    pub permissions: Option<String>,
}

/// See [`Record::FolderGone`].
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct FolderGoneRecord {
    /// The mailbox.
    #[n(0)]
    pub mailbox: u32,
    /// The folder.
    #[n(1)]
    pub key: u64,
}

/// A content and its length.
#[derive(Clone, Copy, Debug, PartialEq, Encode, Decode)]
pub struct ContentRef {
    /// BLAKE3 of all its bytes.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub id: [u8; 32],
    /// Its length in bytes.
    #[n(1)]
    pub len: u64,
}

/// See [`Record::Item`].
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct ItemRecord {
    /// The mailbox.
    #[n(0)]
    pub mailbox: u32,
    /// The folder.
    #[n(1)]
    pub folder: u64,
    /// Our key.
    #[n(2)]
    pub key: u64,
    /// Number of the version, from 1.
    #[n(3)]
    pub version: u32,
    /// Safe file name.
    #[n(4)]
    pub file_name: String,
    /// File time in microseconds since 1970.
    #[n(5)]
    pub time: i64,
    /// 0 full, 1 export only, 2 MIME, 3 properties, 4 partial.
    #[n(6)]
    pub fidelity: u8,
    /// What a mount serves.
    #[n(7)]
    pub shown: Option<ContentRef>,
    /// 0 eml, 1 ics, 2 vcf, 3 txt; absent when `shown` is the export stream or nothing.
    #[n(8)]
    pub format: Option<u8>,
    /// Whether the readable form was rendered from properties.
    #[n(9)]
    pub rendered: bool,
    /// The export stream.
    #[n(10)]
    pub export: Option<ContentRef>,
    /// Its properties.
    #[n(11)]
    pub meta: MetaRecord,
}

/// Properties of an item; times in microseconds since 1970.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct MetaRecord {
    /// Id at the source.
    #[n(0)]
    pub id: String,
    /// The server's mark of this state.
    #[n(1)]
    pub change_key: Option<String>,
    /// Message class.
    #[n(2)]
    pub class: String,
    /// Subject.
    #[n(3)]
    pub subject: String,
    /// Sender.
    #[n(4)]
    pub from: String,
    /// Recipients.
    #[n(5)]
    pub recipients: Vec<String>,
    /// Message-ID or UID.
    #[n(6)]
    pub message_id: Option<String>,
    /// Received.
    #[n(7)]
    pub received: Option<i64>,
    /// Sent.
    #[n(8)]
    pub sent: Option<i64>,
    /// Created in the mailbox.
    #[n(9)]
    pub created: Option<i64>,
    /// Modified in the mailbox.
    #[n(10)]
    pub modified: Option<i64>,
    /// Start.
    #[n(11)]
    pub start: Option<i64>,
    /// End or due.
    #[n(12)]
    pub end: Option<i64>,
    /// Size that the server reports, in bytes.
    #[n(13)]
    pub size: Option<u64>,
    /// Read state.
    #[n(14)]
    pub read: Option<bool>,
    /// 0 flagged, 1 complete.
    #[n(15)]
    pub flag: Option<u8>,
    /// 0 low, 1 normal, 2 high.
    #[n(16)]
    pub importance: Option<u8>,
    /// Categories.
    #[n(17)]
    pub categories: Vec<String>,
    /// Whether it has attachments.
    #[n(18)]
    pub has_attachments: bool,
    /// Search key.
    #[cbor(n(19), with = "minicbor::bytes")]
    pub search_key: Option<Vec<u8>>,
    /// Whether it is associated with its folder; absent when not.
    #[n(20)]
    pub associated: Option<bool>,
}

/// See [`Record::ItemGone`].
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct ItemGoneRecord {
    /// The item.
    #[n(0)]
    pub key: u64,
}

/// See [`Record::ItemMark`].
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct ItemMarkRecord {
    /// The item.
    #[n(0)]
    pub key: u64,
    /// The new change key.
    #[n(1)]
    pub change_key: Option<String>,
}

/// See [`Record::Cursor`].
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct CursorRecord {
    /// The mailbox.
    #[n(0)]
    pub mailbox: u32,
    /// The folder; absent for the folder tree.
    #[n(1)]
    pub folder: Option<u64>,
    /// The cursor; absent when it is forgotten.
    #[n(2)]
    pub cursor: Option<String>,
}

/// See [`Record::Failure`]; times in microseconds since 1970.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct FailureRecord {
    /// The mailbox.
    #[n(0)]
    pub mailbox: u32,
    /// Id at the source.
    #[n(1)]
    pub id: String,
    /// The folder.
    #[n(2)]
    pub folder: u64,
    /// The job.
    #[n(3)]
    pub job: String,
    /// The state that was tried.
    #[n(4)]
    pub change_key: Option<String>,
    /// Subject.
    #[n(5)]
    pub subject: String,
    /// Date.
    #[n(6)]
    pub date: Option<i64>,
    /// Size in bytes.
    #[n(7)]
    pub size: Option<u64>,
    /// Code.
    #[n(8)]
    pub code: String,
    /// Why.
    #[n(9)]
    pub message: String,
    /// How often it was tried.
    #[n(10)]
    pub attempts: u32,
    /// First time.
    #[n(11)]
    pub first_seen: i64,
    /// Last time.
    #[n(12)]
    pub last_seen: i64,
    /// When to try again; absent for never.
    #[n(13)]
    pub next_try: Option<i64>,
}

/// See [`Record::FailureGone`].
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct FailureGoneRecord {
    /// The mailbox.
    #[n(0)]
    pub mailbox: u32,
    /// Id at the source.
    #[n(1)]
    pub id: String,
}

/// See [`Record::Waiting`]; times in microseconds since 1970.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct WaitingRecord {
    /// The mailbox.
    #[n(0)]
    pub mailbox: u32,
    /// Id at the source.
    #[n(1)]
    pub id: String,
    /// From when its age counts; absent when it waits no more.
    #[n(2)]
    pub since: Option<i64>,
    /// The folder; absent when it waits no more.
    #[n(3)]
    pub folder: Option<u64>,
    /// The state that was seen.
    #[n(4)]
    pub change_key: Option<String>,
    /// Size in bytes.
    #[n(5)]
    pub size: Option<u64>,
}

/// See [`Record::Point`].
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct PointRecord {
    /// The mailbox.
    #[n(0)]
    pub mailbox: u32,
}

/// See [`Record::Commit`].
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct CommitRecord {
    /// Microseconds since 1970.
    #[n(0)]
    pub time: i64,
}

/// See [`Record::Block`].
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct BlockRecord {
    /// Which frame of this commit.
    #[n(0)]
    pub n: u32,
    /// BLAKE3 of the block's raw bytes: the capability to it.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub hash: [u8; 32],
    /// The chunks in it, one after the other from its beginning.
    #[n(2)]
    pub chunks: Vec<BlockChunk>,
}

/// A chunk of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct BlockChunk {
    /// The first 20 bytes of the BLAKE3 hash of its bytes.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub id: [u8; 20],
    /// Its length in bytes.
    #[n(1)]
    pub len: u32,
}

/// See [`Record::Grant`].
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct GrantRecord {
    /// The commit that wrote the block.
    #[n(0)]
    pub seq: u64,
    /// Which of that commit's frames.
    #[n(1)]
    pub n: u32,
    /// BLAKE3 of the block's raw bytes.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub hash: [u8; 32],
}

/// A past version of an item; see [`Record::VersionBack`] and [`Record::VersionFreed`].
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct VersionRecord {
    /// The item.
    #[n(0)]
    pub item: u64,
    /// The first commit in which the version held.
    #[n(1)]
    pub from: u64,
}

/// See [`Record::VersionGone`].
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct VersionGoneRecord {
    /// The item.
    #[n(0)]
    pub item: u64,
    /// The first commit in which the version held.
    #[n(1)]
    pub from: u64,
    /// The rule: 0 superseded too long ago, 1 deleted too long ago, 2 too many versions.
    #[n(2)]
    pub rule: u8,
}

/// See [`Record::Erased`].
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct ErasedRecord {
    /// The mailbox's key.
    #[n(0)]
    pub mailbox: u32,
    /// Its address.
    #[n(1)]
    pub address: String,
    /// When, in microseconds since 1970.
    #[n(2)]
    pub time: i64,
    /// Who asked for it.
    #[n(3)]
    pub who: String,
    /// Items that it had.
    #[n(4)]
    pub items: u64,
    /// Versions that it had.
    #[n(5)]
    pub versions: u64,
    /// The last folder key that was given out, to whomever: the mailbox's own records cannot tell any more.
    #[cbor(n(6), default)]
    pub folders_last: u64,
    /// The last item key that was given out, to whomever.
    #[cbor(n(7), default)]
    pub items_last: u64,
    /// Blocks of other mailboxes, as seq and n, that hold what only this one had any more and that go with it.
    #[cbor(n(8), default)]
    pub blocks: Vec<(u64, u32)>,
}

/// See [`Record::Lost`].
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct LostRecord {
    /// The content.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub id: [u8; 32],
    /// What happened to it.
    #[n(1)]
    pub reason: String,
    /// When that was found, in microseconds since 1970.
    #[n(2)]
    pub time: i64,
}

/// See [`Record::Allowed`].
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct AllowedRecord {
    /// The erased mailbox's key.
    #[n(0)]
    pub mailbox: u32,
    /// Its address.
    #[n(1)]
    pub address: String,
}

impl ContentRef {
    /// Returns the content's id.
    pub fn content(&self) -> ContentId {
        ContentId(self.id)
    }
}

impl From<&ItemMeta> for MetaRecord {
    fn from(meta: &ItemMeta) -> Self {
        Self {
            id: meta.id.as_str().to_owned(),
            change_key: meta.change_key.as_ref().map(|key| key.as_str().to_owned()),
            class: meta.class.clone(),
            subject: meta.subject.clone(),
            from: meta.from.clone(),
            recipients: meta.recipients.clone(),
            message_id: meta.message_id.clone(),
            received: meta.received.map(micros),
            sent: meta.sent.map(micros),
            created: meta.created.map(micros),
            modified: meta.modified.map(micros),
            start: meta.start.map(micros),
            end: meta.end.map(micros),
            size: meta.size,
            read: meta.read,
            flag: meta.flag.map(|flag| match flag {
                FlagStatus::Flagged => 0,
                FlagStatus::Complete => 1,
            }),
            importance: meta.importance.map(|importance| match importance {
                Importance::Low => 0,
                Importance::Normal => 1,
                Importance::High => 2,
            }),
            categories: meta.categories.clone(),
            has_attachments: meta.has_attachments,
            search_key: meta.search_key.clone(),
            associated: meta.associated.then_some(true),
        }
    }
}

impl From<&MetaRecord> for ItemMeta {
    fn from(meta: &MetaRecord) -> Self {
        Self {
            id: ItemId::new(&meta.id),
            change_key: meta.change_key.as_ref().map(ChangeKey::new),
            class: meta.class.clone(),
            subject: meta.subject.clone(),
            from: meta.from.clone(),
            recipients: meta.recipients.clone(),
            message_id: meta.message_id.clone(),
            received: meta.received.map(time_of),
            sent: meta.sent.map(time_of),
            created: meta.created.map(time_of),
            modified: meta.modified.map(time_of),
            start: meta.start.map(time_of),
            end: meta.end.map(time_of),
            size: meta.size,
            read: meta.read,
            flag: meta.flag.map(|flag| if flag == 0 { FlagStatus::Flagged } else { FlagStatus::Complete }),
            importance: meta.importance.map(|importance| match importance {
                0 => Importance::Low,
                1 => Importance::Normal,
                _ => Importance::High,
            }),
            categories: meta.categories.clone(),
            has_attachments: meta.has_attachments,
            search_key: meta.search_key.clone(),
            associated: meta.associated == Some(true),
        }
    }
}

impl FailureRecord {
    /// Encodes a failure of a mailbox.
    pub fn new(mailbox: u32, failure: &Failure) -> Self {
        Self {
            mailbox,
            id: failure.id.as_str().to_owned(),
            folder: failure.folder.0,
            job: failure.job.clone(),
            change_key: failure.change_key.as_ref().map(|key| key.as_str().to_owned()),
            subject: failure.subject.clone(),
            date: failure.date.map(micros),
            size: failure.size,
            code: failure.code.clone(),
            message: failure.message.clone(),
            attempts: failure.attempts,
            first_seen: micros(failure.first_seen),
            last_seen: micros(failure.last_seen),
            next_try: failure.next_try.map(micros),
        }
    }
}

impl From<FailureRecord> for Failure {
    fn from(record: FailureRecord) -> Self {
        Self {
            id: ItemId::new(record.id),
            folder: FolderKey(record.folder),
            job: record.job,
            change_key: record.change_key.map(ChangeKey::new),
            subject: record.subject,
            date: record.date.map(time_of),
            size: record.size,
            code: record.code,
            message: record.message,
            attempts: record.attempts,
            first_seen: time_of(record.first_seen),
            last_seen: time_of(record.last_seen),
            next_try: record.next_try.map(time_of),
        }
    }
}

impl WaitingRecord {
    /// Encodes an item of a mailbox that waits.
    pub fn new(mailbox: u32, waiting: &Waiting) -> Self {
        Self {
            mailbox,
            id: waiting.id.as_str().to_owned(),
            since: Some(micros(waiting.since)),
            folder: Some(waiting.folder.0),
            change_key: waiting.change_key.as_ref().map(|key| key.as_str().to_owned()),
            size: waiting.size,
        }
    }

    /// Encodes that an item of a mailbox waits no more.
    pub fn over(mailbox: u32, id: &ItemId) -> Self {
        Self { mailbox, id: id.as_str().to_owned(), since: None, folder: None, change_key: None, size: None }
    }

    /// Returns where and since when it waits; `None` when it does no more.
    pub fn place(&self) -> Option<(FolderKey, i64)> {
        Some((FolderKey(self.folder?), self.since?))
    }

    /// Returns the item that waits; `None` when it does no more.
    pub fn waiting(&self) -> Option<Waiting> {
        let (folder, since) = self.place()?;
        let change_key = self.change_key.as_ref().map(ChangeKey::new);
        Some(Waiting { id: ItemId::new(&self.id), folder, change_key, size: self.size, since: time_of(since) })
    }
}

impl FolderRecord {
    /// Returns the domain words for id and role.
    pub fn words(&self) -> (FolderId, Option<Role>) {
        (FolderId::new(&self.id), self.role.as_deref().map(Role::new))
    }
}

/// Returns the number of a fidelity.
pub fn fidelity_code(fidelity: Fidelity) -> u8 {
    match fidelity {
        Fidelity::Full => 0,
        Fidelity::ExportOnly => 1,
        Fidelity::Mime => 2,
        Fidelity::Properties => 3,
        Fidelity::Partial => 4,
    }
}

/// Returns the fidelity of a number; unknown numbers are the least that one can promise.
pub fn fidelity_of(code: u8) -> Fidelity {
    [Fidelity::Full, Fidelity::ExportOnly, Fidelity::Mime, Fidelity::Properties]
        .into_iter()
        .find(|fidelity| fidelity_code(*fidelity) == code)
        .unwrap_or(Fidelity::Partial)
}

/// Returns the number of a format.
pub fn format_code(format: Format) -> u8 {
    match format {
        Format::Eml => 0,
        Format::Ics => 1,
        Format::Vcf => 2,
        Format::Txt => 3,
    }
}

/// Returns the format of a number; unknown numbers are text.
pub fn format_of(code: u8) -> Format {
    [Format::Eml, Format::Ics, Format::Vcf].into_iter().find(|format| format_code(*format) == code).unwrap_or(Format::Txt)
}
