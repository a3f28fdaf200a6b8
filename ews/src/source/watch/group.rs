//! A group of mailboxes whose subscriptions one server keeps, and how they are subscribed to.
//!
//! All requests of a group name the same mailbox as their anchor and carry the cookie that the first answer gave, so that
//! they reach the same server behind the load balancer, as Microsoft documents it.

use super::board::Board;
use crate::capability::Ability;
use crate::error::Failure;
use crate::http::Target;
use crate::operation::FolderName;
use crate::operation::subscribe::Subscribe;
use crate::source::EwsSource;
use crate::source::mailbox::{OpenMailbox, Right};
use c2b_mailbox::{Address, FolderId, Scope, Trouble};
use hyper::header::{COOKIE, HeaderMap, HeaderName, HeaderValue, SET_COOKIE};
use std::sync::Arc;

/// The cookie that names the server behind the load balancer.
const PLACE_COOKIE: &str = "X-BackEndOverrideCookie";
/// Mailboxes in a row that are refused before the others are not tried: it is a quota, or the server cannot do it.
const REFUSALS_MAX: usize = 3;
/// Losses of a mailbox's subscription before it is tried in another group.
const LOSSES_MAX: usize = 2;
/// Members in whose name the group's connection is tried when one's budget is used up.
const SPEAKERS_MAX: usize = 3;

/// A mailbox in a group.
pub(super) struct Member {
    pub(super) mailbox: Address,
    open: Arc<OpenMailbox>,
    pub(super) subscription: Option<String>,
    /// Whether it was not told yet that the subscription is new.
    pub(super) is_new: bool,
    /// How often in a row the subscription was lost before anything was heard.
    losses: usize,
    refused: bool,
}

/// A group.
pub(super) struct Group {
    /// The mailbox by which requests find their server.
    anchor: Address,
    place: Option<String>,
    pub(super) members: Vec<Member>,
    round: usize,
    /// The member in whose name the connection is made, where there is impersonation.
    speaker: usize,
    speakers_tried: usize,
    /// Why some members are not heard.
    pub(super) reason: String,
}

impl Member {
    pub(super) fn new(mailbox: Address, open: Arc<OpenMailbox>) -> Self {
        Self { mailbox, open, subscription: None, is_new: false, losses: 0, refused: false }
    }

    pub(super) fn is_impersonated(&self) -> bool {
        self.open.right == Right::Impersonation
    }

    /// Returns the folders to name: none, for all, where the request is made in the owner's name.
    fn folders(&self) -> Vec<FolderName> {
        if self.open.right != Right::Delegate {
            return Vec::new();
        }
        // A delegate can only name folders: those that a mailbox always has, where mail comes and goes.
        let known: Vec<FolderName> = self.open.opening.roles.keys().map(|id| FolderName::Id(FolderId::new(id))).collect();
        if known.is_empty() { vec![FolderName::WellKnown("inbox", Some(self.mailbox.clone()))] } else { known }
    }
}

impl Group {
    /// Makes a group; none without members.
    pub(super) fn new(members: Vec<Member>, round: usize) -> Option<Self> {
        let anchor = members.first()?.mailbox.clone();
        Some(Self { anchor, place: None, members, round, speaker: 0, speakers_tried: 0, reason: String::new() })
    }

    pub(super) fn anchor(&self) -> &Address {
        &self.anchor
    }

    /// Returns whether no member is subscribed to.
    pub(super) fn is_silent(&self) -> bool {
        self.members.iter().all(|member| member.subscription.is_none())
    }

    /// Allows what was refused before to be tried again.
    pub(super) fn hope(&mut self) {
        self.members.iter_mut().for_each(|member| member.refused = false);
        self.speakers_tried = 0;
        self.reason.clear();
    }

    /// Lets another member speak for the group; `false` when enough have tried, or none can.
    pub(super) fn next_speaker(&mut self) -> bool {
        let impersonated = self.members.first().is_some_and(Member::is_impersonated);
        self.speaker += 1;
        self.speakers_tried += 1;
        if impersonated && self.speakers_tried < SPEAKERS_MAX.min(self.members.len()) {
            return true;
        }
        self.speakers_tried = 0;
        false
    }

    /// Returns for whom the group's connection is made.
    pub(super) fn target(&self) -> Target {
        let speaker = self.members.get(self.speaker % self.members.len().max(1));
        Target { anchor: Some(self.anchor.clone()), impersonate: speaker.and_then(|member| member.open.target.impersonate.clone()), public_folder: None }
    }

