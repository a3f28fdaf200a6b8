//! The kernel's list of mounts, `/proc/self/mountinfo` (proc(5)).

use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// What is mounted, in the order of mounting.
pub(super) struct MountTable(Vec<Mount>);

/// One mount.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mount {
    dir: PathBuf,
    /// The file system's type, for instance `fuse.c2b`.
    pub(super) kind: String,
    source: String,
}

/// Reads the list.
pub(super) fn read() -> io::Result<MountTable> {
    Ok(MountTable(fs::read("/proc/self/mountinfo")?.split(|b| *b == b'\n').filter_map(parse).collect()))
}

impl MountTable {
    /// Returns what one sees at a folder: the last of the mounts there.
    pub(super) fn top(&self, dir: &Path) -> Option<&Mount> {
        self.0.iter().rfind(|mount| mount.dir == dir)
    }

    /// Returns how many mounts lie on a folder.
    pub(super) fn count(&self, dir: &Path) -> usize {
        self.0.iter().filter(|mount| mount.dir == dir).count()
    }
}

impl Mount {
    /// Returns whether it is a storage's.
    pub(super) fn is_ours(&self) -> bool {
        self.kind == "fuse.c2b" || (self.kind == "fuse" && self.source.starts_with("c2b"))
    }
}

/// Reads `36 35 98:0 / /mnt rw,noatime shared:1 - fuse.c2b c2b:/srv rw`.
fn parse(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|b| *b == b' ');
    let dir = PathBuf::from(std::ffi::OsString::from_vec(unescaped(fields.nth(4)?)));
    let mut fields = fields.skip_while(|field| *field != b"-").skip(1);
    let kind = String::from_utf8_lossy(fields.next()?).into_owned();
    let source = std::ffi::OsStr::from_bytes(&unescaped(fields.next()?)).to_string_lossy().into_owned();
    Some(Mount { dir, kind, source })
}

/// Undoes the kernel's `\040` for spaces, tabs, line breaks and backslashes.
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, tail)) = rest.split_first() {
        let code = tail.get(..3).filter(|_| *first == b'\\').and_then(|octal| u8::from_str_radix(std::str::from_utf8(octal).ok()?, 8).ok());
        match code {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[3..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_is_read_as_the_kernel_writes_it() {
        let table = MountTable(
            [
                &b"21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw"[..],
                b"36 21 0:50 / /mnt/my\\040mail ro,nosuid - fuse.c2b c2b:/srv/a ro,user_id=0",
                b"37 21 0:51 / /mnt/b ro master:2 propagate_from:1 - fuse c2b ro",
                b"38 37 0:52 / /mnt/b rw - tmpfs tmpfs rw",
                b"",
                b"39 37 broken",
            ]
            .into_iter()
            .filter_map(parse)
            .collect(),
        );
        assert_eq!(table.0.len(), 4);
        let mail = table.top(Path::new("/mnt/my mail")).unwrap();
        assert!(mail.is_ours());
        assert_eq!(mail.kind, "fuse.c2b");
        assert!(!table.top(Path::new("/")).unwrap().is_ours());
        assert!(!table.top(Path::new("/mnt/b")).unwrap().is_ours(), "the topmost mount counts");
        assert_eq!(table.count(Path::new("/mnt/b")), 2);
        assert!(table.top(Path::new("/mnt")).is_none());
    }
}
