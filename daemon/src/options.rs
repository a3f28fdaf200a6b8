//! The command line of `c2bd`.

use clap::Parser;
use std::path::PathBuf;

/// Back up mailboxes as the definitions say, controlled over a Unix socket
#[derive(Clone, Debug, Parser)]
#[command(name = "c2bd", version)]
pub struct Options {
    /// Stay in the foreground (the default)
    #[arg(long, conflicts_with = "daemonize")]
    pub foreground: bool,
    /// Go to the background; for hosts without systemd
    #[arg(long)]
    pub daemonize: bool,
    /// Write the process id to this file
    #[arg(long, value_name = "FILE", requires = "daemonize")]
    pub pid_file: Option<PathBuf>,
    /// Look at definitions, a file or a folder, say as JSON what is wrong with them, and end; `c2bctl config check` is for people
    #[arg(long, value_name = "PATH", exclusive = true)]
    pub check: Option<PathBuf>,
    /// Where the log goes in the background; appended to [default: c2bd.log in the folder of states]
    #[arg(long, value_name = "FILE", requires = "daemonize")]
    pub log_file: Option<PathBuf>,
    /// Folder of the definitions of connections, storages and jobs
    #[arg(long, value_name = "DIR", default_value = "/etc/c2b")]
    pub config: PathBuf,
    /// Folder of states, history and secrets
    #[arg(long, value_name = "DIR", default_value = "/var/lib/c2b")]
    pub state: PathBuf,
    /// The control socket
    #[arg(long, value_name = "PATH", default_value = "/run/c2b/c2bd.sock")]
    pub socket: PathBuf,
}

impl Options {
    /// Makes all paths absolute, so that they mean the same after the working directory changed.
    ///
    /// # Errors
    /// When the working directory is gone.
    pub fn absolute(mut self) -> std::io::Result<Self> {
        for path in [&mut self.config, &mut self.state, &mut self.socket] {
            *path = std::path::absolute(&*path)?;
        }
        for path in [&mut self.pid_file, &mut self.log_file].into_iter().flatten() {
            *path = std::path::absolute(&*path)?;
        }
        Ok(self)
    }
}
