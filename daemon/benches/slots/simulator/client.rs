//! What a client does: several mailboxes at a time, several requests for each.

use super::dice::Dice;
use c2bd::slots::{Controller, Gate, Kind, MAILBOXES_MAX, MAILBOXES_MIN, Weight};

/// Requests that a mailbox is done with after.
const MAILBOX_REQUESTS: (f64, f64) = (150.0, 400.0);

/// What a client is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// The number of slots; none to have it found.
    pub(crate) slots: Option<u32>,
    /// When it starts, in seconds.
    pub(crate) start: f64,
    /// Most mailboxes it has open, whatever the slots.
    pub(crate) mailboxes_max: usize,
}

impl Plan {
    /// Returns a client that finds the number of slots.
    pub(crate) fn found() -> Self {
        Self { slots: None, start: 0.0, mailboxes_max: usize::MAX }
    }

    /// Returns a client with a fixed number of slots.
    pub(crate) fn fixed(slots: u32) -> Self {
        Self { slots: Some(slots), ..Self::found() }
    }
}

pub(super) struct Client {
    pub(super) plan: Plan,
    pub(super) gate: Gate<usize, usize>,
    pub(super) open: Vec<Mailbox>,
    next_mailbox: usize,
}

pub(super) struct Mailbox {
    pub(super) name: usize,
    pub(super) left: u32,
    /// Requests that wait or are in flight, or wait to be tried again.
    pub(super) under_way: u32,
}

impl Client {
    pub(super) fn new(plan: Plan, first_mailbox: usize) -> Self {
        let controller = plan.slots.map_or_else(Controller::new, Controller::fixed);
        Self { plan, gate: Gate::new(controller), open: Vec::new(), next_mailbox: first_mailbox }
    }

    /// Opens mailboxes; returns those that want another request, once for each request.
    pub(super) fn wants(&mut self, now: f64, dice: &mut Dice, mailboxes: usize) -> Vec<usize> {
        self.open.retain(|one| one.left > 0 || one.under_way > 0);
        let max = MAILBOXES_MAX.min(self.plan.mailboxes_max).min(mailboxes);
        let now = std::time::Duration::from_secs_f64(now);
        let open = self.open.len();
        let many = if open < MAILBOXES_MIN {
            MAILBOXES_MIN.min(max)
        } else if open < max && self.gate.is_hungry(now) {
            open + 1
        } else {
            open
        };
        while self.open.len() < many {
            let name = self.next_mailbox % mailboxes;
            self.next_mailbox += 1;
            let left = MAILBOX_REQUESTS.0 + dice.part() * (MAILBOX_REQUESTS.1 - MAILBOX_REQUESTS.0);
            self.open.push(Mailbox { name, left: left as u32, under_way: 0 });
        }
        let mut wants = Vec::new();
        for one in &mut self.open {
            while one.left > 0 && one.under_way < 3 {
                one.left -= 1;
                one.under_way += 1;
                wants.push(one.name);
            }
        }
        wants
    }

    pub(super) fn done(&mut self, mailbox: usize) {
        if let Some(one) = self.open.iter_mut().find(|one| one.name == mailbox && one.under_way > 0) {
            one.under_way -= 1;
        }
    }
}

/// Returns what a request brings: mostly items, most of them small and a few large.
pub(super) fn weight(dice: &mut Dice) -> Weight {
    match dice.part() {
        part if part < 0.82 => {
            let items = 1 + (dice.part() * 10.0) as u64;
            let bytes: f64 = (0..items).map(|_| 60_000.0 * dice.factor(1.2)).sum();
            Weight { kind: Kind::Items, items, bytes: bytes as u64 }
        }
        part if part < 0.97 => Weight { kind: Kind::Changes, items: (dice.part() * 100.0) as u64, bytes: 0 },
        _ => Weight { kind: Kind::Folders, items: 20, bytes: 0 },
    }
}
