//! What a certificate (X.509) says about itself: how it is signed, and until when it holds.

use super::der::{Elements, INTEGER, OID, SEQUENCE, context};
use chrono::{DateTime, NaiveDateTime, Utc};
use sha2::{Digest, Sha256, Sha384, Sha512};

const SHA384_RSA: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c";
const SHA512_RSA: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d";
const SHA384_ECDSA: &[u8] = b"\x2a\x86\x48\xce\x3d\x04\x03\x03";
const SHA512_ECDSA: &[u8] = b"\x2a\x86\x48\xce\x3d\x04\x03\x04";
const RSA_PSS: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a";
const SHA384: &[u8] = b"\x60\x86\x48\x01\x65\x03\x04\x02\x02";
const SHA512: &[u8] = b"\x60\x86\x48\x01\x65\x03\x04\x02\x03";
/// Tags of the two ways to write a time.
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// Returns the channel binding `tls-server-end-point` (RFC 5929) of the server's certificate: its hash by the
/// function of its own signature, but by SHA-256 where that is MD5, SHA-1 or none.
pub(super) fn channel_binding(certificate: &[u8]) -> Vec<u8> {
    let mut binding = b"tls-server-end-point:".to_vec();
    match signature(certificate) {
        Some(SHA384_RSA | SHA384_ECDSA | SHA384) => binding.extend_from_slice(&Sha384::digest(certificate)),
        Some(SHA512_RSA | SHA512_ECDSA | SHA512) => binding.extend_from_slice(&Sha512::digest(certificate)),
        _ => binding.extend_from_slice(&Sha256::digest(certificate)),
    }
    binding
}

/// Returns the last moment at which the certificate is valid.
pub(super) fn expiry(certificate: &[u8]) -> Option<DateTime<Utc>> {
    let mut tbs = Elements(Elements(Elements(certificate).expect(SEQUENCE)?).expect(SEQUENCE)?);
    let (first, _) = tbs.next()?;
    if first == context(0) {
        tbs.expect(INTEGER)?;
    }
    let _signature = tbs.expect(SEQUENCE)?;
    let _issuer = tbs.expect(SEQUENCE)?;
    let mut validity = Elements(tbs.expect(SEQUENCE)?);
    let _begin = validity.next()?;
    let (tag, text) = validity.next()?;
    let text = std::str::from_utf8(text).ok()?;
    let whole = match tag {
        // Two digits of a year are of 1950 to 2049 (RFC 5280).
        UTC_TIME if text.get(..2)? < "50" => format!("20{text}"),
        UTC_TIME => format!("19{text}"),
        GENERALIZED_TIME => text.to_owned(),
        _ => return None,
    };
    Some(NaiveDateTime::parse_from_str(&whole, "%Y%m%d%H%M%SZ").ok()?.and_utc())
}

/// Returns the id of the signature's algorithm; that of its hash function for RSA-PSS.
fn signature(certificate: &[u8]) -> Option<&[u8]> {
    let mut parts = Elements(Elements(certificate).expect(SEQUENCE)?);
    parts.expect(SEQUENCE)?;
    let mut algorithm = Elements(parts.expect(SEQUENCE)?);
    let id = algorithm.expect(OID)?;
    if id != RSA_PSS {
        return Some(id);
    }
    let hash = Elements(algorithm.expect(SEQUENCE)?).find(context(0))?;
    Elements(Elements(hash).expect(SEQUENCE)?).expect(OID)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(algorithm: &'static rcgen::SignatureAlgorithm) -> Vec<u8> {
        let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
        let mut params = rcgen::CertificateParams::new(["mail.example.org".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(2031, 2, 3);
        params.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn the_binding_takes_the_hash_of_the_certificates_own_signature() {
        for (algorithm, bytes) in [(&rcgen::PKCS_ECDSA_P256_SHA256, 32), (&rcgen::PKCS_ECDSA_P384_SHA384, 48), (&rcgen::PKCS_ED25519, 32)] {
            let binding = channel_binding(&made(algorithm));
            assert_eq!(binding.len(), "tls-server-end-point:".len() + bytes);
        }
        assert_eq!(channel_binding(b"no certificate").len(), "tls-server-end-point:".len() + 32);
    }

    #[test]
    fn the_end_of_a_certificate_is_read() {
        assert_eq!(expiry(&made(&rcgen::PKCS_ECDSA_P256_SHA256)).unwrap().to_rfc3339(), "2031-02-03T00:00:00+00:00");
        assert_eq!(expiry(b"no certificate"), None);
    }
}
