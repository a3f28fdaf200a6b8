//! A lab organisation and its server.

use crate::programs::program;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A running `c2b-lab serve`.
pub struct Lab {
    child: Child,
    args: Vec<String>,
    /// The organisation's folder.
    pub org: PathBuf,
    /// The URL of its EWS.
    pub url: String,
}

/// An item as the lab lists it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LabItem {
    /// Mailbox address.
    pub mailbox: String,
    /// Folder path with `/` between names.
    pub folder: String,
    /// Item id.
    pub id: String,
    /// Message class.
    pub class: String,
    /// Whether it is an associated (FAI) item.
    pub is_associated: bool,
    /// SHA-256 of the MIME as served, in hexadecimal; empty when it has none.
    pub sha256: String,
    /// Length of it in bytes.
    pub length: u64,
}

impl Lab {
    /// Generates a company into `org`.
    pub fn generate(org: &Path, mailboxes: u32, messages: u32, seed: u64) {
        Self::generate_with(org, mailboxes, messages, seed, &[]);
    }

    /// Generates a company with further arguments, for instance `--everything`.
    pub fn generate_with(org: &Path, mailboxes: u32, messages: u32, seed: u64, args: &[&str]) {
        let status = Command::new(program("c2b-lab"))
            .arg("generate")
            .arg(org)
            .args(["--mailboxes", &mailboxes.to_string(), "--messages", &messages.to_string(), "--seed", &seed.to_string()])
            .args(args)
            .stdout(Stdio::null())
            .status()
            .expect("c2b-lab generate starts");
        assert!(status.success(), "c2b-lab generate failed: {status}");
    }

    /// Serves `org` on a free port of loopback.
    pub fn serve(org: &Path, args: &[&str]) -> Self {
        let args: Vec<String> = args.iter().map(ToString::to_string).collect();
        let (child, url) = start(org, "127.0.0.1:0", &args);
        Self { child, args, org: org.to_owned(), url }
    }

    /// Ends the server without ceremony.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts the server again at the same address, with its state as at the beginning.
    pub fn restart(&mut self) {
        self.kill();
        let address = self.base().trim_start_matches("http://").trim_start_matches("https://").to_owned();
        let (child, url) = start(&self.org, &address, &self.args);
        self.child = child;
        self.url = url;
    }

    /// Returns the server's address without path.
    pub fn base(&self) -> String {
        let path = "/EWS/Exchange.asmx".len();
        self.url.get(..self.url.len().saturating_sub(path)).unwrap_or_default().to_owned()
    }

    /// Returns the counters as JSON.
    pub fn counters(&self) -> Value {
        get(&format!("{}/lab/counters", self.base()))
    }

    /// Returns how often an operation was asked for.
    pub fn requests(&self, operation: &str) -> u64 {
        self.counters()["by_operation"][operation].as_u64().unwrap_or(0)
    }

    /// Returns how many requests were answered in all.
    pub fn requests_in_all(&self) -> u64 {
        self.counters()["requests"].as_u64().unwrap_or(0)
    }

    /// Sets the counters to nothing.
    pub fn reset_counters(&self) {
        post(&format!("{}/lab/counters/reset", self.base()));
    }

    /// Makes every sync state that clients hold unusable.
    pub fn reset_sync_states(&self) {
        post(&format!("{}/lab/reset-sync-states", self.base()));
    }

    /// Puts a message into an inbox, as delivery does.
    pub fn deliver(&self, mailbox: &str, mime: &[u8]) {
        post_body(&format!("{}/lab/deliver?mailbox={mailbox}", self.base()), mime);
    }

    /// Forgets all subscriptions, as a failover does.
    pub fn lose_subscriptions(&self) {
        post(&format!("{}/lab/lose-subscriptions", self.base()));
    }

    /// Lists the items of a mailbox, sorted.
    pub fn items(&self, mailbox: &str) -> Vec<LabItem> {
        self.list(mailbox, &format!("mailbox={mailbox}"))
    }

    /// Lists the items of a mailbox's archive, sorted.
    pub fn archived(&self, mailbox: &str) -> Vec<LabItem> {
        self.list(mailbox, &format!("mailbox={mailbox}&store=archive"))
    }

    /// Lists the items of the public folders, sorted.
    pub fn public(&self) -> Vec<LabItem> {
        self.list("", "store=public")
    }

    fn list(&self, mailbox: &str, query: &str) -> Vec<LabItem> {
        let list = get(&format!("{}/lab/items?{query}", self.base()));
        let text = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
        let rows = list.as_array().expect("the lab lists items as an array");
        let mut items: Vec<LabItem> = rows
            .iter()
            .map(|row| LabItem {
                mailbox: mailbox.to_owned(),
                folder: text(row, "folder"),
                id: text(row, "id"),
                class: text(row, "class"),
                is_associated: row["is_associated"].as_bool().unwrap_or(false),
                sha256: text(row, "mime_sha256"),
                length: row["mime_bytes"].as_u64().unwrap_or(0),
            })
            .collect();
        items.sort();
        items
    }

    /// Returns how often each item was exported or served as MIME, by item id.
    pub fn fetched(&self) -> Value {
        get(&format!("{}/lab/fetched", self.base()))
    }

    /// Returns the addresses of the organisation, sorted.
    pub fn mailboxes(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(&self.org)
            .expect("the organisation is a folder")
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| name.contains('@'))
            .collect();
        names.sort();
        names
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.kill();
    }
}

fn start(org: &Path, listen: &str, args: &[String]) -> (Child, String) {
    let mut child = Command::new(program("c2b-lab"))
        .arg("serve")
        .arg("--org")
        .arg(org)
        .args(["--listen", listen])
        .args(args)
        .stdout(Stdio::piped())
        .spawn()
        .expect("c2b-lab serve starts");
    let out = child.stdout.take().expect("its output is a pipe");
    let mut lines = BufReader::new(out).lines();
    let url = loop {
        let line = lines.next().expect("c2b-lab says where it listens before it ends").expect("its output is text");
        if let Some(url) = line.strip_prefix("listening on ") {
            break url.trim().to_owned();
        }
    };
    (child, url)
}

fn get(url: &str) -> Value {
    let bytes = crate::ews::block_on(async { reqwest::Client::new().get(url).send().await?.error_for_status()?.bytes().await }).expect("the lab answers");
    serde_json::from_slice(&bytes).expect("the lab answers in JSON")
}

fn post(url: &str) {
    post_body(url, b"");
}

fn post_body(url: &str, body: &[u8]) {
    crate::ews::block_on(async { reqwest::Client::new().post(url).body(body.to_vec()).send().await?.error_for_status() }).expect("the lab answers");
}
