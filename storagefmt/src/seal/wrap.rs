//! Wraps: the current storage key, sealed by a password, the recovery key or a machine key.

use super::aead::{AeadKey, NONCE_BYTES, SEALED_KEY_BYTES, Secret, random};
use super::{RecoveryKey, SealError, Unlock};
use chrono::{DateTime, Utc};
use minicbor::{Decode, Encode};
use std::fmt;
use unicode_normalization::UnicodeNormalization;
use uuid::Uuid;
use zeroize::Zeroizing;

/// Most wraps of a storage, so that a hostile file cannot keep a reader busy with passwords for days.
pub(super) const WRAPS_MAX: usize = 64;

/// Longest label, in bytes.
pub(super) const LABEL_BYTES_MAX: usize = 200;

/// What opens a sealed storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum WrapKind {
    /// A password that people type.
    #[n(1)]
    Password,
    /// The key on paper.
    #[n(2)]
    Recovery,
    /// A key that the service of one machine keeps.
    #[n(3)]
    Machine,
}

/// What is known of a password or key without having it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrapInfo {
    /// Its number in this storage.
    pub id: u32,
    /// What it is.
    pub kind: WrapKind,
    /// What its owner calls it. Readable by anyone who can read the storage's files.
    pub label: String,
    /// When it was made.
    pub created: DateTime<Utc>,
}

/// How expensive it is to try a password (Argon2id, RFC 9106).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Argon2Params {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

/// What a new wrap is made of.
pub(super) enum Credential<'a> {
    Password(&'a Zeroizing<String>, Argon2Params),
    Recovery(&'a RecoveryKey),
    Machine(&'a Secret),
}

/// A wrap in the key file.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub(super) struct Wrap {
    #[n(0)]
    pub(super) id: u32,
    #[n(1)]
    pub(super) kind: WrapKind,
    #[n(2)]
    pub(super) label: String,
    /// When it was made, in microseconds since 1970.
    #[n(3)]
    pub(super) created: i64,
    /// Of passwords only.
    #[n(4)]
    pub(super) argon2: Option<Argon2Entry>,
    #[cbor(n(5), with = "minicbor::bytes")]
    nonce: [u8; NONCE_BYTES],
    #[cbor(n(6), with = "minicbor::bytes")]
    sealed: [u8; SEALED_KEY_BYTES],
}

/// Parameters of a password's wrap.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub(super) struct Argon2Entry {
    #[n(0)]
    memory_kib: u32,
    #[n(1)]
    passes: u32,
    #[n(2)]
    lanes: u32,
    #[cbor(n(3), with = "minicbor::bytes")]
    salt: [u8; 16],
}

impl Default for Argon2Params {
    /// RFC 9106, section 4, the second recommended option: 64 MiB, 3 passes, 4 lanes.
    fn default() -> Self {
        Self { memory_kib: 64 << 10, passes: 3, lanes: 4 }
    }
}

impl Argon2Params {
    /// Refuses what would not run, or would take a machine down: the file may come from anyone.
    pub(super) fn check(self) -> Result<Self, SealError> {
        let reason = if self.memory_kib > 1 << 20 {
            "more than 1 GiB of memory"
        } else if !(1..=16).contains(&self.passes) {
            "not 1 to 16 passes"
        } else if !(1..=16).contains(&self.lanes) {
            "not 1 to 16 lanes"
        } else if self.memory_kib < 8 * self.lanes {
            "less than 8 KiB of memory for each lane"
        } else {
            return Ok(self);
        };
        Err(SealError::Params { reason })
    }
}

impl fmt::Display for WrapKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password => "password",
            Self::Recovery => "recovery key",
            Self::Machine => "machine key",
        })
    }
}

impl WrapKind {
    /// The context that wrapping keys are derived with.
    fn context(self) -> &'static str {
        match self {
            Self::Password => "c2b archive 2: wrap by password",
            Self::Recovery => "c2b archive 2: wrap by recovery key",
            Self::Machine => "c2b archive 2: wrap by machine key",
        }
    }

    fn code(self) -> u8 {
        match self {
            Self::Password => 1,
            Self::Recovery => 2,
            Self::Machine => 3,
        }
    }
}

impl Credential<'_> {
    pub(super) fn kind(&self) -> WrapKind {
        match self {
            Self::Password(..) => WrapKind::Password,
            Self::Recovery(_) => WrapKind::Recovery,
            Self::Machine(_) => WrapKind::Machine,
        }
    }
}

/// Which wrap, of what: all that a wrap's sealed key is bound to.
pub(super) struct WrapName<'a> {
    pub(super) storage: Uuid,
    pub(super) generation: u16,
    pub(super) id: u32,
    pub(super) label: &'a str,
    pub(super) created: i64,
}

