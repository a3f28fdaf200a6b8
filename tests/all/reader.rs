//! A reader that shares nothing with ours reads what the library writes, and the library reads what another writer wrote.
//!
//! `tests/reader/c2b_read.py` and `c2b_make.py` were written from `doc/format.md` alone. Where they and the library
//! disagree, the document is wrong or the library is.

mod aged;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use c2b_mailbox::{Address, Content, Fidelity, Folder, FolderId, Format, Item, ItemId, ItemMeta, Readable};
use c2b_storagefmt::{
    Argon2Params, Catalog, CommitSeq, ContentId, Contents, Error, FolderKey, ItemRow, MailboxKey, Moment, Sealing, Unlock, Waiting, Writer, check, rebuild,
};
use c2b_tests::{files, shared};
use chrono::{DateTime, TimeDelta, Utc};
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use tempfile::TempDir;

/// What the reader needs from PyPI.
const PACKAGES: [&str; 4] = ["blake3==1.0.11", "cbor2==6.2.1", "cryptography==50.0.2", "zstandard==0.25.0"];

const PASSWORD: &str = "pässword";
const MACHINE: [u8; 32] = [7; 32];

#[test]
fn another_reader_reads_an_open_storage() {
    let Some(python) = python() else { return };
    let made = Made::new(Sealing::None);
    made.assert_alike(&python, &[]);
}

#[test]
fn another_reader_reads_a_sealed_storage_with_each_kind_of_key() {
    let Some(python) = python() else { return };
    let made = Made::new(sealing());
    made.assert_alike(&python, &made.secret("password", PASSWORD.as_bytes()));
    let recovery = made.recovery.clone().unwrap().to_lowercase().replace('-', " ");
    for secret in [made.secret("recovery-key", recovery.as_bytes()), made.secret("machine-key", &MACHINE)] {
        let output = made.read(&python, &secret, &["verify"]);
        assert!(output.status.success(), "{secret:?}: {}", text(&output.stderr));
    }
    for secret in [Vec::new(), made.secret("password", b"wrong")] {
        assert_eq!(made.read(&python, &secret, &["list"]).status.code(), Some(2), "read without the key");
    }
}

#[test]
fn another_reader_finds_its_way_without_a_directory_and_names_what_is_damaged() {
    let Some(python) = python() else { return };
    for sealing in [Sealing::None, sealing()] {
        let made = Made::new(sealing);
        let secret = if made.recovery.is_some() { made.secret("password", PASSWORD.as_bytes()) } else { Vec::new() };
        let whole = made.list(&python, &secret);
        for pack in made.packs() {
            let mut bytes = fs::read(&pack).unwrap();
            // Of one the trailer, of the next the directory itself, of the third the header.
            let place = match pack.to_string_lossy().len() + bytes.len() {
                n if n % 3 == 0 => bytes.len() - 20,
                n if n % 3 == 1 => bytes.len() - 33,
                _ => 20,
            };
            bytes[place] ^= 1;
            fs::write(&pack, bytes).unwrap();
        }
        assert_eq!(made.list(&python, &secret), whole, "what only the directory and the header say was needed");
        assert_eq!(made.read(&python, &secret, &["verify"]).status.code(), Some(1), "the damage is not named");
        fs::remove_file(&made.packs()[1]).unwrap();
        let output = made.read(&python, &secret, &["list"]);
        assert!(text(&output.stderr).contains("are missing"), "{}", text(&output.stderr));
        assert!(!output.stdout.is_empty(), "one lost pack hides everything");
    }
}

