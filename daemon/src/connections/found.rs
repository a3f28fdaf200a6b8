//! The servers that Autodiscover found, remembered across restarts: `connections/NAME.json`.

use crate::atomic::{self, FileError};
use crate::name::Name;
use c2b_api::connection::FoundServer;
use std::io;
use std::path::{Path, PathBuf};
use tracing::warn;

/// The folder of found servers.
#[derive(Clone, Debug)]
pub struct FoundServers {
    folder: PathBuf,
}

impl FoundServers {
    /// Opens the folder, making it if need be.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(folder: &Path) -> Result<Self, FileError> {
        atomic::make_folder(folder, 0o750)?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// Returns what was found from this address; a file that is damaged, or of another address, is none.
    pub fn get(&self, name: &Name, address: &str) -> Option<FoundServer> {
        let bytes = match std::fs::read(self.path(name)) {
            Ok(bytes) => bytes,
            Err(err) if err.kind() == io::ErrorKind::NotFound => return None,
            Err(err) => {
                warn!(connection = %name, %err, "found server not readable, looking for it anew");
                return None;
            }
        };
        let found: FoundServer = serde_json::from_slice(&bytes).ok()?;
        (found.address == address).then_some(found)
    }

    /// Remembers.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn put(&self, name: &Name, found: &FoundServer) -> Result<(), FileError> {
        let path = self.path(name);
        let bytes = serde_json::to_vec(found).map_err(|error| FileError::of("write", &path)(error.into()))?;
        atomic::write(&path, &bytes, 0o640)
    }

    /// Forgets.
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub fn remove(&self, name: &Name) -> Result<(), FileError> {
        atomic::remove(&self.path(name))
    }

    fn path(&self, name: &Name) -> PathBuf {
        self.folder.join(format!("{name}.json"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_from_another_address_is_not_taken() {
        let dir = tempfile::tempdir().unwrap();
        let found = FoundServers::open(dir.path()).unwrap();
        let name: Name = "main".parse().unwrap();
        let server = FoundServer {
            address: "a@b".to_owned(),
            url: "https://x/".to_owned(),
            told_by: "https://y/".to_owned(),
            public_folders: None,
            public_folder_server: None,
        };
        found.put(&name, &server).unwrap();
        assert_eq!(found.get(&name, "a@b"), Some(server));
        assert_eq!(found.get(&name, "c@d"), None);
        std::fs::write(found.path(&name), b"{").unwrap();
        assert_eq!(found.get(&name, "a@b"), None);
        found.remove(&name).unwrap();
        assert_eq!(found.get(&name, "a@b"), None);
    }
}
