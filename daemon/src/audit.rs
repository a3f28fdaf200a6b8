//! The audit log: who looked at, mounted, exported, erased or changed what, and who was refused.
//!
//! One line of JSON for each record, on disk before what it tells of is done (what cannot be recorded is not done), and one
//! for its outcome. Each line carries a hash of itself and the line before, made with the machine key; the last line's hash
//! is kept apart, sealed. So an edited, removed, exchanged or added line shows, and a tail that was cut off; only who has
//! the machine key can make another chain, and who puts back older copies of all files goes unnoticed.
//! Full files are kept under the number of their first record; the daemon removes none.

mod chain;
mod show;
mod verify;

use crate::atomic::{self, FileError};
use crate::clock::Clock;
use crate::failure::chain as sentence;
use crate::machine::MachineKey;
use crate::name::Name;
use crate::peer::Peer;
use crate::seal::SealError;
use crate::secret::{Kind, SecretError, Secrets};
use c2b_api::audit::AuditEntry;
use c2b_api::{ApiError, ErrorCode};
use chain::{Chain, ChainKey, Line};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tracing::{error, info, warn};

/// When a file is full, in bytes: some 50,000 records, and quickly read.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// A file of no meaning that is given up when the disk is full, so that who makes room can be recorded: some 3,000 records.
const RESERVE: &str = "reserve";

/// Its length, in bytes.
const RESERVE_BYTES: usize = 1024 * 1024;

/// Free space from which on it is made again, in bytes: well above what a full disk has in its last moments.
const RESERVE_FREE_BYTES: u64 = 64 * 1024 * 1024;

/// The file that grows.
const CURRENT: &str = "audit.ndjson";

/// How many refusals of one user are recorded in a minute: who is refused all the time must not fill the disk.
const REFUSALS_MAX: u32 = 30;

/// The action of the first record of a log with another machine key.
const BEGUN: &str = "audit begun";

/// Where the last line's hash is kept.
const HEAD: Kind = Kind::new("audit", "head of the audit log");

/// The audit log of this daemon.
pub struct AuditLog {
    folder: PathBuf,
    secrets: Secrets,
    machine: Arc<MachineKey>,
    clock: Clock,
    open: Mutex<Option<Open>>,
    /// By user: since when refusals are counted, and how many there were.
    refusals: Mutex<HashMap<Option<u32>, (Duration, u32)>>,
}

/// An action and what is to be recorded of it.
type Note = (&'static str, String);

/// The log while it can be written.
struct Open {
    file: File,
    bytes: u64,
    head: Head,
    key: ChainKey,
}

/// The last line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Head {
    seq: u64,
    chain: Chain,
}

/// A line of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    /// What was done; of an outcome the number, the time and how it ended only.
    #[serde(flatten)]
    entry: AuditEntry,
    /// The record that this is the outcome of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    of: Option<u64>,
}

/// What is done, as its caller tells it.
#[derive(Clone, Debug, Default)]
pub struct Deed {
    /// Noun and verb.
    pub action: String,
    /// The connection, storage or job.
    pub object: String,
    /// The mailboxes.
    pub mailboxes: Vec<String>,
    /// More about it.
    pub detail: String,
}

