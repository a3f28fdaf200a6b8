//! Servers that are dead, beside one that is not: nobody waits for them.

use c2b_tests::{Bench, until};
use nix::sys::signal::Signal;
use nix::sys::socket::{Backlog, listen};
use serde_json::Value;
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

const LETTERS: u64 = 3;

/// A server that takes connections and answers nothing, and one that takes no further connection.
struct Dead {
    silent: TcpListener,
    full: TcpListener,
    _waiting: Vec<TcpStream>,
}

impl Dead {
    fn new() -> Self {
        let [silent, full] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        listen(&full, Backlog::new(0).unwrap()).unwrap();
        let address = full.local_addr().unwrap();
        let waiting = std::iter::from_fn(|| TcpStream::connect_timeout(&address, Duration::from_millis(300)).ok()).collect();
        Self { silent, full, _waiting: waiting }
    }

    fn urls(&self) -> [String; 2] {
        [&self.silent, &self.full].map(|server| format!("http://{}/EWS/Exchange.asmx", server.local_addr().unwrap()))
    }
}

fn job(bench: &Bench, name: &str) -> Value {
    bench.ctl().json(&["job", "show", name])
}

fn cycle(bench: &Bench, name: &str) -> Option<u64> {
    job(bench, name)["run"]["cycle"].as_u64()
}

/// Makes and starts a job for one mailbox.
fn start(bench: &Bench, name: &str, connection: &str, mailbox: &str) {
    let address = format!("{mailbox}@example.org");
    bench.ctl().ok(&["job", "create", name, "--connection", connection, "--storage", "main", "--mailbox", &address, "--continuous", "--idle", "00:00:01"]);
    bench.ctl().ok(&["job", "start", name]);
}

fn connect(bench: &Bench, name: &str, url: &str) {
    bench.ctl().ok(&["connection", "create", name, "--kind", "ews", "--url", url, "--user", "admin", "--password-file", &bench.text("password")]);
}

#[test]
fn servers_that_are_dead_delay_nobody_else() {
    let bench = Bench::organisation(|org| (0..LETTERS).for_each(|n| super::letters::letter(org, "anna@example.org", n, 1, 100)), &[]);
    let dead = Dead::new();
    for (n, url) in dead.urls().iter().enumerate() {
        let connection = format!("dead{n}");
        connect(&bench, &connection, url);
        ["ben", "carla"].iter().for_each(|mailbox| start(&bench, &format!("{connection}-{mailbox}"), &connection, mailbox));
    }
    start(&bench, "anna", "lab", "anna");
    until("the job of the server that answers is in its third cycle", || cycle(&bench, "anna").filter(|cycle| *cycle >= 3));
    assert_eq!(job(&bench, "anna")["run"]["totals"]["stored"], LETTERS);
    for name in ["dead0-ben", "dead1-carla"] {
        let waiting = job(&bench, name);
        assert_eq!((waiting["state"].as_str(), waiting["run"]["cycle"].as_u64()), (Some("active"), Some(1)), "{waiting:#}");
    }
    // A mailbox at a dead connection is one job's at a time, and the other says so.
    let detail = |name: &str| job(&bench, name)["detail"].as_str().unwrap_or_default().to_owned();
    start(&bench, "second", "dead0", "ben");
    until("the second job waits", || Some(detail("second")).filter(|detail| detail == "waits for ben@example.org held by dead0-ben"));
    for name in ["dead0-ben", "dead1-carla", "second"] {
        bench.ctl().ok(&["job", "stop", name]);
    }
    assert!(cycle(&bench, "anna").unwrap() >= 3);
}

#[test]
fn a_file_that_is_edited_during_a_cycle_is_a_pending_change() {
    let bench = Bench::organisation(|org| super::letters::letter(org, "anna@example.org", 0, 1, 100), &[]);
    let dead = Dead::new();
    connect(&bench, "dead", &dead.urls()[0]);
    start(&bench, "nightly", "dead", "anna");
    assert_eq!(job(&bench, "nightly")["pending"], Value::Null);
    let path = bench.path("etc/jobs/nightly.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("\"dead\"", "\"lab\"")).unwrap();
    bench.daemon.signal(Signal::SIGHUP);
    until("the change is pending", || job(&bench, "nightly")["pending"].as_bool().filter(|pending| *pending));
    let shown = bench.ctl().ok(&["job", "show", "nightly"]);
    assert!(shown.contains("pending change"), "{shown}");
    bench.ctl().ok(&["job", "stop", "nightly"]);
    bench.ctl().ok(&["job", "start", "nightly"]);
    until("the change is in force", || cycle(&bench, "nightly").filter(|cycle| *cycle >= 2));
    assert_eq!(job(&bench, "nightly")["pending"], Value::Null);
}

/// A hand that slips in a file, a restart before anybody saw it, and nobody's backup.
#[test]
fn a_job_whose_file_was_wrong_at_the_start_is_told_of_and_goes_on_once_it_is_mended() {
    let mut bench = Bench::organisation(|org| super::letters::letter(org, "anna@example.org", 0, 1, 100), &[]);
    start(&bench, "always", "lab", "anna");
    until("its first cycle is done", || job(&bench, "always")["last-success"].as_str().map(str::to_owned));
    let path = bench.path("etc/jobs/always.toml");
    let right = std::fs::read_to_string(&path).unwrap();
    std::fs::write(bench.path("etc/alerts.toml"), "[hook]\ncommand = [\"/bin/true\"]\n").unwrap();
    assert!(bench.daemon.stop());
    std::fs::write(&path, format!("stoarge = \"main\"\n{right}")).unwrap();
    bench.restart_daemon();
    let open = until("an alert tells of it", || bench.ctl().json(&["alert", "list"])["open"].as_array().filter(|open| !open.is_empty()).cloned());
    assert!(open.len() == 1 && open[0]["kind"] == "configuration", "{open:?}");
    assert!(open[0]["message"].as_str().unwrap().contains("stoarge"), "{open:?}");
    std::fs::write(&path, &right).unwrap();
    bench.daemon.signal(Signal::SIGHUP);
    until("it goes on by itself", || cycle(&bench, "always").filter(|_| job(&bench, "always")["running"] == true));
    until("the alert is over", || bench.ctl().json(&["alert", "list"])["open"].as_array().filter(|open| open.is_empty()).map(|_| ()));
    bench.ctl().ok(&["job", "stop", "always"]);
}
