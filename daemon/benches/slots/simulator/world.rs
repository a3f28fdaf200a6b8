//! One server and its clients, event by event.

use super::client::{Client, Plan, weight};
use super::dice::Dice;
use super::node::{Curve, Node};
use super::server::Server;
use c2bd::slots::{Grant, MAILBOXES_MAX, Outcome, Ticket, Weight};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::time::Duration;

/// First wait before a request is tried again; it doubles.
const RETRY_FIRST: f64 = 1.0;
/// Longest such wait.
const RETRY_MAX: f64 = 300.0;

/// A server at work.
pub(crate) struct World {
    server: Server,
    dice: Dice,
    now: f64,
    events: BinaryHeap<Reverse<Event>>,
    events_made: u64,
    nodes: Vec<Node>,
    line: Option<Node>,
    clients: Vec<Client>,
    requests: Vec<Request>,
    tickets: Vec<HashMap<Ticket, usize>>,
    accepted: usize,
    /// Of each account or mailbox: what is left, since when, and whether all is refused until it is recharged.
    budgets: HashMap<usize, (f64, f64, bool)>,
    meters: HashMap<usize, (f64, f64)>,
    tenants_are_here: bool,
    /// What others do does not depend on us, so it has a stream of its own.
    others: Dice,
    /// What requests are like, one after another: the same for each number of slots.
    sizes: Dice,
    /// A loss of capacity halves budgets, and empties that of an account: what it saved would hide the loss.
    budgets_are_lost: bool,
    wakes: Vec<f64>,
    /// The number of slots that each client had last.
    slots: Vec<u32>,
    run: Run,
}

/// What happened.
#[derive(Clone, Debug, Default)]
pub(crate) struct Run {
    /// Requests that ended, in order.
    pub(crate) done: Vec<Ended>,
    /// The number of slots of each client when it changed: seconds, client, slots.
    pub(crate) slots: Vec<(f64, usize, u32)>,
    /// Until when it went.
    pub(crate) end: f64,
}

/// A request that ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    /// When, in seconds.
    pub(crate) time: f64,
    /// Whose it was.
    pub(crate) client: usize,
    /// What it was worth: the work it is as a rule. Nothing when it was refused or lost.
    pub(crate) worth: f64,
    /// Whether it was refused or lost.
    pub(crate) refused: bool,
}

