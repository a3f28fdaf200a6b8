//! Damage in the middle of a history, and what a repair makes of it.

use super::mails::item;
use super::verify::{Compared, listed};
use super::world::World;
use crate::damage::{says_what_to_do, whole};
use crate::harm::Action;
use crate::support::{Place, files, time};
use c2b_mailbox::ItemId;
use c2b_storagefmt::{Catalog, ItemKey, Moment, Writer, check, repair};
use std::collections::BTreeSet;
use std::fs;

impl World {
    /// Damages a file of a copy of the storage, and repairs that. What the repair does not name is all there at every moment,
    /// and the next cycle brings back what the sources have.
    pub(super) fn strike(&mut self, file: u16, at: u16, action: Action) {
        self.settle();
        self.close();
        let place = Place::with_copy_of(&self.place.dir());
        let struck = files(&place.dir());
        let path = &struck[usize::from(file) % struck.len()];
        let offset = usize::from(at) % usize::try_from(fs::metadata(path).unwrap().len().max(1)).unwrap();
        let case = format!("{action:?} at {offset} of {}", path.strip_prefix(place.dir()).unwrap().display());
        action.at(offset).strike(path);

        match Catalog::open_reader(&place.dir(), &place.root.path().join("reader"), &self.key) {
            Ok((catalog, contents)) => drop(whole(&catalog, &contents)),
            Err(err) => says_what_to_do(&err),
        }
        if let Err(err) = check(&place.dir(), &place.scratch(), &self.key, true, &mut |_| {}) {
            says_what_to_do(&err);
        }
        let now = time(self.minute + 1);
        let report = match repair(&place.dir(), &self.key, now, &mut |_| {}) {
            Ok(report) => report,
            // Without a pack nothing says what storage it is.
            Err(err) if self.history.len() == 1 => return says_what_to_do(&err),
            Err(err) => panic!("{case}: {err:?}"),
        };
        place.is_clean(&self.key, &format!("{case}: {report:#?}"));
        assert!(report.unknown.is_empty(), "{case}: one copy of each record was there: {report:#?}");
        let named: BTreeSet<ItemKey> = report.fetched_again.iter().chain(report.lost.iter().map(|lost| &lost.item)).map(|item| item.key).collect();
        let mut writer = Writer::open(&place.dir(), &self.key).unwrap();
        let mut compared = Compared::lossy();
        self.verify_moments(&writer.catalog(), &writer.contents(), &mut compared);
        for lost in compared.into_lost() {
            assert!(lost.items.is_subset(&named), "{case}: {} and {:?} are not all named: {report:#?}", lost.reason, lost.items);
        }
        self.fetch_again(&mut writer, report.fetched_again.len(), now, &case);
    }

    /// Does what the next cycle does.
    fn fetch_again(&self, writer: &mut Writer, wanted: usize, now: chrono::DateTime<chrono::Utc>, case: &str) {
        let state = self.committed();
        let due: Vec<_> = writer.catalog().failures(None).unwrap().into_iter().filter(|(_, failure)| failure.next_try == Some(now)).collect();
        assert_eq!(due.len(), wanted, "{case}");
        for (mailbox, failure) in due {
            let row = writer.catalog().mailboxes().unwrap().into_iter().find(|row| row.key == mailbox).unwrap();
            let (number, id) = (row.address.as_str()[1..2].parse().unwrap(), failure.id.as_str()[1..].parse().unwrap());
            let held = &state.items[&(number, id)];
            writer.put_item(mailbox, failure.folder, item(id, held.subject, held.body, held.export)).unwrap();
            writer.set_read(mailbox, &ItemId::new(failure.id.as_str()), None, held.read).unwrap();
        }
        writer.commit(now).unwrap();
        let mut seen = listed(&writer.catalog(), &writer.contents(), Moment::Latest, state, &mut Compared::default());
        (seen.cursors, seen.failures) = (state.cursors.clone(), state.failures.clone());
        assert_eq!(&seen, state, "{case}: after the next cycle");
    }
}
