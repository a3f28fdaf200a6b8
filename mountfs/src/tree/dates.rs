//! The date tree `at/YYYY/MM/DD/HH-MM-SSZ`: points in time are listed, every other time can be typed.
//!
//! Listing costs what is listed: years, months and days are found by asking for the last point in each,
//! never by reading all points.

use super::{Attr, Hold, Tree};
use crate::archive::Archive;
use crate::clock;
use crate::errno::ViewError;
use crate::head::Head;
use crate::node::{Date, Node, Past, Second, View};
use crate::stamp::{self, Stamp};
use c2b_storagefmt::{CommitSeq, MailboxKey, MailboxRow, Point};
use chrono::{DateTime, TimeDelta, Utc};
use std::sync::PoisonError;

/// Ranges in which the last point is looked for, widening: most are found in the first.
const REACHES: [TimeDelta; 4] = [TimeDelta::hours(1), TimeDelta::days(1), TimeDelta::days(31), TimeDelta::days(366)];

/// Returns the directory that holds a date's directory.
pub(super) fn parent(mailbox: MailboxKey, date: Date) -> Node {
    match date {
        Date { month: 0, .. } => Node::At(mailbox),
        Date { day: 0, .. } => Node::Date(mailbox, Date { month: 0, ..date }),
        _ => Node::Date(mailbox, Date { day: 0, ..date }),
    }
}

/// Whether no commit to come can be at or before a typed time.
pub(super) fn settled(head: &Head, second: Second) -> bool {
    stamp::bounds(second).1 < head.time
}

impl<A: Archive> Tree<A> {
    pub(super) fn lookup_year(&self, head: &Head, mailbox: MailboxKey, name: &str) -> Result<Node, ViewError> {
        let date = stamp::parse_year(name).ok_or(ViewError::Missing)?;
        self.dated(head, mailbox, date)
    }

    pub(super) fn lookup_date(&self, head: &Head, mailbox: MailboxKey, date: Date, name: &str) -> Result<Node, ViewError> {
        if date.day == 0 {
            return self.dated(head, mailbox, stamp::parse_below(date, name).ok_or(ViewError::Missing)?);
        }
        let stamp = stamp::parse_stamp(date, name).ok_or(ViewError::Missing)?;
        self.lookup_stamp(head, super::mailbox(head, mailbox)?, name, stamp)
    }

    /// Returns a date's modification time, and whether it may still change.
    pub(super) fn date_times(&self, head: &Head, row: &MailboxRow, date: Date) -> Result<(DateTime<Utc>, Hold), ViewError> {
        let (start, end) = stamp::span(date).ok_or(ViewError::Missing)?;
        let hold = if end < head.time { Hold::Long } else { Hold::Brief };
        if let Some(point) = self.last_point(head, row.key, start, end)? {
            return Ok((point.time, hold));
        }
        let before = self.archive.moment_at(end.min(head.time)).map_err(ViewError::catalogue("commit"))?;
        Ok((self.commit_time(before.unwrap_or(row.first).max(row.first))?, hold))
    }

    /// Returns when a mailbox changed last: its last point in time, or its first commit.
    pub(super) fn last_change(&self, head: &Head, row: &MailboxRow) -> Result<DateTime<Utc>, ViewError> {
        let first = self.commit_time(row.first)?;
        Ok(self.last_point(head, row.key, first, head.time)?.map_or(first, |point| point.time))
    }

    /// Lists `at/`.
    pub(super) fn list_years(&self, head: &Head, mailbox: MailboxKey) -> Result<Vec<(String, Attr)>, ViewError> {
        let first = self.commit_time(super::mailbox(head, mailbox)?.first)?;
        let (Some(from), Some(to)) = (stamp::year_of(first), stamp::year_of(head.time)) else { return Ok(Vec::new()) };
        self.list_dates(head, mailbox, (from.year..=to.year).map(|year| Date { year, month: 0, day: 0 }))
    }

