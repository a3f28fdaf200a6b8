//! Sealed storages: made, opened without anybody, unlocked elsewhere, their passwords and keys.

use crate::stand::{Answer, Stand, files};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;

const PASSWORD: &str = "correct horse battery";

fn create(stand: &Stand) -> Value {
    let (status, made) = stand.post("/v1/storages", &json!({"name": "vault", "path": stand.path("vault"), "seal": true, "credential": {"password": PASSWORD}}));
    assert_eq!((status, &made["sealed"]), (200, &json!(true)), "{made}");
    made
}

fn import(stand: &Stand, from: &Stand, credential: &Value) -> Answer {
    let mut body = json!({"name": "vault", "path": from.path("vault"), "existing": true});
    if !credential.is_null() {
        body["credential"] = credential.clone();
    }
    stand.post("/v1/storages", &body)
}

fn code(answer: &Answer) -> (u16, &str) {
    (answer.0, answer.1["code"].as_str().unwrap())
}

#[test]
fn a_sealed_storage_is_opened_after_a_restart_without_anybody() {
    let mut stand = Stand::started();
    let made = create(&stand);
    assert_eq!(made["recovery-key"].as_str().unwrap().len(), 56 + 13, "{made}");
    let key = stand.path("var/machine.key");
    assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    stand.kill();
    stand.start();
    let shown = stand.get("/v1/storages/vault").1;
    assert_eq!((&shown["sealed"], &shown["problem"], &shown["uuid"]), (&json!(true), &json!(null), &made["uuid"]), "{shown}");
    assert_eq!(shown["recovery-key"], json!(null), "the recovery key is shown once");
    let check: Vec<_> = stand.lines("POST", "/v1/storages/vault/check").collect();
    assert_eq!(check.last().unwrap()["report"]["damages"], json!([]), "{check:?}");
    let rebuild: Vec<_> = stand.lines("POST", "/v1/storages/vault/rebuild").collect();
    assert_eq!(rebuild.last().unwrap()["event"], "done", "{rebuild:?}");
}

#[test]
fn secrets_are_nowhere_in_log_state_and_storage() {
    let stand = Stand::started();
    let recovery = create(&stand)["recovery-key"].as_str().unwrap().to_owned();
    stand.post("/v1/storages/vault/passwords/add", &json!({"label": "anna", "password": "s3cret of anna"}));
    let mut places = files(&stand.path("var"));
    places.extend(files(&stand.path("etc")));
    places.extend(files(&stand.path("vault")));
    places.push((stand.path("log"), stand.log().into_bytes()));
    for secret in [PASSWORD, "s3cret of anna", &recovery, &recovery.replace('-', "")] {
        for (path, bytes) in &places {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret} is in {}", path.display());
        }
    }
}

#[test]
fn another_host_needs_the_password_or_the_recovery_key_once() {
    let mut home = Stand::started();
    let recovery = create(&home)["recovery-key"].clone();
    home.terminate();
    for credential in [json!({"password": PASSWORD}), json!({"recovery-key": recovery.as_str().unwrap().to_lowercase()})] {
        let mut away = Stand::started();
        assert_eq!(code(&import(&away, &home, &json!(null))), (423, "locked"));
        assert_eq!(code(&import(&away, &home, &json!({"password": "wrong"}))), (423, "locked"));
        assert_eq!(code(&import(&away, &home, &json!({"recovery-key": "0000"}))), (400, "invalid"));
        assert_eq!(away.get("/v1/storages").1, json!([]));
        let (status, info) = import(&away, &home, &credential);
        assert_eq!((status, &info["problem"]), (200, &json!(null)), "{info}");
        away.terminate();
        away.start();
        assert_eq!(away.get("/v1/storages/vault").1["problem"], json!(null), "the machine's key was not kept");
        // As after a loss of the state folder: the storage says what is needed, and is opened again.
        away.terminate();
        std::fs::remove_file(away.path("var/machine.key")).unwrap();
        away.start();
        let problem = away.get("/v1/storages/vault").1["problem"].to_string();
        assert!(problem.contains("sealed") && problem.contains("c2bctl storage unlock vault"), "{problem}");
        assert_eq!(code(&away.post("/v1/storages/vault/unlock", &json!({"credential": {"password": "wrong"}}))), (423, "locked"));
        let (status, info) = away.post("/v1/storages/vault/unlock", &json!({"credential": credential}));
        assert_eq!((status, &info["problem"]), (200, &json!(null)), "{info}");
        away.terminate();
        away.start();
        assert_eq!(away.get("/v1/storages/vault").1["problem"], json!(null), "the new machine's key was not kept");
        away.terminate();
    }
}

