//! Conflicts by mailbox: jobs that meet on a mailbox take turns, first come first served (spec.md 2).
//!
//! They meet in a storage, where both write it, and at a connection, where both read it. Whoever asks takes his place in all
//! rows at once, and has his turn when he is the first in each: so the order is the same everywhere, nobody waits in a
//! circle, and nobody is overtaken. A waiting job is told who is before it, so that it can say what it waits for.

use c2b_mailbox::Address;
use c2b_storagefmt::Catalog;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// The turns of all mailboxes. The daemon has one.
#[derive(Debug, Default)]
pub struct MailboxQueue {
    state: Mutex<State>,
}

/// The exclusive use of a mailbox, until it is dropped.
#[derive(Debug)]
pub(crate) struct Claim {
    queue: Arc<MailboxQueue>,
    ticket: Ticket,
    entry: Arc<Entry>,
}

/// A mailbox, where jobs meet on it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    /// In a storage.
    Storage {
        /// The storage's identity.
        storage: String,
        /// The mailbox.
        address: Address,
    },
    /// At a connection.
    Connection {
        /// The connection's name.
        connection: String,
        /// The mailbox.
        address: Address,
    },
}

/// The order of asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Ticket(u64);

/// Somebody who waits for a turn, or has it.
#[derive(Debug)]
struct Entry {
    who: String,
    places: Vec<Place>,
    /// Rung when somebody left a row that it is in.
    bell: Notify,
}

#[derive(Debug, Default)]
struct State {
    last: u64,
    entries: BTreeMap<Ticket, Arc<Entry>>,
    /// Who is in each row, first the one whose turn it is.
    rows: HashMap<Place, VecDeque<Ticket>>,
}

impl Place {
    /// Names a mailbox in the storage that a catalogue is of.
    pub(crate) fn of(catalog: &Catalog, address: &Address) -> Self {
        Self::Storage { storage: catalog.info().uuid.to_string(), address: address.clone() }
    }

    /// Names a mailbox at a connection.
    pub(crate) fn at(connection: &str, address: &Address) -> Self {
        Self::Connection { connection: connection.to_owned(), address: address.clone() }
    }

    fn is_at_connection(&self) -> bool {
        matches!(self, Self::Connection { .. })
    }
}

impl MailboxQueue {
    /// Returns a queue in which nothing is held.
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// Waits for the turn of somebody who is no job.
    pub(crate) async fn claim_of(self: &Arc<Self>, catalog: &Catalog, address: &Address, who: &str) -> Claim {
        self.claim(vec![Place::of(catalog, address)], who, |_| {}).await
    }

