//! The storage's index beside the replay of its packs, row by row.
//!
//! They are alike, but for two things: what freeing took out of packs cannot come back in a replay, and some sums count
//! what came before it.

use super::Check;
use super::blame::Names;
use crate::format::record::Record;
use crate::format::row::{ChunkRow, ItemPlaceRow, ItemRowValue, KeyTake, MailboxRowValue, PackRow, StateRow, Table, WaitingRow};
use crate::index::{Index, Row, decode, successor};
use crate::{CommitSeq, DamagedItem, Error, Place};
use std::collections::VecDeque;
use std::sync::Arc;

/// Rows read at once.
const PAGE_ROWS: usize = 1024;
/// Items named for each table: an index is made anew as a whole, however much of it is wrong.
const NAMES_MAX: usize = 1000;

/// What the two went through.
#[derive(Clone, Copy)]
struct Histories {
    /// Whether packs were written anew.
    rewritten: bool,
    /// Whether texts are hashed with one key.
    keyed_alike: bool,
}

/// How the rows of a table differ.
#[derive(Default)]
struct Difference {
    missing: u64,
    extra: u64,
    other: u64,
    items: Vec<DamagedItem>,
}

impl Check<'_> {
    /// Compares the storage's index with the scratch index.
    pub(super) fn compare(&mut self) -> Result<(), Error> {
        let replay = Arc::clone(self.rows.index());
        let rewritten = crate::writer::recover::known(&replay)?.values().any(|row| row.generation > 0);
        let generation = replay.state()?.keygen;
        let Some(keyed_alike) = self.ask(|live| Ok(live.state()?.keygen == generation))? else { return Ok(()) };
        let histories = Histories { rewritten, keyed_alike };
        // After a rotation, hashes in the index are of the key that it was made with: until it is made anew they cannot be compared.
        for table in Table::ALL.iter().filter(|table| keyed_alike || !is_keyed(**table)) {
            let Some(found) = self.ask(|live| difference(live, &replay, *table, histories))? else { return Ok(()) };
            if found.missing + found.extra + found.other > 0 {
                let Difference { missing, extra, other, items } = found;
                let what = format!(
                    "the index differs from the packs in {}: {missing} rows are missing, {extra} should not be there, {other} are others; run `storage rebuild`",
                    table.name()
                );
                self.blame.note_of(what, items);
            }
        }
        Ok(())
    }
}

/// Walks over a table of both.
fn difference(live: &Index, replay: &Index, table: Table, histories: Histories) -> Result<Difference, Error> {
    let (mut one, mut other) = (Rows::new(live, table), Rows::new(replay, table));
    let mut found = Difference::default();
    let mut names = None;
    loop {
        let order = match (one.peek()?, other.peek()?) {
            (None, None) => return Ok(found),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some((one, _)), Some((other, _))) => one.cmp(other),
        };
        let row = match order {
            std::cmp::Ordering::Less => {
                let Some((key, value)) = one.next() else { continue };
                if !(histories.rewritten && is_left(live, replay, table, &key, &value)?) {
                    found.extra += 1;
                }
                continue;
            }
            std::cmp::Ordering::Greater => {
                let row = other.next();
                if is_of_lost_block(replay, table, row.as_ref())? {
                    continue;
                }
                found.missing += 1;
                row
            }
            std::cmp::Ordering::Equal => {
                let (held, row) = (one.next(), other.next());
                if held == row || is_alike(replay, table, held.as_ref(), row.as_ref(), histories)? {
                    continue;
                }
                found.other += 1;
                row
            }
        };
        if let Some((_, value)) = row.filter(|_| matches!(table, Table::ItemsLive | Table::ItemsPast) && found.items.len() < NAMES_MAX) {
            let place = decode::<ItemRowValue>(table, &value)?.place;
            if let Some(record) = replay.record(place)?
                && let Record::Item(record) = record.as_ref()
            {
                let names = match &mut names {
                    Some(names) => names,
                    none => none.insert(Names::read(replay)?),
                };
                found.items.push(names.item(record));
            }
        }
    }
}

