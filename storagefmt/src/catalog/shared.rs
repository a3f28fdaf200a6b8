//! What catalogue and contents share: the storage's description, its keys, its index.
//!
//! In the writer's process the index is the writer's own. In any other, it follows: it catches up with
//! commits, goes over to the index that a rebuild made, and takes in keys of new mailboxes.

use crate::format::row::{FrameRow, StateRow};
use crate::index::Index;
use crate::layout::{self, Access, INDEX};
use crate::seal::{Keys, SealError, Unlock};
use crate::store::Store;
use crate::unlock;
use crate::{CommitSeq, Error, FrameKey, StorageInfo};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// What catalogue and contents share.
pub(crate) struct Shared {
    dir: PathBuf,
    info: StorageInfo,
    index: RwLock<Arc<Index>>,
    reader: Option<Reader>,
}

/// How another process opened the storage.
struct Reader {
    scratch: PathBuf,
    store: Arc<dyn Store>,
    unlock: Unlock,
    known: Mutex<KnownState>,
}

/// What a reader compares to see whether it must open something again.
#[derive(Clone, Copy, PartialEq, Eq)]
struct KnownState {
    files: IndexFiles,
    /// The last commit: it may have a new mailbox, which has a new key, or be sealed with keys of a new generation.
    head: u64,
    /// Rewritten packs and erasures: keys may be gone, or of a new generation.
    rewrites: u64,
}

/// How the index's files stand.
///
/// A RocksDB secondary follows the write-ahead log. Once rows go from there to table files, which a restart of the writer does,
/// too, it goes on answering with what it had read from a log that is gone. So it is opened anew then; every such step is a
/// line in the manifest.
#[derive(Clone, Copy, PartialEq, Eq)]
struct IndexFiles {
    /// Inode of the index folder: a rebuild puts another folder in its place.
    folder: u64,
    /// Number of the manifest: each opening by the writer begins another.
    manifest: u64,
    /// Its length in bytes.
    bytes: u64,
}

/// How often opening is tried until no rows go to table files meanwhile.
const OPENINGS_MAX: usize = 20;

impl KnownState {
    fn of(files: IndexFiles, state: &StateRow) -> Self {
        Self { files, head: state.head, rewrites: state.rewrites }
    }
}

impl IndexFiles {
    fn of(dir: &Path) -> Result<Self, Error> {
        let path = dir.join(INDEX);
        let failed = |err: io::Error| match err.kind() {
            io::ErrorKind::NotFound => Error::IndexMissing { path: dir.to_owned() },
            _ => Error::file("read", &path)(err),
        };
        let folder = fs::metadata(&path).map_err(failed)?.ino();
        let mut current = fs::read_to_string(path.join("CURRENT")).map_err(failed)?;
        let bytes = loop {
            match fs::metadata(path.join(current.trim_end())) {
                Ok(metadata) => break metadata.len(),
                Err(err) => {
                    // The writer may have gone over to another meanwhile.
                    let again = fs::read_to_string(path.join("CURRENT")).map_err(failed)?;
                    if again == current {
                        return Err(failed(err));
                    }
                    current = again;
                }
            }
        };
        let manifest = current.trim_end().rsplit('-').next().and_then(|number| number.parse().ok()).unwrap_or_default();
        Ok(Self { folder, manifest, bytes })
    }
}

impl Shared {
    /// What the writer's own process shares.
    pub(crate) fn new(dir: &Path, info: StorageInfo, index: Arc<Index>) -> Arc<Self> {
        Arc::new(Self { dir: dir.to_owned(), info, index: RwLock::new(index), reader: None })
    }

    /// Opens a storage beside its writer.
    pub(super) fn open_reader(dir: &Path, scratch: &Path, store: Arc<dyn Store>, unlock: &Unlock) -> Result<Arc<Self>, Error> {
        let info = layout::read_description(dir, store.as_ref(), Access::Read)?;
        let (keys, _) = unlock::unlock(store.as_ref(), &info, unlock)?;
        let (index, files) = open_secondary(dir, scratch, &keys)?;
        let state = index.state()?;
        if let Some((first, pack)) = index.pack_of(CommitSeq(state.head))? {
            layout::prove_pack(dir, store.as_ref(), &info, &pack.name(first))?;
        }
        let known = Mutex::new(KnownState::of(files, &state));
        let reader = Some(Reader { scratch: scratch.to_owned(), store, unlock: unlock.clone(), known });
        Ok(Arc::new(Self { dir: dir.to_owned(), info, index: RwLock::new(Arc::new(index)), reader }))
    }

