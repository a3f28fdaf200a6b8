//! The open database, which can be closed and opened again in its place.
//!
//! After a write that failed, RocksDB refuses all others, even when there is room again. Everybody else keeps what refers to the
//! index; only in here is another database. When it cannot be opened for writing, it is opened for reading.

use super::database;
use crate::Error;
use crate::format::row::Table;
use rocksdb::{ColumnFamily, DB};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

/// Free bytes below which opening again is not tried: it writes a few files, and must not end worse than it began.
const REOPEN_BYTES_MIN: u64 = 1 << 20;

/// The place of the database.
pub(super) struct Slot {
    path: PathBuf,
    db: RwLock<Option<DB>>,
    failed: AtomicBool,
}

/// The database while it is used.
pub(super) struct Open<'a>(RwLockReadGuard<'a, Option<DB>>);

impl Slot {
    pub(super) fn new(path: &Path, db: DB) -> Self {
        Self { path: path.to_owned(), db: RwLock::new(Some(db)), failed: AtomicBool::new(false) }
    }

    /// Returns the database. One look at a time: whoever has it must not ask again.
    pub(super) fn open(&self) -> Result<Open<'_>, Error> {
        let db = self.db.read().unwrap_or_else(PoisonError::into_inner);
        if db.is_some() { Ok(Open(db)) } else { Err(Error::IndexClosed { path: self.path.clone() }) }
    }

    /// Notes whether a write went well.
    pub(super) fn wrote<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        if result.is_err() {
            self.failed.store(true, Ordering::Release);
        }
        result
    }

    /// Returns whether a write failed since the database was opened.
    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// Closes the database and opens it again; nobody may look meanwhile.
    pub(super) fn open_again(&self) -> Result<(), Error> {
        if crate::probe::free_bytes(&self.path)? < REOPEN_BYTES_MIN {
            return Err(Error::NoSpace { path: self.path.clone(), err: std::io::ErrorKind::StorageFull.into() });
        }
        let mut slot = self.db.write().unwrap_or_else(PoisonError::into_inner);
        *slot = None;
        match database::open(&self.path) {
            Ok(db) => {
                *slot = Some(db);
                self.failed.store(false, Ordering::Release);
                tracing::info!("index opened again after a failed write");
                Ok(())
            }
            Err(err) => {
                *slot = database::open_read_only(&self.path).ok();
                Err(err)
            }
        }
    }
}

impl Open<'_> {
    pub(super) fn table(&self, table: Table) -> Result<&ColumnFamily, Error> {
        self.cf_handle(table.name()).ok_or(Error::IndexRow { table: table.name() })
    }
}

impl Deref for Open<'_> {
    type Target = DB;

    fn deref(&self) -> &DB {
        self.0.as_ref().unwrap_or_else(|| unreachable!("only an open database is given out"))
    }
}
