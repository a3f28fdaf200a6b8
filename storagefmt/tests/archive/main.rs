//! The archive from outside: what its promises say, by its public API, on real files.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod crash;
mod cutting;
mod damage;
mod dump;
mod example;
#[expect(dead_code, reason = "low space and damage of every operation are tested with it next")]
mod faulty;
mod model;
mod reading;
mod recovery;
mod repair;
mod sealed;
mod slice;
mod support;
