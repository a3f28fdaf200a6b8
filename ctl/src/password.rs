//! Where a password comes from: a file that nobody else can read, standard input, or the person at the terminal.
//! Never the command line, never the environment.

use crate::ask;
use crate::error::Error;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Longest password file, in bytes: a guard against naming the wrong file.
const PASSWORD_BYTES_MAX: u64 = 64 * 1024;

/// The permissions of group and others.
const MODE_OTHERS: u32 = 0o077;

/// Reads a password from where the arguments say, or asks for it.
pub(crate) fn read(file: Option<&Path>, prompt: &str) -> Result<String, Error> {
    let typed = match file {
        Some(path) if path != Path::new("-") => from_file(path)?,
        None if !ask::can_ask() => {
            return Err(Error::usage(
                "no password is given",
                "name a file that only you can read with --password-file FILE, or pass it on standard input with --password-file -",
            ));
        }
        _ if ask::can_ask() => ask::secret(prompt)?,
        _ => {
            let path = Path::new("standard input");
            text(path, io::stdin().lock())?
        }
    };
    let password = typed.strip_suffix('\n').unwrap_or(&typed);
    let password = password.strip_suffix('\r').unwrap_or(password);
    if password.is_empty() {
        return Err(Error::usage("the password is empty", "the file holds the password in its one line"));
    }
    if password.contains(['\n', '\r', '\0']) {
        return Err(Error::usage("the password has more than one line", "the file holds the password in its one line, and nothing else"));
    }
    Ok(password.to_owned())
}

fn from_file(path: &Path) -> Result<String, Error> {
    let fail = |source| Error::ReadPassword { path: path.to_owned(), source };
    let file = File::open(path).map_err(fail)?;
    let mode = file.metadata().map_err(fail)?.permissions().mode() & 0o7777;
    if mode & MODE_OTHERS != 0 {
        return Err(Error::PasswordFileOpen { path: path.to_owned(), mode });
    }
    text(path, file)
}

fn text(path: &Path, source: impl Read) -> Result<String, Error> {
    let mut text = String::new();
    let bytes = source.take(PASSWORD_BYTES_MAX).read_to_string(&mut text).map_err(|source| Error::ReadPassword { path: path.to_owned(), source })?;
    if bytes as u64 == PASSWORD_BYTES_MAX {
        return Err(Error::usage(format!("{} is too long for a password", path.display()), "the file holds the password in its one line"));
    }
    Ok(text)
}
