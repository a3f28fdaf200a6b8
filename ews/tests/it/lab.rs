//! Everything that a lab server holds arrives unchanged: run by hand against another program's understanding of EWS.
//!
//! Skipped unless `C2B_LAB_BIN` names the `c2b-lab` binary. `C2B_LAB_ORG` may name an organisation's
//! directory, to try more than the few items made here.

use c2b_ews::{EwsConfig, EwsSource, Secret};
use c2b_mailbox::{Address, Change, ChangeKey, Cursor, Fidelity, FolderChange, FolderId, ItemId, ItemRef, Source, Wishes};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use url::Url;

struct Lab {
    child: Child,
    url: Url,
}

impl Lab {
    fn serve(binary: &str, org: &Path, faults: Option<&Path>) -> Self {
        let faults = faults.iter().flat_map(|path| ["--faults".as_ref(), path.as_os_str()]);
        let mut child = Command::new(binary)
            .args(["serve", "--listen", "127.0.0.1:0", "--org"])
            .arg(org)
            .args(faults)
            .stdout(Stdio::piped())
            .spawn()
            .expect("start the lab");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.split_whitespace().find(|word| word.starts_with("http")).expect("the lab tells its address");
        let url = Url::parse(url).unwrap().join("/EWS/Exchange.asmx").unwrap();
        Self { child, url }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Makes a small organisation; returns it with its mailbox.
fn small_org(dir: &Path) -> PathBuf {
    let write = |path: &str, text: &str| {
        let path = dir.join("alice@example.org").join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    for n in 0..25 {
        write(
            &format!("Inbox/{n}.eml"),
            &format!("From: Bob <bob@example.org>\r\nTo: alice@example.org\r\nSubject: m\u{e4}il {n}\r\nMessage-ID: <{n}@example.org>\r\n\r\nHello {n}\r\n"),
        );
    }
    write("Inbox/broken.eml", "this is no mail");
    write("Deep/Deeper/Deepest/a.eml", "Subject: deep\n\ntext\n");
    write(
        "Calendar/a.ics",
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTART:20261121T100000Z\r\nDTEND:20261121T110000Z\r\nSUMMARY:Meet\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
    );
    write("Contacts/b.vcf", "BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Bob\r\nN:;Bob;;;\r\nEMAIL:bob@example.org\r\nEND:VCARD\r\n");
    write("Tasks/t.ics", "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VTODO\r\nUID:2\r\nSUMMARY:Do it\r\nEND:VTODO\r\nEND:VCALENDAR\r\n");
    dir.to_owned()
}

/// Returns how often each content occurs among the item files below a folder.
fn contents_of(dir: &Path, contents: &mut BTreeMap<Vec<u8>, i64>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            contents_of(&path, contents);
        } else if path.extension().is_some_and(|extension| extension == "eml") {
            *contents.entry(std::fs::read(path).unwrap()).or_default() += 1;
        }
    }
}

async fn folders(source: &EwsSource, mailbox: &Address) -> (Vec<FolderId>, Cursor) {
    let mut found = Vec::new();
    let mut cursor = None;
    loop {
        let page = source.folder_changes(mailbox, cursor.as_ref()).await.unwrap();
        for change in page.changes {
            match change {
                FolderChange::Upsert(folder) => {
                    println!("folder {:?} class {:?} role {:?} parent {}", folder.name, folder.class, folder.role, folder.parent.is_some());
                    found.push(folder.id);
                }
                FolderChange::Delete(id) => panic!("{id} is deleted in a first listing"),
            }
        }
        cursor = Some(page.cursor.clone());
        if page.last {
            return (found, page.cursor);
        }
    }
}

async fn items(source: &EwsSource, mailbox: &Address, folder: &FolderId) -> (Vec<(ItemId, Option<ChangeKey>)>, Cursor) {
    let mut found = Vec::new();
    let mut cursor = None;
    loop {
        let page = source.changes(mailbox, folder, cursor.as_ref(), Wishes::default()).await.unwrap();
        found.extend(page.changes.into_iter().map(|change| match change {
            Change::Upsert { id, change_key, told } => {
                assert!(told.size.is_some(), "{id} has no size");
                (id, change_key)
            }
            other => panic!("{other:?} in a first listing"),
        }));
        cursor = Some(page.cursor.clone());
        if page.last {
            return (found, page.cursor);
        }
    }
}

#[tokio::test]
async fn what_the_lab_serves_arrives_unchanged() {
    let Ok(binary) = std::env::var("C2B_LAB_BIN") else {
        println!("skipped: C2B_LAB_BIN does not name the lab");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let org = std::env::var("C2B_LAB_ORG").map_or_else(|_| small_org(&dir.path().join("org")), PathBuf::from);
    let lab = Lab::serve(&binary, &org, None);
    let source = EwsSource::new(EwsConfig::new(lab.url.clone(), "admin", Secret::new("secret"), dir.path())).unwrap();
    let mailboxes: Vec<Address> = std::fs::read_dir(&org).unwrap().filter_map(|entry| Address::parse(entry.unwrap().file_name().to_str()?).ok()).collect();
    match source.mailboxes().await {
        Ok(listed) => assert!(mailboxes.iter().all(|mailbox| listed.iter().any(|listed| listed.address == *mailbox)), "{listed:?} lacks one of {mailboxes:?}"),
        Err(err) => println!("no list of mailboxes: {err}"),
    }
    for finding in source.check(&mailboxes).await.findings {
        println!("{:?} {}: {} [{}]", finding.level, finding.subject, finding.text, finding.hint);
    }
    for mailbox in &mailboxes {
        let mut expected = BTreeMap::new();
        contents_of(&org.join(mailbox.as_str()), &mut expected);
        let (folders, tree) = folders(&source, mailbox).await;
        let mut others = 0;
        for folder in folders.clone() {
            let (ids, cursor) = items(&source, mailbox, &folder).await;
            for batch in ids.chunks(source.bounds().fetch_items) {
                let wanted: Vec<ItemRef> =
                    batch.iter().map(|(id, change_key)| ItemRef { id: id.clone(), change_key: change_key.clone(), settle: false }).collect();
                for fetched in source.fetch(mailbox, &wanted).await.unwrap() {
                    let item = fetched.result.unwrap();
                    assert_eq!(item.fidelity, Fidelity::Full, "{:?}", item.meta);
                    let known = wanted.iter().find(|item| item.id == fetched.id).unwrap();
                    assert_eq!(item.meta.change_key, known.change_key);
                    let mut readable = item.readable.unwrap();
                    let bytes = readable.content.to_vec().unwrap();
                    match expected.get_mut(&bytes) {
                        Some(left) => *left -= 1,
                        None => {
                            others += 1;
                            println!("{} as {:?} rendered {} {:?}", item.meta.class, readable.format, readable.rendered, item.meta.subject);
                        }
                    }
                }
            }
            let again = source.changes(mailbox, &folder, Some(&cursor), Wishes::default()).await.unwrap();
            assert!(again.changes.is_empty() && again.last, "{again:?}");
        }
        let missing: Vec<_> = expected
            .into_iter()
            .filter(|(_, left)| *left != 0)
            .map(|(bytes, left)| (String::from_utf8_lossy(&bytes).chars().take(200).collect::<String>(), left))
            .collect();
        assert!(missing.is_empty(), "{} contents are missing or too often: {missing:?}", missing.len());
        println!("{mailbox}: {others} items that are no .eml");
        // The cursor opens the mailbox in another process without a request, and each folder has its counters.
        let other = EwsSource::new(EwsConfig::new(lab.url.clone(), "admin", Secret::new("secret"), dir.path())).unwrap();
        let again = other.folder_changes(mailbox, Some(&tree)).await.unwrap();
        assert_eq!((again.changes.len(), again.whole, again.cursor), (folders.len(), true, tree));
    }
}

/// Fetches everything in the presence of faults, trying again what fails for now; returns how often each fidelity came.
async fn backed_up_in_spite_of(binary: &str, faults: &str) -> BTreeMap<String, usize> {
    let dir = tempfile::tempdir().unwrap();
    let org = small_org(&dir.path().join("org"));
    std::fs::write(dir.path().join("faults.toml"), faults).unwrap();
    let lab = Lab::serve(binary, &org, Some(&dir.path().join("faults.toml")));
    let source = EwsSource::new(EwsConfig::new(lab.url.clone(), "admin", Secret::new("secret"), dir.path())).unwrap();
    let mailbox = Address::parse("alice@example.org").unwrap();
    let mut expected = BTreeMap::new();
    contents_of(&org, &mut expected);
    let mut fidelities: BTreeMap<String, usize> = BTreeMap::new();
    for folder in folders(&source, &mailbox).await.0 {
        let (ids, _) = items(&source, &mailbox, &folder).await;
        let mut open: Vec<ItemRef> = ids.into_iter().map(|(id, change_key)| ItemRef { id, change_key, settle: false }).collect();
        for attempt in 0.. {
            assert!(attempt < 20, "{} items never arrive", open.len());
            let mut again = Vec::new();
            for batch in open.chunks(source.bounds().fetch_items) {
                let fetched = match source.fetch(&mailbox, batch).await {
                    Ok(fetched) => fetched,
                    Err(err) if err.is_transient() => {
                        again.extend_from_slice(batch);
                        continue;
                    }
                    Err(err) => panic!("{err}"),
                };
                for fetched in fetched {
                    match fetched.result {
                        Ok(item) => {
                            *fidelities.entry(format!("{:?}", item.fidelity)).or_default() += 1;
                            if let Some(mut readable) = item.readable {
                                let bytes = readable.content.to_vec().unwrap();
                                expected.entry(bytes).and_modify(|left| *left -= 1);
                            }
                        }
                        Err(err) if err.is_transient() => again.push(ItemRef { id: fetched.id, change_key: None, settle: false }),
                        Err(err) => panic!("{err}"),
                    }
                }
            }
            open = again;
            if open.is_empty() {
                break;
            }
        }
    }
    let missing = expected.values().filter(|left| **left != 0).count();
    assert_eq!(missing, 0, "contents are missing under {faults}");
    fidelities
}

#[tokio::test]
async fn faults_of_the_lab_cost_nothing_but_time() {
    let Ok(binary) = std::env::var("C2B_LAB_BIN") else {
        println!("skipped: C2B_LAB_BIN does not name the lab");
        return;
    };
    let fault = |rest: &str| format!("[[fault]]\n{rest}\n");
    let full = ["Full"].as_slice();
    let cases = [
        (fault("operation = \"ExportItems\"\naction = \"unknown-operation\"\nhttp200 = true"), ["Mime", "Properties"].as_slice()),
        (fault("operation = \"ExportItems\"\naction = \"soap-fault\"\ncode = \"ErrorInvalidRequest\""), ["Mime", "Properties"].as_slice()),
        (fault("action = \"illegal-xml\"") + &fault("action = \"invalid-utf8\"") + &fault("action = \"unpadded-base64\""), full),
        (fault("action = \"omit-optional\"") + &fault("action = \"page-cap\"\nentries = 3"), full),
        (fault("operation = \"ExportItems\"\nevery = 4\naction = \"truncated-data\"\ncount = 5"), full),
        (fault("operation = \"GetItem\"\nevery = 5\naction = \"bad-base64\"\ncount = 4"), full),
        (fault("operation = \"GetItem\"\nevery = 2\naction = \"truncate-body\"\nafter = 3000\ncount = 6"), full),
        (fault("operation = \"ExportItems\"\nevery = 2\naction = \"drop-connection\"\ncount = 4"), full),
        (fault("every = 3\naction = \"server-busy\"\nbackoff_ms = 10\ncount = 3\noperation = \"GetItem\""), full),
    ];
    for (faults, expected) in cases {
        let fidelities = backed_up_in_spite_of(&binary, &faults).await;
        println!("{fidelities:?} under {faults}");
        assert_eq!(fidelities.keys().collect::<Vec<_>>(), expected, "{faults}");
        assert_eq!(fidelities.values().sum::<usize>(), 30, "{faults}");
    }
}