    /// Waits for the turn of `job` in all these places. `waits` is told the name of who is before it, and each time that changes.
    pub(crate) async fn claim(self: &Arc<Self>, places: Vec<Place>, job: &str, mut waits: impl FnMut(String)) -> Claim {
        let entry = Arc::new(Entry { who: job.to_owned(), places, bell: Notify::new() });
        let ticket = self.lock().join(&entry);
        // Made before the wait, so that a claim given up while waiting cleans up too.
        let claim = Claim { queue: self.clone(), ticket, entry };
        let mut told = None;
        loop {
            let before = self.lock().before(ticket, &claim.entry);
            let Some(before) = before else { return claim };
            if told.as_ref() != Some(&before) {
                waits(before.clone());
                told = Some(before);
            }
            claim.entry.bell.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn join(&mut self, entry: &Arc<Entry>) -> Ticket {
        self.last += 1;
        let ticket = Ticket(self.last);
        for place in &entry.places {
            self.rows.entry(place.clone()).or_default().push_back(ticket);
        }
        self.entries.insert(ticket, entry.clone());
        ticket
    }

    fn leave(&mut self, ticket: Ticket) {
        let Some(entry) = self.entries.remove(&ticket) else { return };
        for place in &entry.places {
            let Some(row) = self.rows.get_mut(place) else { continue };
            row.retain(|other| *other != ticket);
            row.iter().filter_map(|other| self.entries.get(other)).for_each(|other| other.bell.notify_one());
            if row.is_empty() {
                self.rows.remove(place);
            }
        }
    }

    /// Returns the name of who has the first turn in a row that is not its own yet; none when it is the first in each.
    fn before(&self, ticket: Ticket, entry: &Entry) -> Option<String> {
        let firsts = entry.places.iter().filter_map(|place| self.rows.get(place)?.front());
        let first = firsts.filter(|first| **first != ticket).min()?;
        self.entries.get(first).map(|first| first.who.clone())
    }

    /// Returns all who are in the rows of an entry, itself too.
    fn in_rows_of(&self, entry: &Entry) -> impl Iterator<Item = Ticket> {
        entry.places.iter().filter_map(|place| self.rows.get(place)).flatten().copied()
    }
}

impl Claim {
    /// Returns whether somebody waits for this mailbox.
    pub(crate) fn is_wanted(&self) -> bool {
        self.queue.lock().in_rows_of(&self.entry).any(|other| other != self.ticket)
    }

    /// Returns whether somebody waits for this mailbox, or for somebody who waits for it, and does not need its connection.
    pub(crate) fn is_wanted_elsewhere(&self) -> bool {
        let connections: Vec<&Place> = self.entry.places.iter().filter(|place| place.is_at_connection()).collect();
        let state = self.queue.lock();
        let (mut met, mut next) = (BTreeSet::from([self.ticket]), vec![self.ticket]);
        while let Some((ticket, entry)) = next.pop().and_then(|ticket| state.entries.get_key_value(&ticket)) {
            if !connections.iter().all(|place| entry.places.contains(place)) {
                return true;
            }
            next.extend(state.in_rows_of(entry).filter(|behind| behind > ticket && met.insert(*behind)));
        }
        false
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.queue.lock().leave(self.ticket);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::join_all;
    use proptest::prelude::*;
    use std::time::Duration;
    use tokio::time::{Instant, sleep, timeout};

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    fn place(text: &str) -> Vec<Place> {
        vec![Place::Storage { storage: "s".into(), address: address(text) }]
    }

    /// Somebody who asks for mailboxes: when, for which, how long he keeps them, and how long he waits.
    #[derive(Clone, Debug)]
    struct Caller {
        arrival: u64,
        places: Vec<(bool, u8, u8)>,
        keeps: u64,
        patience: u64,
    }

    fn caller() -> impl Strategy<Value = Caller> {
        let places = prop::collection::btree_set((any::<bool>(), 0..5_u8, 0..6_u8), 1..4).prop_map(|places| places.into_iter().collect());
        (0..40_u64, places, 1..9_u64, prop_oneof![3 => Just(1_000_000), 1 => 0..20_u64]).prop_map(|(arrival, places, keeps, patience)| Caller {
            arrival,
            places,
            keeps,
            patience,
        })
    }

    fn places(caller: &Caller) -> Vec<Place> {
        let place = |(is_storage, of, mailbox): &(bool, u8, u8)| {
            let (name, address) = (of.to_string(), address(&format!("m{mailbox}@x")));
            if *is_storage { Place::Storage { storage: name, address } } else { Place::Connection { connection: name, address } }
        };
        caller.places.iter().map(place).collect()
    }

    /// Says when each has his turn, if ever: once all who came before him and want a place of his have left.
    fn expected(callers: &[(u64, Caller)]) -> Vec<Option<u64>> {
        let mut turns = Vec::new();
        let mut ends: Vec<u64> = Vec::new();
        for (n, (arrival, caller)) in callers.iter().enumerate() {
            let before = callers.iter().zip(&ends).take(n).filter(|((_, other), _)| other.places.iter().any(|place| caller.places.contains(place)));
            let turn = before.map(|(_, end)| *end).max().unwrap_or(0).max(*arrival);
            let last = arrival + caller.patience * 1000 + 500;
            turns.push((turn <= last).then_some(turn));
            ends.push(if turn <= last { turn + caller.keeps * 1000 } else { last });
        }
        turns
    }

    /// No two events are at one time, but for turns that follow from the same one: each caller has his own millisecond.
    fn told_apart(mut callers: Vec<Caller>) -> Vec<(u64, Caller)> {
        callers.sort_by_key(|caller| caller.arrival);
        callers.into_iter().enumerate().map(|(n, caller)| (caller.arrival * 1000 + n as u64, caller)).collect()
    }

    async fn turns(callers: &[(u64, Caller)]) -> Vec<Option<u64>> {
        let (queue, start) = (MailboxQueue::new(), Instant::now());
        let turns = join_all(callers.iter().map(async |(arrival, caller)| {
            sleep(Duration::from_millis(*arrival)).await;
            let claim = queue.claim(places(caller), "job", |_| ());
            let claim = timeout(Duration::from_millis(caller.patience * 1000 + 500), claim).await.ok()?;
            let turn = u64::try_from(start.elapsed().as_millis()).unwrap();
            sleep(Duration::from_secs(caller.keeps)).await;
            drop(claim);
            Some(turn)
        }))
        .await;
        let state = queue.lock();
        assert!(state.rows.is_empty() && state.entries.is_empty(), "somebody is left behind");
        turns
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn each_has_his_turn_when_all_who_came_before_have_left_and_not_later(callers in prop::collection::vec(caller(), 1..200)) {
            let callers = told_apart(callers);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
            prop_assert_eq!(runtime.block_on(turns(&callers)), expected(&callers));
        }
    }

    #[tokio::test]
    async fn who_waits_is_told_who_is_before_him_and_when_that_changes() {
        let queue = MailboxQueue::new();
        let first = queue.claim(place("a@x"), "nightly", |_| panic!("nothing to wait for")).await;
        assert!(!first.is_wanted());
        let second = queue.claim(place("a@x"), "weekly", |_| ());
        tokio::pin!(second);
        assert!(futures_util::poll!(&mut second).is_pending());
        let told = Mutex::new(Vec::new());
        let third = queue.claim(place("a@x"), "monthly", |before| told.lock().unwrap().push(before));
        tokio::pin!(third);
        assert!(futures_util::poll!(&mut third).is_pending());
        assert!(first.is_wanted());
        // Another mailbox, and the same one of another storage, are free.
        queue.claim(place("b@x"), "j", |_| panic!("b is free")).await;
        queue.claim(vec![Place::at("s", &address("a@x"))], "j", |_| panic!("a is free there")).await;
        drop(first);
        let second = second.await;
        assert!(futures_util::poll!(&mut third).is_pending());
        drop(second);
        assert!(!third.await.is_wanted());
        assert_eq!(*told.lock().unwrap(), ["nightly", "weekly"]);
    }

    #[tokio::test]
    async fn it_is_known_who_waits_and_needs_another_connection() {
        let at =
            |storage: &str, connection: &str| vec![Place::Storage { storage: storage.into(), address: address("a@x") }, Place::at(connection, &address("a@x"))];
        let queue = MailboxQueue::new();
        let held = queue.claim(at("s", "dead"), "one", |_| ()).await;
        let same = queue.claim(at("t", "dead"), "two", |_| ());
        tokio::pin!(same);
        assert!(futures_util::poll!(&mut same).is_pending());
        assert!(held.is_wanted() && !held.is_wanted_elsewhere(), "who waits needs the same connection");
        // It waits for who waits.
        let other = queue.claim(at("t", "alive"), "three", |_| ());
        tokio::pin!(other);
        assert!(futures_util::poll!(&mut other).is_pending());
        assert!(held.is_wanted_elsewhere());
    }
}
