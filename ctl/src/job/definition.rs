//! The flags that say what a job is, for `job create` and `job edit`.

use super::activity::ActivityArgs;
use crate::error::Error;
use crate::noun::parse_name;
use c2b_api::activity::Activity;
use c2b_api::filter::{Age, Filter, SpecialFolder};
use c2b_api::idle::Idle;
use c2b_api::job::{Continuity, JobDefinition, JobEdit, PublicFolder, Selection};
use c2b_api::span::Span;
use clap::{ArgGroup, Args};

const EXAMPLES_CREATE: &str = "\
A job without activity periods does not run until `c2bctl job start NAME` starts it; one that has
some is started and paused by them.

Examples:
  c2bctl job create alice --connection main --storage archive --one-time \\
      --mailbox alice@example.org
  c2bctl job create all --connection main --storage archive --continuous --idle 00:15:00 \\
      --all-except
  c2bctl job create most --connection main --storage archive --one-time \\
      --all-except lobby@example.org spam@example.org
  c2bctl job create recent --connection main --storage archive --continuous --all-except \\
      --not-older-than 6mo --contacts-always --leave-out junk deleted-items
  c2bctl job create shared --connection main --storage archive --one-time \\
      --mailbox info@example.org --public-folder Board --public-tree Sales 'Company news/2025'
  c2bctl job create whole --connection main --storage archive --continuous --all-except \\
      --associated
  c2bctl job create nightly --connection main --storage archive --continuous --all-except \
      --daily --between 22:00-06:00
  c2bctl job create weekends --connection main --storage archive --one-time --all-except \
      --weekly saturday sunday --rearm --catch-up --time-zone Europe/Warsaw
  c2bctl job create monthly --connection main --storage archive --one-time --all-except \
      --monthly 'first sunday' last --between 01:00-05:00 --rearm";
const EXAMPLES_EDIT: &str = "\
What is given replaces what was; the rest stays. With nothing given, the definition opens in $VISUAL or
$EDITOR, and is checked before it is taken. A running job must be stopped for it: you are asked, or say
--stop; else nothing changes.

Examples:
  c2bctl job edit nightly
  c2bctl job edit nightly --mailbox alice@example.org bob@example.org
  c2bctl job edit nightly --idle 01:00:00 --stop
  c2bctl job edit nightly --any-age --leave-out
  c2bctl job edit nightly --associated=false
  c2bctl job edit nightly --weekly mon,tue,wed,thu,fri --between 20:00-06:00
  c2bctl job edit nightly --catch-up
  c2bctl job edit nightly --no-periods";

const USAGE_CREATE: &str = "\
c2bctl job create NAME --connection NAME --storage NAME
           (--mailbox ADDRESS... | --all-except [ADDRESS...])
           (--one-time | --continuous [--idle HH:MM:SS])
           [--older-than AGE | --not-older-than AGE] [--contacts-always]
           [--leave-out FOLDER...] [--associated]
           [--public-folder PATH...] [--public-tree PATH...]
           [--daily | --weekly DAY... | --monthly DAY... | --custom FROM/TO...]
           [--every N] [--between HH:MM-HH:MM] [--first-day DATE] [--last-day DATE]
           [--time-zone ZONE] [--rearm] [--catch-up] [--disabled]";

const LEAVE_OUT: &str = "\
Special folders to leave out, with what is below them, in any language; without one, none:
deleted-items, junk, drafts, outbox, sent, sync-issues, conversation-history, rss-feeds,
recoverable-items, archive-mailbox, notes, journal, tasks, contacts, calendar";

const ASSOCIATED: &str = "\
Take hidden (associated) items of folders, too: settings, views, inbox rules, automatic replies.
Their age does not matter. A mount shows them below `.associated` in their folder";

