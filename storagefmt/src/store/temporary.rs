//! Folders of tests: temporary ones, and copies. The tests in `tests/` use this file, too.

use nix::sys::statvfs::statvfs;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// Tests run in memory where so many bytes are free there: in some containers it is hardly any.
const MEMORY_BYTES_MIN: u64 = 1 << 30;

/// Makes a temporary folder, in memory if there is enough.
pub(crate) fn temporary() -> TempDir {
    let memory = Path::new("/dev/shm");
    let is_roomy = statvfs(memory).is_ok_and(|stat| stat.blocks_available() * stat.fragment_size() >= MEMORY_BYTES_MIN);
    let made = if is_roomy { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.or_else(|_| tempfile::tempdir()).unwrap()
}

/// Copies a folder with everything in it.
pub(crate) fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&from, &to);
        } else {
            fs::copy(from, to).unwrap();
        }
    }
}
