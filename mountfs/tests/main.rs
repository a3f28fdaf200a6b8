//! The view, tried without a kernel over an archive of a few maps.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "main/fake.rs"]
mod fake;
#[path = "main/forget.rs"]
mod forget;
#[path = "main/view.rs"]
mod view;
