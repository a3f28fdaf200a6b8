//! The opened keys of one storage: all generations, all mailboxes.

use super::SealError;
use super::aead::{AeadKey, Secret, derive, random_key};
use super::body::{Body, DestroyedEntry, IndexEntry, MailboxEntry, OlderEntry};
use std::collections::BTreeMap;
use std::sync::Arc;
use uuid::Uuid;

/// Contexts of derived keys. On disk for ever: see the module documentation of [`crate::seal`].
const BLOCKS: &str = "c2b archive 2: base of block keys";
const STORAGE_RECORDS: &str = "c2b archive 2: records of the storage";
const INDEX: &str = "c2b archive 2: index";
const KEY_FILE: &str = "c2b archive 2: keys in the key file";
const KEY_FILE_PROOF: &str = "c2b archive 2: proof of the key file";
const MAILBOX_RECORDS: &str = "c2b archive 2: records of a mailbox";

/// All keys of a sealed storage.
#[derive(Clone)]
pub(super) struct Ring {
    storage: Uuid,
    current: u16,
    generations: BTreeMap<u16, Arc<Generation>>,
    mailboxes: BTreeMap<(u32, u16), Arc<MailboxSecret>>,
    destroyed: BTreeMap<u32, i64>,
    /// The index key of a generation that was dropped, while the index is keyed with it.
    kept_index: Option<(u16, Secret)>,
    /// Grows with every change; equal to `saved` when the key file holds all of it.
    pub(super) revision: u64,
    /// The revision that the key file holds.
    pub(super) saved: u64,
    /// The edition of the key file that was opened or saved last.
    pub(super) edition: u64,
}

/// The keys that derive from one storage key.
pub(super) struct Generation {
    key: Secret,
    created: i64,
    block_base: Secret,
    pub(super) records: AeadKey,
    pub(super) index: Secret,
    key_file: AeadKey,
}

/// The key of a mailbox in one generation.
pub(super) struct MailboxSecret {
    key: Secret,
    pub(super) records: AeadKey,
}

impl Ring {
    /// Makes the first storage key.
    pub(super) fn create(storage: Uuid, key: Secret, created: i64) -> Result<Self, SealError> {
        let generations = BTreeMap::from([(1, Arc::new(Generation::new(key, created)?))]);
        Ok(Self { storage, current: 1, generations, mailboxes: BTreeMap::new(), destroyed: BTreeMap::new(), kept_index: None, revision: 1, saved: 0, edition: 0 })
    }

    /// Opens what a key file holds with its current storage key.
    pub(super) fn open(body: &Body, edition: u64, key: Secret) -> Result<Self, SealError> {
        let storage = Uuid::from_bytes(body.storage);
        let forged = |reason| move |_: SealError| SealError::KeyFileForged { reason };
        let current = Arc::new(Generation::new(key, body.created)?);
        let mut generations = BTreeMap::new();
        for older in &body.older {
            let aad = older_aad(storage, older.generation, body.generation, older.created);
            let key = current.key_file.open_key(&aad, &older.nonce, &older.sealed).map_err(forged("an older storage key"))?;
            generations.insert(older.generation, Arc::new(Generation::new(key, older.created)?));
        }
        let kept_index = match &body.index {
            Some(entry) => {
                let aad = index_aad(storage, entry.generation, body.generation);
                Some((entry.generation, current.key_file.open_key(&aad, &entry.nonce, &entry.sealed).map_err(forged("an index key"))?))
            }
            None => None,
        };
        generations.insert(body.generation, current);
        let destroyed: BTreeMap<u32, i64> = body.destroyed.iter().map(|entry| (entry.mailbox, entry.time)).collect();
        let mut mailboxes = BTreeMap::new();
        for entry in body.mailboxes.iter().filter(|entry| !destroyed.contains_key(&entry.mailbox)) {
            let generation = generations.get(&entry.generation).ok_or(SealError::KeyFileForged { reason: "a mailbox key of an unknown generation" })?;
            let aad = mailbox_aad(storage, entry.mailbox, entry.generation);
            let key = generation.key_file.open_key(&aad, &entry.nonce, &entry.sealed).map_err(forged("a mailbox key"))?;
            mailboxes.insert((entry.mailbox, entry.generation), Arc::new(MailboxSecret::new(key)?));
        }
        Ok(Self { storage, current: body.generation, generations, mailboxes, destroyed, kept_index, revision: 1, saved: 1, edition })
    }

