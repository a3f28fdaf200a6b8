//! Damage to files, as disks do it.

use std::fs;
use std::path::Path;

/// What to do to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Harm {
    /// One bit of the byte at this place; of an empty file, a byte comes to it.
    Flip(usize),
    /// All from this place on.
    Truncate(usize),
    Delete,
}

impl Harm {
    pub(crate) fn strike(self, path: &Path) {
        match self {
            Self::Delete => fs::remove_file(path).unwrap(),
            Self::Truncate(at) => fs::File::options().write(true).open(path).unwrap().set_len(u64::try_from(at).unwrap()).unwrap(),
            Self::Flip(at) => {
                let mut bytes = fs::read(path).unwrap();
                match bytes.get_mut(at) {
                    Some(byte) => *byte ^= 0x10,
                    None => bytes.push(1),
                }
                fs::write(path, bytes).unwrap();
            }
        }
    }
}

/// A kind of [`Harm`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Flip,
    Truncate,
    Delete,
}

impl Action {
    pub(crate) const ALL: [Self; 3] = [Self::Flip, Self::Truncate, Self::Delete];

    pub(crate) fn at(self, at: usize) -> Harm {
        match self {
            Self::Flip => Harm::Flip(at),
            Self::Truncate => Harm::Truncate(at),
            Self::Delete => Harm::Delete,
        }
    }
}
