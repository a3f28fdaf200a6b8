//! `alerts.toml`: who is told of what, and how. Without the file nobody is; a wrong one leaves the one before in force.

use crate::definition::Wrong;
use crate::definition::text::{self, BadFile};
use c2b_api::Span;
use c2b_api::alert::AlertKind;
use lettre::message::Mailbox;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use url::Url;

/// Ports for submission: with STARTTLS (RFC 6409), with TLS from the beginning (RFC 8314), in the clear.
const PORT_STARTTLS: u16 = 587;
const PORT_TLS: u16 = 465;
const PORT_PLAIN: u16 = 25;

/// The file's keys.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Rules {
    pub(crate) when: When,
    pub(crate) mail: Option<Mail>,
    pub(crate) hook: Option<Hook>,
    pub(crate) ping: Option<Ping>,
}

/// Of what people are told.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct When {
    /// Not of these.
    pub(crate) except: Vec<AlertKind>,
    /// Not when a trouble is over.
    pub(crate) recovery: bool,
    /// So many times a job's interval without a cycle that ended well is silence.
    pub(crate) silence_factor: u32,
    /// Less than this is never silence, however short the interval.
    pub(crate) silence_at_least: Span,
    /// So long before they expire, certificates and secrets are told about.
    pub(crate) expiry: Span,
    /// A trouble that goes on is told again after this time.
    pub(crate) repeat: Span,
}

impl Default for When {
    fn default() -> Self {
        Self { except: Vec::new(), recovery: true, silence_factor: 2, silence_at_least: Span::hours(26), expiry: Span::days(30), repeat: Span::days(7) }
    }
}

/// E-mail.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Mail {
    pub(crate) to: Vec<Mailbox>,
    /// `c2b@` and the host's name when not said.
    #[serde(default)]
    pub(crate) from: Option<Mailbox>,
    /// The server; without it the host's `sendmail` takes the mail.
    #[serde(default)]
    pub(crate) server: Option<String>,
    /// The host's sendmail, where there is no server; `sendmail` on the search path when not said.
    #[serde(default)]
    pub(crate) sendmail: Option<PathBuf>,
    #[serde(default)]
    pub(crate) port: Option<u16>,
    #[serde(default)]
    pub(crate) security: Security,
    /// Who signs in; the password is kept with `c2bctl alert password`.
    #[serde(default)]
    pub(crate) user: Option<String>,
    /// A PEM file with the authority of the server's certificate.
    #[serde(default)]
    pub(crate) ca_file: Option<PathBuf>,
    /// One mail for all that happens in this time; without it, one at once for each look.
    #[serde(default)]
    pub(crate) digest: Option<Span>,
}

/// How a mail server is spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Security {
    #[default]
    Starttls,
    Tls,
    /// In the clear: to this host only.
    None,
}

/// A command.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Hook {
    /// The program and its arguments; each event is one run, with the event as JSON on standard input.
    pub(crate) command: Vec<String>,
}

/// URLs that somebody watches for silence.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Ping {
    /// Asked for after each cycle of any job that ended well.
    #[serde(default)]
    pub(crate) url: Option<Url>,
    /// Asked for after each such cycle of one job.
    #[serde(default)]
    pub(crate) jobs: BTreeMap<String, Url>,
}

impl Mail {
    /// Returns the port that is asked.
    pub(crate) fn port(&self) -> u16 {
        self.port.unwrap_or(match self.security {
            Security::Starttls => PORT_STARTTLS,
            Security::Tls => PORT_TLS,
            Security::None => PORT_PLAIN,
        })
    }

    /// Returns how long events are gathered.
    pub(crate) fn gather(&self) -> Duration {
        self.digest.map_or(Duration::ZERO, |span| Duration::from_secs(span.hours_about() * 3600))
    }
}

/// Reads the file; a missing one tells nobody.
///
/// # Errors
/// [`BadFile`] with the line, and the nearest known key for one that is unknown.
pub(crate) fn read(path: &Path) -> Result<Rules, BadFile> {
    match std::fs::read_to_string(path) {
        Ok(text) => check(path, &text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Rules::default()),
        Err(error) => Err(BadFile::whole(path, format!("cannot be read: {error}"))),
    }
}

