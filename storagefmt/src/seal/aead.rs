//! AES-256-GCM in place, random bytes, and derived keys. Knows nothing of what is sealed.

use super::SealError;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

/// Bytes of a nonce.
pub(crate) const NONCE_BYTES: usize = 12;

/// Bytes that sealing adds.
pub(crate) const TAG_BYTES: usize = 16;

/// Bytes of a sealed key.
pub(super) const SEALED_KEY_BYTES: usize = 32 + TAG_BYTES;

/// A key, wiped from memory when dropped.
pub(super) type Secret = Zeroizing<[u8; 32]>;

/// A key with its schedule; the library wipes it when dropped.
pub(super) struct AeadKey(LessSafeKey);

impl AeadKey {
    pub(super) fn new(key: &[u8; 32]) -> Result<Self, SealError> {
        let key = UnboundKey::new(&AES_256_GCM, key).map_err(|_| SealError::Cipher { operation: "set up a key" })?;
        Ok(Self(LessSafeKey::new(key)))
    }

    /// Derives the key of a context from another key.
    pub(super) fn derived(context: &str, material: &[u8; 32]) -> Result<Self, SealError> {
        Self::new(&derive(context, material))
    }

    /// Seals in place under a fresh nonce and appends the tag.
    pub(super) fn seal(&self, aad: &[u8], nonce_out: &mut [u8; NONCE_BYTES], bytes: &mut Vec<u8>) -> Result<(), SealError> {
        random(nonce_out)?;
        let nonce = Nonce::assume_unique_for_key(*nonce_out);
        self.0.seal_in_place_append_tag(nonce, Aad::from(aad), bytes).map_err(|_| SealError::Cipher { operation: "seal" })
    }

    /// Opens in place and cuts the tag off. What is not authentic is emptied, so that nobody uses it.
    pub(super) fn open(&self, aad: &[u8], nonce: &[u8; NONCE_BYTES], bytes: &mut Vec<u8>) -> Result<(), SealError> {
        let nonce = Nonce::assume_unique_for_key(*nonce);
        match self.0.open_in_place(nonce, Aad::from(aad), bytes).map(|plain| plain.len()) {
            Ok(length) => {
                bytes.truncate(length);
                Ok(())
            }
            Err(_) => {
                bytes.clear();
                Err(SealError::NotAuthentic)
            }
        }
    }

    /// Seals a key.
    pub(super) fn seal_key(&self, aad: &[u8], key: &Secret) -> Result<([u8; NONCE_BYTES], [u8; SEALED_KEY_BYTES]), SealError> {
        let mut nonce = [0; NONCE_BYTES];
        let mut bytes = Vec::with_capacity(SEALED_KEY_BYTES);
        bytes.extend_from_slice(key.as_slice());
        self.seal(aad, &mut nonce, &mut bytes)?;
        let sealed = bytes.try_into().map_err(|_| SealError::Cipher { operation: "seal a key" })?;
        Ok((nonce, sealed))
    }

    /// Opens a sealed key.
    pub(super) fn open_key(&self, aad: &[u8], nonce: &[u8; NONCE_BYTES], sealed: &[u8; SEALED_KEY_BYTES]) -> Result<Secret, SealError> {
        let mut bytes = Zeroizing::new(sealed.to_vec());
        self.open(aad, nonce, &mut bytes)?;
        let mut key = Secret::default();
        if bytes.len() != key.len() {
            return Err(SealError::NotAuthentic);
        }
        key.copy_from_slice(&bytes);
        Ok(key)
    }
}

/// Derives a key: BLAKE3's own mode for it.
pub(super) fn derive(context: &str, material: &[u8]) -> Secret {
    Zeroizing::new(blake3::derive_key(context, material))
}

/// Fills with random bytes of the operating system.
pub(super) fn random(bytes: &mut [u8]) -> Result<(), SealError> {
    getrandom::fill(bytes).map_err(|err| SealError::Random { err })
}

/// Makes a new key.
pub(super) fn random_key() -> Result<Secret, SealError> {
    let mut key = Secret::default();
    random(key.as_mut_slice())?;
    Ok(key)
}
