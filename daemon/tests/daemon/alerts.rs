//! Alerts: by mail, by a command, by a URL; once, and when it is over.

use crate::stand::{Stand, dead_url, wait};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

/// A job of which every cycle fails.
fn failing(stand: &Stand) {
    for (path, body) in [
        ("/v1/connections", json!({"name": "lab", "kind": "ews", "url": dead_url(), "user": "svc", "password": "pw"})),
        ("/v1/storages", json!({"name": "main", "path": stand.path("store")})),
        (
            "/v1/jobs",
            json!({"name": "nightly", "connection": "lab", "storage": "main", "source": {"only": ["a@example.org"]}, "continuity": {"continuous": {"idle": "00:00:01"}}}),
        ),
    ] {
        let (status, answer) = stand.post(path, &body);
        assert_eq!(status, 200, "{path}: {answer}");
    }
    stand.post("/v1/jobs/nightly/start", &json!({}));
}

fn rules(stand: &Stand, text: &str) {
    std::fs::create_dir_all(stand.path("etc")).unwrap();
    std::fs::write(stand.path("etc/alerts.toml"), text).unwrap();
}

/// A command that keeps what it is given, a line for each run.
fn hook(stand: &Stand, name: &str, end: &str) -> PathBuf {
    let path = stand.path(name);
    let told = stand.path("told");
    std::fs::write(&path, format!("#!/bin/sh\ncat >> {}\n{end}\n", told.display())).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn told(stand: &Stand) -> Vec<Value> {
    let text = std::fs::read_to_string(stand.path("told")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A mail server that takes everything, without TLS; each mail's text arrives at the receiver.
fn mail_server() -> (u16, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, mails) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            stream.write_all(b"220 sink\r\n").unwrap();
            let mut line = String::new();
            while reader.read_line(&mut line).unwrap_or(0) > 0 {
                let answer = match line.get(..4).unwrap_or_default().to_uppercase().as_str() {
                    "EHLO" => "250-sink\r\n250 8BITMIME\r\n",
                    "DATA" => {
                        stream.write_all(b"354 go on\r\n").unwrap();
                        let mut mail = String::new();
                        while !mail.ends_with("\r\n.\r\n") && reader.read_line(&mut mail).unwrap() > 0 {}
                        sender.send(mail).unwrap();
                        "250 taken\r\n"
                    }
                    "QUIT" => "221 bye\r\n",
                    _ => "250 ok\r\n",
                };
                if stream.write_all(answer.as_bytes()).is_err() {
                    break;
                }
                line.clear();
            }
        }
    });
    (port, mails)
}

/// Whoever waits for pings; each path that is asked for arrives at the receiver.
fn ping_server() -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, paths) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream: TcpStream = stream.unwrap();
            let mut bytes = [0; 4096];
            let read = stream.read(&mut bytes).unwrap();
            let text = String::from_utf8_lossy(&bytes[..read]).into_owned();
            sender.send(text.split(' ').nth(1).unwrap_or_default().to_owned()).unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
        }
    });
    (url, paths)
}

#[test]
fn a_failure_is_told_once_to_a_command_and_so_is_its_end() {
    let mut stand = Stand::new();
    rules(&stand, &format!("[hook]\ncommand = [{:?}]\n", hook(&stand, "hook", "")));
    stand.start();
    failing(&stand);
    let first = wait(|| told(&stand).into_iter().next());
    assert_eq!((&first["stage"], &first["kind"], &first["object"]), (&json!("raised"), &json!("failure"), &json!("job nightly")), "{first}");
    assert!(first["message"].as_str().unwrap().contains("refused") && !first["hint"].as_str().unwrap().is_empty() && first["since"].is_string(), "{first}");
    assert_eq!(stand.get("/v1/alerts").1["open"][0]["object"], "job nightly");
    // A restart tells nothing again, though it goes on failing.
    stand.terminate();
    stand.start();
    wait(|| (stand.get("/v1/jobs/nightly").1["run"]["cycle"].as_u64() >= Some(3)).then_some(()));
    assert_eq!(told(&stand).len(), 1, "{:?}", told(&stand));
    // Whoever stops it knows.
    stand.post("/v1/jobs/nightly/stop", &json!({}));
    let last = wait(|| told(&stand).into_iter().nth(1));
    assert_eq!((&last["stage"], &last["object"]), (&json!("recovered"), &json!("job nightly")), "{last}");
    assert_eq!(stand.get("/v1/alerts").1["open"], json!([]));
}

