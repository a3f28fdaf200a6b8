//! One damage, and every operation after it.

use super::sample::{Sample, Truth, explained, says_what_to_do, source, whole};
use super::spot::{PackSpot, Spot};
use crate::harm::Action;
use crate::support::{Place, address, folder, go_on, inbox, list, mail, noise, prints, time};
use c2b_storagefmt::{
    Catalog, CheckReport, ContentId, Contents, EraseReport, EraseStep, Error, FreeStep, ItemKey, MailboxKey, Moment, RetentionPolicy, Writer, copy, rebuild,
    repair,
};
use std::collections::BTreeSet;
use std::path::Path;

/// What a cell of the matrix may be like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Expected {
    /// Whether a check without data finds it; `None` when that depends.
    pub(super) found: Option<bool>,
    /// Whether one with data does.
    pub(super) found_with_data: Option<bool>,
    /// Whether anything can be read or repaired after it at all.
    pub(super) hopeless: bool,
}

/// A damage to a sample.
pub(super) struct Cell<'a> {
    pub(super) sample: &'a Sample,
    pub(super) spot: Spot,
    pub(super) action: Action,
    pub(super) expected: Expected,
}

impl Cell<'_> {
    /// Runs every operation after the damage, each on a copy of its own.
    pub(super) fn run(&self) {
        let place = self.struck();
        let read = read_by(&place, &place.dir(), self.sample);
        self.is_checked(&place, read.as_ref());
        self.is_rebuilt(&place);
        self.is_backed_up(&self.struck());
        self.is_repaired(&self.struck(), read.as_ref());
        self.is_freed(&self.struck());
        self.is_copied(&self.struck(), read.as_ref());
        self.is_erased(&self.struck());
    }

    fn struck(&self) -> Place {
        let place = self.sample.copy();
        assert!(self.spot.strike(&place.dir(), self.action), "{}: no such file", self.name());
        place
    }

    fn name(&self) -> String {
        format!("{:?} at {:?}", self.action, self.spot)
    }

    /// A check names what is hit, and nothing else.
    fn is_checked(&self, place: &Place, read: Option<&Truth>) {
        let (case, expected) = (self.name(), self.expected);
        for read_data in [false, true] {
            let report = self.sample.check(place, read_data).unwrap_or_else(|err| panic!("{case}: no check: {err}"));
            let found = if read_data { expected.found_with_data } else { expected.found };
            assert!(found.is_none_or(|found| found != report.damages.is_empty()), "{case}: read_data {read_data}, {:#?}", report.damages);
            assert_eq!(report.locked, expected.hopeless, "{case}");
            if let (Some(read), true) = (read, read_data || expected.found == Some(true))
                && !matches!(self.spot, Spot::Index(_))
            {
                assert_eq!(named(&report), missing(&self.sample.truth, read), "{case}: read_data {read_data}: {:#?}", report.damages);
            }
            for item in report.damages.iter().flat_map(|damage| &damage.items) {
                assert!(item.subject.starts_with("subject ") && item.folder.starts_with("Inbox") && item.date == time(-60), "{case}: {item:?}");
                assert!(["alice@example.org", "bob@example.org"].contains(&item.mailbox.as_str()), "{case}: {item:?}");
            }
        }
    }

    /// A rebuild brings what is not hit.
    fn is_rebuilt(&self, place: &Place) {
        let case = self.name();
        if let Err(err) = rebuild(&place.dir(), &self.sample.key, &mut |_| {}) {
            return says_what_to_do(&err);
        }
        let (catalog, contents) = Catalog::open_reader(&place.dir(), &place.root.path().join("rebuilt"), &self.sample.key).unwrap();
        let rebuilt = whole(&catalog, &contents);
        assert!(holds(&self.sample.truth, &rebuilt), "{case}: a rebuild made something up");
        if !matches!(self.spot, Spot::Pack(_)) {
            assert_eq!(rebuilt, self.sample.truth, "{case}: after a rebuild");
        }
    }

    /// A backup goes on, or says why not.
    fn is_backed_up(&self, place: &Place) {
        backs_up(self.sample, place, &self.name());
    }

    /// After a repair a check is clean, what was not hit is there, and what the source still has comes back.
    fn is_repaired(&self, place: &Place, read: Option<&Truth>) {
        let (case, sample) = (self.name(), self.sample);
        let report = match repair(&place.dir(), &sample.key, time(5), &mut |_| {}) {
            Ok(report) => report,
            Err(err) => {
                assert!(self.expected.hopeless, "{case}: no repair: {err:?}");
                return says_what_to_do(&err);
            }
        };
        assert!(!self.expected.hopeless, "{case} was repaired");
        assert_eq!(sample.check(place, true).unwrap().damages, [], "{case}: after {report:#?}");
        let again = repair(&place.dir(), &sample.key, time(6), &mut |_| {}).unwrap();
        assert!(again.made.is_empty() && again.quarantined.is_empty() && again.fetched_again.is_empty() && again.lost.is_empty(), "{case}: {again:#?}");
        let mut writer = sample.open(place).unwrap();
        let after = whole(&writer.catalog(), &writer.contents());
        assert!(read.is_none_or(|read| holds(&after, read)), "{case}: a repair lost what could be read: {report:#?}");
        let named: BTreeSet<ItemKey> = report.fetched_again.iter().chain(report.lost.iter().map(|lost| &lost.item)).map(|item| item.key).collect();
        assert_eq!(named, missing(&sample.truth, &after), "{case}: {report:#?}");
        // As the next cycle does.
        let due: Vec<_> = writer.catalog().failures(None).unwrap().into_iter().filter(|(_, failure)| failure.next_try == Some(time(5))).collect();
        assert_eq!(due.len(), report.fetched_again.len(), "{case}");
        for (mailbox, failure) in due {
            let known = writer.catalog().known(mailbox, std::slice::from_ref(&failure.id)).unwrap().pop().flatten().unwrap();
            assert_eq!(known.change, None, "{case}: it would count as held");
            writer.put_item(mailbox, failure.folder, mail(failure.id.as_str(), &failure.subject, &source(failure.id.as_str()))).unwrap();
        }
        writer.commit(time(7)).unwrap();
        assert_eq!(writer.catalog().failures(None).unwrap(), [], "{case}");
        let healed = whole(&writer.catalog(), &writer.contents());
        for item in &report.fetched_again {
            assert!(healed.iter().any(|((_, key), _)| *key == item.key), "{case}: {item:?} did not come back");
        }
        drop(writer);
        assert_eq!(sample.check(place, true).unwrap().damages, [], "{case}: after the next cycle");
    }

    /// Freeing takes what was marked and nothing else, or says why not; after a repair it goes on.
    fn is_freed(&self, place: &Place) {
        let (case, sample) = (self.name(), self.sample);
        let Some(mut writer) = explained(sample.open(place)) else { return };
        let before = whole(&writer.catalog(), &writer.contents());
        let is_done = explained(free(&mut writer)).is_some();
        let after = whole(&writer.catalog(), &writer.contents());
        drop(writer);
        assert!(holds(&after, &sample.without_old(&before)), "{case}: freeing lost what could be read");
        if !matches!(self.spot, Spot::Index(_)) {
            // As long as they are not freed, what is hit of the old versions counts, too.
            let hit = |truth: &Truth| missing(&sample.without_old(truth), &sample.without_old(&after));
            let (named, hit) = (named(&sample.check(place, true).unwrap()), hit(&sample.truth));
            assert!(named.is_superset(&hit) && named.difference(&hit).all(|key| sample.has_old(*key)), "{case}: {named:?} are named, {hit:?} are hit");
        }
        if !is_done {
            repair(&place.dir(), &sample.key, time(5), &mut |_| {}).unwrap();
            let mut writer = sample.open(place).unwrap();
            free(&mut writer).unwrap();
            assert!(holds(&whole(&writer.catalog(), &writer.contents()), &sample.without_old(&before)), "{case}: freeing lost something after a repair");
        }
    }

    /// A copy has all that can be read, says that the rest is missing, and leaves its source alone.
    fn is_copied(&self, place: &Place, read: Option<&Truth>) {
        let (case, sample, dest) = (self.name(), self.sample, place.root.path().join("copy"));
        let before = prints(&place.dir());
        let report = explained(copy(&place.dir(), &dest, &sample.key, &mut go_on));
        assert!(prints(&place.dir()) == before, "{case}: a copy changed its source");
        let Some(report) = report else { return };
        assert!(report.complete, "{case}: {report:?}");
        let read_copy = || read_by(place, &dest, sample).unwrap_or_else(|| panic!("{case}: the copy cannot be read"));
        let checked = c2b_storagefmt::check(&dest, &place.scratch(), &sample.key, true, &mut |_| {}).unwrap();
        let Spot::Pack(spot) = self.spot else {
            assert_eq!((read_copy(), report.damages, checked.damages), (sample.truth.clone(), Vec::new(), Vec::new()), "{case}");
            return;
        };
        assert!(!report.damages.is_empty() && !checked.damages.is_empty(), "{case}: {:?} when copying, {:?} after it", report.damages, checked.damages);
        // Of records the source has another copy in its index, so that it reads more than its packs hold.
        if let Some(read) = read.filter(|_| self.action == Action::Flip && spot != PackSpot::Records) {
            assert_eq!(read_copy(), *read, "{case}: {report:?}");
            assert_eq!(named(&checked), missing(&sample.truth, read), "{case}: {:?}", checked.damages);
        }
        repair(&place.dir(), &sample.key, time(5), &mut |_| {}).unwrap();
        let report = copy(&place.dir(), &dest, &sample.key, &mut go_on).unwrap();
        assert!(report.complete && report.damages.is_empty(), "{case}: {report:?}");
        assert!(read.is_none_or(|read| holds(&read_copy(), read)), "{case}: the copy of what was repaired lacks something");
    }

    /// Erasing a mailbox leaves the others what can be read, or says why not; after a repair it goes on.
    fn is_erased(&self, place: &Place) {
        let (case, sample) = (self.name(), self.sample);
        let Some(mut writer) = explained(sample.open(place)) else { return };
        let of_others = |mut truth: Truth| {
            truth.retain(|(mailbox, _), _| *mailbox == ALICE);
            truth
        };
        let before = of_others(whole(&writer.catalog(), &writer.contents()));
        let report = explained(erase(&mut writer)).flatten();
        let after = whole(&writer.catalog(), &writer.contents());
        assert!(holds(&of_others(after.clone()), &before), "{case}: erasing lost what others have");
        drop(writer);
        if let Some(report) = report {
            assert!(after.keys().all(|(mailbox, _)| *mailbox == ALICE), "{case}: something can be read still");
            if !matches!(self.spot, Spot::Index(_)) {
                let noted = |key: &ItemKey| report.lost.iter().any(|lost| sample.truth.get(&(lost.0, *key)).is_some_and(|held| held.contains(&lost.1.0)));
                let mut hit = missing(&of_others(sample.truth.clone()), &after);
                hit.retain(|key| !noted(key));
                assert_eq!(named(&sample.check(place, true).unwrap()), hit, "{case}: {report:?}");
            }
            return;
        }
        repair(&place.dir(), &sample.key, time(5), &mut |_| {}).unwrap();
        let mut writer = sample.open(place).unwrap();
        erase(&mut writer).unwrap();
        assert_eq!(writer.catalog().erasures().unwrap().len(), 1, "{case}: neither there nor erased");
        let after = whole(&writer.catalog(), &writer.contents());
        assert!(holds(&after, &before), "{case}: erasing after a repair lost what others have");
        assert!(after.keys().all(|(mailbox, _)| *mailbox == ALICE), "{case}: something can be read still after a repair");
    }
}

