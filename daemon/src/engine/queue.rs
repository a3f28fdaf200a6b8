//! Conflicts by mailbox: jobs that meet on a mailbox of a storage take turns, first come first served.
//!
//! A waiting job is told who holds the mailbox, so that it can say what it waits for.

use c2b_mailbox::Address;
use c2b_storagefmt::Catalog;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Mutex as FairMutex, OwnedMutexGuard};

/// The turns of all mailboxes of all storages. The daemon has one.
#[derive(Debug, Default)]
pub struct MailboxQueue {
    places: Mutex<HashMap<Place, Arc<Turn>>>,
}

/// The exclusive use of a mailbox in a storage, until it is dropped.
#[derive(Debug)]
pub(crate) struct Claim {
    queue: Arc<MailboxQueue>,
    place: Place,
    turn: Arc<Turn>,
    guard: Option<OwnedMutexGuard<()>>,
}

/// A mailbox in a storage.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    /// The storage's identity.
    pub(crate) storage: String,
    /// The mailbox.
    pub(crate) address: Address,
}

impl Place {
    /// Names a mailbox in the storage that a catalogue is of.
    pub(crate) fn of(catalog: &Catalog, address: &Address) -> Self {
        Self { storage: catalog.info().uuid.to_string(), address: address.clone() }
    }
}

#[derive(Debug, Default)]
struct Turn {
    order: Arc<FairMutex<()>>,
    holder: Mutex<String>,
}

impl MailboxQueue {
    /// Returns a queue in which nothing is held.
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// Waits for the turn of somebody who is no job.
    pub(crate) async fn claim_of(self: &Arc<Self>, catalog: &Catalog, address: &Address, who: &str) -> Claim {
        self.claim(Place::of(catalog, address), who, |_| {}).await
    }

    /// Waits for the turn of `job`. `waits` is told the holder's name when there is one to wait for.
    pub(crate) async fn claim(self: &Arc<Self>, place: Place, job: &str, waits: impl FnOnce(String)) -> Claim {
        let turn = self.places.lock().unwrap_or_else(PoisonError::into_inner).entry(place.clone()).or_default().clone();
        // Made before the wait, so that a claim given up while waiting cleans up too.
        let mut claim = Claim { queue: self.clone(), place, turn, guard: None };
        let order = claim.turn.order.clone();
        let guard = match order.clone().try_lock_owned() {
            Ok(guard) => guard,
            Err(_) => {
                waits(claim.turn.holder());
                order.lock_owned().await
            }
        };
        claim.guard = Some(guard);
        job.clone_into(&mut claim.turn.holder.lock().unwrap_or_else(PoisonError::into_inner));
        claim
    }
}

impl Claim {
    /// Returns whether somebody waits for this mailbox.
    pub(crate) fn is_wanted(&self) -> bool {
        // The table, this claim, and one for each that waits.
        Arc::strong_count(&self.turn) > 2
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.guard = None;
        let mut places = self.queue.places.lock().unwrap_or_else(PoisonError::into_inner);
        if Arc::strong_count(&self.turn) == 2 {
            places.remove(&self.place);
        }
    }
}

impl Turn {
    fn holder(&self) -> String {
        self.holder.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex as StdMutex;

    fn place(text: &str) -> Place {
        Place { storage: "s".into(), address: Address::parse(text).unwrap() }
    }

    #[tokio::test]
    async fn turns_are_taken_in_the_order_of_asking_and_say_who_holds() {
        let queue = MailboxQueue::new();
        let log = Arc::new(StdMutex::new(Vec::new()));
        let first = queue.claim(place("a@x"), "nightly", |_| panic!("nothing to wait for")).await;
        assert!(!first.is_wanted());
        let mut waiting = Vec::new();
        for n in 0..5 {
            let (queue, log, started) = (queue.clone(), log.clone(), Arc::new(tokio::sync::Notify::new()));
            let said = started.clone();
            waiting.push(tokio::spawn(async move {
                let waits = |holder: String| {
                    assert_eq!(holder, "nightly");
                    said.notify_one();
                };
                let _claim = queue.claim(place("a@x"), &format!("job {n}"), waits).await;
                log.lock().unwrap().push(n);
            }));
            started.notified().await;
        }
        assert!(first.is_wanted());
        // Another mailbox, and the same one of another storage, are free.
        queue.claim(place("b@x"), "j", |_| panic!("b is free")).await;
        drop(first);
        for task in waiting {
            task.await.unwrap();
        }
        assert_eq!(*log.lock().unwrap(), [0, 1, 2, 3, 4]);
        assert!(queue.places.lock().unwrap().is_empty(), "turns are left behind");
    }

    #[tokio::test]
    async fn who_gives_up_waiting_leaves_nothing_behind() {
        let queue = MailboxQueue::new();
        let held = queue.claim(place("a@x"), "one", |_| ()).await;
        {
            let mut second = Box::pin(queue.claim(place("a@x"), "two", |_| ()));
            assert!(futures_util::poll!(second.as_mut()).is_pending());
        }
        assert!(!held.is_wanted());
        drop(held);
        assert!(queue.places.lock().unwrap().is_empty());
    }
}
