//! Tables: as wide as the terminal, or one line a row with aligned columns where there is none.

use crate::human;
use crate::output::Paint;
use comfy_table::{Attribute, Cell as ComfyCell, CellAlignment, Color, ContentArrangement, Table as ComfyTable, presets};

/// A table with a heading.
#[derive(Debug)]
pub(crate) struct Table {
    headings: Vec<Heading>,
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
        Self { headings: headings.iter().map(heading).collect(), rows: Vec::new() }
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
        let mut table = ComfyTable::new();
        table.load_preset(presets::NOTHING);
        if terminal {
            table.set_content_arrangement(ContentArrangement::Dynamic);
        } else {
            table.force_no_tty().set_content_arrangement(ContentArrangement::Disabled);
        }
        table.set_header(self.headings.iter().map(|heading| {
            let cell = ComfyCell::new(heading.text);
            if colour { cell.add_attribute(Attribute::Bold) } else { cell }
        }));
        table.add_rows(self.rows.iter().map(|row| row.iter().map(|cell| cell.comfy(colour))));
        for (column, heading) in table.column_iter_mut().zip(&self.headings) {
            column.set_padding((0, 2));
            column.set_cell_alignment(if heading.right { CellAlignment::Right } else { CellAlignment::Left });
        }
        table.trim_fmt()
    }
}

impl Cell {
    /// Makes a field in a colour.
    pub(crate) fn painted(paint: Paint, text: &str) -> Self {
        let text = human::text::line(text);
        Self { text: if text.is_empty() { "-".to_owned() } else { text }, paint }
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
    fn an_empty_field_keeps_its_column() {
        let mut table = Table::new(&["A", "B"]);
        table.row(vec!["".into(), "x".into()]);
        assert_eq!(table.render(false, false), "A  B\n-  x");
    }
}
