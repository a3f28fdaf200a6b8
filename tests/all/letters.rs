//! Letters on the lab's disk, written and written anew as if people had worked.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use c2b_tests::Bench;
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::path::Path;

/// Writes a letter with an attachment of `bytes` that cannot be compressed; another `seed` gives another one.
pub(crate) fn letter(org: &Path, mailbox: &str, n: u64, seed: u64, bytes: usize) {
    let mut body = vec![0; bytes];
    ChaCha8Rng::seed_from_u64(seed * 1_000_003 + n).fill_bytes(&mut body);
    let mut text = format!(
        "From: Ann <ann@example.org>\r\nTo: {mailbox}\r\nSubject: letter {n}\r\nMessage-ID: <{n}.{mailbox}>\r\nDate: Fri, 20 Nov 2026 10:{:02}:00 +0000\r\n\
         MIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n",
        n % 60
    );
    for line in body.chunks(57) {
        text.push_str(&STANDARD.encode(line));
        text.push_str("\r\n");
    }
    let dir = org.join(mailbox).join("Inbox");
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join(format!("{n:05}.eml")), text).unwrap();
}

/// Backs up, has the first `changed` of the letters written anew at the source, and backs up again.
pub(crate) fn change_and_back_up(bench: &mut Bench, mailbox: &str, changed: u64, seed: u64, bytes: usize) {
    bench.run("all");
    for n in 0..changed {
        letter(&bench.lab.org, mailbox, n, seed, bytes);
    }
    bench.lab.restart();
    bench.run("all");
}

/// Bytes of all packs.
pub(crate) fn pack_bytes(bench: &Bench) -> u64 {
    bench.packs().iter().map(|pack| std::fs::metadata(bench.storage().join("packs").join(pack)).unwrap().len()).sum()
}
