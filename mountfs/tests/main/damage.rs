//! A damaged item is an error, for that item only; never zeros.

use crate::bench::{Bench, mail, os_error, paths, usable};
use crate::files::noise;
use std::fs;

#[test]
fn a_damaged_block_is_an_error_for_its_item_only() {
    if !usable() {
        return;
    }
    let mut bench = Bench::new();
    let inbox = bench.folder("inbox", None, "Inbox");
    let body = noise(42, 200_000);
    let victim = bench.put(inbox, mail("victim", "victim", &body));
    for n in 0..20 {
        bench.put(inbox, mail(&n.to_string(), &format!("mail {n}"), &noise(n, 100_000)));
    }
    bench.commit();
    let mut hits = 0;
    for pack in paths(&bench.storage().join("packs")).into_iter().filter(|path| path.is_file()) {
        let mut bytes = fs::read(&pack).unwrap();
        // Noise is stored as it is: its middle is found in the pack.
        if let Some(place) = bytes.windows(64).position(|window| window == &body[100_000..100_064]) {
            bytes[place] ^= 0xff;
            fs::write(&pack, bytes).unwrap();
            hits += 1;
        }
    }
    assert_eq!(hits, 1, "the victim's bytes were not found in the packs");
    let mounted = bench.mount("mnt", &[]);
    let mut errors = 0;
    for path in paths(&mounted.latest().join("Inbox")) {
        let result = fs::read(&path);
        if path.to_str().unwrap().contains(&victim.to_string()) {
            assert_eq!(os_error(result), Some(nix::errno::Errno::EIO as i32));
            assert_eq!(fs::metadata(&path).unwrap().len(), body.len() as u64);
            errors += 1;
        } else {
            assert_eq!(result.unwrap().len(), 100_000, "{}", path.display());
        }
    }
    assert_eq!(errors, 1);
    let line = mounted.log().lines().find(|line| line.contains("damaged")).unwrap().to_owned();
    assert!(line.contains(&victim.to_string()), "{line}");
    assert!(!line.contains("victim "), "the log tells the subject: {line}");
}
