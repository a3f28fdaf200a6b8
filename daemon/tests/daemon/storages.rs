//! What becomes a storage and what does not.

use crate::stand::{Stand, files};
use serde_json::json;

#[test]
fn a_storage_is_made_checked_rebuilt_forgotten_and_attached() {
    let stand = Stand::started();
    let path = stand.path("store");
    let (status, made) = stand.post("/v1/storages", &json!({"name": "main", "path": path}));
    assert_eq!(status, 200, "{made}");
    assert!(made["uuid"].is_string() && made["format"].as_u64() > Some(0), "{made}");
    let check: Vec<_> = stand.lines("POST", "/v1/storages/main/check").collect();
    assert_eq!(check.last().unwrap()["report"]["damages"], json!([]), "{check:?}");
    let rebuild: Vec<_> = stand.lines("POST", "/v1/storages/main/rebuild").collect();
    assert_eq!(rebuild.last().unwrap()["event"], "done", "{rebuild:?}");
    assert_eq!(stand.get("/v1/storages/main").1["problem"], json!(null), "not usable after the rebuild");
    let (status, error) = stand.post("/v1/storages", &json!({"name": "again", "path": format!("{}/.", path.display())}));
    assert_eq!((status, error["code"].as_str().unwrap()), (409, "exists"), "one folder became two storages: {error}");
    assert_eq!(stand.delete("/v1/storages/main").0, 200);
    assert!(path.join("storage.toml").exists(), "the files are gone");
    let (status, attached) = stand.post("/v1/storages", &json!({"name": "other", "path": path}));
    assert_eq!((status, &attached["uuid"]), (200, &made["uuid"]), "{attached}");
}

#[test]
fn what_cannot_be_a_storage_is_refused_and_not_touched() {
    let stand = Stand::started();
    let foreign = stand.path("foreign");
    std::fs::create_dir_all(foreign.join("photos")).unwrap();
    std::fs::write(foreign.join("photos/cat.jpg"), "miaow").unwrap();
    let newer = stand.path("newer");
    assert_eq!(stand.post("/v1/storages", &json!({"name": "n", "path": newer})).0, 200);
    assert_eq!(stand.delete("/v1/storages/n").0, 200);
    let description = newer.join("storage.toml");
    let text = std::fs::read_to_string(&description).unwrap();
    let raised: Vec<String> =
        text.lines().map(|line| if line.starts_with("format") || line.starts_with("version") { raise(line) } else { line.to_owned() }).collect();
    assert_ne!(raised.join("\n"), text.trim_end(), "the version's line was not found in {text}");
    std::fs::write(&description, raised.join("\n") + "\n").unwrap();
    for (path, message) in
        [(foreign.clone(), "not empty"), (newer, "newer"), ("relative/path".into(), "not an absolute path"), ("/proc/c2b".into(), "/proc/c2b")]
    {
        let before = path.is_absolute().then(|| path.is_dir().then(|| files(&path)));
        let (status, error) = stand.post("/v1/storages", &json!({"name": "main", "path": path}));
        assert!(status >= 400 && error["message"].as_str().unwrap().contains(message), "{error}");
        assert_eq!(path.is_absolute().then(|| path.is_dir().then(|| files(&path))), before, "{} was touched", path.display());
    }
    assert_eq!(stand.get("/v1/storages").1, json!([]));
}

#[test]
fn a_storage_of_another_daemon_is_refused_with_its_pid() {
    let (one, two) = (Stand::started(), Stand::started());
    let body = json!({"name": "main", "path": one.path("store")});
    assert_eq!(one.post("/v1/storages", &body).0, 200);
    let (status, error) = two.post("/v1/storages", &body);
    assert_eq!((status, error["code"].as_str().unwrap()), (409, "state"), "{error}");
    assert!(error["message"].as_str().unwrap().contains(&format!("pid {}", one.pid())), "{error}");
    std::fs::write(two.path("etc/storages/main.toml"), format!("path = {:?}\n", one.path("store"))).unwrap();
    two.reload();
    let problem = two.get("/v1/storages").1[0]["problem"].to_string();
    assert!(problem.contains(&format!("pid {}", one.pid())), "{problem}");
    std::fs::remove_file(one.path("etc/storages/main.toml")).unwrap();
    one.reload();
    assert_eq!(two.get("/v1/storages").1[0]["problem"], json!(null), "not opened once it was free");
}

fn raise(line: &str) -> String {
    let key = line.split('=').next().unwrap_or_default();
    format!("{key}= 99")
}
