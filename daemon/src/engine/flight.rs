//! Items between the source and the writer: fetched or being fetched, and not handed over yet.
//!
//! They are what `kill -9` loses beside the open batch, and what memory holds. So they are bounded
//! by what the cycle knows of: a small cycle has few requests for items in flight, of one item each;
//! a large one has all that the connection allows, in larger batches.

use super::limits::REQUESTS_MAX;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Items in flight are at most this part of the items that the cycle knows of: a third of a percent.
const SHARE: u64 = 300;

/// A small cycle still has this many requests for items at a time, so that one slow item does not stop it.
const REQUESTS_MIN: u32 = 2;

/// The room for requests that bring items. One for each cycle.
#[derive(Debug)]
pub(crate) struct Flight {
    room: Arc<Semaphore>,
}

/// Room for one request's items, until it is dropped.
#[derive(Debug)]
pub(crate) struct Room {
    _taken: OwnedSemaphorePermit,
}

impl Flight {
    pub(crate) fn new() -> Self {
        Self { room: Arc::new(Semaphore::new(REQUESTS_MAX)) }
    }

    /// Returns how many items one request is to bring, in a cycle that knows of so many.
    pub(crate) fn batch_items(known: u64) -> usize {
        usize::try_from(known / SHARE).unwrap_or(usize::MAX) / REQUESTS_MAX
    }

    /// Waits for room, in a cycle that knows of so many items. `None` does not happen: the room is never closed.
    pub(crate) async fn take(&self, known: u64) -> Option<Room> {
        self.room.clone().acquire_many_owned(parts(known)).await.ok().map(|taken| Room { _taken: taken })
    }
}

/// Returns how much of the room one request takes: the fewer items are known, the more.
fn parts(known: u64) -> u32 {
    let whole = u32::try_from(REQUESTS_MAX).unwrap_or(u32::MAX);
    let requests = u32::try_from(known / SHARE).unwrap_or(u32::MAX).clamp(REQUESTS_MIN, whole);
    whole.div_ceil(requests)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn what_is_in_flight_follows_what_is_known() {
        for known in [0, 1, 599, 600, 1000, 1200, 1800, 5000, 20_000, 1_000_000] {
            let flight = Flight::new();
            let rooms: Vec<Room> = std::iter::from_fn(|| flight.take(known).now_or_never().flatten()).collect();
            let items = rooms.len() as u64 * Flight::batch_items(known).max(1) as u64;
            assert!(items <= 2 || items * SHARE <= known, "{items} in flight of {known}");
            assert!((2..=REQUESTS_MAX).contains(&rooms.len()));
        }
    }
}
