//! What can go wrong with a storage, each with the place and, where there is one, the way out.

use crate::{CommitSeq, FrameKey, SealError};
use std::io;
use std::path::PathBuf;

/// The archive's error.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder holds other things: nothing of ours may be put there.
    #[error("{path} is not empty and not a storage (found {found:?})")]
    NotEmpty {
        /// The folder.
        path: PathBuf,
        /// Something that is in it.
        found: String,
    },
    /// There is a storage already.
    #[error("{path} is a storage already: open it, or choose an empty folder")]
    AlreadyAStorage {
        /// The folder.
        path: PathBuf,
    },
    /// There is no storage.
    #[error("{path} is not a storage: it has no storage.toml")]
    NotAStorage {
        /// The folder.
        path: PathBuf,
    },
    /// The storage's description cannot be understood.
    #[error("{path} is damaged ({reason}): run `storage repair`, which makes it anew from the packs")]
    Description {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The storage was written by a preview of this program, before its first release.
    #[error("{path} has format {found}, which was a preview and is read by no release: delete it and back up anew")]
    PreviewFormat {
        /// The storage.
        path: PathBuf,
        /// Its version.
        found: i64,
    },
    /// The storage was written by a newer program.
    #[error("{path} has format {found}, newer than format {supported} of this program: install a newer c2b")]
    NewerFormat {
        /// The storage.
        path: PathBuf,
        /// What it needs: a version, or feature flags unknown to us.
        found: String,
        /// The version that this program writes.
        supported: u32,
    },
    /// Another process has the storage open for writing.
    #[error("{path} is in use by another process (pid {}): stop it first", pid.map_or_else(|| "unknown".to_owned(), |pid| pid.to_string()))]
    InUse {
        /// The storage.
        path: PathBuf,
        /// That process, as far as it left its number.
        pid: Option<u32>,
    },
    /// The file system is full.
    #[error("no space left for {path}: free some space, nothing committed is lost")]
    NoSpace {
        /// What was being written.
        path: PathBuf,
        /// The cause below.
        #[source]
        err: io::Error,
    },
    /// A file or folder of the storage could not be read or written.
    #[error("failed to {operation} {path}")]
    File {
        /// What was tried.
        operation: &'static str,
        /// With which file.
        path: PathBuf,
        /// The cause below.
        #[source]
        err: io::Error,
    },
    /// The index folder is missing or was being remade.
    #[error("{path} has no index: run `storage rebuild`, the packs hold everything")]
    IndexMissing {
        /// The storage.
        path: PathBuf,
    },
    /// The index could not be opened again after a failed write.
    #[error("{path} is closed after an error: free some space and try again")]
    IndexClosed {
        /// Its folder.
        path: PathBuf,
    },
    /// RocksDB reported an error.
    #[error("failed to {operation} the index: run `storage rebuild` if this persists")]
    Index {
        /// What was tried.
        operation: &'static str,
        /// The cause below.
        #[source]
        err: rocksdb::Error,
    },
    /// A row of the index cannot be understood.
    #[error("the index has a damaged row in {table}: run `storage rebuild`")]
    IndexRow {
        /// The table.
        table: &'static str,
    },
    /// A pack that the index knows, or that later packs presuppose, is not there.
    #[error("pack {seq} is missing: put the file back, or run `storage repair` to go on without what it held")]
    PackMissing {
        /// Its commit.
        seq: CommitSeq,
    },
    /// A pack that belongs to a commit of the past is not in the index.
    #[error("{path} is not in the index: run `storage rebuild` to take it in")]
    PackUnknown {
        /// The file, relative to the storage.
        path: String,
    },
    /// Two packs claim the same commit.
    #[error("two packs claim commit {seq} ({one} and {other}): remove the one that does not belong here")]
    PackTwice {
        /// The commit.
        seq: CommitSeq,
        /// One of the files.
        one: String,
        /// The other.
        other: String,
    },
    /// A block that a content refers to is not in the archive, or the mailbox was not granted it.
    #[error("block {block} is not in the archive; run `storage check` to see what that concerns")]
    BlockMissing {
        /// The block.
        block: FrameKey,
    },
    /// Packs that were to become one are not neighbours.
    #[error("the {packs} packs to be joined are not neighbours")]
    PacksApart {
        /// How many.
        packs: usize,
    },
    /// A part of a pack is damaged.
    #[error("{path} is damaged at byte {offset}: {reason}; run `storage check --read-data` to see what that concerns")]
    PackDamaged {
        /// The file, relative to the storage.
        path: String,
        /// Where, in bytes from its beginning.
        offset: u64,
        /// What is wrong.
        reason: String,
    },
    /// A frame is not what its header says.
    #[error("frame {frame} is damaged: {reason}; run `storage check --read-data` to see what that concerns")]
    FrameDamaged {
        /// The frame.
        frame: FrameKey,
        /// What is wrong.
        reason: String,
    },
    /// A content is not known.
    #[error("content {content} is not in the archive")]
    NoSuchContent {
        /// Its id.
        content: crate::ContentId,
    },
    /// A content refers to bytes that the archive does not hold.
    #[error("content {content} is damaged: {reason}; run `storage check --read-data` to see what that concerns")]
    ContentDamaged {
        /// Its id.
        content: crate::ContentId,
        /// What is wrong.
        reason: String,
    },
    /// The bytes of an item could not be read while they were stored.
    #[error("failed to read the fetched bytes of item {item}")]
    Fetched {
        /// The item's id at the source.
        item: String,
        /// The cause below.
        #[source]
        err: io::Error,
    },
    /// A mailbox or folder key that this storage did not give out.
    #[error("{what} {key} is not in this storage")]
    UnknownKey {
        /// What kind of key.
        what: &'static str,
        /// The key.
        key: String,
    },
    /// The storage's keys, or what is sealed with them.
    #[error("failed to use the storage's keys")]
    Seal {
        /// The cause below.
        #[source]
        err: SealError,
    },
    /// The mailbox was erased, and is not to come back by itself.
    #[error("mailbox {address} was erased on {}: allow it again before it is backed up", time.format("%Y-%m-%d %H:%M"))]
    Erased {
        /// Its address.
        address: String,
        /// When.
        time: chrono::DateTime<chrono::Utc>,
    },
    /// A folder cannot be copied into itself.
    #[error("{path} is inside the storage, or the storage inside it: choose another folder for the copy")]
    CopyInside {
        /// The folder for the copy.
        path: PathBuf,
    },
    /// The folder for a copy has a copy of another storage.
    #[error("{path} has a copy of another storage ({found}): choose another folder")]
    CopyOfAnother {
        /// The folder.
        path: PathBuf,
        /// Of which.
        found: String,
    },
    /// The copy is not a copy any more.
    #[error("the copy and the storage have parted ({reason}): copy into another folder, nothing was changed")]
    CopyDiverged {
        /// In what.
        reason: String,
    },
    /// A retention policy says nothing, or contradicts itself.
    #[error("the retention policy is refused: {reason}")]
    Policy {
        /// Why.
        reason: String,
    },
    /// The present time does not fit to the times of commits, so nothing can be said to be old.
    #[error("the clock says {}, but the last commit says {}: correct the clock, or say that it is to be trusted", now.format("%Y-%m-%d %H:%M"), last.format("%Y-%m-%d %H:%M"))]
    SuspectClock {
        /// The time that was given.
        now: chrono::DateTime<chrono::Utc>,
        /// The newest time of a commit.
        last: chrono::DateTime<chrono::Utc>,
    },
    /// Something that must be known before anything is removed could not be read.
    #[error("nothing is removed while the archive cannot be read whole: {what}; run `storage check`")]
    ScanFailed {
        /// What.
        what: String,
    },
    /// Another freeing was begun meanwhile.
    #[error("this freeing was given up for another one: begin anew")]
    FreeingReplaced,
    /// One mailbox is erased at a time.
    #[error("mailbox {mailbox} is being erased: finish that first")]
    Erasing {
        /// That mailbox.
        mailbox: crate::MailboxKey,
    },
    /// Passwords and keys are of sealed storages.
    #[error("{path} is not sealed: it has no passwords and keys")]
    NotSealed {
        /// The storage.
        path: PathBuf,
    },
    /// Something failed while the batch was filled, so it cannot be committed.
    #[error("the open batch is incomplete after an earlier error: abandon it and fetch again")]
    BatchBroken,
    /// Work on all of the archive cannot begin while a batch is being filled.
    #[error("there is an open batch: commit or abandon it first")]
    BatchOpen,
}

