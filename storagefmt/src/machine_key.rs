//! The file of a machine key: 32 random bytes as 64 hexadecimal digits in one line, readable by its owner only.
//!
//! It lies outside of every storage. The daemon makes one for its host; readers of the same host use it where they may.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The permissions of group and others.
const MODE_OTHERS: u32 = 0o077;

/// Why there is no machine key.
#[derive(Debug, thiserror::Error)]
pub enum MachineKeyError {
    /// There is no file.
    #[error("there is no machine key at {path}")]
    Missing {
        /// Where it would be.
        path: PathBuf,
    },
    /// The file cannot be read.
    #[error("failed to read the machine key {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause below.
        #[source]
        err: io::Error,
    },
    /// Others may read it, so it is no secret.
    #[error("the machine key {path} can be read by others than its owner (mode {mode:04o})")]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The file holds something else.
    #[error("{path} is not a machine key: it does not hold 64 hexadecimal digits")]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The operating system gave no random bytes.
    #[error("failed to get random bytes")]
    Random {
        /// The cause below.
        #[source]
        err: getrandom::Error,
    },
}

/// Reads a machine key.
///
/// # Errors
/// [`MachineKeyError`].
pub fn read(path: &Path) -> Result<Zeroizing<[u8; 32]>, MachineKeyError> {
    let path_buf = || path.to_owned();
    let fail = |err: io::Error| match err.kind() {
        io::ErrorKind::NotFound => MachineKeyError::Missing { path: path_buf() },
        _ => MachineKeyError::Read { path: path_buf(), err },
    };
    let mode = fs::metadata(path).map_err(fail)?.permissions().mode() & 0o7777;
    if mode & MODE_OTHERS != 0 {
        return Err(MachineKeyError::Exposed { path: path_buf(), mode });
    }
    read_credential(path)
}

/// Reads a machine key that the service manager passed: who may read it is not in the file's mode.
///
/// # Errors
/// [`MachineKeyError`], but never that it is exposed.
pub fn read_credential(path: &Path) -> Result<Zeroizing<[u8; 32]>, MachineKeyError> {
    let path_buf = || path.to_owned();
    let text = Zeroizing::new(fs::read(path).map_err(|err| match err.kind() {
        io::ErrorKind::NotFound => MachineKeyError::Missing { path: path_buf() },
        _ => MachineKeyError::Read { path: path_buf(), err },
    })?);
    let digits = text.strip_suffix(b"\n").unwrap_or(&text);
    from_digits(digits).ok_or_else(|| MachineKeyError::Damaged { path: path_buf() })
}

/// Makes a key.
///
/// # Errors
/// When the operating system gives no random bytes.
pub fn generate() -> Result<Zeroizing<[u8; 32]>, MachineKeyError> {
    let mut key = Zeroizing::new([0; 32]);
    getrandom::fill(key.as_mut()).map_err(|err| MachineKeyError::Random { err })?;
    Ok(key)
}

/// Returns what the file of a key holds.
pub fn text(key: &[u8; 32]) -> Zeroizing<String> {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
    // At its full length from the start: a text that grows leaves pieces of itself behind.
    let mut text = Zeroizing::new(String::with_capacity(65));
    for byte in key {
        text.push(digit(byte >> 4));
        text.push(digit(byte & 15));
    }
    text.push('\n');
    text
}

fn from_digits(digits: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
    let mut key = Zeroizing::new([0; 32]);
    let (pairs, rest) = digits.as_chunks::<2>();
    if pairs.len() != key.len() || !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in key.iter_mut().zip(pairs) {
        let value = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
        *byte = value(*high)? << 4 | value(*low)?;
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_key_are_each_other() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("machine.key");
        assert!(matches!(read(&path), Err(MachineKeyError::Missing { .. })));
        let key = generate().unwrap();
        fs::write(&path, text(&key).as_bytes()).unwrap();
        assert!(matches!(read(&path), Err(MachineKeyError::Exposed { .. })));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        assert_eq!(read(&path).unwrap(), key);
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let good = "0123456789abcdefABCDEF0123456789".repeat(2);
        assert!(from_digits(good.as_bytes()).is_some());
        for bad in ["", "00", &good[1..], &format!("{good}00"), &good.replace('7', "g"), &good.replace("01", "é")] {
            assert!(from_digits(bad.as_bytes()).is_none(), "{bad:?} was accepted");
        }
    }
}
