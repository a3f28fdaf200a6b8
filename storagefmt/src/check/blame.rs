//! From damaged places to the items that a person misses.

use super::{Damage, DamagedItem};
use crate::format::record::{ContentRef, ItemRecord, Record};
use crate::format::row::{FolderRowValue, ItemRowValue, KeyTake, Table};
use crate::format::time_of;
use crate::index::{decode, successor};
use crate::{Catalog, CommitSeq, ContentId, Error, FolderKey, FrameKey, ItemKey, MailboxKey, Place};
use c2b_mailbox::Address;
use std::collections::{BTreeMap, HashMap, HashSet};

/// Damages, and what each of them takes with it.
#[derive(Default)]
pub(super) struct Blame {
    pub(super) damages: Vec<Damage>,
    /// Packs that are lost whole, by their first commits: the last, and the damage.
    packs: BTreeMap<CommitSeq, (CommitSeq, usize)>,
    /// Damaged places of packs, by the pack's first commit and the place.
    places: HashMap<(CommitSeq, u64), usize>,
    blocks: HashMap<FrameKey, usize>,
    contents: HashMap<(MailboxKey, ContentId), usize>,
}

impl Blame {
    /// Notes damage; returns its number.
    pub(super) fn note(&mut self, what: String) -> usize {
        self.damages.push(Damage { what, items: Vec::new() });
        self.damages.len() - 1
    }

    /// Notes that a pack is lost with everything in it.
    pub(super) fn pack(&mut self, first: CommitSeq, last: CommitSeq, what: String) {
        let damage = self.note(what);
        self.packs.insert(first, (last, damage));
    }

    /// Notes damage at a place of a pack; a place is noted once.
    pub(super) fn place(&mut self, first: CommitSeq, offset: u64, what: String) {
        if !self.places.contains_key(&(first, offset)) {
            let damage = self.note(what);
            self.places.insert((first, offset), damage);
        }
    }

    /// Notes that a block is lost: to the damage at its place, else to the last one before it in its pack, else to one of its own.
    pub(super) fn block(&mut self, block: FrameKey, first: CommitSeq, offset: u64, what: impl FnOnce() -> String) {
        if self.blocks.contains_key(&block) {
            return;
        }
        let before = self.places.iter().filter(|((pack, place), _)| *pack == first && *place <= offset).max_by_key(|((_, place), _)| *place);
        let any = || self.places.iter().find(|((pack, _), _)| *pack == first);
        let damage = match before.or_else(any).map(|(_, damage)| *damage) {
            Some(damage) => damage,
            None => self.note(what()),
        };
        self.blocks.insert(block, damage);
    }

    /// Notes that a content needs a block, in case that is lost.
    pub(super) fn content_at(&mut self, mailbox: MailboxKey, id: ContentId, block: FrameKey) {
        let pack = || self.packs.range(..=block.seq).next_back().filter(|(_, (last, _))| block.seq <= *last).map(|(_, (_, damage))| damage);
        if let Some(damage) = self.blocks.get(&block).or_else(pack) {
            self.contents.entry((mailbox, id)).or_insert(*damage);
        }
    }

    /// Notes that a content is damaged for a reason of its own.
    pub(super) fn content(&mut self, mailbox: MailboxKey, id: ContentId, reason: &str) {
        if !self.contents.contains_key(&(mailbox, id)) {
            let damage = self.note(format!("content {id}: {reason}"));
            self.contents.insert((mailbox, id), damage);
        }
    }

    /// Returns whether a content is known to be damaged.
    pub(super) fn knows(&self, mailbox: MailboxKey, id: &ContentId) -> bool {
        self.contents.contains_key(&(mailbox, *id))
    }

