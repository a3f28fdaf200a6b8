//! Who may do what: roles, and how they are given.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What somebody may do; each includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Sees states and counts; no subjects, folders or messages about items.
    Viewer,
    /// Starts and stops jobs, tries connections, sees which codes items failed with.
    Operator,
    /// Looks into mailboxes: mounts, and sees what is named with its subject.
    Restorer,
    /// Everything.
    Admin,
}

impl Role {
    /// All of them, the least first.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Operator, Self::Restorer, Self::Admin];

    /// Returns its word in the file and on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Restorer => "restorer",
            Self::Admin => "admin",
        }
    }

    /// Returns what it allows, in a few words.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Viewer => "sees states and counts",
            Self::Operator => "starts and stops jobs",
            Self::Restorer => "looks into mailboxes",
            Self::Admin => "may do everything",
        }
    }
}

/// Who may do what, as shown to a caller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct AccessInfo {
    /// The caller.
    pub caller: CallerInfo,
    /// The file that says it; none where there is no file, and the group `c2b` may do everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// What is given to whom, the least role first. Root and the daemon's own user may do everything besides.
    pub grants: Vec<Grant>,
    /// What is wrong with the file.
    pub warnings: Vec<String>,
}

/// A caller as the kernel knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct CallerInfo {
    /// The user's name.
    pub user: String,
    /// The user's number.
    pub uid: Option<u32>,
    /// The role; none for somebody who may do nothing.
    pub role: Option<Role>,
    /// The login session: what unlocked connections are bound to.
    pub session: String,
}

/// Who has a role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Grant {
    /// The role.
    pub role: Role,
    /// Users by name.
    pub users: Vec<String>,
    /// Groups by name.
    pub groups: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_ordered_and_spelt_as_on_the_socket() {
        assert!(Role::ALL.is_sorted());
        for role in Role::ALL {
            assert_eq!(serde_json::to_value(role).unwrap(), role.word());
        }
    }
}
