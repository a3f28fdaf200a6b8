//! The key file: wraps of the storage key and all other keys, in two copies.
//!
//! Each copy is whole at any moment of a [`save`](KeyFile::save) that the other is not; the valid copy with the highest
//! edition counts. All changes of wraps are in memory until saved, except for
//! [`rotate`](KeyFile::rotate), which saves first, so that no key is ever used that is not on disk.

use super::aead::{Secret, random_key};
use super::body::{self, Body, Decoded, Flaw};
use super::ring::{Ring, proof_key};
use super::wrap::{Credential, LABEL_BYTES_MAX, UnlockSecret, WRAPS_MAX, Wrap, WrapName};
use super::{Argon2Params, Keys, RecoveryKey, SealError, Unlock, WrapInfo, WrapKind};
use crate::format::micros;
use chrono::{DateTime, Utc};
use std::fmt;
use std::io;
use uuid::Uuid;
use zeroize::Zeroizing;

/// Names of the two copies.
pub(crate) const KEY_FILES: [&str; 2] = ["keys/a", "keys/b"];

/// Where the copies lie: whole files by name.
pub trait KeyStore {
    /// Reads a file; `None` when there is none.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>>;

    /// Replaces a file in one step; it is durable when this returns.
    ///
    /// # Errors
    /// When it cannot be written; the old one is then there still.
    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()>;
}

/// How a copy of the key file was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CopyState {
    /// Whole, and of the highest edition.
    Good,
    /// Whole, but an earlier edition: it may hold keys that were destroyed since.
    Older,
    /// Not there.
    Missing,
    /// Not readable, with the reason.
    Unreadable(String),
    /// Damaged, with the reason.
    Damaged(&'static str),
}

/// The key file of a sealed storage.
pub(crate) struct KeyFile {
    storage: Uuid,
    edition: u64,
    generation: u16,
    wraps: Vec<Wrap>,
    /// As it was loaded or saved last.
    bytes: Vec<u8>,
    copies: [CopyState; 2],
    keys: Option<Keys>,
}

/// What a sealed storage begins with, beside its recovery key.
pub(crate) struct NewKeys<'a> {
    /// A password, its label and how expensive it is to try.
    pub(crate) password: Option<(&'a str, &'a Zeroizing<String>, Argon2Params)>,
    /// A machine key and its label.
    pub(crate) machine: Option<(&'a str, &'a Zeroizing<[u8; 32]>)>,
}

/// What came of a rotation.
#[derive(Debug)]
pub struct Rotated {
    /// The generation that new data is sealed with.
    pub generation: u16,
    /// The only recovery key that is valid now.
    pub recovery: RecoveryKey,
    /// Passwords and machine keys that open nothing any more and must be added again.
    pub dropped: Vec<WrapInfo>,
}

impl KeyFile {
    /// Makes the keys of a new storage. Nothing is on disk before [`Self::save`].
    pub(crate) fn create(storage: Uuid, new: &NewKeys<'_>, now: DateTime<Utc>) -> Result<(Self, Keys, RecoveryKey), SealError> {
        let keys = Keys::sealed(storage, Ring::create(storage, random_key()?, micros(now))?);
        let copies = [CopyState::Missing, CopyState::Missing];
        let mut file = Self { storage, edition: 0, generation: 1, wraps: Vec::new(), bytes: Vec::new(), copies, keys: Some(keys.clone()) };
        if let Some((label, password, params)) = new.password {
            file.add_password(label, password, params, now)?;
        }
        if let Some((label, machine)) = new.machine {
            file.add_machine(label, machine, now)?;
        }
        let recovery = file.renew_recovery(now)?;
        Ok((file, keys, recovery))
    }

