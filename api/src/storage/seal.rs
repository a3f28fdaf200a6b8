//! Sealed storages: what opens them, and how that is changed.

use crate::secret::Secret;
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What opens a sealed storage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Credential {
    /// One of its passwords.
    Password(Secret),
    /// Its recovery key.
    RecoveryKey(Secret),
}

/// Opens a sealed storage on this host. The daemon then keeps a key of its own for it, so that it needs nobody after a reboot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StorageUnlock {
    /// What opens it.
    pub credential: Credential,
}

/// A password, not itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct PasswordInfo {
    /// What it is called.
    pub label: String,
    /// Since when it opens the storage.
    pub created: DateTime<Utc>,
}

/// Something that opens a sealed storage, not itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct KeyInfo {
    /// What it is.
    pub kind: KeyKind,
    /// What it is called; empty for the recovery key.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub label: String,
    /// Since when it opens the storage.
    pub created: DateTime<Utc>,
}

/// A kind of [`KeyInfo`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum KeyKind {
    /// People type it.
    Password,
    /// It was shown once, and is on paper.
    RecoveryKey,
    /// The daemon of a machine keeps it.
    MachineKey,
}

/// One more password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PasswordAdd {
    /// What it is called.
    pub label: String,
    /// The password.
    pub password: Secret,
}

/// Another password in the place of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PasswordChange {
    /// The present password, which says which one it is.
    pub present: Secret,
    /// The new one.
    pub password: Secret,
}

/// One password fewer. The last one can go too: the recovery key stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PasswordRemove {
    /// Which one.
    pub label: String,
}

/// A new recovery key; the one before opens nothing any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct RecoveryKey {
    /// The key, given this once.
    pub recovery_key: Secret,
}

/// New keys for a sealed storage.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StorageRotate {
    /// A password that goes on opening the storage; all others must be added again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
}

/// What a rotation did. All new data uses the new key; the old data is sealed anew in the background.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct StorageRotateReport {
    /// The number of the new key.
    pub generation: u32,
    /// The new recovery key, given this once; the one before opens nothing new.
    pub recovery_key: Secret,
    /// Passwords that go on opening the storage.
    pub passwords_kept: Vec<String>,
    /// Passwords that must be added again.
    pub passwords_gone: Vec<String>,
    /// How much is to be sealed anew.
    pub resealing: ResealInfo,
}

/// How far the sealing of old data with the newest key is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ResealInfo {
    /// Bytes that the newest key seals.
    pub done_bytes: u64,
    /// Bytes in all.
    pub total_bytes: u64,
}
