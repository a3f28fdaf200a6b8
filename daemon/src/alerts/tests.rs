//! Mail, with servers that are not ours (`tests/oracle/smtp.py`).

use super::*;
use crate::machine::MachineKey;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use tempfile::TempDir;

/// A mail server; ends with this value.
struct Server {
    child: Child,
    dir: TempDir,
    port: u16,
}

impl Server {
    /// Starts one; none where there is no Python with what it needs.
    fn start(tls: &str, sign_in: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle/smtp.py");
        let mut command = Command::new(python()?);
        command.arg("-B").arg(script).arg(dir.path()).args([tls, sign_in]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().parse().unwrap_or_else(|_| panic!("the mail server said {line:?}"));
        Some(Self { child, dir, port })
    }

    /// Returns what its clients did.
    fn log(&self) -> Vec<String> {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    /// Returns what it took.
    fn mails(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.dir.path().join("mails")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Returns rules that name it, and its authority.
    fn rules(&self, security: &str, more: &str) -> String {
        let authority = self.dir.path().join("ca.pem");
        let authority = if authority.exists() { format!("ca-file = {authority:?}\n") } else { String::new() };
        format!(
            "[mail]\nto = [\"ann@example.org\"]\nfrom = \"c2b@example.org\"\nserver = \"localhost\"\nport = {}\nsecurity = \"{security}\"\n{authority}{more}",
            self.port
        )
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Alerts of their own.
struct Told {
    alerts: Arc<Alerts>,
    clock: Clock,
    dir: TempDir,
}

impl Told {
    fn by(rules: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("alerts.toml"), rules).unwrap();
        let machine = Arc::new(MachineKey::new(dir.path(), None));
        let secrets = Secrets::open(&dir.path().join("secrets"), machine).unwrap();
        let clock = Clock::manual("2026-11-22T12:00:00Z".parse().unwrap());
        let alerts = Arc::new(Alerts::open(dir.path(), dir.path(), secrets, clock.clone()));
        assert!(alerts.bad().is_none(), "{:?}", alerts.bad());
        Self { alerts, clock, dir }
    }

    /// Has these troubles and no others, and waits until the ways that are not to be left alone were tried.
    async fn have(&self, troubles: &[(&str, &str)]) {
        for told in self.begin(troubles) {
            told.await.unwrap();
        }
    }

    fn begin(&self, troubles: &[(&str, &str)]) -> Vec<JoinHandle<()>> {
        let storage = |(name, problem): &(&str, &str)| c2b_api::storage::StorageInfo {
            name: (*name).to_owned(),
            problem: Some((*problem).to_owned()),
            ..Default::default()
        };
        let now = self.clock.now();
        let (version, bad_news) = (String::new(), Vec::new());
        let storages = troubles.iter().map(storage).collect();
        let (api_version, jobs, connections) = (String::new(), Vec::new(), Vec::new());
        self.alerts.look(&Status { version, api_version, now, started: now, pid: 1, bad_news, jobs, storages, connections }, &|_: &JobStatus| None, &[]);
        self.alerts.tell()
    }

    /// Tries all ways, and returns why the first did not work.
    async fn problem(&self) -> Option<String> {
        self.alerts.test("ann").await.remove(0).error
    }
}

/// Python with a mail server; none, with a message, where it cannot be had.
fn python() -> Option<PathBuf> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        let cache = std::env::var_os("HOME").map(PathBuf::from)?.join(".cache/c2b");
        let (venv, python) = (cache.join("venv"), cache.join("venv/bin/python"));
        let is_ready = || Command::new(&python).args(["-c", "import aiosmtpd.smtp, cryptography.x509"]).output().is_ok_and(|output| output.status.success());
        if !is_ready() {
            std::fs::create_dir_all(&cache).ok()?;
            // Tests of other packages use the environment, too, and run side by side.
            let lock = std::fs::File::create(cache.join("venv.lock")).ok()?;
            lock.lock().ok()?;
            // Failures show in the check below.
            drop(Command::new("python3").args(["-m", "venv"]).arg(&venv).output());
            drop(Command::new(&python).args(["-m", "pip", "install", "--quiet", "aiosmtpd", "cryptography"]).output());
        }
        is_ready().then_some(python)
    });
    if found.is_none() {
        println!("skipped: no Python with aiosmtpd");
    }
    found.clone()
}

#[tokio::test]
async fn mail_goes_by_tls_of_both_kinds_to_who_signs_in_by_either_way() {
    for (tls, mechanism) in [("starttls", "plain"), ("tls", "login"), ("tls", "plain"), ("starttls", "login"), ("none", "no")] {
        let Some(server) = Server::start(tls, mechanism) else { return };
        let user = if mechanism == "no" { "" } else { "user = \"c2b\"\n" };
        let told = Told::by(&server.rules(tls, user));
        if mechanism != "no" {
            assert!(told.problem().await.unwrap().ends_with("give it with `c2bctl alert password`"));
            told.alerts.put_password("wrong").unwrap();
            let problem = told.problem().await.unwrap();
            assert!(problem.contains("535") && problem.ends_with("give its password with `c2bctl alert password`"), "{tls} {mechanism}: {problem}");
            assert!(!problem.contains("wrong") && server.mails().is_empty(), "{problem}");
            told.alerts.put_password("right").unwrap();
        }
        assert_eq!(told.problem().await, None, "{tls} {mechanism}");
        let mails = server.mails();
        assert_eq!((mails.len(), &mails[0]["secure"]), (1, &Value::Bool(tls != "none")), "{tls} {mechanism}: {mails:?}");
        let signed_in = server.log().iter().filter(|line| **line == format!("AUTH {} c2b", mechanism.to_uppercase())).count();
        assert_eq!(signed_in, if mechanism == "no" { 0 } else { 2 }, "{:?}", server.log());
    }
}

#[tokio::test]
async fn nothing_is_sent_to_whom_it_must_not_be() {
    for (tls, security, authority, words) in [
        // Offers to take password and mail in the clear.
        ("none", "starttls", true, "say security = \"tls\""),
        ("none", "tls", true, "say security = \"starttls\""),
        ("starttls-other", "starttls", true, "name the server as its certificate does"),
        ("tls-other", "tls", true, "name the server as its certificate does"),
        // Its issuer is nobody's here.
        ("tls", "tls", false, "with `ca-file`"),
        ("starttls", "starttls", false, "with `ca-file`"),
    ] {
        let Some(server) = Server::start(tls, "plain") else { return };
        if !authority {
            let _ = std::fs::remove_file(server.dir.path().join("ca.pem"));
        }
        let told = Told::by(&server.rules(security, "user = \"c2b\"\n"));
        told.alerts.put_password("right").unwrap();
        let problem = told.problem().await.unwrap();
        assert!(problem.contains(words), "{tls} as {security}: {problem}");
        let beyond: Vec<String> = server.log().into_iter().filter(|line| !line.starts_with("EHLO")).collect();
        assert!(beyond.is_empty() && server.mails().is_empty(), "{tls} as {security}: {beyond:?}");
    }
    let told = Told::by("[mail]\nto = [\"a@example.org\"]\nfrom = \"b@example.org\"\nserver = \"localhost\"\nca-file = \"/nonexistent.pem\"\n");
    assert!(told.problem().await.unwrap().contains("failed to read the CA file /nonexistent.pem"));
}

#[tokio::test]
async fn each_recipient_is_told_once_whatever_becomes_of_the_others() {
    let Some(server) = Server::start("none", "no") else { return };
    let to = "to = [\"refused@example.org\", \"later@example.org\", \"Ann <ann@example.org>\"]";
    let told = Told::by(&server.rules("none", "").replace("to = [\"ann@example.org\"]", to));
    told.have(&[("main", "gone")]).await;
    let taken = || server.mails().into_iter().map(|mail| mail["to"][0].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(taken(), ["ann@example.org"]);
    let news = told.alerts.news();
    assert!(news.len() == 2 && news[0].contains("by mail to refused@example.org: ") && news[0].contains("no such user"), "{news:?}");
    assert!(news[1].ends_with("451): 4.7.1 try again later; it is tried again"), "{news:?}");
    // Nobody is pressed.
    told.clock.advance(Duration::from_secs(29));
    told.have(&[("main", "gone")]).await;
    assert_eq!(taken().len(), 1);
    told.clock.advance(Duration::from_secs(1));
    told.have(&[("main", "gone")]).await;
    assert_eq!(taken(), ["ann@example.org", "later@example.org"]);
    for _ in 0..10 {
        told.clock.advance(Duration::from_secs(3600));
        told.have(&[("main", "gone")]).await;
    }
    assert_eq!(taken().len(), 2, "told again");
    let channels = told.alerts.status().channels;
    assert_eq!(channels.iter().map(|channel| (channel.waiting, channel.worked.is_some())).collect::<Vec<_>>(), [(1, false), (0, true), (0, true)]);
    // Over a restart, too, and the end is told to whom the beginning was.
    let secrets = told.alerts.secrets.clone();
    let alerts = Arc::new(Alerts::open(told.dir.path(), told.dir.path(), secrets, told.clock.clone()));
    let told = Told { alerts, ..told };
    told.have(&[]).await;
    let mails = server.mails();
    assert_eq!(taken()[2..].iter().map(String::as_str).collect::<BTreeSet<_>>(), ["ann@example.org", "later@example.org"].into());
    assert!(mails[2]["headers"]["subject"].as_str().unwrap().contains("storage main: over: "), "{mails:?}");
}

#[tokio::test]
async fn a_mail_is_read_by_others_as_it_was_meant() {
    let Some(server) = Server::start("none", "no") else { return };
    let told = Told::by(&server.rules("none", "").replace("ann@example.org", "Żaneta Ångström <ann@example.org>"));
    let long = format!("nie można otworzyć „archiwum” {}\r\nBcc: eve@example.org\r\n\r\n.\r\nforged", "bardzo ".repeat(300));
    told.have(&[("główny-ünï", &long), ("b", "second")]).await;
    let mails = server.mails();
    let (mail, headers) = (&mails[0], &mails[0]["headers"]);
    assert_eq!((mails.len(), &mail["to"], &mail["from"]), (1, &serde_json::json!(["ann@example.org"]), &serde_json::json!("c2b@example.org")));
    assert_eq!(mail["defects"], serde_json::json!([]), "{mail}");
    assert_eq!(mail["date"], "2026-11-22T12:00:00+00:00");
    assert_eq!(headers["auto-submitted"], "auto-generated");
    assert_eq!((&headers["to"], &headers["from"]), (&serde_json::json!("Żaneta Ångström <ann@example.org>"), &serde_json::json!("c2b@example.org")));
    let subject = headers["subject"].as_str().unwrap();
    assert!(subject.starts_with("[c2b ") && subject.contains("2 events, first: storage główny-ünï: trouble with the storage"), "{subject}");
    let id = headers["message-id"].as_str().unwrap();
    assert!(id.starts_with('<') && id.ends_with(&format!("@{}>", told.alerts.host)), "{id}");
    assert!(
        headers.get("bcc").is_none()
            && mail["text"].as_str().unwrap().contains("„archiwum” bardzo bardzo")
            && mail["text"].as_str().unwrap().contains("forged"),
        "{mail}"
    );
    assert!(mail["longest"].as_u64().unwrap() <= 998 && mail["ascii"] == true, "{}", mail["longest"]);
    told.have(&[]).await;
    assert_ne!(&server.mails()[1]["headers"]["message-id"], &headers["message-id"]);
}

/// Takes connections, and says nothing.
fn silent() -> (TcpListener, String) {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let rules = format!("[mail]\nto = [\"a@example.org\"]\nfrom = \"b@example.org\"\nserver = \"127.0.0.1\"\nport = {port}\nsecurity = \"none\"\n");
    (silent, rules)
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_is_given_up() {
    let (_silent, rules) = silent();
    let told = Told::by(&rules);
    let problem = told.problem().await.unwrap();
    assert!(problem.contains(" within 60 s; see whether `server`") || problem.contains("timed out") || problem.contains("elapsed"), "{problem}");
}

#[tokio::test]
async fn a_server_that_hangs_holds_up_nobody() {
    let (silent, rules) = silent();
    let told = Told::by("");
    let (hook, heard) = (told.dir.path().join("hook"), told.dir.path().join("heard"));
    std::fs::write(&hook, format!("#!/bin/sh\ncat >> {}\n", heard.display())).unwrap();
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::write(told.dir.path().join("alerts.toml"), format!("{rules}[hook]\ncommand = [{hook:?}]\n")).unwrap();
    told.alerts.reload();
    let heard = || std::fs::read_to_string(&heard).unwrap().lines().count();
    let mut begun = told.begin(&[("main", "gone")]);
    begun.pop().unwrap().await.unwrap();
    assert_eq!((begun.len(), heard()), (1, 1));
    // The one that hangs is not begun again, and the other goes on.
    told.clock.advance(Duration::from_secs(3600));
    told.have(&[]).await;
    assert_eq!((heard(), told.alerts.status().channels[0].waiting), (2, 2));
    // When it is over, it is tried again later.
    drop(silent);
    begun.pop().unwrap().await.unwrap();
    assert!(told.alerts.news()[0].contains("127.0.0.1:"), "{:?}", told.alerts.news());
    assert!(told.alerts.tell().is_empty());
    told.clock.advance(Duration::from_secs(30));
    assert_eq!(told.alerts.tell().len(), 1);
}
