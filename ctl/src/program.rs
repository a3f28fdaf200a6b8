//! Other programs of c2b that this one starts.

use std::env;
use std::path::{Path, PathBuf};

/// Finds a program: beside this one, else where the system keeps it, else on the search path.
pub(crate) fn find(name: &str) -> PathBuf {
    let beside = env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join(name)));
    let places = beside.into_iter().chain([Path::new("/usr/sbin").join(name)]);
    places.into_iter().find(|path| path.is_file()).unwrap_or_else(|| PathBuf::from(name))
}
