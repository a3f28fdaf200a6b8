//! The engine between a scripted server and a real storage.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "engine/associated.rs"]
mod associated;
#[path = "engine/changes.rs"]
mod changes;
#[path = "engine/crowd.rs"]
mod crowd;
#[path = "engine/faults.rs"]
mod faults;
#[path = "engine/few.rs"]
mod few;
#[path = "engine/filters.rs"]
mod filters;
#[path = "engine/history.rs"]
mod history;
#[path = "engine/kills.rs"]
mod kills;
#[path = "engine/parts.rs"]
mod parts;
#[path = "engine/public.rs"]
mod public;
#[path = "engine/server.rs"]
mod server;
#[path = "engine/sharing.rs"]
mod sharing;
#[path = "engine/stand.rs"]
mod stand;
