//! A history that uses every operation, and a crash or a full disk at every write of it.
//!
//! Without a manual step afterwards: what was committed is there, the step that was interrupted can be done, nothing of an
//! erased mailbox comes back. `C2B_SOAK_CASES` runs every step with every fault; a usual run takes each step with one crash, and some
//! with a full disk.

use crate::dump::dump;
use crate::faulty::{Fault, FaultyStore};
use crate::support::{Place, address, copy_folder, files, folder, machine, mail, noise, sealing, time, unlock};
use c2b_mailbox::{Cursor, FolderId, ItemId};
use c2b_storagefmt::{Catalog, Contents, CursorScope, EraseStep, Error, FolderKey, FreeStep, MailboxKey, Moment, ResealStep, RetentionPolicy, Unlock, Writer};
use chrono::TimeDelta;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::thread;

/// In nothing but the mails of the mailbox that is erased.
const ERASED_WORD: &str = "bobs-own-word";

/// A step that can be done again when it was interrupted; tells of each state that a crash may leave.
type Step = fn(&mut Writer, &mut dyn FnMut(&Writer)) -> Result<(), Error>;

const STEPS: [Step; 11] = [first, second, third, mark, undo, mark, free, rotate, erase, reseal, again];

fn first(writer: &mut Writer, _: &mut dyn FnMut(&Writer)) -> Result<(), Error> {
    batch(writer, 1, |writer| {
        for (name, word) in [("alice", "ours"), ("bob", ERASED_WORD), ("carol", "ours")] {
            let at = inbox(writer, name)?;
            for n in 0..3u64 {
                let text = format!("Subject: {word} {n}\r\n\r\n{}", format!("{word} in line {n}\r\n").repeat(40));
                writer.put_item(at.0, at.1, mail(&format!("I-{n}"), word, text.as_bytes()))?;
            }
            // Shared by all: one chunk of text, and one that does not compress.
            writer.put_item(at.0, at.1, mail("I-text", "shared", "What everybody got. ".repeat(100).as_bytes()))?;
            writer.put_item(at.0, at.1, mail("I-noise", "shared", &noise(9000, 1)))?;
        }
        Ok(())
    })
}

fn second(writer: &mut Writer, _: &mut dyn FnMut(&Writer)) -> Result<(), Error> {
    batch(writer, 2, |writer| {
        let at = inbox(writer, "alice")?;
        let archive = writer.put_folder(at.0, &folder("F-archive", "Archive", Some("F-inbox")))?;
        writer.put_item(at.0, archive, mail("I-1", "moved", &noise(5000, 1)))?;
        writer.put_item(at.0, at.1, mail("I-0", "changed", "another text ".repeat(50).as_bytes()))?;
        writer.delete_item(at.0, &ItemId::new("I-2"))?;
        let bob = inbox(writer, "bob")?;
        writer.put_item(bob.0, bob.1, mail("I-0", "changed", format!("{ERASED_WORD} ").repeat(60).as_bytes()))?;
        Ok(())
    })
}

fn third(writer: &mut Writer, _: &mut dyn FnMut(&Writer)) -> Result<(), Error> {
    batch(writer, 3, |writer| {
        let at = inbox(writer, "alice")?;
        writer.delete_folder(at.0, &FolderId::new("F-archive"))?;
        writer.set_read(at.0, &ItemId::new("I-text"), None, true)?;
        writer.put_item(at.0, at.1, mail("I-9", "last", &noise(20_000, 9)))?;
        let carol = inbox(writer, "carol")?;
        writer.delete_item(carol.0, &ItemId::new("I-1"))?;
        Ok(())
    })
}

fn mark(writer: &mut Writer, _: &mut dyn FnMut(&Writer)) -> Result<(), Error> {
    let policy = RetentionPolicy { superseded_after: Some(TimeDelta::minutes(20)), deleted_after: Some(TimeDelta::minutes(20)), versions_max: None };
    let plan = writer.catalog().retention_plan(&policy, time(60), false, &mut |_| {})?;
    writer.retention_mark(&plan, time(60))?;
    Ok(())
}

fn undo(writer: &mut Writer, _: &mut dyn FnMut(&Writer)) -> Result<(), Error> {
    writer.retention_undo(time(60)).map(drop)
}

fn free(writer: &mut Writer, state: &mut dyn FnMut(&Writer)) -> Result<(), Error> {
    let mut run = writer.free_begin()?;
    while writer.free_step(&mut run, time(61))? == FreeStep::More {
        state(writer);
    }
    Ok(())
}