    /// Loads the better copy; see [`Self::copies`] for the other.
    pub(crate) fn load(store: &dyn KeyStore, storage: Uuid) -> Result<Self, SealError> {
        let mut copies = [CopyState::Missing, CopyState::Missing];
        let mut best: Option<(Decoded, Vec<u8>)> = None;
        for (n, name) in KEY_FILES.into_iter().enumerate() {
            let bytes = match store.read(name) {
                Ok(Some(bytes)) => bytes,
                Ok(None) => continue,
                Err(err) => {
                    copies[n] = CopyState::Unreadable(err.to_string());
                    continue;
                }
            };
            let decoded = match body::decode(&bytes, storage) {
                Ok(decoded) => decoded,
                Err(Flaw::Newer(version)) => return Err(SealError::NewerKeyFile { version }),
                Err(Flaw::Damaged(reason)) => {
                    copies[n] = CopyState::Damaged(reason);
                    continue;
                }
            };
            copies[n] = CopyState::Good;
            match &best {
                Some((other, _)) if other.edition > decoded.edition => copies[n] = CopyState::Older,
                Some((other, other_bytes)) if other.edition == decoded.edition => {
                    if *other_bytes != bytes {
                        copies[n] = CopyState::Damaged("other content in the same edition");
                    }
                }
                Some(_) => {
                    copies[0] = CopyState::Older;
                    best = Some((decoded, bytes));
                }
                None => best = Some((decoded, bytes)),
            }
        }
        let Some((Decoded { edition, body }, bytes)) = best else {
            let [a, b] = copies;
            return Err(if a == CopyState::Missing && b == CopyState::Missing { SealError::KeyFileMissing } else { SealError::KeyFileDamaged { a, b } });
        };
        Ok(Self { storage, edition, generation: body.generation, wraps: body.wraps, bytes, copies, keys: None })
    }

    /// Returns how each copy was found; after a save both are good.
    pub(crate) fn copies(&self) -> impl Iterator<Item = (&'static str, &CopyState)> {
        KEY_FILES.into_iter().zip(&self.copies)
    }

