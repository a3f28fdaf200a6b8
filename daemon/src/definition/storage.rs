//! A checked storage.

use crate::definition::file::StorageFile;
use crate::definition::{Defined, Wrong};
use crate::name::Name;
use std::path::{Component, PathBuf};

/// A storage that may be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storage {
    /// Its name.
    pub name: Name,
    /// Its folder: absolute, without `..` and without a slash at the end.
    pub path: PathBuf,
    /// The Unix user who made it.
    pub owner: String,
}

impl Defined for Storage {
    const FOLDER: &'static str = "storages";
    const NOUN: &'static str = "storage";
    type File = StorageFile;

    fn check(name: &Name, file: StorageFile, owner: &str) -> Result<Self, Wrong> {
        let shown = file.path.display();
        if !file.path.is_absolute() {
            return Err(Wrong::new("path", format!("{shown} is not an absolute path"), "give the whole path, beginning with /"));
        }
        if file.path.components().any(|part| part == Component::ParentDir) {
            return Err(Wrong::new("path", format!("{shown} holds `..`"), "give the path without it"));
        }
        let path: PathBuf = file.path.components().collect();
        if path.parent().is_none() {
            return Err(Wrong::new("path", "the root folder cannot be a storage", "choose an empty folder"));
        }
        Ok(Self { name: name.clone(), path, owner: file.owner.unwrap_or_else(|| owner.to_owned()) })
    }

    fn to_file(&self) -> StorageFile {
        StorageFile { owner: Some(self.owner.clone()), path: self.path.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_folder_has_one_spelling() {
        let name: Name = "s".parse().unwrap();
        let check = |path: &str| Storage::check(&name, StorageFile { owner: None, path: path.into() }, "root");
        assert_eq!(check("/srv//c2b/./").unwrap().path, PathBuf::from("/srv/c2b"));
        for path in ["", "srv", "./srv", "/srv/../etc", "/"] {
            assert!(check(path).is_err(), "{path:?} was accepted");
        }
    }
}
