//! The parts of a mailbox that are there or not, and open or closed to us, each on its own.
//!
//! The primary folders are no part in this sense: without them there is no mailbox.

use crate::Role;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A part of a mailbox beside its primary folders. Its folders are below one folder, its root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// The archive mailbox that belongs to it.
    Archive,
    /// What users deleted for good and the server still keeps.
    RecoverableItems,
    /// The same of the archive mailbox.
    ArchiveRecoverableItems,
}

/// How a part stood when a source looked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It is there, and all its folders are told.
    Listed,
    /// There is none.
    Absent,
    /// It is there, or nobody can say, and cannot be read now. Says why.
    Closed(String),
}

impl Part {
    /// All parts; the one that holds another comes before it.
    pub const ALL: [Self; 3] = [Self::Archive, Self::RecoverableItems, Self::ArchiveRecoverableItems];

    /// Returns the role of its root.
    pub fn role(self) -> Role {
        Role::new(self.role_word())
    }

    /// Returns the word of its root's role.
    pub fn role_word(self) -> &'static str {
        match self {
            Self::Archive => "archivemsgfolderroot",
            Self::RecoverableItems => "recoverableitemsroot",
            Self::ArchiveRecoverableItems => "archiverecoverableitemsroot",
        }
    }

    /// Returns the part whose root has this role.
    pub fn of_role(role: &Role) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.role_word() == role.as_str())
    }

    /// Returns the name that its root bears in a backup. Servers have none that people know: the root of an archive
    /// is called as that of the mailbox. It is another one than that of the folder `Archive`, which most mailboxes have.
    pub fn folder_name(self) -> &'static str {
        match self {
            Self::Archive => "Archive Mailbox",
            Self::RecoverableItems | Self::ArchiveRecoverableItems => "Recoverable Items",
        }
    }

    /// Returns the part within which its root is shown; `None` at the top of the mailbox.
    pub fn within(self) -> Option<Self> {
        (self == Self::ArchiveRecoverableItems).then_some(Self::Archive)
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Archive => "archive mailbox",
            Self::RecoverableItems => "recoverable items",
            Self::ArchiveRecoverableItems => "recoverable items of the archive",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_known_by_the_role_of_its_root() {
        for part in Part::ALL {
            assert_eq!(Part::of_role(&part.role()), Some(part));
        }
        assert_eq!(Part::of_role(&Role::new("archive")), None, "the folder of that name is no part");
    }
}