    /// Returns the headers that lead to the group's server.
    pub(super) fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(HeaderName::from_static("x-preferserveraffinity"), HeaderValue::from_static("true"));
        if let Some(cookie) = self.place.as_ref().and_then(|place| HeaderValue::from_str(&format!("{PLACE_COOKIE}={place}")).ok()) {
            headers.insert(COOKIE, cookie);
        }
        headers
    }

    /// Takes subscriptions for lost: these, or all when none is named.
    pub(super) fn lose(&mut self, lost: &[String], board: &Board<'_>) {
        for member in &mut self.members {
            if let Some(id) = member.subscription.take_if(|id| lost.is_empty() || lost.contains(id)) {
                board.lost(&id);
                member.losses += 1;
            }
        }
    }

    /// Notes that the group's subscriptions are where they should be.
    pub(super) fn settle(&mut self) {
        self.members.iter_mut().filter(|member| member.subscription.is_some()).for_each(|member| member.losses = 0);
    }

    /// Sends members on whose subscriptions do not last here.
    fn send_on(&mut self, also: &[usize], board: &Board<'_>) {
        let anchor = self.anchor.clone();
        let goes = |n: usize, member: &Member| also.contains(&n) || (member.losses >= LOSSES_MAX && member.mailbox != anchor);
        let mut strays = Vec::new();
        let mut stay = Vec::new();
        for (n, member) in self.members.drain(..).enumerate() {
            if goes(n, &member) { strays.push(Member { losses: 0, ..member }) } else { stay.push(member) }
        }
        self.members = stay;
        board.stray(strays, self.round + 1);
    }
}

impl EwsSource {
    /// Subscribes to the members that are not subscribed to; an error when there is no use in going on for now.
    pub(super) async fn subscribe_all(&self, group: &mut Group, board: &Board<'_>) -> Result<(), Failure> {
        group.send_on(&[], board);
        if group.is_silent() {
            // Where they were is nowhere any more, or was never known.
            group.place = None;
        }
        let mut strays = Vec::new();
        let mut refusals = 0;
        for n in 0..group.members.len() {
            let is_open = group.members.get(n).is_some_and(|member| member.subscription.is_none() && !member.refused);
            if !is_open {
                continue;
            }
            match self.subscribe(group, n, board).await {
                Ok(true) => refusals = 0,
                Ok(false) => strays.push(n),
                Err(failure) if failure.code == "ErrorProxyRequestNotAllowed" => strays.push(n),
                Err(failure) if failure.retry != c2b_mailbox::Retry::No || failure.reaches(Scope::Connection) => {
                    group.send_on(&strays, board);
                    return Err(failure);
                }
                Err(failure) => {
                    refusals += 1;
                    failure.message.clone_into(&mut group.reason);
                    let is_enough = refusals >= REFUSALS_MAX || refusals == group.members.len();
                    let is_of_server = failure.trouble == Trouble::Unsupported && !self.capabilities.is_proved(Ability::Notifications);
                    if is_enough && is_of_server && group.is_silent() {
                        return Err(failure);
                    }
                    let refused = group.members.iter_mut().skip(n).take(if is_enough { usize::MAX } else { 1 });
                    refused.filter(|member| member.subscription.is_none()).for_each(|member| member.refused = true);
                }
            }
        }
        group.send_on(&strays, board);
        Ok(())
    }

    /// Subscribes to a member; `false` when the server keeps the subscription elsewhere than those of the group.
    async fn subscribe(&self, group: &mut Group, n: usize, board: &Board<'_>) -> Result<bool, Failure> {
        let Some(member) = group.members.get(n) else { return Ok(false) };
        let request = Subscribe { folders: member.folders() };
        let target = Target { anchor: Some(group.anchor.clone()), impersonate: member.open.target.impersonate.clone(), public_folder: None };
        let headers = group.headers();
        let turn = board.turn.lock().await;
        let (batch, answered) = self.transport.call_with(request, &target, headers).await?;
        drop(turn);
        let id = batch.single()?.id;
        if id.is_empty() {
            return Err(Failure::new(Trouble::Refused, "answer", "the server names no subscription"));
        }
        match (&group.place, place(&answered)) {
            (Some(known), Some(other)) if server_of(known) != server_of(&other) => return Ok(false),
            (None, found) => group.place = found,
            _ => {}
        }
        board.subscribed(&id, target, group.headers());
        if let Some(member) = group.members.get_mut(n) {
            member.subscription = Some(id);
            member.is_new = true;
        }
        Ok(true)
    }
}

/// Returns what the server's cookie says of the place.
fn place(headers: &HeaderMap) -> Option<String> {
    let cookies = headers.get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = cookies.filter_map(|cookie| cookie.split(';').next()?.trim().split_once('='));
    pairs.filter(|(name, value)| name.eq_ignore_ascii_case(PLACE_COOKIE) && !value.is_empty()).map(|(_, value)| value.to_owned()).next()
}

/// Returns the server's name, which stands before its version.
fn server_of(place: &str) -> &str {
    place.split('~').next().unwrap_or(place)
}
