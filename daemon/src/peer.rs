//! Who is at the other end of the control socket, and from which login session: the kernel says it.
//!
//! User and group are those with which the caller connected (`SO_PEERCRED`). Supplementary groups and the session are read
//! from `/proc/PID`, proved to be that very process by its user and, where the kernel has it, by a handle of the process
//! (`SO_PEERPIDFD`); where they cannot be read, the groups are those of the user database, and there is no session.

use nix::sys::socket::{getsockopt, sockopt};
use nix::unistd::{Gid, Uid, User, getgrouplist};
use std::ffi::CString;
use std::fmt;
use std::os::fd::{AsFd, AsRawFd};
use tokio::net::UnixStream;

/// What `/proc/PID/sessionid` says of a process that never logged in.
const SESSION_NONE: u32 = u32::MAX;

/// The process that made a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its user's name; `uid N` for a user without name or when the kernel does not tell.
    pub user: String,
    /// Its user; none when the kernel does not tell.
    pub uid: Option<u32>,
    /// Its groups, all of them.
    pub groups: Vec<u32>,
    /// Its process id; none when the kernel does not tell.
    pub pid: Option<i32>,
    /// Its login session.
    pub session: Session,
}

/// A login session.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Session {
    /// As the kernel's audit counts logins since it started; no number is given twice.
    Login {
        /// Its number.
        id: u32,
        /// Who logged in, whatever user the process has now.
        uid: u32,
    },
    /// Without audit: the processes of one session leader, a shell most often.
    Leader {
        /// Its process id.
        sid: i32,
        /// When it started, in ticks since the machine did: tells it from a later process of the same id.
        start: u64,
    },
    /// Nobody can tell.
    Unknown,
}

/// What `/proc` says of a process.
struct Process {
    groups: Vec<u32>,
    session: Session,
}

impl Peer {
    /// Asks the kernel who made a connection.
    pub fn of(stream: &UnixStream) -> Self {
        let Ok(credentials) = stream.peer_cred() else {
            return Self { user: "unknown".to_owned(), uid: None, groups: Vec::new(), pid: None, session: Session::Unknown };
        };
        let (uid, gid, pid) = (credentials.uid(), credentials.gid(), credentials.pid());
        let process = pid.and_then(|pid| Process::read(pid, uid)).filter(|_| is_still_there(stream));
        let user = user_name(uid);
        let Process { mut groups, session } = process.unwrap_or_else(|| Process { groups: listed_groups(uid, gid), session: Session::Unknown });
        groups.push(gid);
        Self { user, uid: Some(uid), groups, pid, session }
    }
}

impl Process {
    /// Reads what is told of a process, if it is one of this user.
    fn read(pid: i32, uid: u32) -> Option<Self> {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        if numbers(&status, "Uid:").nth(1)? != uid {
            return None;
        }
        Some(Self { groups: numbers(&status, "Groups:").collect(), session: session(pid) })
    }
}

impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Login { id, uid } => write!(f, "login {id} of {}", user_name(*uid)),
            Self::Leader { sid, .. } => write!(f, "leader {sid}"),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

/// Returns a user's name; `uid N` when there is none.
pub fn user_name(uid: u32) -> String {
    let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
    user.map_or_else(|| format!("uid {uid}"), |user| user.name)
}

/// Returns whether the process that connected was not reaped yet, so that its id was nobody else's until now. Where the
/// kernel cannot tell, the user that was compared must do.
fn is_still_there(stream: &UnixStream) -> bool {
    let Ok(handle) = getsockopt(&stream.as_fd(), sockopt::PeerPidfd) else { return true };
    let Ok(about) = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", handle.as_raw_fd())) else { return true };
    !about.lines().any(|line| line.strip_prefix("Pid:").is_some_and(|pid| pid.trim() == "-1"))
}

/// Returns the session of a process.
fn session(pid: i32) -> Session {
    let number = |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}")).ok()?.trim().parse::<u32>().ok();
    if let (Some(id), Some(uid)) = (number("sessionid").filter(|id| *id != SESSION_NONE), number("loginuid").filter(|uid| *uid != SESSION_NONE)) {
        return Session::Login { id, uid };
    }
    let leader = || {
        let sid = stat(pid)?.0;
        Some(Session::Leader { sid, start: stat(sid)?.1 })
    };
    leader().unwrap_or(Session::Unknown)
}

/// Returns the session and the start time of a process (fields 6 and 22 of proc_pid_stat(5)).
fn stat(pid: i32) -> Option<(i32, u64)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The program's name may hold anything, a bracket too.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    Some((fields.nth(3)?.parse().ok()?, fields.nth(15)?.parse().ok()?))
}

/// Returns the groups that the user database gives a user.
fn listed_groups(uid: u32, gid: u32) -> Vec<u32> {
    let name = User::from_uid(Uid::from_raw(uid)).ok().flatten().and_then(|user| CString::new(user.name).ok());
    let groups = name.and_then(|name| getgrouplist(&name, Gid::from_raw(gid)).ok()).unwrap_or_default();
    groups.into_iter().map(Gid::as_raw).collect()
}

fn numbers<'a>(status: &'a str, key: &str) -> impl Iterator<Item = u32> + use<'a> {
    let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
    line.split_whitespace().filter_map(|number| number.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    #[test]
    fn the_kernel_tells_of_this_process_what_is_true() {
        let pid = i32::try_from(std::process::id()).unwrap();
        let uid = nix::unistd::geteuid().as_raw();
        let process = Process::read(pid, uid).unwrap();
        let known: Vec<u32> = nix::unistd::getgroups().unwrap().into_iter().map(Gid::as_raw).collect();
        assert_eq!(process.groups, known);
        assert!(Process::read(pid, uid + 1).is_none(), "another user's process was taken for it");
        assert_eq!(stat(pid).unwrap().0, nix::unistd::getsid(None).unwrap().as_raw());
    }

    #[test]
    fn what_a_session_leader_starts_is_in_its_session() {
        // The leader tells its own id and that of what it started, which lasts until its input ends.
        let script = "exec 3<&0; cat <&3 >/dev/null & echo $$ $!; wait";
        let mut leader = Command::new("setsid").args(["sh", "-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(leader.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let pids: Vec<i32> = line.split_whitespace().map(|pid| pid.parse().unwrap()).collect();
        let sessions: Vec<Session> = pids.iter().map(|pid| session(*pid)).collect();
        leader.kill().unwrap();
        leader.wait().unwrap();
        assert_ne!(sessions[0], Session::Unknown);
        assert_eq!(sessions[0], sessions[1]);
        if let Session::Leader { sid, .. } = sessions[0] {
            assert_eq!(sid, pids[0]);
        }
    }
}
