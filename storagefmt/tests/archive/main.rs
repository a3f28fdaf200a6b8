//! The archive from outside: what its promises say, by its public API, on real files.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod crash;
mod cutting;
mod damage;
mod dump;
mod example;
mod faulty;
mod model;
mod reading;
mod recovery;
mod sealed;
mod slice;
mod support;
