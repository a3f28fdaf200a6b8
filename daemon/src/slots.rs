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
mod quiet;
mod stage;
mod trouble;
mod weight;

pub use controller::{Controller, SLOTS_MAX, Sent};
pub use gate::{Facts, Gate, Grant, Hold, MAILBOX_SLOTS_MAX, Outcome, Ticket, Verdict};
pub use weight::{Kind, Weight};

/// Mailboxes of a job under way at a time from the start: some only list while others fetch.
pub const MAILBOXES_MIN: usize = 4;

/// Most mailboxes of a job under way at a time: one for each slot there may be. Servers keep budgets for
/// each mailbox, and one that is left alone must not leave its slots empty. Further ones are begun
/// when slots stay empty ([`Gate::is_hungry`]).
pub const MAILBOXES_MAX: usize = SLOTS_MAX as usize;
