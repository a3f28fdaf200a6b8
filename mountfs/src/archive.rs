//! What the view needs of an archive: a seam narrow enough to be played by a few maps in tests.
//!
//! Every question about a state names its commit, since the view decides itself which commit is its
//! newest: what the kernel caches and what we answer must not drift apart.

use c2b_storagefmt::{
    Catalog, CommitSeq, ContentFile, ContentId, Contents, FolderKey, FolderRow, ItemKey, ItemRow, MailboxCounts, MailboxKey, MailboxRow, Moment, Point,
    StorageInfo, Touched,
};
use chrono::{DateTime, Utc};
use std::error::Error;

/// Why an archive could not answer.
pub type Fault = Box<dyn Error + Send + Sync>;

/// The items of a folder, lazily.
pub type Rows = Box<dyn Iterator<Item = Result<ItemRow, Fault>> + Send>;

/// An archive, as the view sees it.
pub trait Archive: Send + Sync + 'static {
    /// Returns what the storage says of itself.
    fn info(&self) -> &StorageInfo;
    /// Catches up with the writer and returns the newest commit.
    fn refresh(&self) -> Result<CommitSeq, Fault>;
    /// Returns all mailboxes.
    fn mailboxes(&self) -> Result<Vec<MailboxRow>, Fault>;
    /// Returns a mailbox's folder tree at a commit.
    fn folders(&self, mailbox: MailboxKey, at: CommitSeq) -> Result<Vec<FolderRow>, Fault>;
    /// Returns a folder's items at a commit.
    fn items(&self, mailbox: MailboxKey, folder: FolderKey, at: CommitSeq) -> Result<Rows, Fault>;
    /// Returns an item as it was at a commit.
    fn item(&self, key: ItemKey, at: CommitSeq) -> Result<Option<ItemRow>, Fault>;
    /// Returns a mailbox's points in time in a range, both ends included, oldest first.
    fn points_between(&self, mailbox: MailboxKey, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<Vec<Point>, Fault>;
    /// Returns the last commit at or before a time.
    fn moment_at(&self, time: DateTime<Utc>) -> Result<Option<CommitSeq>, Fault>;
    /// Returns when a commit was made.
    fn commit_time(&self, seq: CommitSeq) -> Result<Option<DateTime<Utc>>, Fault>;
    /// Returns what the commits after `seq` touched.
    fn changes_since(&self, seq: CommitSeq) -> Result<Vec<Touched>, Fault>;
    /// Returns how much is held of a mailbox.
    fn counts(&self, mailbox: MailboxKey) -> Result<MailboxCounts, Fault>;
    /// Opens a content of a mailbox.
    fn open(&self, mailbox: MailboxKey, id: &ContentId) -> Result<Box<dyn Blob>, Fault>;
}

/// The bytes of one content.
pub trait Blob: Send + Sync {
    /// Fills as much of the buffer as there are bytes from `offset`; returns how many.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, Fault>;
}

/// A real storage, read beside its writer.
#[derive(Clone)]
pub struct Storage {
    catalog: Catalog,
    contents: Contents,
}

impl Storage {
    /// Joins the two halves of an open storage.
    pub fn new(catalog: Catalog, contents: Contents) -> Self {
        Self { catalog, contents }
    }
}

impl Archive for Storage {
    fn info(&self) -> &StorageInfo {
        self.catalog.info()
    }

    fn refresh(&self) -> Result<CommitSeq, Fault> {
        Ok(self.catalog.refresh()?)
    }

    fn mailboxes(&self) -> Result<Vec<MailboxRow>, Fault> {
        Ok(self.catalog.mailboxes()?)
    }

    fn folders(&self, mailbox: MailboxKey, at: CommitSeq) -> Result<Vec<FolderRow>, Fault> {
        Ok(self.catalog.folders(mailbox, Moment::At(at))?)
    }

    fn items(&self, mailbox: MailboxKey, folder: FolderKey, at: CommitSeq) -> Result<Rows, Fault> {
        let rows = self.catalog.items(mailbox, folder, Moment::At(at))?;
        Ok(Box::new(rows.map(|row| row.map_err(Fault::from))))
    }

    fn item(&self, key: ItemKey, at: CommitSeq) -> Result<Option<ItemRow>, Fault> {
        Ok(self.catalog.item(key, Moment::At(at))?)
    }

    fn points_between(&self, mailbox: MailboxKey, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<Vec<Point>, Fault> {
        let mut points = self.catalog.points_between(mailbox, from, to)?;
        points.retain(|point| point.time >= from && point.time <= to);
        Ok(points)
    }

    fn moment_at(&self, time: DateTime<Utc>) -> Result<Option<CommitSeq>, Fault> {
        Ok(self.catalog.moment_at(time)?)
    }

    fn commit_time(&self, seq: CommitSeq) -> Result<Option<DateTime<Utc>>, Fault> {
        Ok(self.catalog.commit_time(seq)?)
    }

    fn changes_since(&self, seq: CommitSeq) -> Result<Vec<Touched>, Fault> {
        Ok(self.catalog.changes_since(seq)?)
    }

    fn counts(&self, mailbox: MailboxKey) -> Result<MailboxCounts, Fault> {
        Ok(self.catalog.counts(mailbox)?)
    }

    fn open(&self, mailbox: MailboxKey, id: &ContentId) -> Result<Box<dyn Blob>, Fault> {
        Ok(Box::new(self.contents.open(mailbox, id)?))
    }
}

impl Blob for ContentFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, Fault> {
        Ok(Self::read_at(self, offset, buffer)?)
    }
}
