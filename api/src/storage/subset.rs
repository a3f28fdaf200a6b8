//! A part of a storage's packs, so that a check of every byte can be spread over many days: `3/30`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

/// The `part`-th of `parts` parts of about the same size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("examples" = ["3/30"]))]
pub struct Subset {
    part: NonZeroU32,
    parts: NonZeroU32,
}

/// The text is no subset.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a part: expected N/M with N from 1 to M, for instance 3/30")]
pub struct SubsetError(String);

impl Subset {
    /// Returns which part, from 1.
    pub fn part(self) -> u32 {
        self.part.get()
    }

    /// Returns of how many.
    pub fn parts(self) -> u32 {
        self.parts.get()
    }
}

impl FromStr for Subset {
    type Err = SubsetError;

    fn from_str(text: &str) -> Result<Self, SubsetError> {
        let error = || SubsetError(text.to_owned());
        let (part, parts) = text.split_once('/').ok_or_else(error)?;
        let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten();
        match (number(part), number(parts)) {
            (Some(part), Some(parts)) if part <= parts => Ok(Self { part, parts }),
            _ => Err(error()),
        }
    }
}

impl TryFrom<String> for Subset {
    type Error = SubsetError;

    fn try_from(text: String) -> Result<Self, SubsetError> {
        text.parse()
    }
}

impl From<Subset> for String {
    fn from(subset: Subset) -> Self {
        subset.to_string()
    }
}

impl fmt::Display for Subset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.part, self.parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_one_of_the_parts() {
        for text in ["1/1", "3/30", "30/30"] {
            assert_eq!(text.parse::<Subset>().unwrap().to_string(), text);
        }
        for text in ["", "3", "0/3", "4/3", "1/0", "a/b", "-1/3", "1/3/5", "/", "1/"] {
            assert!(text.parse::<Subset>().is_err(), "{text:?} was accepted");
        }
    }
}
