//! The view, tried twice: over an archive of a few maps, without a kernel (`view`, `forget`); and as a real
//! mount over real storages (all others), which is skipped, with a message, where FUSE is not to be had.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::print_stdout, reason = "a test that is skipped says so")]

#[path = "main/bench.rs"]
mod bench;
#[path = "main/damage.rs"]
mod damage;
#[path = "main/document.rs"]
mod document;
#[path = "main/fake.rs"]
mod fake;
#[path = "main/files.rs"]
mod files;
#[path = "main/forget.rs"]
mod forget;
#[path = "main/life.rs"]
mod life;
#[path = "main/size.rs"]
mod size;
#[path = "main/time.rs"]
mod time;
#[path = "main/view.rs"]
mod view;
