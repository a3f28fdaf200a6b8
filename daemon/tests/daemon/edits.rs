//! Changes of a storage's definition: name, retention, reserve.

use crate::stand::Stand;
use serde_json::{Value, json};

fn put(stand: &Stand, name: &str, body: &Value) -> (u16, Value) {
    stand.request("PUT", &format!("/v1/storages/{name}"), body.to_string().as_bytes())
}

#[test]
fn a_policy_is_kept_in_the_definition_and_a_wrong_one_is_not() {
    let mut stand = Stand::started();
    assert_eq!(stand.post("/v1/storages", &json!({"name": "main", "path": stand.path("store")})).0, 200);
    let policy = json!({"superseded-after": "90d", "deleted-after": "1y", "every": "1d"});
    let (status, info) = put(&stand, "main", &json!({"retention": policy, "reserve": "512MiB"}));
    assert_eq!((status, &info["retention"], &info["reserve-bytes"]), (200, &policy, &json!(512 << 20)), "{info}");
    let file = std::fs::read_to_string(stand.path("etc/storages/main.toml")).unwrap();
    assert!(file.contains("reserve = \"512MiB\"") && file.contains("[retention]") && file.contains("deleted-after = \"1y\""), "{file}");
    for wrong in [json!({"every": "1d"}), json!({"versions-max": 0}), json!({"superseded-after": "never"}), json!({"superseeded-after": "1d"})] {
        let (status, error) = put(&stand, "main", &json!({"retention": wrong}));
        assert_eq!(status, 400, "{wrong}: {error}");
    }
    stand.terminate();
    stand.start();
    assert_eq!(stand.get("/v1/storages/main").1["retention"], policy);
    assert_eq!(put(&stand, "main", &json!({"retention": {}})).1["retention"], json!({}));
    assert!(!std::fs::read_to_string(stand.path("etc/storages/main.toml")).unwrap().contains("retention"));
}

#[test]
fn a_renamed_storage_takes_its_jobs_along() {
    let mut stand = Stand::started();
    assert_eq!(stand.post("/v1/storages", &json!({"name": "main", "path": stand.path("store")})).0, 200);
    let connection = json!({"name": "lab", "kind": "ews", "url": "http://127.0.0.1:9/", "user": "u", "password": "p", "insecure": true});
    assert_eq!(stand.post("/v1/connections", &connection).0, 200);
    let job = json!({"name": "nightly", "connection": "lab", "storage": "main", "source": {"only": ["a@example.org"]}, "continuity": "one-time"});
    assert_eq!(stand.post("/v1/jobs", &job).0, 200);
    let (status, info) = put(&stand, "main", &json!({"name": "attic"}));
    assert_eq!((status, &info["name"], &info["jobs"], &info["problem"]), (200, &json!("attic"), &json!(["nightly"]), &json!(null)), "{info}");
    assert_eq!(stand.get("/v1/storages/main").0, 404);
    assert_eq!(stand.get("/v1/jobs/nightly").1["definition"]["storage"], "attic");
    stand.terminate();
    stand.start();
    assert_eq!(stand.get("/v1/storages/attic").1["problem"], json!(null));
    assert_eq!(stand.post("/v1/storages", &json!({"name": "main", "path": stand.path("other")})).0, 200);
    assert_eq!(put(&stand, "attic", &json!({"name": "main"})).0, 409);
    assert_eq!(put(&stand, "attic", &json!({"name": "no/name"})).0, 400);
}

#[test]
fn below_the_reserve_a_cycle_pauses_and_goes_on_by_itself() {
    let stand = Stand::started();
    assert_eq!(stand.post("/v1/storages", &json!({"name": "main", "path": stand.path("store")})).0, 200);
    let connection = json!({"name": "lab", "kind": "ews", "url": "http://127.0.0.1:9/", "user": "u", "password": "p", "insecure": true});
    assert_eq!(stand.post("/v1/connections", &connection).0, 200);
    let job = json!({"name": "nightly", "connection": "lab", "storage": "main", "source": {"only": ["a@example.org"]}, "continuity": {"continuous": {"idle": "00:00:01"}}});
    assert_eq!(stand.post("/v1/jobs", &job).0, 200);
    assert_eq!(put(&stand, "main", &json!({"reserve": "1000TiB"})).1["low-space"], true);
    let (status, started) = stand.post("/v1/jobs/nightly/start", &json!({}));
    assert_eq!(status, 200, "{started}");
    assert!(started["detail"].as_str().unwrap().starts_with("paused: low space"), "{started}");
    // Everything else goes on at zero bytes free.
    assert_eq!(stand.lines("POST", "/v1/storages/main/check").last().unwrap()["event"], "done");
    assert_eq!(put(&stand, "main", &json!({"reserve": "0"})).1["low-space"], false);
    // Now it fails for the server that is not there, and no more for space.
    crate::stand::wait(|| stand.get("/v1/jobs/nightly").1["detail"].as_str().filter(|detail| !detail.contains("low space")).map(str::to_owned));
}
