//! Folders of files, and what they hold.

use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Returns every file below a folder, sorted by path relative to it.
///
/// A folder below that vanishes while it is walked (a view follows its archive) has none.
pub fn files(root: &Path) -> Vec<PathBuf> {
    walk(root).0
}

/// Returns every folder below one, sorted by path relative to it.
pub fn folders(root: &Path) -> Vec<PathBuf> {
    walk(root).1
}

fn walk(root: &Path) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let (mut files, mut folders) = (Vec::new(), Vec::new());
    let mut open = vec![root.to_owned()];
    while let Some(dir) = open.pop() {
        let entries = match std::fs::read_dir(&dir) {
            Err(err) if err.kind() == io::ErrorKind::NotFound && dir != root => continue,
            entries => entries.unwrap_or_else(|err| panic!("failed to list {}: {err}", dir.display())),
        };
        for entry in entries {
            let entry = entry.unwrap_or_else(|err| panic!("failed to list {}: {err}", dir.display()));
            let path = entry.path().strip_prefix(root).expect("it is below").to_owned();
            if entry.file_type().expect("an entry has a type").is_dir() {
                open.push(entry.path());
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files.sort();
    folders.sort();
    (files, folders)
}

/// Returns the SHA-256 of a file in hexadecimal and its length in bytes.
///
/// # Errors
/// When it cannot be read.
pub fn sha256(path: &Path) -> io::Result<(String, u64)> {
    let mut hash = Sha256::new();
    let mut file = File::open(path)?;
    let mut buffer = vec![0; 128 * 1024];
    let mut length = 0;
    loop {
        let n = file.read(&mut buffer)?;
        if n == 0 {
            break;
        }
        hash.update(&buffer[..n]);
        length += n as u64;
    }
    Ok((hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect(), length))
}

/// Returns every file below a folder with its hash and length.
pub fn digest(root: &Path) -> BTreeMap<PathBuf, (String, u64)> {
    let hash = |path: &PathBuf| sha256(&root.join(path)).unwrap_or_else(|err| panic!("failed to read {}: {err}", path.display()));
    files(root).into_iter().map(|path| (path.clone(), hash(&path))).collect()
}
