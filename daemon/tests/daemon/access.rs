//! Who may do what, asked over the real socket as other users, and what is recorded of it.
//!
//! The kernel takes a caller's identity when it connects: the test connects with another effective user. That holds for all of
//! its process, so these tests need nextest's process for each test, and root.

use crate::login::in_a_session;
use crate::stand::{Stand, dead_url};
use nix::unistd::{Gid, Uid, User, setegid, seteuid, setgroups};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;

/// The users of these tests: every Debian has them, and nobody logs in as one.
const ROLES: [(&str, &str); 4] = [("daemon", "viewer"), ("bin", "operator"), ("sys", "restorer"), ("games", "admin")];

/// Every route with the least role that may use it.
const ROUTES: [(&str, &str, &str); 70] = [
    ("GET", "/v1/status", "viewer"),
    ("GET", "/v1/alive", "viewer"),
    ("GET", "/v1/metrics", "viewer"),
    ("GET", "/v1/openapi.json", "viewer"),
    ("GET", "/v1/config", "viewer"),
    ("GET", "/v1/alerts", "viewer"),
    ("POST", "/v1/alerts/test", "operator"),
    ("PUT", "/v1/alerts/password", "admin"),
    ("GET", "/v1/access", "viewer"),
    ("GET", "/v1/connections", "viewer"),
    ("GET", "/v1/connections/lab", "viewer"),
    ("GET", "/v1/storages", "viewer"),
    ("GET", "/v1/storages/main", "viewer"),
    ("GET", "/v1/jobs", "viewer"),
    ("GET", "/v1/jobs/nightly", "viewer"),
    ("GET", "/v1/jobs/none/watch", "viewer"),
    ("GET", "/v1/jobs/nightly/coverage", "viewer"),
    ("GET", "/v1/jobs/nightly/schedule", "viewer"),
    ("GET", "/v1/jobs/nightly/history", "viewer"),
    ("GET", "/v1/jobs/nightly/definition", "viewer"),
    ("GET", "/v1/jobs/nightly/failures", "operator"),
    ("POST", "/v1/jobs/none/failures/retry", "operator"),
    ("POST", "/v1/jobs/none/failures/acknowledge", "restorer"),
    ("POST", "/v1/jobs/none/copy", "admin"),
    ("POST", "/v1/jobs/none/rename", "admin"),
    ("POST", "/v1/apply", "admin"),
    ("POST", "/v1/jobs/none/start", "operator"),
    ("POST", "/v1/jobs/nightly/stop", "operator"),
    ("POST", "/v1/connections/none/check", "operator"),
    ("GET", "/v1/connections/none/mailboxes", "restorer"),
    ("GET", "/v1/connections/none/public-folders", "restorer"),
    ("POST", "/v1/storages/none/check", "restorer"),
    ("POST", "/v1/storages/none/mount", "restorer"),
    ("POST", "/v1/mounts", "restorer"),
    ("POST", "/v1/mounts/readings", "restorer"),
    ("GET", "/v1/storages/none/erased", "restorer"),
    ("GET", "/v1/audit", "admin"),
    ("GET", "/v1/audit/verify", "admin"),
    ("POST", "/v1/connections", "admin"),
    ("PUT", "/v1/connections/none", "admin"),
    ("DELETE", "/v1/connections/none", "admin"),
    ("PUT", "/v1/connections/none/password", "admin"),
    ("DELETE", "/v1/connections/none/password", "admin"),
    ("POST", "/v1/connections/none/unlock", "admin"),
    ("POST", "/v1/connections/none/lock", "admin"),
    ("POST", "/v1/connections/none/sign-in", "admin"),
    ("POST", "/v1/storages", "admin"),
    ("PUT", "/v1/storages/none", "admin"),
    ("DELETE", "/v1/storages/none", "admin"),
    ("POST", "/v1/storages/none/unlock", "admin"),
    ("GET", "/v1/storages/none/passwords", "admin"),
    ("POST", "/v1/storages/none/passwords/add", "admin"),
    ("POST", "/v1/storages/none/passwords/change", "admin"),
    ("POST", "/v1/storages/none/passwords/remove", "admin"),
    ("POST", "/v1/storages/none/recovery-key", "admin"),
    ("POST", "/v1/storages/none/rotate-keys", "admin"),
    ("POST", "/v1/storages/none/rebuild", "admin"),
    ("POST", "/v1/storages/none/repair", "admin"),
    ("POST", "/v1/storages/none/prune", "admin"),
    ("POST", "/v1/storages/none/unprune", "admin"),
    ("POST", "/v1/storages/none/thaw", "admin"),
    ("POST", "/v1/storages/none/free", "admin"),
    ("POST", "/v1/storages/none/erase", "admin"),
    ("POST", "/v1/storages/none/allow", "admin"),
    ("POST", "/v1/storages/none/copy", "admin"),
    ("POST", "/v1/jobs", "admin"),
    ("PUT", "/v1/jobs/none", "admin"),
    ("DELETE", "/v1/jobs/none", "admin"),
    ("GET", "/v1/nothing", "viewer"),
    ("PATCH", "/v1/jobs", "viewer"),
];