/// Who came first.
const ALICE: MailboxKey = MailboxKey(1);

/// Returns what can be read at `dir`, if its catalogue opens.
fn read_by(place: &Place, dir: &Path, sample: &Sample) -> Option<Truth> {
    let (catalog, contents): (Catalog, Contents) = explained(Catalog::open_reader(dir, &place.root.path().join("reader"), &sample.key))?;
    Some(whole(&catalog, &contents))
}

/// Returns whether everything of `less` is in `more`.
fn holds(more: &Truth, less: &Truth) -> bool {
    less.iter().all(|(key, versions)| more.get(key).is_some_and(|held| versions.is_subset(held)))
}

/// Returns the items of which something is in `truth` and not in `read`.
fn missing(truth: &Truth, read: &Truth) -> BTreeSet<ItemKey> {
    truth.iter().filter(|(key, versions)| !read.get(key).is_some_and(|held| versions.is_subset(held))).map(|((_, key), _)| *key).collect()
}

fn named(report: &CheckReport) -> BTreeSet<ItemKey> {
    report.damages.iter().flat_map(|damage| &damage.items).map(|item| item.key).collect()
}

/// A backup goes on, or says why not; what it writes can be read.
pub(super) fn backs_up(sample: &Sample, place: &Place, case: &str) {
    let Some(mut writer) = explained(sample.open(place)) else { return };
    let before = whole(&writer.catalog(), &writer.contents());
    if explained(add(&mut writer)).is_none() {
        return;
    }
    let after = whole(&writer.catalog(), &writer.contents());
    assert!(holds(&after, &before), "{case}: a backup lost something");
    let new = list(&writer.catalog(), inbox(&mut writer), Moment::Latest).into_iter().find(|row| row.meta.id.as_str() == "new").unwrap();
    assert!(after.contains_key(&(new.mailbox, new.key)), "{case}: what was backed up cannot be read");
}

