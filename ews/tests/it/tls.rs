//! A certificate is trusted when the system or the given authority vouches for it, for this very host.

use crate::answers::{envelope, fault};
use c2b_ews::{EwsConfig, EwsError, EwsSource, Secret};
use c2b_mailbox::{Level, Source, Trouble};
use std::sync::Arc;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use url::Url;

/// Serves one fault to everybody under a new certificate for `name`; returns its port and the certificate.
async fn serve(name: &str) -> (u16, String) {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider())).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let _ = stream.read(&mut [0; 16 * 1024]).await;
            let body = fault("ErrorNonExistentMailbox", "");
            let _ = stream.write_all(format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len()).as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    (port, made.cert.pem())
}

fn source(port: u16, change: impl FnOnce(&mut EwsConfig), dir: &TempDir) -> Result<EwsSource, EwsError> {
    let url = Url::parse(&format!("https://localhost:{port}/EWS/Exchange.asmx")).unwrap();
    let mut config = EwsConfig::new(url, "admin@example.org", Secret::new("pw"), dir.path());
    change(&mut config);
    EwsSource::new(config)
}

async fn trouble_of(source: &EwsSource) -> Trouble {
    source.folder_changes(&crate::fetching::alice(), None).await.unwrap_err().trouble
}

#[tokio::test]
async fn an_unknown_issuer_is_refused_until_it_is_given() {
    let dir = tempfile::tempdir().unwrap();
    let (port, pem) = serve("localhost").await;
    let stranger = source(port, |_| {}, &dir).unwrap();
    assert_eq!(trouble_of(&stranger).await, Trouble::Certificate);
    let report = stranger.check(&[]).await;
    let last = report.findings.last().unwrap();
    assert_eq!((last.subject.as_str(), last.level), ("certificate", Level::Error));
    assert!(last.text.contains("issuer is unknown") && last.hint.contains("--ca-file"), "{last:?}");
    let given = source(port, |config| config.ca_pem = Some(pem.into_bytes()), &dir).unwrap();
    assert_eq!(trouble_of(&given).await, Trouble::NoSuchMailbox);
    let careless = source(port, |config| config.insecure = true, &dir).unwrap();
    assert_eq!(trouble_of(&careless).await, Trouble::NoSuchMailbox);
    assert_eq!(careless.check(&[]).await.worst(), Level::Warning);
}

#[tokio::test]
async fn a_certificate_for_another_host_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (port, pem) = serve("mail.example.org").await;
    let source = source(port, |config| config.ca_pem = Some(pem.into_bytes()), &dir).unwrap();
    let err = source.folder_changes(&crate::fetching::alice(), None).await.unwrap_err();
    assert_eq!(err.trouble, Trouble::Certificate);
    assert!(err.message.contains("another server name"), "{}", err.message);
}

#[tokio::test]
async fn a_file_without_certificates_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(source(1, |config| config.ca_pem = Some(envelope("").into_bytes()), &dir), Err(EwsError::NoCertificate)));
}