#[test]
fn a_mail_says_what_happened_since_when_and_what_to_do() {
    let mut stand = Stand::new();
    let (port, mails) = mail_server();
    rules(
        &stand,
        &format!("[mail]\nto = [\"Ann <ann@example.org>\"]\nfrom = \"c2b@example.org\"\nserver = \"127.0.0.1\"\nport = {port}\nsecurity = \"none\"\n"),
    );
    stand.start();
    failing(&stand);
    let mail = mails.recv_timeout(PATIENCE).unwrap();
    for words in ["To: Ann <ann@example.org>", "From: c2b@example.org", "job nightly: backup fails", "what:", "since:", "do:", "c2bctl status"] {
        assert!(mail.contains(words), "{words} is not in\n{mail}");
    }
    let (_, tests) = stand.post("/v1/alerts/test", &json!({}));
    assert_eq!((&tests[0]["channel"], &tests[0]["error"]), (&json!("mail"), &Value::Null), "{tests}");
    assert!(mails.recv_timeout(PATIENCE).unwrap().contains("a test, nothing is wrong"));
    // The host's own way, which takes the mail on standard input.
    rules(&stand, &format!("[mail]\nto = [\"ann@example.org\"]\nfrom = \"c2b@example.org\"\nsendmail = {:?}\n", hook(&stand, "sendmail", "")));
    stand.reload();
    let (_, tests) = stand.post("/v1/alerts/test", &json!({}));
    assert_eq!(tests[0]["error"], Value::Null, "{tests}");
    assert!(std::fs::read_to_string(stand.path("told")).unwrap().contains("a test, nothing is wrong"));
}

#[test]
fn a_way_that_does_not_work_is_told_about_and_tried_again() {
    let mut stand = Stand::new();
    rules(
        &stand,
        &format!(
            "[hook]\ncommand = [{:?}]\n[mail]\nto = [\"a@example.org\"]\nserver = \"127.0.0.1\"\nport = 9\nuser = \"c2b\"\n",
            hook(&stand, "hook", "echo no network >&2; exit 3")
        ),
    );
    stand.start();
    failing(&stand);
    let news = wait(|| Some(stand.get("/v1/status").1["bad-news"].to_string()).filter(|news| news.contains("alerts cannot be told by hook")));
    assert!(news.contains("no network") && news.contains("alerts cannot be told by mail to a@example.org: there is no password"), "{news}");
    let waiting = |n: usize| stand.get("/v1/alerts").1["channels"][n]["waiting"].clone();
    assert_eq!((waiting(0), waiting(1)), (json!(1), json!(1)), "what was not told is lost");
    assert_eq!(stand.request("PUT", "/v1/alerts/password", json!({"password": "canary-7f3"}).to_string().as_bytes()).0, 200);
    let (_, tests) = stand.post("/v1/alerts/test", &json!({}));
    assert!(tests[0]["error"].as_str().unwrap().contains("failed to send by 127.0.0.1:9"), "{tests}");
    // A wrong file changes nothing but the bad news.
    rules(&stand, "[hook]\ncomand = [\"/bin/true\"]\n");
    stand.reload();
    let news = stand.get("/v1/status").1["bad-news"].to_string();
    assert!(news.contains("alerts.toml:2: unknown field `comand`") && news.contains("stay in force"), "{news}");
    assert_eq!(stand.get("/v1/alerts").1["channels"].as_array().unwrap().len(), 2);
    stand.terminate();
    for (path, bytes) in crate::stand::files(stand.dir.path()) {
        assert!(!bytes.windows(10).any(|window| window == b"canary-7f3"), "the password lies open in {}", path.display());
    }
}

#[test]
fn tests_reach_whoever_waits_for_pings() {
    let mut stand = Stand::new();
    let (url, paths) = ping_server();
    rules(&stand, &format!("[ping]\nurl = \"{url}/all-3141\"\n[ping.jobs]\nnightly = \"{url}/nightly-5926\"\n"));
    stand.start();
    let (_, tests) = stand.post("/v1/alerts/test", &json!({}));
    assert_eq!((&tests[0]["channel"], &tests[0]["error"]), (&json!("ping"), &Value::Null), "{tests}");
    assert_eq!([paths.recv_timeout(PATIENCE).unwrap(), paths.recv_timeout(PATIENCE).unwrap()], ["/all-3141", "/nightly-5926"]);
    // The path is as good as a password.
    assert!(!stand.get("/v1/alerts").1.to_string().contains("3141"));
}
