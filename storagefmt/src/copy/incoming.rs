//! `incoming/`: what a copy has moved and not yet taken in.
//!
//! Packs lie there flat, whole and proven. When all are there, and the keys that open them, the file `ready` says so, and from then on
//! whoever opens the copy for writing moves them to their places: keys first, then packs. Without `ready` nobody but the
//! next copy looks at them. The first copy has the description here, until everything else is in its place. `damaged`
//! lists packs that were damaged when they were copied, for the next copy to look at again.

use crate::format::pack::parse_name;
use crate::layout::{DESCRIPTION, PACKS, furniture};
use crate::seal::KEY_FILES;
use crate::store::{Store, get, put};
use crate::{Error, StorageInfo};
use std::collections::{BTreeMap, BTreeSet};

/// The folder, as names begin.
pub(super) const INCOMING: &str = "incoming/";
/// How names of packs end that are damaged.
const FLAW: &str = ".damaged";
const READY: &str = "incoming/ready";
const KEYS: &str = "incoming/keys";
const DAMAGED: &str = "incoming/damaged";
const BEGUN: &str = "incoming/storage.toml";

/// The folder of what was moved.
pub(super) struct Incoming<'a> {
    store: &'a dyn Store,
    damaged: BTreeSet<String>,
}

impl<'a> Incoming<'a> {
    /// Returns the description of a copy that was begun and never finished.
    pub(super) fn begun(store: &dyn Store) -> Result<Option<String>, Error> {
        Ok(read(store, BEGUN)?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Opens the folder; of a first copy, leaves word whose it is going to be.
    pub(super) fn open(store: &'a dyn Store, first: Option<(&dyn Store, &StorageInfo)>) -> Result<Self, Error> {
        if let Some((source, _)) = first {
            if read(store, BEGUN)?.is_none() {
                let text = read(source, DESCRIPTION)?.unwrap_or_default();
                write(store, BEGUN, &text)?;
            }
            furniture(store)?;
        }
        let damaged = read(store, DAMAGED)?.unwrap_or_default();
        let damaged = String::from_utf8_lossy(&damaged).lines().map(str::to_owned).collect();
        Ok(Self { store, damaged })
    }

    /// Returns the names of packs that were damaged when they were copied.
    pub(super) fn damaged(&self) -> &BTreeSet<String> {
        &self.damaged
    }

    /// Returns the whole packs that lie here, by the names that they will have, with their lengths in bytes. Damaged ones go:
    /// the source may have been put in order since.
    pub(super) fn packs(&self) -> Result<BTreeMap<String, u64>, Error> {
        let mut packs = BTreeMap::new();
        for file in self.store.list(INCOMING).map_err(Error::file("list", INCOMING))? {
            let Some(place) = place(&file.name) else { continue };
            if file.name.ends_with(FLAW) { self.discard(&file.name)? } else { drop(packs.insert(place, file.bytes)) }
        }
        Ok(packs)
    }

    /// Removes a file that will not be taken in.
    pub(super) fn discard(&self, name: &str) -> Result<(), Error> {
        self.store.delete(name).map_err(Error::file("delete", name))
    }

    /// Says that everything is here.
    pub(super) fn ready(&self, keys: Option<&[u8]>, damaged: Vec<String>) -> Result<(), Error> {
        let damaged: BTreeSet<String> = damaged.into_iter().collect();
        if damaged != self.damaged {
            let lines: String = damaged.iter().map(|name| format!("{name}\n")).collect();
            write(self.store, DAMAGED, lines.as_bytes())?;
        }
        if let Some(keys) = keys {
            write(self.store, KEYS, keys)?;
        } else if !self.store.list(INCOMING).map_err(Error::file("list", INCOMING))?.iter().any(|file| place(&file.name).is_some()) {
            return Ok(());
        }
        self.store.sync(READY).map_err(Error::file("sync the folder of", READY))?;
        write(self.store, READY, b"")
    }

    /// Gives the copy the source's description, if it has another or none: from now on it is a storage.
    pub(super) fn describe(&self, source: &dyn Store) -> Result<(), Error> {
        let text = read(source, DESCRIPTION)?.unwrap_or_default();
        if read(self.store, DESCRIPTION)?.as_ref() != Some(&text) {
            write(self.store, DESCRIPTION, &text)?;
        }
        match self.store.len(BEGUN).map_err(Error::file("read", BEGUN))? {
            Some(_) => self.store.delete(BEGUN).map_err(Error::file("delete", BEGUN)),
            None => Ok(()),
        }
    }
}

/// Takes in what a copy has moved, if all of it is there.
pub(crate) fn land(store: &dyn Store) -> Result<(), Error> {
    if store.len(READY).map_err(Error::file("read", READY))?.is_none() {
        return Ok(());
    }
    if let Some(keys) = read(store, KEYS)? {
        for name in KEY_FILES {
            write(store, name, &keys)?;
        }
        store.delete(KEYS).map_err(Error::file("delete", KEYS))?;
    }
    let mut folders = BTreeMap::new();
    for file in store.list(INCOMING).map_err(Error::file("list", INCOMING))? {
        let Some(place) = place(&file.name) else { continue };
        store.rename(&file.name, &place).map_err(Error::file("put in place", &place))?;
        folders.insert(place.rsplit_once('/').map(|(folder, _)| folder.to_owned()), place);
    }
    // Many packs, few folders.
    for name in folders.values() {
        store.sync(name).map_err(Error::file("sync the folder of", name))?;
    }
    store.delete(READY).map_err(Error::file("delete", READY))?;
    store.sync(READY).map_err(Error::file("sync the folder of", READY))
}

/// Returns the name that a pack has while it lies here.
pub(super) fn staged(name: &str, is_whole: bool) -> String {
    format!("{INCOMING}{}{}", name.rsplit_once('/').map_or(name, |(_, file)| file), if is_whole { "" } else { FLAW })
}

/// Returns the name that a pack lying here will have; `None` for anything else.
fn place(name: &str) -> Option<String> {
    let file = name.strip_prefix(INCOMING)?;
    let file = file.strip_suffix(FLAW).unwrap_or(file);
    let place = format!("{PACKS}{}/{file}", file.get(14..16)?);
    parse_name(&place).is_some().then_some(place)
}

fn read(store: &dyn Store, name: &str) -> Result<Option<Vec<u8>>, Error> {
    get(store, name).map_err(Error::file("read", name))
}

fn write(store: &dyn Store, name: &str, bytes: &[u8]) -> Result<(), Error> {
    put(store, name, bytes).map_err(Error::file("write", name))
}
