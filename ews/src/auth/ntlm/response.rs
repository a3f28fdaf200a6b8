//! The arithmetic of NTLM version 2 (MS-NLMP 3.3.2, 3.4): what proves the password, and the keys that follow from it.

use super::message::{KEY_EXCHANGE, ServerChallenge, av, utf16, write_facts};
use crate::Secret;
use hmac::{Hmac, KeyInit, Mac};
use md4::{Digest, Md4};
use md5::Md5;
use rc4::{Rc4, StreamCipher};
use zeroize::Zeroizing;

/// In the fact FLAGS: the answer carries an integrity code.
const HAS_MIC: u32 = 2;
/// Where the hash of the channel binding is empty: there is no TLS.
const NO_BINDING: [u8; 16] = [0; 16];
const SIGNING: &[u8] = b"session key to client-to-server signing key magic constant\0";
const SEALING: &[u8] = b"session key to client-to-server sealing key magic constant\0";
const SIGNING_BACK: &[u8] = b"session key to server-to-client signing key magic constant\0";
const SEALING_BACK: &[u8] = b"session key to server-to-client sealing key magic constant\0";

/// Bytes that nobody can guess.
pub(super) struct Random {
    pub(super) challenge: [u8; 8],
    pub(super) session_key: [u8; 16],
}

impl Random {
    /// Takes them from the operating system.
    pub(super) fn new() -> Result<Self, getrandom::Error> {
        let mut random = Self { challenge: [0; 8], session_key: [0; 16] };
        getrandom::fill(&mut random.challenge)?;
        getrandom::fill(&mut random.session_key)?;
        Ok(random)
    }
}

/// Who signs in, and where.
pub(super) struct Client<'a> {
    pub(super) domain: &'a str,
    pub(super) user: &'a str,
    pub(super) password: &'a Secret,
    /// The service: `HTTP/host`.
    pub(super) target: &'a str,
    pub(super) channel_binding: Option<&'a [u8]>,
    /// Time in 100 ns since 1601, for servers that do not tell theirs.
    pub(super) filetime: u64,
    pub(super) random: Random,
}

/// What proves the password.
pub(super) struct Response {
    pub(super) lm: Vec<u8>,
    pub(super) nt: Vec<u8>,
    /// The session's key for the server; empty when it follows from the response.
    pub(super) encrypted_session_key: Vec<u8>,
    pub(super) session: Session,
}

impl Response {
    /// Answers a server's challenge.
    pub(super) fn new(server: &ServerChallenge, client: &Client<'_>) -> Self {
        let key = response_key(client.user, client.domain, client.password.expose());
        let timestamp = server.fact(av::TIMESTAMP).and_then(|time| <[u8; 8]>::try_from(time).ok());
        let facts = write_facts(&facts_for(server, client));
        let (nt, base_key) = prove(&key, server, timestamp.unwrap_or(client.filetime.to_le_bytes()), client.random.challenge, &facts);
        let lm = match timestamp {
            // Servers that tell their time ask for no more than the NT response.
            Some(_) => vec![0; 24],
            None => [hmac_md5(&key, &[&server.challenge, &client.random.challenge]).as_slice(), &client.random.challenge].concat(),
        };
        let has_exchange = server.flags & KEY_EXCHANGE != 0;
        let session_key = if has_exchange { client.random.session_key } else { base_key };
        let encrypted_session_key = if has_exchange { rc4(&base_key, &session_key) } else { Vec::new() };
        Self { lm, nt, encrypted_session_key, session: Session { key: session_key, has_exchange, next: 0 } }
    }
}

/// What both sides know once the password is proved.
pub(in crate::auth) struct Session {
    pub(super) key: [u8; 16],
    has_exchange: bool,
    next: u32,
}

impl Session {
    /// Signs the first message of the session (MS-NLMP 3.4.4.2).
    pub(in crate::auth) fn sign(&mut self, message: &[u8]) -> Vec<u8> {
        let number = self.next;
        self.next += 1;
        self.signature(number, message, SIGNING, SEALING)
    }

