//! Hostile mail and names: everything is reachable, nothing grows without bound.

use super::backup::assert_complete;
use c2b_tests::{Bench, Mount, files, fuse_usable};
use std::io::Write;
use std::path::Path;

fn put(org: &Path, folder: &str, name: &str, bytes: &[u8]) {
    let dir = org.join("odd@example.org").join(folder);
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join(name), bytes).unwrap();
}

fn mail(subject: &str) -> Vec<u8> {
    format!("From: a@example.org\r\nTo: odd@example.org\r\nSubject: {subject}\r\nDate: Fri, 20 Nov 2026 10:00:00 +0000\r\n\r\nbody of {}\r\n", subject.len())
        .into_bytes()
}

#[test]
fn odd_names_are_reachable_and_legal_everywhere() {
    if !fuse_usable() {
        return;
    }
    let emoji: String = "\u{1F4E7}".repeat(1000);
    let bench = Bench::organisation(
        |org| {
            for (n, folder) in [
                "Inbox/%2E%2E",
                "Inbox/a%2Fb",
                "Inbox/a_b",
                "Inbox/CON",
                "Inbox/x.",
                "Inbox/caf\u{e9}",
                "Inbox/cafe\u{301}",
                "Inbox/case",
                "Inbox/CASE",
                "Inbox/a%3Ab %7C%3F%2A",
            ]
            .iter()
            .enumerate()
            {
                put(org, folder, "1.eml", &mail(&format!("in folder {n}")));
            }
            for (n, subject) in
                ["Re: a/b?", "CON", "x.", "..", "", " ", "a\tb", &emoji, "<script>", "same", "same", "%00", "\u{202e}gnp.exe"].iter().enumerate()
            {
                put(org, "Inbox", &format!("{n:03}.eml"), &mail(subject));
            }
            put(org, "Inbox", "empty.eml", b"");
            put(org, "Inbox", "binary.eml", &[0, 1, 2, 255, 254, 13, 10, 0, 128]);
        },
        &[],
    );
    bench.job_all("all");
    bench.run("all");
    let mount = Mount::new(&bench.storage(), &bench.path("mnt"));
    assert_complete(&bench, &mount);
    for path in files(&mount.path.join("mailboxes")) {
        for part in path.components() {
            let name = part.as_os_str().to_str().expect("names are UTF-8");
            let stem = name.split('.').next().unwrap().to_ascii_uppercase();
            let device = matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL")
                || (stem.len() == 4 && (stem.starts_with("COM") || stem.starts_with("LPT")) && stem.ends_with(|c: char| c.is_ascii_digit()));
            let illegal = name.chars().any(|c| c.is_control() || "<>:\"/\\|?*".contains(c));
            assert!(name.len() <= 200 && !device && !illegal && !name.ends_with(['.', ' ']), "{name:?} is not legal everywhere");
        }
    }
}

#[test]
fn a_huge_message_takes_little_memory() {
    if !fuse_usable() {
        return;
    }
    let bench = Bench::organisation(
        |org| {
            let dir = org.join("big@example.org/Inbox");
            std::fs::create_dir_all(&dir).unwrap();
            let mut file = std::io::BufWriter::new(std::fs::File::create(dir.join("1.eml")).unwrap());
            file.write_all(b"From: a@example.org\r\nSubject: big\r\nMIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n").unwrap();
            let mut state = 1u64;
            for _ in 0..(150 * 1024 * 1024 / 78) {
                let line: [u8; 76] = std::array::from_fn(|_| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[(state >> 58) as usize]
                });
                file.write_all(&line).unwrap();
                file.write_all(b"\r\n").unwrap();
            }
            file.flush().unwrap();
            put(org, "Inbox", "1.eml", &mail("small"));
        },
        &[],
    );
    bench.job_all("all");
    let before = bench.daemon.memory_peak_bytes();
    bench.run("all");
    let grown = bench.daemon.memory_peak_bytes().saturating_sub(before);
    assert!(grown <= 64 * 1024 * 1024, "a message of 150 MB took {} MiB of memory", grown / 1024 / 1024);
    let mount = Mount::new(&bench.storage(), &bench.path("mnt"));
    assert_complete(&bench, &mount);
}
