//! A daemon of its own for each test: the real program on a folder of its own, asked over its socket.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(20);

/// Time between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// A folder with configuration, state and socket, and the daemon on it while one runs.
pub(crate) struct Stand {
    pub(crate) dir: TempDir,
    child: Option<Child>,
    notifications: UnixDatagram,
}

/// An answer: the HTTP status and the JSON.
pub(crate) type Answer = (u16, Value);

impl Stand {
    /// Prepares a folder; starts nothing.
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let notifications = UnixDatagram::bind(dir.path().join("notify")).unwrap();
        notifications.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { dir, child: None, notifications }
    }

    /// Prepares a folder and starts a daemon on it.
    pub(crate) fn started() -> Self {
        let mut stand = Self::new();
        stand.start();
        stand
    }

    /// Starts the daemon and waits until it says that it is ready.
    pub(crate) fn start(&mut self) {
        self.start_with(&[]);
    }

    /// Starts the daemon with more in its environment, and waits until it says that it is ready.
    pub(crate) fn start_with(&mut self, environment: &[(&str, &str)]) {
        let log = File::options().append(true).create(true).open(self.path("log")).unwrap();
        let child = self.command(&[]).env("NOTIFY_SOCKET", self.path("notify")).envs(environment.iter().copied()).stderr(log).spawn().unwrap();
        self.child = Some(child);
        self.wait_for_notification("READY=1");
    }

    /// Returns the command of a daemon on this folder, with more arguments.
    pub(crate) fn command(&self, more: &[&str]) -> Command {
        let mut command = self.command_on("var");
        command.args(more);
        command
    }

    /// Returns the command of a daemon on this socket with another state folder.
    pub(crate) fn command_on(&self, state: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_c2bd"));
        command.arg("--config").arg(self.path("etc")).arg("--state").arg(self.path(state)).arg("--socket").arg(self.socket());
        command.env_remove("NOTIFY_SOCKET").env_remove("JOURNAL_STREAM").env("C2BD_LOG", "trace").stdin(Stdio::null());
        command
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.path("c2bd.sock")
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// Waits until the daemon tells systemd this.
    pub(crate) fn wait_for_notification(&self, wanted: &str) {
        let mut buffer = [0; 4096];
        loop {
            let len = self.notifications.recv(&mut buffer).unwrap_or_else(|error| panic!("no {wanted}: {error}\n{}", self.log()));
            if String::from_utf8_lossy(&buffer[..len]).lines().any(|line| line == wanted) {
                return;
            }
        }
    }

    /// Sends the daemon a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.pid()).unwrap()), signal).unwrap();
    }

    /// Waits for the daemon's end.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let mut child = self.child.take().unwrap();
        wait(|| child.try_wait().unwrap())
    }

    /// Asks for the daemon's end as systemd does.
    pub(crate) fn terminate(&mut self) {
        self.signal(Signal::SIGTERM);
        let status = self.ended();
        assert!(status.success(), "{status}\n{}", self.log());
    }

    /// Ends the daemon as a power failure does.
    pub(crate) fn kill(&mut self) {
        self.signal(Signal::SIGKILL);
        self.ended();
    }

    /// Has the definitions read again.
    pub(crate) fn reload(&self) {
        self.signal(Signal::SIGHUP);
        self.wait_for_notification("RELOADING=1");
        self.wait_for_notification("READY=1");
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.request("GET", path, b"")
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.request("POST", path, body.to_string().as_bytes())
    }

    pub(crate) fn delete(&self, path: &str) -> Answer {
        self.request("DELETE", path, b"")
    }

    /// Makes a request and returns the answer, which must be JSON.
    pub(crate) fn request(&self, method: &str, path: &str, body: &[u8]) -> Answer {
        let (status, mut reader) = self.send(method, path, body);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        (status, serde_json::from_str(&text).unwrap_or_else(|error| panic!("{method} {path} answered {status} {text:?}: {error}")))
    }

    /// Makes a request and returns the HTTP status of the answer, which may be of any kind.
    pub(crate) fn status(&self, method: &str, path: &str, body: &[u8]) -> u16 {
        self.send(method, path, body).0
    }

    /// Makes a request and returns the lines of the answer as they come.
    pub(crate) fn lines(&self, method: &str, path: &str) -> impl Iterator<Item = Value> + use<> {
        let (status, reader) = self.send(method, path, b"");
        assert_eq!(status, 200, "{method} {path}");
        reader.lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap())
    }

    /// HTTP/1.0, since its answers end with the connection and need no decoding.
    fn send(&self, method: &str, path: &str, body: &[u8]) -> (u16, BufReader<UnixStream>) {
        let mut stream = UnixStream::connect(self.socket()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let head = format!("{method} {path} HTTP/1.0\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all(head.as_bytes()).unwrap();
        // A daemon that refuses a long body need not read it.
        let _ = stream.write_all(body);
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let status = line.split(' ').nth(1).unwrap_or_else(|| panic!("no answer to {method} {path}")).parse().unwrap();
        while line != "\r\n" {
            line.clear();
            reader.read_line(&mut line).unwrap();
        }
        (status, reader)
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Looks until there is something to see.
pub(crate) fn wait<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let mut left = PATIENCE;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(!left.is_zero(), "waited in vain");
        std::thread::park_timeout(PAUSE);
        left = left.saturating_sub(PAUSE);
    }
}

/// A server that takes connections and never answers: a job that asks it runs until it is stopped.
pub(crate) fn silent_server() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

/// A URL at which nobody listens.
pub(crate) fn dead_url() -> String {
    let (listener, url) = silent_server();
    drop(listener);
    url
}

/// Returns all files below a folder with their bytes.
pub(crate) fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else if path.is_file() {
            files.push((path.clone(), std::fs::read(&path).unwrap()));
        }
    }
    files.sort();
    files
}