    /// Returns the body of a key file with these keys and wraps.
    pub(super) fn body(&self, wraps: Vec<super::wrap::Wrap>) -> Result<Body, SealError> {
        let current = self.generation(self.current)?;
        let mut older = Vec::new();
        for (generation, keys) in self.generations.iter().filter(|(generation, _)| **generation != self.current) {
            let aad = older_aad(self.storage, *generation, self.current, keys.created);
            let (nonce, sealed) = current.key_file.seal_key(&aad, &keys.key)?;
            older.push(OlderEntry { generation: *generation, created: keys.created, nonce, sealed });
        }
        let mut mailboxes = Vec::with_capacity(self.mailboxes.len());
        for ((mailbox, generation), keys) in &self.mailboxes {
            let aad = mailbox_aad(self.storage, *mailbox, *generation);
            let (nonce, sealed) = self.generation(*generation)?.key_file.seal_key(&aad, &keys.key)?;
            mailboxes.push(MailboxEntry { mailbox: *mailbox, generation: *generation, nonce, sealed });
        }
        let index = match &self.kept_index {
            Some((generation, key)) => {
                let (nonce, sealed) = current.key_file.seal_key(&index_aad(self.storage, *generation, self.current), key)?;
                Some(IndexEntry { generation: *generation, nonce, sealed })
            }
            None => None,
        };
        let destroyed = self.destroyed.iter().map(|(mailbox, time)| DestroyedEntry { mailbox: *mailbox, time: *time }).collect();
        let storage = *self.storage.as_bytes();
        Ok(Body { storage, generation: self.current, created: current.created, wraps, older, mailboxes, destroyed, index })
    }

    /// Returns these keys with a new storage key on top, and new keys of all mailboxes.
    pub(super) fn rotated(&self, key: Secret, created: i64) -> Result<Self, SealError> {
        let mut next = self.clone();
        next.current = self.next_generation()?;
        next.generations.insert(next.current, Arc::new(Generation::new(key, created)?));
        let mailboxes: Vec<u32> = self.mailboxes.keys().filter(|(_, generation)| *generation == self.current).map(|(mailbox, _)| *mailbox).collect();
        for mailbox in mailboxes {
            next.mailboxes.insert((mailbox, next.current), Arc::new(MailboxSecret::new(random_key()?)?));
        }
        next.revision += 1;
        Ok(next)
    }

    /// Returns the number of the next generation.
    pub(super) fn next_generation(&self) -> Result<u16, SealError> {
        self.current.checked_add(1).ok_or(SealError::GenerationsExhausted)
    }

    pub(super) fn current(&self) -> u16 {
        self.current
    }

    /// Returns all generations, with the time in microseconds since 1970 when each was made.
    pub(super) fn generations(&self) -> Vec<(u16, i64)> {
        self.generations.iter().map(|(generation, keys)| (*generation, keys.created)).collect()
    }

    pub(super) fn generation(&self, generation: u16) -> Result<&Arc<Generation>, SealError> {
        self.generations.get(&generation).ok_or(SealError::UnknownGeneration { generation })
    }

    pub(super) fn mailbox(&self, mailbox: u32, generation: u16) -> Result<&Arc<MailboxSecret>, SealError> {
        self.mailboxes.get(&(mailbox, generation)).ok_or(SealError::KeyDestroyed { mailbox })
    }

    /// Makes the mailbox's key unless it has one or may have none; returns whether it did.
    pub(super) fn ensure_mailbox(&mut self, mailbox: u32) -> Result<bool, SealError> {
        if self.destroyed.contains_key(&mailbox) || self.mailboxes.contains_key(&(mailbox, self.current)) {
            return Ok(false);
        }
        self.mailboxes.insert((mailbox, self.current), Arc::new(MailboxSecret::new(random_key()?)?));
        self.revision += 1;
        Ok(true)
    }

