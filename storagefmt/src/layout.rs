//! The files beside packs, keys and index: `storage.toml`, `README.txt`, `lock`.
//!
//! `storage.toml` is written last when a storage is created, so that a folder with it is whole and a
//! folder without it, holding nothing but our own empty furniture, can be created again. It says nothing that
//! packs do not say, too: when it is lost it is made anew from them. The lock is a file of the directory, not of the store.

use crate::format::pack::{HEADER_BYTES, PackHeader, parse_name};
use crate::format::{VERSION, time_of};
use crate::pack::reader::PackReader;
use crate::store::{self, Store, sync_dir};
use crate::{Error, StorageInfo};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use std::collections::HashMap;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// The storage's description.
pub(crate) const DESCRIPTION: &str = "storage.toml";
/// What a person finds in the folder.
const README: &str = "README.txt";
/// Folder of the packs, as names begin.
pub(crate) const PACKS: &str = "packs/";
/// Folder of the keys of a sealed storage, as names begin.
const KEYS: &str = "keys/";
/// Folder of what a repair set aside, as names begin.
pub(crate) const QUARANTINE: &str = "quarantine/";
/// The lock file.
const LOCK: &str = "lock";
/// The RocksDB folder.
pub(crate) const INDEX: &str = "index";
/// A folder beside the index while a rebuild works.
pub(crate) const INDEX_NEW: &str = "index.new";
/// The index that a rebuild set aside.
pub(crate) const INDEX_OLD: &str = "index.old";
/// Folders and files that an interrupted creation may leave, and what file systems put at their root.
const FURNITURE: [&str; 11] = [LOCK, INDEX, INDEX_NEW, INDEX_OLD, "packs", "incoming", "keys", "reserve", "tmp", README, "lost+found"];

/// The feature of records of items that wait: who does not know it cannot read all records.
pub(crate) const WAITING: &str = "waiting";
/// The features that this program knows of those without which nothing may be done.
const INCOMPATIBLE: [&str; 1] = [WAITING];

/// The text of [`README`].
const README_TEXT: &str = "This folder is a c2b storage: a backup of mailboxes. Do not change, rename or delete anything in it; \
to read it, mount it with `c2bctl mount` or `mount.c2b`.\n\
Everything is in packs/; the folder index/ can be made anew from it with `c2bctl storage rebuild`.\n\
If there is a folder keys/, the storage is sealed: without it, and a password or the recovery key, nobody can read anything.\n\
doc/format.md of c2b describes every byte.\n";

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
pub(crate) fn read_description(dir: &Path, store: &dyn Store, access: Access) -> Result<StorageInfo, Error> {
    let path = dir.join(DESCRIPTION);
    let bytes = store::get(store, DESCRIPTION).map_err(Error::file("read", &path))?.ok_or_else(|| Error::NotAStorage { path: dir.to_owned() })?;
    let text = String::from_utf8(bytes).map_err(|_| Error::Description { path: path.clone(), reason: "it is not text".to_owned() })?;
    let damaged = |reason: String| Error::Description { path: path.clone(), reason };
    let newer = |found: String| Error::NewerFormat { path: dir.to_owned(), found, supported: VERSION };
    // The version first, by itself: a newer description may have any shape.
    let table: toml::Table = toml::from_str(&text).map_err(|err| damaged(err.message().to_owned()))?;
    match table.get("format").and_then(toml::Value::as_integer) {
        Some(version) if version == i64::from(VERSION) => {}
        Some(found @ 1) => return Err(Error::PreviewFormat { path: dir.to_owned(), found }),
        Some(version) if version > i64::from(VERSION) => return Err(newer(version.to_string())),
        _ => return Err(damaged("it names no format".to_owned())),
    }
    let description: Description = toml::from_str(&text).map_err(|err| damaged(err.message().to_owned()))?;
    let Features { incompatible, read_only, .. } = &description.features;
    let unknown = incompatible.iter().find(|flag| !INCOMPATIBLE.contains(&flag.as_str()));
    if let Some(flag) = unknown.or(read_only.first().filter(|_| access == Access::Write)) {
        return Err(newer(format!("{VERSION} with {flag}")));
    }
    let created = DateTime::parse_from_rfc3339(&description.created).map_err(|err| damaged(format!("created: {err}")))?;
    let uuid = Uuid::parse_str(&description.uuid).map_err(|err| damaged(format!("uuid: {err}")))?;
    Ok(StorageInfo { uuid, version: description.format, created: created.with_timezone(&Utc), sealed: description.sealed })
}

