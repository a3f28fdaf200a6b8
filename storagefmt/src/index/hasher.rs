//! What texts and ids are in the index: keyed hashes.
//!
//! In a sealed storage the key comes from the storage key, so that who has the files cannot try texts.
//! In an open one everybody can derive it, and ids of chunks and contents stand as they are.

use crate::Error;
use crate::format::row::Hash20;
use crate::seal::Keys;

pub(super) struct Hasher {
    key: [u8; 32],
    sealed: bool,
}

impl Hasher {
    /// Hashes with the storage key of a generation; 0 for a storage that is not sealed.
    pub(super) fn new(keys: &Keys, generation: u16) -> Result<Self, Error> {
        Ok(Self { key: keys.index_key(generation)?, sealed: generation != 0 })
    }

    pub(super) fn hash20(&self, bytes: &[u8]) -> Hash20 {
        self.hash(bytes)
    }

    pub(super) fn id20(&self, id: &Hash20) -> Hash20 {
        if self.sealed { self.hash(id) } else { *id }
    }

    pub(super) fn change_mark(&self, change_key: &str) -> [u8; 8] {
        self.hash(change_key.as_bytes())
    }

    fn hash<const N: usize>(&self, bytes: &[u8]) -> [u8; N] {
        let mut hash = [0; N];
        blake3::Hasher::new_keyed(&self.key).update(bytes).finalize_xof().fill(&mut hash);
        hash
    }
}
