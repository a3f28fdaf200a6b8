//! An item of 150 MB costs a few MB of memory.

use crate::answers::{export, open, response};
use crate::fetching::alice;
use crate::server::{Answer, Request, Scripted, ok};
use c2b_ews::{EwsConfig, EwsSource, Secret};
use c2b_mailbox::{Fidelity, ItemId, ItemRef, Source};
use std::process::Command;
use url::Url;

const ITEM_BYTES: u64 = 150_000_000;
/// Text of one line: 76 characters of base64, 57 bytes.
const LINE: &str = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0\r\n";
/// Set for the process that fetches.
const URL_VARIABLE: &str = "C2B_TEST_LARGE_URL";
const RESIDENT_KIB_MAX: u64 = 64 * 1024;

fn large(request: &Request) -> Answer {
    match request.operation() {
        "GetItem" => {
            let whole = response(
                "GetItem",
                "<m:GetItemResponseMessage ResponseClass='Success'><m:ResponseCode>NoError</m:ResponseCode><m:Items><t:Message><t:MimeContent>HERE</t:MimeContent>\
                 <t:ItemId Id='a' ChangeKey='k'/><t:Size>200000000</t:Size></t:Message></m:Items></m:GetItemResponseMessage>",
            );
            let (head, end) = whole.split_once("HERE").unwrap();
            let lines_a_time = 1000;
            let times = usize::try_from(ITEM_BYTES / 57).unwrap() / lines_a_time;
            Answer::Repeated { head: head.as_bytes().to_vec(), middle: LINE.repeat(lines_a_time).into_bytes(), times, end: end.as_bytes().to_vec() }
        }
        "ExportItems" => ok(response("ExportItems", &export("a", "stream"))),
        _ => open(request),
    }
}

/// Fetches the item from the server of the other process, and looks at the memory that it took.
async fn fetch_from(url: &str) {
    let dir = tempfile::tempdir().unwrap();
    let source = EwsSource::new(EwsConfig::new(Url::parse(url).unwrap(), "admin", Secret::new("pw"), dir.path())).unwrap();
    let fetched = source.fetch(&alice(), &[ItemRef { id: ItemId::new("a"), change_key: None, settle: false }]).await.unwrap().remove(0);
    let item = fetched.result.unwrap();
    assert_eq!((item.fidelity, item.readable.unwrap().content.len()), (Fidelity::Full, ITEM_BYTES / 57 / 1000 * 1000 * 57));
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kib: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    println!("{kib} KiB resident at most");
    assert!(kib < RESIDENT_KIB_MAX, "{kib} KiB resident");
}

#[tokio::test]
async fn an_item_of_150_mb_costs_little_memory() {
    if let Ok(url) = std::env::var(URL_VARIABLE) {
        return fetch_from(&url).await;
    }
    let server = Scripted::start(large).await;
    let url = server.url.to_string();
    let test = "large::an_item_of_150_mb_costs_little_memory";
    let child = tokio::task::spawn_blocking(move || {
        Command::new(std::env::current_exe().unwrap()).args(["--exact", test, "--nocapture"]).env(URL_VARIABLE, url).output().unwrap()
    });
    let output = child.await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    println!("{text}");
    assert!(output.status.success() && text.contains("KiB resident at most"), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
}
