//! A list of facts about one object: labels in a column, values beside them.

use crate::error::Error;
use crate::human;
use crate::output::{Output, Paint};

/// Facts in the order in which they are shown.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    facts: Vec<(&'static str, Paint, String)>,
}

impl Facts {
    /// Adds a fact.
    pub(crate) fn add(&mut self, label: &'static str, value: impl AsRef<str>) {
        self.add_painted(label, Paint::Plain, value);
    }

    /// Adds a fact in a colour.
    pub(crate) fn add_painted(&mut self, label: &'static str, paint: Paint, value: impl AsRef<str>) {
        self.facts.push((label, paint, human::text::line(value.as_ref())));
    }

    /// Shows the facts.
    pub(crate) fn show(&self, output: &Output) -> Result<(), Error> {
        let width = self.facts.iter().map(|(label, ..)| label.len()).max().unwrap_or(0);
        for (label, paint, value) in &self.facts {
            output.line(&format!("  {label:width$}  {}", output.paint(*paint, value)))?;
        }
        Ok(())
    }
}
