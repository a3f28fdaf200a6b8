//! Jobs, against servers that refuse or never answer: states, stops, restarts.

use crate::stand::{Stand, dead_url, silent_server, wait};
use serde_json::{Value, json};

/// Makes connection, storage and a job on a server.
fn with_job(stand: &Stand, url: &str, continuity: &Value) {
    let connection = json!({"name": "lab", "kind": "ews", "url": url, "user": "svc", "password": "pw"});
    let storage = json!({"name": "main", "path": stand.path("store")});
    let job = json!({"name": "nightly", "connection": "lab", "storage": "main", "source": {"only": ["alice@example.org"]}, "continuity": continuity});
    for (path, body) in [("/v1/connections", connection), ("/v1/storages", storage), ("/v1/jobs", job)] {
        let (status, answer) = stand.post(path, &body);
        assert_eq!(status, 200, "{path}: {answer}");
    }
}

fn continuous() -> Value {
    json!({"continuous": {"idle": "00:00:01"}})
}

fn state(stand: &Stand) -> String {
    stand.get("/v1/jobs/nightly").1["state"].as_str().unwrap().to_owned()
}

#[test]
fn a_job_needs_a_connection_a_storage_and_a_name_of_its_own() {
    let stand = Stand::started();
    with_job(&stand, &dead_url(), &json!("one-time"));
    let base = json!({"name": "second", "connection": "lab", "storage": "main", "source": {"only": ["alice@example.org"]}, "continuity": "one-time"});
    for (key, value, status, message) in [
        ("name", json!("nightly"), 409, "there is a job nightly already"),
        ("connection", json!("lba"), 404, "there is no connection lba"),
        ("storage", json!("mian"), 404, "there is no storage mian"),
        ("source", json!({"only": []}), 400, "no mailbox is named"),
        ("source", json!({"only": ["alice"]}), 400, "is not an address"),
        ("continuity", json!({"continuous": {"idle": "5m"}}), 400, "hh:mm:ss"),
    ] {
        let mut body = base.clone();
        body[key] = value;
        let (answered, error) = stand.post("/v1/jobs", &body);
        assert_eq!(answered, status, "{key}: {error}");
        assert!(error["message"].as_str().unwrap().contains(message), "{key}: {error}");
    }
    for (path, user) in [("/v1/connections/lab", "nightly"), ("/v1/storages/main", "nightly")] {
        let (status, error) = stand.delete(path);
        assert_eq!((status, error["code"].as_str().unwrap()), (409, "state"), "{path} was deleted under a job");
        assert!(error["message"].as_str().unwrap().contains(user), "{error}");
    }
    assert_eq!(state(&stand), "inactive", "saving started the job");
    assert_eq!(stand.get("/v1/jobs/nightly/failures").1, json!([]));
    assert_eq!(stand.delete("/v1/jobs/nightly").0, 200);
    assert_eq!(stand.delete("/v1/storages/main").0, 200);
}

#[test]
fn a_one_time_job_that_cannot_reach_its_server_says_so_and_is_an_error() {
    let mut stand = Stand::started();
    with_job(&stand, &dead_url(), &json!("one-time"));
    let (status, error) = stand.post("/v1/jobs/nightly/start", &json!({}));
    assert_eq!((status, error["code"].as_str().unwrap()), (502, "server"), "{error}");
    assert!(error["message"].as_str().unwrap().contains("refused") && error["hint"] != "", "{error}");
    let job = stand.get("/v1/jobs/nightly").1;
    assert_eq!((job["state"].as_str().unwrap(), &job["last-success"]), ("error", &Value::Null), "{job}");
    assert!(job["run"]["ended"].is_string() && job["run"]["problems"][0]["code"] == "unreachable", "{job}");
    assert!(stand.get("/v1/status").1["bad-news"].to_string().contains("job nightly"));
    let lines: Vec<Value> = stand.lines("GET", "/v1/jobs/nightly/watch").collect();
    assert_eq!((lines.len(), &lines[0]["state"]), (1, &json!("error")), "watching a job that does not run");
    stand.terminate();
    let history = std::fs::read_to_string(stand.path("var/history/nightly.ndjson")).unwrap();
    let row: Value = serde_json::from_str(&history).unwrap();
    assert_eq!((row["end"].as_str().unwrap(), row["cycle"].as_u64().unwrap()), ("failed", 1), "{row}");
    stand.start();
    assert_eq!(state(&stand), "error", "a failed one-time job began again by itself");
}

