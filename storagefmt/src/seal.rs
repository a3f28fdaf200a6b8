//! Sealing: which key seals what, and the file that keeps the keys.
//!
//! A storage key `SK` (one for each *generation*, from 1) and a key `MK` of each mailbox are random. `SK` is
//! wrapped by passwords, the recovery key and machine keys; everything else is sealed by `SK` or derived from it:
//!
//! | scope | key | seals |
//! |---|---|---|
//! | [`Scope::Block`] | `keyed_hash(base of SK, h)` | blocks: `h`, the hash of a block's bytes, is the capability to it |
//! | [`Scope::Mailbox`] | derived from `MK` | a mailbox's records, and in them its capabilities |
//! | [`Scope::Storage`] | derived from `SK` | records of the storage |
//!
//! So two mailboxes can share a block, and a mailbox is gone when its one key is.
//!
//! Promises: AES-256-GCM under a fresh random nonce for each sealing; what does not prove itself is never
//! given out; a destroyed key is gone from memory at once and from the key file at its next
//! [`save`](KeyFile::save); keys are wiped from memory when dropped and shown by no `Debug`.
//! `doc/format.md` describes the key file byte by byte; its layout is in `body`, the contexts of
//! derivations in `ring`, `wrap` and `recovery`.
//!
//! Does not know packs, records or folders: what a sealing is bound to (the AAD) comes from the caller.

mod aead;
mod body;
mod error;
#[cfg_attr(not(test), expect(dead_code, reason = "passwords, rotation and erasing are not reached from outside yet"))]
mod key_file;
mod recovery;
mod ring;
mod wrap;

pub(crate) use aead::NONCE_BYTES;
#[cfg(test)]
use aead::TAG_BYTES;
pub use error::SealError;
#[cfg(test)]
use key_file::KEY_FILES;
pub use key_file::{CopyState, KeyStore};
pub(crate) use key_file::{KeyFile, NewKeys};
pub use recovery::RecoveryKey;
pub use wrap::{Argon2Params, WrapInfo, WrapKind};

use aead::{AeadKey, derive};
use chrono::{DateTime, Utc};
use ring::Ring;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use uuid::Uuid;
use zeroize::Zeroizing;

/// What a storage is opened with.
#[derive(Clone)]
pub enum Unlock {
    /// Nothing: for storages that are not sealed.
    Open,
    /// A password.
    Password(Zeroizing<String>),
    /// The text of the recovery key.
    Recovery(Zeroizing<String>),
    /// A machine key.
    Machine(Zeroizing<[u8; 32]>),
}

/// What is sealed, hence with which key.
#[derive(Clone, Copy)]
pub(crate) enum Scope<'a> {
    /// Records of the storage.
    Storage,
    /// Records of this mailbox.
    Mailbox(u32),
    /// The block whose raw bytes have this hash.
    Block(&'a [u8; 32]),
}

/// The keys of an opened storage; of one that is not sealed, a stand-in that changes nothing.
///
/// Clones share the keys: a mailbox's key made or destroyed through one is there or gone for all.
#[derive(Clone)]
pub(crate) struct Keys {
    shared: Arc<Shared>,
}

struct Shared {
    storage: Uuid,
    ring: Option<RwLock<Ring>>,
}

/// What the index key of a storage that is not sealed is derived with.
const OPEN_INDEX: &str = "c2b archive 2: index of an open storage";

impl Keys {
    /// Returns the stand-in of a storage that is not sealed.
    pub(crate) fn unsealed(storage: Uuid) -> Self {
        Self { shared: Arc::new(Shared { storage, ring: None }) }
    }

    /// Returns the storage's identity, which all sealing is bound to.
    pub(crate) fn storage(&self) -> Uuid {
        self.shared.storage
    }

    /// Returns whether the storage is sealed.
    pub(crate) fn is_sealed(&self) -> bool {
        self.shared.ring.is_some()
    }

    /// Returns the generation that [`Self::seal`] uses; 0 when not sealed.
    pub(crate) fn generation(&self) -> u16 {
        self.read().map_or(0, |ring| ring.current())
    }

    /// Returns all generations, oldest first, with the time when each was made.
    #[cfg_attr(not(test), expect(dead_code, reason = "passwords, rotation and erasing are not reached from outside yet"))]
    pub(crate) fn generations(&self) -> Vec<(u16, DateTime<Utc>)> {
        let generations = self.read().map_or_else(Vec::new, |ring| ring.generations());
        generations.into_iter().map(|(generation, created)| (generation, crate::format::time_of(created))).collect()
    }

