//! Notifications of the lab: real events, failover, quotas, many mailboxes.

use crate::oracle::{Program, lab};
use crate::watching::{Post, people};
use c2b_ews::{EwsConfig, EwsSource, Secret};
use c2b_mailbox::Trouble;
use std::process::{Command, Stdio};
use std::sync::Arc;
use tempfile::TempDir;
use url::Url;

struct Lab {
    _program: Program,
    base: String,
    dir: TempDir,
}

impl Lab {
    /// Serves so many mailboxes without mail.
    fn serve(mailboxes: usize, args: &[&str]) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        for address in people(mailboxes) {
            std::fs::create_dir_all(dir.path().join("org").join(address.as_str()).join("Inbox")).unwrap();
        }
        let mut command = Command::new(lab()?);
        command.args(["serve", "--listen", "127.0.0.1:0", "--org"]).arg(dir.path().join("org")).args(args);
        let program = Program::start(&mut command);
        let base = program.line.strip_prefix("listening on ").unwrap().trim().trim_end_matches("/EWS/Exchange.asmx").to_owned();
        Some(Self { _program: program, base, dir })
    }

    fn source(&self) -> Arc<EwsSource> {
        let url = Url::parse(&format!("{}/EWS/Exchange.asmx", self.base)).unwrap();
        Arc::new(EwsSource::new(EwsConfig::new(url, "admin", Secret::new("secret"), self.dir.path())).unwrap())
    }

    fn curl(&self, args: &[&str], path: &str) -> String {
        let mut command = Command::new("curl");
        command.args(["--silent", "--fail"]).args(args).arg(format!("{}{path}", self.base)).stdin(Stdio::null());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{path}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    async fn post(&self, path: &str, body: &str) {
        // The lab's events come while this waits, so it must not stand in their way.
        tokio::task::block_in_place(|| self.curl(&["--data-binary", body], path));
    }

    async fn deliver(&self, mailbox: &str) {
        self.post(&format!("/lab/deliver?mailbox={mailbox}"), "Subject: fresh\r\n\r\nHello\r\n").await;
    }

    fn requests(&self, operation: &str) -> u64 {
        let counters = self.curl(&[], "/lab/counters");
        let found = counters.split_once("\"by_operation\":").unwrap().1.split_once('}').unwrap().0.split_once(&format!("\"{operation}\":"));
        found.map_or(0, |(_, rest)| rest.split([',', '}']).next().unwrap().trim().parse().unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_mailboxes_are_heard_over_five_connections() {
    let Some(lab) = Lab::serve(1000, &[]) else { return };
    let mut post = Post::new(lab.source(), people(1000));
    let how = post.until(|how| how.mailboxes == 1000).await;
    assert_eq!((how.connections, how.reason.as_str()), (5, ""));
    post.begin(1000).await;
    assert_eq!((lab.requests("Subscribe"), lab.requests("GetStreamingEvents")), (1000, 5));
    for mailbox in ["user0000@example.org", "user0199@example.org", "user0200@example.org", "user0999@example.org"] {
        lab.deliver(mailbox).await;
        // One document has both events of a delivery.
        assert_eq!(post.next().await, mailbox);
    }
    assert!(post.is_quiet());
    assert_eq!((lab.requests("Subscribe"), lab.requests("GetStreamingEvents")), (1000, 5), "hearing costs no request");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_ended_is_opened_again_and_nothing_is_lost_between() {
    let Some(lab) = Lab::serve(3, &["--minute-ms", "10", "--heartbeat-ms", "40"]) else { return };
    let mut post = Post::new(lab.source(), people(3));
    post.begin(3).await;
    // Mails come before, while, and after streams end, which they do after 300 ms.
    while lab.requests("GetStreamingEvents") < 4 {
        lab.deliver("user0001@example.org").await;
        assert_eq!(post.next().await, "user0001@example.org");
    }
    assert_eq!(lab.requests("Subscribe"), 3);
    post.end().await;
    assert_eq!(lab.requests("Unsubscribe"), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failover_and_a_move_are_survived() {
    let Some(lab) = Lab::serve(3, &[]) else { return };
    let mut post = Post::new(lab.source(), people(3));
    post.begin(3).await;
    lab.post("/lab/lose-subscriptions", "").await;
    post.begin(3).await;
    lab.post("/lab/move-mailbox?mailbox=user0002@example.org", "").await;
    assert_eq!(post.next().await, "user0002@example.org", "what happened meanwhile was not told");
    lab.deliver("user0002@example.org").await;
    assert_eq!(post.next().await, "user0002@example.org");
    lab.deliver("user0000@example.org").await;
    assert_eq!(post.next().await, "user0000@example.org");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_used_up_quota_of_connections_is_told() {
    let Some(lab) = Lab::serve(5, &["--streams-max", "0"]) else { return };
    let post = Post::new(lab.source(), people(5));
    let how = post.until(|how| !how.reason.is_empty()).await;
    assert_eq!(how.mailboxes, 0);
    assert!(how.reason.contains("concurrent connections"), "{how:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lab_without_notifications_is_asked_once() {
    let Some(lab) = Lab::serve(5, &["--quirks", "no-notifications"]) else { return };
    let source = lab.source();
    for _ in 0..2 {
        assert_eq!(Post::new(Arc::clone(&source), people(5)).failed().await.trouble, Trouble::Unsupported);
    }
    let asked = lab.requests("Subscribe");
    assert!((1..=3).contains(&asked), "asked {asked} times");
}
