//! A checked storage.

use crate::definition::file::StorageFile;
use crate::definition::{Defined, Wrong};
use crate::name::Name;
use c2b_api::Size;
use c2b_api::storage::RetentionPolicy;
use std::path::{Component, PathBuf};

/// A storage that may be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storage {
    /// Its name.
    pub name: Name,
    /// Its folder: absolute, without `..` and without a slash at the end.
    pub path: PathBuf,
    /// Free space below which cycles pause, where somebody chose it.
    pub reserve: Option<Size>,
    /// Which past versions go when; the empty policy keeps everything.
    pub retention: RetentionPolicy,
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
        if let Some(policy) = &file.retention {
            policy.check().map_err(|error| Wrong::new(error.key, error.message, error.hint))?;
        }
        let (reserve, retention) = (file.reserve, file.retention.unwrap_or_default());
        Ok(Self { name: name.clone(), path, reserve, retention, owner: file.owner.unwrap_or_else(|| owner.to_owned()) })
    }

    fn to_file(&self) -> StorageFile {
        let retention = (self.retention != RetentionPolicy::default()).then(|| self.retention.clone());
        StorageFile { owner: Some(self.owner.clone()), path: self.path.clone(), reserve: self.reserve, retention }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::text;
    use std::path::Path;

    fn check(text: &str) -> Result<Storage, String> {
        let path = Path::new("/etc/c2b/storages/s.toml");
        let file = text::parse(path, text).map_err(|error| error.to_string())?;
        Storage::check(&"s".parse().unwrap(), file, "root").map_err(|wrong| text::locate(path, text, wrong).to_string())
    }

    #[test]
    fn one_folder_has_one_spelling() {
        let check = |path: &str| check(&format!("path = {path:?}\n"));
        assert_eq!(check("/srv//c2b/./").unwrap().path, PathBuf::from("/srv/c2b"));
        for path in ["", "srv", "./srv", "/srv/../etc", "/"] {
            assert!(check(path).is_err(), "{path:?} was accepted");
        }
    }

    #[test]
    fn retention_and_reserve_are_written_as_they_are_read() {
        let text =
            "owner = \"root\"\npath = \"/srv/c2b\"\nreserve = \"512MiB\"\n\n[retention]\nsuperseded-after = \"90d\"\nversions-max = 50\nevery = \"1d\"\n";
        assert_eq!(toml::to_string(&check(text).unwrap().to_file()).unwrap(), text);
        assert_eq!(check("path = \"/srv/c2b\"\n").unwrap().retention, RetentionPolicy::default());
    }

    #[test]
    fn a_wrong_policy_is_refused_with_its_line_and_the_reason() {
        for (retention, message) in [
            ("", "/etc/c2b/storages/s.toml:2: the retention policy has no rule"),
            ("every = \"1d\"", "/etc/c2b/storages/s.toml:3: the retention policy has no rule"),
            ("versions-max = 0", "/etc/c2b/storages/s.toml:3: versions-max = 0 contradicts"),
            ("superseded-after = \"90\"", "/etc/c2b/storages/s.toml:3: \"90\" is not a length of time"),
            ("superseeded-after = \"90d\"", "did you mean `superseded-after`?"),
        ] {
            let error = check(&format!("path = \"/srv/c2b\"\n[retention]\n{retention}\n")).unwrap_err();
            assert!(error.contains(message), "{error}");
        }
    }
}
