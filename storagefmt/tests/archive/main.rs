//! The archive from outside: what its promises say, by its public API, on real files.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod copy;
mod crash;
mod cutting;
mod damage;
mod dump;
mod example;
#[expect(dead_code, reason = "low space and damage of every operation are tested with it next")]
mod faulty;
mod history;
mod free;
mod model;
mod readers;
mod reading;
mod recovery;
mod retention;
mod sealed;
mod slice;
mod space;
mod support;
mod tables;
