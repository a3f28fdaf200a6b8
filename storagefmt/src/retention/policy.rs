//! What a person says about how long past versions stay, and whether that makes sense.

use crate::Error;
use chrono::TimeDelta;

/// Longer than anybody means: a number in the wrong unit.
const DAYS_MAX: i64 = 36_500;

/// Which past versions go. Rules are alternatives: what one of them names goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetentionPolicy {
    /// Versions that were replaced longer ago than this.
    pub superseded_after: Option<TimeDelta>,
    /// All versions of items whose deletion was seen longer ago than this.
    pub deleted_after: Option<TimeDelta>,
    /// Versions of an item beyond this many newest ones.
    pub versions_max: Option<u32>,
}

/// Why a version goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RetentionRule {
    /// It was replaced too long ago.
    Superseded,
    /// Its item was deleted too long ago.
    Deleted,
    /// There are too many newer versions.
    TooMany,
}

impl RetentionPolicy {
    /// Refuses a policy that says nothing, or that nobody can mean.
    ///
    /// # Errors
    /// [`Error::Policy`] with the reason.
    pub fn validate(&self) -> Result<(), Error> {
        let refuse = |reason: String| Err(Error::Policy { reason });
        let Self { superseded_after, deleted_after, versions_max } = *self;
        if *self == Self::default() {
            return refuse("it has no rule, so it would keep everything".to_owned());
        }
        for (name, after) in [("superseded_after", superseded_after), ("deleted_after", deleted_after)] {
            let Some(after) = after else { continue };
            if after <= TimeDelta::zero() {
                return refuse(format!("{name} is not longer than nothing"));
            }
            if after.num_days() > DAYS_MAX {
                return refuse(format!("{name} is more than a hundred years"));
            }
        }
        match (versions_max, superseded_after) {
            (Some(0), _) => refuse("versions_max is 0, and the newest version of a living item always stays".to_owned()),
            (Some(1), Some(_)) => refuse("versions_max is 1, so that superseded_after would never decide anything".to_owned()),
            _ => Ok(()),
        }
    }
}

impl RetentionRule {
    /// All rules.
    pub const ALL: [Self; 3] = [Self::Superseded, Self::Deleted, Self::TooMany];

    /// Returns the rule's number in records.
    pub fn code(self) -> u8 {
        match self {
            Self::Superseded => 0,
            Self::Deleted => 1,
            Self::TooMany => 2,
        }
    }
}
