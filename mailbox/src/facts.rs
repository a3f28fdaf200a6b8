//! What decides how old an item is: when it happens, else when it was last modified.

use chrono::{DateTime, Utc};

/// What decides how old an item is, in one of its states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Its message class.
    pub class: String,
    /// When it happens, if it has a time of its own.
    pub occurs: Option<Occurs>,
    /// When it was last modified.
    pub modified: Option<DateTime<Utc>>,
}

/// The last time at which an appointment or task happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occurs {
    /// It ends, or its last occurrence does, or it is due then.
    Until(DateTime<Utc>),
    /// It repeats for ever.
    Endless,
}
