//! The sealing as a whole: what opens, what does not, and what is left after damage.

use super::*;
use crate::format::time_of;
use proptest::prelude::*;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;

/// Files in memory; writes can be made to fail from the n-th on.
#[derive(Default)]
struct Files {
    files: RefCell<BTreeMap<String, Vec<u8>>>,
    writes: RefCell<Vec<String>>,
    writes_max: RefCell<Option<usize>>,
}

impl KeyStore for Files {
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        Ok(self.files.borrow().get(name).cloned())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        if self.writes_max.borrow().is_some_and(|max| self.writes.borrow().len() >= max) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.writes.borrow_mut().push(name.to_owned());
        self.files.borrow_mut().insert(name.to_owned(), bytes.to_vec());
        Ok(())
    }
}

impl Files {
    fn get(&self, n: usize) -> Vec<u8> {
        self.files.borrow()[KEY_FILES[n]].clone()
    }

    fn put(&self, n: usize, bytes: Vec<u8>) {
        self.files.borrow_mut().insert(KEY_FILES[n].to_owned(), bytes);
    }

    fn remove(&self, n: usize) {
        self.files.borrow_mut().remove(KEY_FILES[n]);
    }

    /// Lets `more` writes through and fails those after.
    fn fail_after(&self, more: Option<usize>) {
        *self.writes_max.borrow_mut() = more.map(|more| self.writes.borrow().len() + more);
    }
}

const STORAGE: Uuid = Uuid::from_u128(0x1234_5678_9abc_def0_1122_3344_5566_7788);
const CHEAP: Argon2Params = Argon2Params { memory_kib: 8, passes: 1, lanes: 1 };

fn now() -> DateTime<Utc> {
    time_of(1_700_000_000_000_000)
}

fn text(text: &str) -> Zeroizing<String> {
    Zeroizing::new(text.to_owned())
}

fn machine(byte: u8) -> Zeroizing<[u8; 32]> {
    Zeroizing::new([byte; 32])
}

fn password(password: &str) -> Unlock {
    Unlock::Password(text(password))
}

/// A sealed storage with a password `one` and a machine key of sevens.
fn new() -> (Files, KeyFile, Keys, RecoveryKey) {
    let files = Files::default();
    let key = NewKeys { password: Some(("first", &text("one"), CHEAP)), machine: Some(("host", &machine(7))) };
    let (mut file, keys, recovery) = KeyFile::create(STORAGE, &key, now()).unwrap();
    file.save(&files).unwrap();
    (files, file, keys, recovery)
}

fn load(files: &Files) -> KeyFile {
    KeyFile::load(files, STORAGE).unwrap()
}

fn load_keys(files: &Files, unlock: &Unlock) -> Result<Keys, SealError> {
    load(files).unlock(unlock)
}

struct Sealed {
    generation: u16,
    nonce: [u8; NONCE_BYTES],
    bytes: Vec<u8>,
}

fn seal(keys: &Keys, scope: Scope<'_>, aad: &[u8], plain: &[u8]) -> Sealed {
    let (mut nonce, mut bytes) = ([0; NONCE_BYTES], plain.to_vec());
    keys.seal(scope, aad, &mut nonce, &mut bytes).unwrap();
    Sealed { generation: keys.generation(), nonce, bytes }
}

