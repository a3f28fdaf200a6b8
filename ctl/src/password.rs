//! Where a secret comes from: a file that nobody else can read, standard input, or the person at the terminal.
//! Never the command line, never the environment.

use crate::ask;
use crate::error::Error;
use c2b_api::Secret;
use clap::Args;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Longest password file, in bytes: a guard against naming the wrong file.
const PASSWORD_BYTES_MAX: usize = 64 * 1024;

/// The permissions of group and others.
const MODE_OTHERS: u32 = 0o077;

/// How a command that needs one secret is given it.
#[derive(Args, Debug)]
pub(crate) struct SecretArgs {
    /// A file with the password that only you can read; - for standard input
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Read the password from standard input
    #[arg(long, conflicts_with = "password_file")]
    password_stdin: bool,
}

impl SecretArgs {
    /// Returns whether the arguments say where the secret is.
    pub(crate) fn is_given(&self) -> bool {
        self.source().is_some()
    }

    /// Reads the secret from where the arguments say, or asks for it.
    pub(crate) fn read(&self, prompt: &str) -> Result<Secret, Error> {
        read(self.source(), prompt)
    }

    /// Reads a secret that is new; one that is typed is typed twice.
    pub(crate) fn read_new(&self, prompt: &str, again: &str) -> Result<Secret, Error> {
        read_new(self.source(), prompt, again)
    }

    fn source(&self) -> Option<&Path> {
        if self.password_stdin { Some(Path::new("-")) } else { self.password_file.as_deref() }
    }
}

/// Reads a password from where the arguments say, or asks for it.
pub(crate) fn read(file: Option<&Path>, prompt: &str) -> Result<Secret, Error> {
    read_or(file, || ask::secret(prompt))
}

/// Reads a secret of several lines, such as a key in PEM, from a file that only its owner can read.
pub(crate) fn read_whole(path: &Path) -> Result<Secret, Error> {
    from_file(path).map(Secret::from)
}

/// Reads a password that is new; one that is typed is typed twice.
pub(crate) fn read_new(file: Option<&Path>, prompt: &str, again: &str) -> Result<Secret, Error> {
    read_or(file, || {
        let first = ask::secret(prompt)?;
        let second = ask::secret(again)?;
        if first != second {
            return Err(Error::usage("the two passwords differ", "nothing was done; type the same password twice"));
        }
        Ok(first)
    })
}

/// Reads two secrets from standard input, one a line; for a command that needs both and has nobody to ask.
pub(crate) fn read_two_lines() -> Result<(Secret, Secret), Error> {
    let typed = text(Path::new("standard input"), io::stdin().lock())?;
    let mut lines = typed.lines();
    match (lines.next(), lines.next(), lines.next()) {
        (Some(first), Some(second), None) => Ok((one_line(first)?, one_line(second)?)),
        _ => Err(Error::usage("standard input does not hold two lines", "the present password in the first line, the new one in the second")),
    }
}

fn read_or(file: Option<&Path>, ask: impl FnOnce() -> Result<Zeroizing<String>, Error>) -> Result<Secret, Error> {
    let typed = match file {
        Some(path) if path != Path::new("-") => from_file(path)?,
        None if !ask::can_ask() => {
            return Err(Error::usage(
                "no password is given",
                "name a file that only you can read with --password-file FILE, or pass it on standard input with --password-file -",
            ));
        }
        _ if ask::can_ask() => ask()?,
        _ => {
            let path = Path::new("standard input");
            text(path, io::stdin().lock())?
        }
    };
    let password = typed.strip_suffix('\n').unwrap_or(&typed);
    one_line(password.strip_suffix('\r').unwrap_or(password))
}

fn one_line(password: &str) -> Result<Secret, Error> {
    if password.is_empty() {
        return Err(Error::usage("the password is empty", "the file holds the password in its one line"));
    }
    if password.contains(['\n', '\r', '\0']) {
        return Err(Error::usage("the password has more than one line", "the file holds the password in its one line, and nothing else"));
    }
    Ok(Secret::new(password))
}

fn from_file(path: &Path) -> Result<Zeroizing<String>, Error> {
    let fail = |source| Error::ReadPassword { path: path.to_owned(), source };
    let file = File::open(path).map_err(fail)?;
    let mode = file.metadata().map_err(fail)?.permissions().mode() & 0o7777;
    if mode & MODE_OTHERS != 0 {
        return Err(Error::PasswordFileOpen { path: path.to_owned(), mode });
    }
    text(path, file)
}

fn text(path: &Path, source: impl Read) -> Result<Zeroizing<String>, Error> {
    // At its full length from the start: a text that grows leaves pieces of itself behind.
    let mut text = Zeroizing::new(String::with_capacity(PASSWORD_BYTES_MAX));
    let bytes = source.take(PASSWORD_BYTES_MAX as u64).read_to_string(&mut text).map_err(|source| Error::ReadPassword { path: path.to_owned(), source })?;
    if bytes == PASSWORD_BYTES_MAX {
        return Err(Error::usage(format!("{} is too long for a password", path.display()), "the file holds the password in its one line"));
    }
    Ok(text)
}
