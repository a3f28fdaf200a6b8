//! Signing in is understood by an implementation that shares nothing with ours: pyspnego for NTLM and Negotiate with
//! channel binding, PyJWT for the assertion of a certificate.

use crate::answers::fault;
use crate::fetching::alice;
use crate::oracle::{Program, python, script};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa;
use c2b_ews::auth::oauth::{Grant, OAuth, WallClock};
use c2b_ews::auth::{Account, Negotiate};
use c2b_ews::{EwsConfig, EwsSource, Secret, SignIn};
use c2b_mailbox::{Source, SourceError, Trouble};
use chrono::{DateTime, Utc};
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;
use url::Url;

/// Which certificate the acceptor thinks is its own.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Channel {
    Plain,
    Right,
    Wrong,
}

struct Acceptor {
    program: Program,
    source: EwsSource,
    _dir: TempDir,
}

/// Starts pyspnego behind HTTP, which knows `LAB\backup` and `backup@example.org`, and a client for it.
fn acceptor(python: &Path, sign_in: SignIn, channel: Channel) -> Acceptor {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    std::fs::write(path("answer.xml"), fault("ErrorNonExistentMailbox", "")).unwrap();
    std::fs::write(path("users"), "LAB:backup:Pa\u{df}w0rd\n:backup@example.org:Pa\u{df}w0rd\n").unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(path("server.pem"), made.cert.pem() + &made.signing_key.serialize_pem()).unwrap();
    let scheme = if matches!(sign_in, SignIn::Ntlm(_)) { "NTLM" } else { "Negotiate" };
    let (scheme_of_url, pem) = if channel == Channel::Plain { ("http", "-".into()) } else { ("https", path("server.pem")) };
    let binding = if channel == Channel::Wrong { "wrong" } else { "right" };
    let mut command = Command::new(python);
    command.arg(script("acceptor.py")).arg(scheme).arg(path("answer.xml")).arg(pem).arg(binding).env("NTLM_USER_FILE", path("users"));
    let program = Program::start(&mut command);
    let url = Url::parse(&format!("{scheme_of_url}://localhost:{}/EWS/Exchange.asmx", program.line)).unwrap();
    let mut config = EwsConfig::with(url, sign_in, dir.path());
    config.ca_pem = Some(made.cert.pem().into_bytes());
    Acceptor { program, source: EwsSource::new(config).unwrap(), _dir: dir }
}

impl Acceptor {
    async fn ask(&self) -> SourceError {
        self.source.folder_changes(&alice(), None).await.unwrap_err()
    }
}

fn account(user: &str, password: &str) -> Account {
    Account { user: user.to_owned(), password: Secret::new(password) }
}

/// A user whose realm has no server: Negotiate must do with NTLM.
fn negotiate(user: &str) -> SignIn {
    SignIn::Negotiate(Negotiate { user: user.to_owned(), password: Some(Secret::new("Pa\u{df}w0rd")), service: None })
}

#[tokio::test]
async fn pyspnego_takes_our_ntlm_on_one_connection() {
    let Some(python) = python() else { return };
    for channel in [Channel::Plain, Channel::Right] {
        for user in ["LAB\\backup", "backup@example.org"] {
            let acceptor = acceptor(&python, SignIn::Ntlm(account(user, "Pa\u{df}w0rd")), channel);
            for _ in 0..3 {
                assert_eq!(acceptor.ask().await.trouble, Trouble::NoSuchMailbox);
            }
            let said = acceptor.program.end();
            assert_eq!(said.matches("signed in:").count(), 1, "{said}");
        }
    }
}

#[tokio::test]
async fn pyspnego_refuses_our_ntlm_for_another_channel_or_password() {
    let Some(python) = python() else { return };
    for (sign_in, channel, reason) in [
        (SignIn::Ntlm(account("LAB\\backup", "Pa\u{df}w0rd")), Channel::Wrong, "bindings"),
        (SignIn::Ntlm(account("LAB\\backup", "password")), Channel::Right, "Invalid NTLM response"),
    ] {
        let acceptor = acceptor(&python, sign_in, channel);
        let err = acceptor.ask().await;
        assert_eq!(err.trouble, Trouble::SignIn, "{err}");
        let report = acceptor.source.check(&[]).await;
        let last = report.findings.last().unwrap();
        assert!(last.subject == "sign-in" && last.hint.contains("Extended Protection"), "{last:?}");
        let said = acceptor.program.end();
        assert!(said.contains(reason), "{said}");
    }
}

#[tokio::test]
async fn pyspnego_takes_our_negotiate_with_ntlm_in_it() {
    let Some(python) = python() else { return };
    crate::kerberos::without_kerberos("signing::pyspnego_takes_our_negotiate_with_ntlm_in_it", async {
        let acceptor = acceptor(&python, negotiate("LAB\\backup"), Channel::Right);
        assert_eq!(acceptor.ask().await.trouble, Trouble::NoSuchMailbox);
        assert_eq!(acceptor.ask().await.trouble, Trouble::NoSuchMailbox);
        let said = acceptor.program.end();
        assert_eq!(said.matches("signed in:").count(), 1, "{said}");
    })
    .await;
}

#[tokio::test]
async fn pyjwt_verifies_our_assertion() {
    let Some(python) = python() else { return };
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("answer.xml"), fault("ErrorNonExistentMailbox", "")).unwrap();
    let (certificate, pem) = client_certificate();
    std::fs::write(dir.path().join("client.pem"), certificate).unwrap();
    let mut command = Command::new(python);
    command.arg(script("token_service.py")).arg(dir.path().join("client.pem")).arg("the-app").arg(dir.path().join("answer.xml"));
    let program = Program::start(&mut command);
    let base = format!("http://127.0.0.1:{}", program.line);
    let sign_in = SignIn::OAuth(OAuth {
        token_url: Url::parse(&format!("{base}/tenant/oauth2/v2.0/token")).unwrap(),
        client_id: "the-app".to_owned(),
        scope: "https://outlook.office365.com/.default".to_owned(),
        grant: Grant::Certificate(Secret::new(pem)),
        secret_expires: None,
        clock: wall_clock(),
    });
    let source = EwsSource::new(EwsConfig::with(Url::parse(&format!("{base}/EWS/Exchange.asmx")).unwrap(), sign_in, dir.path())).unwrap();
    for _ in 0..2 {
        let err = source.folder_changes(&alice(), None).await.unwrap_err();
        assert_eq!(err.trouble, Trouble::NoSuchMailbox, "{err}");
    }
    let report = source.check(&[]).await;
    assert!(report.findings.iter().any(|finding| finding.subject == "client certificate" && finding.text.contains("holds until 2031-02-03")), "{report:?}");
}

/// Makes a certificate of RSA; returns it, and it with its key.
pub(crate) fn client_certificate() -> (String, String) {
    let der: Pkcs8V1Der<'_> = rsa::KeyPair::generate(rsa::KeySize::Rsa2048).unwrap().as_der().unwrap();
    let key = rcgen::KeyPair::try_from(der.as_ref()).unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.not_after = rcgen::date_time_ymd(2031, 2, 3);
    let certificate = params.self_signed(&key).unwrap().pem();
    let both = certificate.clone() + &key.serialize_pem();
    (certificate, both)
}

/// The system's clock, as the daemon would hand it in.
#[expect(clippy::disallowed_methods, reason = "token services look at the real time")]
pub(crate) fn wall_clock() -> WallClock {
    WallClock::new(|| -> DateTime<Utc> { Utc::now() })
}