/// Make a job
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES_CREATE, override_usage = USAGE_CREATE)]
#[command(group = ArgGroup::new("source").required(true).args(["mailbox", "all_except"]))]
#[command(group = ArgGroup::new("continuity").required(true).multiple(true).args(["one_time", "continuous", "idle"]))]
#[command(group = ArgGroup::new("age").args(["older_than", "not_older_than"]))]
pub(crate) struct CreateArgs {
    /// Its distinct name
    #[arg(value_parser = parse_name)]
    name: String,
    /// The connection that it reads from
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    connection: String,
    /// The storage that it writes to
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    storage: String,
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    continuity: ContinuityArgs,
    #[command(flatten)]
    age: AgeArgs,
    /// Take contacts and distribution lists whatever their age
    #[arg(long, requires = "age")]
    contacts_always: bool,
    #[command(flatten)]
    folders: FolderArgs,
    /// Take hidden items of folders, too: settings, views, rules, automatic replies
    #[arg(long, long_help = ASSOCIATED)]
    associated: bool,
    #[command(flatten)]
    public: PublicArgs,
    #[command(flatten, next_help_heading = "Activity periods")]
    activity: ActivityArgs,
    /// Keep it from running until `c2bctl job enable`
    #[arg(long, help_heading = "Options")]
    disabled: bool,
}

/// Change a job
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES_EDIT)]
#[command(group = ArgGroup::new("source").args(["mailbox", "all_except"]))]
#[command(group = ArgGroup::new("continuity").multiple(true).args(["one_time", "continuous", "idle"]))]
#[command(group = ArgGroup::new("age").args(["older_than", "not_older_than", "any_age"]))]
pub(crate) struct EditArgs {
    /// Its name
    #[arg(value_parser = parse_name)]
    pub(super) name: String,
    /// Another connection
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    connection: Option<String>,
    /// Another storage
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    storage: Option<String>,
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    continuity: ContinuityArgs,
    #[command(flatten)]
    age: AgeArgs,
    /// Take items of any age
    #[arg(long)]
    any_age: bool,
    /// Whether to take contacts and distribution lists whatever their age
    #[arg(long, value_name = "YES", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    contacts_always: Option<bool>,
    #[command(flatten)]
    folders: FolderArgs,
    /// Whether to take hidden items of folders: settings, views, rules, automatic replies
    #[arg(long, value_name = "YES", num_args = 0..=1, require_equals = true, default_missing_value = "true", long_help = ASSOCIATED)]
    associated: Option<bool>,
    #[command(flatten)]
    public: PublicArgs,
    /// Take no public folders
    #[arg(long, conflicts_with_all = ["public_folder", "public_tree"])]
    no_public_folders: bool,
    #[command(flatten, next_help_heading = "Activity periods")]
    pub(super) activity: ActivityArgs,
    /// Have no activity periods: it runs when it is started
    #[arg(long, group = "pattern", conflicts_with_all = ["time_zone", "rearm", "catch_up"])]
    no_periods: bool,
    /// Stop a running job for the edit, and start it again
    #[arg(long)]
    pub(super) stop: bool,
}

#[derive(Args, Debug)]
#[group(skip)]
struct SourceArgs {
    /// Only these mailboxes; can be given several times
    #[arg(long, value_name = "ADDRESS", num_args = 1..)]
    mailbox: Option<Vec<String>>,
    /// All mailboxes that the connection lists, except these; without an address, all
    #[arg(long, value_name = "ADDRESS", num_args = 0..)]
    all_except: Option<Vec<String>>,
}

#[derive(Args, Debug)]
#[group(skip)]
struct ContinuityArgs {
    /// One cycle, then done
    #[arg(long, conflicts_with_all = ["continuous", "idle"])]
    one_time: bool,
    /// Cycle after cycle
    #[arg(long)]
    continuous: bool,
    /// From the end of one cycle to the start of the next [default: 00:01:00]; alone it means --continuous, too
    #[arg(long, value_name = "HH:MM:SS")]
    idle: Option<Idle>,
}

#[derive(Args, Debug)]
#[group(skip)]
struct AgeArgs {
    /// Only items at least this old: 30d, 12w, 6mo or 2y since they occur, else since they were last modified
    #[arg(long, value_name = "AGE")]
    older_than: Option<Span>,
    /// Only items at most this old
    #[arg(long, value_name = "AGE")]
    not_older_than: Option<Span>,
}

#[derive(Args, Debug)]
#[group(skip)]
struct FolderArgs {
    /// Special folders to leave out, with what is below them, in any language; without one, none
    #[arg(long, value_name = "FOLDER", num_args = 0.., long_help = LEAVE_OUT)]
    leave_out: Option<Vec<SpecialFolder>>,
}

