//! Items between the source and the writer: fetched or being fetched, and not handed over yet.
//!
//! They are what `kill -9` loses beside the open batch, and what memory holds. So they are bounded
//! by what the cycle knows of: a small cycle has few requests for items in flight, of one item each;
//! a large one has all that the connection allows, in larger batches.

use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// Items in flight are at most this part of the items that the cycle knows of: a third of a percent.
const SHARE: u64 = 300;

/// A small cycle still has this many requests for items at a time, so that one slow item does not stop it.
const REQUESTS_MIN: usize = 2;

/// With few items in flight, that many requests have one each before any has two: a request waits for its way.
const SINGLE_MAX: usize = 6;

/// Beyond, a request has at least this many: it is worth its own cost.
const BATCH_MIN: usize = 3;

/// Most items in flight, whatever the cycle knows of: a hundred for each of the most slots there may be. Their bytes
/// are bounded by those of a request, 4 MiB, for each slot.
const ITEMS_MAX: usize = 3200;

/// The room for items. One for each cycle.
#[derive(Debug, Default)]
pub(crate) struct Flight {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    taken: Mutex<Taken>,
    freed: Notify,
}

#[derive(Clone, Copy, Debug, Default)]
struct Taken {
    requests: usize,
    items: usize,
}

/// Room for one request's items, until it is dropped.
#[derive(Debug)]
pub(crate) struct Room {
    inner: Arc<Inner>,
    items: usize,
}

impl Flight {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Returns how many items one request is to bring, in a cycle that knows of so many, over so many slots.
    pub(crate) fn batch_items(known: u64, slots: u32) -> usize {
        let all = items_max(known);
        let slots = usize::try_from(slots).unwrap_or(usize::MAX);
        // The first requests are let in whatever they bring, so they must fit together.
        let requests = (all / BATCH_MIN).max(all.min(SINGLE_MAX)).min(slots).max(REQUESTS_MIN);
        (all / requests).max(1)
    }

    /// Waits for room for so many items, in a cycle that knows of so many.
    pub(crate) async fn take(&self, known: u64, items: usize) -> Room {
        loop {
            let freed = self.inner.freed.notified();
            if let Some(room) = self.try_take(known, items) {
                return room;
            }
            freed.await;
        }
    }

    fn try_take(&self, known: u64, items: usize) -> Option<Room> {
        let mut taken = self.inner.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.requests >= REQUESTS_MIN && taken.items + items > items_max(known) {
            return None;
        }
        taken.requests += 1;
        taken.items += items;
        Some(Room { inner: self.inner.clone(), items })
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let mut taken = self.inner.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.requests -= 1;
        taken.items -= self.items;
        drop(taken);
        self.inner.freed.notify_waiters();
    }
}

fn items_max(known: u64) -> usize {
    usize::try_from(known / SHARE).unwrap_or(usize::MAX).min(ITEMS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slots::SLOTS_MAX;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_in_flight_follows_what_is_known(known in 0u64..200_000, first in 1..=SLOTS_MAX, later in 1..=SLOTS_MAX) {
            let flight = Flight::new();
            // The number of slots changes while batches of the earlier number are in flight.
            let batch = |slots| Flight::batch_items(known, slots);
            let mut rooms: Vec<Room> = (0..first).map_while(|_| flight.try_take(known, batch(first))).collect();
            rooms.extend(std::iter::from_fn(|| flight.try_take(known, batch(later))).take(1000));
            let items: usize = rooms.iter().map(|room| room.items).sum();
            prop_assert!(items <= 2 || items as u64 * SHARE <= known, "{} in flight of {}", items, known);
            prop_assert!(rooms.len() >= REQUESTS_MIN && items <= ITEMS_MAX);
        }
    }

    #[test]
    fn a_large_cycle_uses_all_slots_with_whole_batches() {
        assert_eq!(Flight::batch_items(1_000_000, SLOTS_MAX), 100);
        assert_eq!(Flight::batch_items(1_000_000, 4), 800, "the source's own bound holds");
        assert_eq!(Flight::batch_items(1800, 6), 1);
    }
}