#[test]
fn another_reader_reads_real_mail() {
    let Some(python) = python() else { return };
    let Some(archive) = shared("corpus").map(|dir| dir.join("edge.tar.zst")).filter(|path| path.exists()) else {
        println!("skipped: the corpus is not on this machine");
        return;
    };
    let root = tempfile::tempdir().unwrap();
    let (raw, storage) = (root.path().join("raw"), root.path().join("storage"));
    fs::create_dir(&raw).unwrap();
    assert!(Command::new("tar").arg("--zstd").arg("-xf").arg(archive).arg("-C").arg(&raw).status().unwrap().success());
    let (mut writer, _) = Writer::create(&storage, time(0), Sealing::None).unwrap();
    let (mailbox, inbox, _) = folders(&mut writer, "ann");
    let mut contents = HashMap::new();
    for path in files(&raw) {
        let bytes = fs::read(raw.join(&path)).unwrap();
        let readable = Readable { format: Format::Eml, rendered: false, content: Content::from_bytes(&bytes).unwrap() };
        let meta = ItemMeta::new(ItemId::new(path.to_string_lossy()), "IPM.Note");
        let put = writer.put_item(mailbox, inbox, Item { meta, readable: Some(readable), export: None, fidelity: Fidelity::Mime }).unwrap();
        contents.insert(put.key.0, bytes);
    }
    writer.commit(time(1)).unwrap();
    let target = root.path().join("extracted");
    let output = run(&python, &storage, &[], &["extract", target.to_str().unwrap()]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let catalog = writer.catalog();
    for item in catalog.items(mailbox, inbox, Moment::Latest).unwrap() {
        let item = item.unwrap();
        let found = fs::read(target.join("ann@example.org/Inbox").join(&item.file_name)).unwrap();
        assert!(found == contents.remove(&item.key.0).unwrap(), "{} is not what was put in", item.meta.id.as_str());
    }
    assert_eq!(contents.len(), 0, "not all was listed");
}

#[test]
fn another_reader_reads_the_examples_of_all_formats() {
    let Some(python) = python() else { return };
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../storagefmt/tests/data/archive");
    let password = tempfile::NamedTempFile::new().unwrap();
    fs::write(password.path(), "c2b-example").unwrap();
    let folders: Vec<PathBuf> = fs::read_dir(examples).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    assert!(folders.len() >= 2, "{folders:?}");
    for storage in folders {
        let secret = if storage.join("keys").exists() { vec!["--password-file", password.path().to_str().unwrap()] } else { Vec::new() };
        let output = run(&python, &storage, &secret, &["verify"]);
        assert!(output.status.success(), "{}: {}", storage.display(), text(&output.stderr));
        assert!(!run(&python, &storage, &secret, &["list"]).stdout.is_empty(), "{}", storage.display());
    }
}

#[test]
fn both_readers_name_the_same_items_when_a_block_is_damaged() {
    let Some(python) = python() else { return };
    let made = Made::new(sealing());
    let secret = made.secret("password", PASSWORD.as_bytes());
    let mut named = 0;
    for (number, pack) in made.packs().into_iter().enumerate() {
        let whole = fs::read(&pack).unwrap();
        // The first byte of a block's stored bytes, of another block in each pack.
        let blocks: Vec<usize> = (64..whole.len() - 64).filter(|place| whole[*place..].starts_with(b"c2bf\x01")).collect();
        let mut damaged = whole.clone();
        damaged[blocks[number % blocks.len()] + 64] ^= 1;
        fs::write(&pack, damaged).unwrap();
        let report = check(&made.storage(), &made.root.path().join(format!("check-{number}")), &made.unlock, true, &mut |_| {}).unwrap();
        let ours: BTreeSet<u64> = report.damages.iter().flat_map(|damage| &damage.items).map(|item| item.key.0).collect();
        let output = made.read(&python, &secret, &["verify", "--json"]);
        assert_eq!(output.status.code(), Some(1));
        let theirs: BTreeSet<u64> = text(&output.stdout).lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["key"].as_u64().unwrap()).collect();
        assert_eq!(theirs, ours, "{}\n{:#?}", text(&output.stderr), report.damages);
        named += ours.len();
        fs::write(&pack, whole).unwrap();
    }
    assert!(named > 0, "no damage did any harm");
}

