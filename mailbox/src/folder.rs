//! A folder: a named place for items, with a class and sometimes a well-known role.

use crate::FolderId;
use serde::{Deserialize, Serialize};

/// A folder's state at the source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Folder {
    /// Its id at the source.
    pub id: FolderId,
    /// The folder that holds it; `None` at the top of the mailbox.
    pub parent: Option<FolderId>,
    /// The display name, as the server gives it: any characters, any language.
    pub name: String,
    /// The folder class (`IPF.Note`, `IPF.Appointment`, …); empty when the server has none.
    pub class: String,
    /// The well-known role, when it has one.
    pub role: Option<Role>,
}

/// The language-independent role of a special folder.
///
/// The text is the lower-case EWS `DistinguishedFolderIdNameType` word (`inbox`, `sentitems`,
/// `deleteditems`, …), which Graph's well-known names follow too. Kept open, since servers add roles.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Role(String);

impl Role {
    /// Wraps a well-known word, in lower case.
    pub fn new(word: &str) -> Self {
        Self(word.to_ascii_lowercase())
    }

    /// Returns the word.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
