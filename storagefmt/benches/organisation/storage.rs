//! The storage under measurement, sealed with a machine key (as the daemon has one) or not.

use c2b_storagefmt::{Argon2Params, Sealing, Unlock, Writer};
use chrono::{DateTime, Utc};
use std::path::Path;

/// The machine key. Nobody types a password in a bench, and its cost does not depend on the mail.
const MACHINE: [u8; 32] = [7; 32];

/// Creates a storage.
pub(crate) fn create(dir: &Path, sealed: bool, now: DateTime<Utc>) -> Writer {
    let sealing = if sealed { Sealing::Sealed { password: None, machine: Some(MACHINE.into()), params: Argon2Params::default() } } else { Sealing::None };
    Writer::create(dir, now, sealing).unwrap().0
}

/// Opens a storage.
pub(crate) fn open(dir: &Path, sealed: bool) -> Writer {
    Writer::open(dir, &key(sealed)).unwrap()
}

/// Returns what opens it.
pub(crate) fn key(sealed: bool) -> Unlock {
    if sealed { Unlock::Machine(MACHINE.into()) } else { Unlock::Open }
}
