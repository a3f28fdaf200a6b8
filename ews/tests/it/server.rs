//! A server that answers what a test says, byte for byte, and remembers what it was asked.

use c2b_ews::{EwsConfig, EwsSource, Secret};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::UnboundedReceiver;
use url::Url;

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// Header lines, lower-case names.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Request {
    /// Returns the operation's name; empty when there is none.
    pub(crate) fn operation(&self) -> &str {
        let inside = self.body.split_once("<s:Body><m:").map_or("", |(_, rest)| rest);
        inside.split([' ', '>', '/']).next().unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Returns the values of all `Id` attributes of an element.
    pub(crate) fn ids(&self, element: &str) -> Vec<String> {
        self.body.split(&format!("<{element} Id=\"")).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
    }

    /// Returns the text of the first such element.
    pub(crate) fn text(&self, element: &str) -> Option<String> {
        let (_, rest) = self.body.split_once(&format!("<{element}>"))?;
        Some(rest.split('<').next().unwrap().to_owned())
    }
}

/// What to send.
pub(crate) enum Answer {
    /// These bytes; then the connection is closed.
    Raw(Vec<u8>),
    /// The head of an answer, then the middle so many times, then the end.
    Repeated { head: Vec<u8>, middle: Vec<u8>, times: usize, end: Vec<u8> },
    /// The pieces of a body as they come, until no more can come.
    Pieces(UnboundedReceiver<Vec<u8>>),
}

/// Answers with a status, headers and body.
pub(crate) fn status(line: &str, headers: &str, body: impl AsRef<[u8]>) -> Answer {
    let body = body.as_ref();
    let mut raw = format!("HTTP/1.1 {line}\r\nContent-Type: text/xml; charset=utf-8\r\nContent-Length: {}\r\n{headers}Connection: close\r\n\r\n", body.len())
        .into_bytes();
    raw.extend_from_slice(body);
    Answer::Raw(raw)
}

pub(crate) fn ok(body: impl AsRef<[u8]>) -> Answer {
    status("200 OK", "", body)
}

/// Promises the whole body, sends only its beginning.
pub(crate) fn cut(body: &str, sent: usize) -> Answer {
    Answer::Raw(
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}", body.len(), &body[..sent]).into_bytes(),
    )
}

/// A running server, a source that speaks with it, and the place of its temporary files.
pub(crate) struct Scripted {
    pub(crate) source: EwsSource,
    pub(crate) url: Url,
    pub(crate) dir: TempDir,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Scripted {
    /// Starts a server on this machine; the user is `admin@example.org`.
    pub(crate) async fn start(script: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}/EWS/Exchange.asmx", listener.local_addr().unwrap())).unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&requests);
        let script = Arc::new(script);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(converse(stream, Arc::clone(&script), Arc::clone(&log)));
            }
        });
        let dir = tempfile::tempdir().unwrap();
        let source = EwsSource::new(EwsConfig::new(url.clone(), "admin@example.org", Secret::new("pa\u{df}word"), dir.path())).unwrap();
        Self { source, url, dir, requests }
    }

    /// Returns the requests so far, those that open mailboxes left out.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.all_requests().into_iter().filter(|request| request.operation() != "GetFolder" && !request.body.contains("0x670A")).collect()
    }

    pub(crate) fn all_requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    pub(crate) fn operations(&self) -> Vec<String> {
        self.requests().iter().map(|request| request.operation().to_owned()).collect()
    }
}

async fn converse<S: Fn(&Request) -> Answer>(stream: TcpStream, script: Arc<S>, log: Arc<Mutex<Vec<Request>>>) {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    let Some(request) = receive(&mut read).await else { return };
    let answer = script(&request);
    log.lock().unwrap().push(request);
    let _ = match answer {
        Answer::Raw(bytes) => write.write_all(&bytes).await,
        Answer::Repeated { head, middle, times, end } => {
            let length = middle.len() * times + end.len();
            let head = [format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", head.len() + length).into_bytes(), head].concat();
            let mut sent = write.write_all(&head).await;
            for _ in 0..times {
                sent = sent.and(write.write_all(&middle).await);
            }
            sent.and(write.write_all(&end).await)
        }
        Answer::Pieces(mut pieces) => {
            let mut sent = write.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/xml; charset=utf-8\r\nConnection: close\r\n\r\n").await;
            while let (Ok(()), Some(piece)) = (&sent, pieces.recv().await) {
                sent = write.write_all(&piece).await;
            }
            sent
        }
    };
    let _ = write.shutdown().await;
}

async fn receive(read: &mut (impl AsyncBufReadExt + Unpin)) -> Option<Request> {
    let mut line = String::new();
    read.read_line(&mut line).await.ok().filter(|n| *n > 0)?;
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        read.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length").map_or(0, |(_, value)| value.parse().unwrap());
    let mut body = vec![0; length];
    read.read_exact(&mut body).await.ok()?;
    Some(Request { headers, body: String::from_utf8(body).unwrap() })
}
