//! The idle time of a continuous job, written `hh:mm:ss` (spec.md section 2).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Time from the end of one cycle to the start of the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("examples" = ["00:01:00"]))]
pub struct Idle(Duration);

/// The text is not `hh:mm:ss`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a time: expected hh:mm:ss, for instance 00:01:00")]
pub struct IdleError(String);

impl Idle {
    /// Returns the time as a duration.
    pub fn duration(self) -> Duration {
        self.0
    }
}

impl Default for Idle {
    fn default() -> Self {
        Self(Duration::from_secs(60))
    }
}

impl FromStr for Idle {
    type Err = IdleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || IdleError(text.to_owned());
        let mut fields = text.split(':');
        let mut next = |max: u64| match fields.next() {
            Some(field) if !field.is_empty() && field.len() <= 4 && field.bytes().all(|b| b.is_ascii_digit()) => {
                field.parse::<u64>().ok().filter(|n| *n <= max).ok_or_else(error)
            }
            _ => Err(error()),
        };
        let (hours, minutes, seconds) = (next(9999)?, next(59)?, next(59)?);
        if fields.next().is_some() {
            return Err(error());
        }
        Ok(Self(Duration::from_secs(hours * 3600 + minutes * 60 + seconds)))
    }
}

impl TryFrom<String> for Idle {
    type Error = IdleError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Idle> for String {
    fn from(idle: Idle) -> Self {
        idle.to_string()
    }
}

impl fmt::Display for Idle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secs = self.0.as_secs();
        write!(f, "{:02}:{:02}:{:02}", secs / 3600, secs / 60 % 60, secs % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_time_are_each_other() {
        for (text, secs) in [("00:00:00", 0), ("00:01:00", 60), ("00:00:59", 59), ("25:00:01", 90_001)] {
            let idle: Idle = text.parse().unwrap();
            assert_eq!(idle.duration().as_secs(), secs);
            assert_eq!(idle.to_string(), text);
        }
        for text in ["", "1", "00:60:00", "00:00:60", "00:00", "0:0:0:0", "-1:00:00", "aa:00:00", "00:01:00 "] {
            assert!(text.parse::<Idle>().is_err(), "{text:?} was accepted");
        }
    }
}