/// A daemon with a connection, a storage, a job, and roles for the users; none where the test is not root.
#[expect(clippy::print_stderr, reason = "who runs the tests should know what was not tested")]
fn stand() -> Option<Stand> {
    if !Uid::effective().is_root() {
        eprintln!("skipped: only root can call as other users");
        return None;
    }
    let mut stand = Stand::new();
    let file: String = ROLES.iter().map(|(user, role)| format!("[{role}]\nusers = [\"{user}\"]\n")).collect();
    write_access(&stand, &file);
    stand.start();
    for path in [stand.dir.path().to_owned(), stand.socket()] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777)).unwrap();
    }
    let connection = json!({"name": "lab", "kind": "ews", "url": dead_url(), "user": "svc", "password": "pw"});
    assert_eq!(stand.post("/v1/connections", &connection).0, 200);
    assert_eq!(stand.post("/v1/storages", &json!({"name": "main", "path": stand.path("storage")})).0, 200);
    assert_eq!(stand.post("/v1/jobs", &job("nightly", "lab")).0, 200);
    Some(stand)
}

fn write_access(stand: &Stand, text: &str) {
    std::fs::create_dir_all(stand.path("etc")).unwrap();
    std::fs::write(stand.path("etc/access.toml"), text).unwrap();
    std::fs::set_permissions(stand.path("etc/access.toml"), std::fs::Permissions::from_mode(0o640)).unwrap();
}

fn job(name: &str, connection: &str) -> Value {
    json!({"name": name, "connection": connection, "storage": "main", "source": {"only": ["a@b"]}, "continuity": "one-time"})
}

/// Does something as another user.
fn as_user<T>(user: &str, work: impl FnOnce() -> T) -> T {
    let user = User::from_name(user).unwrap().unwrap();
    setgroups(&[user.gid]).unwrap();
    setegid(user.gid).unwrap();
    seteuid(user.uid).unwrap();
    let result = work();
    seteuid(Uid::from_raw(0)).unwrap();
    setegid(Gid::from_raw(0)).unwrap();
    setgroups(&[]).unwrap();
    result
}

fn role_rank(role: &str) -> usize {
    ROLES.iter().position(|(_, known)| *known == role).unwrap()
}

/// Makes a request of which the answer need not be JSON.
fn status_of(stand: &Stand, method: &str, path: &str) -> u16 {
    stand.status(method, path, b"{}")
}

#[test]
fn every_route_asks_for_its_role_and_nobody_gets_in_without_one() {
    let Some(stand) = stand() else { return };
    for (method, path, least) in ROUTES {
        for (user, role) in ROLES {
            let status = as_user(user, || status_of(&stand, method, path));
            assert_eq!(status == 403, role_rank(role) < role_rank(least), "{role}: {method} {path} answered {status}");
        }
        assert_eq!(as_user("nobody", || status_of(&stand, method, path)), 403, "{method} {path} for nobody");
    }
    let (_, error) = as_user("daemon", || stand.post("/v1/jobs/nightly/start", &json!({})));
    assert_eq!((error["code"].as_str(), error["message"].as_str()), (Some("forbidden"), Some("daemon has the role viewer; this needs operator")));
}

