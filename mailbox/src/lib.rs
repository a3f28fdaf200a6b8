//! The waist of c2b: the words in which every mail source speaks and which the archive keeps.
//!
//! A source (EWS, later Graph) turns its protocol into [`FolderChange`], [`Change`] and [`Item`];
//! the archive takes exactly these and nothing else. This crate knows no protocol, no file
//! format and no network; it uses none of our other crates.
//!
//! What to read first: [`source::Source`] (what a source promises), [`item::Item`] (what one
//! item is), [`content::Content`] (how bytes of any size travel in bounded memory).

pub mod address;
pub mod change;
pub mod content;
pub mod facts;
pub mod folder;
pub mod id;
pub mod item;
pub mod mailbox;
pub mod part;
pub mod public;
pub mod render;
pub mod source;
pub mod watch;

pub use address::{Address, AddressError};
pub use change::{Change, FolderChange, FolderPage, Page, Told, Wishes};
pub use content::{Content, ContentWriter};
pub use facts::{Facts, Occurs};
pub use folder::{Folder, Role};
pub use id::{ChangeKey, Cursor, FolderId, FolderMark, ItemId};
pub use item::{Fidelity, FlagStatus, Format, Importance, Item, ItemMeta, Readable};
pub use mailbox::{Mailbox, MailboxKind};
pub use part::{Part, Presence};
pub use public::{PublicFolder, PublicTree};
pub use source::{Bounds, CheckReport, Fetched, Finding, ItemRef, Level, Looked, Retry, Scope, Sight, Source, SourceError, Trouble};
pub use watch::{Listener, Listening};
