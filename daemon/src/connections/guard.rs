//! Passwords of connections: who is not the owner gives it once in a login session before a connection is used for
//! something new or changed.
//!
//! Kept is an Argon2id hash, sealed as all secrets. What is unlocked is known in memory only: after a restart of the daemon
//! it is asked for again. A session that ended never comes back (see [`Session`]), so nothing must notice its end.

use super::Connections;
use crate::atomic::FileError;
use crate::failure;
use crate::name::Name;
use crate::peer::{Peer, Session};
use crate::secret::{Kind, SecretError};
use argon2::{Algorithm, Argon2, Params, Version};
use c2b_api::{ApiError, ErrorCode, Secret};
use nix::unistd::geteuid;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tracing::info;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Where the hash is kept.
pub(super) const GUARD: Kind = Kind::new("guard", "guard of connection");

/// Memory of a guess, in KiB: as for storages (RFC 9106, section 4, the second recommended option).
const MEMORY_KIB: u32 = 64 * 1024;

/// Passes over it.
const PASSES: u32 = 3;

/// Lanes of it.
const LANES: u32 = 4;

/// Fewest letters of a password: who guesses must ask the daemon, each time for a fraction of a second.
const LETTERS_MIN: usize = 8;

/// Who has given which password.
#[derive(Default)]
pub(super) struct Unlocked {
    by: Mutex<HashMap<Name, HashSet<(u32, Session)>>>,
    /// One guess at a time: a guess takes memory, and many at once would be many guesses.
    guess: tokio::sync::Mutex<()>,
}

/// A password that nobody can read back.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(rename_all = "kebab-case")]
struct Hash {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
    salt: [u8; 16],
    hash: [u8; 32],
}

impl Connections {
    /// Refuses who would have to give a connection's password and did not. A connection that is not there asks for none.
    ///
    /// # Errors
    /// [`ErrorCode::Locked`].
    pub fn ask_password(&self, name: &Name, peer: &Peer) -> Result<(), ApiError> {
        if self.get(name).is_err() || self.is_free(name, peer) || self.is_unlocked(name, peer) {
            return Ok(());
        }
        let message = format!("connection {name} has a password, and you are not its owner");
        Err(ApiError::new(ErrorCode::Locked, message, format!("give it once in this login session: `c2bctl connection unlock {name}`")))
    }

    /// Returns whether a connection has a password.
    pub fn is_guarded(&self, name: &Name) -> bool {
        self.secrets.has(GUARD, name)
    }

    /// Gives a connection a password, in the place of one that it had. Everybody must give the new one.
    ///
    /// # Errors
    /// When there is no such connection, the caller is not its owner, or the password is too short.
    pub async fn set_password(&self, name: &Name, password: Secret, peer: &Peer) -> Result<(), ApiError> {
        self.refuse_others(name, peer)?;
        if password.expose().chars().count() < LETTERS_MIN {
            return Err(failure::invalid(format!("the password has fewer than {LETTERS_MIN} letters"), ""));
        }
        let hash = blocking(move || Hash::make(&password)).await?;
        let text = zeroize::Zeroizing::new(serde_json::to_vec(&hash).map_err(|error| defect(&error.to_string()))?);
        let _changing = self.definitions.change().await;
        self.refuse_others(name, peer)?;
        self.secrets.put(GUARD, name, &text).map_err(|error| super::secret_error(&error))?;
        self.unlocked.lock().remove(name);
        info!(connection = %name, user = peer.user, "password of the connection set");
        Ok(())
    }

    /// Takes a connection's password away.
    ///
    /// # Errors
    /// When there is no such connection, the caller is not its owner, or it has none.
    pub async fn remove_password(&self, name: &Name, peer: &Peer) -> Result<(), ApiError> {
        let _changing = self.definitions.change().await;
        self.refuse_others(name, peer)?;
        self.refuse_unguarded(name)?;
        self.forget_password(name).map_err(|error| failure::file(&error))?;
        info!(connection = %name, user = peer.user, "password of the connection removed");
        Ok(())
    }

    /// Notes that the caller gave a connection's password: it is not asked for again in this login session.
    ///
    /// # Errors
    /// When there is no such connection, it has no password, it is another one, or nobody can tell the caller's session.
    pub async fn unlock(&self, name: &Name, password: Secret, peer: &Peer) -> Result<(), ApiError> {
        self.get(name)?;
        self.refuse_unguarded(name)?;
        let key = key(peer).ok_or_else(|| failure::state("your login session cannot be told", "try it from a shell that you logged in with"))?;
        let hash = match self.secrets.get(GUARD, name) {
            Ok(text) => serde_json::from_slice::<Hash>(text.expose()).map_err(|error| defect(&error.to_string()))?,
            Err(error) => return Err(guard_error(name, &error)),
        };
        let _one_at_a_time = self.unlocked.guess.lock().await;
        if !blocking(move || hash.is_of(&password)).await? {
            let hint = "capital letters and the keyboard's layout count; its owner can set another one: `c2bctl connection password set`";
            return Err(ApiError::new(ErrorCode::Locked, format!("that is not the password of connection {name}"), hint));
        }
        self.unlocked.lock().entry(name.clone()).or_default().insert(key);
        info!(connection = %name, user = peer.user, "connection unlocked");
        Ok(())
    }

