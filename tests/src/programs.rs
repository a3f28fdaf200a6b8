//! Where the programs under test and the shared data are.

use std::path::{Path, PathBuf};

/// Returns the path of a program that the workspace builds, beside the running test.
///
/// # Panics
/// When it has not been built: `cargo build --workspace --all-targets` does.
pub fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    let path = test.ancestors().skip(1).map(|dir| dir.join(name)).find(|path| path.is_file());
    path.unwrap_or_else(|| panic!("{name} is not built: run `scripts/cargo.sh build --workspace --all-targets` first"))
}

/// Returns a folder of the data that lies beside the checkout; none where it does not.
pub fn shared(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("C2B_SHARED").map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"), PathBuf::from);
    let path = root.join(name);
    path.exists().then_some(path)
}
