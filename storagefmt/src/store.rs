//! The one seam between the archive and where its packs lie.
//!
//! A store holds finished files under names with `/` in them; a file appears whole or not at all.
//! Today that is a directory; an object store fits the same five verbs. Tests count, crash and
//! damage through this seam. Nothing here knows what is inside a file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Where packs lie.
pub trait Store: Send + Sync {
    /// Begins a file that nobody sees before [`StoreFile::publish`].
    ///
    /// # Errors
    /// When the file cannot be created.
    fn begin(&self) -> io::Result<Box<dyn StoreFile>>;

    /// Reads from `offset` of a published file; fewer bytes than asked for only at its end.
    ///
    /// # Errors
    /// When there is no such file or it cannot be read.
    fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// Lists the published files, in no particular order.
    ///
    /// # Errors
    /// When they cannot be listed.
    fn list(&self) -> io::Result<Vec<StoreEntry>>;

    /// Removes a published file.
    ///
    /// # Errors
    /// When it cannot be removed.
    fn delete(&self, name: &str) -> io::Result<()>;

    /// Makes the publication of `name` durable.
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

    /// Makes the file visible under `name`. It must be synced before, and the name after.
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

/// A store in a directory: `packs/…` published, `tmp/…` on the way.
pub struct DirStore {
    dir: PathBuf,
    begun: AtomicU64,
}

struct DirFile {
    dir: PathBuf,
    path: PathBuf,
    file: File,
    published: bool,
}

/// Folder of published files.
const PACKS: &str = "packs";
/// Folder of files that are being written.
const TMP: &str = "tmp";

impl DirStore {
    /// Returns the store in a storage's directory; touches nothing.
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), begun: AtomicU64::new(0) }
    }
}

impl Store for DirStore {
    fn begin(&self) -> io::Result<Box<dyn StoreFile>> {
        let number = self.begun.fetch_add(1, Ordering::Relaxed);
        let folder = self.dir.join(TMP);
        fs::create_dir_all(&folder)?;
        let path = folder.join(format!("{}-{number}", std::process::id()));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        Ok(Box::new(DirFile { dir: self.dir.clone(), path, file, published: false }))
    }

    fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let file = File::open(self.dir.join(name))?;
        let mut done = 0;
        while done < buffer.len() {
            match file.read_at(&mut buffer[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
                Err(err) => return Err(err),
            }
        }
        Ok(done)
    }

    fn list(&self) -> io::Result<Vec<StoreEntry>> {
        let mut entries = Vec::new();
        for folder in fs::read_dir(self.dir.join(PACKS))? {
            let folder = folder?;
            if !folder.file_type()?.is_dir() {
                continue;
            }
            for file in fs::read_dir(folder.path())? {
                let file = file?;
                let name = format!("{PACKS}/{}/{}", folder.file_name().to_string_lossy(), file.file_name().to_string_lossy());
                entries.push(StoreEntry { name, bytes: file.metadata()?.len() });
            }
        }
        Ok(entries)
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.dir.join(name))
    }

    fn sync(&self, name: &str) -> io::Result<()> {
        let path = self.dir.join(name);
        path.parent().map_or(Ok(()), sync_dir)
    }

    fn sweep(&self) -> io::Result<()> {
        let entries = match fs::read_dir(self.dir.join(TMP)) {
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other?,
        };
        for entry in entries {
            fs::remove_file(entry?.path())?;
        }
        Ok(())
    }
}

impl StoreFile for DirFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_all()
    }

    fn publish(mut self: Box<Self>, name: &str) -> io::Result<()> {
        let path = self.dir.join(name);
        if let Some(folder) = path.parent()
            && !folder.is_dir()
        {
            fs::create_dir_all(folder)?;
            sync_dir(folder.parent().unwrap_or(&self.dir))?;
        }
        fs::rename(&self.path, &path)?;
        self.published = true;
        Ok(())
    }
}

impl Drop for DirFile {
    fn drop(&mut self) {
        if !self.published {
            // A leftover is swept at the next opening; there is nobody to tell here.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Makes the entries of a directory durable.
pub(crate) fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
