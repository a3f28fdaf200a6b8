//! Slots: how many requests a connection has in flight, decided from what is measured. Pure.
//!
//! No clock, no task, no lock: whoever uses it says what time it is. So the same code runs against
//! simulated servers in virtual time (`benches/slots`) and against real ones (`engine::limits`).
//!
//! * [`Controller`] finds the number of slots of one server.
//! * [`Gate`] says who may send next: jobs and mailboxes in fair turns, never more for a mailbox than
//!   the protocol allows, nothing for a mailbox that its server wants to be left alone.
//!
//! How it decides, and what came of it, is in `doc/slots.md`.

mod ceiling;
mod controller;
mod cost;
mod gate;
mod pace;
mod stage;
mod weight;

pub use controller::{Controller, SLOTS_MAX};
pub use gate::{Facts, Gate, Grant, Hold, MAILBOX_SLOTS_MAX, Outcome, Ticket, Verdict};
pub use weight::{Kind, Weigh, Weight};

/// Fewest mailboxes of a job under way at a time: some only list while others fetch.
const MAILBOXES_MIN: u32 = 4;

/// Returns how many mailboxes of a job are worked on at a time: as many as there are slots, since servers
/// keep budgets for each mailbox, and since one that is left alone must not leave its slots empty.
pub fn mailboxes_at_once(slots: u32) -> usize {
    slots.clamp(MAILBOXES_MIN, SLOTS_MAX) as usize
}