    /// Writes the copies that are not good from the one that is; needs no key. Returns their names.
    pub(crate) fn repair(&mut self, store: &dyn KeyStore) -> Result<Vec<&'static str>, SealError> {
        let mut written = Vec::new();
        for (name, copy) in KEY_FILES.into_iter().zip(&mut self.copies).filter(|(_, copy)| **copy != CopyState::Good) {
            store.write(name, &self.bytes).map_err(|err| SealError::Write { copy: name, err })?;
            *copy = CopyState::Good;
            written.push(name);
        }
        Ok(written)
    }

    /// Opens the keys. Takes as long as the parameters of the passwords say.
    pub(crate) fn unlock(&mut self, unlock: &Unlock) -> Result<Keys, SealError> {
        let (_, key) = self.find(&UnlockSecret::of(unlock)?)?;
        let keys = Keys::sealed(self.storage, self.open_ring(key)?);
        self.keys = Some(keys.clone());
        Ok(keys)
    }

    /// For readers: brings keys that were opened earlier to the state of this file: mailboxes that came, and those that were
    /// destroyed. After a rotation by another process they stay [`SealError::Locked`]: unlock again.
    ///
    /// Does nothing to keys that are as new as this file, or newer: those of the writer itself.
    pub(crate) fn refresh(&self, keys: &Keys) -> Result<(), SealError> {
        let key = {
            let ring = keys.read().ok_or(SealError::Locked)?;
            if !self.is_news_for(&ring) {
                return Ok(());
            }
            ring.generation(self.generation).map_err(|_| SealError::Locked)?.key().clone()
        };
        let fresh = self.open_ring(key)?;
        let mut ring = keys.write().ok_or(SealError::Locked)?;
        if self.is_news_for(&ring) {
            *ring = fresh;
        }
        Ok(())
    }

    /// Writes both copies, each whole and durable before the next.
    pub(crate) fn save(&mut self, store: &dyn KeyStore) -> Result<(), SealError> {
        let keys = self.keys()?.clone();
        let (body, proof, revision) = {
            let ring = keys.read().ok_or(SealError::Locked)?;
            (ring.body(self.wraps.clone())?, ring.generation(ring.current())?.proof_key(), ring.revision)
        };
        self.write(store, &body, &proof)?;
        if let Some(mut ring) = keys.write() {
            ring.saved = ring.saved.max(revision);
            ring.edition = self.edition;
        }
        Ok(())
    }

    /// Makes a change of wraps and saves it. On an error they are as they were.
    pub(crate) fn change<T>(&mut self, store: &dyn KeyStore, change: impl FnOnce(&mut Self) -> Result<T, SealError>) -> Result<T, SealError> {
        let before = self.wraps.clone();
        let result = change(self).and_then(|value| self.save(store).map(|()| value));
        if result.is_err() {
            self.wraps = before;
        }
        result
    }

    /// Returns all passwords and keys that open the storage; known without opening it.
    pub(crate) fn wraps(&self) -> Vec<WrapInfo> {
        self.wraps.iter().map(Wrap::info).collect()
    }

    /// Adds a password; returns its number.
    pub(crate) fn add_password(&mut self, label: &str, password: &Zeroizing<String>, params: Argon2Params, now: DateTime<Utc>) -> Result<u32, SealError> {
        self.add(label, &Credential::Password(password, params), now)
    }

    /// Gives the password with this number another text and new parameters; number and label stay.
    pub(crate) fn change_password(&mut self, id: u32, password: &Zeroizing<String>, params: Argon2Params, now: DateTime<Utc>) -> Result<(), SealError> {
        let key = self.current_key()?;
        let at = self.wraps.iter().position(|wrap| wrap.id == id && wrap.kind == WrapKind::Password).ok_or(SealError::NoSuchWrap { id })?;
        let label = self.wraps[at].label.clone();
        self.wraps[at] = self.wrap(self.generation, id, &label, &Credential::Password(password, params), &key, now)?;
        Ok(())
    }

    /// Adds a machine key; returns its number.
    pub(crate) fn add_machine(&mut self, label: &str, machine: &Zeroizing<[u8; 32]>, now: DateTime<Utc>) -> Result<u32, SealError> {
        self.add(label, &Credential::Machine(machine), now)
    }

    /// Makes a new recovery key; the old one opens nothing any more.
    pub(crate) fn renew_recovery(&mut self, now: DateTime<Utc>) -> Result<RecoveryKey, SealError> {
        let (key, recovery) = (self.current_key()?, RecoveryKey::generate()?);
        let wrap = self.wrap(self.generation, self.next_id(), "", &Credential::Recovery(&recovery), &key, now)?;
        self.wraps.retain(|wrap| wrap.kind != WrapKind::Recovery);
        self.wraps.push(wrap);
        Ok(recovery)
    }

    /// Removes a password or key. What people can open the storage with must not become nothing.
    pub(crate) fn remove(&mut self, id: u32) -> Result<WrapInfo, SealError> {
        self.keys()?;
        let at = self.wraps.iter().position(|wrap| wrap.id == id).ok_or(SealError::NoSuchWrap { id })?;
        if !self.wraps.iter().any(|wrap| wrap.id != id && wrap.kind != WrapKind::Machine) {
            return Err(SealError::LastWrap);
        }
        Ok(self.wraps.remove(at).info())
    }

    /// Makes a new generation of keys, and saves it before anything is sealed with it.
    ///
    /// It is wrapped by the credential given, by the machine key if that is given, and by a new recovery key. Older
    /// generations stay readable until they are dropped. On an error nothing has changed.
    pub(crate) fn rotate(
        &mut self,
        store: &dyn KeyStore,
        credential: &Unlock,
        machine: Option<&Zeroizing<[u8; 32]>>,
        now: DateTime<Utc>,
    ) -> Result<Rotated, SealError> {
        let keys = self.keys()?.clone();
        let secret = UnlockSecret::of(credential)?;
        let mut kept = vec![self.find(&secret)?.0];
        if let Some(machine) = machine {
            let machine = self.find(&UnlockSecret::Key(WrapKind::Machine, machine.clone()))?.0;
            if !kept.contains(&machine) {
                kept.push(machine);
            }
        }
        let generation = keys.read().ok_or(SealError::Locked)?.next_generation()?;
        let (key, recovery) = (random_key()?, RecoveryKey::generate()?);
        let mut wraps = Vec::new();
        for at in &kept {
            let old = &self.wraps[*at];
            let credential = match (&secret, old.kind, machine) {
                (UnlockSecret::Password(password), WrapKind::Password, _) => Credential::Password(password, old.params().unwrap_or_default()),
                (_, WrapKind::Machine, Some(machine)) | (UnlockSecret::Key(_, machine), WrapKind::Machine, None) => Credential::Machine(machine),
                _ => continue,
            };
            wraps.push(self.wrap(generation, old.id, &old.label, &credential, &key, now)?);
        }
        let gone = |wrap: &&Wrap| wrap.kind != WrapKind::Recovery && wraps.iter().all(|kept| kept.id != wrap.id);
        let dropped = self.wraps.iter().filter(gone).map(Wrap::info).collect();
        wraps.push(self.wrap(generation, self.next_id(), "", &Credential::Recovery(&recovery), &key, now)?);

        // Locked while it is saved: a mailbox's key made meanwhile would be of the old generation.
        let mut ring = keys.write().ok_or(SealError::Locked)?;
        let mut next = ring.rotated(key.clone(), micros(now))?;
        let (body, bytes, copies) = (next.body(wraps.clone())?, self.bytes.clone(), self.copies.clone());
        if let Err(err) = self.write(store, &body, &proof_key(&key)) {
            self.put_back(store, bytes, copies);
            return Err(err);
        }
        next.saved = next.revision;
        next.edition = self.edition;
        *ring = next;
        self.generation = generation;
        self.wraps = wraps;
        Ok(Rotated { generation, recovery, dropped })
    }

    /// Forgets a generation that no pack uses any more. What is sealed with it can never be read again. The
    /// index's hashes are keyed by generation `index`, whose index key is kept.
    pub(crate) fn drop_generation(&mut self, generation: u16, index: u16) -> Result<(), SealError> {
        self.keys()?.write().ok_or(SealError::Locked)?.drop_generation(generation, index)
    }

    /// Writes the copies, one that is not good first: there is a whole one at any moment.
    fn write(&mut self, store: &dyn KeyStore, body: &Body, proof: &Secret) -> Result<(), SealError> {
        // A number that was tried is not used again: a copy of a failed save may be on disk.
        self.edition += 1;
        let bytes = body::encode(self.edition, body, proof)?;
        let first = usize::from(self.copies[0] == CopyState::Good && self.copies[1] != CopyState::Good);
        let failed = |copy| move |err| SealError::Write { copy, err };
        if let Err(err) = store.write(KEY_FILES[first], &bytes) {
            self.copies[first] = CopyState::Unreadable(err.to_string());
            return Err(failed(KEY_FILES[first])(err));
        }
        self.bytes = bytes;
        self.copies[first] = CopyState::Good;
        if self.copies[1 - first] == CopyState::Good {
            self.copies[1 - first] = CopyState::Older;
        }
        store.write(KEY_FILES[1 - first], &self.bytes).map_err(failed(KEY_FILES[1 - first]))?;
        self.copies[1 - first] = CopyState::Good;
        Ok(())
    }

    /// Takes back the copy that a failed rotation wrote, as far as the disk lets it.
    fn put_back(&mut self, store: &dyn KeyStore, bytes: Vec<u8>, copies: [CopyState; 2]) {
        if self.bytes == bytes {
            return;
        }
        self.bytes = bytes;
        for (n, before) in copies.into_iter().enumerate() {
            self.copies[n] = match self.copies[n] {
                CopyState::Good if store.write(KEY_FILES[n], &self.bytes).is_ok() => CopyState::Good,
                CopyState::Good => CopyState::Damaged("left by a rotation that failed"),
                _ => before,
            };
        }
    }

    /// Finds the wrap that this secret opens, and the current storage key.
    fn find(&self, secret: &UnlockSecret) -> Result<(usize, Secret), SealError> {
        let kind = secret.kind();
        let mut found = SealError::NoneOfKind { kind };
        for (at, wrap) in self.wraps.iter().enumerate().filter(|(_, wrap)| wrap.kind == kind) {
            match wrap.open(self.storage, self.generation, secret) {
                Ok(key) => return Ok((at, key)),
                Err(SealError::NotAuthentic) => found = SealError::WrongKey { kind },
                Err(err) => return Err(err),
            }
        }
        Err(found)
    }

    fn open_ring(&self, key: Secret) -> Result<Ring, SealError> {
        if !body::is_proven(&self.bytes, &proof_key(&key)) {
            return Err(SealError::KeyFileForged { reason: "its proof does not fit" });
        }
        let Decoded { edition, body } = body::decode(&self.bytes, self.storage).map_err(|_| SealError::KeyFileForged { reason: "its fields do not fit" })?;
        Ring::open(&body, edition, key)
    }

    /// Keys that are not saved are the writer's, and never replaced.
    fn is_news_for(&self, ring: &Ring) -> bool {
        ring.revision == ring.saved && self.edition > ring.edition
    }

    fn keys(&self) -> Result<&Keys, SealError> {
        self.keys.as_ref().ok_or(SealError::Locked)
    }

    fn current_key(&self) -> Result<Secret, SealError> {
        let ring = self.keys()?.read().ok_or(SealError::Locked)?;
        Ok(ring.generation(self.generation)?.key().clone())
    }

    fn next_id(&self) -> u32 {
        self.wraps.iter().map(|wrap| wrap.id).max().unwrap_or(0).saturating_add(1)
    }

    fn add(&mut self, label: &str, credential: &Credential<'_>, now: DateTime<Utc>) -> Result<u32, SealError> {
        let (key, id, kind) = (self.current_key()?, self.next_id(), credential.kind());
        if self.wraps.len() >= WRAPS_MAX {
            return Err(SealError::TooManyWraps { max: WRAPS_MAX });
        }
        if self.wraps.iter().any(|wrap| wrap.kind == kind && wrap.label == label) {
            return Err(SealError::LabelTaken { kind, label: label.to_owned() });
        }
        let wrap = self.wrap(self.generation, id, label, credential, &key, now)?;
        self.wraps.push(wrap);
        Ok(id)
    }

    fn wrap(&self, generation: u16, id: u32, label: &str, credential: &Credential<'_>, key: &Secret, now: DateTime<Utc>) -> Result<Wrap, SealError> {
        if label.len() > LABEL_BYTES_MAX {
            return Err(SealError::LabelTooLong { bytes: label.len(), max: LABEL_BYTES_MAX });
        }
        if matches!(credential, Credential::Password(password, _) if password.is_empty()) {
            return Err(SealError::EmptyPassword);
        }
        Wrap::seal(&WrapName { storage: self.storage, generation, id, label, created: micros(now) }, credential, key)
    }
}

impl fmt::Display for CopyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Good => f.write_str("is whole"),
            Self::Older => f.write_str("is older than the other copy"),
            Self::Missing => f.write_str("is missing"),
            Self::Unreadable(reason) => write!(f, "cannot be read: {reason}"),
            Self::Damaged(reason) => write!(f, "is damaged: {reason}"),
        }
    }
}

impl fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { storage, edition, generation, wraps, copies, .. } = self;
        let wraps: Vec<WrapInfo> = wraps.iter().map(Wrap::info).collect();
        f.debug_struct("KeyFile")
            .field("storage", storage)
            .field("edition", edition)
            .field("generation", generation)
            .field("wraps", &wraps)
            .field("copies", copies)
            .finish_non_exhaustive()
    }
}
