//! Definitions, by request and by hand, and the secrets that are none of them.

use crate::stand::{Stand, dead_url, files};
use serde_json::json;
use std::os::unix::fs::PermissionsExt;

const CANARY: &str = "correct-horse-battery-staple";

#[test]
fn a_password_is_sealed_in_one_private_file_and_told_nowhere() {
    let mut stand = Stand::started();
    let connection = json!({"name": "lab", "kind": "ews", "url": dead_url(), "user": "svc", "password": CANARY});
    let (status, made) = stand.post("/v1/connections", &connection);
    assert_eq!(status, 200, "{made}");
    let answers = [made, stand.get("/v1/connections/lab").1, stand.get("/v1/status").1, stand.post("/v1/connections/lab/check", &json!({})).1];
    for answer in answers {
        assert!(!answer.to_string().contains(CANARY), "{answer}");
    }
    let environment = std::fs::read(format!("/proc/{}/environ", stand.pid())).unwrap_or_default();
    assert!(!String::from_utf8_lossy(&environment).contains(CANARY));
    stand.terminate();
    let secret = stand.path("var/secrets/connection+lab");
    for (path, bytes) in files(stand.dir.path()) {
        let holds = bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes());
        assert!(!holds, "{}", path.display());
    }
    assert_eq!(std::fs::metadata(&secret).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::metadata(secret.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_connection_is_checked_before_it_is_made_and_names_what_is_wrong() {
    let stand = Stand::started();
    let base = json!({"name": "lab", "kind": "ews", "url": "https://mail.example.org", "user": "svc", "password": "pw"});
    for (key, value, message) in [
        ("url", json!("http://mail.example.org/EWS/Exchange.asmx"), "plain http"),
        ("url", json!("mail.example.org"), "is not a URL"),
        ("user", json!(""), "user is empty"),
        ("password", json!(""), "password is empty"),
        ("ca-file", json!("/nowhere/ca.pem"), "failed to read the CA file"),
        ("ca-file", json!("ca.pem"), "not absolute"),
        ("kind", json!("imap"), "unknown variant"),
        ("name", json!("Lab!"), "cannot be a name"),
    ] {
        let mut body = base.clone();
        body[key] = value;
        let (status, error) = stand.post("/v1/connections", &body);
        assert_eq!((status, error["code"].as_str().unwrap()), (400, "invalid"), "{key}: {error}");
        assert!(error["message"].as_str().unwrap().contains(message), "{key}: {error}");
    }
    assert_eq!(stand.get("/v1/connections").1, json!([]));
    assert_eq!(stand.post("/v1/connections", &base).0, 200);
    assert_eq!(stand.get("/v1/connections/lab").1["url"], "https://mail.example.org/EWS/Exchange.asmx");
    let (status, error) = stand.post("/v1/connections", &base);
    assert_eq!((status, error["code"].as_str().unwrap()), (409, "exists"));
    assert_eq!(stand.get("/v1/connections/lba").1["hint"], "did you mean lab?");
    assert_eq!(stand.delete("/v1/connections/lab").0, 200);
    assert_eq!(stand.get("/v1/connections/lab").0, 404);
}

#[test]
fn an_unreachable_server_is_named_by_the_check() {
    let stand = Stand::started();
    let connection = json!({"name": "lab", "kind": "ews", "url": dead_url(), "user": "svc", "password": "pw"});
    stand.post("/v1/connections", &connection);
    let (status, report) = stand.post("/v1/connections/lab/check", &json!({}));
    assert_eq!((status, report["usable"].as_bool(), report["code"].as_str()), (200, Some(false), Some("server")), "{report}");
    let errors: Vec<_> = report["findings"].as_array().unwrap().iter().filter(|finding| finding["level"] == "error").collect();
    assert!(errors.iter().any(|finding| finding["subject"] == "reachable" && finding["hint"] != ""), "{report}");
}

#[test]
fn a_wrong_file_is_named_with_its_line_and_the_definition_before_it_stays() {
    let stand = Stand::started();
    let path = stand.path("etc/connections/lab.toml");
    let good = "kind = \"ews\"\nurl = \"https://mail.example.org/EWS/Exchange.asmx\"\nuser = \"svc\"\n";
    std::fs::write(&path, good).unwrap();
    stand.reload();
    assert_eq!(stand.get("/v1/connections/lab").1["user"], "svc");
    let place = path.display().to_string();
    for (text, line, message) in [
        (good.replace("user =", "usr ="), 3, "did you mean `user`?"),
        (good.replace("https://mail.example.org/EWS/Exchange.asmx", "http://mail.example.org"), 2, "plain http"),
        (format!("{good}insecure = \"yes\"\n"), 4, "boolean"),
    ] {
        std::fs::write(&path, text).unwrap();
        stand.reload();
        let news = stand.get("/v1/status").1["bad-news"].to_string();
        assert!(news.contains(&format!("{place}:{line}: ")) && news.contains(message), "{news}");
        assert_eq!(stand.get("/v1/connections/lab").1["user"], "svc", "the definition before it is not in force any more");
    }
    let (status, error) = stand.post("/v1/connections", &json!({"name": "lab", "kind": "ews", "url": "https://x", "user": "u", "password": "p"}));
    assert_eq!(status, 409, "a wrong file was overwritten: {error}");
    std::fs::write(&path, good.replace("svc", "other")).unwrap();
    std::fs::write(stand.path("etc/connections/Bad Name.toml"), good).unwrap();
    stand.reload();
    assert_eq!(stand.get("/v1/connections/lab").1["user"], "other");
    let news = stand.get("/v1/status").1["bad-news"].to_string();
    assert!(!news.contains(&place) && news.contains("cannot be a name"), "{news}");
    std::fs::remove_file(&path).unwrap();
    stand.reload();
    assert_eq!(stand.get("/v1/connections/lab").0, 404);
}

#[test]
fn a_wrong_file_does_not_keep_the_daemon_from_starting() {
    let mut stand = Stand::new();
    std::fs::create_dir_all(stand.path("etc/jobs")).unwrap();
    std::fs::write(stand.path("etc/jobs/nightly.toml"), "connection = \n").unwrap();
    stand.start();
    let news = stand.get("/v1/status").1["bad-news"].to_string();
    assert!(news.contains("nightly.toml:1: "), "{news}");
}

#[test]
fn each_way_to_sign_in_is_made_with_what_it_needs() {
    let stand = Stand::started();
    let base = |name: &str, rest: serde_json::Value| {
        let mut body = json!({"name": name, "kind": "ews", "url": "https://mail.example.org"});
        body.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        body
    };
    let application = json!({"client-id": "app", "tenant": "example.org"});
    for (name, rest) in [
        ("ntlm", json!({"sign-in": "ntlm", "user": "EXAMPLE\\svc", "password": CANARY})),
        ("ticket", json!({"sign-in": "negotiate", "user": "svc@example.org", "kerberos": {"system-ticket": true}})),
        ("secret", json!({"sign-in": "oauth-secret", "oauth": application, "password": CANARY})),
        ("code", json!({"sign-in": "device-code", "user": "admin@example.org", "oauth": application})),
    ] {
        let (status, made) = stand.post("/v1/connections", &base(name, rest));
        assert_eq!(status, 200, "{made}");
        let shown = stand.get(&format!("/v1/connections/{name}")).1;
        assert_eq!(shown["warnings"].as_array().unwrap().len(), usize::from(name == "code"), "{shown}");
        assert!(!shown.to_string().contains(CANARY), "{shown}");
    }
    for (name, rest, message) in [
        ("a", json!({"sign-in": "ntlm", "user": "svc"}), "needs a secret"),
        ("b", json!({"sign-in": "device-code", "oauth": application, "password": CANARY}), "takes no password"),
        ("c", json!({"sign-in": "oauth-certificate", "oauth": application, "password": CANARY}), "no certificate"),
        ("d", json!({"sign-in": "oauth-secret", "password": CANARY}), "needs an application"),
        ("e", json!({"sign-in": "digest", "user": "svc", "password": CANARY}), "unknown variant"),
    ] {
        let (status, error) = stand.post("/v1/connections", &base(name, rest));
        assert_eq!((status, error["code"].as_str().unwrap()), (400, "invalid"), "{name}: {error}");
        assert!(error["message"].as_str().unwrap().contains(message), "{name}: {error}");
    }
    let (status, error) = stand.post("/v1/connections/ntlm/sign-in", &json!({}));
    assert_eq!((status, error["code"].as_str().unwrap()), (409, "state"), "{error}");
}

#[test]
fn the_machine_key_may_be_a_credential_and_what_it_sealed_needs_it() {
    let mut stand = Stand::new();
    let credentials = stand.path("credentials").to_str().unwrap().to_owned();
    std::fs::create_dir(&credentials).unwrap();
    std::fs::write(stand.path("credentials/machine.key"), "ab".repeat(32)).unwrap();
    stand.start_with(&[("CREDENTIALS_DIRECTORY", &credentials)]);
    let connection = json!({"name": "lab", "kind": "ews", "url": dead_url(), "user": "svc", "password": CANARY});
    assert_eq!(stand.post("/v1/connections", &connection).0, 200);
    stand.terminate();
    assert!(!stand.path("var/machine.key").exists(), "a file was made besides");
    stand.start_with(&[("CREDENTIALS_DIRECTORY", &credentials)]);
    assert_eq!(stand.get("/v1/connections/lab").1["warnings"], json!([]));
    stand.terminate();
    stand.start();
    let (_, lab) = stand.get("/v1/connections/lab");
    assert!(lab["warnings"][0].as_str().unwrap().contains("another machine key"), "{lab}");
    let (_, error) = stand.post("/v1/connections/lab/check", &json!({}));
    assert_eq!(error["code"], "auth", "{error}");
    assert!(error["hint"].as_str().unwrap().contains("connection edit lab --password-file"), "{error}");
    let (_, found) = stand.get("/v1/audit?action=audit%20begun");
    assert!(found[0]["outcome"].as_str().unwrap().contains("another machine key"), "{found}");
}
