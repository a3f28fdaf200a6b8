//! Servers and clients in virtual time: what the slots are tested, tuned and measured with.
//!
//! Deterministic: the same server, seed and client give the same run. A client does what the engine
//! does (mailboxes several at a time, three requests each, pauses kept, failures tried again), with
//! the same [`c2bd::slots::Gate`]; beside it the same client with a fixed number of slots.

#![expect(clippy::cast_possible_truncation, reason = "sizes that are drawn at random are small")]

mod client;
mod dice;
mod node;
mod server;
mod world;

pub(crate) use client::Plan;
pub(crate) use dice::Dice;
pub(crate) use node::Curve;
pub(crate) use server::{Budget, Limit, Meter, Server, Tenants};
pub(crate) use world::{Ended, Run, World};
