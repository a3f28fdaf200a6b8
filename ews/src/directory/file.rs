//! A list of mailboxes in a file: one address a line, or a table with a column of addresses, as `Get-Mailbox | Export-Csv` writes it.
//!
//! Lines that are empty or begin with `#` do not count. Columns are parted by comma, semicolon or tab; which is the address, the name, the
//! type says the first line. UTF-8 and UTF-16, with or without mark. A line that holds no address spoils the whole file: half a list is none.

use super::kind;
use c2b_mailbox::{Address, AddressError, Mailbox, MailboxKind};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Longest file, in bytes: a line of 300 bytes for each of 200,000 mailboxes.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// What the column of addresses may be called, without regard to case, spaces, `-` and `_`; the best first.
const ADDRESS_COLUMNS: [&str; 8] = ["primarysmtpaddress", "windowsemailaddress", "emailaddress", "address", "mailbox", "email", "mail", "smtp"];

/// A list in a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    /// It cannot be read.
    #[error("failed to read the list of mailboxes {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        #[source]
        err: std::io::Error,
    },
    /// It is longer than any list.
    #[error("the list of mailboxes {} is longer than 64 MiB", path.display())]
    Length {
        /// The file.
        path: PathBuf,
    },
    /// It is a table, and no column is called so that it could hold addresses.
    #[error("{} has no column of addresses: expected PrimarySmtpAddress, Address or Mail in its first line", path.display())]
    Columns {
        /// The file.
        path: PathBuf,
    },
    /// A line is none of a table.
    #[error("line {line} of {} cannot be understood", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Its line, from 1.
        line: u64,
        #[source]
        err: csv::Error,
    },
    /// A line holds something else than an address.
    #[error("line {line} of {} names no mailbox", path.display())]
    Address {
        /// The file.
        path: PathBuf,
        /// Its line, from 1.
        line: u64,
        #[source]
        err: AddressError,
    },
}

/// Reads a list.
pub(crate) fn read(path: &Path) -> Result<Vec<Mailbox>, FileError> {
    let mut bytes = Vec::new();
    let failed = |err| FileError::Read { path: path.to_owned(), err };
    std::fs::File::open(path).map_err(failed)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(FileError::Length { path: path.to_owned() });
    }
    parse(path, &decode(&bytes))
}

/// Where the columns of a table are.
struct Columns {
    address: usize,
    name: Option<usize>,
    details: Option<usize>,
    archive: Option<usize>,
}

fn parse(path: &Path, text: &str) -> Result<Vec<Mailbox>, FileError> {
    let first = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#')).unwrap_or_default();
    let delimiter = [b';', b'\t'].into_iter().find(|delimiter| first.as_bytes().contains(delimiter)).unwrap_or(b',');
    let mut rows =
        csv::ReaderBuilder::new().has_headers(false).delimiter(delimiter).comment(Some(b'#')).flexible(true).trim(csv::Trim::All).from_reader(text.as_bytes());
    let mut columns = None;
    let mut found = Vec::new();
    for row in rows.records() {
        let row = row.map_err(|err| FileError::Line { path: path.to_owned(), line: err.position().map_or(0, csv::Position::line), err })?;
        let line = row.position().map_or(0, csv::Position::line);
        if row.iter().all(str::is_empty) {
            continue;
        }
        let Some(columns) = &columns else {
            let is_heading = !row.iter().any(|cell| cell.contains('@'));
            let plain = Columns { address: row.iter().position(|cell| cell.contains('@')).unwrap_or(0), name: None, details: None, archive: None };
            let columns = columns.insert(if is_heading { heading(&row).ok_or_else(|| FileError::Columns { path: path.to_owned() })? } else { plain });
            if !is_heading {
                found.push(mailbox(path, &row, columns, line)?);
            }
            continue;
        };
        found.push(mailbox(path, &row, columns, line)?);
    }
    Ok(found)
}

fn heading(row: &csv::StringRecord) -> Option<Columns> {
    let names: Vec<String> = row.iter().map(|cell| cell.to_lowercase().replace([' ', '-', '_'], "")).collect();
    let at = |wanted: &str| names.iter().position(|name| name == wanted);
    Some(Columns {
        address: ADDRESS_COLUMNS.iter().find_map(|wanted| at(wanted))?,
        name: at("displayname").or_else(|| at("name")),
        details: at("recipienttypedetails"),
        archive: at("archiveguid"),
    })
}