    /// Lists a year or a month, or the points of a day.
    pub(super) fn list_date(&self, head: &Head, mailbox: MailboxKey, date: Date) -> Result<Vec<(String, Attr)>, ViewError> {
        if date.day == 0 {
            return self.list_dates(head, mailbox, stamp::below(date).into_iter());
        }
        let (start, end) = stamp::span(date).ok_or(ViewError::Missing)?;
        let points = stamp::name_points(&self.points(head, mailbox, start, end)?);
        points.into_iter().map(|(name, point)| Ok((name, self.attr(head, top(point.seq, mailbox))?))).collect()
    }

    /// Returns the commit that a typed time means: for ever the same once a later commit is shown.
    pub(super) fn settle(&self, head: &Head, second: Second) -> Result<CommitSeq, ViewError> {
        let mut typed = self.typed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(seq) = typed.get(&second) {
            return Ok(*seq);
        }
        let found = self.archive.moment_at(stamp::bounds(second).1).map_err(ViewError::catalogue("commit"))?;
        let seq = found.ok_or(ViewError::Missing)?.min(head.seq);
        if settled(head, second) {
            typed.put(second, seq);
        }
        Ok(seq)
    }

    fn list_dates(&self, head: &Head, mailbox: MailboxKey, dates: impl Iterator<Item = Date>) -> Result<Vec<(String, Attr)>, ViewError> {
        let mut entries = Vec::new();
        for date in dates {
            let Some((start, end)) = stamp::span(date) else { continue };
            if self.last_point(head, mailbox, start, end)?.is_some() {
                entries.push((stamp::date_name(date), self.attr(head, Node::Date(mailbox, date))?));
            }
        }
        Ok(entries)
    }

    /// A date exists from the mailbox's first commit until now, listed or not.
    fn dated(&self, head: &Head, mailbox: MailboxKey, date: Date) -> Result<Node, ViewError> {
        let (start, end) = stamp::span(date).ok_or(ViewError::Missing)?;
        let first = self.commit_time(super::mailbox(head, mailbox)?.first)?;
        if end < first || start > clock::now().max(head.time) {
            return Err(ViewError::Missing);
        }
        Ok(Node::Date(mailbox, date))
    }

    fn lookup_stamp(&self, head: &Head, row: &MailboxRow, name: &str, stamp: Stamp) -> Result<Node, ViewError> {
        let (start, end) = stamp::bounds(stamp.second);
        let points = stamp::name_points(&self.points(head, row.key, start, end)?);
        if let Some((_, point)) = points.iter().find(|(point, _)| point == name) {
            return Ok(top(point.seq, row.key));
        }
        if stamp.millis.is_some() || start > clock::now().max(head.time) || self.settle(head, stamp.second)? < row.first {
            return Err(ViewError::Missing);
        }
        Ok(Node::Top(View::Past(Past::Typed(stamp.second)), row.key))
    }

    pub(super) fn last_point(&self, head: &Head, mailbox: MailboxKey, start: DateTime<Utc>, end: DateTime<Utc>) -> Result<Option<Point>, ViewError> {
        let end = end.min(head.time);
        for reach in REACHES {
            let from = start.max(end - reach);
            if let Some(point) = self.points(head, mailbox, from, end)?.pop() {
                return Ok(Some(point));
            }
            if from == start {
                return Ok(None);
            }
        }
        Ok(self.points(head, mailbox, start, end)?.pop())
    }

    fn points(&self, head: &Head, mailbox: MailboxKey, start: DateTime<Utc>, end: DateTime<Utc>) -> Result<Vec<Point>, ViewError> {
        if start > end {
            return Ok(Vec::new());
        }
        let mut points = self.archive.points_between(mailbox, start, end).map_err(ViewError::catalogue("points in time"))?;
        points.retain(|point| point.seq <= head.seq);
        Ok(points)
    }
}

fn top(seq: CommitSeq, mailbox: MailboxKey) -> Node {
    Node::Top(View::Past(Past::Point(seq)), mailbox)
}
