//! The archive: mail in sealed packs, an index that can always be made anew, and every past moment.
//!
//! # Reading this crate
//!
//! * [`Writer`] fills a batch and commits it in one step; [`Catalog`] answers what is there at a
//!   [`Moment`]; [`Contents`] reads bytes by range. These three are all that the rest of c2b knows.
//! * [`mod@check`] says whether everything is whole, [`mod@rebuild`] makes the index anew, [`mod@probe`] looks at a path.
//!   [`Sealing`] says how a new storage is sealed, [`Unlock`] what an existing one is opened with.
//! * [`mod@copy`] makes a copy and keeps it up to date; [`mod@pins`] shows who holds space that is not free although files are deleted.
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
//! | **freeing** ([`FreeRun`]) | yes: the writer takes a step between two batches | yes | refused: `InUse` | yes: what is not freed reads on |
//!
//! A copy reads its source like a mount, beside all of these, freeing included; the folder that it writes to is locked like by a backup.
//!
//! When the disk is full, reading goes on, commits fail with [`Error::NoSpace`], and the same writer goes on once there is room.
//!
//! Nobody waits for anybody: readers take no lock, and the lock of the one writer is the kernel's, so it ends with its process.

mod ballast;
pub mod catalog;
pub mod check;
pub mod contents;
pub mod copy;
mod cut;
pub mod erase;
pub mod error;
pub mod format;
pub mod free;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod index;
pub mod key;
mod layout;
pub mod machine_key;
mod name;
mod pack;
pub mod pins;
pub mod probe;
pub mod rebuild;
mod rehome;
pub mod repair;
mod replace;
pub mod reseal;
pub mod retention;
pub mod row;
mod seal;
pub mod store;
mod unlock;
pub mod writer;

pub use ballast::RESERVE_BYTES;
pub use catalog::{Catalog, ItemRows};
pub use check::{CheckOptions, CheckProgress, CheckReport, Damage, DamagedItem, check};
pub use contents::{ContentFile, Contents};
pub use copy::{CopyProgress, CopyReport, copy};
pub use erase::{ErasePlan, ErasePlanning, EraseReport, EraseRun, EraseStage, EraseStep};
pub use error::Error;
pub use free::{FreePlan, FreeReport, FreeRun, FreeStage, FreeStep, PendingReason, PendingSpace};
pub use key::{ChunkId, CommitSeq, ContentId, FolderKey, FrameKey, ItemKey, KeyError, MailboxKey, Moment, Place};
pub use pins::{Pin, pins};
pub use probe::{Space, probe, space};
pub use rebuild::{RebuildProgress, RebuildReport, rebuild};
pub use repair::{LostItem, RepairProgress, RepairReport, repair};
pub use reseal::{ResealPending, ResealReport, ResealRun, ResealStep};
pub use retention::{Decision, RetentionPlan, RetentionPolicy, RetentionRule, RuleCount};
pub use row::{
    ChangeMark, CursorScope, Erasure, Failure, FolderRow, ItemRow, Known, MailboxCounts, MailboxRow, Pending, Point, Probe, ProbeKind, Put, PutOutcome,
    StorageInfo, StorageStats, Touched, Waiting,
};
pub use seal::{Argon2Params, CopyState, KeyStore, RecoveryKey, Rotated, SealError, Unlock, WrapInfo, WrapKind};
pub use writer::{Sealing, StorageKeys, Writer};
