//! The readable form of an item that came without one: a file made from its properties.
//!
//! * Tasks become iCalendar VTODO, journal entries VJOURNAL, appointments VEVENT, contacts and
//!   distribution lists vCard, sticky notes plain text, everything else an internet message.
//! * The same properties always render to the same bytes: no clock, no randomness, no host name.
//! * Bodies and attachments stream; memory stays bounded by the body text.
//! * It knows no protocol. What a server already gave as MIME, iCalendar or vCard is not rendered.

mod calendar;
mod card;
mod letter;
mod note;
mod plain;
pub mod properties;

pub use properties::{
    Attachment, Attendance, Attendee, Body, Contact, DayPosition, Event, Labelled, Pattern, Person, PostalAddress, Properties, Recurrence, RecurrenceEnd, Task,
    TaskStatus, Weekday,
};

use crate::{ContentWriter, Format, Readable};
use std::io;
use std::path::Path;

/// Why no readable form could be made.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The rendered bytes could not be kept, or an attachment could not be read back.
    #[error("failed to write the readable form of an item of class {class}")]
    Write {
        /// The item's class.
        class: String,
        /// What failed below.
        #[source]
        err: io::Error,
    },
}

/// Returns the file format in which an item of this class is rendered.
pub fn format_of(class: &str) -> Format {
    match Kind::of(class) {
        Kind::Task | Kind::Journal | Kind::Event => Format::Ics,
        Kind::Contact | Kind::List => Format::Vcf,
        Kind::Note => Format::Txt,
        Kind::Letter => Format::Eml,
    }
}

/// Renders the readable form; what exceeds the memory bound spills to `spool_dir`.
///
/// # Errors
/// [`RenderError`] when a temporary file cannot be read or written.
pub fn render(properties: &mut Properties, spool_dir: &Path) -> Result<Readable, RenderError> {
    let mut writer = ContentWriter::new_in(spool_dir);
    let written = match Kind::of(&properties.class) {
        Kind::Task => calendar::write_task(properties, &mut writer),
        Kind::Journal => calendar::write_journal(properties, &mut writer),
        Kind::Event => calendar::write_event(properties, &mut writer),
        Kind::Contact => card::write_contact(properties, &mut writer),
        Kind::List => card::write_list(properties, &mut writer),
        Kind::Note => note::write(properties, &mut writer),
        Kind::Letter => letter::write(properties, &mut writer),
    };
    let content = written.and_then(|()| writer.finish()).map_err(|err| RenderError::Write { class: properties.class.clone(), err })?;
    Ok(Readable { format: format_of(&properties.class), rendered: true, content })
}

/// What an item of a class is rendered as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Task,
    Journal,
    Event,
    Contact,
    List,
    Note,
    Letter,
}

impl Kind {
    /// Tells by the class: itself or a class derived from it (`IPM.Task.Mine`), in any case.
    fn of(class: &str) -> Self {
        const KINDS: [(&str, Kind); 6] = [
            ("ipm.task", Kind::Task),
            ("ipm.activity", Kind::Journal),
            ("ipm.appointment", Kind::Event),
            ("ipm.contact", Kind::Contact),
            ("ipm.distlist", Kind::List),
            ("ipm.stickynote", Kind::Note),
        ];
        let class = class.to_ascii_lowercase();
        let derived = |base: &str| class.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        KINDS.iter().find(|(base, _)| derived(base)).map_or(Self::Letter, |(_, kind)| *kind)
    }
}
