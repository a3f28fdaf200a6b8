//! The questions of each step.

use super::draft::Draft;
use super::{Known, Step, answer};
use crate::error::Error;
use crate::job::activity::{Hours, MonthDay};
use crate::noun::parse_name;
use crate::session::Session;
use c2b_api::activity::{Activity, Daily, LocalMinute, Monthly, Pattern, Range, TimeOfDay, Weekday, Weekly};
use c2b_api::connection::{MailboxInfo, PublicFolderInfo};
use c2b_api::filter::{Age, SpecialFolder};
use c2b_api::idle::Idle;
use c2b_api::job::{Continuity, PublicFolder, Selection};
use c2b_api::route;
use c2b_api::span::Span;
use chrono::NaiveDate;
use inquire::validator::Validation;
use inquire::{Confirm, MultiSelect, Select, Text};
use std::fmt;
use std::str::FromStr;

/// Lines of a list that are seen at once.
const PAGE: usize = 15;

/// Asks the questions of a step; `false` when the person went back.
pub(super) async fn ask(session: &Session, step: Step, draft: &mut Draft, known: &Known) -> Result<bool, Error> {
    let done = match step {
        Step::Name => name(draft, known)?,
        Step::Connection => choose("Connection: where it reads from", &known.connections)?.map(|name| draft.connection = Some(name)),
        Step::Storage => choose("Storage: where it writes to", &known.storages)?.map(|name| draft.storage = Some(name)),
        Step::Mailboxes => mailboxes(session, draft).await?,
        Step::PublicFolders => public_folders(session, draft).await?,
        Step::Continuity => continuity(draft)?,
        Step::Activity => activity(draft)?,
        Step::Age => age(draft)?,
        Step::Folders => folders(draft)?,
        Step::Save | Step::Leave => Some(()),
    };
    Ok(done.is_some())
}

fn name(draft: &mut Draft, known: &Known) -> Result<Option<()>, Error> {
    let taken = known.jobs.clone();
    let check = move |text: &str| {
        let checked = parse_name(text).and_then(|name| if taken.contains(&name) { Err(format!("there is a job {name} already")) } else { Ok(name) });
        Ok(checked.map_or_else(|message| Validation::Invalid(message.into()), |_| Validation::Valid))
    };
    let asked = Text::new("Name: distinct, for instance nightly").with_initial_value(draft.name.as_deref().unwrap_or_default()).with_validator(check);
    Ok(answer(asked.prompt())?.map(|name| draft.name = Some(name)))
}

async fn mailboxes(session: &Session, draft: &mut Draft) -> Result<Option<()>, Error> {
    let Some(connection) = draft.connection.clone() else {
        return Err(Error::usage("the connection is not chosen yet", "it lists the mailboxes"));
    };
    const ALL: &str = "all that the server lists, and those that come later";
    const EXCEPT: &str = "all except some";
    const ONLY: &str = "only some";
    const TYPED: &str = "only some, and I type their addresses";
    let Some(kind) = choose("Mailboxes", &[ALL, EXCEPT, ONLY, TYPED].map(str::to_owned))? else { return Ok(None) };
    if kind == ALL {
        draft.source = Some(Selection::AllExcept(Vec::new()));
        return Ok(Some(()));
    }
    if kind == TYPED {
        let check = |text: &str| -> Result<Vec<String>, String> {
            let addresses: Vec<String> = text.split([',', ' ', ';']).map(str::trim).filter(|address| !address.is_empty()).map(str::to_owned).collect();
            if addresses.is_empty() || addresses.iter().any(|address| !address.contains('@')) {
                Err("expected addresses, with commas between them".to_owned())
            } else {
                Ok(addresses)
            }
        };
        let Some(addresses) = typed("Addresses, with commas between them", "", check)? else { return Ok(None) };
        draft.source = Some(Selection::Only(addresses));
        return Ok(Some(()));
    }
    let listed: Vec<MailboxInfo> = session.ask_of(&route::connection::MAILBOXES, &connection).await?;
    let lines: Vec<MailboxLine> = listed.into_iter().filter(|mailbox| mailbox.skipped.is_none()).map(MailboxLine).collect();
    if lines.is_empty() {
        session.output.note("the server lists no mailboxes: type their addresses");
        return Ok(None);
    }
    let prompt =
        if kind == ONLY { "Mailboxes to back up (type to search, space to choose)" } else { "Mailboxes to leave out (type to search, space to choose)" };
    let Some(chosen) = answer(MultiSelect::new(prompt, lines).with_page_size(PAGE).prompt())? else { return Ok(None) };
    let addresses: Vec<String> = chosen.into_iter().map(|line| line.0.address).collect();
    if kind == ONLY && addresses.is_empty() {
        session.output.note("none was chosen: space chooses the one that is pointed at");
        return Ok(None);
    }
    draft.source = Some(if kind == ONLY { Selection::Only(addresses) } else { Selection::AllExcept(addresses) });
    Ok(Some(()))
}

