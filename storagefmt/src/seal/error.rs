//! What can go wrong with keys and sealed bytes. Never says anything secret.

use super::{CopyState, WrapKind};
use std::io;

/// An error of the sealing.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The storage is sealed and was opened without a key, or was rotated since.
    #[error("the storage is sealed: give a password, the recovery key or the machine key")]
    Locked,
    /// Sealed bytes are not what was sealed here: damaged, exchanged, or sealed with another key.
    #[error("the sealed bytes are not authentic")]
    NotAuthentic,
    /// The mailbox was erased, or never had a key in this storage.
    #[error("the key of mailbox {mailbox} was destroyed or is not known")]
    KeyDestroyed {
        /// The mailbox.
        mailbox: u32,
    },
    /// A generation of keys that this storage does not hold (any more).
    #[error("keys of generation {generation} are not known")]
    UnknownGeneration {
        /// The generation.
        generation: u16,
    },
    /// The generation that new data is sealed with cannot be dropped.
    #[error("generation {generation} seals all new data: rotate the keys first")]
    GenerationInUse {
        /// The generation.
        generation: u16,
    },
    /// There are no numbers left for generations.
    #[error("the keys were rotated 65535 times: copy the storage into a new one")]
    GenerationsExhausted,
    /// The password or key given opens nothing.
    #[error("wrong {kind}")]
    WrongKey {
        /// What was given.
        kind: WrapKind,
    },
    /// Nothing of this kind opens the storage.
    #[error("the storage has no {kind}")]
    NoneOfKind {
        /// What was given.
        kind: WrapKind,
    },
    /// There is no such password or key.
    #[error("the storage has no password or key with number {id}")]
    NoSuchWrap {
        /// Its number.
        id: u32,
    },
    /// Without it, nobody could open the storage, or only this machine.
    #[error("one password or recovery key must remain: add another first")]
    LastWrap,
    /// Another password or key has this label.
    #[error("there is a {kind} with the label {label:?} already: choose another label, or change that one")]
    LabelTaken {
        /// Of which kind.
        kind: WrapKind,
        /// The label.
        label: String,
    },
    /// A label that does not fit.
    #[error("the label has {bytes} bytes: at most {max} are allowed")]
    LabelTooLong {
        /// Its length.
        bytes: usize,
        /// The most.
        max: usize,
    },
    /// More passwords and keys than a storage can have.
    #[error("the storage has {max} passwords and keys already: remove one first")]
    TooManyWraps {
        /// The most.
        max: usize,
    },
    /// A password without characters.
    #[error("the password is empty")]
    EmptyPassword,
    /// A text that is no recovery key.
    #[error("not a recovery key: {reason}")]
    RecoveryText {
        /// What is wrong with it.
        reason: String,
    },
    /// Parameters of Argon2 that are out of bounds.
    #[error("the parameters of Argon2 are out of bounds: {reason}")]
    Params {
        /// Which.
        reason: &'static str,
    },
    /// A sealed storage without its keys.
    #[error("keys/a and keys/b are missing: put one of them back, without them nothing can be read")]
    KeyFileMissing,
    /// Neither copy of the keys can be used.
    #[error("both copies of the keys are unusable (keys/a {a}, keys/b {b}): put one of them back, without them nothing can be read")]
    KeyFileDamaged {
        /// The first copy.
        a: CopyState,
        /// The second copy.
        b: CopyState,
    },
    /// The keys are of a newer program.
    #[error("the keys have version {version}: install a newer c2b")]
    NewerKeyFile {
        /// The version found.
        version: u32,
    },
    /// The file of keys opened, but was changed by someone who did not have the key.
    #[error("the keys were tampered with ({reason}): put keys/a and keys/b back from a copy")]
    KeyFileForged {
        /// What does not fit.
        reason: &'static str,
    },
    /// A copy of the keys could not be written.
    #[error("failed to write {copy}")]
    Write {
        /// Which copy.
        copy: &'static str,
        /// The cause below.
        #[source]
        err: io::Error,
    },
    /// The operating system gave no random bytes.
    #[error("failed to get random bytes")]
    Random {
        /// The cause below.
        #[source]
        err: getrandom::Error,
    },
    /// The cipher refused; only happens with impossible lengths or without memory.
    #[error("failed to {operation}")]
    Cipher {
        /// What was tried.
        operation: &'static str,
    },
}