    /// Seals `bytes` in place with the current generation and appends the tag; does nothing when not sealed.
    ///
    /// Reserve the room of the tag before: else all bytes may be copied.
    pub(crate) fn seal(&self, scope: Scope<'_>, aad: &[u8], nonce_out: &mut [u8; NONCE_BYTES], bytes: &mut Vec<u8>) -> Result<(), SealError> {
        let Some(ring) = self.read() else {
            *nonce_out = [0; NONCE_BYTES];
            return Ok(());
        };
        let generation = ring.current();
        with_key(ring, generation, scope, |key| key.seal(aad, nonce_out, bytes))
    }

    /// Opens `bytes` in place and cuts off the tag; does nothing when not sealed.
    ///
    /// On an error `bytes` must not be used: they are sealed still, or empty.
    pub(crate) fn open(&self, generation: u16, scope: Scope<'_>, aad: &[u8], nonce: &[u8; NONCE_BYTES], bytes: &mut Vec<u8>) -> Result<(), SealError> {
        match (self.read(), generation) {
            (None, 0) => Ok(()),
            (None, _) => Err(SealError::Locked),
            // In a sealed storage, what claims not to be sealed was put there by somebody else.
            (Some(_), 0) => Err(SealError::NotAuthentic),
            (Some(ring), _) => with_key(ring, generation, scope, |key| key.open(aad, nonce, bytes)),
        }
    }

    /// Returns the key of the index's hashes; generation 0 when not sealed.
    pub(crate) fn index_key(&self, generation: u16) -> Result<[u8; 32], SealError> {
        match (self.read(), generation) {
            (None, 0) => Ok(*derive(OPEN_INDEX, self.shared.storage.as_bytes())),
            (None, _) => Err(SealError::Locked),
            (Some(ring), _) => Ok(*ring.generation(generation)?.index),
        }
    }

    /// Makes the mailbox's key unless it has one; returns whether the key file must be saved before anything
    /// sealed with it is published. A destroyed mailbox never gets a key again.
    pub(crate) fn ensure_mailbox(&self, mailbox: u32) -> bool {
        if self.knows_mailbox(mailbox) {
            return false;
        }
        let Some(mut ring) = self.write() else { return false };
        ring.ensure_mailbox(mailbox).unwrap_or_else(|err| {
            // The first sealing for the mailbox then fails, so that nothing is lost.
            tracing::error!(mailbox, error = &err as &dyn std::error::Error, "no key for a new mailbox");
            false
        })
    }

    /// Returns whether the mailbox's records can be sealed; always when not sealed.
    pub(crate) fn knows_mailbox(&self, mailbox: u32) -> bool {
        self.read().is_none_or(|ring| ring.mailbox(mailbox, ring.current()).is_ok())
    }

    /// Destroys the mailbox's keys of all generations. The key file holds them until it is saved.
    #[cfg_attr(not(test), expect(dead_code, reason = "passwords, rotation and erasing are not reached from outside yet"))]
    pub(crate) fn destroy_mailbox(&self, mailbox: u32, time: DateTime<Utc>) {
        if let Some(mut ring) = self.write() {
            ring.destroy_mailbox(mailbox, crate::format::micros(time));
        }
    }

    /// Returns whether the key file holds all keys: else nothing sealed may be published.
    pub(crate) fn is_saved(&self) -> bool {
        self.read().is_none_or(|ring| ring.revision == ring.saved)
    }

    fn sealed(storage: Uuid, ring: Ring) -> Self {
        Self { shared: Arc::new(Shared { storage, ring: Some(RwLock::new(ring)) }) }
    }

    fn read(&self) -> Option<RwLockReadGuard<'_, Ring>> {
        // No change of a ring can be interrupted half-way, so a panic elsewhere leaves it whole.
        self.shared.ring.as_ref().map(|ring| ring.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write(&self) -> Option<RwLockWriteGuard<'_, Ring>> {
        self.shared.ring.as_ref().map(|ring| ring.write().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Does the work outside of the lock: a new mailbox never waits for megabytes to be sealed.
fn with_key<T>(
    ring: RwLockReadGuard<'_, Ring>,
    generation: u16,
    scope: Scope<'_>,
    work: impl FnOnce(&AeadKey) -> Result<T, SealError>,
) -> Result<T, SealError> {
    let keys = Arc::clone(ring.generation(generation)?);
    match scope {
        Scope::Storage => {
            drop(ring);
            work(&keys.records)
        }
        Scope::Block(h) => {
            drop(ring);
            work(&keys.block(h)?)
        }
        Scope::Mailbox(mailbox) => {
            let mailbox = Arc::clone(ring.mailbox(mailbox, generation)?);
            drop(ring);
            work(&mailbox.records)
        }
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("storage", &self.shared.storage).field("sealed", &self.is_sealed()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Unlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "Open",
            Self::Password(_) => "Password(..)",
            Self::Recovery(_) => "Recovery(..)",
            Self::Machine(_) => "Machine(..)",
        })
    }
}

#[cfg(test)]
mod tests;
