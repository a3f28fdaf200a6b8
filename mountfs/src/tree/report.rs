//! The small generated files: `README.txt`, and what the storage says of itself.
//!
//! A report's text belongs to one commit and never changes under its inode: a newer commit has a new file.

use super::Tree;
use crate::archive::Archive;
use crate::errno::ViewError;
use crate::head::Head;
use crate::node::Report;
use c2b_storagefmt::{CommitSeq, MailboxRow};
use chrono::{DateTime, SecondsFormat, Utc};
use lru::LruCache;
use serde::Serialize;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

/// What the top of the mount says to a person.
pub(super) const README: &str = "\
This is a c2b storage: backups of mailboxes, read-only.

mailboxes/ADDRESS/latest/FOLDER/...                    the newest state
mailboxes/ADDRESS/at/YYYY/MM/DD/HH-MM-SSZ/FOLDER/...   the state at that time (UTC); points in time
                                                       are listed, any other time can be typed
public-folders/latest/FOLDER/..., public-folders/at/...  the same of public folders, where there are any
storage/status.json                                    what this storage is and how much it holds
storage/mailboxes.json                                 the same for each mailbox

Each file is an item as the server gave it. Its times are the item's own, and its extended attributes
(getfattr -d FILE) carry the original subject, folder, sender, recipients and flags.
";

/// Texts kept: more than enough for one that is read while commits go on.
const TEXTS_MAX: NonZeroUsize = NonZeroUsize::new(32).unwrap();

/// A generated text.
pub(super) struct Text {
    pub(super) bytes: Vec<u8>,
    pub(super) time: DateTime<Utc>,
}

/// The texts that were asked for last.
pub(super) struct Reports(Mutex<LruCache<(Report, CommitSeq), Arc<Text>>>);

impl Reports {
    pub(super) fn new() -> Self {
        Self(Mutex::new(LruCache::new(TEXTS_MAX)))
    }
}

#[derive(Serialize)]
struct Status {
    uuid: String,
    format: u32,
    created: String,
    commit: u64,
    committed: String,
    mailboxes: usize,
    items: u64,
    folders: u64,
    versions: u64,
    logical_bytes: u64,
}

#[derive(Serialize)]
struct MailboxStatus {
    address: String,
    first_commit: u64,
    since: String,
    last_point: Option<String>,
    items: u64,
    folders: u64,
    versions: u64,
    logical_bytes: u64,
}

impl<A: Archive> Tree<A> {
    pub(super) fn report(&self, head: &Head, report: Report, seq: CommitSeq) -> Result<Arc<Text>, ViewError> {
        if let Some(text) = self.reports.0.lock().unwrap_or_else(PoisonError::into_inner).get(&(report, seq)) {
            return Ok(text.clone());
        }
        if seq != head.seq {
            return Err(ViewError::Stale);
        }
        let rows = head.mailboxes().map(|row| self.mailbox_status(head, row)).collect::<Result<Vec<_>, _>>()?;
        let json = match report {
            Report::Status => serde_json::to_vec_pretty(&self.status(head, &rows)),
            Report::Mailboxes => serde_json::to_vec_pretty(&rows),
        };
        let mut bytes = json.map_err(|err| ViewError::Catalogue { what: "report", source: err.into() })?;
        bytes.push(b'\n');
        let text = Arc::new(Text { bytes, time: head.time });
        // The first text of a commit stays: the kernel knows its size.
        let mut texts = self.reports.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(texts.get_or_insert((report, seq), || text).clone())
    }

    fn status(&self, head: &Head, rows: &[MailboxStatus]) -> Status {
        let info = self.archive().info();
        Status {
            uuid: info.uuid.to_string(),
            format: info.version,
            created: iso(info.created),
            commit: head.seq.0,
            committed: iso(head.time),
            mailboxes: rows.len(),
            items: rows.iter().map(|row| row.items).sum(),
            folders: rows.iter().map(|row| row.folders).sum(),
            versions: rows.iter().map(|row| row.versions).sum(),
            logical_bytes: rows.iter().map(|row| row.logical_bytes).sum(),
        }
    }

    fn mailbox_status(&self, head: &Head, row: &MailboxRow) -> Result<MailboxStatus, ViewError> {
        let counts = self.archive().counts(row.key).map_err(ViewError::catalogue("counts"))?;
        let since = self.commit_time(row.first)?;
        Ok(MailboxStatus {
            address: row.address.to_string(),
            first_commit: row.first.0,
            since: iso(since),
            last_point: self.last_point(head, row.key, since, head.time)?.map(|point| iso(point.time)),
            items: counts.items,
            folders: counts.folders,
            versions: counts.versions,
            logical_bytes: counts.logical_bytes,
        })
    }
}

fn iso(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}
