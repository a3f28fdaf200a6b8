//! The names that can be completed: which arguments are names of what, and what there is.

use crate::explain::codes;
use crate::noun::Noun;
use crate::socket::SOCKET_DEFAULT;
use c2b_api::Client;
use c2b_api::route::{self, Route};
use clap::Command;
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use serde_json::Value;
use std::collections::BTreeSet;
use std::env;
use std::path::PathBuf;
use std::time::Duration;

/// How long somebody who pressed Tab waits for the daemon.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(800);

/// Verbs whose name is a new one.
const NEW: [&str; 3] = ["create", "new", "import"];

/// What an argument names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Names {
    Of(Noun),
    Codes,
    Mailboxes,
}

/// Has all arguments that are names complete from the daemon.
pub(super) fn add(command: Command) -> Command {
    add_below(command, None)
}

fn add_below(command: Command, noun: Option<Noun>) -> Command {
    let verb = command.get_name().to_owned();
    // All of them, since one that is changed alone becomes the last.
    let mut command = command.mut_args(|arg| match meant(arg.get_id().as_str(), &verb, noun) {
        Some(names) => arg.add(ArgValueCandidates::new(move || candidates(names))),
        None => arg,
    });
    let below: Vec<String> = command.get_subcommands().map(|below| below.get_name().to_owned()).collect();
    for name in below {
        let noun = noun.or([Noun::Connection, Noun::Storage, Noun::Job].into_iter().find(|noun| noun.word() == name));
        command = command.mut_subcommand(name, |below| add_below(below, noun));
    }
    command
}

/// Returns what an argument names, by its id, its verb and its noun.
fn meant(id: &str, verb: &str, noun: Option<Noun>) -> Option<Names> {
    match id {
        "connection" => Some(Names::Of(Noun::Connection)),
        "storage" => Some(Names::Of(Noun::Storage)),
        "job" => Some(Names::Of(Noun::Job)),
        "code" => Some(Names::Codes),
        "mailbox" | "mailboxes" | "all_except" => Some(Names::Mailboxes),
        "name" if verb == "list" => Some(Names::Of(Noun::Connection)),
        "name" | "names" if !NEW.contains(&verb) => noun.map(Names::Of),
        _ => None,
    }
}

/// Returns what there is; nothing when the daemon does not answer at once.
fn candidates(names: Names) -> Vec<CompletionCandidate> {
    let found = match names {
        Names::Of(noun) => ask(noun.list()).iter().filter_map(|object| noun.name_in(object)).map(str::to_owned).collect(),
        Names::Codes => codes::ALL.iter().flat_map(|explanation| explanation.codes.iter()).map(|code| (*code).to_owned()).collect(),
        Names::Mailboxes => ask(&route::job::LIST).iter().flat_map(mailboxes).collect::<BTreeSet<String>>(),
    };
    found.into_iter().map(CompletionCandidate::new).collect()
}

/// Returns the mailboxes of a job's last cycle: those of a connection would have to be asked of its server.
fn mailboxes(job: &Value) -> Vec<String> {
    let mailboxes = job["run"]["mailboxes"].as_array().map_or(&[][..], Vec::as_slice);
    mailboxes.iter().filter_map(|mailbox| Some(mailbox["address"].as_str()?.to_owned())).collect()
}

fn ask(list: &Route) -> Vec<Value> {
    let socket = env::var_os("C2B_SOCKET").map_or_else(|| PathBuf::from(SOCKET_DEFAULT), PathBuf::from);
    let Ok(client) = Client::new(&socket) else { return Vec::new() };
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return Vec::new() };
    let answer = runtime.block_on(async { tokio::time::timeout(ANSWER_TIMEOUT, client.call::<(), Vec<Value>>(list.verb, list.path, None)).await });
    answer.ok().and_then(Result::ok).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::CommandFactory;

    #[test]
    fn arguments_are_known_by_what_they_name() {
        let job = Some(Noun::Job);
        assert_eq!(meant("name", "start", job), Some(Names::Of(Noun::Job)));
        assert_eq!(meant("name", "create", job), None);
        assert_eq!(meant("connection", "create", job), Some(Names::Of(Noun::Connection)));
        assert_eq!(meant("mailbox", "erase", Some(Noun::Storage)), Some(Names::Mailboxes));
        assert_eq!(meant("path", "create", Some(Noun::Storage)), None);
    }

    #[test]
    fn the_command_line_stays_what_it_is() {
        let names = |command: &Command| command.get_subcommands().map(|below| below.get_name().to_owned()).collect::<Vec<_>>();
        assert_eq!(names(&add(Cli::command())), names(&Cli::command()));
        add(Cli::command()).debug_assert();
    }
}