#[test]
fn passwords_come_change_and_go() {
    let mut home = Stand::started();
    create(&home);
    let labels = |(status, list): Answer| {
        assert_eq!(status, 200, "{list}");
        list.as_array().unwrap().iter().map(|one| one["label"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(labels(home.get("/v1/storages/vault/passwords")).len(), 1);
    let post = |verb: &str, body: Value| home.post(&format!("/v1/storages/vault/passwords/{verb}"), &body);
    assert_eq!(labels(post("add", json!({"label": "anna", "password": "one"}))).len(), 2);
    assert_eq!(code(&post("add", json!({"label": "anna", "password": "two"}))), (409, "exists"));
    assert_eq!(code(&post("add", json!({"label": "empty", "password": ""}))), (400, "invalid"));
    assert_eq!(code(&post("change", json!({"present": "wrong", "password": "two"}))), (423, "locked"));
    assert_eq!(labels(post("change", json!({"present": "one", "password": "two"}))).len(), 2);
    assert_eq!(code(&post("remove", json!({"label": "nobody"}))), (404, "not-found"));
    let first = labels(home.get("/v1/storages/vault/passwords"))[0].clone();
    assert_eq!(labels(post("remove", json!({"label": first}))), ["anna"]);
    home.terminate();
    let away = Stand::started();
    for (password, status) in [(PASSWORD, 423), ("one", 423), ("two", 200)] {
        assert_eq!(import(&away, &home, &json!({"password": password})).0, status, "{password}");
    }
}

#[test]
fn a_new_recovery_key_ends_the_one_before() {
    let mut home = Stand::started();
    let before = create(&home)["recovery-key"].clone();
    let (status, key) = home.post("/v1/storages/vault/recovery-key", &json!({}));
    assert_eq!(status, 200, "{key}");
    home.terminate();
    let away = Stand::started();
    assert_eq!(code(&import(&away, &home, &json!({"recovery-key": before}))), (423, "locked"));
    assert_eq!(import(&away, &home, &json!({"recovery-key": key["recovery-key"]})).0, 200);
}

#[test]
fn rotated_keys_leave_the_given_password_and_this_machine() {
    let mut home = Stand::started();
    create(&home);
    home.post("/v1/storages/vault/passwords/add", &json!({"label": "anna", "password": "one"}));
    assert_eq!(code(&home.post("/v1/storages/vault/rotate-keys", &json!({"password": "wrong"}))), (423, "locked"));
    let (status, report) = home.post("/v1/storages/vault/rotate-keys", &json!({"password": "one"}));
    assert_eq!((status, &report["generation"], &report["passwords-kept"]), (200, &json!(2), &json!(["anna"])), "{report}");
    assert_eq!(report["passwords-gone"].as_array().unwrap().len(), 1, "{report}");
    home.terminate();
    home.start();
    assert_eq!(home.get("/v1/storages/vault").1["problem"], json!(null), "this machine's key was lost by the rotation");
    home.terminate();
    let away = Stand::started();
    assert_eq!(code(&import(&away, &home, &json!({"password": PASSWORD}))), (423, "locked"));
    assert_eq!(import(&away, &home, &json!({"recovery-key": report["recovery-key"]})).0, 200);
}

#[test]
fn what_contradicts_itself_is_refused() {
    let stand = Stand::started();
    let path = stand.path("s");
    for (body, status) in [
        (json!({"name": "s", "path": path, "seal": true}), 400),
        (json!({"name": "s", "path": path, "credential": {"password": "x"}}), 400),
        (json!({"name": "s", "path": path, "seal": true, "credential": {"recovery-key": "x"}}), 400),
        (json!({"name": "s", "path": path, "existing": true}), 409),
        (json!({"name": "s", "path": path, "seal": true, "credential": {"passwort": "x"}}), 400),
    ] {
        let (found, error) = stand.post("/v1/storages", &body);
        assert_eq!(found, status, "{body}: {error}");
        assert!(!path.exists(), "{body} made something");
    }
    assert_eq!(stand.post("/v1/storages", &json!({"name": "s", "path": path})).0, 200);
    for below in ["passwords/add", "rotate-keys", "recovery-key"] {
        let (status, error) = stand.post(&format!("/v1/storages/s/{below}"), &json!({"label": "a", "password": "b"}));
        assert!(status == 409 && error["message"].as_str().unwrap().contains("not sealed") || status == 400, "{below}: {error}");
    }
    assert_eq!(stand.delete("/v1/storages/s").0, 200);
    let sealing = json!({"name": "s", "path": path, "seal": true, "credential": {"password": "x"}});
    assert_eq!(code(&stand.post("/v1/storages", &sealing)), (409, "state"));
}
