//! Packs: immutable files that hold the frames of a range of commits.
//!
//! * `frame`: one frame, in and out: compressed, sealed, proven. `records`: many records in one frame.
//! * `writer` makes the pack of one commit, with `groups` of small chunks and `workers` that compress and seal.
//! * `reader` opens a pack, whole or damaged. `rewrite` makes one pack out of neighbours.
//! * `list`: which packs there are, and which of them count. `file`: the order of steps in which any pack becomes durable.

pub(crate) mod file;
pub(crate) mod frame;
mod groups;
pub(crate) mod list;
mod placement;
pub(crate) mod reader;
pub(crate) mod records;
#[cfg_attr(not(test), expect(dead_code, reason = "freeing, erasing and resealing rewrite packs"))]
pub(crate) mod rewrite;
pub(crate) mod workers;
pub(crate) mod writer;

#[cfg(test)]
mod tests;