    /// Returns whether this is the server's signature of the first message that it signs.
    pub(in crate::auth) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.signature(0, message, SIGNING_BACK, SEALING_BACK) == signature
    }

    fn signature(&self, number: u32, message: &[u8], signing: &[u8], sealing: &[u8]) -> Vec<u8> {
        let number = number.to_le_bytes();
        let signing_key: [u8; 16] = md5(&[&self.key, signing]);
        let code = hmac_md5(&signing_key, &[&number, message]);
        let code = code.get(..8).unwrap_or_default();
        let code = if self.has_exchange { rc4(&md5(&[&self.key, sealing]), code) } else { code.to_vec() };
        [&1_u32.to_le_bytes(), code.as_slice(), &number].concat()
    }
}

/// Adds what we say about ourselves to the facts that the server told.
fn facts_for(server: &ServerChallenge, client: &Client<'_>) -> Vec<(u16, Vec<u8>)> {
    let known = server.fact(av::FLAGS).and_then(|flags| flags.try_into().ok()).map_or(0, u32::from_le_bytes);
    let ours = [av::FLAGS, av::TARGET_NAME, av::CHANNEL_BINDINGS];
    let mut facts: Vec<_> = server.facts.iter().filter(|(kind, _)| !ours.contains(kind)).cloned().collect();
    facts.push((av::FLAGS, (known | HAS_MIC).to_le_bytes().to_vec()));
    facts.push((av::CHANNEL_BINDINGS, client.channel_binding.map_or(NO_BINDING, binding_hash).to_vec()));
    facts.push((av::TARGET_NAME, utf16(client.target)));
    facts
}

/// Hashes a channel binding as GSS-API lays it out: no addresses, then the binding with its length.
fn binding_hash(binding: &[u8]) -> [u8; 16] {
    let length = u32::try_from(binding.len()).unwrap_or(u32::MAX).to_le_bytes();
    md5(&[&[0; 16], &length, binding])
}

/// NTOWFv2.
fn response_key(user: &str, domain: &str, password: &[u8]) -> [u8; 16] {
    let wide: Zeroizing<Vec<u8>> = Zeroizing::new(std::str::from_utf8(password).unwrap_or_default().encode_utf16().flat_map(u16::to_le_bytes).collect());
    let hash: [u8; 16] = Md4::digest(wide.as_slice()).into();
    hmac_md5(&hash, &[&utf16(&upper(user)), &utf16(domain)])
}

/// Writes a name in capitals as Windows does: each letter by itself, never one letter as two.
fn upper(name: &str) -> String {
    let upper = |letter: char| {
        let mut capitals = letter.to_uppercase();
        match (capitals.next(), capitals.next()) {
            (Some(capital), None) => capital,
            _ => letter,
        }
    };
    name.chars().map(upper).collect()
}

/// Returns the NT response and the session's base key.
fn prove(key: &[u8; 16], server: &ServerChallenge, time: [u8; 8], client_challenge: [u8; 8], facts: &[u8]) -> (Vec<u8>, [u8; 16]) {
    let blob = [&[1, 1, 0, 0, 0, 0, 0, 0], time.as_slice(), &client_challenge, &[0; 4], facts, &[0; 4]].concat();
    let proof = hmac_md5(key, &[&server.challenge, &blob]);
    ([proof.as_slice(), &blob].concat(), hmac_md5(key, &[&proof]))
}

/// HMAC-MD5 over some pieces.
pub(super) fn hmac_md5(key: &[u8; 16], pieces: &[&[u8]]) -> [u8; 16] {
    // HMAC fills short keys up to a block with zeros.
    let mut block = hmac::digest::Key::<Hmac<Md5>>::default();
    block.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
    let mut mac = Hmac::<Md5>::new(&block);
    pieces.iter().for_each(|piece| mac.update(piece));
    mac.finalize().into_bytes().into()
}

fn md5(pieces: &[&[u8]]) -> [u8; 16] {
    let mut digest = Md5::new();
    pieces.iter().for_each(|piece| Digest::update(&mut digest, piece));
    digest.finalize().into()
}

