//! Other people's implementations of the other side, run as programs: Python's pyspnego and PyJWT, and the lab.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

/// A program that serves; ended when dropped.
pub(crate) struct Program {
    child: Child,
    /// The first line that it said.
    pub(crate) line: String,
}

impl Program {
    /// Starts it and waits for its first line.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "{command:?} ended: {}", rest(&mut child));
        Self { child, line: line.trim().to_owned() }
    }

    /// Ends it and returns what it said about itself.
    pub(crate) fn end(mut self) -> String {
        self.child.kill().unwrap();
        rest(&mut self.child)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn rest(child: &mut Child) -> String {
    let mut text = String::new();
    let _ = child.stderr.take().map(|mut stderr| stderr.read_to_string(&mut text));
    text
}

/// Python with pyspnego and PyJWT; none where it cannot be had.
pub(crate) fn python() -> Option<PathBuf> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    FOUND.get_or_init(prepare).clone()
}

/// A script of the oracles.
pub(crate) fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle").join(name)
}

/// The lab's program: beside this test, or where `C2B_LAB_BIN` says.
pub(crate) fn lab() -> Option<PathBuf> {
    let named = std::env::var_os("C2B_LAB_BIN").map(PathBuf::from);
    let test = std::env::current_exe().unwrap();
    let found = named.or_else(|| test.ancestors().skip(1).map(|dir| dir.join("c2b-lab")).find(|path| path.is_file()));
    if found.is_none() {
        println!("skipped: c2b-lab is not built");
    }
    found
}

fn prepare() -> Option<PathBuf> {
    let cache = std::env::var_os("HOME").map(PathBuf::from)?.join(".cache/c2b");
    let (venv, python) = (cache.join("venv"), cache.join("venv/bin/python"));
    let is_ready = || Command::new(&python).args(["-c", "import spnego, jwt, cryptography"]).output().is_ok_and(|output| output.status.success());
    if !is_ready() {
        std::fs::create_dir_all(&cache).ok()?;
        // Tests of other packages use the environment, too, and run side by side.
        let lock = std::fs::File::create(cache.join("venv.lock")).ok()?;
        lock.lock().ok()?;
        // Failures show in the check below.
        drop(Command::new("python3").args(["-m", "venv"]).arg(&venv).output());
        drop(Command::new(&python).args(["-m", "pip", "install", "--quiet", "pyspnego==0.12.4", "PyJWT", "cryptography"]).output());
    }
    if is_ready() {
        return Some(python);
    }
    println!("skipped: no Python with pyspnego and PyJWT");
    None
}