/// Returns whether a row stayed when what it was made from was taken out of a pack.
fn is_left(live: &Index, replay: &Index, table: Table, key: &[u8], value: &[u8]) -> Result<bool, Error> {
    Ok(match table {
        Table::Recipes | Table::Grants | Table::Lost | Table::Cursors | Table::Failures | Table::Ripening => {
            replay.record(decode::<Place>(table, value)?)?.is_none()
        }
        Table::Waiting => replay.record(decode::<WaitingRow>(table, value)?.place)?.is_none(),
        Table::Chunks => true,
        Table::Changes => {
            let seq = KeyTake::new(key).u64().map(CommitSeq).ok_or(Error::IndexRow { table: table.name() })?;
            live.pack_of(seq)?.is_some_and(|(_, pack)| pack.generation > 0)
        }
        _ => false,
    })
}

/// Returns whether two rows of a key say the same but for what may differ.
fn is_alike(replay: &Index, table: Table, one: Option<&Row>, other: Option<&Row>, histories: Histories) -> Result<bool, Error> {
    let Histories { rewritten, keyed_alike } = histories;
    let (Some((_, one)), Some((_, other))) = (one, other) else { return Ok(false) };
    Ok(match table {
        Table::State => {
            let (one, other): (StateRow, StateRow) = (decode(table, one)?, decode(table, other)?);
            let chunks = if rewritten { other.chunks } else { one.chunks };
            StateRow { rewrites: other.rewrites, keygen: other.keygen, chunks, ..one } == other
        }
        Table::Packs => {
            let (one, other): (PackRow, PackRow) = (decode(table, one)?, decode(table, other)?);
            PackRow { verified: other.verified, ..one } == other
        }
        Table::ItemsLive | Table::ItemsPast | Table::ItemsMarked if rewritten => {
            let (one, other): (ItemRowValue, ItemRowValue) = (decode(table, one)?, decode(table, other)?);
            ItemRowValue { brought: other.brought, ..one } == other
        }
        Table::Mailboxes => {
            let (one, other): (MailboxRowValue, MailboxRowValue) = (decode(table, one)?, decode(table, other)?);
            let (logical_bytes, marked_bytes) = if rewritten { (other.logical_bytes, other.marked_bytes) } else { (one.logical_bytes, one.marked_bytes) };
            // What an erasure left is known to the storage's index alone.
            MailboxRowValue { logical_bytes, marked_bytes, purged: other.purged, ..one } == other
        }
        Table::Places if !keyed_alike => {
            let (one, other): (ItemPlaceRow, ItemPlaceRow) = (decode(table, one)?, decode(table, other)?);
            ItemPlaceRow { id: other.id, ..one } == other
        }
        // Of two copies of a chunk the one may be freed that the index names; it is stored again when it is wanted again.
        Table::Chunks if rewritten => replay.frame(decode::<ChunkRow>(table, one)?.frame())?.is_none(),
        _ => false,
    })
}

/// Returns whether a table has keyed hashes in its rows.
fn is_keyed(table: Table) -> bool {
    matches!(
        table,
        Table::Addresses
            | Table::FolderIds
            | Table::ItemIds
            | Table::Failures
            | Table::Waiting
            | Table::Ripening
            | Table::Chunks
            | Table::Recipes
            | Table::Lost
            | Table::Erased
    )
}

/// Returns whether a row names a chunk of a block that no pack has: look-ups ignore it, and the storage's index may do without.
fn is_of_lost_block(replay: &Index, table: Table, row: Option<&Row>) -> Result<bool, Error> {
    match row.filter(|_| table == Table::Chunks) {
        Some((_, value)) => Ok(replay.frame(decode::<ChunkRow>(table, value)?.frame())?.is_none()),
        None => Ok(false),
    }
}

/// The rows of a table of an index, one after the other.
struct Rows<'a> {
    index: &'a Index,
    table: Table,
    start: Option<Vec<u8>>,
    page: VecDeque<Row>,
}

impl<'a> Rows<'a> {
    fn new(index: &'a Index, table: Table) -> Self {
        Self { index, table, start: Some(Vec::new()), page: VecDeque::new() }
    }

    fn peek(&mut self) -> Result<Option<&Row>, Error> {
        if self.page.is_empty()
            && let Some(start) = self.start.take()
        {
            self.page = self.index.scan(self.table, b"", &start, PAGE_ROWS)?.into();
            self.start = self.page.back().filter(|_| self.page.len() == PAGE_ROWS).map(|(key, _)| successor(key));
        }
        Ok(self.page.front())
    }

    fn next(&mut self) -> Option<Row> {
        self.page.pop_front()
    }
}