    /// Forgets that the caller gave a connection's password in this login session.
    ///
    /// # Errors
    /// When there is no such connection.
    pub fn lock_again(&self, name: &Name, peer: &Peer) -> Result<(), ApiError> {
        self.get(name)?;
        if let (Some(key), Some(unlocked)) = (key(peer), self.unlocked.lock().get_mut(name)) {
            unlocked.remove(&key);
        }
        info!(connection = %name, user = peer.user, "connection locked");
        Ok(())
    }

    pub(super) fn forget_password(&self, name: &Name) -> Result<(), FileError> {
        self.unlocked.lock().remove(name);
        self.secrets.remove(GUARD, name)
    }

    /// Returns whether somebody is never asked: nobody is where there is no password, and its owner is not. Root and the
    /// daemon's own user could take it away by hand.
    fn is_free(&self, name: &Name, peer: &Peer) -> bool {
        !self.is_guarded(name) || self.is_owner(name, peer)
    }

    fn is_owner(&self, name: &Name, peer: &Peer) -> bool {
        let is_above = peer.uid.is_some_and(|uid| uid == 0 || uid == geteuid().as_raw());
        is_above || self.get(name).is_ok_and(|connection| peer.uid.is_some() && connection.owner == peer.user)
    }

    fn is_unlocked(&self, name: &Name, peer: &Peer) -> bool {
        key(peer).is_some_and(|key| self.unlocked.lock().get(name).is_some_and(|unlocked| unlocked.contains(&key)))
    }

    fn refuse_others(&self, name: &Name, peer: &Peer) -> Result<(), ApiError> {
        let connection = self.get(name)?;
        if self.is_owner(name, peer) {
            return Ok(());
        }
        let message = format!("connection {name} belongs to {}", connection.owner);
        Err(ApiError::new(ErrorCode::Forbidden, message, "its password is set and removed by its owner, or by root"))
    }

    fn refuse_unguarded(&self, name: &Name) -> Result<(), ApiError> {
        if self.is_guarded(name) {
            return Ok(());
        }
        Err(failure::state(format!("connection {name} has no password"), format!("its owner sets one with `c2bctl connection password set {name}`")))
    }
}

impl Unlocked {
    fn lock(&self) -> MutexGuard<'_, HashMap<Name, HashSet<(u32, Session)>>> {
        self.by.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hash {
    fn make(password: &Secret) -> Result<Self, ApiError> {
        let mut hash = Self { memory_kib: MEMORY_KIB, passes: PASSES, lanes: LANES, salt: [0; 16], hash: [0; 32] };
        getrandom::fill(&mut hash.salt).map_err(|error| defect(&error.to_string()))?;
        hash.hash = hash.stretch(password)?;
        Ok(hash)
    }

    fn is_of(&self, password: &Secret) -> Result<bool, ApiError> {
        // Hashes are compared as BLAKE3's are, in constant time.
        Ok(blake3::Hash::from_bytes(self.stretch(password)?) == blake3::Hash::from_bytes(self.hash))
    }

    fn stretch(&self, password: &Secret) -> Result<[u8; 32], ApiError> {
        let failed = |error: argon2::Error| defect(&error.to_string());
        let params = Params::new(self.memory_kib, self.passes, self.lanes, Some(32)).map_err(failed)?;
        let mut out = [0; 32];
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params).hash_password_into(password.expose().as_bytes(), &self.salt, &mut out).map_err(failed)?;
        Ok(out)
    }
}

/// Returns what an unlocking is bound to; none where nobody can tell the session.
fn key(peer: &Peer) -> Option<(u32, Session)> {
    let uid = peer.uid?;
    (peer.session != Session::Unknown).then(|| (uid, peer.session.clone()))
}

fn guard_error(name: &Name, error: &SecretError) -> ApiError {
    let hint = format!("its owner can set another one: `c2bctl connection password set {name}`");
    ApiError { hint, ..super::secret_error(error) }
}

fn defect(message: &str) -> ApiError {
    ApiError::new(ErrorCode::Internal, format!("the password could not be hashed: {message}"), "")
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, ApiError> + Send + 'static) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| defect(&error.to_string()))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_known_by_its_hash_and_each_hash_is_another() {
        let (one, other) = (Hash::make(&Secret::new("open sesame")).unwrap(), Hash::make(&Secret::new("open sesame")).unwrap());
        assert_ne!(one.hash, other.hash);
        assert!(one.is_of(&Secret::new("open sesame")).unwrap() && !one.is_of(&Secret::new("open sesam")).unwrap());
        assert!(!serde_json::to_string(&one).unwrap().contains("sesame"));
    }
}
