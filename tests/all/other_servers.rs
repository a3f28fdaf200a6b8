//! EWS servers that are not Exchange, each with its own ways (the lab's quirks): the backup is whole, a quiet cycle
//! fetches nothing, and what changes is noticed.

use super::backup::{NEW_MAIL, assert_complete};
use c2b_tests::{Bench, Ews, Mount, fuse_usable};

/// Backs up from a lab with these quirks: all, nothing, and what people do in between.
fn backed_up_from(quirks: &str) {
    let bench = Bench::company(2, 40, &["--quirks", quirks]);
    let items = || bench.ctl().json(&["storage", "show", "main"])["items"].as_u64();
    bench.job_all("all");
    let outcome = bench.ctl().run(&["job", "start", "all", "--wait"]);
    assert_eq!(outcome.code, 0, "{quirks}: {}", bench.ctl().run(&["job", "failures", "all"]).stdout);
    assert_eq!(items(), Some(bench.served_items()), "{quirks}: not all is there");
    bench.lab.reset_counters();
    bench.run("all");
    let counters = bench.lab.counters();
    let fetched = (counters["mime_items"].as_u64(), counters["items_exported"].as_u64());
    assert_eq!(fetched, (Some(0), Some(0)), "{quirks}: a quiet cycle fetched");

    let mailbox = bench.lab.mailboxes().remove(0);
    let ews = Ews::new(&bench.lab.url, &mailbox);
    let mails: Vec<String> = bench.lab.items(&mailbox).into_iter().filter(|item| item.class == "IPM.Note").map(|item| item.id).collect();
    let folder = ews.create_folder("msgfolderroot", "Before");
    ews.create("inbox", NEW_MAIL);
    ews.set_read(&mails[0], true);
    ews.set_read(&mails[0], false);
    ews.move_item(&mails[1], "deleteditems");
    ews.delete(&mails[2]);
    ews.rename_folder(&folder, "After");
    bench.run("all");
    assert_eq!(items(), Some(bench.served_items()), "{quirks}: not all changes are there");
    if fuse_usable() {
        let mount = Mount::new(&bench.storage(), &bench.path("mnt"));
        assert!(mount.latest(&mailbox).join("After").is_dir(), "{quirks}: the folder has its old name");
        if !quirks.contains("fresh-mime") {
            assert_complete(&bench, &mount);
        }
    }
}

#[test]
fn servers_that_tell_less_of_folders() {
    for quirks in ["no-folder-counters", "no-distinguished-ids", "short-pages"] {
        backed_up_from(quirks);
    }
}

#[test]
fn servers_that_tell_less_of_items() {
    for quirks in ["no-search-keys", "sparse", "fresh-mime"] {
        backed_up_from(quirks);
    }
}

#[test]
fn servers_that_can_less() {
    for quirks in ["no-export", "no-notifications", "lower-case-path"] {
        backed_up_from(quirks);
    }
}

#[test]
fn servers_that_err_in_other_ways() {
    for quirks in ["faults-in-http-200", "bare-faults", "lenient-states"] {
        backed_up_from(quirks);
    }
}

#[test]
fn a_server_that_is_odd_in_every_way() {
    backed_up_from(
        "no-folder-counters,no-distinguished-ids,no-search-keys,no-export,no-notifications,faults-in-http-200,bare-faults,sparse,lenient-states,short-pages",
    );
}
