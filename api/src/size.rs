//! A number of bytes as people write it in a definition: `512MiB`, `1GiB`, `20GB`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The units; binary ones first, since they are the ones that are written.
const UNITS: [(&str, u64); 9] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("B", 1),
];

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("examples" = ["512MiB", "20GB"]))]
pub struct Size(u64);

/// The text is no size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a size: expected a whole number and its unit, for instance 512MiB, 1GiB or 20GB")]
pub struct SizeError(String);

impl Size {
    /// Takes a number of bytes.
    pub const fn bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// Returns the number of bytes.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl FromStr for Size {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, SizeError> {
        let error = || SizeError(text.to_owned());
        if text == "0" {
            return Ok(Self(0));
        }
        let (number, bytes) = UNITS.iter().find_map(|(name, bytes)| Some((text.strip_suffix(name)?, *bytes))).ok_or_else(error)?;
        let number = number.strip_suffix(' ').unwrap_or(number);
        if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
            return Err(error());
        }
        number.parse::<u64>().ok().and_then(|number| number.checked_mul(bytes)).map(Self).ok_or_else(error)
    }
}

impl TryFrom<String> for Size {
    type Error = SizeError;

    fn try_from(text: String) -> Result<Self, SizeError> {
        text.parse()
    }
}

impl From<Size> for String {
    fn from(size: Size) -> Self {
        size.to_string()
    }
}

impl fmt::Display for Size {
    /// Writes the size in the greatest binary unit that divides it, which is what it was in most cases.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = UNITS.iter().filter(|(name, bytes)| name.ends_with("iB") && self.0 > 0 && self.0.is_multiple_of(*bytes)).max_by_key(|(_, bytes)| *bytes);
        let (name, bytes) = whole.copied().unwrap_or(("B", 1));
        write!(f, "{}{name}", self.0 / bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_written() {
        for (text, bytes, written) in [
            ("1GiB", 1 << 30, "1GiB"),
            ("512 MiB", 512 << 20, "512MiB"),
            ("1536MiB", 1536 << 20, "1536MiB"),
            ("20GB", 20_000_000_000, "19531250KiB"),
            ("0", 0, "0B"),
            ("7B", 7, "7B"),
        ] {
            let size: Size = text.parse().unwrap();
            assert_eq!((size.get(), size.to_string().as_str()), (bytes, written), "{text}");
            assert_eq!(size.to_string().parse::<Size>().unwrap(), size);
        }
        for text in ["", "GiB", "1", "1.5GiB", "-1GiB", "1gib", "99999999999999999TiB"] {
            assert!(text.parse::<Size>().is_err(), "{text:?} was accepted");
        }
    }
}