#[test]
fn both_readers_understand_another_writer() {
    let Some(python) = python() else { return };
    let root = tempfile::tempdir().unwrap();
    let password = root.path().join("password");
    fs::write(&password, format!("{PASSWORD}\n")).unwrap();
    for (name, unlock) in [("open", Unlock::Open), ("sealed", Unlock::Password(PASSWORD.to_owned().into()))] {
        let storage = root.path().join(name);
        let secret = if name == "sealed" { vec!["--password-file", password.to_str().unwrap()] } else { Vec::new() };
        let output = Command::new(&python).arg(script("c2b_make.py")).arg(&storage).args(&secret).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        let expected: Vec<Value> = text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();

        let listing = run(&python, &storage, &secret, &["list", "--json"]);
        assert!(listing.status.success(), "{}", text(&listing.stderr));
        let listed: Vec<Value> = text(&listing.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let named = |rows: &[Value]| {
            let mut names: Vec<String> =
                rows.iter().map(|row| ["mailbox", "folder", "file_name", "version", "state"].map(|field| row[field].to_string()).join(" ")).collect();
            names.sort();
            names
        };
        assert_eq!(named(&listed), named(&expected), "{name}");
        let verified = run(&python, &storage, &secret, &["verify"]);
        assert_eq!(text(&verified.stderr), "damaged: bob@example.org: Eingang/broken.eml, version 1: lost: a bad disk\n", "{name}");

        let report = rebuild(&storage, &unlock, &mut |_| {}).unwrap();
        assert_eq!(report.damages, Vec::new(), "{name}");
        let waiting = run(&python, &storage, &secret, &["waiting"]);
        let theirs: Vec<Value> = text(&waiting.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(theirs, waiting_of_bob(&storage, &unlock), "{name}");
        assert_eq!(theirs.len(), 2, "{name}");
        let (catalog, contents) = Catalog::open_reader(&storage, &root.path().join(format!("{name}-scratch")), &unlock).unwrap();
        let ours = history(&catalog);
        let mut found: Vec<Value> = ours
            .values()
            .map(|(row, path, address)| {
                let data = row.shown.and_then(|id| read(&contents, row.mailbox, &id).ok()).map(|bytes| hex(&bytes));
                let latest = !ours.keys().any(|(key, version)| *key == row.key.0 && *version > row.version);
                let state = if row.until.is_none() {
                    "live"
                } else if latest {
                    "deleted"
                } else {
                    "past"
                };
                json!({ "mailbox": address, "folder": path, "file_name": row.file_name, "version": row.version, "state": state, "data": data })
            })
            .collect();
        let mut expected = expected;
        found.sort_by_key(Value::to_string);
        expected.sort_by_key(Value::to_string);
        assert_eq!(found, expected, "{name}");
    }
}

/// What waits in the folder of another writer's storage in which something does, in the order of ids.
fn waiting_of_bob(storage: &Path, unlock: &Unlock) -> Vec<Value> {
    let mut writer = Writer::open(storage, unlock).unwrap();
    let bob = writer.mailbox(&Address::parse("bob@example.org").unwrap()).unwrap();
    let mut waiting = writer.waiting(bob, FolderKey(4), DateTime::<Utc>::MAX_UTC, 10).unwrap();
    waiting.sort_by(|a, b| a.id.cmp(&b.id));
    let line = |one: Waiting| {
        let since = one.since.timestamp_micros();
        json!({ "mailbox": "bob@example.org", "id": one.id, "since": since, "folder": one.folder.0, "change_key": one.change_key, "size": one.size })
    };
    waiting.into_iter().map(line).collect()
}

/// A storage in its own folder, and what was put in.
struct Made {
    root: TempDir,
    contents: HashMap<String, Vec<u8>>,
    unlock: Unlock,
    recovery: Option<String>,
    /// How large attachments are: the largest has so many times 3,375 bytes.
    scale: u64,
}

impl Made {
    /// Three mailboxes that share attachments, over several commits with changes, moves and deletions.
    fn new(sealing: Sealing) -> Self {
        Self::scaled(sealing, 150)
    }

    fn scaled(sealing: Sealing, scale: u64) -> Self {
        // In memory, where that can be: nothing here is about disks.
        let root = tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap());
        let unlock = if matches!(sealing, Sealing::None) { Unlock::Open } else { Unlock::Password(PASSWORD.to_owned().into()) };
        let (mut writer, recovery) = Writer::create(&root.path().join("storage"), time(0), sealing).unwrap();
        let mut made = Self { root, contents: HashMap::new(), unlock, recovery: recovery.map(|key| key.to_string()), scale };
        let boxes: Vec<(MailboxKey, FolderKey, FolderKey)> = ["ann", "bob", "cem"].iter().map(|name| folders(&mut writer, name)).collect();
        for round in 0..4_u64 {
            for (n, (mailbox, inbox, deeper)) in boxes.iter().enumerate() {
                for kind in 0..16 {
                    let id = format!("I-{}", kind + 16 * (round / 2));
                    let folder = if kind % 5 == round % 3 { *deeper } else { *inbox };
                    let item = made.item(&id, kind, n as u64, round);
                    writer.put_item(*mailbox, folder, item).unwrap();
                }
                if round > 1 {
                    assert!(writer.delete_item(*mailbox, &ItemId::new("I-3")).unwrap() || round > 2);
                    writer.set_read(*mailbox, &ItemId::new("I-4"), None, round % 2 == 0).unwrap();
                }
                writer.mark_point(*mailbox).unwrap();
            }
            writer.commit(time(round.cast_signed() + 1)).unwrap().unwrap();
        }
        made
    }

    /// Nothing yet: to make items with.
    fn empty(scale: u64) -> Self {
        Self { root: tempfile::tempdir().unwrap(), contents: HashMap::new(), unlock: Unlock::Open, recovery: None, scale }
    }

    /// An item of one of sixteen kinds; mailboxes share its attachments and differ in the rest.
    fn item(&mut self, id: &str, kind: u64, mailbox: u64, round: u64) -> Item {
        let mut meta = ItemMeta::new(ItemId::new(id), "IPM.Note");
        meta.subject = format!("Größe {kind}/{round}: <x>");
        meta.received = Some(time(-60 - kind.cast_signed()));
        let head = format!("Message-ID: <{mailbox}.{kind}.{round}@example.org>\r\nX-To: {mailbox}\r\n");
        let attachment = noise(usize::try_from(kind * kind * kind * self.scale).unwrap(), kind);
        let mime = match kind % 8 {
            0 => format!("{head}Subject: plain\r\n\r\n{}\r\n", "words and words ".repeat(20 + usize::try_from(kind + round).unwrap())).into_bytes(),
            1 => part(&head, "base64", &lines(&attachment, 76, "\r\n")),
            2 => part(&head, "base64", &lines(&attachment, 64, "\n")),
            3 => part(&head, "base64", lines(&attachment, 76, "\r\n").trim_end_matches('=')),
            4 => {
                // Each mailbox gets its mail from a program with other habits. Line ends of the other kind are bytes like any other, and
                // some programs escape them. A space before a line end is against all habits, so kind 12 stays as it is.
                let habits = match mailbox {
                    0 => "caf=C3=A9 =3D 100 % and a line that goes on for longer than it should, so t=\r\nhat it is broken, a lone\nline feed\r\nok =20\r\n",
                    1 => "caf=c3=a9, an escaped=0dreturn, and short lines\n",
                    _ => "0123456789012345678=\n9 goes on\nabcdefghijklmnopqrst\n",
                };
                part(&head, "quoted-printable", &format!("{}{}", habits.repeat(20), if kind == 4 { "" } else { "really \r\n" }))
            }
            5 => multipart(&head, &attachment),
            6 => part(&head, "base64", &(lines(&attachment, 60, "\r\n") + "\r\n\r\n= odd =\r\n")),
            _ => Vec::new(),
        };
        let export = kind.is_multiple_of(3).then(|| framed(&[head.as_bytes(), &value(&attachment), b"end"].concat(), 1000 + usize::try_from(mailbox).unwrap()));
        let (readable, export) = (self.keep(mime), export.map(|export| self.keep(export)));
        let readable = Readable { format: Format::Eml, rendered: false, content: readable };
        Item { meta, readable: Some(readable), export, fidelity: Fidelity::Full }
    }

    fn keep(&mut self, bytes: Vec<u8>) -> Content {
        let content = Content::from_bytes(&bytes).unwrap();
        self.contents.insert(ContentId::of(&bytes).to_string(), bytes);
        content
    }

    fn storage(&self) -> PathBuf {
        self.root.path().join("storage")
    }

    fn packs(&self) -> Vec<PathBuf> {
        files(&self.storage().join("packs")).into_iter().map(|path| self.storage().join("packs").join(path)).collect()
    }

    /// The options that give the reader a secret.
    fn secret(&self, kind: &str, secret: &[u8]) -> Vec<String> {
        let file = self.root.path().join(kind);
        fs::write(&file, secret).unwrap();
        vec![format!("--{kind}-file"), file.to_str().unwrap().to_owned()]
    }

    fn read(&self, python: &Path, secret: &[String], command: &[&str]) -> Output {
        run(python, &self.storage(), &secret.iter().map(String::as_str).collect::<Vec<_>>(), command)
    }

    fn list(&self, python: &Path, secret: &[String]) -> Vec<Value> {
        let output = self.read(python, secret, &["list", "--json"]);
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Compares what the reader says with the catalogue, and what it extracts with what was put in.
    fn assert_alike(&self, python: &Path, secret: &[String]) {
        let (catalog, _) = Catalog::open_reader(&self.storage(), &self.root.path().join("scratch"), &self.unlock).unwrap();
        let ours = history(&catalog);
        assert!(ours.len() > 150, "only {} versions", ours.len());
        let listed = self.list(python, secret);
        let theirs: BTreeMap<(u64, u32), &Value> =
            listed.iter().map(|row| ((row["key"].as_u64().unwrap(), u32::try_from(row["version"].as_u64().unwrap()).unwrap()), row)).collect();
        assert_eq!(theirs.keys().collect::<Vec<_>>(), ours.keys().collect::<Vec<_>>(), "versions differ");
        for (key, (row, path, address)) in &ours {
            let content = |id: Option<ContentId>, len: u64| id.map(|id| json!({ "id": id.to_string(), "length": len }));
            let expected = json!({
                "mailbox": address, "folder": path, "file_name": row.file_name, "key": row.key.0, "version": row.version,
                "state": theirs[key]["state"], "from": row.from.0, "until": row.until.map(|until| until.0),
                "time": row.time.timestamp_micros(), "subject": row.meta.subject,
                "shown": content(row.shown, row.size), "export": content(row.export, row.export_bytes),
            });
            assert_eq!(theirs[key], &expected);
            assert_eq!(theirs[key]["state"] == "live", row.until.is_none());
        }
        let target = self.root.path().join("extracted");
        let output = self.read(python, secret, &["extract", target.to_str().unwrap(), "--exports"]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let mut found = 0;
        for (row, path, address) in ours.values().filter(|(row, ..)| row.until.is_none()) {
            let file = target.join(address).join(path).join(&row.file_name);
            for (id, file) in [(row.shown, file.clone()), (row.export, PathBuf::from(format!("{}.fts", file.display())))] {
                let Some(id) = id else { continue };
                assert!(fs::read(&file).unwrap() == self.contents[&id.to_string()], "{} is not what was put in", file.display());
                found += 1;
            }
        }
        assert_eq!(files(&target).len(), found, "the reader extracted something else, too");
        let output = self.read(python, secret, &["verify"]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let said = text(&output.stdout);
        assert!(said.ends_with(" 12 quoted-printable\n") && !said.contains(" 0 "), "not all codings were used: {said}");
    }
}

/// Every version of every item that any moment shows, with the path of its folder and the address of its mailbox.
fn history(catalog: &Catalog) -> BTreeMap<(u64, u32), (ItemRow, String, String)> {
    let mut versions = BTreeMap::new();
    for seq in 1..=catalog.head().unwrap().0 {
        let moment = Moment::At(CommitSeq(seq));
        for mailbox in catalog.mailboxes().unwrap() {
            let folders = catalog.folders(mailbox.key, moment).unwrap();
            for folder in &folders {
                let (mut path, mut parent) = (folder.file_name.clone(), folder.parent);
                while let Some(above) = folders.iter().find(|above| Some(above.key) == parent) {
                    path = format!("{}/{path}", above.file_name);
                    parent = above.parent;
                }
                for item in catalog.items(mailbox.key, folder.key, moment).unwrap() {
                    let item = item.unwrap();
                    versions.insert((item.key.0, item.version), (item, path.clone(), mailbox.address.as_str().to_owned()));
                }
            }
        }
    }
    versions
}

fn folders(writer: &mut Writer, name: &str) -> (MailboxKey, FolderKey, FolderKey) {
    let mailbox = writer.mailbox(&Address::parse(&format!("{name}@example.org")).unwrap()).unwrap();
    let folder = |id: &str, name: &str, parent: Option<&str>| Folder {
        id: FolderId::new(id),
        parent: parent.map(FolderId::new),
        name: name.to_owned(),
        class: "IPF.Note".to_owned(),
        role: None,
    };
    let inbox = writer.put_folder(mailbox, &folder("F-1", "Inbox", None)).unwrap();
    let deeper = writer.put_folder(mailbox, &folder("F-2", "Größe: a/b", Some("F-1"))).unwrap();
    (mailbox, inbox, deeper)
}

fn read(contents: &Contents, mailbox: MailboxKey, id: &ContentId) -> Result<Vec<u8>, Error> {
    let file = contents.open(mailbox, id)?;
    let mut bytes = vec![0; usize::try_from(file.len()).unwrap()];
    let mut done = 0;
    while done < bytes.len() {
        done += file.read_at(done as u64, &mut bytes[done..])?;
    }
    Ok(bytes)
}

fn sealing() -> Sealing {
    // The least that Argon2id takes: these passwords protect nothing.
    let params = Argon2Params { memory_kib: 64, passes: 2, lanes: 2 };
    Sealing::Sealed { password: Some(PASSWORD.to_owned().into()), machine: Some(MACHINE.into()), params }
}

fn part(head: &str, encoding: &str, body: &str) -> Vec<u8> {
    format!("{head}Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n{body}\r\n").into_bytes()
}

fn multipart(head: &str, attachment: &[u8]) -> Vec<u8> {
    let body = String::from_utf8(part("", "base64", &lines(attachment, 76, "\r\n"))).unwrap();
    format!("{head}Content-Type: multipart/mixed; boundary=\"xx\"\r\n\r\n--xx\r\n\r\nhello\r\n--xx\r\n{body}--xx--\r\n").into_bytes()
}

fn lines(bytes: &[u8], line: usize, newline: &str) -> String {
    let encoded = STANDARD.encode(bytes);
    encoded.as_bytes().chunks(line).map(|line| String::from_utf8_lossy(line)).collect::<Vec<_>>().join(newline)
}

/// A property value as an export stream has it: attachment data.
fn value(bytes: &[u8]) -> Vec<u8> {
    [0x3701_0102_u32.to_le_bytes(), u32::try_from(bytes.len()).unwrap().to_le_bytes()].concat().into_iter().chain(bytes.iter().copied()).collect()
}

/// Cuts bytes into the frames of an export stream.
fn framed(bytes: &[u8], len: usize) -> Vec<u8> {
    bytes.chunks(len).flat_map(|data| [&7_u32.to_le_bytes(), &u32::try_from(data.len()).unwrap().to_le_bytes(), data].concat()).collect()
}

fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut bytes = vec![0; len];
    ChaCha8Rng::seed_from_u64(seed).fill_bytes(&mut bytes);
    bytes
}

fn time(minute: i64) -> DateTime<Utc> {
    "2026-11-21T10:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::minutes(minute)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn script(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("reader").join(name)
}

fn run(python: &Path, storage: &Path, secret: &[&str], command: &[&str]) -> Output {
    Command::new(python).arg("-B").arg(script("c2b_read.py")).arg(storage).args(secret).args(command).env("PYTHONUTF8", "1").output().unwrap()
}

/// The interpreter of the shared environment, with what the reader needs; `None` when that cannot be had.
#[expect(clippy::print_stdout, reason = "a test that is skipped says so")]
fn python() -> Option<PathBuf> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        let cache = std::env::var_os("HOME").map(PathBuf::from)?.join(".cache/c2b");
        let (venv, python) = (cache.join("venv"), cache.join("venv/bin/python"));
        let is_ready = || {
            let check = Command::new(&python).args(["-c", "import blake3, cbor2, zstandard, cryptography.hazmat.primitives.kdf.argon2"]).output();
            check.is_ok_and(|output| output.status.success())
        };
        if !is_ready() {
            fs::create_dir_all(&cache).ok()?;
            // Tests run side by side, and the environment is one.
            let lock = File::create(cache.join("venv.lock")).ok()?;
            lock.lock().ok()?;
            if !is_ready() {
                // Failures show in the check below.
                drop(Command::new("python3").args(["-m", "venv"]).arg(&venv).output());
                drop(Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(PACKAGES).output());
            }
        }
        is_ready().then_some(python)
    });
    if found.is_none() {
        println!("skipped: no Python with {PACKAGES:?}");
    }
    found.clone()
}
