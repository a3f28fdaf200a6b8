//! Places in the files of a storage.

use crate::harm::Action;
use crate::support::pack_of;
use std::fs;
use std::path::Path;

/// A kind of file, and where in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spot {
    /// A place in the pack of the second commit.
    Pack(PackSpot),
    /// The file of this name, in its middle.
    File(&'static str),
    /// The largest file of the index whose name has this in it.
    Index(&'static str),
    BothKeys,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PackSpot {
    Header,
    Group,
    Large,
    Records,
    Directory,
    Trailer,
}

impl Spot {
    /// Damages a storage; `false` when it has no such file.
    pub(super) fn strike(self, dir: &Path, action: Action) -> bool {
        match self {
            Self::Pack(spot) => {
                let path = pack_of(dir, 2);
                let at = offset(&fs::read(&path).unwrap(), spot);
                action.at(at).strike(&path);
            }
            Self::File(name) => middle(&dir.join(name), action),
            Self::BothKeys => ["keys/a", "keys/b"].iter().for_each(|name| middle(&dir.join(name), action)),
            Self::Index(part) => {
                let files = fs::read_dir(dir.join("index")).unwrap().map(|entry| entry.unwrap().path());
                let files = files.filter(|path| path.file_name().unwrap().to_string_lossy().contains(part));
                let Some(file) = files.max_by_key(|path| fs::metadata(path).unwrap().len()) else { return false };
                middle(&file, action);
            }
        }
        true
    }
}

fn middle(path: &Path, action: Action) {
    action.at(usize::try_from(fs::metadata(path).unwrap().len() / 2).unwrap()).strike(path);
}

/// Finds a spot by the kinds of frames; the format document says where they are.
fn offset(bytes: &[u8], spot: PackSpot) -> usize {
    let is_frame = |at: &usize| &bytes[*at..at + 4] == b"c2bf" && (1..=3).contains(&bytes[at + 4]) && bytes[at + 5] <= 1;
    let frames: Vec<usize> = (0..bytes.len() - 64).filter(is_frame).collect();
    let stored = |at: usize| u32::from_le_bytes(bytes[at + 24..at + 28].try_into().unwrap());
    let of = |kind: u8, mailbox: u8, large: bool| {
        frames.iter().copied().find(|at| bytes[at + 4] == kind && bytes[at + 8] == mailbox && (stored(*at) > 100_000) == large).unwrap() + 64 + 3
    };
    match spot {
        PackSpot::Header => 34,
        PackSpot::Group => of(1, 1, false),
        PackSpot::Large => of(1, 1, true),
        PackSpot::Records => of(2, 1, false),
        PackSpot::Directory => of(3, 0, false),
        PackSpot::Trailer => bytes.len() - 20,
    }
}
