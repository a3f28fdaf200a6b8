//! The archive: mail in sealed packs, an index that can always be made anew, and every past moment.
//!
//! # Reading this crate
//!
//! * [`Writer`] fills a batch and commits it in one step; [`Catalog`] answers what is there at a
//!   [`Moment`]; [`Contents`] reads bytes by range. These three are all that the rest of c2b knows.
//! * [`mod@check`] says whether everything is whole, [`mod@rebuild`] makes the index anew, [`mod@probe`] looks at a path.
//!   [`Sealing`] says how a new storage is sealed, [`Unlock`] what an existing one is opened with.
//! * Inside: `cut` decides where contents are cut into chunks; `pack` writes, reads and rewrites the immutable files that
//!   hold everything; `seal` keeps the keys; `index` turns records into rows; [`mod@format`] alone names bytes; [`store`] is the
//!   seam to the file system.
//! * `doc/format.md` describes every byte, for those who read a storage without this program.
//!
//! # What holds
//!
//! * A commit is one pack, durable before it is visible, and visible in one step with its cursors. A crash
//!   at any write loses the open batch and nothing else; a batch without changes writes nothing. Packs of neighbouring
//!   commits may be rewritten into one later; frames and records keep their names.
//! * The index is derived from packs by one function, in a commit as in a rebuild. It is not synced with each commit:
//!   opening brings it to the state of the packs. It holds numbers and keyed hashes; texts are in frames as packs hold them.
//! * Contents belong to mailboxes, blocks of bytes may be shared: a mailbox reads a block if it holds the block's hash.
//!   In a sealed storage that hash is the key to it, sealed with the mailbox's own key.
//! * Bytes come back exactly as they went in, or as an error. Never zeros, never something else.
//! * The library reads no clock and no environment, and prints nothing; times are given by the caller.
//!
//! # Who may do what at the same time
//!
//! | | backup ([`Writer`]) | check | rebuild | mount ([`Catalog::open_reader`]) |
//! |---|---|---|---|---|
//! | **backup** | one: the second is refused and told the process | yes | refused: `InUse` | yes |
//! | **check** | yes: looks at what was committed when it began | yes | yes, of the index it opened | yes |
//! | **rebuild** | refused: `InUse` | yes | refused: `InUse` | yes: readers go over to the new index when they refresh |
//! | **mount** | yes: new commits and mailboxes show after a refresh; packs that were replaced are found again | yes | yes | any number |
//!
//! Nobody waits for anybody: readers take no lock, and the lock of the one writer is the kernel's, so it ends with its process.

pub mod catalog;
pub mod check;
pub mod contents;
mod cut;
pub mod error;
pub mod format;
mod index;
pub mod key;
mod layout;
mod name;
mod pack;
pub mod probe;
pub mod rebuild;
pub mod repair;
pub mod row;
mod seal;
pub mod store;
mod unlock;
pub mod writer;

pub use catalog::{Catalog, ItemRows};
pub use check::{CheckOptions, CheckProgress, CheckReport, Damage, DamagedItem, check};
pub use contents::{ContentFile, Contents};
pub use error::Error;
pub use key::{ChunkId, CommitSeq, ContentId, FolderKey, FrameKey, ItemKey, KeyError, MailboxKey, Moment, Place};
pub use probe::probe;
pub use rebuild::{RebuildProgress, RebuildReport, rebuild};
pub use repair::{LostItem, RepairProgress, RepairReport, repair};
pub use row::{
    ChangeMark, CursorScope, Erasure, Failure, FolderRow, ItemRow, Known, MailboxCounts, MailboxRow, Pending, Point, Probe, ProbeKind, Put, PutOutcome,
    StorageInfo, StorageStats, Touched,
};
pub use seal::{Argon2Params, CopyState, KeyStore, RecoveryKey, SealError, Unlock, WrapInfo, WrapKind};
pub use writer::{Sealing, Writer};
