//! The servers that the controller is measured on: each has its own way to be slow, or to refuse.

use super::simulator::{Budget, Curve, Limit, Meter, Server, Tenants};

/// Returns all of them.
pub(crate) fn all() -> Vec<Server> {
    let server = Server::new;
    vec![
        Server { ..server("eight-cores", "8 cores, same building; more requests only wait") },
        Server { curve: Curve::Cores(1.0), workers: 1, way: 0.004, ..server("one-thread", "works on one request at a time") },
        Server { curve: Curve::Cores(3.0), workers: 3, way: 0.02, ..server("small-queue", "3 workers, first come, first served") },
        Server { curve: Curve::Thrash(6.0), ..server("thrashing", "requests hinder each other; best at 6, a third lost at 16") },
        Server { curve: Curve::Collapse(10.0, 0.15), ..server("collapsing", "10 cores, and each request beyond them costs 15 %") },
        Server { curve: Curve::Serial(0.1), ..server("serial-tenth", "a tenth of the work is done by one at a time") },
        Server { curve: Curve::Free, way: 0.25, work: 0.05, ..server("far-away", "a quarter of a second away, and bears anything") },
        Server { line: Some(4.0), curve: Curve::Free, way: 0.06, ..server("thin-line", "a line of 4 MB/s, 60 ms away") },
        Server {
            curve: Curve::Free,
            limit: Some(Limit { requests: 10.0, hint: None, lag: 0.0, breaks: false }),
            ..server("hard-ten", "refuses the 11th request (the policy of Exchange 2010)")
        },
        Server {
            curve: Curve::Cores(64.0),
            limit: Some(Limit { requests: 4.0, hint: None, lag: 0.001, breaks: false }),
            ..server("hard-four", "refuses the 5th request, and counts an answered request 1 ms longer")
        },
        Server {
            budget: Some(Budget { burst: 300.0, recharge: 0.25, cutoff: 3000.0, delay_max: 60.0, each_mailbox: true }),
            curve: Curve::Cores(12.0),
            ..server("exchange-each", "12 cores; Exchange's budget for each mailbox (impersonation)")
        },
        Server {
            budget: Some(Budget { burst: 60.0, recharge: 3.0, cutoff: 60.0, delay_max: 1.0, each_mailbox: false }),
            curve: Curve::Cores(12.0),
            ..server("account-budget", "one budget for the account: 3 s of work a second, refuses when it is overdrawn by a minute")
        },
        Server {
            meter: Some(Meter { burst: 40.0, recharge: 2.0, hint: 5.0, each_mailbox: true }),
            curve: Curve::Cores(16.0),
            mailboxes: 40,
            ..server("counted", "2 requests a second for each of 40 mailboxes, 40 at once; says 5 s")
        },
        Server {
            curve: Curve::Cores(10.0),
            tenants: Some(Tenants { left: 0.5, every: (25.0, 10.0) }),
            ..server("busy-office", "10 cores; others take half of them now and then")
        },
        Server { curve: Curve::Cores(12.0), swing: Some((0.4, 240.0)), ..server("tide", "12 cores; swings by 40 % in four minutes") },
        Server { machines: 3, curve: Curve::Cores(9.0), ..server("balanced", "three machines of 3 cores; each mailbox is on one") },
        Server {
            work_varies: 0.9,
            way_varies: 0.6,
            stalls: (0.01, 3.0),
            ..server("jittery", "8 cores; times vary threefold, one in a hundred stalls for 3 s")
        },
        Server { curve: Curve::Cores(20.0), way: 0.03, ..server("twenty-cores", "20 cores") },
        Server { curve: Curve::Cores(5.0), workers: 5, way: 0.12, work_varies: 0.7, ..server("far-queue", "5 workers, first come, first served, 120 ms away") },
        Server { curve: Curve::Thrash(14.0), work_varies: 0.6, ..server("thrashing-late", "requests hinder each other; best at 14") },
        Server { curve: Curve::Thrash(3.0), way: 0.05, ..server("thrashing-early", "requests hinder each other; best at about 4") },
        Server { curve: Curve::Serial(0.3), ..server("serial-third", "three tenths of the work are done by one at a time") },
        Server {
            curve: Curve::Cores(30.0),
            limit: Some(Limit { requests: 27.0, hint: Some(1.0), lag: 0.0, breaks: false }),
            way: 0.1,
            ..server("hard-27", "refuses the 28th request (the policy of Exchange 2013 and later), 100 ms away")
        },
        Server { limit: Some(Limit { requests: 6.0, hint: None, lag: 0.0, breaks: true }), ..server("breaking", "breaks the connection of the 7th request") },
        Server {
            meter: Some(Meter { burst: 500.0, recharge: 12.0, hint: 10.0, each_mailbox: false }),
            curve: Curve::Cores(16.0),
            ..server("counted-account", "12 requests a second for the account, 500 at once; says 10 s")
        },
        Server { line: Some(12.0), machines: 2, curve: Curve::Cores(10.0), ..server("line-and-cores", "two machines of 5 cores behind a line of 12 MB/s") },
        Server {
            curve: Curve::Collapse(6.0, 0.3),
            tenants: Some(Tenants { left: 0.6, every: (40.0, 20.0) }),
            work_varies: 0.6,
            ..server("collapsing-busy", "6 cores that collapse beyond, and others who take two fifths now and then")
        },
    ]
}
