//! The definitions in force, and the folder that holds their files.

use crate::atomic::{self, FileError};
use crate::definition::check::named;
use crate::definition::text::{self, BadFile};
use crate::definition::{Connection, Defined, Job, Storage};
use crate::name::Name;
use crate::peer;
use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

/// All objects of one kind, by name.
pub type All<T> = BTreeMap<Name, Arc<T>>;

/// The definitions in force. The files are the truth; this is what was understood of them.
#[derive(Debug)]
pub struct Definitions {
    root: PathBuf,
    known: RwLock<Known>,
    changing: tokio::sync::Mutex<()>,
}

/// What is in force and what is wrong.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Connections.
    pub connections: All<Connection>,
    /// Storages.
    pub storages: All<Storage>,
    /// Jobs.
    pub jobs: All<Job>,
    /// Files that could not be understood; for these the definitions before them are in force.
    pub bad: Vec<BadFile>,
}

/// A kind of object that [`Known`] has a place for.
pub trait Kept: Defined {
    /// Returns the place.
    fn all(known: &Known) -> &All<Self>;
    /// Returns the place for changes.
    fn all_mut(known: &mut Known) -> &mut All<Self>;
}

impl Definitions {
    /// Returns the folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Opens the folder, making it if need be, and reads all files.
    ///
    /// # Errors
    /// When the folders cannot be made or listed. Wrong files are no error: see [`Known::bad`].
    pub fn open(root: &Path) -> Result<Self, FileError> {
        for folder in [Connection::FOLDER, Storage::FOLDER, Job::FOLDER] {
            atomic::make_folder(&root.join(folder), 0o750)?;
        }
        let definitions = Self { root: root.to_owned(), known: RwLock::default(), changing: tokio::sync::Mutex::default() };
        definitions.reload()?;
        Ok(definitions)
    }

    /// Reads all files again. An object whose file is wrong stays as it was; one whose file is gone is gone.
    ///
    /// # Errors
    /// When a folder cannot be listed; then nothing changes.
    pub fn reload(&self) -> Result<(), FileError> {
        let before = self.known().clone();
        let mut bad = Vec::new();
        let connections = self.read_all(&before.connections, &mut bad)?;
        let storages = self.read_all(&before.storages, &mut bad)?;
        let jobs = self.read_all(&before.jobs, &mut bad)?;
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Known { connections, storages, jobs, bad };
        Ok(())
    }

    /// Waits until nobody else changes definitions. Held from the look whether a change is
    /// possible until it is done, so that what was seen still holds.
    pub async fn change(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.changing.lock().await
    }

    /// Returns what is in force. Do not hold it over an `await`.
    pub fn known(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns one object.
    pub fn get<T: Kept>(&self, name: &Name) -> Option<Arc<T>> {
        T::all(&self.known()).get(name).cloned()
    }

    /// Returns whether there is an object or, unreadable perhaps, a file of this name.
    pub fn is_taken<T: Kept>(&self, name: &Name) -> bool {
        T::all(&self.known()).contains_key(name) || self.path::<T>(name).exists()
    }

    /// Writes an object's file and puts it in force.
    ///
    /// # Errors
    /// When the file cannot be written; then nothing changes.
    pub fn put<T: Kept>(&self, name: &Name, object: T) -> Result<Arc<T>, FileError> {
        let path = self.path::<T>(name);
        let text = toml::to_string(&object.to_file()).map_err(|error| FileError::of("write", &path)(io::Error::other(error)))?;
        atomic::write(&path, text.as_bytes(), 0o640)?;
        let object = Arc::new(object);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.bad.retain(|bad| bad.path != path);
        T::all_mut(&mut known).insert(name.clone(), object.clone());
        Ok(object)
    }

    /// Removes an object and its file.
    ///
    /// # Errors
    /// When the file cannot be removed; then nothing changes.
    pub fn remove<T: Kept>(&self, name: &Name) -> Result<(), FileError> {
        let path = self.path::<T>(name);
        atomic::remove(&path)?;
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.bad.retain(|bad| bad.path != path);
        T::all_mut(&mut known).remove(name);
        Ok(())
    }

    /// Returns where an object's file is.
    pub fn path<T: Defined>(&self, name: &Name) -> PathBuf {
        self.root.join(T::FOLDER).join(format!("{name}.toml"))
    }

    fn read_all<T: Defined>(&self, before: &All<T>, bad: &mut Vec<BadFile>) -> Result<All<T>, FileError> {
        let folder = self.root.join(T::FOLDER);
        let mut all = All::new();
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(&folder).map_err(FileError::of("list", &folder))? {
            paths.push(entry.map_err(FileError::of("list", &folder))?.path());
        }
        paths.sort();
        for path in paths.iter().filter(|path| is_definition(path)) {
            let name = match named(path) {
                Ok(name) => name,
                Err(error) => {
                    bad.push(error);
                    continue;
                }
            };
            match read::<T>(path, &name) {
                Ok(object) => {
                    all.insert(name, Arc::new(object));
                }
                Err(error) => {
                    bad.push(error);
                    if let Some(object) = before.get(&name) {
                        all.insert(name, object.clone());
                    }
                }
            }
        }
        Ok(all)
    }
}

impl Kept for Connection {
    fn all(known: &Known) -> &All<Self> {
        &known.connections
    }
    fn all_mut(known: &mut Known) -> &mut All<Self> {
        &mut known.connections
    }
}

impl Kept for Storage {
    fn all(known: &Known) -> &All<Self> {
        &known.storages
    }
    fn all_mut(known: &mut Known) -> &mut All<Self> {
        &mut known.storages
    }
}

impl Kept for Job {
    fn all(known: &Known) -> &All<Self> {
        &known.jobs
    }
    fn all_mut(known: &mut Known) -> &mut All<Self> {
        &mut known.jobs
    }
}

/// Returns whether a file of this name is a definition.
pub(super) fn is_definition(path: &Path) -> bool {
    let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    !hidden && path.extension().is_some_and(|extension| extension == "toml")
}

/// Reads an object's file.
pub(super) fn read<T: Defined>(path: &Path, name: &Name) -> Result<T, BadFile> {
    let text = std::fs::read_to_string(path).map_err(|error| BadFile::whole(path, format!("cannot be read: {error}")))?;
    let file = text::parse(path, &text)?;
    T::check(name, file, &owner(path)).map_err(|wrong| text::locate(path, &text, wrong))
}

/// Returns the name of the user whose file it is.
fn owner(path: &Path) -> String {
    let Ok(metadata) = std::fs::metadata(path) else { return String::new() };
    peer::user_name(metadata.uid())
}
