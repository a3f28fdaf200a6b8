//! Damage of every kind to every kind of file, before every later operation: nothing panics, no wrong byte is handed out, a check
//! names exactly what is hit, the rest reads back, and every error says what to do.

mod cell;
mod sample;
mod spot;

pub(crate) use sample::{says_what_to_do, whole};

use crate::harm::Action;
use crate::support::{cases, files, noise, time};
use c2b_storagefmt::{Catalog, repair};
use cell::{Cell, Expected, backs_up};
use sample::{Kind, Sample, explained};
use spot::{PackSpot, Spot};
use std::fs;

const ALWAYS: Expected = Expected { found: Some(true), found_with_data: Some(true), hopeless: false };
const WITH_DATA: Expected = Expected { found: Some(false), ..ALWAYS };
const NEVER: Expected = Expected { found: Some(false), found_with_data: Some(false), hopeless: false };

/// What a log lost can be in table files, or is taken in from packs when a writer comes.
const PERHAPS: Expected = Expected { found: None, found_with_data: None, hopeless: false };

fn row(kind: Kind, spot: Spot, expected: impl Fn(Action) -> Expected) {
    let sample = Sample::new(kind);
    for action in Action::ALL {
        Cell { sample: &sample, spot, action, expected: expected(action) }.run();
    }
}

macro_rules! rows {
    ($($name:ident: $kind:expr, $spot:expr, $expected:expr;)*) => {
        $(#[test]
        fn $name() {
            row($kind, $spot, $expected);
        })*
    };
}

fn block(action: Action) -> Expected {
    if action == Action::Flip { WITH_DATA } else { ALWAYS }
}

rows! {
    a_pack_at_its_header: Kind::Open, Spot::Pack(PackSpot::Header), |_| ALWAYS;
    a_pack_in_a_group: Kind::Open, Spot::Pack(PackSpot::Group), block;
    a_pack_in_a_large_chunk: Kind::Open, Spot::Pack(PackSpot::Large), block;
    a_pack_in_its_records: Kind::Open, Spot::Pack(PackSpot::Records), |_| ALWAYS;
    a_pack_in_its_directory: Kind::Open, Spot::Pack(PackSpot::Directory), |_| ALWAYS;
    a_pack_at_its_end: Kind::Open, Spot::Pack(PackSpot::Trailer), |_| ALWAYS;
    a_sealed_pack_in_a_group: Kind::Sealed, Spot::Pack(PackSpot::Group), block;
    a_sealed_pack_in_its_records: Kind::Sealed, Spot::Pack(PackSpot::Records), |_| ALWAYS;
    a_rewritten_pack_in_a_group: Kind::Rewritten, Spot::Pack(PackSpot::Group), block;
    a_rewritten_pack_in_its_directory: Kind::Rewritten, Spot::Pack(PackSpot::Directory), |_| ALWAYS;
    one_copy_of_the_keys: Kind::Sealed, Spot::File("keys/a"), |_| ALWAYS;
    the_other_copy_of_the_keys: Kind::Sealed, Spot::File("keys/b"), |_| ALWAYS;
    both_copies_of_the_keys: Kind::Sealed, Spot::BothKeys, |_| Expected { hopeless: true, ..ALWAYS };
    the_description: Kind::Open, Spot::File("storage.toml"), |_| ALWAYS;
    the_description_of_a_sealed_one: Kind::Sealed, Spot::File("storage.toml"), |_| ALWAYS;
    the_text_for_people: Kind::Open, Spot::File("README.txt"), |_| NEVER;
    the_lock: Kind::Open, Spot::File("lock"), |_| NEVER;
    the_reserve: Kind::Open, Spot::File("reserve"), |_| NEVER;
    what_was_set_aside: Kind::Open, Spot::File("quarantine/old.pack"), |_| NEVER;
    what_a_copy_left: Kind::Open, Spot::File("incoming/packs/left.pack"), |_| NEVER;
    what_a_process_left: Kind::Open, Spot::File("tmp/left"), |_| NEVER;
    the_indexs_pointer: Kind::Open, Spot::Index("CURRENT"), |_| ALWAYS;
    the_indexs_manifest: Kind::Open, Spot::Index("MANIFEST"), |_| ALWAYS;
    the_indexs_tables: Kind::Open, Spot::Index(".sst"), |_| ALWAYS;
    the_indexs_log: Kind::Logged, Spot::Index(".log"), |_| PERHAPS;
    the_indexs_options: Kind::Open, Spot::Index("OPTIONS"), |_| NEVER;
    the_indexs_identity: Kind::Open, Spot::Index("IDENTITY"), |_| NEVER;
    the_indexs_diary: Kind::Open, Spot::Index("LOG"), |_| NEVER;
}

/// Damages of any file at any place, as many as `C2B_DAMAGE_CASES` says: nothing panics, no wrong byte is handed out, and a repair makes a check clean.
#[test]
fn any_damage_is_repaired_or_explained() {
    let seed = u64::from(cases("C2B_DAMAGE_SEED", 1));
    let samples = [Kind::Open, Kind::Sealed, Kind::Logged, Kind::Rewritten].map(Sample::new);
    for case in seed..seed + u64::from(cases("C2B_DAMAGE_CASES", 40)) {
        let random = noise(64, case);
        let number = |at: usize| u64::from_le_bytes(random[at * 8..at * 8 + 8].try_into().unwrap());
        let sample = &samples[usize::try_from(number(0) % 4).unwrap()];
        let place = sample.copy();
        let mut said = format!("case {case}");
        for hit in 0..=number(1) % 2 {
            let at = 2 + 3 * usize::try_from(hit).unwrap();
            let files = files(&place.dir());
            let path = &files[usize::try_from(number(at)).unwrap() % files.len()];
            let length = fs::metadata(path).unwrap().len().max(1);
            let action = Action::ALL[usize::try_from(number(at + 1) % 3).unwrap()];
            let offset = usize::try_from(number(at + 2) % length).unwrap();
            said += &format!(", {action:?} at {offset} of {}", path.strip_prefix(place.dir()).unwrap().display());
            action.at(offset).strike(path);
        }
        if let Some((catalog, contents)) = explained(Catalog::open_reader(&place.dir(), &place.root.path().join("reader"), &sample.key)) {
            whole(&catalog, &contents);
        }
        explained(sample.check(&place, true));
        if let Some(report) = explained(repair(&place.dir(), &sample.key, time(5), &mut |_| {})) {
            assert_eq!(sample.check(&place, true).unwrap().damages, [], "{said}: after {report:#?}");
            backs_up(sample, &place, &said);
            assert_eq!(sample.check(&place, true).unwrap().damages, [], "{said}: after a backup");
        }
    }
}