fn rc4(key: &[u8; 16], bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    Rc4::new_from_slice(key).expect("RC4 takes 16 bytes").apply_keystream(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    //! The numbers of MS-NLMP 4.2.4.

    use super::*;

    const KEY: [u8; 16] = *b"\x0c\x86\x8a\x40\x3b\xfd\x7a\x93\xa3\x00\x1e\xf2\x2e\xf0\x2e\x3f";

    fn server(facts: Vec<(u16, Vec<u8>)>) -> ServerChallenge {
        ServerChallenge { flags: 0xe28a_8233, challenge: *b"\x01\x23\x45\x67\x89\xab\xcd\xef", facts }
    }

    fn documented() -> ServerChallenge {
        server(vec![(2, utf16("Domain")), (1, utf16("Server"))])
    }

    #[test]
    fn the_response_key_is_the_documented_one() {
        assert_eq!(response_key("User", "Domain", b"Password"), KEY);
    }

    #[test]
    fn proof_and_session_key_are_the_documented_ones() {
        let server = documented();
        let (nt, base_key) = prove(&KEY, &server, [0; 8], [0xaa; 8], &write_facts(&server.facts));
        assert_eq!(nt[..16], *b"\x68\xcd\x0a\xb8\x51\xe5\x1c\x96\xaa\xbc\x92\x7b\xeb\xef\x6a\x1c");
        assert_eq!(base_key, *b"\x8d\xe4\x0c\xca\xdb\xc1\x4a\x82\xf1\x5c\xb0\xad\x0d\xe9\x5c\xa3");
        assert_eq!(rc4(&base_key, &[0x55; 16]), b"\xc5\xda\xd2\x54\x4f\xc9\x79\x90\x94\xce\x1c\xe9\x0b\xc9\xd0\x3e");
    }

    #[test]
    fn the_lm_response_is_the_documented_one_and_empty_where_the_server_tells_its_time() {
        let password = Secret::new("Password");
        let client = || Client {
            domain: "Domain",
            user: "User",
            password: &password,
            target: "HTTP/server",
            channel_binding: None,
            filetime: 0,
            random: Random { challenge: [0xaa; 8], session_key: [0x55; 16] },
        };
        let response = Response::new(&documented(), &client());
        assert_eq!(response.lm[..16], *b"\x86\xc3\x50\x97\xac\x9c\xec\x10\x25\x54\x76\x4a\x57\xcc\xcc\x19");
        let timed = server(vec![(av::TIMESTAMP, vec![9; 8])]);
        let response = Response::new(&timed, &client());
        assert_eq!(response.lm, [0; 24]);
        assert_eq!(response.nt[24..32], [9; 8], "the server's own time is used");
    }

    #[test]
    fn a_message_is_signed_as_documented() {
        let mut session = Session { key: [0x55; 16], has_exchange: true, next: 0 };
        let signing_key = md5(&[&session.key, SIGNING]);
        assert_eq!(signing_key, *b"\x47\x88\xdc\x86\x1b\x47\x82\xf3\x5d\x43\xfd\x98\xfe\x1a\x2d\x39");
        assert_eq!(md5(&[&session.key, SEALING]), *b"\x59\xf6\x00\x97\x3c\xc4\x96\x0a\x25\x48\x0a\x7c\x19\x6e\x4c\x58");
        let signature = session.sign(&utf16("Plaintext"));
        assert_eq!((signature.len(), &signature[..4], &signature[12..]), (16, &[1, 0, 0, 0][..], &[0; 4][..]));
    }

    #[test]
    fn the_servers_signature_is_another_one_than_ours() {
        let mut session = Session { key: [0x55; 16], has_exchange: true, next: 0 };
        let theirs = session.signature(0, b"list", SIGNING_BACK, SEALING_BACK);
        assert!(session.verifies(b"list", &theirs) && !session.verifies(b"lis", &theirs));
        let ours = session.sign(b"list");
        assert!(!session.verifies(b"list", &ours), "our own signature, sent back");
    }

    #[test]
    fn names_grow_by_no_letter_in_capitals() {
        assert_eq!(upper("jos\u{e9} stra\u{df}e"), "JOS\u{c9} STRA\u{df}E");
    }
}
