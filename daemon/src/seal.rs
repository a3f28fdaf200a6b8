//! Sealing small things with the key of this machine: AES-256-GCM under a key derived from it.
//!
//! What is sealed is bound to a name, so that one cannot be put in another's place. Which machine key sealed it can be told
//! without opening it. Who has the machine key can open everything; who has an older copy of a sealed file can put it back.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::Zeroizing;

/// What every sealed file begins with: kind and version.
const MAGIC: &[u8; 8] = b"c2bseal1";

/// Bytes that tell machine keys apart.
const KEY_ID_BYTES: usize = 8;

/// Bytes before what is sealed.
const HEAD_BYTES: usize = MAGIC.len() + KEY_ID_BYTES + NONCE_LEN;

/// The context of the key that seals.
const CONTEXT_SEAL: &str = "c2b 2026-11-22 daemon: seal a secret by machine key";

/// The context of what tells machine keys apart.
const CONTEXT_ID: &str = "c2b 2026-11-22 daemon: name a machine key";

/// A key that seals.
pub struct SealKey {
    key: LessSafeKey,
    id: [u8; KEY_ID_BYTES],
}

/// Something cannot be sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Another machine's key sealed it.
    #[error("it is sealed with another machine key")]
    OtherKey,
    /// It was changed, belongs elsewhere, or is no sealed file.
    #[error("it is damaged, or was put in another's place")]
    Damaged,
    /// The system gives no random numbers, or the library refuses.
    #[error("it cannot be sealed on this machine")]
    Cipher,
}

impl SealKey {
    /// Derives it from the key of a machine.
    ///
    /// # Errors
    /// [`SealError::Cipher`].
    pub fn new(machine: &[u8; 32]) -> Result<Self, SealError> {
        let derived = Zeroizing::new(blake3::derive_key(CONTEXT_SEAL, machine));
        let key = UnboundKey::new(&AES_256_GCM, derived.as_slice()).map_err(|_| SealError::Cipher)?;
        let mut id = [0; KEY_ID_BYTES];
        id.copy_from_slice(&blake3::derive_key(CONTEXT_ID, machine)[..KEY_ID_BYTES]);
        Ok(Self { key: LessSafeKey::new(key), id })
    }

    /// Seals something that has this name.
    ///
    /// # Errors
    /// [`SealError::Cipher`].
    pub fn seal(&self, name: &str, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).map_err(|_| SealError::Cipher)?;
        let mut bytes = Vec::with_capacity(HEAD_BYTES + plain.len() + AES_256_GCM.tag_len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&self.id);
        bytes.extend_from_slice(&nonce);
        bytes.extend_from_slice(plain);
        let (head, body) = bytes.split_at_mut(HEAD_BYTES);
        let tag = self.key.seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), aad(head, name), body).map_err(|_| SealError::Cipher)?;
        bytes.extend_from_slice(tag.as_ref());
        Ok(bytes)
    }

    /// Opens what was sealed under this name.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn open(&self, name: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (head, body) = sealed.split_at_checked(HEAD_BYTES).ok_or(SealError::Damaged)?;
        let (magic, rest) = head.split_at(MAGIC.len());
        let (id, nonce) = rest.split_at(KEY_ID_BYTES);
        if magic != MAGIC {
            return Err(SealError::Damaged);
        }
        if id != self.id {
            return Err(SealError::OtherKey);
        }
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::Damaged)?;
        let mut bytes = Zeroizing::new(body.to_vec());
        let length = self.key.open_in_place(nonce, aad(head, name), &mut bytes).map_err(|_| SealError::Damaged)?.len();
        bytes.truncate(length);
        Ok(bytes)
    }
}

/// What must be the same when it is opened: the name, and the head without its nonce, which the cipher proves itself.
fn aad(head: &[u8], name: &str) -> Aad<Vec<u8>> {
    let mut bytes = head.get(..MAGIC.len() + KEY_ID_BYTES).unwrap_or_default().to_vec();
    bytes.extend_from_slice(name.as_bytes());
    Aad::from(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_under_its_name_and_key_only() {
        let key = SealKey::new(&[7; 32]).unwrap();
        for plain in [&b""[..], b"x", b"correct horse"] {
            let sealed = key.seal("connection+lab", plain).unwrap();
            assert_eq!(key.open("connection+lab", &sealed).unwrap().as_slice(), plain);
            assert_eq!(key.open("connection+lap", &sealed).unwrap_err(), SealError::Damaged);
            assert_eq!(SealKey::new(&[8; 32]).unwrap().open("connection+lab", &sealed).unwrap_err(), SealError::OtherKey);
        }
    }

    #[test]
    fn every_bit_counts_and_every_byte_is_needed() {
        let key = SealKey::new(&[7; 32]).unwrap();
        let sealed = key.seal("a", b"secret").unwrap();
        for at in 0..sealed.len() {
            let mut other = sealed.clone();
            other[at] ^= 1;
            assert!(key.open("a", &other).is_err(), "byte {at}");
            assert!(key.open("a", &sealed[..at]).is_err(), "cut at {at}");
        }
        assert_ne!(key.seal("a", b"secret").unwrap(), sealed, "a nonce was used twice");
    }
}
