//! Real mail: odd, broken, non-ASCII messages from public corpora come back byte for byte.

use super::backup::assert_complete;
use c2b_tests::{Bench, Mount, fuse_usable, shared};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Unpacks a corpus into a folder; returns its files.
fn unpack(archive: &Path, into: &Path) -> Vec<PathBuf> {
    let status = Command::new("tar").arg("--zstd").arg("-xf").arg(archive).arg("-C").arg(into).status();
    assert!(status.is_ok_and(|status| status.success()), "failed to unpack {}", archive.display());
    c2b_tests::files(into)
}

#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn backed_up_whole(corpus: &str) {
    let Some(archive) = shared("corpus").map(|dir| dir.join(format!("{corpus}.tar.zst"))).filter(|path| path.exists()) else {
        eprintln!("skipped: the corpus {corpus} is not on this machine");
        return;
    };
    if !fuse_usable() {
        return;
    }
    let raw = tempfile::tempdir().unwrap();
    let messages = unpack(&archive, raw.path());
    assert!(messages.len() > 500, "only {} files in {corpus}", messages.len());
    let bench = Bench::organisation(
        |org| {
            for (n, message) in messages.iter().enumerate() {
                let folder = message.components().next().unwrap().as_os_str().to_string_lossy().replace('.', "_");
                let dir = org.join("real@example.org").join("Inbox").join(format!("{folder} {}", n / 1000));
                std::fs::create_dir_all(&dir).unwrap();
                std::fs::copy(raw.path().join(message), dir.join(format!("{n:06}.eml"))).unwrap();
            }
        },
        &[],
    );
    bench.job_all("all");
    bench.run("all");
    assert_eq!(bench.served_items(), messages.len() as u64, "the lab does not serve every message");
    let mount = Mount::new(&bench.storage(), &bench.path("mnt"));
    assert_complete(&bench, &mount);
}

#[test]
fn edge_cases_come_back_whole() {
    backed_up_whole("edge");
}

#[test]
fn everyday_mail_comes_back_whole() {
    backed_up_whole("spamassassin");
}
