//! The options after `-o`, in the grammar of fstab.
//!
//! What a view always is (`ro,nosuid,nodev,noexec`) may be said; its opposite is refused, except `rw`, which
//! mount(8) adds by itself. Words that are meant for mount(8) or systemd are let through. Anything else is an
//! error with the nearest word that we know.

use nix::unistd::{Gid, Group, Uid, User, getegid, geteuid};
use std::path::{Path, PathBuf};

/// What the options come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Whether users other than the owner may try; permissions are then enforced by the kernel.
    pub allow_other: bool,
    /// Owner of all files.
    pub uid: u32,
    /// Group of all files.
    pub gid: u32,
    /// Permissions that files do not have.
    pub umask: u16,
    /// Where a mount in the background logs to instead of the journal.
    pub log: Option<PathBuf>,
    /// A file with the password or recovery key of a sealed storage, instead of this machine's key; `-` for standard input.
    pub passfile: Option<PathBuf>,
    /// Where this machine's key is, when it is not in its usual place.
    pub keyfile: Option<PathBuf>,
}

/// Why options are refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// We do not know the word.
    #[error("unknown option {word:?}{}", nearest.map(|near| format!(" (did you mean {near:?}?)")).unwrap_or_default())]
    Unknown {
        /// The word.
        word: String,
        /// The nearest that we know.
        nearest: Option<&'static str>,
    },
    /// An option has no value, or one that cannot be.
    #[error("option {name:?} wants {wants}, not {value:?}")]
    Value {
        /// The option.
        name: &'static str,
        /// What it wants.
        wants: &'static str,
        /// What it got.
        value: String,
    },
    /// A view cannot be that.
    #[error("option {0:?} is refused: a view is always ro,nosuid,nodev,noexec")]
    Refused(String),
    /// Others were let in without saying whose the files are.
    #[error("option \"allow_other\" needs uid= and gid=: whose files they are decides who may read them")]
    Ownerless,
}

/// Options without a value that change nothing for us.
const IGNORED: [&str; 22] = [
    "ro",
    "rw",
    "nosuid",
    "nodev",
    "noexec",
    "defaults",
    "default_permissions",
    "_netdev",
    "user",
    "users",
    "nouser",
    "owner",
    "group",
    "auto",
    "noauto",
    "nofail",
    "async",
    "atime",
    "noatime",
    "nodiratime",
    "relatime",
    "norelatime",
];

/// Options of ours.
const OURS: [&str; 7] = ["allow_other", "uid", "gid", "umask", "log", "passfile", "keyfile"];

/// The file that stands for standard input.
const STANDARD_INPUT: &str = "-";

/// Options that a view cannot have.
const REFUSED: [&str; 4] = ["suid", "dev", "exec", "allow_root"];

/// Permissions taken away when nothing is said: folders 0500, files 0400.
const UMASK: u16 = 0o277;

impl Default for Options {
    /// Private to the caller.
    fn default() -> Self {
        Self { allow_other: false, uid: geteuid().as_raw(), gid: getegid().as_raw(), umask: UMASK, log: None, passfile: None, keyfile: None }
    }
}

impl Options {
    /// Reads `-o` values, each a list separated by commas.
    ///
    /// # Errors
    /// [`OptionsError`], about the first word that is wrong.
    pub fn parse<'a>(lists: impl IntoIterator<Item = &'a str>) -> Result<Self, OptionsError> {
        let mut options = Self::default();
        let (mut uid, mut gid) = (None, None);
        for word in lists.into_iter().flat_map(|list| list.split(',')).filter(|word| !word.is_empty()) {
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            match name {
                "allow_other" if value.is_empty() => options.allow_other = true,
                "uid" => uid = Some(user(value)?),
                "gid" => gid = Some(group(value)?),
                "umask" => options.umask = umask(value)?,
                "log" => options.log = Some(absolute("log", value)?),
                "passfile" if value == STANDARD_INPUT => options.passfile = Some(value.into()),
                "passfile" => options.passfile = Some(absolute("passfile", value)?),
                "keyfile" => options.keyfile = Some(absolute("keyfile", value)?),
                "comment" => {}
                _ if name.starts_with("x-") || name.starts_with("X-") => {}
                _ if IGNORED.contains(&word) => {}
                _ if REFUSED.contains(&word) => return Err(OptionsError::Refused(word.to_owned())),
                _ => return Err(OptionsError::Unknown { word: word.to_owned(), nearest: nearest(name) }),
            }
        }
        if options.allow_other && (uid.is_none() || gid.is_none()) {
            return Err(OptionsError::Ownerless);
        }
        options.uid = uid.unwrap_or(options.uid);
        options.gid = gid.unwrap_or(options.gid);
        Ok(options)
    }

    /// Returns whether the secret is on standard input.
    #[must_use]
    pub fn reads_input(&self) -> bool {
        self.passfile.as_deref() == Some(Path::new(STANDARD_INPUT))
    }
}

