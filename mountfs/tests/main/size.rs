//! Memory stays bounded whatever is walked or read.

use crate::bench::{Bench, mail, paths, usable};
use crate::files::noise;
use std::fs;
use std::io::Read;
use std::process::Command;

/// Items in the large folder. `C2B_MANY` sets another number.
const MANY: usize = 20_000;

#[test]
fn a_large_file_is_read_in_bounded_memory() {
    if !usable() {
        return;
    }
    let mut bench = Bench::new();
    let inbox = bench.folder("inbox", None, "Inbox");
    let body = noise(1, 100 * 1024 * 1024);
    bench.put(inbox, mail("large", "large", &body));
    bench.commit();
    let mounted = bench.mount("mnt", &[]);
    let before = mounted.peak_kib();
    let mut file = fs::File::open(paths(&mounted.latest().join("Inbox")).remove(0)).unwrap();
    let mut buffer = vec![0; 1 << 20];
    let mut place = 0;
    loop {
        let n = file.read(&mut buffer).unwrap();
        if n == 0 {
            break;
        }
        assert!(buffer[..n] == body[place..place + n], "differs after byte {place}");
        place += n;
    }
    assert_eq!(place, body.len());
    let grown = mounted.peak_kib() - before;
    println!("reading 100 MiB: peak {before} KiB before, {grown} KiB more");
    assert!(grown < 96 * 1024, "grew by {grown} KiB");
}

#[test]
fn walking_many_items_does_not_cost_memory_for_each() {
    if !usable() {
        return;
    }
    let many = std::env::var("C2B_MANY").ok().and_then(|text| text.parse().ok()).unwrap_or(MANY);
    let mut bench = Bench::new();
    let inbox = bench.folder("inbox", None, "Inbox");
    for n in 0..many {
        bench.put(inbox, mail(&format!("item {n}"), &format!("subject number {n} of many"), format!("Subject: {n}\r\n\r\nbody {n}\r\n").as_bytes()));
        if n % 5_000 == 4_999 && n + 1 < many {
            bench.commit();
        }
    }
    bench.commit();
    let mounted = bench.mount("mnt", &[]);
    let count = |arguments: &[&str]| {
        let output = Command::new("find").arg(mounted.latest()).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout.iter().filter(|byte| **byte == b'\n').count()
    };
    let idle = mounted.peak_kib();
    assert_eq!(count(&["-type", "f"]), many);
    let first = mounted.peak_kib();
    assert_eq!(count(&["-type", "f", "-size", "+0", "-printf", "%s\\n"]), many);
    let second = mounted.peak_kib();
    println!("{many} items: peak {idle} KiB idle, {first} KiB after find, {second} KiB after find -size");
    assert!(first < 256 * 1024, "{first} KiB after a walk");
    assert!(second < first + first / 20 + 4096, "a second walk grew memory from {first} to {second} KiB");
}
