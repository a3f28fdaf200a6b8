//! The SMTP address that names a mailbox.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Longest address accepted, in bytes: RFC 5321 section 4.5.3.1.3 (path less its brackets).
const ADDRESS_BYTES_MAX: usize = 254;

/// A mailbox's primary SMTP address, in lower case, so that equal mailboxes are equal text.
///
/// Exchange compares addresses without regard to case; we keep the lower-case form everywhere.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address(String);

/// Why a text is not an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// There is no text before or after a single `@`.
    #[error("{0:?} is not an address: expected name@domain")]
    Shape(String),
    /// It holds white space, a control character or a path separator.
    #[error("{0:?} is not an address: it holds a character that addresses cannot hold")]
    Character(String),
    /// It is longer than 254 bytes.
    #[error("{0:?} is not an address: longer than {ADDRESS_BYTES_MAX} bytes")]
    Length(String),
}

impl Address {
    /// Parses and lower-cases an address.
    ///
    /// # Errors
    /// [`AddressError`] when the text cannot name a mailbox or could not be a folder's name.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        if text.len() > ADDRESS_BYTES_MAX {
            return Err(AddressError::Length(text.to_owned()));
        }
        let bad = |c: char| c.is_control() || c.is_whitespace() || matches!(c, '/' | '\\' | '<' | '>' | '"' | ':' | '|' | '?' | '*' | ',' | ';');
        if text.contains(bad) {
            return Err(AddressError::Character(text.to_owned()));
        }
        match text.rsplit_once('@') {
            Some((local, domain)) if !local.is_empty() && !domain.is_empty() && !local.contains('@') => Ok(Self(text.to_lowercase())),
            _ => Err(AddressError::Shape(text.to_owned())),
        }
    }

    /// Returns the lower-case text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Address {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_mailboxes_are_equal_text() {
        let one = Address::parse(" Alice@Example.ORG ").unwrap();
        assert_eq!(one, Address::parse("alice@example.org").unwrap());
        assert_eq!(one.as_str(), "alice@example.org");
    }

    #[test]
    fn what_cannot_name_a_mailbox_is_refused() {
        for text in ["", "alice", "@example.org", "alice@", "a@b@c", "../x@y", "a b@c", "a\u{0}@b"] {
            assert!(Address::parse(text).is_err(), "{text:?} was accepted");
        }
        assert!(matches!(Address::parse(&format!("{}@b", "a".repeat(300))), Err(AddressError::Length(_))));
    }
}
