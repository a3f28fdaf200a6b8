//! Any history of changes at the sources and operations here, crashes included, against the plain [`model`](crate::model).
//!
//! Every moment is looked at: what it lists, the bytes of its items, cursors, failures. `C2B_SOAK_CASES` makes more cases (`make soak`).

mod book;
mod mails;
mod op;
mod run;
mod strike;
mod verify;
mod world;

use crate::support::cases;
use op::{Op, op};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};
use world::World;

/// Histories of each test in a usual run.
const CASES: u32 = 500;

/// A usual run makes up the same histories each time, from `seed`; soaking looks further.
fn config(seed: u64) -> Config {
    let rng_seed = if std::env::var_os("C2B_SOAK_CASES").is_some() { RngSeed::Random } else { RngSeed::Fixed(seed) };
    Config { cases: cases("C2B_SOAK_CASES", CASES), max_shrink_iters: 400, failure_persistence: None, rng_seed, ..Config::default() }
}

fn run(sealed: bool, ops: &[Op]) {
    let mut world = World::new(sealed);
    for op in ops {
        world.apply(op);
    }
    world.end();
}

/// Two of each kind, so that they run beside each other.
macro_rules! histories {
    ($($name:ident: sealed $sealed:expr, seed $seed:expr;)*) => {
        $(proptest! {
            #![proptest_config(config($seed))]

            #[test]
            fn $name(ops in prop::collection::vec(op(), 1..50)) {
                run($sealed, &ops);
            }
        })*
    };
}

histories! {
    every_moment_holds_what_the_model_says: sealed false, seed 1;
    every_moment_of_other_histories_holds_what_the_model_says: sealed false, seed 2;
    every_moment_of_a_sealed_storage_holds_what_the_model_says: sealed true, seed 3;
    every_moment_of_other_histories_of_a_sealed_storage_holds_what_the_model_says: sealed true, seed 4;
}

#[test]
fn errors_name_what_is_wrong() {
    use crate::support::{Place, address, folder, mail};
    use c2b_storagefmt::{Error, FolderKey, MailboxKey};
    let place = Place::new();
    let mut writer = place.create();
    let at = writer.mailbox(&address("m0")).unwrap();
    let err = writer.put_item(at, FolderKey(77), mail("I", "x", b"")).unwrap_err();
    assert!(matches!(err, Error::UnknownKey { what: "folder", .. }), "{err}");
    let err = writer.put_folder(MailboxKey(9), &folder("F", "x", None)).unwrap_err();
    assert!(matches!(err, Error::UnknownKey { what: "mailbox", .. }), "{err}");
}