#[derive(Clone, Copy, Debug)]
struct Request {
    client: usize,
    mailbox: usize,
    weight: Weight,
    work: f64,
    tries: u32,
    ticket: Ticket,
    ended: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Event {
    time: f64,
    number: u64,
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum What {
    Start(usize),
    Arrives(usize),
    Node(usize, u64),
    Line(u64),
    Delayed(usize),
    Answered(usize),
    Refused(usize, f64),
    Lost(usize),
    Released,
    Again(usize),
    Wake(usize),
    Capacity,
    Tenants,
}

impl World {
    /// Sets a server and its clients up.
    pub(crate) fn new(server: &Server, clients: &[Plan], seed: u64) -> Self {
        let curve = |machines: usize| match server.curve {
            Curve::Cores(cores) => Curve::Cores(cores / machines as f64),
            other => other,
        };
        let mut world = Self {
            dice: Dice::new(seed),
            others: Dice::new(seed | 1 << 63),
            sizes: Dice::new(seed | 1 << 62),
            budgets_are_lost: false,
            now: 0.0,
            events: BinaryHeap::new(),
            events_made: 0,
            nodes: (0..server.machines).map(|_| Node::new(curve(server.machines), server.workers)).collect(),
            line: server.line.map(|mb| Node::new(Curve::Line(mb), usize::MAX)),
            clients: clients.iter().enumerate().map(|(n, plan)| Client::new(*plan, n * 97)).collect(),
            requests: Vec::new(),
            tickets: clients.iter().map(|_| HashMap::new()).collect(),
            accepted: 0,
            budgets: HashMap::new(),
            meters: HashMap::new(),
            tenants_are_here: false,
            wakes: vec![f64::INFINITY; clients.len()],
            slots: vec![0; clients.len()],
            run: Run::default(),
            server: server.clone(),
        };
        for (n, plan) in clients.iter().enumerate() {
            world.at(plan.start, What::Start(n));
        }
        for (at, _) in &server.steps {
            world.at(*at, What::Capacity);
        }
        if let Some((_, period)) = server.swing {
            world.at(period / 40.0, What::Capacity);
        }
        if let Some(tenants) = server.tenants {
            let wait = world.others.wait(tenants.every.0);
            world.at(wait, What::Tenants);
        }
        world
    }

    /// Goes on until so many requests were answered, or the time has come.
    pub(crate) fn run(mut self, answers_max: usize, until: f64) -> Run {
        while let Some(Reverse(event)) = self.events.pop() {
            if event.time > until || self.run.done.len() >= answers_max {
                break;
            }
            self.now = event.time;
            self.happen(event.what);
        }
        self.run.end = self.now;
        self.run
    }

    fn happen(&mut self, what: What) {
        match what {
            What::Start(client) => self.pump(client),
            What::Arrives(request) => self.arrive(request),
            What::Node(n, version) if self.nodes[n].version == version => {
                for request in self.nodes[n].done(self.now) {
                    self.worked(request);
                }
                self.plan_node(n);
            }
            What::Line(version) if self.line.as_ref().is_some_and(|line| line.version == version) => {
                let done = self.line.as_mut().map(|line| line.done(self.now)).unwrap_or_default();
                for request in done {
                    self.leave(request);
                }
                self.plan_line();
            }
            What::Node(..) | What::Line(_) => {}
            What::Delayed(request) => {
                if self.is_current(request) {
                    self.work(request);
                }
            }
            What::Answered(request) => {
                if self.is_current(request) {
                    let one = &self.requests[request];
                    let (client, weight, worth) = (one.client, one.weight, self.worth(&one.weight));
                    self.finish(request, Outcome::Answered(weight), worth);
                    let mailbox = self.requests[request].mailbox;
                    self.clients[client].done(mailbox);
                    self.pump(client);
                }
            }
            What::Refused(request, hint) => {
                if self.is_current(request) {
                    self.refused(request, hint);
                }
            }
            What::Lost(request) => {
                if self.is_current(request) {
                    self.finish(request, Outcome::Lost, 0.0);
                    let one = &mut self.requests[request];
                    one.tries += 1;
                    let (client, wait) = (one.client, backoff(one.tries) * (0.75 + 0.5 * self.dice.part()));
                    self.at(self.now + wait, What::Again(request));
                    self.pump(client);
                }
            }
            What::Released => self.accepted -= 1,
            What::Again(request) => self.again(request),
            What::Wake(client) => {
                self.wakes[client] = f64::INFINITY;
                self.pump(client);
            }
            What::Capacity => {
                if !self.budgets_are_lost && self.server.steps.iter().any(|(at, _)| *at <= self.now) {
                    self.budgets_are_lost = true;
                    if self.server.meter.is_some_and(|meter| !meter.each_mailbox) {
                        self.meters.values_mut().for_each(|(left, _)| *left = left.min(0.0));
                    }
                    if self.server.budget.is_some_and(|budget| !budget.each_mailbox) {
                        self.budgets.values_mut().for_each(|(left, ..)| *left = left.min(0.0));
                    }
                }
                self.set_capacity();
                if let Some((_, period)) = self.server.swing {
                    self.at(self.now + period / 40.0, What::Capacity);
                }
            }
            What::Tenants => {
                if let Some(tenants) = self.server.tenants {
                    self.tenants_are_here = !self.tenants_are_here;
                    self.set_capacity();
                    let mean = if self.tenants_are_here { tenants.every.1 } else { tenants.every.0 };
                    let wait = self.others.wait(mean);
                    self.at(self.now + wait, What::Tenants);
                }
            }
        }
    }

    /// Sends what a client may send.
    fn pump(&mut self, client: usize) {
        loop {
            for mailbox in self.clients[client].wants(self.now, &mut self.dice, self.server.mailboxes) {
                let weight = weight(&mut self.sizes);
                let mut work = self.worth(&weight) * self.sizes.factor(self.server.work_varies);
                if self.sizes.part() < self.server.stalls.0 {
                    work += self.server.stalls.1 * self.sizes.factor(0.5);
                }
                self.ask(client, mailbox, weight, work, 0);
            }
            let slots = self.clients[client].gate.slots();
            if std::mem::replace(&mut self.slots[client], slots) != slots {
                self.run.slots.push((self.now, client, slots));
            }
            match self.clients[client].gate.next(duration(self.now)) {
                Grant::Send(ticket) => {
                    let request = self.tickets[client].remove(&ticket).expect("only what was asked for is granted");
                    let way = self.way();
                    self.at(self.now + way, What::Arrives(request));
                    self.at(self.now + self.server.timeout, What::Lost(request));
                }
                // Another mailbox may fill the slots.
                Grant::Wait(_) | Grant::Nothing if self.opens_another(client) => {}
                Grant::Wait(until) => {
                    let until = until.as_secs_f64() + 1e-6;
                    if until < self.wakes[client] {
                        self.wakes[client] = until;
                        self.at(until, What::Wake(client));
                    }
                    return;
                }
                Grant::Nothing => return,
            }
        }
    }

    fn opens_another(&self, client: usize) -> bool {
        let one = &self.clients[client];
        one.gate.is_hungry(duration(self.now)) && one.open.len() < MAILBOXES_MAX.min(one.plan.mailboxes_max).min(self.server.mailboxes)
    }

    fn arrive(&mut self, request: usize) {
        if !self.is_current(request) {
            return;
        }
        let capacity = self.server.capacity(self.now);
        if let Some(limit) = self.server.limit
            && self.accepted as f64 >= (limit.requests * capacity).round().max(1.0)
        {
            let way = self.way();
            let what = if limit.breaks { What::Lost(request) } else { What::Refused(request, limit.hint.unwrap_or(0.0)) };
            return self.at(self.now + way, what);
        }
        let mailbox = self.requests[request].mailbox;
        if let Some(meter) = self.server.meter {
            let (burst, recharge) = (meter.burst * capacity, meter.recharge * capacity);
            let (left, since) = self.meters.entry(if meter.each_mailbox { mailbox } else { 0 }).or_insert((burst, self.now));
            *left = (*left + recharge * (self.now - *since)).min(burst);
            *since = self.now;
            if *left < 1.0 {
                let way = self.way();
                return self.at(self.now + way, What::Refused(request, meter.hint));
            }
            *left -= 1.0;
        }
        let work = self.requests[request].work;
        let mut delay = 0.0;
        if let Some(budget) = self.server.budget {
            let (burst, recharge) = (budget.burst * capacity, budget.recharge * capacity);
            let (left, since, blocked) = self.budgets.entry(if budget.each_mailbox { mailbox } else { 0 }).or_insert((burst, self.now, false));
            *left = (*left + recharge * (self.now - *since)).min(burst);
            *since = self.now;
            *blocked = *left < if *blocked { 0.0 } else { -budget.cutoff };
            if *blocked {
                let hint = -*left / recharge;
                let way = self.way();
                return self.at(self.now + way, What::Refused(request, hint));
            }
            if *left < 0.0 {
                delay = (work / recharge).min(budget.delay_max);
            }
            *left -= work;
        }
        self.accepted += 1;
        if delay > 0.0 { self.at(self.now + delay, What::Delayed(request)) } else { self.work(request) }
    }

    fn work(&mut self, request: usize) {
        let n = self.requests[request].mailbox % self.nodes.len();
        let work = self.requests[request].work;
        self.nodes[n].add(self.now, request, work);
        self.plan_node(n);
    }

    fn worked(&mut self, request: usize) {
        let mb = self.requests[request].weight.bytes as f64 / 1e6;
        match &mut self.line {
            Some(line) if mb > 0.0 => {
                // Each byte is one part of work; the line does so many of them in a second, for however many share it.
                line.add(self.now, request, mb);
                self.plan_line();
            }
            _ => self.leave(request),
        }
    }

    fn leave(&mut self, request: usize) {
        let lag = self.server.limit.map_or(0.0, |limit| limit.lag);
        if lag > 0.0 {
            let lag = self.dice.wait(lag);
            self.at(self.now + lag, What::Released);
        } else {
            self.accepted -= 1;
        }
        let way = self.way();
        self.at(self.now + way, What::Answered(request));
    }

    fn refused(&mut self, request: usize, hint: f64) {
        let pause = (hint > 0.0).then(|| duration(hint));
        self.finish(request, Outcome::Refused(pause), 0.0);
        let one = &mut self.requests[request];
        one.tries += 1;
        let (client, mailbox) = (one.client, one.mailbox);
        let own = backoff(one.tries) * (0.75 + 0.5 * self.dice.part());
        let pause = if hint > 1.0 { hint } else { hint.max(own) };
        self.clients[client].gate.hold(duration(self.now), &mailbox, duration(pause));
        self.again(request);
    }

    fn ask(&mut self, client: usize, mailbox: usize, weight: Weight, work: f64, tries: u32) {
        let ticket = self.clients[client].gate.ask(client, Some(mailbox));
        self.tickets[client].insert(ticket, self.requests.len());
        self.requests.push(Request { client, mailbox, weight, work, tries, ticket, ended: false });
    }

    fn again(&mut self, request: usize) {
        let Request { client, mailbox, weight, work, tries, .. } = self.requests[request];
        self.ask(client, mailbox, weight, work, tries);
        self.pump(client);
    }

    fn finish(&mut self, request: usize, outcome: Outcome, worth: f64) {
        let one = &mut self.requests[request];
        let (client, ticket) = (one.client, one.ticket);
        one.ended = true;
        let refused = matches!(outcome, Outcome::Refused(_) | Outcome::Lost);
        self.clients[client].gate.end(duration(self.now), ticket, outcome);
        self.run.done.push(Ended { time: self.now, client, worth, refused });
    }

    fn is_current(&self, request: usize) -> bool {
        !self.requests[request].ended
    }

    fn worth(&self, weight: &Weight) -> f64 {
        let mb = (weight.bytes as f64 + 4000.0 * weight.items as f64) / 1e6;
        self.server.work + self.server.work_mb * mb
    }

    fn way(&mut self) -> f64 {
        self.server.way / 2.0 * self.dice.factor(self.server.way_varies)
    }

    fn set_capacity(&mut self) {
        let tenants = self.server.tenants.filter(|_| self.tenants_are_here).map_or(1.0, |tenants| tenants.left);
        let capacity = self.server.capacity(self.now) * tenants;
        for n in 0..self.nodes.len() {
            self.nodes[n].set(self.now, capacity);
            self.plan_node(n);
        }
        if let Some(line) = &mut self.line {
            line.set(self.now, capacity);
            self.plan_line();
        }
    }

    fn plan_node(&mut self, n: usize) {
        if let Some(time) = self.nodes[n].next() {
            let version = self.nodes[n].version;
            self.at(time, What::Node(n, version));
        }
    }

    fn plan_line(&mut self) {
        if let Some((time, version)) = self.line.as_ref().and_then(|line| Some((line.next()?, line.version))) {
            self.at(time, What::Line(version));
        }
    }

    fn at(&mut self, time: f64, what: What) {
        self.events_made += 1;
        self.events.push(Reverse(Event { time: time.max(self.now), number: self.events_made, what }));
    }
}

impl Eq for Event {}

impl PartialOrd for Event {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Event {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.time.total_cmp(&other.time).then(self.number.cmp(&other.number))
    }
}

fn backoff(tries: u32) -> f64 {
    (RETRY_FIRST * f64::from(1u32 << (tries - 1).min(16))).min(RETRY_MAX)
}

fn duration(secs: f64) -> Duration {
    Duration::from_secs_f64(secs.max(0.0))
}
