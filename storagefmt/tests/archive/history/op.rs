//! What can happen: at the sources, here, and to us.

use super::mails::BODIES;
use crate::faulty::Fault;
use crate::harm::Action;
use crate::model::Policy;
use proptest::prelude::*;

/// Mailboxes.
pub(super) const MAILBOXES: u8 = 3;

#[derive(Clone, Debug)]
pub(super) enum Op {
    Put {
        mailbox: u8,
        id: u8,
        folder: u8,
        subject: u8,
        body: u8,
        export: bool,
    },
    Read {
        mailbox: u8,
        id: u8,
        read: bool,
    },
    Delete {
        mailbox: u8,
        id: u8,
    },
    PutFolder {
        mailbox: u8,
        id: u8,
        parent: Option<u8>,
        name: u8,
    },
    DeleteFolder {
        mailbox: u8,
        id: u8,
    },
    Cursor {
        mailbox: u8,
        folder: Option<u8>,
        state: Option<u8>,
    },
    Failure {
        mailbox: u8,
        id: u8,
        attempts: u8,
    },
    FailureGone {
        mailbox: u8,
        id: u8,
    },
    Commit,
    Abandon,
    /// The process ends between two calls.
    Crash,
    /// The process ends at a step of the store from now on.
    Fault {
        step: usize,
        after: bool,
    },
    /// Retention by this policy, planned and marked.
    Retain(Policy),
    Undo,
    /// Freeing: to its end, or so many steps of it.
    Free {
        steps: Option<u8>,
    },
    /// Erasing a mailbox: to its end, or so many steps of it.
    Erase {
        mailbox: u8,
        steps: Option<u8>,
    },
    /// Going on with erasures that were left off.
    GoOn,
    Allow {
        mailbox: u8,
    },
    /// New keys for what is stored from now on.
    Rotate,
    /// Sealing anew what older keys seal: to its end, or so many steps of it.
    Reseal {
        steps: Option<u8>,
    },
    Rebuild,
    Check,
    /// A copy, always to the same place; at first with this fault there.
    Copy {
        fault: Option<Fault>,
    },
    /// A reader is opened, and stays.
    Reader,
    /// The reader looks at everything, as it knows it or as it is now.
    Follow {
        refresh: bool,
    },
    /// The disk is full from a step of the store on, until something failed.
    Full {
        step: usize,
    },
    /// Damage to any file of what is here, and a repair of it.
    Strike {
        file: u16,
        at: u16,
        action: Action,
    },
}

impl Op {
    /// The mailbox, if this is something that happens at its source.
    pub(super) fn source(&self) -> Option<u8> {
        match *self {
            Self::Put { mailbox, .. }
            | Self::Read { mailbox, .. }
            | Self::Delete { mailbox, .. }
            | Self::PutFolder { mailbox, .. }
            | Self::DeleteFolder { mailbox, .. }
            | Self::Cursor { mailbox, .. }
            | Self::Failure { mailbox, .. }
            | Self::FailureGone { mailbox, .. } => Some(mailbox),
            _ => None,
        }
    }
}

pub(super) fn op() -> impl Strategy<Value = Op> {
    let (mailbox, item, place) = (0..MAILBOXES, 0..6u8, 0..4u8);
    let put = (mailbox.clone(), item.clone(), place.clone(), 0..2u8, 0..BODIES, prop::bool::weighted(0.3));
    prop_oneof![
        20 => put.prop_map(|(mailbox, id, folder, subject, body, export)| Op::Put { mailbox, id, folder, subject, body, export }),
        4 => (mailbox.clone(), item.clone(), any::<bool>()).prop_map(|(mailbox, id, read)| Op::Read { mailbox, id, read }),
        5 => (mailbox.clone(), item.clone()).prop_map(|(mailbox, id)| Op::Delete { mailbox, id }),
        12 => (mailbox.clone(), place.clone(), prop::option::of(0..4u8), 0..4u8).prop_map(|(mailbox, id, parent, name)| Op::PutFolder { mailbox, id, parent, name }),
        2 => (mailbox.clone(), place.clone()).prop_map(|(mailbox, id)| Op::DeleteFolder { mailbox, id }),
        3 => (mailbox.clone(), prop::option::of(place), prop::option::of(0..3u8)).prop_map(|(mailbox, folder, state)| Op::Cursor { mailbox, folder, state }),
        2 => (mailbox.clone(), item.clone(), 1..3u8).prop_map(|(mailbox, id, attempts)| Op::Failure { mailbox, id, attempts }),
        1 => (mailbox.clone(), item).prop_map(|(mailbox, id)| Op::FailureGone { mailbox, id }),
        1 => (mailbox.clone(), prop::option::weighted(0.4, 1..6u8)).prop_map(|(mailbox, steps)| Op::Erase { mailbox, steps }),
        1 => Just(Op::GoOn),
        2 => mailbox.prop_map(|mailbox| Op::Allow { mailbox }),
        12 => Just(Op::Commit),
        1 => Just(Op::Abandon),
        1 => Just(Op::Crash),
        3 => (0usize..14, any::<bool>()).prop_map(|(step, after)| Op::Fault { step, after }),
        3 => policy().prop_map(Op::Retain),
        1 => Just(Op::Undo),
        2 => prop::option::weighted(0.3, 1..6u8).prop_map(|steps| Op::Free { steps }),
        1 => Just(Op::Rotate),
        1 => prop::option::weighted(0.4, 1..4u8).prop_map(|steps| Op::Reseal { steps }),
        2 => Just(Op::Rebuild),
        1 => Just(Op::Check),
        1 => prop::option::of(fault()).prop_map(|fault| Op::Copy { fault }),
        1 => Just(Op::Reader),
        2 => any::<bool>().prop_map(|refresh| Op::Follow { refresh }),
        2 => (0usize..14).prop_map(|step| Op::Full { step }),
        1 => (any::<u16>(), any::<u16>(), prop::sample::select(&Action::ALL)).prop_map(|(file, at, action)| Op::Strike { file, at, action }),
    ]
}

fn fault() -> impl Strategy<Value = Fault> {
    (0usize..30).prop_flat_map(|step| prop::sample::select(vec![Fault::Before(step), Fault::After(step), Fault::Full(step), Fault::Fails(step)]))
}

fn policy() -> impl Strategy<Value = Policy> {
    (prop::option::of(1..5i64), prop::option::of(1..5i64), prop::option::of(1..3u32)).prop_map(|(superseded, deleted, max)| Policy { superseded, deleted, max })
}
