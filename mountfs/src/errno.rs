//! What can go wrong while answering the kernel, and the one place that decides which errno it is.

use crate::archive::Fault;
use c2b_storagefmt::{ItemKey, MailboxKey};
use fuser::Errno;

/// Why a question about the tree has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// There is nothing of this name, or the inode was never given out.
    #[error("no such file or folder")]
    Missing,
    /// A folder's operation on a file.
    #[error("not a folder")]
    NotFolder,
    /// A file's operation on a folder.
    #[error("a folder, not a file")]
    NotFile,
    /// There is no such extended attribute.
    #[error("no such attribute")]
    NoAttribute,
    /// Attributes of a kind that the view never has: access lists, security labels.
    #[error("no attributes of this kind")]
    NoAttributes,
    /// The caller's buffer is too small for the attribute.
    #[error("the buffer is too small for the attribute")]
    Range,
    /// What the inode stood for is not there any more.
    #[error("the file has been replaced")]
    Stale,
    /// An item's bytes cannot be had.
    #[error("failed to read item {item} of mailbox {mailbox} at byte {offset}")]
    Damaged {
        /// Which item.
        item: ItemKey,
        /// Of which mailbox.
        mailbox: MailboxKey,
        /// Where in its bytes.
        offset: u64,
        /// Why.
        #[source]
        source: Fault,
    },
    /// An item's content ends before its catalogued size.
    #[error("item {item} of mailbox {mailbox} ends at byte {end} of {size}")]
    Short {
        /// Which item.
        item: ItemKey,
        /// Of which mailbox.
        mailbox: MailboxKey,
        /// Bytes that there are.
        end: u64,
        /// Bytes that the catalogue promises.
        size: u64,
    },
    /// The catalogue cannot be read.
    #[error("failed to read {what} from the catalogue")]
    Catalogue {
        /// What was asked.
        what: &'static str,
        /// Why.
        #[source]
        source: Fault,
    },
}

impl ViewError {
    /// Wraps the archive's error with what was asked of it.
    pub fn catalogue(what: &'static str) -> impl FnOnce(Fault) -> Self {
        move |source| Self::Catalogue { what, source }
    }
}

/// Returns the errno of an error.
pub fn errno(error: &ViewError) -> Errno {
    match error {
        ViewError::Missing => Errno::ENOENT,
        ViewError::NotFolder => Errno::ENOTDIR,
        ViewError::NotFile => Errno::EISDIR,
        ViewError::NoAttribute => Errno::NO_XATTR,
        // Heard once, `ls -l` asks no other file for its access list.
        ViewError::NoAttributes => Errno::ENOTSUP,
        ViewError::Range => Errno::ERANGE,
        ViewError::Stale => Errno::ESTALE,
        ViewError::Damaged { .. } | ViewError::Short { .. } | ViewError::Catalogue { .. } => Errno::EIO,
    }
}