#[test]
fn a_wrong_file_leaves_the_one_before_in_force_and_none_is_for_the_group_only() {
    let Some(stand) = stand() else { return };
    write_access(&stand, "[viewer]\nusers = [\"nobody\"]\n[admn]\nusers = [\"nobody\"]\n");
    stand.reload();
    let (_, status) = stand.get("/v1/status");
    let news = status["bad-news"].to_string();
    assert!(news.contains("access.toml:3") && news.contains("did you mean `admin`?"), "{news}");
    assert_eq!(as_user("nobody", || stand.get("/v1/status").0), 403);
    assert_eq!(as_user("games", || stand.get("/v1/status").0), 200);
    let (_, access) = as_user("games", || stand.get("/v1/access"));
    assert_eq!((access["caller"]["user"].as_str(), access["caller"]["role"].as_str()), (Some("games"), Some("admin")));
    assert_eq!(as_user("daemon", || stand.get("/v1/access").1["grants"].clone()), json!([]), "a viewer sees who else may do what");
    write_access(&stand, "[viewer]\ngroups = [\"nogroup\"]\n");
    stand.reload();
    assert_eq!(as_user("nobody", || stand.get("/v1/status").0), 200, "a group gives no role");
    assert_eq!(as_user("games", || stand.get("/v1/status").0), 403);
    std::fs::remove_file(stand.path("etc/access.toml")).unwrap();
    stand.reload();
    assert_eq!(as_user("nobody", || stand.get("/v1/status").0), 403);
    assert_eq!(stand.get("/v1/status").0, 200);
}

#[test]
fn what_people_do_and_what_they_are_refused_is_recorded() {
    let Some(mut stand) = stand() else { return };
    as_user("bin", || stand.post("/v1/jobs/nightly/stop", &json!({})));
    as_user("daemon", || stand.post("/v1/storages/main/erase", &json!({"mailbox": "alice@example.org"})));
    as_user("sys", || stand.post("/v1/storages/main/mount", &json!({"dir": "/mnt"})));
    let entries = crate::stand::wait(|| {
        let (_, entries) = stand.get("/v1/audit");
        let entries = entries.as_array().unwrap().clone();
        entries.iter().any(|entry| entry["user"] == "daemon").then_some(entries)
    });
    let of = |user: &str| entries.iter().find(|entry| entry["user"] == user).unwrap();
    assert_eq!(
        (of("bin")["action"].as_str(), of("bin")["object"].as_str(), of("bin")["outcome"].as_str()),
        (Some("job stop"), Some("nightly"), Some("failed: state"))
    );
    assert_eq!((of("daemon")["action"].as_str(), of("daemon")["mailboxes"][0].as_str()), (Some("storage erase"), Some("alice@example.org")));
    assert!(of("daemon")["outcome"].as_str().unwrap().starts_with("refused: "), "{entries:?}");
    assert_eq!((of("sys")["action"].as_str(), of("sys")["detail"].as_str(), of("sys")["outcome"].as_str()), (Some("mount"), Some("at /mnt"), Some("done")));
    assert!(of("sys")["uid"].is_u64() && of("sys")["session"].is_string());
    assert!(entries.iter().any(|entry| entry["action"] == "connection create" && entry["object"] == "lab" && entry["user"] == "root"));
    let (_, found) = stand.get("/v1/audit?mailbox=ALICE@example.org&limit=5");
    assert_eq!(found.as_array().unwrap().len(), 1);
    assert_eq!(stand.get("/v1/audit?limt=5").1["code"], "invalid");
    let (_, report) = stand.get("/v1/audit/verify");
    assert_eq!(report["intact"], true, "{report}");
    stand.terminate();
    let log = stand.path("var/audit/audit.ndjson");
    let text = std::fs::read_to_string(&log).unwrap();
    assert!(!text.contains("\"pw\""), "a secret is in the audit log");
    std::fs::write(&log, text.replace("alice@", "malice@")).unwrap();
    stand.start();
    assert_eq!(stand.get("/v1/audit/verify").1["intact"], false);
}

#[test]
fn what_cannot_be_recorded_is_not_done() {
    let stand = Stand::started();
    std::fs::create_dir_all(stand.path("var/audit/audit.ndjson")).unwrap();
    let (status, error) = stand.post("/v1/storages", &json!({"name": "main", "path": stand.path("storage")}));
    assert_eq!(status, 500, "{error}");
    assert!(error["message"].as_str().unwrap().contains("nothing was done"), "{error}");
    assert_eq!(stand.get("/v1/storages").1, json!([]), "what only shows states goes on");
}

