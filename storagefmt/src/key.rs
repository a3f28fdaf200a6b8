//! Our own identities: numbers that the archive gives out and hashes of bytes.
//!
//! Servers' ids are attributes of our objects (`c2b_mailbox::id`); these keys are who they are.
//! Keys are given in order from 1 and never reused. An [`ItemKey`] is shown to people as a short
//! text inside file names; the text is a bijection of the number, so a file name leads back to its item.

use std::fmt;
use std::str::FromStr;

/// Which commit: 0 is the empty archive, the first commit is 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommitSeq(pub u64);

/// Our key of a mailbox in one storage, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MailboxKey(pub u32);

/// Our key of a folder, unique in one storage, from 1; survives renames and moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FolderKey(pub u64);

/// Our key of an item, unique in one storage, from 1; survives moves between folders.
///
/// Shown as at least six lower-case Crockford base 32 digits; [`FromStr`] leads back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemKey(pub u64);

/// BLAKE3 of all bytes of a content, as served.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentId(pub [u8; 32]);

/// BLAKE3 of the bytes of a chunk.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChunkId(pub [u8; 32]);

/// A frame of a pack: number `n` of a commit's frames. Names it for ever, in whatever pack it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameKey {
    /// The commit that wrote it.
    pub seq: CommitSeq,
    /// Which of that commit's frames, from 0.
    pub n: u32,
}

/// A record: number `index` in a frame of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The frame.
    pub frame: FrameKey,
    /// Which of the frame's records, from 0.
    pub index: u32,
}

/// Which commits are visible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Everything committed when the call is made.
    Latest,
    /// Everything up to this commit, itself included.
    At(CommitSeq),
}

/// A text that is not the text of a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an item key: expected six or more letters and digits as in a file name's brackets")]
pub struct KeyError(pub String);

impl ContentId {
    /// Returns the id of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }
}

impl ChunkId {
    /// Returns the id of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }
}

impl FrameKey {
    /// Names a frame.
    pub fn new(seq: CommitSeq, n: u32) -> Self {
        Self { seq, n }
    }
}

impl fmt::Display for FrameKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.seq, self.n)
    }
}

impl fmt::Display for CommitSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for MailboxKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for FolderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&short_text(self.0))
    }
}

impl fmt::Display for ItemKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&short_text(self.0))
    }
}

impl FromStr for ItemKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        short_number(text).map(Self).ok_or_else(|| KeyError(text.to_owned()))
    }
}

macro_rules! hex_id {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
    };
}

hex_id!(ContentId);
hex_id!(ChunkId);

/// Crockford's digits: no i, l, o, u, so that a key can be read out and typed.
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Digits of a key at least; 6 digits name 2^30 objects.
const DIGITS_MIN: u32 = 6;

/// Digits of a key at most: 13 * 5 bits hold 64.
const DIGITS_MAX: u32 = 13;

/// Odd, hence invertible modulo every power of two; the first 64 bits of the golden ratio.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// Writes a number as short text; neighbours look unlike each other.
fn short_text(number: u64) -> String {
    let mut digits = DIGITS_MIN;
    while digits < DIGITS_MAX && number >> (5 * digits) != 0 {
        digits += 1;
    }
    let mixed = mix(number, digits);
    (0..digits).rev().map(|place| char::from(DIGITS[((mixed >> (5 * place)) & 31) as usize])).collect()
}

/// Reads a number back; `None` when no number has this text.
fn short_number(text: &str) -> Option<u64> {
    let digits = u32::try_from(text.len()).ok().filter(|n| (DIGITS_MIN..=DIGITS_MAX).contains(n))?;
    let mut mixed: u128 = 0;
    for byte in text.bytes() {
        let digit = DIGITS.iter().position(|digit| *digit == byte.to_ascii_lowercase())?;
        mixed = mixed << 5 | digit as u128;
    }
    let number = unmix(u64::try_from(mixed).ok()?, digits);
    (short_text(number).len() == text.len()).then_some(number)
}

fn width(digits: u32) -> (u32, u64) {
    let bits = (5 * digits).min(64);
    (bits, u64::MAX >> (64 - bits))
}

fn mix(number: u64, digits: u32) -> u64 {
    let (bits, mask) = width(digits);
    let first = number.wrapping_mul(SPREAD) & mask;
    (first ^ first >> bits.div_ceil(2)).wrapping_mul(SPREAD) & mask
}

fn unmix(mixed: u64, digits: u32) -> u64 {
    let (bits, mask) = width(digits);
    // Newton's iteration doubles the right bits of the inverse each time: 3, 6, 12, 24, 48, 96.
    let mut inverse = SPREAD;
    for _ in 0..5 {
        inverse = inverse.wrapping_mul(2u64.wrapping_sub(SPREAD.wrapping_mul(inverse)));
    }
    let first = mixed.wrapping_mul(inverse) & mask;
    (first ^ first >> bits.div_ceil(2)).wrapping_mul(inverse) & mask
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keys_have_the_texts_they_always_had() {
        let texts: Vec<String> = [1, 2, 3, 1 << 30, u64::MAX].map(|n| ItemKey(n).to_string()).into();
        assert_eq!(texts, ["195c4n", "17mq9z", "chhgcn", "01dq400", "2m2kc0a2g6gsh"]);
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in ["", "abc", "il0000", "00000000000000", "zzzzzzzzzzzzz", "äää"] {
            assert!(text.parse::<ItemKey>().is_err(), "{text:?} was accepted");
        }
    }

    proptest! {
        #[test]
        fn a_text_leads_back_to_its_key(number in any::<u64>(), shift in 0u32..64) {
            let key = ItemKey(number >> shift);
            prop_assert_eq!(key.to_string().parse::<ItemKey>().unwrap(), key);
        }
    }
}
