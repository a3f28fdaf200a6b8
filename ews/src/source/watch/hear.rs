//! One connection over which a group is heard, from its opening to its end.

use super::board::Board;
use super::group::Group;
use crate::capability::Ability;
use crate::error::Failure;
use crate::http::Stream;
use crate::operation::get_streaming_events::{GetStreamingEvents, StreamedEvents};
use crate::source::EwsSource;
use std::time::Duration;

/// After how many minutes the server is to end a connection: the most that it allows.
const MINUTES: u8 = 30;
/// How long the server may be silent: it gives a sign of life every 45 seconds, and one may be late.
const SILENCE_MAX: Duration = Duration::from_secs(90);

/// How a connection ended.
pub(super) struct Outcome {
    /// Whether there was any sign of life before.
    pub(super) lively: bool,
    /// What went wrong; nothing, when the server ended it in due form.
    pub(super) failure: Option<Failure>,
}

impl EwsSource {
    /// Listens to the group until the connection ends.
    pub(super) async fn hear(&self, group: &mut Group, board: &Board<'_>, seat: usize) -> Outcome {
        let mut lively = false;
        let end = async {
            let mut stream = self.open_stream(group).await?;
            let mut is_open = false;
            while let Some(batch) = stream.next().await? {
                for answer in batch.answers {
                    let events = answer?;
                    if events.alive {
                        lively = true;
                        group.settle();
                    }
                    if events.failure.is_none() && !is_open {
                        is_open = true;
                        self.capabilities.prove(Ability::Notifications);
                        opened(group, board, seat);
                    }
                    if take(events, group, board)? {
                        return Ok(());
                    }
                }
                if let Some(broken) = batch.broken {
                    return Err(broken);
                }
            }
            Ok(())
        };
        let failure = end.await.err();
        Outcome { lively, failure }
    }

    async fn open_stream(&self, group: &Group) -> Result<Stream<GetStreamingEvents>, Failure> {
        let subscriptions = group.members.iter().filter_map(|member| member.subscription.clone()).collect();
        let silence_max = self.config.idle_timeout.min(SILENCE_MAX);
        self.transport.stream(&GetStreamingEvents { subscriptions, minutes: MINUTES }, &group.target(), group.headers(), silence_max).await
    }
}

/// Tells that the group is heard, and of what may have happened before.
fn opened(group: &mut Group, board: &Board<'_>, seat: usize) {
    let heard = group.members.iter().filter(|member| member.subscription.is_some()).count();
    tracing::debug!(anchor = %group.anchor(), mailboxes = heard, "listening to notifications");
    board.seat(seat, heard, &group.reason);
    for member in group.members.iter_mut().filter(|member| member.subscription.is_some()) {
        if std::mem::take(&mut member.is_new) {
            board.heard(&member.mailbox);
        }
    }
}

/// Tells what happened; `true` when the server says that nothing more comes.
fn take(events: StreamedEvents, group: &mut Group, board: &Board<'_>) -> Result<bool, Failure> {
    for id in &events.news {
        if let Some(member) = group.members.iter().find(|member| member.subscription.as_ref() == Some(id)) {
            board.heard(&member.mailbox);
        }
    }
    if let Some(failure) = events.failure {
        if !events.lost.is_empty() || is_of_subscriptions(&failure) {
            group.lose(&events.lost, board);
        }
        return Err(failure);
    }
    if !events.lost.is_empty() {
        group.lose(&events.lost, board);
        return Ok(true);
    }
    Ok(events.closed)
}

/// Returns whether a failure means that the subscriptions are of no more use.
fn is_of_subscriptions(failure: &Failure) -> bool {
    matches!(
        failure.code.as_str(),
        "ErrorSubscriptionNotFound"
            | "ErrorExpiredSubscription"
            | "ErrorInvalidSubscription"
            | "ErrorMissedNotificationEvents"
            | "ErrorReadEventsFailed"
            | "ErrorSubscriptionAccessDenied"
            | "ErrorSubscriptionUnsubscribed"
            | "ErrorSubscriptionDelegateAccessNotSupported"
            | "ErrorInvalidWatermark"
            | "ErrorProxyRequestNotAllowed"
    )
}