/// Says what is wrong with the file for people; `None` when it is whole.
pub(crate) fn readme_flaw(store: &dyn Store) -> Result<Option<&'static str>, Error> {
    Ok(match store::get(store, README).map_err(Error::file("read", README))? {
        Some(bytes) if bytes == README_TEXT.as_bytes() => None,
        Some(_) => Some("README.txt is not as c2b wrote it"),
        None => Some("README.txt is missing"),
    })
}

/// Writes the file for people.
pub(crate) fn write_readme(store: &dyn Store) -> Result<(), Error> {
    store::put(store, README, README_TEXT.as_bytes()).map_err(Error::file("write", README))
}

/// Returns what lies beside the storage's own files.
pub(crate) fn strangers(dir: &Path) -> Result<Vec<String>, Error> {
    let mut strangers = Vec::new();
    for entry in fs::read_dir(dir).map_err(Error::file("list", dir))? {
        let name = entry.map_err(Error::file("list", dir))?.file_name().to_string_lossy().into_owned();
        if !FURNITURE.contains(&name.as_str()) && ![DESCRIPTION, "quarantine"].contains(&name.as_str()) {
            strangers.push(name);
        }
    }
    strangers.sort();
    Ok(strangers)
}

/// Makes the folder and its furniture, all but the description. Refuses folders that hold anything else.
pub(crate) fn furnish(dir: &Path, store: &dyn Store) -> Result<(), Error> {
    if dir.join(DESCRIPTION).exists() {
        return Err(Error::AlreadyAStorage { path: dir.to_owned() });
    }
    if let Some(found) = foreign(dir)? {
        return Err(Error::NotEmpty { path: dir.to_owned(), found: found.to_string_lossy().into_owned() });
    }
    make_dir(dir)?;
    write_readme(store)
}

/// Makes a folder that only its owner reads, durably, with those above it that are missing.
pub(crate) fn make_dir(dir: &Path) -> Result<(), Error> {
    let made: Vec<&Path> = dir.ancestors().take_while(|dir| !dir.as_os_str().is_empty() && !dir.exists()).collect();
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(Error::file("create", dir))?;
    for parent in made.into_iter().filter_map(Path::parent) {
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        sync_dir(parent).map_err(Error::file("sync", parent))?;
    }
    Ok(())
}

/// Writes the description, with the features without which nothing may be done: from now on the folder is a storage.
pub(crate) fn write_description(store: &dyn Store, info: &StorageInfo, incompatible: &[&str]) -> Result<(), Error> {
    let StorageInfo { uuid, version, created, sealed } = info;
    let created = created.to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
    let flags = incompatible.iter().map(|flag| format!("\"{flag}\"")).collect::<Vec<_>>().join(", ");
    let text = format!(
        "# Written by c2b; see README.txt.\nformat = {version}\nuuid = \"{uuid}\"\ncreated = \"{created}\"\nsealed = {sealed}\n\n[features]\ncompatible = []\nread_only = []\nincompatible = [{flags}]\n"
    );
    store::put(store, DESCRIPTION, text.as_bytes()).map_err(Error::file("write", DESCRIPTION))
}

/// Writes a description that was lost. Nobody knows which features it named: so it names all.
pub(crate) fn write_description_anew(store: &dyn Store, info: &StorageInfo) -> Result<(), Error> {
    write_description(store, info, &INCOMPATIBLE)
}

