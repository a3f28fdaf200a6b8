//! The distinct name of a connection, a storage or a job.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Longest name, in bytes: with `.toml` it stays far below what file systems allow.
const NAME_BYTES_MAX: usize = 64;

/// A name: lower-case letters, digits, `.`, `_` and `-`, beginning with a letter or digit.
///
/// It is a file's name too, hence legal everywhere and equal only when it is the same text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

/// The text cannot be a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} cannot be a name: expected 1 to {NAME_BYTES_MAX} of a-z 0-9 . _ -, beginning with a letter or digit")]
pub struct NameError(String);

impl Name {
    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let first = text.bytes().next().is_some_and(plain);
        let rest = text.bytes().all(|b| plain(b) || matches!(b, b'.' | b'_' | b'-'));
        if first && rest && text.len() <= NAME_BYTES_MAX { Ok(Self(text.to_owned())) } else { Err(NameError(text.to_owned())) }
    }
}

impl TryFrom<String> for Name {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_leave_the_folder_or_be_mistaken_is_no_name() {
        for text in ["nightly", "a", "0", "a.b_c-d", &"x".repeat(64)] {
            assert_eq!(text.parse::<Name>().unwrap().as_str(), text);
        }
        for text in ["", ".", "..", ".hidden", "-rf", "a/b", "A", "é", "a b", "a\0", &"x".repeat(65)] {
            assert!(text.parse::<Name>().is_err(), "{text:?} was accepted");
        }
    }
}
