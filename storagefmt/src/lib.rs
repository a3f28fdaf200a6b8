//! The archive.

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
pub mod row;
pub mod store;
pub mod writer;

pub use catalog::{Catalog, ItemRows};
pub use check::{CheckProgress, CheckReport, Damage, DamagedItem, check};
pub use contents::{ContentFile, Contents};
pub use error::Error;
pub use key::{ChunkId, CommitSeq, ContentId, FolderKey, ItemKey, KeyError, MailboxKey, Moment};
pub use probe::probe;
pub use rebuild::{RebuildProgress, RebuildReport, rebuild};
pub use row::{
    CursorScope, Failure, FolderRow, ItemRow, Known, MailboxCounts, MailboxRow, Pending, Point, Probe, ProbeKind, Put, PutOutcome, StorageInfo, StorageStats,
    Touched,
};
pub use writer::Writer;
