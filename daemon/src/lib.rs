//! The backup daemon `c2bd`: it conducts. It starts, stops, queues and reports; it transforms no data.
//!
//! [`engine`] runs one cycle of one job, from a source to a storage; everything else decides
//! when that happens and tells about it over the control socket.
//!
//! The way of a wish: [`api`] understands the request; [`connections`], [`storages`] and [`jobs`]
//! do it with what [`definition`] says there is; [`state`] and [`secret`] keep what must outlive
//! the process. [`daemon`] holds them together from start to end.

pub mod access;
pub mod alerts;
pub mod api;
pub mod atomic;
pub mod audit;
pub mod background;
pub mod clock;
pub mod connections;
pub mod daemon;
pub mod definition;
pub mod engine;
pub mod failure;
pub mod hardening;
pub mod jobs;
pub mod listener;
pub mod lock;
pub mod log;
pub mod machine;
pub mod metrics;
pub mod name;
pub mod nearest;
pub mod options;
pub mod peer;
pub mod schedule;
pub mod seal;
pub mod secret;
pub mod server;
pub mod settings;
pub mod slots;
mod space;
pub mod state;
pub mod storages;
pub mod systemd;
