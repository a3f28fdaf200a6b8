//! Tables: as wide as the terminal, or one line a row with aligned columns where there is none.
//!
//! Where a terminal is too narrow, columns that can be missed are left out first (`show` has them), then long texts are
//! wrapped; numbers, times and short words are never broken. Without a terminal every column is there, always in the same place.

use crate::human;
use crate::output::Paint;
use comfy_table::{Attribute, Cell as ComfyCell, CellAlignment, Color, ColumnConstraint, ContentArrangement, Table as ComfyTable, Width, presets};

/// Widest column that is never wrapped: a time takes 19, `finished with warnings` 22.
const WHOLE_COLUMNS_MAX: u16 = 24;
/// Narrowest column of wrapped text.
const WRAPPED_COLUMNS_MIN: u16 = 16;
/// What stands where there is nothing, so that columns can be counted.
const EMPTY: &str = "-";
/// Columns between two columns.
const GAP: u16 = 2;

/// A table with a heading.
#[derive(Debug)]
pub(crate) struct Table {
    headings: Vec<Heading>,
    /// Columns that can be missed, the first to go first.
    missable: &'static [&'static str],
    /// The column that on a terminal is told beneath the table.
    beneath: Option<&'static str>,
    rows: Vec<Vec<Cell>>,
}

#[derive(Debug)]
struct Heading {
    text: &'static str,
    right: bool,
}

/// One field.
#[derive(Debug)]
pub(crate) struct Cell {
    text: String,
    paint: Paint,
}

impl Table {
    /// Makes an empty table. A heading that begins with `>` is of a column of numbers.
    pub(crate) fn new(headings: &[&'static str]) -> Self {
        let heading = |text: &&'static str| Heading { text: text.trim_start_matches('>'), right: text.starts_with('>') };
        Self { headings: headings.iter().map(heading).collect(), missable: &[], beneath: None, rows: Vec::new() }
    }

    /// Names the columns that can be missed on a narrow terminal, the first to go first.
    pub(crate) fn missable(mut self, headings: &'static [&'static str]) -> Self {
        self.missable = headings;
        self
    }

    /// Names the column that on a terminal is told beneath the table, a line for each row that has something there.
    pub(crate) fn beneath(mut self, heading: &'static str) -> Self {
        self.beneath = Some(heading);
        self
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// Returns whether there are no rows.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Returns the table as text without a final line break.
    pub(crate) fn render(&self, terminal: bool, colour: bool) -> String {
        let mut table = self.comfy(colour);
        if !terminal {
            table.force_no_tty().set_content_arrangement(ContentArrangement::Disabled);
            return table.trim_fmt();
        }
        let width = table.width().unwrap_or(u16::MAX);
        self.fit(&mut table, width);
        table.trim_fmt() + &self.beneath_text()
    }

    fn comfy(&self, colour: bool) -> ComfyTable {
        let mut table = ComfyTable::new();
        table.load_preset(presets::NOTHING);
        table.set_header(self.headings.iter().map(|heading| {
            let cell = ComfyCell::new(heading.text);
            if colour { cell.add_attribute(Attribute::Bold) } else { cell }
        }));
        table.add_rows(self.rows.iter().map(|row| row.iter().map(|cell| cell.comfy(colour))));
        for (column, heading) in table.column_iter_mut().zip(&self.headings) {
            column.set_padding((0, GAP));
            column.set_cell_alignment(if heading.right { CellAlignment::Right } else { CellAlignment::Left });
        }
        table
    }

    /// Leaves columns out until the rest fits, and says which of the rest may be wrapped.
    fn fit(&self, table: &mut ComfyTable, width: u16) {
        table.set_content_arrangement(ContentArrangement::Dynamic);
        let widths = table.column_max_content_widths();
        let needed = |heading: &Heading, width: u16| if heading.right { width } else { width.min(WHOLE_COLUMNS_MAX) } + GAP;
        let mut hidden: Vec<&str> = self.beneath.into_iter().collect();
        let mut missable = self.missable.iter();
        loop {
            let shown = self.headings.iter().zip(&widths).filter(|(heading, _)| !hidden.contains(&heading.text));
            let sum: u32 = shown.map(|(heading, width)| u32::from(needed(heading, *width))).sum();
            if sum <= u32::from(width) {
                break;
            }
            let Some(next) = missable.next() else { break };
            hidden.push(next);
        }
        for ((column, heading), width) in table.column_iter_mut().zip(&self.headings).zip(&widths) {
            column.set_constraint(if hidden.contains(&heading.text) {
                ColumnConstraint::Hidden
            } else if heading.right || *width <= WHOLE_COLUMNS_MAX {
                ColumnConstraint::ContentWidth
            } else {
                ColumnConstraint::LowerBoundary(Width::Fixed(WRAPPED_COLUMNS_MIN + GAP))
            });
        }
    }

    fn beneath_text(&self) -> String {
        let Some(column) = self.beneath.and_then(|beneath| self.headings.iter().position(|heading| heading.text == beneath)) else {
            return String::new();
        };
        let told = self.rows.iter().filter_map(|row| Some((row.first()?, row.get(column).filter(|cell| cell.text != EMPTY)?)));
        told.map(|(name, cell)| format!("\n  {}: {}", name.text, cell.text)).collect()
    }
}

impl Cell {
    /// Makes a field in a colour.
    pub(crate) fn painted(paint: Paint, text: &str) -> Self {
        let text = human::text::line(text);
        if text.is_empty() { Self { text: EMPTY.to_owned(), paint: Paint::Plain } } else { Self { text, paint } }
    }