/// Makes sure that programs which do not know [`WAITING`] leave the storage alone.
pub(crate) fn require_waiting(store: &dyn Store, info: &StorageInfo) -> Result<(), Error> {
    let bytes = store::get(store, DESCRIPTION).map_err(Error::file("read", DESCRIPTION))?.unwrap_or_default();
    let features: Option<Description> = std::str::from_utf8(&bytes).ok().and_then(|text| toml::from_str(text).ok());
    if features.is_some_and(|description| description.features.incompatible.iter().any(|flag| flag == WAITING)) {
        return Ok(());
    }
    write_description(store, info, &[WAITING])
}

/// Makes sure that the packs are of the storage that the description names, by a majority: one may have been put here by mistake.
pub(crate) fn prove_packs(dir: &Path, store: &dyn Store, info: &StorageInfo) -> Result<(), Error> {
    match describe_from_packs(store)? {
        Some(found) if found.uuid != info.uuid => Err(other_storage(dir)),
        _ => Ok(()),
    }
}

/// Makes sure that a pack, one whose header can be read, is of the storage that the description names.
pub(crate) fn prove_pack(dir: &Path, store: &dyn Store, info: &StorageInfo, pack: &str) -> Result<(), Error> {
    let mut bytes = [0; HEADER_BYTES];
    let Ok(n) = store.read_at(pack, 0, &mut bytes) else { return Ok(()) };
    match PackHeader::decode(&bytes[..n]) {
        Ok(header) if header.storage != info.uuid => prove_packs(dir, store, info),
        _ => Ok(()),
    }
}

fn other_storage(dir: &Path) -> Error {
    Error::Description { path: dir.join(DESCRIPTION), reason: "its uuid is not that of the packs".to_owned() }
}

