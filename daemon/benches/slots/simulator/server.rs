//! What a simulated server is like.

use super::node::Curve;

/// A server.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    /// Its name.
    pub(crate) name: String,
    /// What it is like, in words.
    pub(crate) words: String,
    /// Seconds to the server and back.
    pub(crate) way: f64,
    /// By how much the logarithm of that varies.
    pub(crate) way_varies: f64,
    /// Seconds of work for a request, whatever its size.
    pub(crate) work: f64,
    /// Seconds of work for a megabyte.
    pub(crate) work_mb: f64,
    /// By how much the logarithm of the work varies.
    pub(crate) work_varies: f64,
    /// Part of the requests that stall, and for how many seconds.
    pub(crate) stalls: (f64, f64),
    /// How several requests share the machine.
    pub(crate) curve: Curve,
    /// Requests worked on at a time; others wait. For each machine.
    pub(crate) workers: usize,
    /// Machines behind a balancer; a mailbox is always on the same one.
    pub(crate) machines: usize,
    /// Megabytes a second of the line.
    pub(crate) line: Option<f64>,
    /// Refuses requests beyond this many.
    pub(crate) limit: Option<Limit>,
    /// Seconds after which a request without an answer is given up.
    pub(crate) timeout: f64,
    /// Budget of server time.
    pub(crate) budget: Option<Budget>,
    /// Budget of requests.
    pub(crate) meter: Option<Meter>,
    /// Load of others.
    pub(crate) tenants: Option<Tenants>,
    /// The capacity swings by this part, with this period in seconds.
    pub(crate) swing: Option<(f64, f64)>,
    /// From these seconds on, this part of the capacity is there.
    pub(crate) steps: Vec<(f64, f64)>,
    /// Mailboxes of the organisation; worked on in turn.
    pub(crate) mailboxes: usize,
}

/// A limit of requests in flight.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    /// How many are accepted.
    pub(crate) requests: f64,
    /// What the server says about when to come back, in seconds.
    pub(crate) hint: Option<f64>,
    /// Seconds for which an answered request still counts.
    pub(crate) lag: f64,
    /// Breaks the connection instead of refusing.
    pub(crate) breaks: bool,
}

/// A budget of server time as Exchange keeps it: beyond the burst, answers are delayed to what recharges;
/// far beyond, requests are refused until it is recharged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    /// Seconds of server time that may be used at once.
    pub(crate) burst: f64,
    /// Seconds of server time that come back in a second.
    pub(crate) recharge: f64,
    /// Seconds of server time beyond the burst at which requests are refused.
    pub(crate) cutoff: f64,
    /// Longest delay of an answer, in seconds.
    pub(crate) delay_max: f64,
    /// Whether each mailbox has one, or the account has one for all.
    pub(crate) each_mailbox: bool,
}

/// A budget of requests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meter {
    /// Requests that may be made at once.
    pub(crate) burst: f64,
    /// Requests that come back in a second.
    pub(crate) recharge: f64,
    /// What the server says about when to come back, in seconds.
    pub(crate) hint: f64,
    /// Whether each mailbox has one, or the account has one for all.
    pub(crate) each_mailbox: bool,
}

/// Others who use the server: now and then they take a part of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tenants {
    /// Part of the capacity that they leave when they come.
    pub(crate) left: f64,
    /// Mean seconds until they come, and until they go.
    pub(crate) every: (f64, f64),
}

impl Server {
    /// Returns a plain server: eight cores in the same building.
    pub(crate) fn new(name: &str, words: &str) -> Self {
        Self {
            name: name.to_owned(),
            words: words.to_owned(),
            way: 0.01,
            way_varies: 0.2,
            work: 0.08,
            work_mb: 0.15,
            work_varies: 0.4,
            stalls: (0.0, 0.0),
            curve: Curve::Cores(8.0),
            workers: usize::MAX,
            machines: 1,
            line: None,
            limit: None,
            timeout: 100.0,
            budget: None,
            meter: None,
            tenants: None,
            swing: None,
            steps: Vec::new(),
            mailboxes: 400,
        }
    }

    /// Returns it with a part of its capacity from some second on.
    pub(crate) fn stepping(&self, at: f64, capacity: f64) -> Self {
        let mut server = self.clone();
        server.steps.push((at, capacity));
        server
    }

    pub(super) fn capacity(&self, now: f64) -> f64 {
        let step = self.steps.iter().rev().find(|(from, _)| *from <= now).map_or(1.0, |(_, capacity)| *capacity);
        let swing = self.swing.map_or(1.0, |(part, period)| 1.0 + part * (std::f64::consts::TAU * now / period).sin());
        step * swing
    }
}
