//! Any bytes as a file of keys.

use super::body;
use super::ring::proof_key;
use super::wrap::UnlockSecret;
use super::{KEY_FILES, KeyFile, KeyStore, Unlock, WrapKind};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use uuid::Uuid;
use zeroize::Zeroizing;

/// The storage whose keys these are.
pub(crate) const STORAGE: Uuid = Uuid::from_u128(0x1234_5678_9abc_def0_1122_3344_5566_7788);

/// A machine key that opens the seeds.
pub(crate) const MACHINE: [u8; 32] = [7; 32];

/// Files in memory.
#[derive(Default)]
pub(crate) struct Files(pub(crate) RefCell<BTreeMap<String, Vec<u8>>>);

impl KeyStore for Files {
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        Ok(self.0.borrow().get(name).cloned())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.0.borrow_mut().insert(name.to_owned(), bytes.to_vec());
        Ok(())
    }
}

/// Loads, repairs and opens a file of keys; what can be opened is saved, and opens again.
///
/// The first byte says what is made true before: 1 length and checksum, 2 the proof, too; 4 lets the other copy be of another edition.
pub fn keys(input: &[u8]) {
    let Some((mode, bytes)) = input.split_first() else { return };
    let (mut bytes, unlock) = (bytes.to_vec(), Unlock::Machine(Zeroizing::new(MACHINE)));
    if mode & 3 != 0 {
        make_true(&mut bytes);
    }
    if mode & 2 != 0
        && let Some(proven) = prove(&bytes, &unlock)
    {
        bytes = proven;
    }
    let files = Files::default();
    files.0.borrow_mut().insert(KEY_FILES[0].to_owned(), bytes.clone());
    if mode & 4 != 0 {
        if let Some(edition) = bytes.get_mut(12) {
            *edition = edition.wrapping_add(1);
        }
        make_true(&mut bytes);
    }
    files.0.borrow_mut().insert(KEY_FILES[1].to_owned(), bytes);
    let Ok(mut file) = KeyFile::load(&files, STORAGE) else { return };
    let _ = format!("{file:?} {:?} {:?}", file.wraps(), file.copies().collect::<Vec<_>>());
    file.repair(&files).unwrap_or_else(|err| panic!("it cannot be repaired: {err}"));
    assert_eq!(files.0.borrow()[KEY_FILES[0]], files.0.borrow()[KEY_FILES[1]]);
    let Ok(keys) = file.unlock(&unlock) else { return };
    let (_, new) = (keys.generations(), keys.ensure_mailbox(1000));
    if file.save(&files).is_ok() {
        let again = KeyFile::load(&files, STORAGE).and_then(|mut file| file.unlock(&unlock));
        assert!(again.is_ok_and(|again| again.generation() == keys.generation() && again.knows_mailbox(1000) == (new || keys.knows_mailbox(1000))));
    }
}

/// Makes length and checksum true.
fn make_true(bytes: &mut [u8]) {
    let Some(summed) = bytes.len().checked_sub(32).filter(|summed| *summed >= 56) else { return };
    let body = u32::try_from(summed - 56).unwrap_or(u32::MAX);
    bytes[20..24].copy_from_slice(&body.to_le_bytes());
    let sum = *blake3::hash(&bytes[..summed]).as_bytes();
    bytes[summed..].copy_from_slice(&sum);
}

/// Proves the file with the key that the machine key opens.
fn prove(bytes: &[u8], unlock: &Unlock) -> Option<Vec<u8>> {
    let body::Decoded { edition, body } = body::decode(bytes, STORAGE).ok()?;
    let secret = UnlockSecret::of(unlock).ok()?;
    let key = body.wraps.iter().filter(|wrap| wrap.kind == WrapKind::Machine).find_map(|wrap| wrap.open(STORAGE, body.generation, &secret).ok())?;
    body::encode(edition, &body, &proof_key(&key)).ok()
}