#[derive(Args, Debug)]
#[group(skip)]
struct PublicArgs {
    /// Public folders, without those below them; `c2bctl connection public-folders` lists them
    #[arg(long, value_name = "PATH", num_args = 1..)]
    public_folder: Vec<String>,
    /// Public folders with all that is below them, now and later; `/` is all
    #[arg(long, value_name = "PATH", num_args = 1..)]
    public_tree: Vec<String>,
}

impl PublicArgs {
    fn folders(&self) -> Vec<PublicFolder> {
        let of = |paths: &[String], subfolders| paths.iter().map(|path| PublicFolder { path: path.clone(), subfolders }).collect::<Vec<_>>();
        [of(&self.public_folder, false), of(&self.public_tree, true)].concat()
    }
}

impl CreateArgs {
    /// Returns the definition that the flags describe.
    pub(super) fn definition(&self) -> Result<JobDefinition, Error> {
        Ok(JobDefinition {
            name: self.name.clone(),
            connection: self.connection.clone(),
            storage: self.storage.clone(),
            source: self.source.selection().unwrap_or(Selection::Only(Vec::new())),
            continuity: self.continuity.continuity().unwrap_or(Continuity::OneTime),
            filter: Filter {
                age: self.age.age().unwrap_or_default(),
                contacts_always: self.contacts_always,
                leave_out: self.folders.leave_out.iter().flatten().copied().collect(),
                associated: self.associated,
            },
            public_folders: self.public.folders(),
            activity: self.activity.activity(None)?,
            disabled: self.disabled,
        })
    }
}

impl EditArgs {
    /// Returns whether a flag says what is to change.
    pub(super) fn is_given(&self) -> bool {
        let Self {
            name: _,
            connection,
            storage,
            source,
            continuity,
            age,
            any_age,
            contacts_always,
            folders,
            associated,
            public,
            no_public_folders,
            activity,
            no_periods,
            stop: _,
        } = self;
        let is_place = connection.is_some() || storage.is_some() || source.selection().is_some() || continuity.continuity().is_some();
        let is_filter = age.age().is_some() || *any_age || contacts_always.is_some() || folders.leave_out.is_some() || associated.is_some();
        is_place || is_filter || !public.folders().is_empty() || *no_public_folders || activity.is_given() || *no_periods
    }

    /// Returns the edit that the flags describe, of a job with this activity.
    pub(super) fn edit(&self, before: Option<Activity>) -> Result<JobEdit, Error> {
        let activity = match (self.no_periods, self.activity.is_given()) {
            (true, _) => Some(None),
            (false, true) => Some(self.activity.activity(before)?),
            (false, false) => None,
        };
        Ok(JobEdit {
            connection: self.connection.clone(),
            storage: self.storage.clone(),
            source: self.source.selection(),
            continuity: self.continuity.continuity(),
            age: self.age.age().or_else(|| self.any_age.then_some(Age::Any)),
            contacts_always: self.contacts_always.or_else(|| self.any_age.then_some(false)),
            leave_out: self.folders.leave_out.as_ref().map(|folders| folders.iter().copied().collect()),
            associated: self.associated,
            public_folders: Some(self.public.folders()).filter(|folders| self.no_public_folders || !folders.is_empty()),
            activity,
            disabled: None,
            stop: self.stop,
        })
    }
}

impl SourceArgs {
    fn selection(&self) -> Option<Selection> {
        let only = self.mailbox.clone().map(Selection::Only);
        only.or_else(|| self.all_except.clone().map(Selection::AllExcept))
    }
}

impl AgeArgs {
    fn age(&self) -> Option<Age> {
        self.older_than.map(Age::OlderThan).or_else(|| self.not_older_than.map(Age::NotOlderThan))
    }
}

impl ContinuityArgs {
    fn continuity(&self) -> Option<Continuity> {
        let continuous = (self.continuous || self.idle.is_some()).then(|| Continuity::Continuous { idle: self.idle.unwrap_or_default() });
        continuous.or_else(|| self.one_time.then_some(Continuity::OneTime))
    }
}