fn open(keys: &Keys, scope: Scope<'_>, aad: &[u8], sealed: &Sealed) -> Result<Vec<u8>, SealError> {
    let mut bytes = sealed.bytes.clone();
    keys.open(sealed.generation, scope, aad, &sealed.nonce, &mut bytes).map(|()| bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    text.as_bytes().chunks(2).map(|digits| u8::from_str_radix(str::from_utf8(digits).unwrap(), 16).unwrap()).collect()
}

#[test]
fn what_is_sealed_opens_in_its_scope_only() {
    let (_, _, keys, _) = new();
    assert!(keys.ensure_mailbox(1) && keys.ensure_mailbox(2) && !keys.ensure_mailbox(2));
    let (h, other_h) = ([1; 32], [2; 32]);
    let scopes = [Scope::Storage, Scope::Mailbox(1), Scope::Mailbox(2), Scope::Block(&h), Scope::Block(&other_h)];
    for (n, scope) in scopes.into_iter().enumerate() {
        let sealed = seal(&keys, scope, b"place", b"a subject");
        assert_eq!(sealed.bytes.len(), 9 + TAG_BYTES);
        assert!(!sealed.bytes.windows(7).any(|window| window == b"subject"));
        for (other, try_scope) in scopes.into_iter().enumerate() {
            let opened = open(&keys, try_scope, b"place", &sealed);
            assert_eq!(opened.is_ok(), n == other, "sealed as {n}, opened as {other}");
        }
        assert!(matches!(open(&keys, scope, b"other place", &sealed), Err(SealError::NotAuthentic)));
        for at in 0..sealed.bytes.len() {
            let mut bytes = sealed.bytes.clone();
            bytes[at] ^= 1;
            assert!(keys.open(1, scope, b"place", &sealed.nonce, &mut bytes).is_err());
            assert!(bytes.is_empty());
        }
        assert!(matches!(open(&keys, scope, b"place", &Sealed { generation: 0, ..sealed }), Err(SealError::NotAuthentic)));
    }
    let mut short = vec![0; TAG_BYTES - 1];
    assert!(matches!(keys.open(1, Scope::Storage, b"", &[0; 12], &mut short), Err(SealError::NotAuthentic)));
    assert!(matches!(keys.seal(Scope::Mailbox(9), b"", &mut [0; 12], &mut Vec::new()), Err(SealError::KeyDestroyed { mailbox: 9 })));
    assert!(matches!(keys.open(2, Scope::Storage, b"", &[0; 12], &mut Vec::new()), Err(SealError::UnknownGeneration { generation: 2 })));
}

#[test]
fn a_storage_opens_nothing_of_another() {
    let (_, _, keys, _) = new();
    let (_, _, others, _) = new();
    let sealed = seal(&keys, Scope::Block(&[1; 32]), b"", b"body");
    assert!(matches!(open(&others, Scope::Block(&[1; 32]), b"", &sealed), Err(SealError::NotAuthentic)));
    assert_ne!(keys.index_key(1).unwrap(), others.index_key(1).unwrap());
}

#[test]
fn without_sealing_nothing_is_changed() {
    let keys = Keys::unsealed(STORAGE);
    let sealed = seal(&keys, Scope::Mailbox(3), b"", b"body");
    assert_eq!((sealed.generation, sealed.nonce, sealed.bytes.as_slice()), (0, [0; 12], &b"body"[..]));
    assert_eq!(open(&keys, Scope::Mailbox(3), b"", &sealed).unwrap(), b"body");
    assert!(!keys.is_sealed() && !keys.ensure_mailbox(3) && keys.knows_mailbox(3) && keys.is_saved());
    assert_eq!(keys.index_key(0).unwrap(), Keys::unsealed(STORAGE).index_key(0).unwrap());
    keys.destroy_mailbox(3, now());
    assert!(matches!(keys.open(1, Scope::Storage, b"", &[0; 12], &mut Vec::new()), Err(SealError::Locked)));
    assert!(matches!(keys.index_key(1), Err(SealError::Locked)));
}

#[test]
fn derived_keys_are_the_same_for_ever() {
    let ring = Ring::create(STORAGE, Zeroizing::new([5; 32]), 0).unwrap();
    assert_eq!(hex(&ring.generation(1).unwrap().index[..8]), "d2fd43abb0e7495c");
    assert_eq!(hex(&Keys::unsealed(STORAGE).index_key(0).unwrap()[..8]), "073c3eea0aea3d72");
}

/// Written when the format was settled, and read then by a second program made from `doc/format.md` alone:
/// two generations, mailbox 1, and mailbox 2 destroyed.
#[test]
fn a_key_file_of_the_first_release_opens() {
    let files = Files::default();
    files.put(0, include_bytes!("../../tests/data/keys-v1").to_vec());
    let recovery = "X4KF-26YD-SEAX-FX52-K8QD-7N1D-XGJM-90QQ-N2S6-V9NK-VX97-ERMQ-VRAM-41CS";
    let sealed = |generation, nonce: &str, bytes: &str| Sealed { generation, nonce: unhex(nonce).try_into().unwrap(), bytes: unhex(bytes) };
    let old = sealed(1, "5764e2606ad7a15f65a98488", "b4e47789ce4d21b8760710d9b0cd8c18938c4a0fe227e97b8d");
    let block = sealed(2, "4ed93bbda839634a3bbf63ea", "1adbed395b2de65e00fd6a5caca936e29b0d5610abf7");
    let record = sealed(2, "70c0d51b43ffcf3d960f159f", "a1d6fe3d5466d0bff11e91cd6125ae61be4276a09915");
    for unlock in [password("gr\u{fc}n"), Unlock::Machine(machine(7)), Unlock::Recovery(text(recovery))] {
        let keys = load_keys(&files, &unlock).unwrap();
        assert_eq!(open(&keys, Scope::Mailbox(1), b"place", &old).unwrap(), b"a subject");
        assert_eq!(open(&keys, Scope::Block(&[9; 32]), b"place", &block).unwrap(), b"a body");
        assert_eq!(open(&keys, Scope::Storage, b"place", &record).unwrap(), b"a name");
        assert!(keys.knows_mailbox(1) && !keys.knows_mailbox(2) && !keys.ensure_mailbox(2));
        assert_eq!(hex(&keys.index_key(2).unwrap()[..8]), "ffb56134f40c9195");
    }
}

#[test]
fn every_wrap_opens_the_same_keys() {
    let (files, mut file, keys, recovery) = new();
    keys.ensure_mailbox(1);
    let composed = file.add_password("zweite", &text("gr\u{fc}n"), CHEAP, now()).unwrap();
    assert!(!keys.is_saved());
    file.save(&files).unwrap();
    assert!(keys.is_saved());
    let sealed = seal(&keys, Scope::Mailbox(1), b"", b"body");
    let recovery_text = Zeroizing::new(recovery.to_string().to_lowercase());
    for unlock in [password("one"), password("gru\u{308}n"), Unlock::Recovery(recovery_text), Unlock::Machine(machine(7))] {
        assert_eq!(open(&load_keys(&files, &unlock).unwrap(), Scope::Mailbox(1), b"", &sealed).unwrap(), b"body", "{unlock:?}");
    }
    let kinds: Vec<_> = load(&files).wraps().into_iter().map(|wrap| (wrap.id, wrap.kind, wrap.label)).collect();
    let expected = [(1, WrapKind::Password, "first"), (2, WrapKind::Machine, "host"), (3, WrapKind::Recovery, ""), (composed, WrapKind::Password, "zweite")];
    assert_eq!(kinds, expected.map(|(id, kind, label)| (id, kind, label.to_owned())));
}

#[test]
fn wrong_and_missing_keys_are_named() {
    let (files, ..) = new();
    let other = RecoveryKey::generate().unwrap();
    assert!(matches!(load_keys(&files, &password("two")), Err(SealError::WrongKey { kind: WrapKind::Password })));
    assert!(matches!(load_keys(&files, &password("")), Err(SealError::WrongKey { kind: WrapKind::Password })));
    assert!(matches!(load_keys(&files, &Unlock::Recovery(text(&other.to_string()))), Err(SealError::WrongKey { kind: WrapKind::Recovery })));
    assert!(matches!(load_keys(&files, &Unlock::Recovery(text("abc"))), Err(SealError::RecoveryText { .. })));
    assert!(matches!(load_keys(&files, &Unlock::Machine(machine(8))), Err(SealError::WrongKey { kind: WrapKind::Machine })));
    assert!(matches!(load_keys(&files, &Unlock::Open), Err(SealError::Locked)));
    let bare = Files::default();
    let (mut file, _, recovery) = KeyFile::create(STORAGE, &NewKeys { password: None, machine: None }, now()).unwrap();
    file.save(&bare).unwrap();
    assert!(matches!(load_keys(&bare, &password("one")), Err(SealError::NoneOfKind { kind: WrapKind::Password })));
    assert!(load_keys(&bare, &Unlock::Recovery(text(&recovery.to_string()))).is_ok());
}

#[test]
fn passwords_are_added_changed_and_removed() {
    let (files, mut file, _, recovery) = new();
    let id = file.add_password("second", &text("two"), CHEAP, now()).unwrap();
    assert!(matches!(file.add_password("second", &text("x"), CHEAP, now()), Err(SealError::LabelTaken { .. })));
    assert!(matches!(file.add_password("third", &text(""), CHEAP, now()), Err(SealError::EmptyPassword)));
    assert!(matches!(file.add_password(&"l".repeat(201), &text("x"), CHEAP, now()), Err(SealError::LabelTooLong { .. })));
    assert!(matches!(file.add_password("third", &text("x"), Argon2Params { memory_kib: u32::MAX, ..CHEAP }, now()), Err(SealError::Params { .. })));
    file.change_password(id, &text("zwei"), CHEAP, now()).unwrap();
    assert!(matches!(file.change_password(2, &text("zwei"), CHEAP, now()), Err(SealError::NoSuchWrap { id: 2 })));
    assert_eq!(file.remove(1).unwrap().label, "first");
    file.save(&files).unwrap();
    assert!(matches!(load_keys(&files, &password("one")), Err(SealError::WrongKey { .. })));
    assert!(matches!(load_keys(&files, &password("two")), Err(SealError::WrongKey { .. })));
    assert!(load_keys(&files, &password("zwei")).is_ok());

    let renewed = file.renew_recovery(now()).unwrap();
    file.save(&files).unwrap();
    assert!(matches!(load_keys(&files, &Unlock::Recovery(text(&recovery.to_string()))), Err(SealError::WrongKey { .. })));
    assert!(load_keys(&files, &Unlock::Recovery(text(&renewed.to_string()))).is_ok());
    let mut locked = load(&files);
    assert!(matches!(locked.add_password("x", &text("x"), CHEAP, now()), Err(SealError::Locked)));
    assert!(matches!(locked.remove(id), Err(SealError::Locked)));
    assert!(matches!(locked.save(&files), Err(SealError::Locked)));
}

#[test]
fn people_can_always_open_the_storage() {
    let (_, mut file, ..) = new();
    file.remove(1).unwrap();
    let recovery = file.wraps().into_iter().find(|wrap| wrap.kind == WrapKind::Recovery).unwrap();
    assert!(matches!(file.remove(recovery.id), Err(SealError::LastWrap)));
    file.remove(2).unwrap();
    assert!(matches!(file.remove(recovery.id), Err(SealError::LastWrap)));
    assert!(matches!(file.remove(77), Err(SealError::NoSuchWrap { id: 77 })));
    for n in 0..63 {
        file.add_machine(&n.to_string(), &machine(n), now()).unwrap();
    }
    assert!(matches!(file.add_machine("one more", &machine(1), now()), Err(SealError::TooManyWraps { max: 64 })));
}

#[test]
fn every_flipped_byte_is_noticed() {
    let (files, mut file, keys, _) = new();
    keys.ensure_mailbox(1);
    file.save(&files).unwrap();
    let good = files.get(0);
    assert_eq!(good, files.get(1));
    for n in 0..2 {
        for at in 0..good.len() {
            let mut bytes = good.clone();
            bytes[at] ^= 0x41;
            files.put(n, bytes.clone());
            files.put(1 - n, good.clone());
            let mut loaded = load(&files);
            let states: Vec<_> = loaded.copies().map(|(_, copy)| copy.clone()).collect();
            assert!(matches!(states[n], CopyState::Damaged(_)), "byte {at}: {states:?}");
            assert_eq!(states[1 - n], CopyState::Good);
            assert_eq!(loaded.repair(&files).unwrap(), [KEY_FILES[n]]);
            assert_eq!(files.get(n), good);
            // And when both are damaged.
            files.put(0, bytes.clone());
            files.put(1, bytes);
            assert!(matches!(KeyFile::load(&files, STORAGE), Err(SealError::KeyFileDamaged { .. })), "byte {at}");
        }
    }
}

#[test]
fn truncated_missing_and_foreign_files_are_told_apart() {
    let (files, ..) = new();
    let good = files.get(0);
    for length in 0..good.len() {
        files.put(0, good[..length].to_vec());
        assert!(matches!(load(&files).copies().next(), Some((_, CopyState::Damaged(_)))), "{length} bytes");
    }
    files.remove(0);
    assert_eq!(load(&files).copies().collect::<Vec<_>>(), [("keys/a", &CopyState::Missing), ("keys/b", &CopyState::Good)]);
    files.remove(1);
    assert!(matches!(KeyFile::load(&files, STORAGE), Err(SealError::KeyFileMissing)));
    files.put(1, good.clone());
    assert!(matches!(KeyFile::load(&files, Uuid::nil()), Err(SealError::KeyFileDamaged { b: CopyState::Damaged("of another storage"), .. })));
    let mut newer = good[..good.len() - 32].to_vec();
    newer[8] = 2;
    newer.extend_from_slice(blake3::hash(&newer).as_bytes());
    files.put(0, newer);
    assert!(matches!(KeyFile::load(&files, STORAGE), Err(SealError::NewerKeyFile { version: 2 })));
}

#[test]
fn the_higher_edition_counts() {
    let (files, mut file, _, _) = new();
    let old = files.get(0);
    file.add_password("second", &text("two"), CHEAP, now()).unwrap();
    file.save(&files).unwrap();
    let young = files.get(0);
    for n in 0..2 {
        files.put(n, old.clone());
        files.put(1 - n, young.clone());
        let mut loaded = load(&files);
        assert_eq!(loaded.copies().nth(n), Some((KEY_FILES[n], &CopyState::Older)));
        assert!(loaded.unlock(&password("two")).is_ok());
        // A damaged or old copy is written first: the good one stays until then.
        files.writes.borrow_mut().clear();
        loaded.save(&files).unwrap();
        assert_eq!(*files.writes.borrow(), [KEY_FILES[n], KEY_FILES[1 - n]]);
        assert!(load(&files).copies().all(|(_, copy)| *copy == CopyState::Good));
    }
}

#[test]
fn a_crash_between_the_copies_loses_nothing() {
    let (files, mut file, keys, _) = new();
    keys.ensure_mailbox(1);
    for writes in 0..2 {
        files.fail_after(Some(writes));
        assert!(matches!(file.save(&files), Err(SealError::Write { .. })));
        assert!(!keys.is_saved());
        files.fail_after(None);
        let loaded = load_keys(&files, &password("one")).unwrap();
        assert_eq!(loaded.knows_mailbox(1), writes == 1);
    }
    file.save(&files).unwrap();
    assert!(load(&files).copies().all(|(_, copy)| *copy == CopyState::Good));
}

#[test]
fn a_destroyed_mailbox_never_opens_again() {
    let (files, mut file, keys, _) = new();
    keys.ensure_mailbox(1);
    keys.ensure_mailbox(2);
    file.save(&files).unwrap();
    let (one, two) = (seal(&keys, Scope::Mailbox(1), b"", b"one"), seal(&keys, Scope::Mailbox(2), b"", b"two"));
    let reader = load_keys(&files, &password("one")).unwrap();
    file.rotate(&files, &password("one"), None, now()).unwrap();
    let clone = keys.clone();
    keys.destroy_mailbox(1, now());
    assert!(!keys.is_saved() && !keys.ensure_mailbox(1) && !keys.knows_mailbox(1));
    file.save(&files).unwrap();
    for keys in [&keys, &clone, &load_keys(&files, &password("one")).unwrap()] {
        for generation in [1, 2] {
            let opened = open(keys, Scope::Mailbox(1), b"", &Sealed { generation, nonce: one.nonce, bytes: one.bytes.clone() });
            assert!(matches!(opened, Err(SealError::KeyDestroyed { mailbox: 1 })));
        }
        assert!(matches!(keys.seal(Scope::Mailbox(1), b"", &mut [0; 12], &mut Vec::new()), Err(SealError::KeyDestroyed { mailbox: 1 })));
        assert_eq!(open(keys, Scope::Mailbox(2), b"", &two).unwrap(), b"two");
        assert!(!keys.ensure_mailbox(1));
    }
    // A reader of another process has it until it looks at the file again, and then says what happened.
    assert!(matches!(load(&files).refresh(&reader), Err(SealError::Locked)));
    assert!(open(&reader, Scope::Mailbox(1), b"", &one).is_ok());
}

#[test]
fn a_reader_learns_of_mailboxes_that_came_and_went() {
    let (files, mut file, keys, _) = new();
    keys.ensure_mailbox(1);
    file.save(&files).unwrap();
    let reader = load_keys(&files, &password("one")).unwrap();
    keys.destroy_mailbox(1, now());
    keys.ensure_mailbox(2);
    file.save(&files).unwrap();
    let two = seal(&keys, Scope::Mailbox(2), b"", b"two");
    assert!(reader.knows_mailbox(1) && open(&reader, Scope::Mailbox(2), b"", &two).is_err());
    load(&files).refresh(&reader).unwrap();
    assert!(!reader.knows_mailbox(1));
    assert_eq!(open(&reader, Scope::Mailbox(2), b"", &two).unwrap(), b"two");
}

#[test]
fn a_file_that_was_loaded_earlier_takes_nothing_from_the_writer() {
    let (files, mut file, keys, _) = new();
    let old = load(&files);
    keys.ensure_mailbox(1);
    load(&files).refresh(&keys).unwrap();
    assert!(keys.knows_mailbox(1) && !keys.is_saved());
    file.save(&files).unwrap();
    old.refresh(&keys).unwrap();
    load(&files).refresh(&keys).unwrap();
    assert!(keys.knows_mailbox(1) && keys.is_saved());
    file.rotate(&files, &password("one"), None, now()).unwrap();
    old.refresh(&keys).unwrap();
    assert_eq!(keys.generation(), 2);
}

#[test]
fn rotation_keeps_old_data_until_its_generation_is_dropped() {
    let (files, mut file, keys, recovery) = new();
    keys.ensure_mailbox(1);
    file.add_password("second", &text("two"), CHEAP, now()).unwrap();
    let scopes = [Scope::Storage, Scope::Mailbox(1), Scope::Block(&[3; 32])];
    let old: Vec<_> = scopes.into_iter().map(|scope| seal(&keys, scope, b"", b"old")).collect();
    let rotated = file.rotate(&files, &password("one"), Some(&machine(7)), now()).unwrap();
    assert_eq!((rotated.generation, keys.generation()), (2, 2));
    assert_eq!(rotated.dropped.iter().map(|wrap| wrap.label.as_str()).collect::<Vec<_>>(), ["second"]);
    let new: Vec<_> = scopes.into_iter().map(|scope| seal(&keys, scope, b"", b"new")).collect();

    assert!(matches!(load_keys(&files, &password("two")), Err(SealError::WrongKey { .. })));
    assert!(matches!(load_keys(&files, &Unlock::Recovery(text(&recovery.to_string()))), Err(SealError::WrongKey { .. })));
    for unlock in [password("one"), Unlock::Machine(machine(7)), Unlock::Recovery(text(&rotated.recovery.to_string()))] {
        let keys = load_keys(&files, &unlock).unwrap();
        for (n, scope) in scopes.into_iter().enumerate() {
            assert_eq!(open(&keys, scope, b"", &old[n]).unwrap(), b"old");
            assert_eq!(open(&keys, scope, b"", &new[n]).unwrap(), b"new");
            assert_ne!(keys.index_key(1).unwrap(), keys.index_key(2).unwrap());
        }
    }

    // A third generation: the first stays readable over two steps.
    file.rotate(&files, &Unlock::Machine(machine(7)), None, now()).unwrap();
    let mut loaded = load(&files);
    let keys = loaded.unlock(&Unlock::Machine(machine(7))).unwrap();
    assert_eq!(keys.generations().into_iter().map(|(generation, _)| generation).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(open(&keys, Scope::Mailbox(1), b"", &old[1]).unwrap(), b"old");
    assert!(matches!(loaded.drop_generation(3, 3), Err(SealError::GenerationInUse { generation: 3 })));
    assert!(matches!(loaded.drop_generation(9, 3), Err(SealError::UnknownGeneration { generation: 9 })));
    loaded.drop_generation(1, 3).unwrap();
    loaded.save(&files).unwrap();
    for keys in [keys, load_keys(&files, &Unlock::Machine(machine(7))).unwrap()] {
        for (n, scope) in scopes.into_iter().enumerate() {
            assert!(matches!(open(&keys, scope, b"", &old[n]), Err(SealError::UnknownGeneration { generation: 1 })));
            assert_eq!(open(&keys, scope, b"", &new[n]).unwrap(), b"new");
        }
    }
}

#[test]
fn a_rotation_that_fails_changes_nothing() {
    let (files, mut file, keys, recovery) = new();
    assert!(matches!(file.rotate(&files, &password("two"), None, now()), Err(SealError::WrongKey { .. })));
    assert!(matches!(file.rotate(&files, &password("one"), Some(&machine(9)), now()), Err(SealError::WrongKey { .. })));
    let before = files.get(0);
    files.fail_after(Some(0));
    assert!(matches!(file.rotate(&files, &password("one"), None, now()), Err(SealError::Write { .. })));
    files.fail_after(None);
    assert_eq!((files.get(0), files.get(1)), (before.clone(), before));
    files.fail_after(Some(1));
    assert!(matches!(file.rotate(&files, &password("one"), None, now()), Err(SealError::Write { .. })));
    files.fail_after(None);
    assert_eq!(keys.generation(), 1);
    assert_eq!(file.repair(&files).unwrap(), ["keys/a"]);
    assert_eq!(load_keys(&files, &Unlock::Recovery(text(&recovery.to_string()))).unwrap().generation(), 1);
    file.save(&files).unwrap();
    assert_eq!(file.rotate(&files, &Unlock::Recovery(text(&recovery.to_string())), None, now()).unwrap().dropped.len(), 2);
}

#[test]
fn parts_of_the_file_cannot_be_exchanged() {
    let (files, mut file, keys, _) = new();
    keys.ensure_mailbox(1);
    keys.ensure_mailbox(2);
    file.add_password("second", &text("two"), CHEAP, now()).unwrap();
    file.save(&files).unwrap();
    let body = body::decode(&files.get(0), STORAGE).unwrap().body;
    let forge = |change: &dyn Fn(&mut body::Body)| {
        let mut forged = body.clone();
        change(&mut forged);
        files.put(0, body::encode(99, &forged, &machine(0)).unwrap());
        load_keys(&files, &password("one"))
    };
    assert!(matches!(forge(&|_| ()), Err(SealError::KeyFileForged { .. })), "who does not know the key cannot write the file");
    for change in [
        (|body| body.wraps[0].label = "other".into()) as fn(&mut body::Body),
        |body| body.wraps[0].id = 9,
        |body| body.wraps[0].created += 1,
        |body| body.generation = 2,
    ] {
        assert!(matches!(forge(&change), Err(SealError::WrongKey { .. })));
    }
    // Even with the proof, a key sealed for one place does not open at another.
    let key = keys.read().unwrap().generation(1).unwrap().key().clone();
    for change in [
        (|body| body.mailboxes.swap(0, 1)) as fn(&mut body::Body),
        |body| (body.mailboxes[0].mailbox, body.mailboxes[1].mailbox) = (2, 1),
        |body| body.mailboxes[0].generation = 5,
    ] {
        let mut forged = body.clone();
        change(&mut forged);
        let opens = Ring::open(&forged, 1, key.clone()).is_ok();
        assert_eq!(opens, forged.mailboxes.iter().all(|entry| body.mailboxes.contains(entry)));
    }
}

#[test]
fn hostile_parameters_are_refused_before_they_cost_anything() {
    for params in [(1 << 30, 3, 4), (64 << 10, 1 << 20, 4), (64 << 10, 3, 1 << 20), (64 << 10, 0, 1), (64, 1, 0), (31, 1, 4), (u32::MAX, u32::MAX, u32::MAX)] {
        let (memory_kib, passes, lanes) = params;
        assert!(matches!(Argon2Params { memory_kib, passes, lanes }.check(), Err(SealError::Params { .. })), "{params:?}");
    }
    assert!(Argon2Params::default().check().is_ok());
}

#[test]
fn debug_output_holds_no_secret() {
    let (_, file, keys, recovery) = new();
    let shown = format!("{keys:?} {file:?} {recovery:?} {:?} {:?} {:?}", password("one"), Unlock::Machine(machine(7)), Unlock::Recovery(text("7777")));
    for secret in ["\"one\"", "7, 7", "7777", "0707", &recovery.to_string()[..9]] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

#[test]
fn keys_are_made_while_others_seal() {
    let (_, _, keys, _) = new();
    std::thread::scope(|scope| {
        for thread in 0..4u32 {
            let keys = keys.clone();
            scope.spawn(move || {
                for n in 0..200 {
                    let mailbox = thread % 2 * 1000 + n;
                    keys.ensure_mailbox(mailbox);
                    let sealed = seal(&keys, Scope::Mailbox(mailbox), b"", b"body");
                    assert_eq!(open(&keys, Scope::Mailbox(mailbox), b"", &sealed).unwrap(), b"body");
                }
            });
        }
    });
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let files = Files::default();
        files.put(0, bytes);
        prop_assert!(KeyFile::load(&files, STORAGE).is_err());
    }

    #[test]
    fn no_fields_make_the_reader_panic(cbor in proptest::collection::vec(any::<u8>(), 0..200), cut in 0usize..400, flips in proptest::collection::vec((any::<usize>(), any::<u8>()), 0..4)) {
        // Behind true lengths and checksums: anything, and real fields with changes.
        let (real, ..) = new();
        let mut fields = real.get(0);
        fields.drain(..24);
        fields.truncate(fields.len() - 64);
        fields.truncate(cut.max(1));
        for (at, flip) in flips {
            let at = at % fields.len();
            fields[at] ^= flip;
        }
        for body in [cbor, fields] {
            let mut bytes = b"c2bkeys\0\x01\0\0\0\x01\0\0\0\0\0\0\0".to_vec();
            bytes.extend_from_slice(&u32::try_from(body.len()).unwrap().to_le_bytes());
            bytes.extend_from_slice(&body);
            bytes.extend_from_slice(&[0; 32]);
            bytes.extend_from_slice(blake3::hash(&bytes).as_bytes());
            let files = Files::default();
            files.put(1, bytes);
            if let Ok(mut file) = KeyFile::load(&files, STORAGE) {
                prop_assert!(file.unlock(&Unlock::Machine(machine(7))).is_err());
            }
        }
    }

    #[test]
    fn any_bytes_come_back(plain in proptest::collection::vec(any::<u8>(), 0..3000), aad in proptest::collection::vec(any::<u8>(), 0..80), h in any::<[u8; 32]>()) {
        let (_, _, keys, _) = new();
        let sealed = seal(&keys, Scope::Block(&h), &aad, &plain);
        prop_assert_eq!(open(&keys, Scope::Block(&h), &aad, &sealed).unwrap(), plain);
    }
}
