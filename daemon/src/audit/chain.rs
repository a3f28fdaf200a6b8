//! The chain of lines: each ends in a keyed hash over the line before's hash and itself.
//!
//! A line is `{…,"chain":"64 hexadecimal digits"}`; what is hashed are the bytes up to the comma.

use super::{Head, Record};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// The context of the key of the chain.
const CONTEXT: &str = "c2b 2026-11-22 daemon: chain the audit log";

/// What stands before the hash.
const BEFORE_HASH: &str = ",\"chain\":\"";

/// What stands after it.
const AFTER_HASH: &str = "\"}";

/// Digits of a hash.
const DIGITS: usize = 64;

/// The key of the chain.
#[derive(Clone)]
pub(super) struct ChainKey(Zeroizing<[u8; 32]>);

/// The hash of a line and all before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Chain([u8; 32]);

/// A line as it was read.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// The record's number.
    pub(super) seq: u64,
    /// What it tells.
    pub(super) record: Record,
    /// Its hash, as it says.
    pub(super) chain: Chain,
    hashed: Vec<u8>,
}

impl ChainKey {
    pub(super) fn new(machine: &[u8; 32]) -> Self {
        Self(Zeroizing::new(blake3::derive_key(CONTEXT, machine)))
    }

    fn hash(&self, before: &Chain, bytes: &[u8]) -> Chain {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(&before.0).update(bytes);
        Chain(*hasher.finalize().as_bytes())
    }
}

impl Line {
    /// Returns a record's line with its end, and its hash.
    pub(super) fn make(record: &Record, key: &ChainKey, before: &Chain) -> Result<(String, Chain), serde_json::Error> {
        let mut text = serde_json::to_string(record)?;
        text.pop();
        let chain = key.hash(before, text.as_bytes());
        text.push_str(BEFORE_HASH);
        text.push_str(&blake3::Hash::from_bytes(chain.0).to_hex());
        text.push_str(AFTER_HASH);
        text.push('\n');
        Ok((text, chain))
    }

    /// Understands a line without its end; none for what is no line of ours.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let hashed_len = text.len().checked_sub(BEFORE_HASH.len() + DIGITS + AFTER_HASH.len())?;
        let (hashed, rest) = text.split_at_checked(hashed_len)?;
        let digits = rest.strip_prefix(BEFORE_HASH.as_bytes())?.strip_suffix(AFTER_HASH.as_bytes())?;
        let chain = Chain(*blake3::Hash::from_hex(digits).ok()?.as_bytes());
        let record: Record = serde_json::from_slice(text).ok()?;
        Some(Self { seq: record.entry.seq, record, chain, hashed: hashed.to_vec() })
    }

    /// Returns whether it was written after the line with this hash, and as it is now.
    pub(super) fn follows(&self, key: &ChainKey, before: &Chain) -> bool {
        key.hash(before, &self.hashed) == self.chain
    }

    /// Returns whether it is the line that the head names.
    pub(super) fn is(&self, head: &Head) -> bool {
        self.seq == head.seq && self.chain == head.chain
    }
}
