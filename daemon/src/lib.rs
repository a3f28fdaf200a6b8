//! The backup daemon `c2bd`: it conducts. It starts, stops, queues and reports; it transforms no data.
//!
//! [`engine`] runs one cycle of one job, from a source to a storage; everything else decides
//! when that happens and tells about it over the control socket.

pub mod clock;
pub mod engine;
