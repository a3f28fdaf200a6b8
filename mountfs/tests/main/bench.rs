//! A storage in a temporary folder with its writer, and real mounts of it.

use c2b_mailbox::{Address, Content, Fidelity, Folder, FolderId, Format, Item, ItemId, ItemMeta, Readable};
use c2b_storagefmt::{FolderKey, ItemKey, MailboxKey, Sealing, Writer};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use tempfile::TempDir;

/// The program.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_mount-c2b");

/// The first mailbox's address.
pub(crate) const ALICE: &str = "alice@example.org";

/// A storage and its writer.
pub(crate) struct Bench {
    pub(crate) dir: TempDir,
    pub(crate) writer: Writer,
    pub(crate) alice: MailboxKey,
    clock: DateTime<Utc>,
}

/// A mount with its process in the foreground; unmounted when dropped.
pub(crate) struct Mounted {
    pub(crate) target: PathBuf,
    pub(crate) process: Child,
    log: PathBuf,
}

/// Whether real mounts can be made here; says so when not.
pub(crate) fn usable() -> bool {
    let usable = nix::unistd::geteuid().is_root() && fs::File::options().read(true).write(true).open("/dev/fuse").is_ok();
    if !usable {
        println!("skipped: this test mounts, and needs root and /dev/fuse");
    }
    usable
}

/// Waits for a condition; panics after `seconds`.
pub(crate) fn wait_for(what: &str, seconds: u64, mut condition: impl FnMut() -> bool) {
    // Nobody sends: this is only the timer.
    let (_keep, timer) = mpsc::channel::<()>();
    for _ in 0..seconds * 50 {
        if condition() {
            return;
        }
        let _tick = timer.recv_timeout(Duration::from_millis(20));
    }
    panic!("waited {seconds} s in vain: {what}");
}

/// Every file below a folder with its bytes.
pub(crate) fn contents(top: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    paths(top).into_iter().filter(|path| path.is_file()).map(|path| (path.strip_prefix(top).unwrap().to_owned(), fs::read(&path).unwrap())).collect()
}

/// Every path below a folder.
pub(crate) fn paths(top: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![top.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                open.push(entry.path());
            }
            found.push(entry.path());
        }
    }
    found.sort();
    found
}

/// A mail with a body.
pub(crate) fn mail(id: &str, subject: &str, body: &[u8]) -> Item {
    let mut meta = ItemMeta::new(ItemId::new(id), "IPM.Note");
    meta.subject = subject.to_owned();
    meta.from = "Bob <bob@example.org>".to_owned();
    meta.recipients = vec!["Alice <alice@example.org>".to_owned(), "carol@example.org".to_owned()];
    meta.received = Some("2024-03-01T08:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::minutes(i64::try_from(id.len() + body.len()).unwrap()));
    meta.read = Some(false);
    let readable = Readable { format: Format::Eml, rendered: false, content: Content::from_bytes(body).unwrap() };
    Item { meta, readable: Some(readable), export: None, fidelity: Fidelity::Mime }
}

impl Bench {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let clock = "2024-11-21T10:00:00Z".parse().unwrap();
        let (mut writer, _) = Writer::create(&dir.path().join("storage"), clock, Sealing::None).unwrap();
        let alice = writer.mailbox(&Address::parse(ALICE).unwrap()).unwrap();
        Self { dir, writer, alice, clock }
    }

    pub(crate) fn storage(&self) -> PathBuf {
        self.dir.path().join("storage")
    }

    pub(crate) fn folder(&mut self, id: &str, parent: Option<&str>, name: &str) -> FolderKey {
        let folder = Folder { id: FolderId::new(id), parent: parent.map(FolderId::new), name: name.to_owned(), class: "IPF.Note".to_owned(), role: None };
        self.writer.put_folder(self.alice, &folder).unwrap()
    }

    pub(crate) fn put(&mut self, folder: FolderKey, item: Item) -> ItemKey {
        self.writer.put_item(self.alice, folder, item).unwrap().key
    }

    /// Commits a point in time; commits are a minute apart.
    pub(crate) fn commit(&mut self) -> DateTime<Utc> {
        self.commit_at(self.clock + TimeDelta::minutes(1))
    }

    /// Commits a point in time.
    pub(crate) fn commit_at(&mut self, time: DateTime<Utc>) -> DateTime<Utc> {
        self.writer.mark_point(self.alice).unwrap();
        self.clock = time;
        self.writer.commit(self.clock).unwrap().unwrap();
        self.clock
    }

    /// An empty folder to mount on.
    pub(crate) fn target(&self, name: &str) -> PathBuf {
        let target = self.dir.path().join(name);
        fs::create_dir_all(&target).unwrap();
        target
    }

    /// Mounts in the foreground on a folder of this name.
    pub(crate) fn mount(&self, name: &str, arguments: &[&str]) -> Mounted {
        let target = self.target(name);
        let log = self.dir.path().join(format!("{name}.log"));
        let process = Command::new(PROGRAM)
            .arg(self.storage())
            .arg(&target)
            .arg("--foreground")
            .args(arguments)
            .stdin(Stdio::null())
            .stderr(fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut mounted = Mounted { target, process, log };
        wait_for("the mount", 10, || {
            assert!(mounted.process.try_wait().unwrap().is_none(), "{}", mounted.log());
            mounted.log().contains("mounted")
        });
        mounted
    }

    /// Runs the program to its end, which for a mount in the background is when it is ready.
    pub(crate) fn run(&self, storage: &Path, target: &Path, arguments: &[&str]) -> Output {
        Command::new(PROGRAM).arg(storage).arg(target).args(arguments).stdin(Stdio::null()).output().unwrap()
    }
}

impl Mounted {
    /// What the process has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// The newest state of the first mailbox.
    pub(crate) fn latest(&self) -> PathBuf {
        self.target.join("mailboxes").join(ALICE).join("latest")
    }

    /// The state of the first mailbox at a time.
    pub(crate) fn at(&self, time: DateTime<Utc>) -> PathBuf {
        self.target.join("mailboxes").join(ALICE).join(time.format("at/%Y/%m/%d/%H-%M-%SZ").to_string())
    }

    /// Most memory that the process ever had of its own, in KiB.
    pub(crate) fn peak_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    pub(crate) fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.process.id()).unwrap());
        nix::sys::signal::kill(pid, signal).unwrap();
    }

    /// Waits for the process to end by itself.
    pub(crate) fn ended(&mut self) -> bool {
        let mut code = None;
        wait_for("the end of the process", 5, || {
            code = self.process.try_wait().unwrap();
            code.is_some()
        });
        code.unwrap().success()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        unmount(&self.target);
        // It may have ended before.
        let _killed = self.process.kill();
        let _status = self.process.wait();
    }
}

/// Unmounts, whatever is there.
pub(crate) fn unmount(target: &Path) {
    let _gone: nix::Result<()> = nix::mount::umount2(target, nix::mount::MntFlags::MNT_DETACH);
}

/// The error number of what an operation gave.
pub(crate) fn os_error<T>(result: io::Result<T>) -> Option<i32> {
    result.err().and_then(|err| err.raw_os_error())
}
