//! The index is derived: without it, and with damage, what is there stays reachable.

use c2b_tests::{Bench, Mount, digest, files, fuse_usable};

#[test]
fn a_rebuilt_index_shows_the_same_and_costs_no_download() {
    if !fuse_usable() {
        return;
    }
    let mut bench = Bench::company(3, 120, &[]);
    bench.job_all("all");
    bench.run("all");
    let mailboxes = |mount: &Mount| digest(&mount.path.join("mailboxes"));
    let before = {
        let mount = Mount::new(&bench.storage(), &bench.path("before"));
        mailboxes(&mount)
    };
    assert!(before.len() > 100);
    assert!(bench.daemon.stop());
    std::fs::remove_dir_all(bench.storage().join("index")).unwrap();
    bench.restart_daemon();
    bench.ctl().ok(&["storage", "rebuild", "main"]);
    let after = {
        let mount = Mount::new(&bench.storage(), &bench.path("after"));
        mailboxes(&mount)
    };
    assert_eq!(before, after, "the mount differs after the rebuild");
    bench.lab.reset_counters();
    bench.run("all");
    assert_eq!((bench.lab.requests("ExportItems"), bench.lab.requests("GetItem")), (0, 0), "the cycle after a rebuild fetched items");
}

#[test]
fn a_flipped_byte_is_named_and_hides_nothing_else() {
    if !fuse_usable() {
        return;
    }
    let bench = Bench::company(2, 80, &[]);
    bench.job_all("all");
    bench.run("all");
    let packs = bench.storage().join("packs");
    let victim = files(&packs).into_iter().max_by_key(|pack| std::fs::metadata(packs.join(pack)).unwrap().len()).expect("there are packs");
    let path = packs.join(&victim);
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 3;
    bytes[middle] ^= 0x40;
    std::fs::write(&path, bytes).unwrap();

    let outcome = bench.ctl().run(&["storage", "check", "main", "--read-data"]);
    assert_eq!(outcome.code, 1, "{outcome:#?}");
    let text = outcome.stdout + &outcome.stderr;
    let name = victim.file_name().unwrap().to_string_lossy().into_owned();
    assert!(text.contains(&name), "the damaged pack is not named: {text}");
    assert!(text.contains('@'), "no mailbox is named: {text}");

    let mount = Mount::new(&bench.storage(), &bench.path("mnt"));
    let (mut good, mut bad) = (0, 0);
    for mailbox in bench.lab.mailboxes() {
        for file in files(&mount.latest(&mailbox)) {
            match c2b_tests::sha256(&mount.latest(&mailbox).join(&file)) {
                Ok(_) => good += 1,
                Err(err) => {
                    assert_eq!(err.raw_os_error(), Some(5), "{}: {err}", file.display());
                    bad += 1;
                }
            }
        }
    }
    assert!(bad > 0, "the damage was not noticed by reading");
    assert!(good > bad, "one flipped byte hid {bad} items, {good} are left");
}
