//! Readers that stay open for days: whatever the writer does, they answer, and neither waits for the other.

use crate::dump::dump;
use crate::support::{Place, inbox, list, mail, noise, put, read, time};
use c2b_storagefmt::{Catalog, Moment, Unlock, Writer, pins, rebuild};
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Where a process that this test starts finds the storage.
const STORAGE: &str = "C2B_TEST_READ_STORAGE";

fn batch(writer: &mut Writer, number: u64) {
    let at = inbox(writer);
    for n in 0..20u64 {
        put(writer, at, mail(&format!("I-{number}-{n}"), &format!("subject {number} {n}"), &noise(3_000, number * 100 + n)));
    }
    put(writer, at, mail("I", "changes", format!("text {number}").as_bytes()));
    writer.mark_point(at.0).unwrap();
    writer.commit(time(i64::try_from(number).unwrap())).unwrap();
}

#[test]
fn a_reader_answers_whatever_the_writer_does() {
    let place = Place::new();
    let mut writer = place.create();
    batch(&mut writer, 1);
    let (catalog, contents) = place.reader();
    let first = dump(&catalog, &contents);
    let mut number = 1;
    // Each restart leaves table files of the index, which are compacted from the fourth on.
    for _ in 0..6 {
        for _ in 0..5 {
            number += 1;
            batch(&mut writer, number);
        }
        drop(writer);
        writer = place.open();
        // What it was opened on, from files that are gone in part.
        assert_eq!(dump(&catalog, &contents), first);
    }
    assert_eq!(catalog.refresh().unwrap().0, number);
    let now = dump(&writer.catalog(), &writer.contents());
    assert_eq!(dump(&catalog, &contents), now);
    drop(writer);
    rebuild(&place.dir(), &Unlock::Open, &mut |_| {}).unwrap();
    // The old index is deleted, and held by this reader.
    assert_eq!(dump(&catalog, &contents), now);
    let pin = pins(&place.dir()).unwrap().into_iter().find(|pin| pin.pid == std::process::id()).unwrap();
    assert!(pin.files > 0 && pin.bytes > 0 && !pin.command.is_empty(), "{pin:?}");
    assert_eq!(catalog.refresh().unwrap().0, number);
    assert_eq!(dump(&catalog, &contents), now);
    assert_eq!(pins(&place.dir()).unwrap(), [], "the old index is held still");
    let mut writer = place.open();
    batch(&mut writer, number + 1);
    assert_eq!(catalog.refresh().unwrap().0, number + 1);
    assert_eq!(dump(&catalog, &contents), dump(&writer.catalog(), &writer.contents()));
}

#[test]
fn readers_and_writer_work_at_the_same_time() {
    let place = Place::new();
    let mut writer = place.create();
    batch(&mut writer, 1);
    let at = inbox(&mut writer);
    writer.abandon();
    let (done, rounds) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for n in 0..2 {
            let (catalog, contents) = Catalog::open_reader(&place.dir(), &place.root.path().join(format!("scratch-{n}")), &Unlock::Open).unwrap();
            let (done, rounds) = (&done, &rounds);
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    let head = catalog.refresh().unwrap();
                    let rows = list(&catalog, at, Moment::At(head));
                    assert_eq!(rows.len() as u64, head.0 * 20 + 1);
                    let row = rows.iter().rfind(|row| row.meta.subject == "changes").unwrap();
                    assert_eq!(read(&contents, at.0, &row.shown.unwrap()), format!("text {head}").into_bytes());
                    rounds.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for number in 2..=15 {
            batch(&mut writer, number);
            // Go on when somebody has looked: else the writer would be through before anyone began.
            let seen = rounds.load(Ordering::Relaxed);
            while rounds.load(Ordering::Relaxed) == seen {
                std::thread::yield_now();
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    assert!(rounds.load(Ordering::Relaxed) >= 14);
}

/// A process that reads the storage, and answers when it is asked.
struct Process(Child);

impl Process {
    fn start(place: &Place, test: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", test, "--nocapture"]).env(STORAGE, place.dir());
        Self(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap())
    }

    /// Lets it refresh, list and read; returns the head and the number of items that it read whole.
    fn ask(&mut self) -> (u64, usize) {
        writeln!(self.0.stdin.as_mut().unwrap(), "look").unwrap();
        // One byte at a time: what comes later must stay in the pipe.
        let mut lines = BufReader::with_capacity(1, self.0.stdout.as_mut().unwrap()).lines();
        let line = lines.find_map(|line| line.unwrap().strip_prefix("answer ").map(str::to_owned)).unwrap();
        let (head, items) = line.split_once(' ').unwrap();
        (head.parse().unwrap(), items.parse().unwrap())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

fn answer(dir: PathBuf) {
    let scratch = tempfile::tempdir().unwrap();
    let (catalog, contents) = Catalog::open_reader(&dir, scratch.path(), &Unlock::Open).unwrap();
    for line in std::io::stdin().lines() {
        assert_eq!(line.unwrap(), "look");
        let head = catalog.refresh().unwrap();
        let mut items = 0;
        for mailbox in catalog.mailboxes().unwrap() {
            for folder in catalog.folders(mailbox.key, Moment::Latest).unwrap() {
                for row in catalog.items(mailbox.key, folder.key, Moment::Latest).unwrap() {
                    assert!(!read(&contents, mailbox.key, &row.unwrap().shown.unwrap()).is_empty());
                    items += 1;
                }
            }
        }
        println!("\nanswer {} {items}", head.0);
    }
}

#[test]
fn another_process_reads_beside_the_writer() {
    if let Some(dir) = std::env::var_os(STORAGE) {
        return answer(dir.into());
    }
    let place = Place::new();
    let mut writer = place.create();
    batch(&mut writer, 1);
    let mut process = Process::start(&place, "readers::another_process_reads_beside_the_writer");
    assert_eq!(process.ask(), (1, 21));
    for number in 2..=6 {
        batch(&mut writer, number);
        assert_eq!(process.ask(), (number, usize::try_from(number * 20 + 1).unwrap()));
        if number % 2 == 0 {
            drop(writer);
            writer = place.open();
        }
    }
    drop(writer);
    rebuild(&place.dir(), &Unlock::Open, &mut |_| {}).unwrap();
    let held = pins(&place.dir()).unwrap();
    assert!(held.iter().any(|pin| pin.pid == process.0.id() && pin.bytes > 0), "{held:?}");
    assert_eq!(process.ask(), (6, 121));
    assert_eq!(pins(&place.dir()).unwrap(), []);
    let mut writer = place.open();
    batch(&mut writer, 7);
    assert_eq!(process.ask(), (7, 141));
}
