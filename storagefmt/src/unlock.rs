//! From what a person or machine has to the keys of a storage.

use crate::seal::{KeyFile, KeyStore, Keys, SealError, Unlock, WrapKind};
use crate::store::{self, Store};
use crate::{Error, StorageInfo};
use std::io;

/// The files of keys in a store.
pub(crate) struct KeysIn<'a>(pub(crate) &'a dyn Store);

impl KeyStore for KeysIn<'_> {
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        store::get(self.0, name)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        store::put(self.0, name, bytes)
    }
}

/// Opens the keys of a storage; one that is not sealed has no file of keys.
///
/// # Errors
/// When the key does not fit. Whoever has a key knows the storage as sealed, and must not be made
/// to read or write open data by a changed description.
pub(crate) fn unlock(store: &dyn Store, info: &StorageInfo, unlock: &Unlock) -> Result<(Keys, Option<KeyFile>), Error> {
    if info.sealed {
        let mut file = KeyFile::load(&KeysIn(store), info.uuid)?;
        return Ok((file.unlock(unlock)?, Some(file)));
    }
    let kind = match unlock {
        Unlock::Open => return Ok((Keys::unsealed(info.uuid), None)),
        Unlock::Password(_) => WrapKind::Password,
        Unlock::Recovery(_) => WrapKind::Recovery,
        Unlock::Machine(_) => WrapKind::Machine,
    };
    Err(SealError::NoneOfKind { kind }.into())
}

/// Brings opened keys to the state of their file, at no cost of a password: mailboxes that came or were destroyed.
pub(crate) fn refresh(store: &dyn Store, info: &StorageInfo, keys: &Keys) -> Result<(), Error> {
    if info.sealed {
        KeyFile::load(&KeysIn(store), info.uuid)?.refresh(keys)?;
    }
    Ok(())
}
