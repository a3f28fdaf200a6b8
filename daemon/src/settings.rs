//! `c2bd.toml`: what the daemon itself is to do. Without the file, or where it says nothing, the usual.
//!
//! As with definitions, a file that is wrong leaves the settings before it in force and is told about.

use crate::definition::Wrong;
use crate::definition::text::{self, BadFile};
use serde::Deserialize;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use tokio::sync::watch;

/// The settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Where metrics are told beside the control socket.
    pub metrics: MetricsSettings,
}

/// Where metrics are told beside the control socket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetricsSettings {
    /// A loopback address at which HTTP is spoken.
    pub listen: Option<SocketAddr>,
    /// A file for the node exporter of Prometheus.
    pub textfile: Option<PathBuf>,
}

/// The keys of the file.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct SettingsFile {
    metrics: MetricsFile,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct MetricsFile {
    listen: Option<String>,
    textfile: Option<PathBuf>,
}

/// The settings in force.
#[derive(Debug)]
pub struct SettingsInForce {
    path: PathBuf,
    settings: watch::Sender<Settings>,
    bad: Mutex<Option<BadFile>>,
}

impl SettingsInForce {
    /// Reads the file in the folder of definitions.
    pub fn open(config: &Path) -> Self {
        let in_force = Self { path: config.join("c2bd.toml"), settings: watch::Sender::default(), bad: Mutex::default() };
        in_force.reload();
        in_force
    }

    /// Reads the file again.
    pub fn reload(&self) {
        let bad = match read(&self.path) {
            Ok(settings) => {
                self.settings.send_if_modified(|before| {
                    *before != settings && {
                        *before = settings;
                        true
                    }
                });
                None
            }
            Err(bad) => Some(bad),
        };
        *self.bad.lock().unwrap_or_else(PoisonError::into_inner) = bad;
    }

    /// Returns what is wrong with the file.
    pub fn bad(&self) -> Option<BadFile> {
        self.bad.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the settings, now and when they change.
    pub fn subscribe(&self) -> watch::Receiver<Settings> {
        self.settings.subscribe()
    }
}

/// Reads settings from a file; a missing one says nothing.
///
/// # Errors
/// [`BadFile`] with the line, and the nearest known key for one that is unknown.
pub fn read(path: &Path) -> Result<Settings, BadFile> {
    match std::fs::read_to_string(path) {
        Ok(text) => check(path, &text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Settings::default()),
        Err(error) => Err(BadFile::whole(path, format!("failed to read it: {error}"))),
    }
}

fn check(path: &Path, text: &str) -> Result<Settings, BadFile> {
    let file: SettingsFile = text::parse(path, text)?;
    let wrong = |wrong| text::locate(path, text, wrong);
    let listen = file.metrics.listen.as_deref().map(loopback).transpose().map_err(wrong)?;
    let textfile = file.metrics.textfile.map(prom).transpose().map_err(wrong)?;
    Ok(Settings { metrics: MetricsSettings { listen, textfile } })
}

fn loopback(address: &str) -> Result<SocketAddr, Wrong> {
    let hint = "give 127.0.0.1:PORT or [::1]:PORT";
    let parsed: SocketAddr = address.parse().map_err(|_| Wrong::new("listen", format!("{address:?} is not an address with a port"), hint))?;
    if !parsed.ip().is_loopback() {
        let message = format!("{address} is not a loopback address: whoever reaches it could read the metrics");
        return Err(Wrong::new("listen", message, format!("{hint}; where other hosts are to read them, put a proxy that asks who it is in front")));
    }
    Ok(parsed)
}

fn prom(path: PathBuf) -> Result<PathBuf, Wrong> {
    if !path.is_absolute() {
        return Err(Wrong::new("textfile", format!("{} is not an absolute path", path.display()), "give the whole path, beginning with /"));
    }
    if path.extension().is_none_or(|extension| extension != "prom") {
        return Err(Wrong::new("textfile", format!("{} does not end in .prom", path.display()), "the node exporter reads no other files"));
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<Settings, String> {
        super::check(Path::new("/etc/c2b/c2bd.toml"), text).map_err(|bad| bad.to_string())
    }

    #[test]
    fn what_is_said_is_understood() {
        assert_eq!(check("# nothing\n").unwrap(), Settings::default());
        let settings = check("[metrics]\nlisten = \"127.0.0.1:9770\"\ntextfile = \"/run/c2b.prom\"\n").unwrap();
        assert_eq!(settings.metrics, MetricsSettings { listen: "127.0.0.1:9770".parse().ok(), textfile: Some("/run/c2b.prom".into()) });
        assert!(check("[metrics]\nlisten = \"[::1]:9770\"\n").is_ok());
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, message) in [
            ("[metrics]\nlisten = \"0.0.0.0:9770\"\n", "/etc/c2b/c2bd.toml:2: 0.0.0.0:9770 is not a loopback address"),
            ("[metrics]\nlisten = \"192.0.2.7:9770\"\n", "not a loopback address"),
            ("[metrics]\nlisten = \"localhost\"\n", "is not an address with a port"),
            ("[metrics]\n\ntextfile = \"c2b.prom\"\n", "/etc/c2b/c2bd.toml:3: c2b.prom is not an absolute path"),
            ("[metrics]\ntextfile = \"/run/c2b.txt\"\n", "does not end in .prom"),
            (
                "[metrics]\nlissten = \"127.0.0.1:1\"\n",
                "/etc/c2b/c2bd.toml:2: unknown field `lissten`, expected `listen` or `textfile` (did you mean `listen`?)",
            ),
            ("[metric]\n", "did you mean `metrics`?"),
        ] {
            let error = check(text).unwrap_err();
            assert!(error.contains(message), "{error}");
        }
    }

    #[test]
    fn a_bad_file_leaves_the_settings_before_it_in_force() {
        let dir = tempfile::tempdir().unwrap();
        let settings = SettingsInForce::open(dir.path());
        assert!(settings.bad().is_none());
        let write = |text: &str| std::fs::write(dir.path().join("c2bd.toml"), text).unwrap();
        let mut seen = settings.subscribe();
        write("[metrics]\nlisten = \"127.0.0.1:9770\"\n");
        settings.reload();
        assert!(seen.has_changed().unwrap() && seen.borrow_and_update().metrics.listen.is_some());
        write("[metrics]\nlisten = \"example.org:80\"\n");
        settings.reload();
        assert!(settings.bad().is_some() && !seen.has_changed().unwrap() && seen.borrow().metrics.listen.is_some());
    }
}
