//! Copies under which a disk dies, fails, runs full, or is damaged.

use super::{batch, dest, dump_of, packs, run, same};
use crate::dump::dump;
use crate::faulty::{Fault, FaultyStore};
use crate::harm::{Action, Harm};
use crate::support::{Place, copy_folder, files, go_on, machine, prints, sealing, time, unlock};
use c2b_storagefmt::copy::copy_on;
use c2b_storagefmt::store::{DirStore, Store};
use c2b_storagefmt::{Catalog, CopyReport, Error, Unlock, Writer, check, copy};
use std::fs;
use std::ops::ControlFlow;
use std::path::PathBuf;

/// A storage, and what its copy was like before the last commits of it.
struct Case {
    place: Place,
    key: Unlock,
    /// The copy's head before; 0 when there was none.
    copied: u64,
    commits: u64,
}

impl Case {
    /// Makes a copy when there are `copied` commits, then the rest of them; in a sealed storage with keys rotated between.
    fn new(sealed: bool, copied: u64, commits: u64) -> Self {
        let case = Self { place: Place::new(), key: unlock(sealed), copied, commits };
        let mut writer = Writer::create(&case.place.dir(), time(0), sealing(sealed.then_some("secret"))).unwrap().0;
        (1..=copied).for_each(|number| batch(&mut writer, number));
        if copied > 0 {
            run(&case.place, &case.key).unwrap();
            fs::rename(dest(&case.place), case.kept()).unwrap();
            if sealed {
                writer.keys().unwrap().rotate(&case.key, Some(&machine()), time(50)).unwrap();
            }
        }
        (copied + 1..=commits).for_each(|number| batch(&mut writer, number));
        case
    }

    fn kept(&self) -> PathBuf {
        self.place.root.path().join("kept")
    }

    /// Sets the copy back.
    fn restore(&self) {
        let _ = fs::remove_dir_all(dest(&self.place));
        if self.copied > 0 {
            copy_folder(&self.kept(), &dest(&self.place));
        }
    }

    fn copy_with(&self, store: &dyn Store) -> Result<CopyReport, Error> {
        let from = self.place.dir();
        copy_on((&from, &DirStore::new(&from)), (&dest(&self.place), store), &self.key, &mut go_on)
    }

    fn is_clean(&self, what: Fault) {
        assert_eq!(check(&dest(&self.place), &self.place.scratch(), &self.key, true, &mut |_| {}).unwrap().damages, [], "{what:?}");
    }

    /// Copies with a fault at every step: the copy is always the old one, the new one or none, the source is left alone, and the
    /// next try brings the copy up to date.
    fn fails_everywhere(&self, faults: impl Fn(usize, &str) -> Vec<Fault>) {
        self.restore();
        let store = FaultyStore::new(&dest(&self.place), Fault::Never);
        self.copy_with(&*store).unwrap();
        let steps = store.steps();
        assert!(steps.len() > 10, "{steps:?}");
        let (whole, source) = (dump_of(&self.place.dir(), &self.place, &self.key), prints(&self.place.dir()));
        for fault in steps.iter().enumerate().flat_map(|(number, step)| faults(number, step)) {
            self.restore();
            let err = self.copy_with(&*FaultyStore::new(&dest(&self.place), fault)).expect_err("the fault did nothing");
            assert!(!matches!(fault, Fault::Full(_)) || err.is_no_space(), "{fault:?}: {err:?}");
            // Whoever opens it then finds the old copy or the new one.
            match Writer::open(&dest(&self.place), &self.key) {
                Ok(writer) => {
                    let head = writer.catalog().head().unwrap().0;
                    assert!(head == self.copied || head == self.commits, "{fault:?}: head {head}");
                    drop(writer);
                    self.is_clean(fault);
                }
                Err(Error::NotAStorage { .. }) if self.copied == 0 => {}
                Err(err) => panic!("{fault:?}: {err}"),
            }
            assert_eq!(run(&self.place, &self.key).unwrap().head.0, self.commits);
            self.is_clean(fault);
            let left: Vec<_> = ["incoming", "tmp"].iter().flat_map(|name| files(&dest(&self.place).join(name))).collect();
            assert!(left.is_empty(), "{fault:?} left {left:?}");
        }
        assert_eq!(dump_of(&dest(&self.place), &self.place, &self.key), whole);
        assert!(prints(&self.place.dir()) == source, "the source was changed");
    }
}

/// After a step is before the next one, but for writes that are done by half.
fn crashes(number: usize, step: &str) -> Vec<Fault> {
    let half = (step == "write").then_some(Fault::After(number));
    [Fault::Before(number)].into_iter().chain(half).collect()
}

/// What needs no room goes on when the disk is full.
fn errors(number: usize, step: &str) -> Vec<Fault> {
    let full = (step == "begin" || step == "write").then_some(Fault::Full(number));
    [Fault::Fails(number)].into_iter().chain(full).collect()
}

#[test]
fn a_first_copy_survives_a_crash_at_any_step() {
    Case::new(false, 0, 1).fails_everywhere(crashes);
}

#[test]
fn a_later_copy_survives_a_crash_at_any_step() {
    Case::new(false, 1, 3).fails_everywhere(crashes);
}

#[test]
fn a_later_copy_of_a_sealed_storage_survives_a_crash_at_any_step() {
    Case::new(true, 1, 2).fails_everywhere(crashes);
}

