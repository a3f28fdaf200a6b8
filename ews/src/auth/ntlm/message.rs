//! The three messages of NTLM, byte by byte (MS-NLMP 2.2.1). Numbers are little-endian.

use super::response::{Response, hmac_md5};

const SIGNATURE: &[u8; 8] = b"NTLMSSP\0";
const UNICODE: u32 = 0x0000_0001;
const REQUEST_TARGET: u32 = 0x0000_0004;
const SIGN: u32 = 0x0000_0010;
const NTLM: u32 = 0x0000_0200;
const ALWAYS_SIGN: u32 = 0x0000_8000;
const EXTENDED_SESSION_SECURITY: u32 = 0x0008_0000;
const TARGET_INFO: u32 = 0x0080_0000;
const VERSION: u32 = 0x0200_0000;
const KEYS_OF_128_BITS: u32 = 0x2000_0000;
const KEYS_OF_56_BITS: u32 = 0x8000_0000;
/// Whether the session's key is chosen by the client.
pub(super) const KEY_EXCHANGE: u32 = 0x4000_0000;
/// What we can do.
pub(super) const FLAGS: u32 = UNICODE
    | REQUEST_TARGET
    | SIGN
    | NTLM
    | ALWAYS_SIGN
    | EXTENDED_SESSION_SECURITY
    | TARGET_INFO
    | VERSION
    | KEYS_OF_128_BITS
    | KEY_EXCHANGE
    | KEYS_OF_56_BITS;
/// Windows 10, revision 15 of NTLM: the field only helps debugging.
const OUR_VERSION: [u8; 8] = [10, 0, 0, 0, 0, 0, 0, 15];
/// Where the payload of the last message begins, after the integrity code.
const AUTHENTICATE_HEAD: usize = 88;
/// Where the integrity code is in it.
const MIC: std::ops::Range<usize> = 72..88;

/// Kinds of facts about the server (MS-NLMP 2.2.2.1).
pub(super) mod av {
    pub(in super::super) const END: u16 = 0;
    pub(in super::super) const FLAGS: u16 = 6;
    pub(in super::super) const TIMESTAMP: u16 = 7;
    pub(in super::super) const TARGET_NAME: u16 = 9;
    pub(in super::super) const CHANNEL_BINDINGS: u16 = 10;
}

/// Writes the first message.
pub(super) fn negotiate() -> Vec<u8> {
    let mut message = SIGNATURE.to_vec();
    message.extend_from_slice(&1_u32.to_le_bytes());
    message.extend_from_slice(&(FLAGS & !TARGET_INFO).to_le_bytes());
    // Neither domain nor workstation is told.
    message.extend_from_slice(&[0; 16]);
    message.extend_from_slice(&OUR_VERSION);
    message
}

/// The second message: what the server says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ServerChallenge {
    pub(super) flags: u32,
    pub(super) challenge: [u8; 8],
    /// Facts about the server, without the one that ends the list.
    pub(super) facts: Vec<(u16, Vec<u8>)>,
}

impl ServerChallenge {
    /// Reads the message; `None` when it is none, or of a server that knows no version 2.
    pub(super) fn parse(message: &[u8]) -> Option<Self> {
        if message.get(..8)? != SIGNATURE || u32_at(message, 8)? != 2 {
            return None;
        }
        let flags = u32_at(message, 20)?;
        let challenge = message.get(24..32)?.try_into().ok()?;
        let (length, at) = (usize::from(u16_at(message, 40)?), usize::try_from(u32_at(message, 44)?).ok()?);
        let facts = parse_facts(message.get(at..at.checked_add(length)?)?)?;
        Some(Self { flags, challenge, facts })
    }

    /// Returns a fact about the server.
    pub(super) fn fact(&self, kind: u16) -> Option<&[u8]> {
        self.facts.iter().find(|(found, _)| *found == kind).map(|(_, value)| value.as_slice())
    }
}

fn parse_facts(mut bytes: &[u8]) -> Option<Vec<(u16, Vec<u8>)>> {
    let mut facts = Vec::new();
    loop {
        let (kind, length) = (u16_at(bytes, 0)?, usize::from(u16_at(bytes, 2)?));
        if kind == av::END {
            return Some(facts);
        }
        facts.push((kind, bytes.get(4..4 + length)?.to_vec()));
        bytes = bytes.get(4 + length..)?;
    }
}

/// Writes facts, and the one that ends the list.
pub(super) fn write_facts(facts: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (kind, value) in facts {
        bytes.extend_from_slice(&kind.to_le_bytes());
        bytes.extend_from_slice(&length_of(value).to_le_bytes());
        bytes.extend_from_slice(value);
    }
    bytes.extend_from_slice(&[0; 4]);
    bytes
}

/// The third message: our answer.
pub(super) struct Authenticate<'a> {
    pub(super) domain: &'a str,
    pub(super) user: &'a str,
    pub(super) response: &'a Response,
    pub(super) flags: u32,
}

impl Authenticate<'_> {
    /// Writes the message, with the integrity code over all three.
    pub(super) fn write(&self, negotiate: &[u8], challenge: &[u8]) -> Vec<u8> {
        let fields: [&[u8]; 6] = [&self.response.lm, &self.response.nt, &utf16(self.domain), &utf16(self.user), &[], &self.response.encrypted_session_key];
        let mut message = SIGNATURE.to_vec();
        message.extend_from_slice(&3_u32.to_le_bytes());
        // In the payload names come first, as Windows writes it.
        let order = [2, 3, 4, 0, 1, 5];
        let mut offsets = [0; 6];
        let mut at = AUTHENTICATE_HEAD;
        for field in order {
            offsets[field] = at;
            at += fields[field].len();
        }
        for (field, offset) in fields.iter().zip(offsets) {
            let length = length_of(field).to_le_bytes();
            message.extend_from_slice(&length);
            message.extend_from_slice(&length);
            message.extend_from_slice(&u32::try_from(offset).unwrap_or(u32::MAX).to_le_bytes());
        }
        message.extend_from_slice(&self.flags.to_le_bytes());
        message.extend_from_slice(&OUR_VERSION);
        message.extend_from_slice(&[0; 16]);
        for field in order {
            message.extend_from_slice(fields[field]);
        }
        let mic = hmac_md5(&self.response.session.key, &[negotiate, challenge, &message]);
        if let Some(place) = message.get_mut(MIC) {
            place.copy_from_slice(&mic);
        }
        message
    }
}

/// Returns a text as NTLM writes it.
pub(super) fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn length_of(value: &[u8]) -> u16 {
    u16::try_from(value.len()).unwrap_or(u16::MAX)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_challenge_breaks_the_reader(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), is_signed in any::<bool>()) {
            if is_signed && bytes.len() > 12 {
                bytes[..8].copy_from_slice(SIGNATURE);
                bytes[8..12].copy_from_slice(&2_u32.to_le_bytes());
            }
            drop(ServerChallenge::parse(&bytes));
        }
    }

    #[test]
    fn the_first_message_is_as_documented() {
        let message = negotiate();
        assert_eq!(message.len(), 40);
        assert_eq!(&message[..12], b"NTLMSSP\0\x01\0\0\0");
        assert_eq!(u32_at(&message, 12).unwrap() & TARGET_INFO, 0);
    }
}
