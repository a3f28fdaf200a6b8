//! The rows of an index, as RocksDB has them.

use c2b_storagefmt::format::row::{StateRow, Table};
use c2b_storagefmt::{Unlock, rebuild};
use rocksdb::{DB, IteratorMode, Options};
use std::collections::BTreeMap;
use std::path::Path;

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

/// Returns all rows, without what is not derived from packs.
pub(crate) fn tables(dir: &Path) -> BTreeMap<&'static str, Rows> {
    let path = dir.join("index");
    let mut options = Options::default();
    // Sixteen by default, started anew for each table.
    options.set_max_file_opening_threads(1);
    let db = DB::open_cf_for_read_only(&options, &path, Table::ALL.iter().map(|table| table.name()), false).unwrap();
    let rows = |table: &Table| {
        let family = db.cf_handle(table.name()).unwrap();
        let mut rows: Rows = db.iterator_cf(family, IteratorMode::Start).map(|row| row.map(|(key, value)| (key.into(), value.into())).unwrap()).collect();
        if *table == Table::State {
            let mut state: StateRow = minicbor::decode(&rows[&Vec::new()]).unwrap();
            state.rewrites = 0;
            rows.insert(Vec::new(), minicbor::to_vec(state).unwrap());
        }
        (table.name(), rows)
    };
    Table::ALL.iter().map(rows).collect()
}

/// Makes sure that a rebuild gives the index that is there; no writer may be open.
pub(crate) fn assert_rebuilds_alike(dir: &Path, unlock: &Unlock) {
    let before = tables(dir);
    let report = rebuild(dir, unlock, &mut |_| {}).unwrap();
    assert_eq!(report.damages, []);
    let after = tables(dir);
    for (name, rows) in &before {
        assert_eq!(difference(rows, &after[name]), Vec::<String>::new(), "{name}: live against rebuilt");
    }
}

fn difference(live: &Rows, rebuilt: &Rows) -> Vec<String> {
    let keys: std::collections::BTreeSet<&Vec<u8>> = live.keys().chain(rebuilt.keys()).collect();
    keys.into_iter()
        .filter(|key| live.get(*key) != rebuilt.get(*key))
        .map(|key| format!("{key:02x?}: {:02x?} against {:02x?}", live.get(key), rebuilt.get(key)))
        .collect()
}