impl Wrap {
    /// Wraps a storage key.
    pub(super) fn seal(name: &WrapName<'_>, credential: &Credential<'_>, key: &Secret) -> Result<Self, SealError> {
        let (secret, argon2) = match credential {
            Credential::Password(password, params) => {
                let params = params.check()?;
                let mut salt = [0; 16];
                random(&mut salt)?;
                let argon2 = Argon2Entry { memory_kib: params.memory_kib, passes: params.passes, lanes: params.lanes, salt };
                (stretch(password, &argon2)?, Some(argon2))
            }
            Credential::Recovery(key) => (key.secret().clone(), None),
            Credential::Machine(key) => ((*key).clone(), None),
        };
        let kind = credential.kind();
        let aead = AeadKey::derived(kind.context(), &secret)?;
        let (nonce, sealed) = aead.seal_key(&aad(name, kind), key)?;
        Ok(Self { id: name.id, kind, label: name.label.to_owned(), created: name.created, argon2, nonce, sealed })
    }

    /// Opens the storage key with a secret of this wrap's kind. Slow for passwords.
    pub(super) fn open(&self, storage: Uuid, generation: u16, secret: &UnlockSecret) -> Result<Secret, SealError> {
        let name = WrapName { storage, generation, id: self.id, label: &self.label, created: self.created };
        let secret = match (secret, &self.argon2) {
            (UnlockSecret::Password(password), Some(argon2)) => stretch(password, argon2)?,
            (UnlockSecret::Key(_, key), None) => key.clone(),
            _ => return Err(SealError::NotAuthentic),
        };
        AeadKey::derived(self.kind.context(), &secret)?.open_key(&aad(&name, self.kind), &self.nonce, &self.sealed)
    }

    /// Returns what can be told of it.
    pub(super) fn info(&self) -> WrapInfo {
        WrapInfo { id: self.id, kind: self.kind, label: self.label.clone(), created: crate::format::time_of(self.created) }
    }

    /// The parameters of a password.
    pub(super) fn params(&self) -> Option<Argon2Params> {
        self.argon2.as_ref().map(Argon2Entry::params)
    }

    /// Returns whether its parameters can be used and fit its kind.
    pub(super) fn is_sane(&self) -> bool {
        match &self.argon2 {
            Some(argon2) => self.kind == WrapKind::Password && argon2.params().check().is_ok(),
            None => self.kind != WrapKind::Password,
        }
    }
}

impl Argon2Entry {
    fn params(&self) -> Argon2Params {
        Argon2Params { memory_kib: self.memory_kib, passes: self.passes, lanes: self.lanes }
    }
}

/// What was given to open a storage, ready to be tried.
pub(super) enum UnlockSecret {
    Password(Zeroizing<String>),
    Key(WrapKind, Secret),
}

impl UnlockSecret {
    pub(super) fn of(unlock: &Unlock) -> Result<Self, SealError> {
        Ok(match unlock {
            Unlock::Open => return Err(SealError::Locked),
            Unlock::Password(password) => Self::Password(password.clone()),
            Unlock::Recovery(text) => Self::Key(WrapKind::Recovery, text.parse::<RecoveryKey>()?.secret().clone()),
            Unlock::Machine(key) => Self::Key(WrapKind::Machine, key.clone()),
        })
    }

    pub(super) fn kind(&self) -> WrapKind {
        match self {
            Self::Password(_) => WrapKind::Password,
            Self::Key(kind, _) => *kind,
        }
    }
}

/// What a wrap's sealed key is bound to.
fn aad(name: &WrapName<'_>, kind: WrapKind) -> Vec<u8> {
    let mut aad = b"c2bwrap\0".to_vec();
    aad.extend_from_slice(name.storage.as_bytes());
    aad.push(kind.code());
    aad.extend_from_slice(&name.id.to_le_bytes());
    aad.extend_from_slice(&name.generation.to_le_bytes());
    aad.extend_from_slice(&name.created.to_le_bytes());
    aad.extend_from_slice(name.label.as_bytes());
    aad
}

/// Makes a key from a password: Argon2id of its NFC, since keyboards differ in how they compose letters.
fn stretch(password: &str, entry: &Argon2Entry) -> Result<Secret, SealError> {
    // NFC has at most three times the bytes: the buffer never moves, so no piece of it stays behind.
    let mut composed = Zeroizing::new(String::with_capacity(3 * password.len()));
    composed.extend(password.nfc());
    let failed = || SealError::Cipher { operation: "derive a key from the password" };
    let params = entry.params().check()?;
    let params = argon2::Params::new(params.memory_kib, params.passes, params.lanes, Some(32)).map_err(|_| failed())?;
    let argon2 = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    let mut key = Secret::default();
    argon2.hash_password_into(composed.as_bytes(), &entry.salt, key.as_mut_slice()).map_err(|_| failed())?;
    Ok(key)
}
