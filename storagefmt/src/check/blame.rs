//! From damaged places to the items that a person misses.

use super::{Damage, DamagedItem};
use crate::format::record::{ContentRef, FolderRecord, ItemRecord, MailboxRecord, Record};
use crate::format::row::{FolderRowValue, ItemRowValue, KeyTake, MailboxRowValue, Table};
use crate::format::time_of;
use crate::index::{Index, decode, successor};
use crate::{CommitSeq, ContentId, Error, FolderKey, FrameKey, ItemKey, MailboxKey, Place};
use c2b_mailbox::Address;
use std::collections::{BTreeMap, HashMap, HashSet};

/// Damages, and what each of them takes with it. In memory there is as much as there is damage.
#[derive(Default)]
pub(super) struct Blame {
    damages: Vec<Damage>,
    /// Packs that are lost whole, by their first commits: the last, and the damage.
    packs: BTreeMap<CommitSeq, (CommitSeq, usize)>,
    /// Damaged places of packs, by the pack's first commit and the place.
    places: BTreeMap<(CommitSeq, u64), usize>,
    blocks: HashMap<FrameKey, usize>,
    contents: HashMap<(MailboxKey, ContentId), Cause>,
    /// Reasons of contents that some version wants.
    reasons: HashMap<String, usize>,
}

/// Why a content cannot be read.
#[derive(Clone)]
enum Cause {
    Damage(usize),
    /// A reason of its own, which is damage only if some version wants the content.
    Own(String),
}

/// What was counted on the way.
#[derive(Default)]
pub(super) struct Counted {
    pub(super) items: u64,
    pub(super) versions: u64,
    pub(super) known_losses: u64,
}

impl Blame {
    /// Notes damage; returns its number.
    pub(super) fn note(&mut self, what: String) -> usize {
        self.note_of(what, Vec::new())
    }

    /// Notes damage that concerns these items.
    pub(super) fn note_of(&mut self, what: String, items: Vec<DamagedItem>) -> usize {
        self.damages.push(Damage { what, items });
        self.damages.len() - 1
    }

    /// Returns how many damages there are.
    pub(super) fn count(&self) -> usize {
        self.damages.len()
    }

    pub(super) fn into_damages(self) -> Vec<Damage> {
        self.damages
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

    /// Notes that a block is lost: to the damage at its place in its pack, else to the last one before it, else to any, else to one of its own.
    pub(super) fn block(&mut self, block: FrameKey, pack: CommitSeq, offset: u64, what: impl FnOnce() -> String) {
        if self.blocks.contains_key(&block) {
            return;
        }
        let before = self.places.range((pack, 0)..=(pack, offset)).next_back();
        let any = || self.places.range((pack, 0)..=(pack, u64::MAX)).next();
        let damage = match before.or_else(any).map(|(_, damage)| *damage) {
            Some(damage) => damage,
            None => self.note(what()),
        };
        self.blocks.insert(block, damage);
    }

    /// Notes that a content needs a block; returns whether that is lost.
    pub(super) fn content_at(&mut self, mailbox: MailboxKey, id: ContentId, block: FrameKey) -> bool {
        let pack = || self.packs.range(..=block.seq).next_back().filter(|(_, (last, _))| block.seq <= *last).map(|(_, (_, damage))| damage);
        let Some(damage) = self.blocks.get(&block).or_else(pack).copied() else { return false };
        self.contents.entry((mailbox, id)).or_insert(Cause::Damage(damage));
        true
    }

    /// Notes that a content is damaged for a reason of its own.
    pub(super) fn content(&mut self, mailbox: MailboxKey, id: ContentId, reason: String) {
        self.contents.entry((mailbox, id)).or_insert(Cause::Own(reason));
    }

    /// Goes through all versions of all items, and names those that damage concerns.
    pub(super) fn items(&mut self, index: &Index) -> Result<Counted, Error> {
        let mut counted = Counted::default();
        let (mut named, mut names) = (HashSet::new(), None);
        each_version(index, |_, item, row| {
            counted.versions += 1;
            let record = index.record(row.place)?;
            let Some(Record::Item(record)) = record.as_deref() else {
                self.note(format!("the record of a version of item {item} is lost"));
                return Ok(());
            };
            for damage in self.of(index, record, &mut counted)? {
                if named.insert((damage, record.key)) {
                    let names = match &mut names {
                        Some(names) => names,
                        none => none.insert(Names::read(index)?),
                    };
                    self.damages[damage].items.push(names.item(record));
                }
            }
            Ok(())
        })?;
        let mut start = Vec::new();
        loop {
            let rows = index.scan(Table::Places, b"", &start, ROWS_PAGE)?;
            counted.items += rows.len() as u64;
            match rows.last() {
                Some((key, _)) if rows.len() == ROWS_PAGE => start = successor(key),
                _ => return Ok(counted),
            }
        }
    }

    /// Returns the damages that concern a version.
    fn of(&mut self, index: &Index, record: &ItemRecord, counted: &mut Counted) -> Result<Vec<usize>, Error> {
        let mailbox = MailboxKey(record.mailbox);
        let mut damages = Vec::new();
        for id in [record.shown, record.export].iter().flatten().map(ContentRef::content) {
            let cause = match self.contents.get(&(mailbox, id)) {
                Some(cause) => cause.clone(),
                None => match state(index, mailbox, &id)? {
                    ContentState::Held => continue,
                    ContentState::Lost => {
                        counted.known_losses += 1;
                        continue;
                    }
                    ContentState::Unknown => Cause::Own("the recipes of contents are not in the archive".to_owned()),
                },
            };
            let damage = match cause {
                Cause::Damage(damage) => damage,
                Cause::Own(reason) => match self.reasons.get(&reason) {
                    Some(damage) => *damage,
                    None => {
                        let damage = self.note(reason.clone());
                        *self.reasons.entry(reason).or_insert(damage)
                    }
                },
            };
            self.contents.insert((mailbox, id), Cause::Damage(damage));
            damages.push(damage);
        }
        Ok(damages)
    }
}

/// What the archive says of a content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ContentState {
    /// It has a recipe.
    Held,
    /// It is known to be lost.
    Lost,
    /// Nothing is known.
    Unknown,
}

