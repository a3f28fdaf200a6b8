//! The archive from outside: what its promises say, by its public API, on real files.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod canary;
mod crash;
mod cutting;
mod damage;
mod dump;
mod erase;
mod example;
#[expect(dead_code, reason = "low space and damage of every operation are tested with it next")]
mod faulty;
mod free;
mod model;
mod reading;
mod recovery;
mod retained;
mod retention;
mod sealed;
mod reseal;
mod slice;
mod support;
mod tables;
