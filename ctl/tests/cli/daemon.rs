//! A daemon that says what it is told to say, on a real Unix socket. HTTP is written by hand, so that answers can be broken at any byte.

use serde_json::Value;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use tempfile::TempDir;

/// What is answered to one request.
#[derive(Clone)]
pub(crate) enum Answer {
    /// A value and an HTTP status.
    Json(u16, Value),
    /// A stream that ends as it should.
    Lines(Vec<Value>),
    /// A stream that breaks off after some lines and a piece of one.
    Cut(Vec<Value>, &'static str),
    /// A stream that ends properly, but in the middle of a line.
    Short(Vec<Value>, &'static str),
    /// A stream that goes on until the client hangs up.
    Endless(Vec<Value>),
    /// These bytes, then the end.
    Raw(&'static [u8]),
}

/// A request as it came.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Request {
    /// Method and path.
    pub(crate) line: String,
    /// Its body; null when there is none.
    pub(crate) body: Value,
}

/// A scripted daemon; its socket is in its own folder.
pub(crate) struct Daemon {
    dir: TempDir,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Daemon {
    /// Starts with answers by `METHOD /path`. What is not in the script is "not found".
    pub(crate) fn new(script: impl IntoIterator<Item = (&'static str, Answer)>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(dir.path().join("c2bd.sock")).unwrap();
        let script: Arc<HashMap<&str, Answer>> = Arc::new(script.into_iter().collect());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = requests.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (script, seen) = (script.clone(), seen.clone());
                thread::spawn(move || serve(stream.unwrap(), &script, &seen));
            }
        });
        Self { dir, requests }
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join("c2bd.sock")
    }

    /// Returns what was asked so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

fn serve(mut stream: UnixStream, script: &HashMap<&str, Answer>, seen: &Mutex<Vec<Request>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut first = String::new();
    if reader.read_line(&mut first).unwrap_or(0) == 0 {
        return;
    }
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).unwrap();
        if header.trim().is_empty() {
            break;
        }
        if let Some(value) = header.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let line = first.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
    let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
    let missing = Answer::Json(404, serde_json::json!({ "code": "not-found", "message": format!("there is no {line}"), "hint": "" }));
    let answer = script.get(line.as_str()).cloned().unwrap_or(missing);
    seen.lock().unwrap().push(Request { line, body });
    // A client that has hung up is what some tests are about.
    let _ = reply(&mut stream, &answer);
}

fn reply(stream: &mut UnixStream, answer: &Answer) -> std::io::Result<()> {
    let chunks = |lines: &[Value]| {
        let mut text = String::from("HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n");
        for line in lines {
            text += &chunk(&format!("{line}\n"));
        }
        text
    };
    match answer {
        Answer::Json(status, value) => {
            let body = value.to_string();
            let head = format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
            stream.write_all((head + &body).as_bytes())
        }
        Answer::Lines(lines) => stream.write_all((chunks(lines) + "0\r\n\r\n").as_bytes()),
        Answer::Cut(lines, piece) => stream.write_all((chunks(lines) + &chunk(piece)).as_bytes()),
        Answer::Short(lines, piece) => stream.write_all((chunks(lines) + &chunk(piece) + "0\r\n\r\n").as_bytes()),
        Answer::Endless(lines) => {
            stream.write_all(chunks(lines).as_bytes())?;
            stream.read(&mut [0; 1]).map(|_| ())
        }
        Answer::Raw(bytes) => stream.write_all(bytes),
    }
}

fn chunk(text: &str) -> String {
    let mut chunk = String::new();
    if !text.is_empty() {
        write!(chunk, "{:x}\r\n{text}\r\n", text.len()).unwrap();
    }
    chunk
}