    fn comfy(&self, colour: bool) -> ComfyCell {
        let cell = ComfyCell::new(&self.text);
        match self.paint {
            _ if !colour => cell,
            Paint::Good => cell.fg(Color::DarkGreen),
            Paint::Warning => cell.fg(Color::DarkYellow),
            Paint::Bad => cell.fg(Color::DarkRed),
            Paint::Strong => cell.add_attribute(Attribute::Bold),
            Paint::Plain => cell,
        }
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::painted(Paint::Plain, text.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_a_line_where_there_is_no_terminal() {
        let mut table = Table::new(&["NAME", ">ITEMS", "DETAIL"]);
        let long = "word ".repeat(100);
        table.row(vec!["a".into(), "12".into(), long.trim().into()]);
        table.row(vec!["bcdef".into(), "1,234".into(), "x\ny\u{1b}[2J".into()]);
        let text = table.render(false, false);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines, ["NAME   ITEMS  DETAIL", &format!("a         12  {}", long.trim()), "bcdef  1,234  x y\u{fffd}[2J"]);
    }

    #[test]
    fn a_narrow_terminal_misses_columns_before_it_wraps_text() {
        let mut table = Table::new(&["JOB", "TYPE", ">SCANNED", "LAST SUCCESS", "WHY", "DETAIL"]).missable(&["TYPE", "SCANNED"]).beneath("DETAIL");
        let time = "2026-11-21 22:12:05";
        table.row(vec!["nightly".into(), "one-time".into(), "1,234".into(), time.into(), "word ".repeat(8).trim().into(), "it is so".into()]);
        table.row(vec!["b".into(), "one-time".into(), "1".into(), time.into(), "x".into(), "".into()]);
        for (width, columns) in [(200, 5), (78, 5), (72, 4), (60, 3), (48, 3)] {
            let mut comfy = table.comfy(false);
            comfy.set_width(width);
            table.fit(&mut comfy, width);
            let text = comfy.trim_fmt();
            assert!(text.lines().all(|line| line.chars().count() <= usize::from(width)), "{width}:\n{text}");
            assert_eq!(text.lines().next().unwrap().split("  ").filter(|heading| !heading.trim().is_empty()).count(), columns, "{width}:\n{text}");
            assert_eq!(text.matches(time).count(), 2, "{width}:\n{text}");
            assert_eq!(text.matches("word").count(), 8, "{width}:\n{text}");
        }
        assert_eq!(table.beneath_text(), "\n  nightly: it is so");
    }

    #[test]
    fn an_empty_field_keeps_its_column() {
        let mut table = Table::new(&["A", "B"]);
        table.row(vec!["".into(), "x".into()]);
        assert_eq!(table.render(false, false), "A  B\n-  x");
    }
}
