//! Packs: sealed files that hold contents and records. One pack is one commit.

pub(crate) mod reader;
pub(crate) mod writer;