async fn public_folders(session: &Session, draft: &mut Draft) -> Result<Option<()>, Error> {
    let Some(connection) = draft.connection.clone() else {
        return Err(Error::usage("the connection is not chosen yet", "it lists the public folders"));
    };
    let listed: Vec<PublicFolderInfo> = session.ask_of(&route::connection::PUBLIC_FOLDERS, &connection).await?;
    if listed.is_empty() {
        session.output.note("the server shows no public folders to this account");
        draft.public_folders.clear();
        return Ok(Some(()));
    }
    let paths: Vec<String> = listed.into_iter().map(|folder| folder.path).collect();
    let prompt = "Public folders (type to search, space to choose)";
    let Some(chosen) = answer(MultiSelect::new(prompt, paths).with_page_size(PAGE).prompt())? else { return Ok(None) };
    if chosen.is_empty() {
        draft.public_folders.clear();
        return Ok(Some(()));
    }
    let prompt = "Those of which all that is below is taken, too, now and later";
    let all: Vec<usize> = (0..chosen.len()).collect();
    let Some(whole) = answer(MultiSelect::new(prompt, chosen.clone()).with_default(&all).with_page_size(PAGE).prompt())? else { return Ok(None) };
    draft.public_folders = chosen.into_iter().map(|path| PublicFolder { subfolders: whole.contains(&path), path }).collect();
    Ok(Some(()))
}

fn continuity(draft: &mut Draft) -> Result<Option<()>, Error> {
    const CONTINUOUS: &str = "continuous: cycle after cycle";
    const ONE_TIME: &str = "one-time: one cycle";
    let Some(kind) = choose("Runs", &[CONTINUOUS, ONE_TIME].map(str::to_owned))? else { return Ok(None) };
    if kind == ONE_TIME {
        draft.continuity = Continuity::OneTime;
        return Ok(Some(()));
    }
    let before = if let Continuity::Continuous { idle } = &draft.continuity { *idle } else { Idle::default() };
    let Some(idle) = typed("From the end of one cycle to the start of the next, hh:mm:ss", &before.to_string(), parse::<Idle>)? else { return Ok(None) };
    draft.continuity = Continuity::Continuous { idle };
    Ok(Some(()))
}

fn activity(draft: &mut Draft) -> Result<Option<()>, Error> {
    const NEVER: &str = "whenever it is started";
    const DAILY: &str = "on each day, or each so many days";
    const WEEKLY: &str = "on days of the week";
    const MONTHLY: &str = "on days of the month";
    const CUSTOM: &str = "in periods that I name";
    let Some(kind) = choose("Active", &[NEVER, DAILY, WEEKLY, MONTHLY, CUSTOM].map(str::to_owned))? else { return Ok(None) };
    if kind == NEVER {
        draft.activity = None;
        return Ok(Some(()));
    }
    let pattern = match kind.as_str() {
        CUSTOM => custom()?,
        WEEKLY => {
            let days = answer(MultiSelect::new("Days (space chooses)", Weekday::ALL.to_vec()).with_page_size(Weekday::ALL.len()).prompt())?;
            let Some(on) = days.filter(|days| !days.is_empty()) else { return Ok(None) };
            common("weeks")?.map(|(every, Hours(from, to), (start, end))| Pattern::Weekly(Weekly { every, on: on.into_iter().collect(), from, to, start, end }))
        }
        MONTHLY => {
            let read = |text: &str| text.split(',').map(|day| parse::<MonthDay>(day.trim())).collect::<Result<Vec<MonthDay>, String>>();
            let Some(days) = typed("Days, with commas between them: 1 to 31, last, second tuesday", "1", read)? else { return Ok(None) };
            let (on, on_the) = MonthDay::apart(&days);
            common("months")?.map(|(every, Hours(from, to), (start, end))| Pattern::Monthly(Monthly { every, on, on_the, from, to, start, end }))
        }
        _ => common("days")?.map(|(every, Hours(from, to), (start, end))| Pattern::Daily(Daily { every, from, to, start, end })),
    };
    let Some(pattern) = pattern else { return Ok(None) };
    let Some(zone) = typed("Time zone, for instance Europe/Warsaw; empty for that of c2bd", "", |text| Ok(text.trim().to_owned()))? else { return Ok(None) };
    let is_one_time = draft.continuity == Continuity::OneTime;
    let rearm = is_one_time && answer(Confirm::new("A new cycle in each period?").with_default(true).prompt())?.unwrap_or(false);
    let catch_up = answer(Confirm::new("Make good for a period that passed while c2bd was down?").with_default(false).prompt())?.unwrap_or(false);
    draft.activity = Some(Activity { pattern, time_zone: Some(zone).filter(|zone| !zone.is_empty()), rearm, catch_up });
    Ok(Some(()))
}

/// The first day and the last one.
type Days = (Option<NaiveDate>, Option<NaiveDate>);

