//! An item: mail, appointment, contact, task, note, or anything else a mailbox holds.

use crate::{ChangeKey, Content, ItemId};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// One state of one item, as fetched.
#[derive(Debug)]
pub struct Item {
    /// Its properties.
    pub meta: ItemMeta,
    /// What people open: MIME, iCalendar, vCard, or text rendered from properties.
    pub readable: Option<Readable>,
    /// The server's full-fidelity export stream, byte for byte, where it gives one.
    pub export: Option<Content>,
    /// How much of the item this is.
    pub fidelity: Fidelity,
}

/// The readable form of an item.
#[derive(Debug)]
pub struct Readable {
    /// Its file format.
    pub format: Format,
    /// Whether the server made these bytes (then they are kept as received) or we rendered them from properties.
    pub rendered: bool,
    /// The bytes.
    pub content: Content,
}

/// File format of a readable form; decides the file name's extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Internet message, RFC 5322 (`.eml`).
    Eml,
    /// iCalendar, RFC 5545 (`.ics`).
    Ics,
    /// vCard, RFC 6350 (`.vcf`).
    Vcf,
    /// Plain text in UTF-8 (`.txt`).
    Txt,
}

/// How much of an item could be had from the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fidelity {
    /// The export stream and a readable form.
    Full,
    /// The export stream only; no readable form could be made.
    ExportOnly,
    /// The server's own MIME, iCalendar or vCard and the properties, without an export stream.
    Mime,
    /// Properties (and attachments) only; the readable form is rendered from them.
    Properties,
    /// As `Properties`, but a part that the item says it has could not be fetched.
    Partial,
}

/// Properties of an item. Everything a listing, a file name or a search needs, nothing that is large.
///
/// A field is `None` or empty when the item has no such property or the server left it out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemMeta {
    /// The id at the source.
    pub id: ItemId,
    /// The mark of this state.
    pub change_key: Option<ChangeKey>,
    /// Message class, for instance `IPM.Note`; `IPM` when the server has none.
    pub class: String,
    /// Subject (a contact's display name when it has no subject).
    pub subject: String,
    /// Sender as `Name <address>`, `address`, or a bare name.
    pub from: String,
    /// All recipients (To, Cc, Bcc in this order), in the form of `from`.
    pub recipients: Vec<String>,
    /// Internet `Message-ID` or iCalendar UID.
    pub message_id: Option<String>,
    /// When the server received it.
    pub received: Option<DateTime<Utc>>,
    /// When it was sent.
    pub sent: Option<DateTime<Utc>>,
    /// When the item was created in the mailbox.
    pub created: Option<DateTime<Utc>>,
    /// When the item was last modified in the mailbox.
    pub modified: Option<DateTime<Utc>>,
    /// Start of an appointment or task.
    pub start: Option<DateTime<Utc>>,
    /// End of an appointment, due date of a task.
    pub end: Option<DateTime<Utc>>,
    /// Size that the server reports, in bytes.
    pub size: Option<u64>,
    /// Read state.
    pub read: Option<bool>,
    /// Follow-up flag.
    pub flag: Option<FlagStatus>,
    /// Importance.
    pub importance: Option<Importance>,
    /// Category names.
    pub categories: Vec<String>,
    /// Whether it has attachments.
    pub has_attachments: bool,
    /// `PidTagSearchKey`: survives moves; a copy shares it.
    pub search_key: Option<Vec<u8>>,
    /// Whether it is associated with its folder (settings, views, rules) rather than something that people see in it.
    pub associated: bool,
}

impl ItemMeta {
    /// Returns metadata with an id and class and nothing else.
    pub fn new(id: ItemId, class: impl Into<String>) -> Self {
        Self {
            id,
            change_key: None,
            class: class.into(),
            subject: String::new(),
            from: String::new(),
            recipients: Vec::new(),
            message_id: None,
            received: None,
            sent: None,
            created: None,
            modified: None,
            start: None,
            end: None,
            size: None,
            read: None,
            flag: None,
            importance: None,
            categories: Vec::new(),
            has_attachments: false,
            search_key: None,
            associated: false,
        }
    }
}

/// Follow-up flag of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FlagStatus {
    /// Flagged for follow-up.
    Flagged,
    /// Follow-up done.
    Complete,
}

/// Importance of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Importance {
    /// Low.
    Low,
    /// Normal.
    Normal,
    /// High.
    High,
}
