//! What is open, what was told, and what waits to be told. Pure but for its file.

use c2b_api::alert::{AlertEvent, AlertInfo, AlertStage};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most events that wait for one way: what is older is of no use when it works again.
const WAITING_MAX: usize = 1000;

/// The book. It outlives the daemon, so that a restart repeats nothing and loses nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub(super) struct Book {
    open: Vec<Open>,
    /// For each way, what waits.
    waiting: BTreeMap<String, Vec<AlertEvent>>,
    /// For each way, how it went.
    pub(super) went: BTreeMap<String, Went>,
    /// For each job, the success that was told to whoever watches for silence.
    pub(super) pinged: BTreeMap<String, DateTime<Utc>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Open {
    #[serde(flatten)]
    alert: AlertInfo,
    told: DateTime<Utc>,
}

/// How telling went.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub(super) struct Went {
    pub(super) worked: Option<DateTime<Utc>>,
    pub(super) problem: Option<String>,
    /// How often it failed in a row.
    pub(super) failures: u32,
    pub(super) tried: Option<DateTime<Utc>>,
}

impl Book {
    /// Takes the troubles that there are now; returns what is to be told. Of what `is_unseen` nobody knows whether it is over.
    pub(super) fn update(
        &mut self,
        mut found: Vec<AlertInfo>,
        is_unseen: impl Fn(&AlertInfo) -> bool,
        repeat: impl Fn(DateTime<Utc>) -> DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Vec<AlertEvent> {
        let mut events = Vec::new();
        let before = std::mem::take(&mut self.open);
        for open in &before {
            if is_unseen(&open.alert) && !found.iter().any(|alert| is_same(alert, &open.alert)) {
                found.push(open.alert.clone());
            }
        }
        for open in &before {
            if !found.iter().any(|alert| is_same(alert, &open.alert)) {
                events.push(AlertEvent { stage: AlertStage::Recovered, time: now, alert: open.alert.clone() });
            }
        }
        for alert in found {
            if self.open.iter().any(|open| is_same(&open.alert, &alert)) {
                continue;
            }
            let mut told = now;
            let mut alert = alert;
            match before.iter().find(|open| is_same(&open.alert, &alert)) {
                None => events.push(AlertEvent { stage: AlertStage::Raised, time: now, alert: alert.clone() }),
                Some(open) => {
                    alert.since = open.alert.since;
                    // A clock that was put back is no reason to keep silent for long.
                    if repeat(open.told) <= now {
                        events.push(AlertEvent { stage: AlertStage::Reminder, time: now, alert: alert.clone() });
                    } else {
                        told = open.told.min(now);
                    }
                }
            }
            self.open.push(Open { alert, told });
        }
        events
    }

    /// Returns the troubles there are.
    pub(super) fn open(&self) -> Vec<AlertInfo> {
        self.open.iter().map(|open| open.alert.clone()).collect()
    }

    /// Has events wait to be told.
    pub(super) fn wait(&mut self, way: &str, events: &[AlertEvent]) {
        let waiting = self.waiting.entry(way.to_owned()).or_default();
        waiting.extend_from_slice(events);
        let surplus = waiting.len().saturating_sub(WAITING_MAX);
        waiting.drain(..surplus);
    }

    /// Returns what waits for a way.
    pub(super) fn waiting(&self, way: &str) -> &[AlertEvent] {
        self.waiting.get(way).map_or(&[], Vec::as_slice)
    }

    /// Notes that so many of them, from the first, were told, or why they could not be.
    pub(super) fn told(&mut self, way: &str, count: usize, problem: Option<String>, now: DateTime<Utc>) {
        if let Some(waiting) = self.waiting.get_mut(way) {
            waiting.drain(..count.min(waiting.len()));
        }
        let went = self.went.entry(way.to_owned()).or_default();
        went.tried = Some(now);
        if problem.is_none() {
            (went.worked, went.failures) = (Some(now), 0);
        } else {
            went.failures += 1;
        }
        went.problem = problem;
    }

    /// Forgets the ways that there are no more.
    pub(super) fn keep(&mut self, ways: &[&str]) {
        self.waiting.retain(|way, _| ways.contains(&way.as_str()));
        // Of each way, what it has parts of its own for: `ping nightly`.
        self.went.retain(|way, _| ways.iter().any(|kept| way == kept || way.strip_prefix(kept).is_some_and(|part| part.starts_with(' '))));
    }
}

fn is_same(one: &AlertInfo, other: &AlertInfo) -> bool {
    (one.kind, &one.object) == (other.kind, &other.object)
}

#[cfg(test)]
mod tests {
    use super::*;
    use c2b_api::alert::AlertKind;
    use chrono::TimeDelta;

    fn alert(object: &str) -> AlertInfo {
        AlertInfo { kind: AlertKind::Failure, object: object.into(), message: "m".into(), hint: String::new(), since: DateTime::UNIX_EPOCH }
    }

    fn stages(events: &[AlertEvent]) -> Vec<(AlertStage, &str)> {
        events.iter().map(|event| (event.stage, event.alert.object.as_str())).collect()
    }

    #[test]
    fn a_trouble_is_told_once_reminded_of_and_told_to_be_over() {
        let (mut book, now) = (Book::default(), DateTime::UNIX_EPOCH + TimeDelta::days(1000));
        let week = |time: DateTime<Utc>| time + TimeDelta::days(7);
        let mut at = |days: i64, objects: &[&str]| {
            let events = book.update(objects.iter().map(|object| alert(object)).collect(), |_| false, week, now + TimeDelta::days(days));
            // It is written and read again between any two looks.
            book = serde_json::from_slice(&serde_json::to_vec(&book).unwrap()).unwrap();
            events
        };
        assert_eq!(stages(&at(0, &["a", "b", "a"])), [(AlertStage::Raised, "a"), (AlertStage::Raised, "b")]);
        assert!(at(1, &["b", "a"]).is_empty(), "told twice");
        assert_eq!(stages(&at(6, &["a"])), [(AlertStage::Recovered, "b")]);
        assert_eq!(stages(&at(7, &["a"])), [(AlertStage::Reminder, "a")]);
        assert!(at(13, &["a"]).is_empty());
        assert!(at(-400, &["a"]).is_empty(), "a clock that was put back raised something");
        assert_eq!(stages(&at(14, &["a", "b"])), [(AlertStage::Reminder, "a"), (AlertStage::Raised, "b")]);
        assert_eq!(stages(&at(15, &[])), [(AlertStage::Recovered, "a"), (AlertStage::Recovered, "b")]);
    }

    #[test]
    fn what_could_not_be_told_waits_and_is_bounded() {
        let (mut book, now) = (Book::default(), DateTime::UNIX_EPOCH);
        let event = |n: i64| AlertEvent { stage: AlertStage::Raised, time: now + TimeDelta::seconds(n), alert: alert("a") };
        let many: Vec<AlertEvent> = (0..1500).map(event).collect();
        book.wait("mail", &many);
        assert_eq!((book.waiting("mail").len(), book.waiting("mail")[0].time), (WAITING_MAX, now + TimeDelta::seconds(500)));
        book.told("mail", 0, Some("no route".into()), now);
        assert_eq!((book.waiting("mail").len(), book.went["mail"].failures), (WAITING_MAX, 1));
        book.told("mail", 1000, None, now);
        assert_eq!((book.waiting("mail").len(), book.went["mail"].failures, &book.went["mail"].problem), (0, 0, &None));
        book.keep(&["hook"]);
        assert!(book.went.is_empty());
    }
}
