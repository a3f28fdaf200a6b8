//! How many connections there are, and whose.

use nix::unistd::geteuid;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Of all seats, one user other than root and the daemon's own can take one in so many.
const SHARE: usize = 2;

/// The connections there may be.
#[derive(Clone)]
pub(super) struct Seats(Arc<Inner>);

struct Inner {
    max: usize,
    reserved: usize,
    own: u32,
    taken: Mutex<HashMap<Option<u32>, usize>>,
}

/// One connection's place, until it is dropped.
pub(super) struct Seat {
    seats: Seats,
    uid: Option<u32>,
}

impl Seats {
    /// Prepares so many seats, and more for root and the daemon's own user.
    pub(super) fn new(max: usize, reserved: usize) -> Self {
        Self(Arc::new(Inner { max, reserved, own: geteuid().as_raw(), taken: Mutex::default() }))
    }

    /// Gives a seat to a user, where there is one for that user.
    pub(super) fn take(&self, uid: Option<u32>) -> Option<Seat> {
        let Inner { max, reserved, own, taken } = &*self.0;
        let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = taken.values().sum();
        let theirs = taken.get(&uid).copied().unwrap_or_default();
        let is_trusted = uid.is_some_and(|uid| uid == 0 || uid == *own);
        let is_room = if is_trusted { all < max + reserved } else { all < *max && theirs < (max / SHARE).max(1) };
        is_room.then(|| {
            taken.insert(uid, theirs + 1);
            Seat { seats: self.clone(), uid }
        })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.0.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(theirs) = taken.get_mut(&self.uid) {
            *theirs -= 1;
            if *theirs == 0 {
                taken.remove(&self.uid);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_user_leaves_room_for_others_and_root_always_gets_in() {
        let seats = Seats::new(4, 2);
        let greedy: Vec<Seat> = (0..9).filter_map(|_| seats.take(Some(77_001))).collect();
        assert_eq!(greedy.len(), 2);
        let others: Vec<Seat> = (0..9).filter_map(|n| seats.take(Some(77_002 + n))).collect();
        assert_eq!(others.len(), 2);
        let root: Vec<Seat> = (0..9).filter_map(|_| seats.take(Some(0))).collect();
        assert_eq!(root.len(), 2);
        drop((greedy, others, root));
        assert!(seats.0.taken.lock().unwrap().is_empty());
        assert!(seats.take(None).is_some());
    }
}