fn erase(writer: &mut Writer, state: &mut dyn FnMut(&Writer)) -> Result<(), Error> {
    let mut run = match writer.catalog().mailbox(&address("bob"))? {
        Some(bob) => Some(writer.erase_begin(bob.key, "admin", time(62))?),
        None => writer.erase_continue(time(62))?,
    };
    while let Some(run) = &mut run
        && writer.erase_step(run, time(62))? == EraseStep::More
    {
        state(writer);
    }
    Ok(())
}

fn rotate(writer: &mut Writer, _: &mut dyn FnMut(&Writer)) -> Result<(), Error> {
    if writer.catalog().info().sealed {
        writer.keys()?.rotate(&unlock(true), Some(&machine()), time(62))?;
    }
    Ok(())
}

fn reseal(writer: &mut Writer, state: &mut dyn FnMut(&Writer)) -> Result<(), Error> {
    if writer.catalog().info().sealed {
        let mut run = writer.reseal_begin()?;
        while writer.reseal_step(&mut run)? == ResealStep::More {
            state(writer);
        }
        assert_eq!(writer.reseal_pending()?.generations, Vec::<u16>::new());
    }
    Ok(())
}

/// The address is backed up again.
fn again(writer: &mut Writer, state: &mut dyn FnMut(&Writer)) -> Result<(), Error> {
    writer.allow(&address("bob"), time(63))?;
    state(writer);
    batch(writer, 4, |writer| {
        let bob = inbox(writer, "bob")?;
        writer.put_item(bob.0, bob.1, mail("I-0", "a new life", b"Subject: a new life\r\n\r\nhello\r\n"))?;
        writer.put_item(bob.0, bob.1, mail("I-noise", "shared", &noise(9000, 1)))?;
        Ok(())
    })
}

/// Fills and commits a batch, unless the cursor says that this was done.
fn batch(writer: &mut Writer, number: i64, fill: impl FnOnce(&mut Writer) -> Result<(), Error>) -> Result<(), Error> {
    let alice = inbox(writer, "alice")?;
    let cursor = Cursor::new(format!("state {number}"));
    if writer.catalog().cursor(alice.0, CursorScope::Hierarchy)?.as_ref() == Some(&cursor) {
        writer.abandon();
        return Ok(());
    }
    fill(writer)?;
    writer.set_cursor(alice.0, CursorScope::Hierarchy, Some(&cursor))?;
    writer.mark_point(alice.0)?;
    writer.commit(time(number)).map(drop)
}

fn inbox(writer: &mut Writer, name: &str) -> Result<(MailboxKey, FolderKey), Error> {
    let mailbox = writer.mailbox(&address(name))?;
    Ok((mailbox, writer.put_folder(mailbox, &folder("F-inbox", "Inbox", None))?))
}

/// What there is in the end, without the numbers of commits: an interrupted step may need more of them.
fn latest(catalog: &Catalog, contents: &Contents) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    for mailbox in catalog.mailboxes().unwrap() {
        for folder in catalog.folders(mailbox.key, Moment::Latest).unwrap() {
            for item in catalog.items(mailbox.key, folder.key, Moment::Latest).unwrap().map(Result::unwrap) {
                crate::support::read(contents, mailbox.key, &item.shown.unwrap());
                lines.insert(format!("{} {} {} {:?} {:?}", mailbox.address, folder.name, item.meta.id.as_str(), item.meta.subject, item.shown));
            }
        }
    }
    lines
}

fn state(writer: &Writer) -> String {
    let state = dump(&writer.catalog(), &writer.contents());
    assert!(!state.contains("unreadable"), "{state}");
    state
}

struct History {
    place: Place,
    key: Unlock,
}

impl History {
    fn new(sealed: bool) -> Self {
        let place = Place::new();
        drop(Writer::create(&place.dir(), time(0), sealing(sealed.then_some("secret"))).unwrap());
        Self { place, key: unlock(sealed) }
    }

    fn open(&self) -> Writer {
        Writer::open(&self.place.dir(), &self.key).unwrap()
    }

    /// Nothing of the erased mailbox is in any file, and everything is whole.
    fn is_whole(&self, what: &dyn std::fmt::Debug) {
        self.place.is_clean(&self.key, what);
        no_word(&self.place.dir(), what);
    }
}

fn no_word(dir: &Path, what: &dyn std::fmt::Debug) {
    for path in files(dir) {
        let bytes = fs::read(&path).unwrap();
        assert!(memchr::memmem::find(&bytes, ERASED_WORD.as_bytes()).is_none(), "{what:?}: the erased mailbox is in {}", path.display());
    }
}

/// The history without a crash.
struct Reference {
    /// How many steps the store was asked for.
    asked: usize,
    /// What each step of the history may leave; first what was there before it.
    states: Vec<BTreeSet<String>>,
    latest: BTreeSet<String>,
}