#[test]
fn a_connection_with_a_password_asks_others_than_its_owner_once_in_a_session() {
    if !in_a_session("access::a_connection_with_a_password_asks_others_than_its_owner_once_in_a_session") {
        return;
    }
    let Some(stand) = stand() else { return };
    write_access(&stand, "[admin]\nusers = [\"games\", \"sys\"]\n");
    stand.reload();
    let connection = json!({"name": "mine", "kind": "ews", "url": dead_url(), "user": "svc", "password": "pw"});
    as_user("sys", || {
        assert_eq!(stand.post("/v1/connections", &connection).0, 200);
        assert_eq!(stand.post("/v1/jobs", &job("theirs", "mine")).0, 200);
    });
    let set = json!({"password": "open sesame"});
    let put = |body: &Value| stand.request("PUT", "/v1/connections/mine/password", body.to_string().as_bytes());
    let (status, error) = as_user("games", || put(&set));
    assert_eq!((status, error["message"].as_str()), (403, Some("connection mine belongs to sys")));
    assert_eq!(as_user("sys", || put(&json!({"password": "short"}))).0, 400);
    assert_eq!(as_user("sys", || put(&set)).1["guarded"], true);
    let attempts = || {
        let edited = json!({"name": "mine", "kind": "ews", "url": connection["url"], "user": "svc", "mailboxes": ["names"]}).to_string();
        [
            stand.post("/v1/jobs", &job("new", "mine")).0,
            stand.request("PUT", "/v1/jobs/theirs", json!({"continuity": "one-time"}).to_string().as_bytes()).0,
            stand.request("PUT", "/v1/jobs/nightly", json!({"connection": "mine"}).to_string().as_bytes()).0,
            stand.request("PUT", "/v1/connections/mine", edited.as_bytes()).0,
        ]
    };
    assert_eq!(as_user("games", attempts), [423; 4]);
    assert_eq!(as_user("games", || stand.post("/v1/connections/mine/unlock", &json!({"password": "guess"})).0), 423);
    assert_eq!(as_user("games", attempts), [423; 4]);
    assert_eq!(as_user("games", || stand.post("/v1/connections/mine/unlock", &set).0), 200);
    assert_eq!(as_user("games", attempts), [200; 4]);
    assert_eq!(as_user("games", || stand.delete("/v1/jobs/new").0), 200);
    assert_eq!(as_user("games", || stand.post("/v1/connections/mine/lock", &json!({})).0), 200);
    assert_eq!(as_user("games", attempts), [423; 4]);
    assert_eq!(as_user("sys", || stand.request("PUT", "/v1/jobs/theirs", b"{}").0), 200, "the owner is asked");
    assert_eq!(stand.request("PUT", "/v1/jobs/theirs", b"{}").0, 200, "root is asked");
    assert_eq!(as_user("sys", || stand.delete("/v1/connections/mine/password").0), 200);
    assert_eq!(as_user("games", || stand.request("PUT", "/v1/jobs/theirs", b"{}").0), 200);
}

#[test]
fn a_secret_that_would_go_elsewhere_must_be_given_again() {
    let stand = Stand::started();
    let url = dead_url();
    let body = |more: Value| {
        let mut body = json!({"name": "lab", "kind": "ews", "url": url, "user": "svc"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    assert_eq!(stand.post("/v1/connections", &body(json!({"password": "pw"}))).0, 200);
    let put = |more: Value| stand.request("PUT", "/v1/connections/lab", body(more).to_string().as_bytes());
    for elsewhere in [
        json!({"url": dead_url()}),
        json!({"insecure": true}),
        json!({"user": "other"}),
        json!({"sign-in": "ntlm"}),
        json!({"ldap": {"url": "ldaps://127.0.0.1"}}),
    ] {
        let (status, error) = put(elsewhere.clone());
        assert_eq!((status, error["code"].as_str()), (400, Some("invalid")), "{elsewhere}: {error}");
        assert!(error["message"].as_str().unwrap().contains("given again"), "{elsewhere}: {error}");
        let mut with = elsewhere.clone();
        with["password"] = json!("swordfish-9");
        assert_eq!(put(with).0, 200, "{elsewhere}");
        assert_eq!(put(json!({"password": "pw"})).0, 200, "back again");
    }
    let (status, info) = put(json!({"mailboxes": ["names"]}));
    assert_eq!((status, &info["mailboxes"]), (200, &json!(["names"])), "{info}");
    assert_eq!(put(json!({"name": "other", "password": "pw"})).0, 400);
    assert!(!stand.log().contains("swordfish-9"), "a secret is in the log");
}
