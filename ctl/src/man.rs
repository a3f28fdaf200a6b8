//! `c2bctl man DIR`: a manual page for each command, for those who make packages. Not in the help.

use crate::cli::Cli;
use crate::error::Error;
use crate::exit::Exit;
use clap::{Args, Command, CommandFactory};
use clap_mangen::Man;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Write the manual pages of all commands into a folder
#[derive(Args, Debug)]
pub(crate) struct ManArgs {
    /// The folder
    dir: PathBuf,
}

/// Writes the pages.
pub(crate) fn run(args: &ManArgs) -> Result<Exit, Error> {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    write_all(&command, "c2bctl", &args.dir).map_err(Error::Write)?;
    Ok(Exit::OK)
}

fn write_all(command: &Command, name: &str, dir: &Path) -> io::Result<()> {
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        write_all(below, &format!("{name}-{}", below.get_name()), dir)?;
    }
    let mut page = Vec::new();
    render(command, name, &mut page)?;
    fs::write(dir.join(format!("{name}.1")), page)
}

fn render(command: &Command, name: &str, page: &mut Vec<u8>) -> io::Result<()> {
    let man = Man::new(command.clone()).title(name.to_uppercase()).manual("c2b").source(format!("c2b {}", env!("CARGO_PKG_VERSION")));
    man.render_title(page)?;
    man.render_name_section(page)?;
    man.render_synopsis_section(page)?;
    man.render_description_section(page)?;
    man.render_options_section(page)?;
    if command.get_subcommands().any(|below| !below.is_hide_set()) {
        man.render_subcommands_section(page)?;
    }
    let after = command.get_after_long_help().or(command.get_after_help()).map(ToString::to_string).unwrap_or_default();
    for (heading, lines) in sections(&after) {
        writeln!(page, ".SH {heading}\n.nf")?;
        for line in lines {
            writeln!(page, "{}", escaped(line))?;
        }
        writeln!(page, ".fi")?;
    }
    writeln!(page, ".SH SEE ALSO\n\\fBc2bctl\\fR(1), \\fBc2b\\fR(7), \\fBc2bd\\fR(8), \\fBmount.c2b\\fR(8)")
}

/// Takes the text after the help apart: lines without heading, then what is below lines like `Examples:`.
fn sections(text: &str) -> Vec<(String, Vec<&str>)> {
    let mut sections: Vec<(String, Vec<&str>)> = vec![("NOTES".to_owned(), Vec::new())];
    for line in text.lines() {
        match line.strip_suffix(':').filter(|heading| !heading.starts_with(' ') && heading.split(' ').count() <= 2) {
            Some(heading) => sections.push((heading.to_uppercase(), Vec::new())),
            None => sections.last_mut().map_or((), |(_, lines)| lines.push(line)),
        }
    }
    for (_, lines) in &mut sections {
        let filled = |line: &&str| !line.is_empty();
        let (first, last) = (lines.iter().position(filled).unwrap_or(lines.len()), lines.iter().rposition(filled).map_or(0, |last| last + 1));
        *lines = lines.get(first..last).unwrap_or_default().to_vec();
    }
    sections.retain(|(_, lines)| !lines.is_empty());
    sections
}

fn escaped(line: &str) -> String {
    let line = line.replace('\\', "\\e").replace('-', "\\-");
    if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_become_sections() {
        let text = "First.\n\nExamples:\n  c2bctl a \\\n      --b\n\nExit codes:\n    0  ok\n.x";
        let found = sections(text);
        let expected = [("NOTES", vec!["First."]), ("EXAMPLES", vec!["  c2bctl a \\", "      --b"]), ("EXIT CODES", vec!["    0  ok", ".x"])];
        assert_eq!(found, expected.map(|(heading, lines)| (heading.to_owned(), lines)));
        assert_eq!(escaped("  c2bctl a \\ --b"), "  c2bctl a \\e \\-\\-b");
        assert_eq!(escaped(".x"), "\\&.x");
    }
}