/// Asks what days, weeks and months have in common.
fn common(what: &str) -> Result<Option<(u32, Hours, Days)>, Error> {
    let all_day = Hours(TimeOfDay::START, TimeOfDay::END).to_string();
    let Some(hours) = typed("From when to when, for instance 22:00-06:00", &all_day, parse::<Hours>)? else { return Ok(None) };
    let Some(every) = typed(&format!("Every how many {what}"), "1", parse::<u32>)? else { return Ok(None) };
    let read = |text: &str| if text.trim().is_empty() && every == 1 { Ok(None) } else { parse::<NaiveDate>(text).map(Some) };
    let prompt = if every == 1 { "First day, for instance 2026-12-01; empty for at once" } else { "First day, from which is counted, for instance 2026-12-01" };
    let Some(start) = typed(prompt, "", read)? else { return Ok(None) };
    let later = |text: &str| match text.trim() {
        "" => Ok(None),
        text => parse::<NaiveDate>(text)
            .and_then(|end| if start.is_none_or(|start| end >= start) { Ok(Some(end)) } else { Err("expected a day after the first".to_owned()) }),
    };
    Ok(typed("Last day, for instance 2027-06-30; empty for none", "", later)?.map(|end| (every.max(1), hours, (start, end))))
}

fn custom() -> Result<Option<Pattern>, Error> {
    let mut ranges = Vec::new();
    loop {
        let Some(from) = typed("From, for instance 2026-12-24T18:00", "", parse::<LocalMinute>)? else { return Ok(None) };
        let later = |text: &str| parse::<LocalMinute>(text).and_then(|to| if to > from { Ok(to) } else { Err(format!("expected a time after {from}")) });
        let Some(to) = typed("To, for instance 2026-12-27T06:00", "", later)? else { return Ok(None) };
        ranges.push(Range { from, to });
        if answer(Confirm::new("Another period?").with_default(false).prompt())? != Some(true) {
            return Ok(Some(Pattern::Custom(ranges)));
        }
    }
}

fn age(draft: &mut Draft) -> Result<Option<()>, Error> {
    const ANY: &str = "items of any age";
    const NOT_OLDER: &str = "items not older than ...";
    const OLDER: &str = "items older than ...";
    let Some(kind) = choose("Items", &[ANY, NOT_OLDER, OLDER].map(str::to_owned))? else { return Ok(None) };
    (draft.filter.age, draft.filter.contacts_always) = if kind == ANY {
        (Age::Any, false)
    } else {
        let Some(span) = typed("Age: 30d, 12w, 6mo or 2y", "", parse::<Span>)? else { return Ok(None) };
        let contacts = answer(Confirm::new("Contacts and distribution lists whatever their age?").with_default(true).prompt())?.unwrap_or(true);
        (if kind == OLDER { Age::OlderThan(span) } else { Age::NotOlderThan(span) }, contacts)
    };
    let asked = Confirm::new("Hidden items of folders, too (settings, views, inbox rules)?").with_default(draft.filter.associated);
    draft.filter.associated = answer(asked.prompt())?.unwrap_or(draft.filter.associated);
    Ok(Some(()))
}

fn folders(draft: &mut Draft) -> Result<Option<()>, Error> {
    let before: Vec<usize> = (0..).zip(SpecialFolder::ALL).filter(|(_, folder)| draft.filter.leave_out.contains(folder)).map(|(at, _)| at).collect();
    let prompt = "Special folders to leave out, with what is below them (space chooses)";
    let chosen = answer(MultiSelect::new(prompt, SpecialFolder::ALL.to_vec()).with_default(&before).with_page_size(PAGE).prompt())?;
    Ok(chosen.map(|chosen| draft.filter.leave_out = chosen.into_iter().collect()))
}

fn choose(prompt: &str, names: &[String]) -> Result<Option<String>, Error> {
    answer(Select::new(prompt, names.to_vec()).with_page_size(PAGE).prompt())
}

/// Asks until what is typed can be read.
fn typed<T>(prompt: &str, before: &str, read: impl Fn(&str) -> Result<T, String> + Clone) -> Result<Option<T>, Error> {
    let mut initial = before.to_owned();
    loop {
        let Some(text) = answer(Text::new(prompt).with_initial_value(&initial).prompt())? else { return Ok(None) };
        match read(&text) {
            Ok(value) => return Ok(Some(value)),
            Err(message) => {
                crate::output::Output::new(false, false).note(&message);
                initial = text;
            }
        }
    }
}

fn parse<T: FromStr<Err: fmt::Display>>(text: &str) -> Result<T, String> {
    text.trim().parse().map_err(|error: T::Err| error.to_string())
}

/// A mailbox as the list shows it.
struct MailboxLine(MailboxInfo);

impl fmt::Display for MailboxLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let MailboxInfo { address, display_name, kind, .. } = &self.0;
        write!(f, "{address}  {display_name} ({kind})")
    }
}
