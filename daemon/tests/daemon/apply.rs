//! Jobs as text: applied as a whole or not at all, copied, renamed; and definition files looked at without a daemon.

use crate::stand::{Stand, dead_url, silent_server, wait};
use serde_json::{Value, json};
use std::process::Command;

const TWO: &str = "\
[[job]]
name = \"one\"
connection = \"lab\"
storage = \"main\"
continuity = \"one-time\"
source = { all-except = [] }

[[job]]
name = \"two\"
connection = \"lab\"
storage = \"main\"
continuity = { continuous = { idle = \"00:05:00\" } }
source = { only = [\"alice@example.org\"] }
activity = { time-zone = \"Europe/Warsaw\", weekly = { on = [\"monday\"], from = \"22:00\", to = \"06:00\" } }
";

fn parts(stand: &Stand, url: &str) {
    for (path, body) in [
        ("/v1/connections", json!({"name": "lab", "kind": "ews", "url": url, "user": "svc", "password": "pw"})),
        ("/v1/storages", json!({"name": "main", "path": stand.path("store")})),
    ] {
        let (status, answer) = stand.post(path, &body);
        assert_eq!(status, 200, "{path}: {answer}");
    }
}

fn apply(stand: &Stand, text: &str) -> (u16, Value) {
    stand.post("/v1/apply", &json!({"text": text, "file": "jobs.toml"}))
}

fn outcomes(answer: &Value) -> Vec<(&str, &str)> {
    answer.as_array().unwrap().iter().map(|job| (job["name"].as_str().unwrap(), job["outcome"].as_str().unwrap())).collect()
}

#[test]
fn several_jobs_are_made_changed_and_left_alone() {
    let stand = Stand::started();
    parts(&stand, &dead_url());
    let (status, planned) = stand.post("/v1/apply", &json!({"text": TWO, "dry-run": true}));
    assert_eq!((status, outcomes(&planned)), (200, vec![("one", "created"), ("two", "created")]));
    assert_eq!(stand.get("/v1/jobs").1, json!([]), "a dry run made something");
    assert_eq!(outcomes(&apply(&stand, TWO).1), [("one", "created"), ("two", "created")]);
    let next = stand.get("/v1/jobs/two").1["next-run"].clone();
    assert!(next.is_string(), "a job with activity periods does not say when it runs");
    assert_eq!(outcomes(&apply(&stand, TWO).1), [("one", "unchanged"), ("two", "unchanged")]);
    assert_eq!(outcomes(&apply(&stand, &TWO.replace("00:05:00", "00:06:00")).1), [("one", "unchanged"), ("two", "changed")]);
    // What is shown can be applied, and says the same.
    let text = stand.get("/v1/jobs/two/definition").1["text"].as_str().unwrap().to_owned();
    assert_eq!(outcomes(&apply(&stand, &text).1), [("two", "unchanged")], "{text}");
    let file = std::fs::read_to_string(stand.path("etc/jobs/two.toml")).unwrap();
    assert!(!file.contains("name") && file.contains("owner"), "{file}");
}

#[test]
fn a_mistake_in_one_job_changes_none_and_is_named_with_its_line() {
    let stand = Stand::started();
    parts(&stand, &dead_url());
    for (from, to, code, message, hint) in [
        ("idle", "idel", "config", "jobs.toml:", "did you mean `idle`?"),
        ("Europe/Warsaw", "Europe/Warsawa", "config", "no time zone \"Europe/Warsawa\"", ""),
        ("\"22:00\"", "\"25:00\"", "config", "\"25:00\" is not a time of the day", ""),
        ("name = \"two\"", "name = \"one\"", "config", "job one is in it twice", ""),
        ("name = \"two\"\n", "", "config", "a job has no name", "give name"),
        ("alice@example.org", "alice", "config", "jobs.toml:6: \"alice\" is not an address", ""),
        ("storage = \"main\"\ncontinuity = {", "storage = \"mian\"\ncontinuity = {", "not-found", "there is no storage mian", "did you mean main?"),
    ] {
        let (_, error) = apply(&stand, &TWO.replace(from, to));
        assert_eq!(error["code"], code, "{to}: {error}");
        assert!(error["message"].as_str().unwrap().contains(message) && error["hint"].as_str().unwrap().contains(hint), "{to}: {error}");
        assert_eq!(stand.get("/v1/jobs").1, json!([]), "{to}");
    }
    let (_, error) = stand.post("/v1/apply", &json!({"text": TWO.split("\n\n").next().unwrap().replace("[[job]]\n", ""), "only": "other"}));
    assert!(error["message"].as_str().unwrap().contains("it is job other, not one"), "{error}");
}

#[test]
fn a_running_job_is_changed_when_it_may_be_stopped_and_else_nothing_is() {
    let (_server, url) = silent_server();
    let stand = Stand::started();
    parts(&stand, &url);
    let text = TWO.replace("weekly = { on = [\"monday\"], from = \"22:00\", to = \"06:00\" }", "daily = {}");
    assert_eq!(apply(&stand, &text).0, 200);
    // All day, every day: it runs by itself.
    wait(|| (stand.get("/v1/jobs/two").1["detail"] == "running").then_some(()));
    let changed = text.replace("alice@", "bob@").replace("all-except = []", "all-except = [\"spam@example.org\"]");
    let (status, error) = apply(&stand, &changed);
    assert_eq!((status, error["code"].as_str().unwrap()), (409, "state"), "{error}");
    assert!(
        error["message"].as_str().unwrap().contains("job two is running, nothing was changed") && error["hint"].as_str().unwrap().contains("--stop"),
        "{error}"
    );
    assert_eq!(stand.get("/v1/jobs/one").1["definition"]["source"], json!({"all-except": []}), "a part of it was done");
    let (status, answer) = stand.post("/v1/apply", &json!({"text": changed, "stop": true}));
    assert_eq!((status, outcomes(&answer)), (200, vec![("one", "changed"), ("two", "changed")]));
    wait(|| (stand.get("/v1/jobs/two").1["detail"] == "running").then_some(()));
    assert_eq!(stand.get("/v1/jobs/two").1["definition"]["source"], json!({"only": ["bob@example.org"]}));
    assert_eq!(stand.post("/v1/jobs/two/rename", &json!({"name": "three"})).1["code"], "state", "renamed while it runs");
}

#[test]
fn a_copy_starts_from_nothing_and_a_renamed_job_keeps_its_past() {
    let mut stand = Stand::started();
    parts(&stand, &dead_url());
    assert_eq!(apply(&stand, TWO).0, 200);
    stand.post("/v1/jobs/one/start", &json!({}));
    let past = stand.get("/v1/jobs/one/history").1;
    assert_eq!((past.as_array().unwrap().len(), &past[0]["end"]), (1, &json!("failed")), "{past}");
    assert_eq!(stand.post("/v1/jobs/one/copy", &json!({"name": "two"})).1["code"], "exists");
    let copy = stand.post("/v1/jobs/one/copy", &json!({"name": "copy"})).1;
    assert_eq!((&copy["state"], &copy["definition"]["continuity"]), (&json!("inactive"), &json!("one-time")), "{copy}");
    assert_eq!(stand.get("/v1/jobs/copy/history").1, json!([]));
    assert_eq!(stand.post("/v1/jobs/one/rename", &json!({"name": "two"})).1["code"], "exists");
    let (status, renamed) = stand.post("/v1/jobs/one/rename", &json!({"name": "new"}));
    assert_eq!((status, &renamed["state"]), (200, &json!("error")), "{renamed}");
    assert_eq!((stand.get("/v1/jobs/one").0, stand.get("/v1/jobs/new/history").1), (404, past.clone()));
    stand.kill();
    stand.start();
    assert_eq!((stand.get("/v1/jobs/new").1["state"].clone(), stand.get("/v1/jobs/new/history").1), (json!("error"), past));
    for n in ["0", "x", "-1"] {
        let (status, answer) = stand.get(&format!("/v1/jobs/new/history?n={n}"));
        assert!((status, &answer) == (200, &json!([])) || (status == 400 && answer["message"].is_string()), "{n}: {answer}");
    }
}

/// Looks at definitions as `c2bctl config check` does.
fn check(stand: &Stand, path: &str) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_c2bd")).arg("--check").arg(stand.path(path)).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn definitions_are_checked_without_a_daemon() {
    let mut stand = Stand::started();
    parts(&stand, &dead_url());
    assert_eq!(apply(&stand, TWO).0, 200);
    stand.terminate();
    assert_eq!(check(&stand, "etc"), json!({"files": 4, "problems": []}));
    let two = std::fs::read_to_string(stand.path("etc/jobs/two.toml")).unwrap();
    let write = |name: &str, text: &str| std::fs::write(stand.path(name), text).unwrap();
    write("etc/jobs/two.toml", &two.replace("connection = \"lab\"", "connection = \"lap\""));
    write("etc/jobs/one.toml", "connection = \"lab\"\nstorrage = \"main\"\n");
    write("etc/storages/Main.toml", "path = \"/srv\"\n");
    let report = check(&stand, "etc");
    let found: Vec<(String, Value)> = report["problems"].as_array().unwrap().iter().map(|bad| (bad["message"].to_string(), bad["line"].clone())).collect();
    for (message, line) in [("cannot be a name", Value::Null), ("unknown field `storrage`", json!(2)), ("there is no connection lap", json!(2))] {
        assert!(found.iter().any(|(said, at)| said.contains(message) && *at == line), "{message} is not in {report}");
    }
    assert_eq!((found.len(), &report["files"]), (3, &json!(5)), "{report}");
    // One file: known by its folder, else by what is in it.
    for (name, text, problems) in
        [("etc/jobs/two.toml", two.as_str(), 0), ("loose.toml", TWO, 0), ("loose.toml", "path = \"relative\"\n", 1), ("loose.toml", "path =", 1)]
    {
        write(name, text);
        let report = check(&stand, name);
        assert_eq!((report["files"].as_u64(), report["problems"].as_array().unwrap().len()), (Some(1), problems), "{text}: {report}");
    }
    let missing = Command::new(env!("CARGO_BIN_EXE_c2bd")).arg("--check").arg(stand.path("nowhere")).output().unwrap();
    assert!(!missing.status.success() && String::from_utf8_lossy(&missing.stderr).contains("nowhere"));
    assert!(!stand.path("nowhere").exists());
}