impl Error {
    /// Returns whether the cause is a full file system (or quota), so that waiting or making room helps.
    pub fn is_no_space(&self) -> bool {
        match self {
            Self::NoSpace { .. } | Self::IndexClosed { .. } => true,
            Self::File { err, .. } | Self::Fetched { err, .. } | Self::Seal { err: SealError::Write { err, .. } } => is_full(err),
            _ => false,
        }
    }

    /// Wraps an error of the file system; a full one has its own variant.
    pub(crate) fn file(operation: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        move |err| if is_full(&err) { Self::NoSpace { path: path.into(), err } } else { Self::File { operation, path: path.into(), err } }
    }

    /// Wraps an error of RocksDB.
    pub(crate) fn index(operation: &'static str) -> impl FnOnce(rocksdb::Error) -> Self {
        move |err| {
            let text = err.to_string();
            if text.contains("No space left") {
                Self::NoSpace { path: "index".into(), err: io::Error::new(io::ErrorKind::StorageFull, err) }
            } else if text.contains("Disk quota") {
                Self::NoSpace { path: "index".into(), err: io::Error::new(io::ErrorKind::QuotaExceeded, err) }
            } else {
                Self::Index { operation, err }
            }
        }
    }
}

impl From<SealError> for Error {
    fn from(err: SealError) -> Self {
        Self::Seal { err }
    }
}

/// Returns whether this is a full disk or an exhausted quota.
fn is_full(err: &io::Error) -> bool {
    matches!(err.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
