//! A tap between a program and the daemon's socket: what is asked and answered goes through it, and is kept.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Longest wait for an answer's next bytes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A request with its answer.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The HTTP method.
    pub method: String,
    /// The path, with what stands behind the `?`.
    pub path: String,
    /// What was sent.
    pub body: Vec<u8>,
    /// The HTTP status; 0 for none.
    pub status: u16,
    /// The type of the answer.
    pub kind: String,
    /// What was answered.
    pub answer: Vec<u8>,
}

/// A socket that passes on to another one.
pub struct Tap {
    path: PathBuf,
    kept: Arc<Kept>,
}

/// What went through, and how many exchanges are not over.
#[derive(Default)]
struct Kept {
    state: Mutex<(Vec<Exchange>, usize)>,
    ended: Condvar,
}

impl Tap {
    /// Listens at `path` for as long as the test runs, and passes everything on to `socket`.
    pub fn new(path: &Path, socket: &Path) -> Self {
        let listener = UnixListener::bind(path).expect("the tap's socket can be made");
        let kept: Arc<Kept> = Arc::default();
        let (keeper, socket) = (kept.clone(), socket.to_owned());
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (keeper, socket) = (keeper.clone(), socket.clone());
                keeper.state.lock().unwrap_or_else(PoisonError::into_inner).1 += 1;
                std::thread::spawn(move || {
                    let exchange = pass(client, &socket);
                    let mut state = keeper.state.lock().unwrap_or_else(PoisonError::into_inner);
                    state.0.extend(exchange);
                    state.1 -= 1;
                    keeper.ended.notify_all();
                });
            }
        });
        Self { path: path.to_owned(), kept }
    }

    /// Returns where it listens.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns what went through it, once that is over.
    pub fn kept(&self) -> Vec<Exchange> {
        let state = self.kept.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.kept.ended.wait_while(state, |(_, open)| *open > 0).unwrap_or_else(PoisonError::into_inner).0.clone()
    }
}

/// Asks a daemon over its socket. Whatever comes back is returned; nothing is an empty answer with the status 0.
pub fn ask(socket: &Path, method: &str, path: &str, body: &[u8]) -> Exchange {
    let mut answer = Vec::new();
    if let Ok(mut stream) = UnixStream::connect(socket) {
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket takes a timeout");
        let head = format!("{method} {path} HTTP/1.0\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
        // A daemon that refuses need not read on.
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
        let _ = stream.read_to_end(&mut answer);
    }
    understood(method, path, body, &answer)
}

/// Passes one request on, and its answer back as it comes.
fn pass(mut client: UnixStream, socket: &Path) -> Option<Exchange> {
    let mut reader = BufReader::new(client.try_clone().ok()?);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let header = header.trim_end().to_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let mut server = UnixStream::connect(socket).ok()?;
    let head = format!("{method} {path} HTTP/1.0\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n");
    server.write_all(head.as_bytes()).and_then(|()| server.write_all(&body)).ok()?;
    let mut answer = Vec::new();
    let mut part = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = server.read(&mut part) {
        let bytes = part.get(..read)?;
        answer.extend_from_slice(bytes);
        if client.write_all(bytes).is_err() {
            break;
        }
    }
    Some(understood(&method, &path, &body, &answer))
}

fn understood(method: &str, path: &str, body: &[u8], answer: &[u8]) -> Exchange {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let (head, rest) = end.map_or((answer, &[][..]), |end| (answer.get(..end).unwrap_or_default(), answer.get(end + 4..).unwrap_or_default()));
    let head = String::from_utf8_lossy(head);
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let kind = head.lines().find_map(|line| line.strip_prefix("content-type: ")).unwrap_or_default().to_owned();
    Exchange { method: method.to_owned(), path: path.to_owned(), body: body.to_vec(), status, kind, answer: rest.to_vec() }
}