#[test]
fn a_first_copy_survives_an_error_at_any_step() {
    Case::new(true, 0, 1).fails_everywhere(errors);
}

#[test]
fn a_later_copy_survives_an_error_at_any_step() {
    Case::new(false, 1, 3).fails_everywhere(errors);
}

#[test]
fn a_damaged_pack_is_named_and_the_rest_is_copied() {
    for harm in [Harm::Flip(5_000), Harm::Truncate(20_000), Harm::Delete] {
        let place = Place::new();
        let mut writer = place.create();
        (1..=3).for_each(|number| batch(&mut writer, number));
        let before = dump(&writer.catalog(), &writer.contents());
        drop(writer);
        let name = &packs(&place.dir())[1];
        let whole = fs::read(place.dir().join(name)).unwrap();
        FaultyStore::new(&place.dir(), Fault::Never).harm(name, harm);
        for _ in 0..2 {
            let report = run(&place, &Unlock::Open).unwrap();
            assert!(report.complete && !report.damages.is_empty(), "{harm:?}: {report:?}");
            let expected = if harm == Harm::Delete { "commits 2 to 2 are missing" } else { name.as_str() };
            assert!(report.damages.iter().all(|damage| damage.what.starts_with(expected)), "{harm:?}: {report:?}");
            assert_eq!(report.head.0, 3);
            let (catalog, contents) = Catalog::open_reader(&dest(&place), &place.scratch(), &Unlock::Open).unwrap();
            let text = dump(&catalog, &contents);
            assert!(text.contains("I-1") && text.contains("I-3"), "{harm:?}");
        }
        // The file comes back from elsewhere: the copy gets well, too.
        fs::write(place.dir().join(name), whole).unwrap();
        let report = run(&place, &Unlock::Open).unwrap();
        assert_eq!(report.damages, [], "{harm:?}");
        assert_eq!(dump_of(&dest(&place), &place, &Unlock::Open), before, "{harm:?}");
        same(&place, &Unlock::Open);
    }
}

#[test]
fn a_good_copy_is_not_spoilt_by_a_damaged_source() {
    for harm in [Harm::Flip(5_000), Harm::Truncate(20_000), Harm::Delete] {
        let place = Place::new();
        let mut writer = place.create();
        (1..=3).for_each(|number| batch(&mut writer, number));
        let before = dump(&writer.catalog(), &writer.contents());
        drop(writer);
        run(&place, &Unlock::Open).unwrap();
        FaultyStore::new(&place.dir(), Fault::Never).harm(&packs(&place.dir())[1], harm);
        let report = run(&place, &Unlock::Open).unwrap();
        assert!(report.complete, "{harm:?}: {report:?}");
        assert_eq!(dump_of(&dest(&place), &place, &Unlock::Open), before, "{harm:?}");
        assert_eq!(check(&dest(&place), &place.scratch(), &Unlock::Open, true, &mut |_| {}).unwrap().damages, [], "{harm:?}");
    }
}

#[test]
fn damage_that_comes_while_copying_is_named_and_the_rest_is_copied() {
    for action in Action::ALL {
        let place = Place::new();
        let mut writer = place.create();
        (1..=3).for_each(|number| batch(&mut writer, number));
        drop(writer);
        let second = place.dir().join(&packs(&place.dir())[1]);
        let mut done = false;
        let report = copy(&place.dir(), &dest(&place), &Unlock::Open, &mut |now| {
            if now.packs == 1 && !std::mem::replace(&mut done, true) {
                action.at(10_000).strike(&second);
            }
            ControlFlow::Continue(())
        })
        .unwrap();
        assert!(done && report.complete && !report.damages.is_empty(), "{action:?}: {report:?}");
        // The mail of the second commit is gone, be it with its record; that which all commits change is whole in the others.
        let report = check(&dest(&place), &place.scratch(), &Unlock::Open, true, &mut |_| {}).unwrap();
        assert!(!report.damages.is_empty(), "{action:?}");
        let named: Vec<&str> = report.damages.iter().flat_map(|damage| &damage.items).map(|item| item.subject.as_str()).collect();
        assert_eq!(named, if action == Action::Flip { vec!["mail"] } else { Vec::new() }, "{action:?}: {:?}", report.damages);
        let (catalog, contents) = Catalog::open_reader(&dest(&place), &place.scratch(), &Unlock::Open).unwrap();
        let text = dump(&catalog, &contents);
        assert!(["I-1", "I-3"].iter().all(|id| text.contains(id)), "{action:?}");
        assert_eq!(text.contains("unreadable"), action == Action::Flip, "{action:?}");
    }
}

#[test]
fn a_full_disk_loses_nothing_of_a_copy() {
    let place = Place::new();
    let mut writer = place.create();
    (1..=4).for_each(|number| batch(&mut writer, number));
    let store = FaultyStore::new(&dest(&place), Fault::FullBytes(70_000));
    let all = |store: &FaultyStore| copy_on((&place.dir(), &DirStore::new(&place.dir())), (&dest(&place), store), &Unlock::Open, &mut go_on);
    assert!(all(&store).unwrap_err().is_no_space());
    store.heal();
    let report = all(&store).unwrap();
    assert_eq!((report.packs, report.head.0), (2, 4));
    same(&place, &Unlock::Open);
}