fn check(path: &Path, text: &str) -> Result<Rules, BadFile> {
    let rules: Rules = text::parse(path, text)?;
    sensible(&rules).map_err(|wrong| text::locate(path, text, wrong))?;
    Ok(rules)
}

fn sensible(rules: &Rules) -> Result<(), Wrong> {
    if let Some(mail) = &rules.mail {
        if mail.to.is_empty() {
            return Err(Wrong::new("to", "nobody is named", "name at least one address"));
        }
        let is_local = mail.server.as_deref().is_some_and(|server| matches!(server, "localhost" | "127.0.0.1" | "::1"));
        if mail.server.is_some() && mail.security == Security::None && !is_local {
            return Err(Wrong::new("security", "mail would cross the network in the clear", "say security = \"starttls\" or \"tls\""));
        }
        if mail.server.is_none() && mail.user.is_some() {
            return Err(Wrong::new("user", "sendmail needs no user", "name the server that is to be signed in to, or leave the user out"));
        }
    }
    if rules.hook.as_ref().is_some_and(|hook| !hook.command.first().is_some_and(|program| program.starts_with('/'))) {
        return Err(Wrong::new("command", "the program is not named by its whole path", "for instance command = [\"/usr/local/bin/tell\", \"--now\"]"));
    }
    if let Some(ping) = &rules.ping {
        if let Some(url) = ping.url.iter().chain(ping.jobs.values()).find(|url| !matches!(url.scheme(), "http" | "https")) {
            return Err(Wrong::new("ping", format!("{url} is neither http nor https"), ""));
        }
        if ping.url.is_none() && ping.jobs.is_empty() {
            return Err(Wrong::new("ping", "no URL is named", "give url, or one for each job below [ping.jobs]"));
        }
    }
    if rules.when.silence_factor == 0 {
        return Err(Wrong::new("silence-factor", "0 is silence at once", "give 1 or more; `except = [\"silence\"]` turns it off"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<Rules, String> {
        super::check(Path::new("alerts.toml"), text).map_err(|bad| bad.to_string())
    }

    #[test]
    fn what_is_said_is_understood() {
        assert_eq!(check("").unwrap(), Rules::default());
        let text = "[when]\nexcept = [\"warnings\"]\nrepeat = \"1d\"\n[mail]\nto = [\"Ann <ann@example.org>\", \"it@example.org\"]\nserver = \"mail.example.org\"\n\
            user = \"c2b\"\ndigest = \"6h\"\n[hook]\ncommand = [\"/bin/tell\"]\n[ping]\nurl = \"https://example.org/ping\"\n[ping.jobs]\nnightly = \"https://example.org/n\"\n";
        let rules = check(text).unwrap();
        let mail = rules.mail.unwrap();
        assert_eq!((mail.to.len(), mail.port(), mail.gather()), (2, 587, Duration::from_secs(6 * 3600)));
        assert_eq!((rules.when.except, rules.ping.unwrap().jobs.len()), (vec![AlertKind::Warnings], 1));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, message) in [
            ("[mail]\nto = []\n", "alerts.toml:2: nobody is named"),
            ("[mail]\nto = [\"nobody\"]\n", "alerts.toml:2: "),
            ("[mail]\nto = [\"a@b\"]\nserver = \"mail.example.org\"\nsecurity = \"none\"\n", "alerts.toml:4: mail would cross the network"),
            ("[mail]\nto = [\"a@b\"]\nuser = \"c2b\"\n", "alerts.toml:3: sendmail needs no user"),
            ("[hook]\ncommand = [\"tell\"]\n", "alerts.toml:2: the program is not named"),
            ("[ping]\nurl = \"ftp://example.org\"\n", "neither http nor https"),
            ("[ping]\n", "no URL is named"),
            ("[when]\nsilense-factor = 3\n", "did you mean `silence-factor`?"),
            ("[when]\nsilence-factor = 0\n", "alerts.toml:2: 0 is silence at once"),
            ("[when]\nexcept = [\"faliure\"]\n", "did you mean `failure`?"),
        ] {
            let said = check(text).unwrap_err();
            assert!(said.contains(message), "{text}: {said}");
        }
    }
}