/// Finds out from the packs what the description said; `None` without a pack whose header can be read. The time
/// of the first commit stands for that of the creation.
pub(crate) fn describe_from_packs(store: &dyn Store) -> Result<Option<StorageInfo>, Error> {
    let mut packs = store.list(PACKS).map_err(Error::file("list", PACKS))?;
    packs.retain(|pack| parse_name(&pack.name).is_some());
    packs.sort_by_key(|pack| parse_name(&pack.name));
    let mut headers = HashMap::<Uuid, usize>::new();
    for pack in &packs {
        let mut bytes = [0; HEADER_BYTES];
        let n = store.read_at(&pack.name, 0, &mut bytes).map_err(Error::file("read", &pack.name))?;
        if let Ok(header) = PackHeader::decode(&bytes[..n]) {
            *headers.entry(header.storage).or_default() += 1;
        }
    }
    // A pack of another storage may have been put here by mistake; not most of them.
    let Some((&uuid, _)) = headers.iter().max_by_key(|(uuid, count)| (**count, **uuid)) else { return Ok(None) };
    let (mut created, mut sealed) = (None, !store.list(KEYS).map_err(Error::file("list", KEYS))?.is_empty());
    for pack in &packs {
        let reader = PackReader::open(store, &pack.name, pack.bytes, uuid)?;
        sealed |= reader.frames().iter().any(|frame| frame.header.keygen != 0);
        created = created.or_else(|| reader.listed_commits().first().map(|commit| time_of(commit.time)));
        if created.is_some() {
            break;
        }
    }
    Ok(Some(StorageInfo { uuid, version: VERSION, created: created.unwrap_or(DateTime::UNIX_EPOCH), sealed }))
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
        let ours = name.to_str().is_some_and(|name| FURNITURE.contains(&name));
        let holds_packs = name == Path::new("packs") || name == Path::new("incoming");
        let holds_packs = holds_packs && fs::read_dir(dir.join(&name)).map_err(Error::file("list", dir.join(&name)))?.next().is_some();
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
        match write(&mut file).map_err(Error::file("write", path)) {
            // The number is a courtesy; the disk may be full, and the writer have come to make room.
            Ok(()) | Err(Error::NoSpace { .. }) => Ok(Self { _file: file }),
            Err(err) => Err(err),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::DirStore;

    const STORAGE: Uuid = Uuid::from_u128(7);

    fn read(dir: &Path) -> Result<StorageInfo, Error> {
        read_description(dir, &DirStore::new(dir), Access::Read)
    }

    #[test]
    fn a_folder_becomes_a_storage_when_its_description_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let store = DirStore::new(dir.path());
        for _ in 0..2 {
            furnish(dir.path(), &store).unwrap();
            assert!(matches!(read(dir.path()), Err(Error::NotAStorage { .. })));
        }
        let info = StorageInfo { uuid: STORAGE, version: VERSION, created: DateTime::UNIX_EPOCH, sealed: true };
        write_description(&store, &info, &[]).unwrap();
        assert_eq!(read(dir.path()).unwrap(), info);
        assert!(info.sealed && info.uuid == STORAGE && info.version == 2);
        assert!(matches!(furnish(dir.path(), &store), Err(Error::AlreadyAStorage { .. })));
    }

    #[test]
    fn other_folders_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("letter.doc"), "Dear").unwrap();
        assert!(matches!(furnish(dir.path(), &DirStore::new(dir.path())), Err(Error::NotEmpty { found, .. }) if found == "letter.doc"));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn other_formats_are_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let write = |text: &str| fs::write(dir.path().join(DESCRIPTION), text).unwrap();
        write("format = 1\nuuid = \"x\"\n");
        assert!(matches!(read(dir.path()), Err(Error::PreviewFormat { found: 1, .. })));
        write("format = 3\nshape = \"unknown\"\n");
        assert!(matches!(read(dir.path()), Err(Error::NewerFormat { .. })));
        for text in ["", "format = \"2\"", "format = 2\n", "format = 0", "\u{1}"] {
            write(text);
            assert!(matches!(read(dir.path()), Err(Error::Description { .. })), "{text:?} was accepted");
        }
    }

    #[test]
    fn flags_of_newer_programs_are_respected() {
        let dir = tempfile::tempdir().unwrap();
        let store = DirStore::new(dir.path());
        let info = StorageInfo { uuid: STORAGE, version: VERSION, created: DateTime::UNIX_EPOCH, sealed: false };
        write_description(&store, &info, &[]).unwrap();
        let text = fs::read_to_string(dir.path().join(DESCRIPTION)).unwrap();
        fs::write(dir.path().join(DESCRIPTION), text.replace("read_only = []", "read_only = [\"x\"]")).unwrap();
        assert!(read(dir.path()).is_ok());
        assert!(matches!(read_description(dir.path(), &store, Access::Write), Err(Error::NewerFormat { .. })));
        for unknown in ["[\"x\"]", "[\"waiting\", \"x\"]"] {
            fs::write(dir.path().join(DESCRIPTION), text.replace("incompatible = []", &format!("incompatible = {unknown}"))).unwrap();
            assert!(matches!(read(dir.path()), Err(Error::NewerFormat { .. })));
        }
        fs::write(dir.path().join(DESCRIPTION), &text).unwrap();
        for _ in 0..2 {
            require_waiting(&store, &info).unwrap();
            let flagged = fs::read_to_string(dir.path().join(DESCRIPTION)).unwrap();
            assert_eq!(flagged, text.replace("incompatible = []", "incompatible = [\"waiting\"]"));
            assert_eq!(read_description(dir.path(), &store, Access::Write).unwrap(), info);
        }
    }

    #[test]
    fn one_process_has_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        let lock = Lock::take(dir.path()).unwrap();
        assert!(matches!(Lock::take(dir.path()), Err(Error::InUse { pid: Some(pid), .. }) if pid == std::process::id()));
        drop(lock);
        Lock::take(dir.path()).unwrap();
    }
}