    /// Goes through all versions of all items, and names those that damage concerns. Returns how many items and versions there are.
    pub(super) fn items(&mut self, catalog: &Catalog) -> Result<(u64, u64), Error> {
        let (mut keys, mut versions) = (HashSet::new(), 0);
        let mut named = HashSet::new();
        let mut names = None;
        let index = catalog.shared().index();
        for (table, item_at) in [(Table::ItemsLive, 20), (Table::ItemsPast, 28), (Table::ItemsMarked, 28)] {
            let mut start = Vec::new();
            loop {
                let rows = index.scan(table, b"", &start, ROWS_PAGE)?;
                for (key, value) in &rows {
                    let item = KeyTake::new(key.get(item_at..).unwrap_or_default()).u64().ok_or(Error::IndexRow { table: table.name() })?;
                    keys.insert(item);
                    versions += 1;
                    let row: ItemRowValue = decode(table, value)?;
                    let Some(record) = index.record(row.place)? else {
                        self.note(format!("the record of a version of item {} is lost", ItemKey(item)));
                        continue;
                    };
                    let Record::Item(record) = record.as_ref() else { return Err(Error::IndexRow { table: table.name() }) };
                    for damage in self.of(catalog, record)? {
                        if named.insert((damage, record.key)) {
                            let names = match &mut names {
                                Some(names) => names,
                                none => none.insert(Names::read(catalog)?),
                            };
                            self.damages[damage].items.push(names.item(record));
                        }
                    }
                }
                match rows.last() {
                    Some((key, _)) if rows.len() == ROWS_PAGE => start = successor(key),
                    _ => break,
                }
            }
        }
        Ok((keys.len() as u64, versions))
    }

    /// Returns the damages that concern a version.
    fn of(&mut self, catalog: &Catalog, record: &ItemRecord) -> Result<Vec<usize>, Error> {
        let (index, mailbox) = (catalog.shared().index(), MailboxKey(record.mailbox));
        let mut damages = Vec::new();
        for id in [record.shown, record.export].iter().flatten().map(ContentRef::content) {
            if !self.knows(mailbox, &id) {
                let place: Option<Place> = index.row(Table::Recipes, &index.content_key(mailbox, &id))?;
                let recipe = place.map_or(Ok(None), |place| index.record(place))?;
                if !matches!(recipe.as_deref(), Some(Record::Recipe(_))) {
                    self.content(mailbox, id, "its recipe is not in the archive");
                }
            }
            damages.extend(self.contents.get(&(mailbox, id)));
        }
        Ok(damages)
    }
}

/// Rows read at once.
const ROWS_PAGE: usize = 1024;

/// What mailboxes and folders are called.
struct Names {
    mailboxes: HashMap<MailboxKey, Address>,
    folders: HashMap<FolderKey, (String, Option<FolderKey>)>,
}

impl Names {
    fn read(catalog: &Catalog) -> Result<Self, Error> {
        let mailboxes = catalog.mailboxes()?.into_iter().map(|row| (row.key, row.address)).collect();
        let mut folders = HashMap::new();
        let index = catalog.shared().index();
        // In the order of versions: the last name is the one that people know.
        for (_, value) in index.scan_all(Table::Folders, b"")? {
            let row: FolderRowValue = decode(Table::Folders, &value)?;
            if let Some(Record::Folder(record)) = index.record(row.place)?.as_deref() {
                folders.insert(FolderKey(record.key), (record.name.clone(), record.parent.map(FolderKey)));
            }
        }
        Ok(Self { mailboxes, folders })
    }

    fn item(&self, record: &ItemRecord) -> DamagedItem {
        let unknown = || Address::parse("unknown@unknown").unwrap_or_else(|_| unreachable!("a constant address"));
        DamagedItem {
            mailbox: self.mailboxes.get(&MailboxKey(record.mailbox)).cloned().unwrap_or_else(unknown),
            folder: self.path(FolderKey(record.folder)),
            subject: record.meta.subject.clone(),
            date: time_of(record.time),
            key: ItemKey(record.key),
        }
    }

    fn path(&self, folder: FolderKey) -> String {
        let mut names = Vec::new();
        let mut at = Some(folder);
        while let Some((name, parent)) = at.and_then(|key| self.folders.get(&key)).filter(|_| names.len() <= self.folders.len()) {
            names.push(name.as_str());
            at = *parent;
        }
        names.reverse();
        names.join("/")
    }
}
