//! What a storage is opened with: nothing, the text of a file, or this machine's key where we may read it.
//!
//! A secret is never an option itself: options show in the list of processes and in fstab.

use crate::options::Options;
use c2b_storagefmt::machine_key::{self, MachineKeyError};
use c2b_storagefmt::{Error as StorageError, ProbeKind, RecoveryKey, Unlock, probe};
use std::env;
use std::fs;
use std::io::{self, IsTerminal, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Where the daemon keeps this machine's key when nobody says otherwise.
pub(crate) const MACHINE_KEY: &str = "/var/lib/c2b/machine.key";

/// Where the service manager keeps the credentials of a daemon that runs, for root to read.
const DAEMON_CREDENTIALS: &str = "/run/credentials/c2bd.service";

/// The name of the credential with the machine's key.
const CREDENTIAL: &str = "machine.key";

/// Room for what standard input says, in bytes: a text that grows leaves pieces of itself behind.
const INPUT_CAPACITY: usize = 64 * 1024;

/// The permissions of group and others.
const MODE_OTHERS: u32 = 0o077;

/// Why a storage could not be unlocked.
#[derive(Debug, thiserror::Error)]
pub enum UnlockError {
    /// It cannot be looked at.
    #[error("failed to look at the storage")]
    Look(#[source] Box<StorageError>),
    /// There is nothing to open it with.
    #[error("the storage is sealed: name a file with its password or recovery key (-o passfile=FILE), or mount it as a user who may read this machine's key")]
    Sealed(#[source] MachineKeyError),
    /// What is typed would be seen.
    #[error("standard input is a terminal, which would show what is typed: use `c2bctl mount`, which asks")]
    Terminal,
    /// The file cannot be read.
    #[error("failed to read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause below.
        #[source]
        err: io::Error,
    },
    /// Others may read the file.
    #[error("{path} can be read by others than its owner (mode {mode:04o}): make it yours alone with chmod 600")]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
}

/// Finds what opens the storage in a folder.
///
/// # Errors
/// [`UnlockError`].
pub(crate) fn unlock(storage: &Path, options: &Options) -> Result<Unlock, UnlockError> {
    let found = probe(storage).map_err(|err| UnlockError::Look(Box::new(err)))?;
    match (found.kind, &options.passfile) {
        (ProbeKind::Storage(info), Some(file)) if info.sealed => if options.reads_input() { standard_input() } else { private(file) }.map(secret),
        (ProbeKind::Storage(info), None) if info.sealed => machine_key(options.keyfile.as_deref()).map(Unlock::Machine).map_err(UnlockError::Sealed),
        // What is no storage is refused, with its reason, when it is opened.
        _ => Ok(Unlock::Open),
    }
}

/// Reads this machine's key: from the file that is named, else from the first place that has it. As with the daemon,
/// credentials go before the file.
fn machine_key(file: Option<&Path>) -> Result<Zeroizing<[u8; 32]>, MachineKeyError> {
    if let Some(file) = file {
        return machine_key::read(file);
    }
    let own = env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    let places = own.into_iter().chain([PathBuf::from(DAEMON_CREDENTIALS)]).map(|folder| folder.join(CREDENTIAL));
    match places.into_iter().find(|path| path.exists()) {
        Some(credential) => machine_key::read_credential(&credential),
        None => machine_key::read(Path::new(MACHINE_KEY)),
    }
}

/// Takes a text for a password, or a recovery key: its check digits tell it from a password.
fn secret(mut text: Zeroizing<String>) -> Unlock {
    while text.ends_with(['\n', '\r']) {
        text.pop();
    }
    if text.parse::<RecoveryKey>().is_ok() { Unlock::Recovery(text) } else { Unlock::Password(text) }
}

/// Reads a file that is its owner's alone.
fn private(path: &Path) -> Result<Zeroizing<String>, UnlockError> {
    let fail = |err| UnlockError::Read { path: path.to_owned(), err };
    let mode = fs::metadata(path).map_err(fail)?.permissions().mode() & 0o7777;
    if mode & MODE_OTHERS != 0 {
        return Err(UnlockError::Exposed { path: path.to_owned(), mode });
    }
    fs::read_to_string(path).map(Zeroizing::new).map_err(fail)
}

fn standard_input() -> Result<Zeroizing<String>, UnlockError> {
    let input = io::stdin();
    if input.is_terminal() {
        return Err(UnlockError::Terminal);
    }
    let mut text = Zeroizing::new(String::with_capacity(INPUT_CAPACITY));
    input.lock().read_to_string(&mut text).map_err(|err| UnlockError::Read { path: "standard input".into(), err })?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use c2b_storagefmt::{Argon2Params, Sealing, Writer};
    use chrono::DateTime;

    const CHEAP: Argon2Params = Argon2Params { memory_kib: 1024, passes: 1, lanes: 1 };

    fn private(path: &Path, text: &str) {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    #[test]
    fn a_sealed_storage_is_opened_by_password_recovery_key_or_machine() {
        let dir = tempfile::tempdir().unwrap();
        let (storage, file) = (dir.path().join("s"), dir.path().join("secret"));
        let machine = machine_key::generate().unwrap();
        let sealing = Sealing::Sealed { password: Some(Zeroizing::new("hunter2".to_owned())), machine: Some(machine.clone()), params: CHEAP };
        let (writer, recovery) = Writer::create(&storage, DateTime::UNIX_EPOCH, sealing).unwrap();
        drop(writer);
        let opens = |options: &Options| unlock(&storage, options).map(|key| Writer::open(&storage, &key).is_ok());
        let with = |passfile: Option<&Path>, keyfile: Option<&Path>| Options {
            passfile: passfile.map(Path::to_owned),
            keyfile: keyfile.map(Path::to_owned),
            ..Options::default()
        };
        for (text, right) in [("hunter2\n".to_owned(), true), ("hunter3".to_owned(), false), (format!("{}\n", recovery.unwrap()), true)] {
            private(&file, &text);
            assert_eq!(opens(&with(Some(&file), None)).unwrap(), right, "{text}");
        }
        private(&file, &machine_key::text(&machine));
        assert!(opens(&with(None, Some(&file))).unwrap());
        assert!(matches!(opens(&with(None, Some(&dir.path().join("nothing")))), Err(UnlockError::Sealed(_))));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(opens(&with(Some(&file), None)), Err(UnlockError::Exposed { .. })));
        assert!(matches!(opens(&with(None, Some(&file))), Err(UnlockError::Sealed(_))));
    }

    #[test]
    fn an_open_storage_needs_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let storage = dir.path().join("s");
        drop(Writer::create(&storage, DateTime::UNIX_EPOCH, Sealing::None).unwrap());
        assert!(matches!(unlock(&storage, &Options::default()), Ok(Unlock::Open)));
    }
}
