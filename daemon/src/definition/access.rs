//! `access.toml`: who has which role.

use crate::definition::text::{self, BadFile};
use c2b_api::access::{Grant, Role};
use serde::Deserialize;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Who may write to the file besides its owner makes himself admin.
const MODE_WRITE_OTHERS: u32 = 0o022;

/// The file's keys: one table for each role.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct AccessFile {
    #[serde(default)]
    viewer: Members,
    #[serde(default)]
    operator: Members,
    #[serde(default)]
    restorer: Members,
    #[serde(default)]
    admin: Members,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Members {
    #[serde(default)]
    users: Vec<String>,
    #[serde(default)]
    groups: Vec<String>,
}

/// Reads the file; none when there is none.
///
/// # Errors
/// [`BadFile`] with the line, and the nearest known key for one that is unknown.
pub fn read(path: &Path) -> Result<Option<Vec<Grant>>, BadFile> {
    let metadata = match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        metadata => metadata.map_err(|error| BadFile::whole(path, format!("cannot be read: {error}")))?,
    };
    let mode = metadata.permissions().mode() & 0o777;
    if mode & MODE_WRITE_OTHERS != 0 {
        let message = format!("can be written by others than its owner (mode {mode:03o})");
        return Err(BadFile { hint: format!("chmod go-w {}", path.display()), ..BadFile::whole(path, message) });
    }
    let text = std::fs::read_to_string(path).map_err(|error| BadFile::whole(path, format!("cannot be read: {error}")))?;
    let file: AccessFile = text::parse(path, &text)?;
    let members = [(Role::Viewer, file.viewer), (Role::Operator, file.operator), (Role::Restorer, file.restorer), (Role::Admin, file.admin)];
    Ok(Some(members.into_iter().map(|(role, Members { users, groups })| Grant { role, users, groups }).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::atomic;

    #[test]
    fn a_file_gives_roles_and_a_mistake_in_it_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("access.toml");
        assert_eq!(read(&path).unwrap(), None);
        let put = |text: &str, mode| atomic::write(&path, text.as_bytes(), mode).unwrap();
        put("[viewer]\ngroups = [\"helpdesk\"]\n\n[admin]\nusers = [\"anna\"]\n", 0o640);
        let grants = read(&path).unwrap().unwrap();
        assert_eq!((grants[0].groups.as_slice(), grants[3].users.as_slice()), (&["helpdesk".to_owned()][..], &["anna".to_owned()][..]));
        for (text, line, hint) in [
            ("[viewer]\ngroup = [\"x\"]\n", 2, "did you mean `groups`?"),
            ("# who\n[restorers]\nusers = []\n", 2, "did you mean `restorer`?"),
            ("[viewer]\nusers = \"bob\"\n", 2, ""),
        ] {
            put(text, 0o640);
            let bad = read(&path).unwrap_err();
            assert_eq!((bad.line, bad.hint.as_str()), (Some(line), hint), "{bad}");
        }
        put("[admin]\nusers = [\"anna\"]\n", 0o660);
        assert!(read(&path).unwrap_err().message.contains("can be written by others"));
    }
}