#[test]
fn a_continuous_job_tries_again_and_shows_when() {
    let stand = Stand::started();
    with_job(&stand, &dead_url(), &continuous());
    stand.post("/v1/jobs/nightly/start", &json!({}));
    let job = wait(|| Some(stand.get("/v1/jobs/nightly").1).filter(|job| job["run"]["cycle"].as_u64() >= Some(2) && job["state"] == "error"));
    assert!(job["next-run"].is_string() && job["detail"].as_str().unwrap().contains("tries again at"), "{job}");
    assert_eq!(stand.post("/v1/jobs/nightly/stop", &json!({})).1["state"], "inactive");
}

#[test]
fn a_running_job_is_not_started_edited_deleted_or_rebuilt_under() {
    let (_server, url) = silent_server();
    let stand = Stand::started();
    with_job(&stand, &url, &json!("one-time"));
    assert_eq!(stand.post("/v1/jobs/nightly/stop", &json!({})).1["code"], "state");
    assert_eq!(stand.post("/v1/jobs/nightly/start", &json!({})).1["state"], "active");
    let edit = json!({"source": {"only": ["bob@example.org"]}});
    for (method, path, body) in [
        ("POST", "/v1/jobs/nightly/start", json!({})),
        ("PUT", "/v1/jobs/nightly", edit.clone()),
        ("DELETE", "/v1/jobs/nightly", json!({})),
        ("POST", "/v1/storages/main/rebuild", json!({})),
    ] {
        let (status, error) = stand.request(method, path, body.to_string().as_bytes());
        assert_eq!((status, error["code"].as_str().unwrap()), (409, "state"), "{method} {path}: {error}");
        assert!(error["message"].as_str().unwrap().contains("run") && error["hint"] != "", "{error}");
    }
    assert_eq!(stand.get("/v1/jobs/nightly").1["definition"]["source"]["only"], json!(["alice@example.org"]), "a refused edit was kept");
    let mut watch = stand.lines("GET", "/v1/jobs/nightly/watch");
    assert_eq!(watch.next().unwrap()["state"], "active");
    let mut forced = edit;
    forced["stop"] = json!(true);
    let (status, job) = stand.request("PUT", "/v1/jobs/nightly", forced.to_string().as_bytes());
    assert_eq!((status, &job["state"], &job["definition"]["source"]["only"]), (200, &json!("active"), &json!(["bob@example.org"])), "{job}");
    let (status, job) = stand.post("/v1/jobs/nightly/stop", &json!({}));
    assert_eq!((status, job["state"].as_str().unwrap()), (200, "inactive"));
    assert!(job["detail"].as_str().unwrap().starts_with("stopped by "), "{job}");
    let last = watch.last().unwrap();
    assert_eq!((&last["state"], last["run"]["ended"].is_string()), (&json!("inactive"), true), "{last}");
}

#[test]
fn what_ran_goes_on_after_a_restart_and_what_was_stopped_does_not() {
    let (_server, url) = silent_server();
    let mut stand = Stand::started();
    with_job(&stand, &url, &continuous());
    assert_eq!(stand.post("/v1/jobs/nightly/start", &json!({})).1["state"], "active");
    stand.kill();
    stand.start();
    assert_eq!(state(&stand), "active", "after a kill");
    assert_eq!(stand.post("/v1/jobs/nightly/start", &json!({})).1["state"], "active", "the run that went on by itself was not taken for the one asked for");
    assert_eq!(stand.post("/v1/jobs/nightly/start", &json!({})).1["code"], "state", "started twice");
    stand.terminate();
    stand.start();
    assert_eq!(state(&stand), "active", "after an orderly end");
    stand.post("/v1/jobs/nightly/stop", &json!({}));
    stand.terminate();
    stand.start();
    let job = stand.get("/v1/jobs/nightly").1;
    assert_eq!(job["state"], "inactive", "a stopped job began again");
    assert!(job["detail"].as_str().unwrap().starts_with("stopped by "), "{job}");
}

#[test]
fn a_job_whose_file_is_removed_by_hand_stops() {
    let (_server, url) = silent_server();
    let stand = Stand::started();
    with_job(&stand, &url, &continuous());
    stand.post("/v1/jobs/nightly/start", &json!({}));
    std::fs::remove_file(stand.path("etc/jobs/nightly.toml")).unwrap();
    stand.reload();
    assert_eq!(stand.get("/v1/jobs").1, json!([]));
    assert_eq!(stand.lines("POST", "/v1/storages/main/rebuild").last().unwrap()["event"], "done", "its run still holds the storage");
}
