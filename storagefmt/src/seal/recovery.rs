//! The recovery key: shown once, written down on paper, typed in on a bad day.
//!
//! 32 random bytes and 3 check bytes as 56 digits of Crockford's base 32, in groups of four.
//! Reading forgives case, spaces, dashes and the letters that look like digits.

use super::SealError;
use super::aead::{Secret, derive, random_key};
use std::fmt;
use std::str::FromStr;
use zeroize::Zeroizing;

/// A key that opens the storage when all passwords are lost. [`fmt::Display`] shows it; `Debug` does not.
#[derive(Clone)]
pub struct RecoveryKey(Secret);

/// Crockford's digits: no I, L, O, U.
const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// 280 bits in digits of 5.
const DIGIT_COUNT: usize = 56;

/// Digits between dashes: as many as one keeps in mind while typing.
const GROUP: usize = 4;

/// One typing error in 16 million is not noticed.
const CHECK_BYTES: usize = 3;

/// What the check bytes are derived with.
const CHECK_CONTEXT: &str = "c2b archive 2: check digits of a recovery key";

impl RecoveryKey {
    /// Makes a new one.
    pub(super) fn generate() -> Result<Self, SealError> {
        random_key().map(Self)
    }

    /// Returns its bytes.
    pub(super) fn secret(&self) -> &Secret {
        &self.0
    }
}

impl fmt::Display for RecoveryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let check = derive(CHECK_CONTEXT, self.0.as_slice());
        let (mut bits, mut held, mut digits) = (0u32, 0, 0);
        for byte in self.0.iter().chain(check.iter().take(CHECK_BYTES)) {
            bits = (bits << 8 | u32::from(*byte)) & 0xfff;
            held += 8;
            while held >= 5 {
                held -= 5;
                if digits > 0 && digits % GROUP == 0 {
                    f.write_str("-")?;
                }
                write!(f, "{}", char::from(DIGITS[(bits >> held & 31) as usize]))?;
                digits += 1;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for RecoveryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryKey(..)")
    }
}

impl FromStr for RecoveryKey {
    type Err = SealError;

    fn from_str(text: &str) -> Result<Self, SealError> {
        let wrong = |reason: String| SealError::RecoveryText { reason };
        let mut bytes = Zeroizing::new(Vec::with_capacity(32 + CHECK_BYTES));
        let (mut bits, mut held, mut digits) = (0u32, 0, 0);
        for letter in text.chars().filter(|letter| !letter.is_whitespace() && !matches!(letter, '-' | '\u{2010}'..='\u{2015}')) {
            let digit = digit_of(letter).ok_or_else(|| wrong(format!("{letter:?} is not a digit of it")))?;
            bits = (bits << 5 | digit) & 0xfff;
            held += 5;
            digits += 1;
            if held >= 8 && bytes.len() < 32 + CHECK_BYTES {
                held -= 8;
                bytes.push(u8::try_from(bits >> held & 0xff).unwrap_or_default());
            }
        }
        if digits != DIGIT_COUNT {
            return Err(wrong(format!("it has {digits} digits, not {DIGIT_COUNT}")));
        }
        let (head, check) = bytes.split_at(32);
        let mut key = Secret::default();
        key.copy_from_slice(head);
        if derive(CHECK_CONTEXT, head)[..CHECK_BYTES] != *check {
            return Err(wrong("a digit is wrong or two are exchanged".to_owned()));
        }
        Ok(Self(key))
    }
}

/// Reads a digit, also in the shapes that people take it for.
fn digit_of(letter: char) -> Option<u32> {
    let letter = match letter.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    };
    let byte = u8::try_from(letter).ok()?;
    DIGITS.iter().position(|digit| *digit == byte).and_then(|place| u32::try_from(place).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn has_the_text_it_always_had() {
        let key = RecoveryKey(Zeroizing::new(std::array::from_fn(|i| u8::try_from(i).unwrap())));
        let text = key.to_string();
        assert_eq!(text, "000G-40R4-0M30-E209-185G-R38E-1W81-24GK-2GAH-C5RR-34D1-P70X-3RFH-3CP7");
        assert_eq!(text.parse::<RecoveryKey>().unwrap().0, key.0);
    }

    #[test]
    fn what_is_no_recovery_key_is_refused() {
        let good = RecoveryKey::generate().unwrap().to_string();
        for text in [
            String::new(),
            "hello".to_owned(),
            format!("{good}0"),
            good[..good.len() - 1].to_owned(),
            good.replacen(|c: char| c != '-', "u", 1),
            "é".repeat(56),
        ] {
            assert!(matches!(text.parse::<RecoveryKey>(), Err(SealError::RecoveryText { .. })), "{text:?} was accepted");
        }
    }

    proptest! {
        #[test]
        fn typing_is_forgiven_and_errors_are_noticed(bytes in any::<[u8; 32]>(), place in 0usize..56, other in 0usize..32, seed in any::<u64>()) {
            let key = RecoveryKey(Zeroizing::new(bytes));
            let text = key.to_string();
            let sloppy: String = text.chars().enumerate().flat_map(|(i, letter)| match (seed >> (i % 64)) & 3 {
                0 if letter == '0' => vec!['o', ' '],
                0 if letter == '1' => vec!['l'],
                1 if letter == '1' => vec!['I', '\n'],
                1 if letter == '-' => vec![],
                2 => vec![letter.to_ascii_lowercase()],
                3 => vec![letter, ' ', '-'],
                _ => vec![letter],
            }).collect();
            prop_assert_eq!(&sloppy.parse::<RecoveryKey>().unwrap().0, &key.0);
            let mut digits: Vec<char> = text.chars().filter(|letter| *letter != '-').collect();
            let changed = char::from(DIGITS[other]);
            if digits[place] != changed {
                digits[place] = changed;
                prop_assert!(digits.iter().collect::<String>().parse::<RecoveryKey>().is_err());
            }
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,80}") {
            let _ = text.parse::<RecoveryKey>();
        }
    }
}
