//! The archive from outside: what its promises say, by its public API, on real files.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]
#![expect(clippy::print_stdout, reason = "tests say what they skip, and talk to processes that they start")]

mod canary;
mod copy;
mod crash;
mod cutting;
mod damage;
mod dump;
mod erase;
mod example;
mod faulty;
mod free;
mod harm;
mod history;
mod model;
mod moves;
mod readers;
mod reading;
mod recovery;
mod repair;
mod reseal;
mod retention;
mod sealed;
mod slice;
mod space;
mod support;
mod tables;
#[path = "../../src/store/temporary.rs"]
mod temporary;
mod waiting;