    /// Returns the present index.
    pub(crate) fn index(&self) -> Arc<Index> {
        Arc::clone(&self.index.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns what the storage says of itself.
    pub(crate) fn info(&self) -> &StorageInfo {
        &self.info
    }

    /// Returns the storage's folder.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Returns the storage's keys.
    pub(crate) fn keys(&self) -> Keys {
        self.index().keys().clone()
    }

    /// Returns where a frame is, and the name of the pack that has it.
    pub(crate) fn locate(&self, frame: FrameKey) -> Result<Option<(FrameRow, String)>, Error> {
        let index = self.index();
        let _look = index.look();
        let Some(row) = index.frame(frame)? else { return Ok(None) };
        let (first, pack) = index.pack_of(frame.seq)?.ok_or(Error::PackMissing { seq: frame.seq })?;
        Ok(Some((row, pack.name(first))))
    }

    /// Catches up with the writer, in a new index if a rebuild made one.
    pub(crate) fn catch_up(&self) -> Result<(), Error> {
        let Some(reader) = &self.reader else { return Ok(()) };
        let mut known = reader.known.lock().unwrap_or_else(PoisonError::into_inner);
        // While a rebuild exchanges the folders there is none for a moment: the old one still answers.
        let Ok(files) = IndexFiles::of(&self.dir) else { return Ok(()) };
        if files.folder != known.files.folder {
            let (keys, _) = unlock::unlock(reader.store.as_ref(), &self.info, &reader.unlock)?;
            return self.open_again(reader, &mut known, &keys);
        }
        let before = *known;
        let index = self.index();
        if files == known.files {
            index.catch_up()?;
        }
        if files != known.files || IndexFiles::of(&self.dir).is_ok_and(|now| now != files) {
            match self.open_again(reader, &mut known, index.keys()) {
                Err(Error::Seal { err: SealError::UnknownGeneration { .. } }) => {
                    let (keys, _) = unlock::unlock(reader.store.as_ref(), &self.info, &reader.unlock)?;
                    return self.open_again(reader, &mut known, &keys);
                }
                other => other?,
            }
        }
        let index = self.index();
        let now = KnownState::of(known.files, &index.state()?);
        if (now.head, now.rewrites) == (before.head, before.rewrites) || !self.info.sealed {
            *known = now;
            return Ok(());
        }
        // Until they are opened, the keys are not those of this state.
        *known = KnownState { files: now.files, ..before };
        match unlock::refresh(reader.store.as_ref(), &self.info, index.keys()) {
            // The keys are of a new generation: the old ones do not open it.
            Err(Error::Seal { err: SealError::Locked }) => {
                let (keys, _) = unlock::unlock(reader.store.as_ref(), &self.info, &reader.unlock)?;
                self.open_again(reader, &mut known, &keys)
            }
            other => {
                other?;
                index.forget_records();
                *known = now;
                Ok(())
            }
        }
    }

    fn open_again(&self, reader: &Reader, known: &mut KnownState, keys: &Keys) -> Result<(), Error> {
        let (index, files) = open_secondary(&self.dir, &reader.scratch, keys)?;
        *known = KnownState::of(files, &index.state()?);
        *self.index.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(index);
        Ok(())
    }
}

/// Opens the index of a storage beside its writer; returns it and how its files stood.
fn open_secondary(dir: &Path, scratch: &Path, keys: &Keys) -> Result<(Index, IndexFiles), Error> {
    let mut openings = 0;
    loop {
        let files = IndexFiles::of(dir)?;
        let scratch = scratch.join(format!("index-{}", files.folder));
        fs::create_dir_all(&scratch).map_err(Error::file("create", &scratch))?;
        let opened = Index::open_secondary(&dir.join(INDEX), &scratch, keys);
        openings += 1;
        let is_steady = IndexFiles::of(dir).is_ok_and(|now| now == files);
        // One that is not steady is opened again at the next look.
        if is_steady || openings == OPENINGS_MAX {
            return Ok((opened?, files));
        }
    }
}
