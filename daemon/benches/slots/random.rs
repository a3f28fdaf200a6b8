//! Random servers: what an Exchange organisation may be like, drawn from a seed.
//!
//! The ranges: 2 to 250 ms to the server; 1 to 40 cores, or a curve of another shape; requests of 20 to 200 ms
//! and the time for a megabyte; the limits of Exchange (27 requests at once since 2013, 10 in 2010, others where
//! an administrator chose them), with and without a hint; budgets of Exchange (300 s of server time at once and
//! 900 s more each hour, for each mailbox or for the account), and counts of requests as Exchange Online has them
//! (10,000 in ten minutes are 17 a second).

#![expect(clippy::cast_possible_truncation, reason = "numbers that are drawn are small")]

use super::simulator::{Budget, Curve, Dice, Limit, Meter, Server, Tenants};

/// Returns a server; each seed has its own.
pub(crate) fn server(seed: u64) -> Server {
    let mut dice = Dice::new(seed ^ 0x51_07_5e_ed);
    let mut one = Server::new(&format!("random-{seed}"), "");
    one.way = between(&mut dice, 0.002, 0.25);
    one.way_varies = 0.1 + 0.5 * dice.part();
    one.work = between(&mut dice, 0.02, 0.2);
    one.work_mb = between(&mut dice, 0.05, 0.4);
    one.work_varies = 0.2 + 0.6 * dice.part();
    if dice.part() < 0.15 {
        one.stalls = (0.01 * dice.part(), 1.0 + 4.0 * dice.part());
    }
    one.curve = match dice.part() {
        part if part < 0.4 => Curve::Cores(between(&mut dice, 1.0, 40.0)),
        part if part < 0.6 => Curve::Serial(between(&mut dice, 0.03, 0.5)),
        part if part < 0.75 => Curve::Thrash(between(&mut dice, 2.0, 24.0)),
        part if part < 0.9 => Curve::Collapse(between(&mut dice, 2.0, 24.0), between(&mut dice, 0.03, 0.3)),
        _ => Curve::Free,
    };
    if let Curve::Cores(cores) = one.curve {
        if dice.part() < 0.4 {
            one.workers = cores.ceil() as usize;
            one.curve = Curve::Cores(cores.ceil());
        } else if dice.part() < 0.3 {
            one.machines = 2 + (dice.part() * 3.0) as usize;
        }
    }
    if matches!(one.curve, Curve::Free) || dice.part() < 0.15 {
        one.line = Some(between(&mut dice, 2.0, 60.0));
    }
    if dice.part() < 0.35 {
        let requests = match dice.part() {
            part if part < 0.4 => 27.0,
            part if part < 0.6 => 10.0,
            _ => between(&mut dice, 3.0, 32.0).round(),
        };
        let hint = (dice.part() < 0.5).then(|| between(&mut dice, 0.5, 10.0));
        one.limit = Some(Limit { requests, hint, lag: if dice.part() < 0.3 { 0.001 } else { 0.0 }, breaks: hint.is_none() && dice.part() < 0.3 });
    }
    match dice.part() {
        part if part < 0.12 => {
            one.budget = Some(Budget { burst: 300.0, recharge: between(&mut dice, 0.1, 1.0), cutoff: 3000.0, delay_max: 60.0, each_mailbox: true });
        }
        part if part < 0.2 => {
            let (burst, recharge) = (between(&mut dice, 30.0, 300.0), between(&mut dice, 0.5, 6.0));
            one.budget = Some(Budget { burst, recharge, cutoff: between(&mut dice, 30.0, 300.0), delay_max: 1.0, each_mailbox: false });
        }
        part if part < 0.28 => {
            let recharge = between(&mut dice, 1.0, 17.0);
            one.meter = Some(Meter { burst: 20.0 * recharge, recharge, hint: between(&mut dice, 1.0, 30.0), each_mailbox: true });
        }
        part if part < 0.34 => {
            let recharge = between(&mut dice, 5.0, 60.0);
            one.meter = Some(Meter { burst: 40.0 * recharge, recharge, hint: between(&mut dice, 1.0, 30.0), each_mailbox: false });
        }
        _ => {}
    }
    one.mailboxes = between(&mut dice, 40.0, 2000.0) as usize;
    match dice.part() {
        part if part < 0.1 => {
            one.tenants = Some(Tenants { left: 0.4 + 0.4 * dice.part(), every: (between(&mut dice, 20.0, 100.0), between(&mut dice, 10.0, 50.0)) });
        }
        part if part < 0.2 => one.swing = Some((0.4 * dice.part(), between(&mut dice, 120.0, 600.0))),
        _ => {}
    }
    one.words = format!("{:?}", one.curve);
    one
}

/// Draws a number the logarithm of which is as likely anywhere between two.
fn between(dice: &mut Dice, low: f64, high: f64) -> f64 {
    low * (high / low).powf(dice.part())
}