fn add(writer: &mut Writer) -> Result<(), Error> {
    let mailbox = writer.mailbox(&address("alice"))?;
    let inbox = writer.put_folder(mailbox, &folder("F-inbox", "Inbox", None))?;
    writer.put_item(mailbox, inbox, mail("new", "subject new", &noise(30_000, 77)))?;
    writer.commit(time(9))?;
    Ok(())
}

fn free(writer: &mut Writer) -> Result<(), Error> {
    let policy = RetentionPolicy { versions_max: Some(1), ..RetentionPolicy::default() };
    let plan = writer.catalog().retention_plan(&policy, time(20), false, &mut |_| {})?;
    writer.retention_mark(&plan, time(20))?;
    let mut run = writer.free_begin()?;
    while writer.free_step(&mut run, time(21))? == FreeStep::More {}
    Ok(())
}

/// Erases the second mailbox, or goes on with it, unless that is done. An index that lost a part of itself may not know the
/// mailbox; a check finds that.
fn erase(writer: &mut Writer) -> Result<Option<EraseReport>, Error> {
    let bob = writer.catalog().mailbox(&address("bob"))?;
    let run = match &bob {
        Some(bob) => Some(writer.erase_begin(bob.key, "admin", time(20))?),
        None => writer.erase_continue(time(20))?,
    };
    let Some(mut run) = run else { return Ok(None) };
    while writer.erase_step(&mut run, time(21))? == EraseStep::More {}
    Ok(Some(run.report().clone()))
}

impl Sample {
    /// Returns this without the versions that were replaced.
    fn without_old(&self, truth: &Truth) -> Truth {
        let old: BTreeSet<[u8; 32]> = [100, 101].map(|number| ContentId::of(&super::sample::text(number)).0).into();
        let mut truth = truth.clone();
        truth.values_mut().for_each(|versions| versions.retain(|version| !old.contains(version)));
        truth.retain(|_, versions| !versions.is_empty());
        truth
    }

    /// Returns whether an item has versions that were replaced.
    fn has_old(&self, key: ItemKey) -> bool {
        self.truth.iter().any(|((_, item), versions)| *item == key && versions.len() > 1)
    }
}
