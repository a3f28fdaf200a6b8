//! The whole current once: create, put, commit, list, read back, from this process and as a reader.

use crate::support::{Place, at, folder, inbox, list, mail, put, read, time};
use c2b_mailbox::{Cursor, ItemId};
use c2b_storagefmt::{CursorScope, Moment, PutOutcome};

#[test]
fn what_is_committed_is_listed_and_reads_back() {
    let place = Place::new();
    let mut writer = place.create();
    let inbox = inbox(&mut writer);
    let first = mail("I-1", "Re: budget 2027", b"Subject: Re: budget 2027\r\n\r\nhello\r\n");
    let one = put(&mut writer, inbox, first);
    assert_eq!(one.outcome, PutOutcome::New);
    writer.set_cursor(inbox.0, CursorScope::Folder(inbox.1), Some(&Cursor::new("state-1"))).unwrap();
    writer.mark_point(inbox.0).unwrap();
    assert_eq!(writer.catalog().head().unwrap().0, 0, "visible before the commit");
    let seq = writer.commit(time(1)).unwrap().unwrap();
    assert_eq!(seq.0, 1);

    let (catalog, contents) = place.reader();
    let rows = list(&catalog, inbox, Moment::Latest);
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].file_name, format!("2026-11-21 09.00.00 Re- budget 2027 [{}].eml", one.key));
    assert_eq!(read(&contents, inbox.0, &rows[0].shown.unwrap()), b"Subject: Re: budget 2027\r\n\r\nhello\r\n");
    assert_eq!(catalog.cursor(inbox.0, CursorScope::Folder(inbox.1)).unwrap(), Some(Cursor::new("state-1")));
    assert_eq!(catalog.points(inbox.0).unwrap().len(), 1);
    assert_eq!(catalog.commit_time(seq).unwrap(), Some(time(1)));

    // The second commit: one mail more, the first one read; the reader sees it after a refresh.
    put(&mut writer, inbox, mail("I-2", "Zwei", b"Subject: Zwei\r\n\r\nhallo\r\n"));
    assert!(writer.set_read(inbox.0, &ItemId::new("I-1"), None, true).unwrap().is_some());
    writer.commit(time(2)).unwrap().unwrap();
    assert_eq!(list(&catalog, inbox, Moment::Latest), rows, "changed without a refresh");
    assert_eq!(catalog.refresh().unwrap().0, 2);
    let later = list(&catalog, inbox, Moment::Latest);
    assert_eq!(
        later.iter().map(|row| (row.meta.subject.as_str(), row.version, row.meta.read)).collect::<Vec<_>>(),
        [("Re: budget 2027", 2, Some(true)), ("Zwei", 1, Some(false))]
    );
    let before: Vec<_> = list(&catalog, inbox, at(1)).into_iter().map(|row| (row.key, row.version, row.meta)).collect();
    assert_eq!(before, rows.iter().map(|row| (row.key, row.version, row.meta.clone())).collect::<Vec<_>>());

    // Nothing new: nothing written.
    assert_eq!(writer.commit(time(3)).unwrap(), None);
    assert_eq!(put(&mut writer, inbox, mail("I-2", "Zwei", b"Subject: Zwei\r\n\r\nhallo\r\n")).outcome, PutOutcome::Unchanged);
    writer.put_folder(inbox.0, &folder("F-inbox", "Inbox", None)).unwrap();
    assert_eq!(writer.commit(time(4)).unwrap(), None);
    drop(writer);
    assert_eq!(list(&place.open().catalog(), inbox, Moment::Latest), later, "the next writer sees something else");
}

#[test]
fn handles_go_where_they_are_needed() {
    fn between_threads<T: Send + Sync>() {}
    fn to_another_thread<T: Send>() {}
    between_threads::<c2b_storagefmt::Catalog>();
    between_threads::<c2b_storagefmt::Contents>();
    between_threads::<c2b_storagefmt::ContentFile>();
    to_another_thread::<c2b_storagefmt::Writer>();
    to_another_thread::<c2b_storagefmt::ItemRows>();
}
