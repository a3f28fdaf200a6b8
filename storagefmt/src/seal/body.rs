//! Bytes of the key file: frame, checksum, and numbered fields. Opens nothing.

use super::SealError;
use super::aead::{NONCE_BYTES, SEALED_KEY_BYTES, Secret};
use super::wrap::{WRAPS_MAX, Wrap};
use crate::format::Take;
use minicbor::{Decode, Encode};
use uuid::Uuid;

/// The first bytes of a key file.
const MAGIC: &[u8; 8] = b"c2bkeys\0";

/// The version that this program writes, and the only one that it reads.
pub(super) const VERSION: u32 = 1;

/// Bytes before the body.
const HEADER_BYTES: usize = 24;

/// Bytes of the proof, and of the checksum.
const HASH_BYTES: usize = 32;

/// Everything that the file says.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub(super) struct Body {
    /// The storage.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub(super) storage: [u8; 16],
    /// The generation that new data is sealed with.
    #[n(1)]
    pub(super) generation: u16,
    /// When that generation was made, in microseconds since 1970.
    #[n(2)]
    pub(super) created: i64,
    /// What opens the current storage key.
    #[n(3)]
    pub(super) wraps: Vec<Wrap>,
    /// Older storage keys.
    #[n(4)]
    pub(super) older: Vec<OlderEntry>,
    /// Keys of mailboxes.
    #[n(5)]
    pub(super) mailboxes: Vec<MailboxEntry>,
    /// Mailboxes whose keys were destroyed.
    #[n(6)]
    pub(super) destroyed: Vec<DestroyedEntry>,
    /// The index key of a generation that was dropped, while the index's hashes are keyed with it.
    #[n(7)]
    pub(super) index: Option<IndexEntry>,
}

/// An index key of a dropped generation, sealed by the current storage key.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub(super) struct IndexEntry {
    #[n(0)]
    pub(super) generation: u16,
    #[cbor(n(1), with = "minicbor::bytes")]
    pub(super) nonce: [u8; NONCE_BYTES],
    #[cbor(n(2), with = "minicbor::bytes")]
    pub(super) sealed: [u8; SEALED_KEY_BYTES],
}

/// A storage key of an older generation, sealed by the current one.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub(super) struct OlderEntry {
    #[n(0)]
    pub(super) generation: u16,
    #[n(1)]
    pub(super) created: i64,
    #[cbor(n(2), with = "minicbor::bytes")]
    pub(super) nonce: [u8; NONCE_BYTES],
    #[cbor(n(3), with = "minicbor::bytes")]
    pub(super) sealed: [u8; SEALED_KEY_BYTES],
}

/// The key of a mailbox, sealed by the storage key of its generation.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub(super) struct MailboxEntry {
    #[n(0)]
    pub(super) mailbox: u32,
    #[n(1)]
    pub(super) generation: u16,
    #[cbor(n(2), with = "minicbor::bytes")]
    pub(super) nonce: [u8; NONCE_BYTES],
    #[cbor(n(3), with = "minicbor::bytes")]
    pub(super) sealed: [u8; SEALED_KEY_BYTES],
}

/// A mailbox whose keys were destroyed.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub(super) struct DestroyedEntry {
    #[n(0)]
    pub(super) mailbox: u32,
    /// When, in microseconds since 1970.
    #[n(1)]
    pub(super) time: i64,
}

/// A key file that is whole.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Decoded {
    pub(super) edition: u64,
    pub(super) body: Body,
}

/// Why bytes are no key file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    Damaged(&'static str),
    Newer(u32),
}

/// Writes a key file, and reads it again before anyone relies on it.
pub(super) fn encode(edition: u64, body: &Body, proof_key: &Secret) -> Result<Vec<u8>, SealError> {
    let failed = SealError::Cipher { operation: "encode the keys" };
    let Ok(cbor) = minicbor::to_vec(body) else { return Err(failed) };
    let mut bytes = Vec::with_capacity(HEADER_BYTES + cbor.len() + 2 * HASH_BYTES);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&edition.to_le_bytes());
    bytes.extend_from_slice(&u32::try_from(cbor.len()).unwrap_or(u32::MAX).to_le_bytes());
    bytes.extend_from_slice(&cbor);
    let proof = blake3::keyed_hash(proof_key, &bytes);
    bytes.extend_from_slice(proof.as_bytes());
    let checksum = blake3::hash(&bytes);
    bytes.extend_from_slice(checksum.as_bytes());
    let again = decode(&bytes, Uuid::from_bytes(body.storage));
    if again.is_ok_and(|again| again.edition == edition && again.body == *body) { Ok(bytes) } else { Err(failed) }
}

/// Reads a key file of this storage; proves that it is whole, not who wrote it.
pub(super) fn decode(bytes: &[u8], storage: Uuid) -> Result<Decoded, Flaw> {
    let damaged = |reason| Flaw::Damaged(reason);
    let (summed, checksum) = bytes.len().checked_sub(HASH_BYTES).and_then(|at| bytes.split_at_checked(at)).ok_or(damaged("too short"))?;
    let mut take = Take(summed);
    if take.bytes(MAGIC.len()) != Some(MAGIC) {
        return Err(damaged("not a file of keys"));
    }
    if blake3::hash(summed).as_bytes() != checksum {
        return Err(damaged("wrong checksum"));
    }
    let version = take.u32().ok_or(damaged("too short"))?;
    if version != VERSION {
        return Err(Flaw::Newer(version));
    }
    let edition = take.u64().ok_or(damaged("too short"))?;
    let length = take.u32().and_then(|length| usize::try_from(length).ok()).ok_or(damaged("too short"))?;
    let cbor = take.bytes(length).ok_or(damaged("wrong length"))?;
    if take.0.len() != HASH_BYTES {
        return Err(damaged("wrong length"));
    }
    let mut decoder = minicbor::Decoder::new(cbor);
    let body: Body = decoder.decode().map_err(|_| damaged("unreadable fields"))?;
    if decoder.position() != cbor.len() {
        return Err(damaged("bytes after the fields"));
    }
    if body.storage != *storage.as_bytes() {
        return Err(damaged("of another storage"));
    }
    if body.generation == 0 || body.older.iter().any(|older| older.generation == 0 || older.generation >= body.generation) {
        return Err(damaged("impossible generations"));
    }
    if body.wraps.len() > WRAPS_MAX || body.wraps.iter().any(|wrap| !wrap.is_sane()) {
        return Err(damaged("impossible parameters"));
    }
    Ok(Decoded { edition, body })
}

/// Returns whether whoever wrote these bytes had the current storage key.
pub(super) fn is_proven(bytes: &[u8], proof_key: &Secret) -> bool {
    let Some((proven, rest)) = bytes.len().checked_sub(2 * HASH_BYTES).and_then(|at| bytes.split_at_checked(at)) else { return false };
    // blake3::Hash compares in constant time.
    rest.first_chunk::<HASH_BYTES>().is_some_and(|proof| blake3::keyed_hash(proof_key, proven) == *proof)
}