/// The nearest known word, when it is near enough to be meant.
fn nearest(name: &str) -> Option<&'static str> {
    let known = OURS.iter().chain(&IGNORED).map(|word| (strsim::damerau_levenshtein(name, word), *word));
    known.min().filter(|(distance, _)| *distance <= 3 && *distance < name.len()).map(|(_, word)| word)
}

fn user(value: &str) -> Result<u32, OptionsError> {
    let named = || User::from_name(value).ok().flatten().map(|user| user.uid);
    let found = value.parse().map(Uid::from_raw).ok().or_else(named);
    found.map(Uid::as_raw).ok_or_else(|| OptionsError::Value { name: "uid", wants: "a user's number or name", value: value.to_owned() })
}

fn group(value: &str) -> Result<u32, OptionsError> {
    let named = || Group::from_name(value).ok().flatten().map(|group| group.gid);
    let found = value.parse().map(Gid::from_raw).ok().or_else(named);
    found.map(Gid::as_raw).ok_or_else(|| OptionsError::Value { name: "gid", wants: "a group's number or name", value: value.to_owned() })
}

fn umask(value: &str) -> Result<u16, OptionsError> {
    let mask = u16::from_str_radix(value, 8).ok().filter(|mask| *mask <= 0o777);
    mask.ok_or_else(|| OptionsError::Value { name: "umask", wants: "an octal number up to 777", value: value.to_owned() })
}

fn absolute(name: &'static str, value: &str) -> Result<PathBuf, OptionsError> {
    let path = Some(PathBuf::from(value)).filter(|path| path.is_absolute());
    path.ok_or_else(|| OptionsError::Value { name, wants: "an absolute path", value: value.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_fstab_is_read() {
        let line = "rw,noexec,nosuid,nodev,_netdev,user,noauto,x-systemd.automount,x-systemd.idle-timeout=60";
        assert_eq!(Options::parse([line]).unwrap(), Options::default());
        let shared = Options::parse(["allow_other,uid=1000", "gid=100,umask=227"]).unwrap();
        assert_eq!(shared, Options { allow_other: true, uid: 1000, gid: 100, umask: 0o227, ..Options::default() });
        assert_eq!(Options::parse(["uid=root"]).unwrap().uid, 0);
    }

    #[test]
    fn a_private_view_is_the_callers_alone() {
        let options = Options::parse([]).unwrap();
        assert_eq!((options.allow_other, options.uid, options.umask), (false, geteuid().as_raw(), 0o277));
    }

    #[test]
    fn wrong_words_are_named_with_the_nearest_right_one() {
        let text = |list: &str| Options::parse([list]).unwrap_err().to_string();
        assert_eq!(text("alow_other"), "unknown option \"alow_other\" (did you mean \"allow_other\"?)");
        assert_eq!(text("noexce"), "unknown option \"noexce\" (did you mean \"noexec\"?)");
        assert_eq!(text("uuid=5"), "unknown option \"uuid=5\" (did you mean \"uid\"?)");
        assert_eq!(text("frobnicate"), "unknown option \"frobnicate\"");
        assert_eq!(text("suid"), "option \"suid\" is refused: a view is always ro,nosuid,nodev,noexec");
        assert_eq!(text("uid=-4"), "option \"uid\" wants a user's number or name, not \"-4\"");
        assert_eq!(text("passfile=secret"), "option \"passfile\" wants an absolute path, not \"secret\"");
        assert_eq!(text("umask=999"), "option \"umask\" wants an octal number up to 777, not \"999\"");
    }

    #[test]
    fn others_are_let_in_only_with_an_owner() {
        for list in ["allow_other", "allow_other,uid=1", "allow_other,gid=1"] {
            assert_eq!(Options::parse([list]), Err(OptionsError::Ownerless));
        }
    }
}