/// The audit log cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// A file of it cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// Its head cannot be kept or opened.
    #[error("the head of the audit log cannot be used")]
    Head(#[source] SecretError),
    /// There is no machine key.
    #[error(transparent)]
    Machine(ApiError),
    /// A record is no JSON.
    #[error("a record of the audit log cannot be written")]
    Encode(#[source] serde_json::Error),
}

impl AuditError {
    /// Returns whether the disk is full.
    fn is_full(&self) -> bool {
        match self {
            Self::File(error) | Self::Head(SecretError::File(error)) => matches!(error.err.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded),
            _ => false,
        }
    }
}

impl AuditLog {
    /// Says where the log is; opens nothing yet.
    pub fn new(state: &Path, secrets: Secrets, machine: Arc<MachineKey>, clock: Clock) -> Self {
        Self { folder: state.join("audit"), secrets, machine, clock, open: Mutex::default(), refusals: Mutex::default() }
    }

    /// Records what is about to be done, durably. Blocks.
    ///
    /// # Errors
    /// When it cannot be recorded; then it must not be done.
    pub fn begin(&self, peer: &Peer, deed: Deed) -> Result<u64, ApiError> {
        let entry = entry(peer, deed);
        info!(user = entry.user, uid = entry.uid, pid = entry.pid, session = entry.session, action = entry.action, object = entry.object, "audit");
        self.append(Record { entry, of: None }).map_err(|error| refusal(&error))
    }

    /// Records how something ended. Blocks.
    pub fn end(&self, of: u64, action: &str, outcome: String) {
        info!(record = of, action, outcome, "audit outcome");
        let entry = AuditEntry { action: action.to_owned(), outcome, ..AuditEntry::default() };
        if let Err(error) = self.append(Record { entry, of: Some(of) }) {
            error!(record = of, error = sentence(&error), "outcome not recorded in the audit log");
        }
    }

    /// Records that somebody was refused; of many times in a minute the first ones only. Blocks.
    pub fn refused(&self, peer: &Peer, deed: Deed, why: &str) {
        let count = self.count_refusal(peer.uid);
        if count > REFUSALS_MAX {
            return;
        }
        let more = if count == REFUSALS_MAX { " (more in this minute are not recorded)" } else { "" };
        let entry = AuditEntry { outcome: format!("refused: {why}{more}"), ..entry(peer, deed) };
        warn!(user = entry.user, uid = entry.uid, pid = entry.pid, action = entry.action, object = entry.object, outcome = entry.outcome, "audit");
        if let Err(error) = self.append(Record { entry, of: None }) {
            error!(error = sentence(&error), "refusal not recorded in the audit log");
        }
    }

    fn count_refusal(&self, uid: Option<u32>) -> u32 {
        let now = self.clock.elapsed();
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        refusals.retain(|_, (since, _)| now.saturating_sub(*since) < Duration::from_secs(60));
        let (_, count) = refusals.entry(uid).or_insert((now, 0));
        *count += 1;
        *count
    }

    fn append(&self, record: Record) -> Result<u64, AuditError> {
        let appended = match self.try_append(record.clone()) {
            Err(error) if error.is_full() && self.give_up_reserve() => self.try_append(record),
            appended => appended,
        };
        self.keep_reserve();
        appended
    }

    fn try_append(&self, record: Record) -> Result<u64, AuditError> {
        let mut guard = self.lock();
        let mut open = match guard.take() {
            Some(open) => open,
            None => self.open()?,
        };
        // Kept only if all went well: what went wrong is looked at anew by the next one.
        let seq = self.write(&mut open, record)?;
        *guard = Some(open);
        Ok(seq)
    }

    fn write(&self, open: &mut Open, mut record: Record) -> Result<u64, AuditError> {
        if open.bytes >= FILE_BYTES_MAX {
            *open = self.rotate(open)?;
        }
        record.entry.seq = open.head.seq + 1;
        record.entry.time = self.clock.now();
        let (line, chain) = Line::make(&record, &open.key, &open.head.chain).map_err(AuditError::Encode)?;
        let path = self.folder.join(CURRENT);
        let written = open.file.write_all(line.as_bytes()).and_then(|()| open.file.sync_data());
        if let Err(err) = written {
            // What is left of the line would look like damage.
            let _ = open.file.set_len(open.bytes).and_then(|()| open.file.sync_data());
            return Err(FileError::of("write", &path)(err).into());
        }
        open.bytes += line.len() as u64;
        open.head = Head { seq: record.entry.seq, chain };
        self.put_head(&open.head)?;
        Ok(open.head.seq)
    }

    fn rotate(&self, open: &Open) -> Result<Open, AuditError> {
        let (from, first) = (self.folder.join(CURRENT), first_seq(&self.folder.join(CURRENT)));
        let to = self.folder.join(format!("audit-{:012}.ndjson", first.unwrap_or(open.head.seq)));
        std::fs::rename(&from, &to).map_err(FileError::of("rotate", &from))?;
        let file = open_current(&from)?;
        atomic::sync_folder(&self.folder).map_err(FileError::of("sync", &self.folder))?;
        Ok(Open { file, bytes: 0, head: open.head, key: open.key.clone() })
    }

    /// Makes the reserve where there is none and there is room. Without it the log goes on, until the disk is full.
    fn keep_reserve(&self) {
        let path = self.folder.join(RESERVE);
        let has_room =
            || nix::sys::statvfs::statvfs(&self.folder).is_ok_and(|found| found.blocks_available().saturating_mul(found.fragment_size()) >= RESERVE_FREE_BYTES);
        if path.exists() || !has_room() {
            return;
        }
        // What could be compressed would reserve nothing on some file systems.
        let mut bytes = vec![0; RESERVE_BYTES];
        if getrandom::fill(&mut bytes).is_ok()
            && let Err(error) = atomic::write(&path, &bytes, 0o600)
        {
            warn!(error = sentence(&error), "reserve of the audit log not made");
        }
    }

    fn give_up_reserve(&self) -> bool {
        let is_given_up = std::fs::remove_file(self.folder.join(RESERVE)).is_ok();
        if is_given_up {
            warn!("disk full, reserve of the audit log given up");
        }
        is_given_up
    }

    /// Opens the log where it ended. Whatever does not fit to the sealed head stays as it is, for `verify` to tell, and is
    /// recorded; numbers go on after all that were ever given.
    fn open(&self) -> Result<Open, AuditError> {
        atomic::make_folder(&self.folder, 0o700)?;
        let machine = self.machine.get().map_err(AuditError::Machine)?;
        let key = ChainKey::new(&machine);
        let (head, mut notes) = self.head()?;
        let path = self.folder.join(CURRENT);
        let mut file = open_current(&path)?;
        let bytes = cut_torn_line(&file, &path)?;
        let last = verify::last_line(&verify::files(&self.folder)?)?;
        let head = match (head, last) {
            (Some(head), Some(last)) if last.is(&head) => head,
            // Written, and then the machine lost power before the head was kept.
            (Some(head), Some(last)) if last.seq == head.seq + 1 && last.follows(&key, &head.chain) => {
                let head = Head { seq: last.seq, chain: last.chain };
                self.put_head(&head)?;
                head
            }
            (None, None) => Head::default(),
            (head, last) => {
                notes.push((verify::DAMAGED, "the end of the log was not as it was left".to_owned()));
                let seq = head.map_or(0, |head| head.seq).max(last.as_ref().map_or(0, |last| last.seq));
                let chain = head.map(|head| head.chain).or(last.map(|last| last.chain));
                Head { seq, chain: chain.unwrap_or_default() }
            }
        };
        io::Seek::seek(&mut file, io::SeekFrom::End(0)).map_err(FileError::of("seek in", &path))?;
        let mut open = Open { file, bytes, head, key };
        for (action, note) in notes {
            error!(problem = note, "audit log not as it was left");
            let entry = AuditEntry { user: "c2bd".to_owned(), action: action.to_owned(), outcome: note, ..AuditEntry::default() };
            self.write(&mut open, Record { entry, of: None })?;
        }
        Ok(open)
    }

    /// Returns the head that was kept, and what is wrong with it.
    fn head(&self) -> Result<(Option<Head>, Vec<Note>), AuditError> {
        let damaged = || Ok((None, vec![(verify::DAMAGED, "the kept head was damaged".to_owned())]));
        match self.secrets.get(HEAD, &head_name()?) {
            Ok(text) => match serde_json::from_slice(text.expose()) {
                Ok(head) => Ok((Some(head), Vec::new())),
                Err(_) => damaged(),
            },
            Err(SecretError::Missing { .. }) => Ok((None, Vec::new())),
            Err(SecretError::Seal { err: SealError::OtherKey, .. }) => {
                // Another key makes another chain: the old one cannot be verified with this one.
                let aside = (1..).map(|n| self.folder.with_extension(format!("other-key-{n}"))).find(|path| !path.exists());
                if let Some(aside) = aside {
                    std::fs::rename(&self.folder, &aside).map_err(FileError::of("put aside", &self.folder))?;
                    atomic::make_folder(&self.folder, 0o700)?;
                    return Ok((None, vec![(BEGUN, format!("the log before was made with another machine key; it is in {}", aside.display()))]));
                }
                Ok((None, Vec::new()))
            }
            Err(SecretError::Seal { err: SealError::Damaged, .. }) => damaged(),
            Err(error) => Err(AuditError::Head(error)),
        }
    }

    fn put_head(&self, head: &Head) -> Result<(), AuditError> {
        let bytes = serde_json::to_vec(head).map_err(AuditError::Encode)?;
        self.secrets.put(HEAD, &head_name()?, &bytes).map_err(AuditError::Head)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn entry(peer: &Peer, deed: Deed) -> AuditEntry {
    let Deed { action, object, mailboxes, detail } = deed;
    AuditEntry {
        user: peer.user.clone(),
        uid: peer.uid,
        pid: peer.pid,
        session: peer.session.to_string(),
        action,
        object,
        mailboxes,
        detail,
        ..AuditEntry::default()
    }
}

/// Answers that something is not done since it cannot be recorded.
fn refusal(failure: &AuditError) -> ApiError {
    error!(error = sentence(failure), "audit log not usable, what must be recorded is refused");
    let code = match failure {
        AuditError::Machine(error) => return error.clone(),
        full if full.is_full() => ErrorCode::LowSpace,
        _ => ErrorCode::Internal,
    };
    let message = format!("nothing was done, since it cannot be recorded in the audit log: {}", sentence(failure));
    ApiError::new(code, message, "see that the daemon can write to its state folder, and that its disk has room")
}

fn head_name() -> Result<Name, AuditError> {
    "head".parse().map_err(|_| AuditError::File(FileError::of("name", Path::new("head"))(io::ErrorKind::InvalidInput.into())))
}

fn open_current(path: &Path) -> Result<File, AuditError> {
    Ok(OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path).map_err(FileError::of("open", path))?)
}

/// Returns the number of a file's first record.
fn first_seq(path: &Path) -> Option<u64> {
    verify::lines(path).ok()?.next()?.ok().map(|line| line.seq)
}

/// Cuts off a line that a loss of power left without its end: what it was to tell of was not done. Returns the length.
fn cut_torn_line(file: &File, path: &Path) -> Result<u64, AuditError> {
    let bytes = std::fs::read(path).map_err(FileError::of("read", path))?;
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    if whole < bytes.len() {
        file.set_len(whole as u64).and_then(|()| file.sync_data()).map_err(FileError::of("shorten", path))?;
    }
    Ok(whole as u64)
}

#[cfg(test)]
mod tests;