    pub(super) fn destroy_mailbox(&mut self, mailbox: u32, time: i64) {
        self.mailboxes.retain(|(other, _), _| *other != mailbox);
        self.destroyed.entry(mailbox).or_insert(time);
        self.revision += 1;
    }

    pub(super) fn is_destroyed(&self, mailbox: u32) -> bool {
        self.destroyed.contains_key(&mailbox)
    }

    /// Returns the index key of a generation, which may be dropped.
    pub(super) fn index_key(&self, generation: u16) -> Result<[u8; 32], SealError> {
        match &self.kept_index {
            Some((kept, key)) if *kept == generation => Ok(**key),
            _ => Ok(*self.generation(generation)?.index),
        }
    }

    /// Drops a generation; of generation `index` the index key stays.
    pub(super) fn drop_generation(&mut self, generation: u16, index: u16) -> Result<(), SealError> {
        if generation == self.current {
            return Err(SealError::GenerationInUse { generation });
        }
        let dropped = self.generations.remove(&generation).ok_or(SealError::UnknownGeneration { generation })?;
        self.kept_index = match self.kept_index.take() {
            _ if generation == index => Some((generation, dropped.index.clone())),
            kept => kept.filter(|(kept, _)| *kept == index),
        };
        self.mailboxes.retain(|(_, other), _| *other != generation);
        self.revision += 1;
        Ok(())
    }
}

impl Generation {
    fn new(key: Secret, created: i64) -> Result<Self, SealError> {
        let block_base = derive(BLOCKS, key.as_slice());
        let records = AeadKey::derived(STORAGE_RECORDS, &key)?;
        let index = derive(INDEX, key.as_slice());
        let key_file = AeadKey::derived(KEY_FILE, &key)?;
        Ok(Self { key, created, block_base, records, index, key_file })
    }

    /// Returns the key of a block.
    pub(super) fn block(&self, h: &[u8; 32]) -> Result<AeadKey, SealError> {
        let key = Secret::new(blake3::keyed_hash(&self.block_base, h).into());
        AeadKey::new(&key)
    }

    /// Returns the key that proves the key file.
    pub(super) fn proof_key(&self) -> Secret {
        proof_key(&self.key)
    }

    pub(super) fn key(&self) -> &Secret {
        &self.key
    }
}

impl MailboxSecret {
    fn new(key: Secret) -> Result<Self, SealError> {
        let records = AeadKey::derived(MAILBOX_RECORDS, &key)?;
        Ok(Self { key, records })
    }
}

/// Returns the key that proves the key file of a current storage key.
pub(super) fn proof_key(key: &Secret) -> Secret {
    derive(KEY_FILE_PROOF, key.as_slice())
}

/// What an older storage key in the key file is bound to.
fn older_aad(storage: Uuid, generation: u16, current: u16, created: i64) -> Vec<u8> {
    let mut aad = b"c2bolder".to_vec();
    aad.extend_from_slice(storage.as_bytes());
    aad.extend_from_slice(&generation.to_le_bytes());
    aad.extend_from_slice(&current.to_le_bytes());
    aad.extend_from_slice(&created.to_le_bytes());
    aad
}

/// What an index key in the key file is bound to.
fn index_aad(storage: Uuid, generation: u16, current: u16) -> Vec<u8> {
    let mut aad = b"c2bindex".to_vec();
    aad.extend_from_slice(storage.as_bytes());
    aad.extend_from_slice(&generation.to_le_bytes());
    aad.extend_from_slice(&current.to_le_bytes());
    aad
}

/// What a mailbox's key in the key file is bound to.
fn mailbox_aad(storage: Uuid, mailbox: u32, generation: u16) -> Vec<u8> {
    let mut aad = b"c2bmail\0".to_vec();
    aad.extend_from_slice(storage.as_bytes());
    aad.extend_from_slice(&mailbox.to_le_bytes());
    aad.extend_from_slice(&generation.to_le_bytes());
    aad
}