fn reference(sealed: bool) -> Reference {
    let history = History::new(sealed);
    let store = FaultyStore::new(&history.place.dir(), Fault::Never);
    let mut writer = Writer::open_on(&history.place.dir(), Arc::clone(&store) as _, &history.key).unwrap();
    let mut states = Vec::new();
    for step in STEPS {
        let mut seen = BTreeSet::from([state(&writer)]);
        step(&mut writer, &mut |writer| {
            seen.insert(state(writer));
        })
        .unwrap();
        seen.insert(state(&writer));
        states.push(seen);
    }
    let latest = latest(&writer.catalog(), &writer.contents());
    drop(writer);
    history.is_whole(&"without a crash");
    Reference { asked: store.steps().len(), states, latest }
}

/// Runs the history into a fault, and goes on: after a crash with a new writer, after a full disk with the same.
fn crash(sealed: bool, fault: Fault, reference: &Reference) {
    let history = History::new(sealed);
    let mut done = 0;
    let store = FaultyStore::new(&history.place.dir(), fault);
    let mut survivor = None;
    if let Ok(mut writer) = Writer::open_on(&history.place.dir(), Arc::clone(&store) as _, &history.key) {
        done = STEPS.iter().take_while(|step| step(&mut writer, &mut |_| {}).is_ok()).count();
        if matches!(fault, Fault::Full(_)) {
            store.heal();
            writer.abandon();
            // Any call makes it look at what became of a commit that failed.
            drop(writer.mailbox(&address("alice")));
            writer.abandon();
            survivor = Some(writer);
        } else {
            assert!(done < STEPS.len(), "{fault:?} did nothing");
        }
    }
    let goes_on = survivor.is_some();
    let mut writer = survivor.unwrap_or_else(|| history.open());
    if !goes_on {
        let found = state(&writer);
        assert!(reference.states[done].contains(&found), "{fault:?} in step {done} left what it must not:\n{found}");
        history.place.is_tidy(&fault);
    }
    for step in &STEPS[done..] {
        step(&mut writer, &mut |_| {}).unwrap_or_else(|err| panic!("{fault:?} in step {done}, then {err:?}"));
    }
    assert_eq!(latest(&writer.catalog(), &writer.contents()), reference.latest, "{fault:?} in step {done}, then the rest");
    drop(writer);
    history.is_whole(&fault);
}

fn crash_everywhere(sealed: bool) {
    let reference = reference(sealed);
    assert!(reference.asked > 60, "the history asks the store only {} times", reference.asked);
    let both = std::env::var_os("C2B_SOAK_CASES").is_some();
    let faults = |n: usize| [(Fault::Before(n), 0), (Fault::After(n), 1)].into_iter().filter(move |(_, odd)| both || (n + usize::from(sealed)) % 2 == *odd);
    let full = (0..reference.asked).filter(|n| both || n % 4 == 2 * usize::from(sealed)).map(Fault::Full);
    let faults: Vec<Fault> = (0..reference.asked).flat_map(faults).map(|(fault, _)| fault).chain(full).collect();
    let threads = thread::available_parallelism().map_or(2, usize::from);
    thread::scope(|scope| {
        for first in 0..threads {
            let (faults, reference) = (&faults, &reference);
            scope.spawn(move || faults.iter().skip(first).step_by(threads).for_each(|fault| crash(sealed, *fault, reference)));
        }
    });
}

#[test]
fn every_operation_survives_a_crash_at_every_write() {
    crash_everywhere(false);
}

#[test]
fn every_operation_on_a_sealed_storage_survives_a_crash_at_every_write() {
    crash_everywhere(true);
}

/// The index is not synced with each commit: after a power cut it may be that of any commit before. Only sealing anew writes
/// it durably before it drops the keys that an older one needs.
#[test]
fn an_index_of_long_ago_is_brought_to_the_state_of_the_packs() {
    let steps = || STEPS.iter().filter(|step| !std::ptr::fn_addr_eq(**step, reseal as Step)).enumerate();
    for sealed in [false, true] {
        let history = History::new(sealed);
        let (dir, saved) = (history.place.dir(), |n: usize| history.place.root.path().join(format!("saved-{n}")));
        for (n, step) in steps() {
            copy_folder(&dir.join("index"), &saved(n));
            step(&mut history.open(), &mut |_| {}).unwrap();
        }
        let expected = state(&history.open());
        for (n, _) in steps() {
            fs::remove_dir_all(dir.join("index")).unwrap();
            copy_folder(&saved(n), &dir.join("index"));
            let mut writer = history.open();
            assert_eq!(state(&writer), expected, "the index of before step {n}");
            while let Some(mut run) = writer.erase_continue(time(70)).unwrap() {
                while writer.erase_step(&mut run, time(70)).unwrap() == EraseStep::More {}
            }
            drop(writer);
            history.is_whole(&n);
        }
    }
}