fn mailbox(path: &Path, row: &csv::StringRecord, columns: &Columns, line: u64) -> Result<Mailbox, FileError> {
    let cell = |column: Option<usize>| column.and_then(|column| row.get(column)).unwrap_or_default();
    let text = cell(Some(columns.address));
    let text = text.get(..5).filter(|scheme| scheme.eq_ignore_ascii_case("smtp:")).map_or(text, |scheme| &text[scheme.len()..]);
    let address = Address::parse(text).map_err(|err| FileError::Address { path: path.to_owned(), line, err })?;
    let name = Some(cell(columns.name)).filter(|name| !name.is_empty()).unwrap_or(address.as_str()).to_owned();
    let mut mailbox = Mailbox::new(address, name, details(cell(columns.details)));
    mailbox.archive = columns.archive.map(|column| row.get(column).is_some_and(|guid| guid.contains(|c: char| c.is_ascii_hexdigit() && c != '0')));
    Ok(mailbox)
}

/// Reads Exchange's word or number for the kind.
fn details(word: &str) -> MailboxKind {
    if let Ok(number) = word.parse() {
        return kind::of_details(number).0;
    }
    match word.to_lowercase().as_str() {
        "usermailbox" | "legacymailbox" => MailboxKind::User,
        "linkedmailbox" => MailboxKind::Linked,
        "sharedmailbox" => MailboxKind::Shared,
        "roommailbox" | "linkedroommailbox" => MailboxKind::Room,
        "equipmentmailbox" => MailboxKind::Equipment,
        "publicfoldermailbox" => MailboxKind::PublicFolder,
        "groupmailbox" => MailboxKind::Group,
        "guestmailuser" => MailboxKind::Guest,
        "discoverymailbox" | "arbitrationmailbox" | "monitoringmailbox" | "systemmailbox" | "systemattendantmailbox" | "auditlogmailbox" => MailboxKind::System,
        "mailuser" | "mailcontact" | "remoteusermailbox" | "remotesharedmailbox" | "remoteroommailbox" | "remoteequipmentmailbox" | "teammailbox" => {
            MailboxKind::Unsupported
        }
        _ => MailboxKind::Unknown,
    }
}

/// Returns the text of a file that Windows or Linux wrote.
fn decode(bytes: &[u8]) -> String {
    let wide = |to_unit: fn([u8; 2]) -> u16, bytes: &[u8]| {
        let units: Vec<u16> = bytes.as_chunks().0.iter().copied().map(to_unit).collect();
        String::from_utf16_lossy(&units)
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => wide(u16::from_le_bytes, rest),
        [0xfe, 0xff, rest @ ..] => wide(|[high, low]| u16::from_le_bytes([low, high]), rest),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(text: &[u8]) -> Result<Vec<String>, FileError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mailboxes");
        std::fs::write(&path, text).unwrap();
        Ok(read(&path)?.into_iter().map(|mailbox| mailbox.address.to_string()).collect())
    }

    #[test]
    fn plain_lists_and_tables_are_read() {
        let two = ["alice@example.org", "bob@example.org"];
        let wide: Vec<u8> = [0xff, 0xfe].into_iter().chain("alice@example.org\r\nbob@example.org\r\n".encode_utf16().flat_map(u16::to_le_bytes)).collect();
        for text in [
            &b"alice@example.org\n\n# gone: carol@example.org\n  Bob@Example.org  \n"[..],
            b"\xef\xbb\xbfPrimarySmtpAddress\r\nalice@example.org\r\nbob@example.org\r\n",
            b"#TYPE Selected\r\n\"DisplayName\",\"PrimarySmtpAddress\"\r\n\"Doe, Alice\",\"alice@example.org\"\r\n\"Bob\",\"SMTP:bob@example.org\"\r\n",
            b"Name;E-Mail\nAlice;alice@example.org\nBob;bob@example.org\n",
            b"alice@example.org,Alice\nbob@example.org\n",
            &wide,
        ] {
            assert_eq!(addresses(text).unwrap(), two, "{}", String::from_utf8_lossy(text));
        }
        assert!(addresses(b"# nobody\n").unwrap().is_empty());
    }

    #[test]
    fn kinds_and_archives_are_read_where_the_table_tells() {
        let text = "PrimarySmtpAddress,RecipientTypeDetails,ArchiveGuid\na@b,SharedMailbox,00000000-0000-0000-0000-000000000000\nc@d,DiscoveryMailbox,0a9f\n";
        let found = parse(Path::new("x"), text).unwrap();
        assert_eq!((found[0].kind, found[0].archive, found[0].skipped.is_some()), (MailboxKind::Shared, Some(false), false));
        assert_eq!((found[1].kind, found[1].archive, found[1].skipped.is_some()), (MailboxKind::System, Some(true), true));
    }

    #[test]
    fn half_a_list_is_none() {
        assert!(matches!(addresses(b"alice@example.org\nbob\n"), Err(FileError::Address { line: 2, .. })));
        assert!(matches!(addresses(b"name,city\nbob,Rome\n"), Err(FileError::Columns { .. })));
        assert!(matches!(read(Path::new("/nowhere/at/all")), Err(FileError::Read { .. })));
    }
}