/// Returns what an index says of a mailbox's content.
pub(crate) fn state(index: &Index, mailbox: MailboxKey, id: &ContentId) -> Result<ContentState, Error> {
    let key = index.content_key(mailbox, id);
    let place: Option<Place> = index.row(Table::Recipes, &key)?;
    let recipe = place.map_or(Ok(None), |place| index.record(place))?;
    Ok(match recipe.as_deref() {
        Some(Record::Recipe(recipe)) if recipe.id == id.0 => ContentState::Held,
        _ if index.get(Table::Lost, &key.0)?.is_some() => ContentState::Lost,
        _ => ContentState::Unknown,
    })
}

/// Goes through all versions of all items: live ones, past ones, marked ones.
pub(crate) fn each_version(index: &Index, mut action: impl FnMut(Table, ItemKey, &ItemRowValue) -> Result<(), Error>) -> Result<(), Error> {
    for (table, item_at) in [(Table::ItemsLive, 20), (Table::ItemsPast, 28), (Table::ItemsMarked, 28)] {
        let mut start = Vec::new();
        loop {
            let rows = index.scan(table, b"", &start, ROWS_PAGE)?;
            for (key, value) in &rows {
                let item = KeyTake::new(key.get(item_at..).unwrap_or_default()).u64().ok_or(Error::IndexRow { table: table.name() })?;
                action(table, ItemKey(item), &decode(table, value)?)?;
            }
            match rows.last() {
                Some((key, _)) if rows.len() == ROWS_PAGE => start = successor(key),
                _ => break,
            }
        }
    }
    Ok(())
}

/// Rows read at once.
const ROWS_PAGE: usize = 1024;

/// What mailboxes and folders are called.
pub(crate) struct Names {
    mailboxes: HashMap<MailboxKey, Address>,
    folders: HashMap<FolderKey, (String, Option<FolderKey>)>,
}

impl Names {
    pub(crate) fn read(index: &Index) -> Result<Self, Error> {
        let (mut mailboxes, mut folders) = (HashMap::new(), HashMap::new());
        for (key, value) in index.scan_all(Table::Mailboxes, b"")? {
            let row: MailboxRowValue = decode(Table::Mailboxes, &value)?;
            let record = row.place.map_or(Ok(None), |place| index.record(place))?;
            if let (Some(key), Some(Record::Mailbox(MailboxRecord { address, .. }))) = (KeyTake::new(&key).mailbox(), record.as_deref())
                && let Ok(address) = Address::parse(address)
            {
                mailboxes.insert(key, address);
            }
        }
        // In the order of versions: the last name is the one that people know.
        for (_, value) in index.scan_all(Table::Folders, b"")? {
            let row: FolderRowValue = decode(Table::Folders, &value)?;
            if let Some(Record::Folder(FolderRecord { key, name, parent, .. })) = index.record(row.place)?.as_deref() {
                folders.insert(FolderKey(*key), (name.clone(), parent.map(FolderKey)));
            }
        }
        Ok(Self { mailboxes, folders })
    }

    pub(crate) fn item(&self, record: &ItemRecord) -> DamagedItem {
        let unknown = || Address::parse("unknown@lost.invalid").unwrap_or_else(|_| unreachable!("a constant address"));
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
