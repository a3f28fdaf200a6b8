//! The one seam between the archive and where its files lie.
//!
//! A store holds finished files under names with `/` in them; a file appears whole or not at all. Every file
//! of a storage but its lock and its index goes through here. Today that is a directory; an object store fits
//! the same verbs. Tests count, crash and damage through this seam. Nothing here knows what is inside a file.

mod dir;
#[cfg(test)]
pub(crate) mod temporary;

pub use dir::DirStore;
pub(crate) use dir::sync_dir;

use std::io;

/// Where the files of a storage lie.
pub trait Store: Send + Sync {
    /// Begins a file that nobody sees before [`StoreFile::publish`].
    ///
    /// # Errors
    /// When the file cannot be created.
    fn begin(&self) -> io::Result<Box<dyn StoreFile>>;

    /// Reads from `offset` of a published file; fewer bytes than asked for only at its end.
    ///
    /// # Errors
    /// When there is no such file (`NotFound`) or it cannot be read.
    fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// Returns the length of a published file in bytes; `None` when there is no such file.
    ///
    /// # Errors
    /// When that cannot be found out.
    fn len(&self, name: &str) -> io::Result<Option<u64>>;

    /// Lists the published files whose names begin with `prefix`, in no particular order.
    ///
    /// # Errors
    /// When they cannot be listed.
    fn list(&self, prefix: &str) -> io::Result<Vec<StoreEntry>>;

    /// Removes a published file.
    ///
    /// # Errors
    /// When it cannot be removed.
    fn delete(&self, name: &str) -> io::Result<()>;

    /// Gives a published file another name, in one step; a file that had it is replaced. Durable when both names are synced.
    ///
    /// # Errors
    /// When there is no such file or the name cannot be given.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Makes it durable that `name` is there, or is not: after publishing, renaming and deleting.
    ///
    /// # Errors
    /// When the file system cannot promise it.
    fn sync(&self, name: &str) -> io::Result<()>;

    /// Removes what was begun and never published. Only for the one writer, before it begins anything.
    ///
    /// # Errors
    /// When a leftover cannot be removed.
    fn sweep(&self) -> io::Result<()>;
}

/// A file on its way into a [`Store`]; dropped unpublished, it is gone.
pub trait StoreFile: Send {
    /// Appends bytes.
    ///
    /// # Errors
    /// When they cannot be written, for instance because the file system is full.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Makes the bytes durable.
    ///
    /// # Errors
    /// When the file system cannot promise it.
    fn sync(&mut self) -> io::Result<()>;

    /// Makes the file visible under `name`, in place of a file that had it. It must be synced before, and the name after.
    ///
    /// # Errors
    /// When the name cannot be given; the file is then gone.
    fn publish(self: Box<Self>, name: &str) -> io::Result<()>;
}

/// A published file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreEntry {
    /// Its name.
    pub name: String,
    /// Its length in bytes.
    pub bytes: u64,
}

/// Writes a small file whole and durably, in place of one that has its name.
///
/// # Errors
/// When a step fails; the file is then as it was, or as it should be.
pub fn put(store: &dyn Store, name: &str, bytes: &[u8]) -> io::Result<()> {
    let mut file = store.begin()?;
    file.write(bytes)?;
    file.sync()?;
    file.publish(name)?;
    store.sync(name)
}

/// Reads a small file whole; `None` when there is none.
///
/// # Errors
/// When it cannot be read.
pub fn get(store: &dyn Store, name: &str) -> io::Result<Option<Vec<u8>>> {
    let Some(len) = store.len(name)? else { return Ok(None) };
    let mut bytes = vec![0; usize::try_from(len).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?];
    let n = match store.read_at(name, 0, &mut bytes) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    bytes.truncate(n);
    Ok(Some(bytes))
}
