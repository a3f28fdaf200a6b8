//! The archive from outside: what its promises say, by its public API, on real files.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod canary;
mod crash;
mod cutting;
mod damage;
mod dump;
mod erase;
mod example;
mod faulty;
mod model;
mod reading;
mod slice;
mod support;
