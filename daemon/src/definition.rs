//! Definitions: what connections, storages and jobs there are, one TOML file each.
//!
//! Three stages: a file's text ([`text`]) → the file's keys ([`mod@file`]) → a checked object
//! ([`connection`], [`storage`], [`job`]). [`folder::Definitions`] keeps the checked objects that
//! are in force; a wrong file leaves the one before it in force and is told about.

pub mod access;
pub mod check;
pub mod connection;
pub mod file;
pub mod folder;
pub mod job;
pub mod storage;
pub mod text;

pub use connection::Connection;
pub use folder::Definitions;
pub use job::Job;
pub use storage::Storage;

use crate::name::Name;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A checked object that is kept in a file.
pub trait Defined: Sized + Send + Sync + 'static {
    /// The folder of its files, which names the kind too: `connections`.
    const FOLDER: &'static str;
    /// What one is called: `connection`.
    const NOUN: &'static str;
    /// The keys of its file.
    type File: Serialize + DeserializeOwned;

    /// Checks what a file says; `owner` is who made it unless the file names somebody.
    ///
    /// # Errors
    /// [`Wrong`] names the key whose value is not acceptable.
    fn check(name: &Name, file: Self::File, owner: &str) -> Result<Self, Wrong>;

    /// Returns the file that says what this is.
    fn to_file(&self) -> Self::File;
}

/// A value that is not acceptable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Wrong {
    /// The key.
    pub key: &'static str,
    /// What is wrong with its value.
    pub message: String,
    /// What to do; empty when the message says it.
    pub hint: String,
}

impl Wrong {
    /// Names a key and what is wrong with its value.
    pub fn new(key: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { key, message: message.into(), hint: hint.into() }
    }
}
