//! Every answer is JSON, and says what to do.

use crate::stand::Stand;
use serde_json::json;

#[test]
fn what_is_not_understood_is_explained_in_json() {
    let stand = Stand::started();
    let long = format!("{{\"name\":\"{}\"}}", "x".repeat(1024 * 1024));
    for (method, path, body, status, code, hint) in [
        ("GET", "/", "", 404, "not-found", "there are: /v1/access"),
        ("GET", "/v1/jbos", "", 404, "not-found", "did you mean /v1/jobs?"),
        ("PATCH", "/v1/jobs", "{}", 405, "invalid", ""),
        ("GET", "/v1/jobs/%ff", "", 400, "invalid", "write each byte"),
        ("GET", "/v1/jobs/..%2f..%2fetc", "", 404, "not-found", "there is no job yet"),
        ("POST", "/v1/jobs", "", 400, "invalid", ""),
        ("POST", "/v1/jobs", "nonsense", 400, "invalid", ""),
        ("POST", "/v1/jobs", &long, 413, "too-long", "say it in"),
        ("POST", "/v1/jobs", r#"{"name":"j","conection":"lab"}"#, 400, "invalid", "did you mean `connection`?"),
        ("POST", "/v1/connections", r#"{"nmae":"x"}"#, 400, "invalid", "did you mean `name`?"),
        ("POST", "/v1/storages", r#"{"name":"s","pth":"/x"}"#, 400, "invalid", "did you mean `path`?"),
        ("POST", "/v1/storages", r#"{"name":"../s","path":"/x"}"#, 400, "invalid", ""),
    ] {
        let (answered, error) = stand.request(method, path, body.as_bytes());
        let told = format!("{method} {path}: {answered} {error}");
        assert_eq!((answered, error["code"].as_str().unwrap()), (status, code), "{told}");
        assert!(!error["message"].as_str().unwrap().is_empty(), "{told}");
        assert!(error["hint"].as_str().unwrap().starts_with(hint), "{told}");
    }
    let job = json!({"name": "j", "connection": "c", "storage": "s", "source": {"only": ["a@b"]}, "continuity": {"continuous": {"idel": "00:01:00"}}});
    let (_, error) = stand.post("/v1/jobs", &job);
    assert_eq!(error["hint"], "did you mean `idle`?", "{error}");
}
