//! `reserve`: a file of no meaning, given up when the disk is full so that what makes room has some.
//!
//! Its bytes cannot be compressed, so that a file system which does that keeps as much room for it as it is long.

use crate::Error;
use crate::store::Store;
use std::path::Path;

/// Bytes of the ballast that nobody chose: with it one pack of freeing (32 MiB) and what the index writes of it fit.
pub const RESERVE_BYTES: u64 = 64 << 20;

const NAME: &str = "reserve";
/// Bytes written at a time.
const WRITE_BYTES: usize = 1 << 20;

/// Makes the ballast, if it is not there with this length and as much again stays free. Returns whether it is there.
pub(crate) fn keep(dir: &Path, store: &dyn Store, bytes: u64) -> Result<bool, Error> {
    let held = store.len(NAME).map_err(Error::file("read", NAME))?;
    if held == Some(bytes) {
        return Ok(true);
    }
    if bytes == 0 {
        release(store)?;
        return Ok(true);
    }
    if crate::probe::free_bytes(dir)?.saturating_add(held.unwrap_or(0)) < bytes.saturating_mul(2) {
        return Ok(held.is_some());
    }
    match fill(store, bytes) {
        Ok(()) => Ok(true),
        Err(err) if err.is_no_space() => Ok(held.is_some()),
        Err(err) => Err(err),
    }
}

/// Gives the ballast up. Returns whether there was any.
pub(crate) fn release(store: &dyn Store) -> Result<bool, Error> {
    let Some(bytes) = store.len(NAME).map_err(Error::file("read", NAME))? else { return Ok(false) };
    store.delete(NAME).and_then(|()| store.sync(NAME)).map_err(Error::file("delete", NAME))?;
    tracing::warn!(bytes, "no space left: the storage gave up its ballast");
    Ok(true)
}

fn fill(store: &dyn Store, bytes: u64) -> Result<(), Error> {
    let mut noise = blake3::Hasher::new().update(NAME.as_bytes()).finalize_xof();
    let (mut buffer, mut rest) = (vec![0; WRITE_BYTES], bytes);
    let mut file = store.begin().map_err(Error::file("begin", NAME))?;
    while rest > 0 {
        let length = usize::try_from(rest).map_or(WRITE_BYTES, |rest| rest.min(WRITE_BYTES));
        noise.fill(&mut buffer[..length]);
        file.write(&buffer[..length]).map_err(Error::file("write", NAME))?;
        rest -= length as u64;
    }
    file.sync().map_err(Error::file("sync", NAME))?;
    file.publish(NAME).map_err(Error::file("publish", NAME))?;
    store.sync(NAME).map_err(Error::file("sync the folder of", NAME))
}
