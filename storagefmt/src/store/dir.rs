//! A store in a directory: `tmp/…` on the way, everything else published.
//!
//! Files and folders are for their owner only. A file is opened for each read: what is read at once is one
//! frame, and a reader never holds a replaced file. Published files are never written to again.

use super::{Store, StoreEntry, StoreFile};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// A [`Store`] in a directory.
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

/// Folder of files that are being written.
const TMP: &str = "tmp";
/// What is beside the published files in the same directory.
const NOT_OURS: [&str; 5] = [TMP, "lock", "index", "index.new", "index.old"];

impl DirStore {
    /// Returns the store in a storage's directory; touches nothing.
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), begun: AtomicU64::new(0) }
    }
}

impl Store for DirStore {
    fn begin(&self) -> io::Result<Box<dyn StoreFile>> {
        let folder = self.dir.join(TMP);
        make_dirs(&self.dir, &folder)?;
        loop {
            let number = self.begun.fetch_add(1, Ordering::Relaxed);
            let path = folder.join(format!("{}-{number}", std::process::id()));
            match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
                // Another store of this process on the same directory counts, too.
                Err(err) if err.kind() == ErrorKind::AlreadyExists => {}
                file => return Ok(Box::new(DirFile { dir: self.dir.clone(), path, file: file?, published: false })),
            }
        }
    }

    fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let file = File::open(self.dir.join(name))?;
        let mut done = 0;
        while done < buffer.len() {
            match file.read_at(&mut buffer[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(err) if err.kind() == ErrorKind::Interrupted => {}
                Err(err) => return Err(err),
            }
        }
        Ok(done)
    }

    fn len(&self, name: &str) -> io::Result<Option<u64>> {
        match fs::metadata(self.dir.join(name)) {
            Ok(metadata) => Ok(metadata.is_file().then_some(metadata.len())),
            Err(err) if is_missing(&err) => Ok(None),
            Err(err) => Err(err),
        }
    }

    fn list(&self, prefix: &str) -> io::Result<Vec<StoreEntry>> {
        let mut entries = Vec::new();
        let folder = prefix.rsplit_once('/').map_or("", |(folder, _)| folder);
        self.walk(folder, prefix, &mut entries)?;
        Ok(entries)
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.dir.join(name))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let path = self.dir.join(to);
        make_dirs(&self.dir, path.parent().unwrap_or(&self.dir))?;
        fs::rename(self.dir.join(from), path)
    }

    fn sync(&self, name: &str) -> io::Result<()> {
        match self.dir.join(name).parent().map_or(Ok(()), sync_dir) {
            // Nothing is in a folder that is not there.
            Err(err) if is_missing(&err) => Ok(()),
            other => other,
        }
    }

    fn sweep(&self) -> io::Result<()> {
        let entries = match fs::read_dir(self.dir.join(TMP)) {
            Err(err) if is_missing(&err) => return Ok(()),
            other => other?,
        };
        for entry in entries {
            fs::remove_file(entry?.path())?;
        }
        Ok(())
    }
}

impl DirStore {
    /// Collects the files below a folder; names of files that vanish meanwhile are left out.
    fn walk(&self, folder: &str, prefix: &str, entries: &mut Vec<StoreEntry>) -> io::Result<()> {
        let files = match fs::read_dir(self.dir.join(folder)) {
            Err(err) if is_missing(&err) => return Ok(()),
            other => other?,
        };
        for file in files {
            let file = file?;
            let last = file.file_name();
            let last = last.to_string_lossy();
            let name = if folder.is_empty() { last.clone().into_owned() } else { format!("{folder}/{last}") };
            if folder.is_empty() && NOT_OURS.contains(&last.as_ref()) {
                continue;
            }
            if file.file_type()?.is_dir() {
                if name.starts_with(prefix) || prefix.starts_with(&format!("{name}/")) {
                    self.walk(&name, prefix, entries)?;
                }
            } else if name.starts_with(prefix) {
                match file.metadata() {
                    Ok(metadata) => entries.push(StoreEntry { name, bytes: metadata.len() }),
                    Err(err) if is_missing(&err) => {}
                    Err(err) => return Err(err),
                }
            }
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
        make_dirs(&self.dir, path.parent().unwrap_or(&self.dir))?;
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

/// Makes a folder below `dir`, and that it is there durable.
fn make_dirs(dir: &Path, folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let parent = folder.parent().unwrap_or(dir);
    if parent != dir {
        make_dirs(dir, parent)?;
    }
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(err) if err.kind() == ErrorKind::AlreadyExists => {}
        other => other?,
    }
    sync_dir(parent)
}

fn is_missing(err: &io::Error) -> bool {
    matches!(err.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

#[cfg(test)]
mod tests {
    use super::super::{get, put};
    use super::*;

    #[test]
    fn a_file_is_there_whole_under_its_name_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let store = DirStore::new(dir.path());
        let mut file = store.begin().unwrap();
        file.write(b"hal").unwrap();
        assert_eq!(store.list("").unwrap(), []);
        drop(file);
        assert_eq!(fs::read_dir(dir.path().join(TMP)).unwrap().count(), 0);
        put(&store, "packs/01/a", b"one").unwrap();
        put(&store, "packs/02/b", b"three").unwrap();
        put(&store, "storage.toml", b"x").unwrap();
        put(&store, "storage.toml", b"xy").unwrap();
        let names = |prefix: &str| {
            let mut names: Vec<_> = store.list(prefix).unwrap().into_iter().map(|entry| (entry.name, entry.bytes)).collect();
            names.sort();
            names
        };
        assert_eq!(names(""), [("packs/01/a".to_owned(), 3), ("packs/02/b".to_owned(), 5), ("storage.toml".to_owned(), 2)]);
        assert_eq!(names("packs/0").len(), 2);
        assert_eq!(names("packs/02/"), [("packs/02/b".to_owned(), 5)]);
        assert_eq!(names("sto"), [("storage.toml".to_owned(), 2)]);
        assert_eq!(names("keys/"), []);
    }

    #[test]
    fn files_are_read_renamed_and_deleted_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let store = DirStore::new(dir.path());
        put(&store, "packs/01/a", b"hello").unwrap();
        let mut buffer = [0; 8];
        assert_eq!(store.read_at("packs/01/a", 2, &mut buffer).unwrap(), 3);
        assert_eq!(&buffer[..3], b"llo");
        store.rename("packs/01/a", "quarantine/a").unwrap();
        store.sync("packs/01/a").unwrap();
        store.sync("quarantine/a").unwrap();
        assert_eq!((store.len("packs/01/a").unwrap(), store.len("quarantine/a").unwrap()), (None, Some(5)));
        assert_eq!(store.read_at("packs/01/a", 0, &mut buffer).unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(get(&store, "quarantine/a").unwrap().as_deref(), Some(b"hello".as_slice()));
        store.delete("quarantine/a").unwrap();
        assert_eq!(get(&store, "quarantine/a").unwrap(), None);
    }

    #[test]
    fn leftovers_are_swept() {
        let dir = tempfile::tempdir().unwrap();
        let store = DirStore::new(dir.path());
        std::mem::forget(store.begin().unwrap());
        assert_eq!(fs::read_dir(dir.path().join(TMP)).unwrap().count(), 1);
        assert!(DirStore::new(dir.path()).begin().is_ok(), "a leftover of the same process stood in the way");
        store.sweep().unwrap();
        assert_eq!(fs::read_dir(dir.path().join(TMP)).unwrap().count(), 0);
    }
}
