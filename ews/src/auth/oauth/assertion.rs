//! A client's certificate, and the assertion that proves that we hold its key: a JWT signed with PS256.

use crate::Secret;
use crate::auth::certificate;
use crate::error::{EwsError, Failure};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{KeyPair, RSA_PSS_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use c2b_mailbox::Trouble;
use chrono::{DateTime, Utc};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use sha2::{Digest, Sha256};
use url::Url;
use uuid::Uuid;

/// How long an assertion holds: it is used at once.
const LIFE_SECONDS: i64 = 300;
/// How far before now it begins, for services whose clock is behind ours.
const SLACK_SECONDS: i64 = 60;

/// A certificate with its key.
pub(super) struct ClientCertificate {
    key: RsaKeyPair,
    certificate: CertificateDer<'static>,
}

impl ClientCertificate {
    /// Reads a certificate and its RSA key from PEM.
    pub(super) fn parse(pem: &Secret) -> Result<Self, EwsError> {
        let wrong = |reason| EwsError::ClientCertificate { reason };
        let certificate = CertificateDer::from_pem_slice(pem.expose()).map_err(|_| wrong("it holds no certificate in PEM form"))?;
        let key = match PrivateKeyDer::from_pem_slice(pem.expose()).map_err(|_| wrong("it holds no private key in PEM form without a password"))? {
            PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
            _ => return Err(wrong("its key is not of RSA, which token services ask for")),
        };
        let key = key.map_err(|_| wrong("its key is not of RSA, which token services ask for"))?;
        let public = key.public_key().as_ref();
        if !certificate.windows(public.len()).any(|part| part == public) {
            return Err(wrong("the key is not the certificate's"));
        }
        Ok(Self { key, certificate })
    }

    /// Returns the last moment at which the certificate is valid.
    pub(super) fn expiry(&self) -> Option<DateTime<Utc>> {
        certificate::expiry(&self.certificate)
    }

    /// Makes an assertion for a token service.
    pub(super) fn assert(&self, client_id: &str, token_url: &Url, now: DateTime<Utc>) -> Result<Secret, Failure> {
        let thumbprint = URL_SAFE_NO_PAD.encode(Sha256::digest(&self.certificate));
        let header = json!({ "alg": "PS256", "typ": "JWT", "x5t#S256": thumbprint });
        let claims = json!({
            "aud": token_url.as_str(),
            "iss": client_id,
            "sub": client_id,
            "jti": Uuid::new_v4().to_string(),
            "iat": now.timestamp(),
            "nbf": now.timestamp() - SLACK_SECONDS,
            "exp": now.timestamp() + LIFE_SECONDS,
        });
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()));
        let mut signature = vec![0; self.key.public_modulus_len()];
        let made = self.key.sign(&RSA_PSS_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature);
        made.map_err(|err| Failure::new(Trouble::Local, "assertion", "the client's assertion could not be signed").caused_by(err))?;
        Ok(Secret::new(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))))
    }
}
