//! The files beside packs and index: `storage.toml`, `lock`, `README.txt`.
//!
//! `storage.toml` is written last when a storage is created, so that a folder with it is whole and a
//! folder without it, holding nothing but our own empty furniture, can be created again.

use crate::format::VERSION;
use crate::store::Store;
use crate::{Error, StorageInfo};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// The storage's description.
pub(crate) const DESCRIPTION: &str = "storage.toml";
/// The lock file.
const LOCK: &str = "lock";
/// The RocksDB folder.
pub(crate) const INDEX: &str = "index";
/// A folder beside the index while a rebuild works.
pub(crate) const INDEX_NEW: &str = "index.new";
/// The index that a rebuild set aside.
pub(crate) const INDEX_OLD: &str = "index.old";
/// Folders and files that an interrupted creation may leave, and what file systems put at their root.
const FURNITURE: [&str; 9] = [LOCK, INDEX, INDEX_NEW, INDEX_OLD, "packs", "tmp", "keys", "README.txt", "lost+found"];

/// What a person finds in the folder.
const README: &str = "This folder is a c2b storage: a backup of mailboxes. Do not change, rename or delete anything in it; \
to read it, mount it with `c2bctl mount` or `mount.c2b`.\n\
Everything is in packs/; the folder index/ can be made anew from it with `c2bctl storage rebuild`. doc/format.md of c2b describes every byte.\n";

/// Contents of `storage.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    format: u32,
    uuid: String,
    created: String,
    sealed: bool,
    #[serde(default)]
    features: Features,
}

/// Feature flags: what a program must know to do something with the storage.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Features {
    /// Nothing to know: any program may read and write.
    #[serde(default, rename = "compatible")]
    _compatible: Vec<String>,
    /// A program that does not know these may read, not write.
    #[serde(default)]
    read_only: Vec<String>,
    /// A program that does not know these may do nothing.
    #[serde(default)]
    incompatible: Vec<String>,
}

/// What is to be done with a storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
}

/// The storage's kernel lock; ends with this value or with the process.
pub(crate) struct Lock {
    _file: File,
}

/// Reads the description of the storage at `dir`, and refuses what this program does not understand.
pub(crate) fn read_description(store: &dyn Store, dir: &Path, access: Access) -> Result<StorageInfo, Error> {
    let path = dir.join(DESCRIPTION);
    let text = match crate::store::get(store, DESCRIPTION) {
        Ok(Some(bytes)) => String::from_utf8(bytes).map_err(|_| Error::Description { path: path.clone(), reason: "it is not text".to_owned() })?,
        Ok(None) => return Err(Error::NotAStorage { path: dir.to_owned() }),
        Err(err) if matches!(err.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Err(Error::NotAStorage { path: dir.to_owned() }),
        Err(err) => return Err(Error::file("read", path)(err)),
    };
    let damaged = |reason: String| Error::Description { path: path.clone(), reason };
    let newer = |found: String| Error::NewerFormat { path: dir.to_owned(), found, supported: VERSION };
    // The version first, by itself: a newer description may have any shape.
    let table: toml::Table = toml::from_str(&text).map_err(|err| damaged(err.message().to_owned()))?;
    match table.get("format").and_then(toml::Value::as_integer) {
        Some(version) if version == i64::from(VERSION) => {}
        Some(1) => return Err(Error::PreviewFormat { path: dir.to_owned() }),
        Some(version) if version > i64::from(VERSION) => return Err(newer(version.to_string())),
        _ => return Err(damaged("it names no format".to_owned())),
    }
    let description: Description = toml::from_str(&text).map_err(|err| damaged(err.message().to_owned()))?;
    let Features { incompatible, read_only, .. } = &description.features;
    if let Some(flag) = incompatible.first().or(read_only.first().filter(|_| access == Access::Write)) {
        return Err(newer(format!("{VERSION} with {flag}")));
    }
    let created = DateTime::parse_from_rfc3339(&description.created).map_err(|err| damaged(format!("created: {err}")))?;
    let uuid = Uuid::parse_str(&description.uuid).map_err(|err| damaged(format!("uuid: {err}")))?;
    Ok(StorageInfo { uuid, version: description.format, created: created.with_timezone(&Utc), sealed: description.sealed })
}

/// Makes the folder and its furniture, all but the description. Refuses folders that hold anything else.
pub(crate) fn furnish(dir: &Path, store: &dyn Store) -> Result<(), Error> {
    if dir.join(DESCRIPTION).exists() {
        return Err(Error::AlreadyAStorage { path: dir.to_owned() });
    }
    if let Some(found) = foreign(dir)? {
        return Err(Error::NotEmpty { path: dir.to_owned(), found: found.to_string_lossy().into_owned() });
    }
    for folder in [dir.to_owned(), dir.join("packs"), dir.join("tmp")] {
        DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(Error::file("create", &folder))?;
    }
    crate::store::put(store, "README.txt", README.as_bytes()).map_err(Error::file("write", dir.join("README.txt")))
}

/// Writes the description: from now on the folder is a storage.
pub(crate) fn write_description(store: &dyn Store, uuid: Uuid, created: DateTime<Utc>, sealed: bool) -> Result<StorageInfo, Error> {
    let text = format!(
        "# Written once by c2b; see README.txt.\nformat = {VERSION}\nuuid = \"{uuid}\"\ncreated = \"{}\"\nsealed = {sealed}\n\n[features]\ncompatible = []\nread_only = []\nincompatible = []\n",
        created.to_rfc3339_opts(chrono::SecondsFormat::Micros, true)
    );
    crate::store::put(store, DESCRIPTION, text.as_bytes()).map_err(Error::file("write", DESCRIPTION))?;
    Ok(StorageInfo { uuid, version: VERSION, created, sealed })
}

pub(crate) fn describe_from_packs(_store: &dyn Store) -> Result<Option<StorageInfo>, Error> {
    Ok(None)
}

/// Returns something in `dir` that is not ours; `None` when it may become a storage.
pub(crate) fn foreign(dir: &Path) -> Result<Option<PathBuf>, Error> {
    let entries = match fs::read_dir(dir) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(err) if err.kind() == io::ErrorKind::NotADirectory => return Ok(Some(dir.to_owned())),
        other => other.map_err(Error::file("list", dir))?,
    };
    for entry in entries {
        let name = PathBuf::from(entry.map_err(Error::file("list", dir))?.file_name());
        let ours = name.to_str().is_some_and(|name| FURNITURE.contains(&name) || [DESCRIPTION, "README.txt"].iter().any(|file| name == format!("{file}.tmp")));
        let holds_packs = name.as_os_str() == "packs" && fs::read_dir(dir.join("packs")).map_err(Error::file("list", dir.join("packs")))?.next().is_some();
        if !ours || holds_packs {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

impl Lock {
    /// Takes the lock, or says which process has it.
    pub(crate) fn take(dir: &Path) -> Result<Self, Error> {
        let path = dir.join(LOCK);
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(Error::file("open", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                // The number is a courtesy: a lock whose file cannot be read is still a lock.
                let _ = file.read_to_string(&mut text);
                return Err(Error::InUse { path: dir.to_owned(), pid: text.trim().parse().ok() });
            }
            Err(TryLockError::Error(err)) => return Err(Error::file("lock", path)(err)),
        }
        let write = |file: &mut File| {
            file.set_len(0)?;
            file.seek(SeekFrom::Start(0))?;
            writeln!(file, "{}", std::process::id())
        };
        write(&mut file).map_err(Error::file("write", path))?;
        Ok(Self { _file: file })
    }
}

