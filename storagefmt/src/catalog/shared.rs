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
use crate::{Error, FrameKey, StorageInfo};
use std::fs;
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
    /// Inode of the index folder: a rebuild puts another folder in its place.
    folder: u64,
    /// Mailboxes: a new one has a new key.
    mailboxes: u32,
    /// Rewritten packs and erasures: keys may be gone, or of a new generation.
    rewrites: u64,
}

impl KnownState {
    fn of(folder: u64, state: &StateRow) -> Self {
        Self { folder, mailboxes: state.mailboxes, rewrites: state.rewrites }
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
        let (index, folder) = open_secondary(dir, scratch, &keys)?;
        let known = Mutex::new(KnownState::of(folder, &index.state()?));
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
        let folder = fs::metadata(self.dir.join(INDEX)).map(|metadata| metadata.ino());
        // While a rebuild exchanges the folders there is none for a moment: the old one still answers.
        if folder.is_ok_and(|folder| folder != known.folder) {
            let (keys, _) = unlock::unlock(reader.store.as_ref(), &self.info, &reader.unlock)?;
            return self.open_again(reader, &mut known, &keys);
        }
        let index = self.index();
        index.catch_up()?;
        let now = KnownState::of(known.folder, &index.state()?);
        if now == *known || !self.info.sealed {
            *known = now;
            return Ok(());
        }
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
        let (index, folder) = open_secondary(&self.dir, &reader.scratch, keys)?;
        *known = KnownState::of(folder, &index.state()?);
        *self.index.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(index);
        Ok(())
    }
}

/// Opens the index of a storage beside its writer; returns it and the inode of its folder.
fn open_secondary(dir: &Path, scratch: &Path, keys: &Keys) -> Result<(Index, u64), Error> {
    let path = dir.join(INDEX);
    if !path.is_dir() {
        return Err(Error::IndexMissing { path: dir.to_owned() });
    }
    let folder = fs::metadata(&path).map_err(Error::file("read", &path))?.ino();
    let scratch = scratch.join(format!("index-{folder}"));
    fs::create_dir_all(&scratch).map_err(Error::file("create", &scratch))?;
    Ok((Index::open_secondary(&path, &scratch, keys)?, folder))
}
