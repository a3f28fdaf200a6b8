//! What is wrong with a connection is named, and nothing secret is told.

use crate::answers::open;
use crate::fetching::alice;
use crate::server::{Request, Scripted, ok, status};
use c2b_ews::{EwsConfig, EwsSource, Secret};
use c2b_mailbox::{Retry, Scope, Source, SourceError, Trouble};
use std::time::Duration;
use tokio::net::TcpListener;
use url::Url;

async fn trouble_of(server: &Scripted) -> SourceError {
    server.source.folder_changes(&alice(), None).await.unwrap_err()
}

fn source_at(url: &str, spool_dir: &std::path::Path) -> EwsSource {
    let mut config = EwsConfig::new(Url::parse(url).unwrap(), "admin", Secret::new("tr0ub4dor"), spool_dir);
    config.idle_timeout = Duration::from_millis(300);
    EwsSource::new(config).unwrap()
}

#[tokio::test]
async fn answers_that_are_no_ews_are_told_apart() {
    let html = "<!DOCTYPE html><html><body>Outlook on the web &nbsp;<br></body></html>";
    for (line, headers, body, trouble, transient) in [
        ("401 Unauthorized", "WWW-Authenticate: Basic realm=\"x\"\r\n", "", Trouble::SignIn, false),
        ("403 Forbidden", "", "", Trouble::Forbidden, false),
        ("404 Not Found", "", html, Trouble::WrongUrl, false),
        ("302 Found", "Location: https://elsewhere.example/owa\r\n", "", Trouble::WrongUrl, false),
        ("200 OK", "", html, Trouble::WrongUrl, false),
        ("200 OK", "", "", Trouble::Malformed, true),
        ("200 OK", "", "<?xml version=\"1.0\"?><s:Envel", Trouble::WrongUrl, false),
        ("200 OK", "", "<s:Envelope><s:Body>", Trouble::Malformed, true),
        ("500 Internal Server Error", "", html, Trouble::Busy, true),
        ("502 Bad Gateway", "", html, Trouble::Busy, true),
    ] {
        let server = Scripted::start(move |_: &Request| status(line, headers, body)).await;
        let err = trouble_of(&server).await;
        assert_eq!((err.trouble, err.is_transient()), (trouble, transient), "{line} {body:?}: {err}");
        assert_eq!(server.all_requests().len(), 1, "{line} was asked again");
    }
}

#[tokio::test]
async fn a_server_without_basic_sign_in_is_told() {
    let server = Scripted::start(|_: &Request| status("401 Unauthorized", "WWW-Authenticate: Negotiate\r\nWWW-Authenticate: NTLM\r\n", "")).await;
    let err = trouble_of(&server).await;
    assert_eq!((err.trouble, err.scope), (Trouble::SignIn, Scope::Connection));
    assert!(err.message.ends_with("only Negotiate, NTLM"), "{}", err.message);
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let dir = tempfile::tempdir().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for url in [format!("http://{free}/EWS/Exchange.asmx"), "https://no-such-host.invalid/EWS/Exchange.asmx".to_owned()] {
        let err = source_at(&url, dir.path()).folder_changes(&alice(), None).await.unwrap_err();
        assert_eq!((err.trouble, err.scope, err.retry), (Trouble::Unreachable, Scope::Connection, Retry::Backoff), "{err}");
        assert!(!format!("{err:?}").contains("tr0ub4dor"));
    }
}

#[tokio::test]
async fn a_silent_server_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let source = source_at(&format!("http://{}/", listener.local_addr().unwrap()), dir.path());
    let err = source.folder_changes(&alice(), None).await.unwrap_err();
    assert_eq!((err.trouble, err.code.as_str()), (Trouble::Unreachable, "time-out"));
}

#[tokio::test]
async fn a_port_that_speaks_no_tls_is_a_wrong_url() {
    let server = Scripted::start(open).await;
    let dir = tempfile::tempdir().unwrap();
    let url = server.url.as_str().replace("http://", "https://");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let plain = format!("https://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    for url in [plain, url] {
        let err = source_at(&url, dir.path()).folder_changes(&alice(), None).await.unwrap_err();
        assert!(matches!(err.trouble, Trouble::WrongUrl | Trouble::Unreachable), "{err}");
    }
}

#[tokio::test]
async fn nothing_printed_holds_the_password() {
    let dir = tempfile::tempdir().unwrap();
    let config = EwsConfig::new(Url::parse("https://mail.example.org/EWS/Exchange.asmx").unwrap(), "admin", Secret::new("tr0ub4dor"), dir.path());
    assert!(!format!("{config:?}").contains("tr0ub4dor"));
    let server = Scripted::start(|_: &Request| ok("")).await;
    assert!(!format!("{:?}", trouble_of(&server).await).contains("YWRtaW5"));
}
