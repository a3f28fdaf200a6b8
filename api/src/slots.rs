//! Slots: how many requests a connection's server is sent at once, which the daemon finds by measuring.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a connection stands with its server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct SlotsInfo {
    /// Slots: how many requests may be in flight.
    pub slots: u32,
    /// Requests in flight.
    pub in_flight: u32,
    /// Requests that wait for a slot.
    pub waiting: u32,
    /// Mailboxes left alone at present, since the server asked for it.
    pub held_mailboxes: u32,
    /// The time that half of the last answers took less than, in milliseconds; none before the first answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<u64>,
    /// Requests answered since the daemon started.
    pub answered: u64,
    /// Requests that the server refused since it was too busy, since the daemon started.
    pub refused: u64,
    /// Requests without an answer since the daemon started.
    pub lost: u64,
    /// Time for which mailboxes were left alone since the daemon started, added up, in seconds.
    pub throttled_secs: u64,
}
