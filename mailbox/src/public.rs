//! Public folders: one tree for a whole organisation, of which a job takes what it names.

use crate::{Address, AddressError, Folder, FolderId, FolderMark};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};

/// What stands before the `@` of the address under which an organisation's public folders are kept. No mailbox can
/// have it: brackets are not allowed there (RFC 5322, `atext`).
const LOCAL_PART: &str = "[public-folders]";

impl Address {
    /// Returns the address under which the public folders of an organisation are kept, by its domain.
    ///
    /// # Errors
    /// [`AddressError`] when that is no domain.
    pub fn of_public_folders(domain: &str) -> Result<Self, AddressError> {
        Self::parse(&format!("{LOCAL_PART}@{domain}"))
    }

    /// Returns whether public folders are kept under this address.
    pub fn is_of_public_folders(&self) -> bool {
        self.as_str().strip_prefix(LOCAL_PART).is_some_and(|rest| rest.starts_with('@'))
    }

    /// Returns what follows the `@`.
    pub fn domain(&self) -> &str {
        self.as_str().rsplit_once('@').map_or("", |(_, domain)| domain)
    }
}

/// A public folder that a job names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicFolder {
    /// The names from the top, joined by `/`; in a name `/` is `%2F` and `%` is `%25`. Empty: the top itself.
    pub path: String,
    /// Whether the folders below it are taken, too, those included that come later.
    pub subfolders: bool,
}

/// What there is of the public folders that a job names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublicTree {
    /// The folders that are taken, and those that they are in; parents first.
    pub folders: Vec<Folder>,
    /// Those among them that only hold others: their items are not taken.
    pub bare: HashSet<FolderId>,
    /// How the items of folders stand, as far as the server can tell.
    pub marks: HashMap<FolderId, FolderMark>,
    /// All folders that were seen, taken or not.
    pub seen: HashSet<FolderId>,
    /// Those of which all folders right below them were seen. All at the top were.
    pub opened: HashSet<FolderId>,
    /// What was named and cannot be had.
    pub missing: Vec<MissingFolder>,
}

/// A public folder that cannot be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingFolder {
    /// Its path.
    pub path: String,
    /// Why.
    pub reason: String,
}

/// Where a public folder is that is not seen any more where it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whereabouts {
    /// It is somewhere else, and may be seen there: moved, or deleted and kept aside by the server.
    Elsewhere,
    /// It is there, and may not be seen; the server's reason.
    Closed(String),
    /// Nobody can say: servers answer alike about what is deleted and about what one may not see. The server's word.
    Unknown(String),
}

/// Joins a name to the path of the folder that it is in.
pub fn join_path(path: &str, name: &str) -> String {
    let name = name.replace('%', "%25").replace('/', "%2F");
    if path.is_empty() { name } else { format!("{path}/{name}") }
}

/// How a folder stands to what is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// It is taken, and so is what is below it.
    Whole,
    /// It is taken, and so may be some of what is below it.
    Alone,
    /// It is not taken, but some of what is below it may be.
    Leads,
    /// Neither it nor anything below it is taken.
    No,
}

/// Returns how the folder at a path stands to what is named. Names are compared without regard to case.
pub fn naming(wanted: &[PublicFolder], path: &str) -> Naming {
    let path = path.to_lowercase();
    let mut naming = Naming::No;
    for one in wanted {
        let own = one.path.trim_matches('/').to_lowercase();
        let is_within = own.is_empty() || path == own || path.strip_prefix(&own).is_some_and(|rest| rest.starts_with('/'));
        if one.subfolders && is_within {
            return Naming::Whole;
        }
        if path == own {
            naming = Naming::Alone;
        } else if naming == Naming::No && own.strip_prefix(&path).is_some_and(|rest| rest.starts_with('/')) {
            naming = Naming::Leads;
        }
    }
    naming
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_taken_by_its_path_or_by_one_above() {
        let wanted = |list: &[(&str, bool)]| -> Vec<PublicFolder> {
            list.iter().map(|(path, subfolders)| PublicFolder { path: (*path).to_owned(), subfolders: *subfolders }).collect()
        };
        let some = wanted(&[("News/2025", true), ("Sales", false)]);
        for (path, expected) in [
            ("News", Naming::Leads),
            ("news/2025", Naming::Whole),
            ("News/2025/May", Naming::Whole),
            ("News/20255", Naming::No),
            ("Sales", Naming::Alone),
            ("Sales/Customers", Naming::No),
        ] {
            assert_eq!(naming(&some, path), expected, "{path}");
        }
        assert_eq!(naming(&wanted(&[("", true)]), "Anything"), Naming::Whole);
        assert_eq!(naming(&wanted(&[("A", false), ("A/B", false)]), "A"), Naming::Alone);
        assert_eq!(join_path(&join_path("", "a/b"), "50%"), "a%2Fb/50%25");
    }

    #[test]
    fn no_mailbox_has_the_address_of_public_folders() {
        let address = Address::of_public_folders("Example.org").unwrap();
        assert!(address.is_of_public_folders());
        assert_eq!((address.as_str(), address.domain()), ("[public-folders]@example.org", "example.org"));
        assert!(!Address::parse("public-folders@example.org").unwrap().is_of_public_folders());
    }
}
