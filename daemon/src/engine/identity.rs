//! Whether an item that the source shows is one that the archive holds, by its properties: contents are what is not
//! to be fetched. Pure. In doubt the answer is no, and the item is fetched.
//!
//! * An item that *moved* keeps its search key, class, subject, people, dates, size and attachments. A copy shares all that,
//!   so somebody must have left for somebody to arrive; what a copy of equal size and dates holds is the same.
//! * A mail that was sent or received and of which only the read state, flag, importance or categories differ is only
//!   *marked*. These marks are stored in the item and count in its size, so the size may differ a little.
//! * Drafts, and items that people edit (appointments, contacts, tasks, notes), are the same only if their
//!   last change is, too.

use c2b_mailbox::{ItemMeta, Sight};
use chrono::{DateTime, Utc};

/// What a flag and what belongs to it take in an item, in bytes.
const FLAG_BYTES: u64 = 512;

/// What moving and marking leave alone.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Fixed<'a> {
    class: &'a str,
    subject: &'a str,
    from: &'a str,
    recipients: &'a [String],
    message_id: Option<&'a str>,
    times: [Option<DateTime<Utc>>; 4],
    has_attachments: bool,
    search_key: Option<&'a [u8]>,
    associated: bool,
}

/// Returns what moving and marking leave alone.
pub(crate) fn fixed(meta: &ItemMeta) -> Fixed<'_> {
    Fixed {
        class: &meta.class,
        subject: &meta.subject,
        from: &meta.from,
        recipients: &meta.recipients,
        message_id: meta.message_id.as_deref(),
        times: [meta.received, meta.sent, meta.start, meta.end],
        has_attachments: meta.has_attachments,
        search_key: meta.search_key.as_deref(),
        associated: meta.associated,
    }
}

/// Returns whether an item of this kind can be told by its properties to be only marked.
pub(crate) fn is_mail(meta: &ItemMeta) -> bool {
    let class = meta.class.to_ascii_lowercase();
    !meta.associated
        && ["ipm.note", "ipm.post", "report"].iter().any(|kind| class.strip_prefix(kind).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
}

/// Returns whether `now` is the item that had the properties `then`, in another place.
pub(crate) fn is_moved(then: &ItemMeta, now: &Sight) -> bool {
    let is_settled = is_mail(&now.meta) && now.draft == Some(false) || then.modified.is_some() && then.modified == now.meta.modified;
    is_settled && then.search_key.is_some() && then.size.is_some() && then.size == now.meta.size && fixed(then) == fixed(&now.meta)
}

/// Returns whether `now` is the item that had the properties `then`, with other marks.
pub(crate) fn is_marked(then: &ItemMeta, now: &Sight) -> bool {
    let marks = |meta: &ItemMeta| (meta.read, meta.flag, meta.importance, meta.categories.clone());
    let Some((before, after)) = then.size.zip(now.meta.size) else { return false };
    is_mail(&now.meta)
        && now.draft == Some(false)
        && marks(then) != marks(&now.meta)
        && before.abs_diff(after) <= mark_bytes(then, &now.meta)
        && fixed(then) == fixed(&now.meta)
}

/// Returns by how much the size of an item may differ for its other marks, in bytes: texts are in UTF-16.
fn mark_bytes(then: &ItemMeta, now: &ItemMeta) -> u64 {
    let flag = if then.flag == now.flag { 0 } else { FLAG_BYTES };
    let texts = |meta: &ItemMeta| meta.categories.iter().map(|category| 2 * category.len() as u64 + 8).sum::<u64>();
    let categories = if then.categories == now.categories { 0 } else { texts(then).max(texts(now)) };
    flag + categories
}

#[cfg(test)]
mod tests {
    use super::*;
    use c2b_mailbox::{ChangeKey, Facts, FlagStatus, ItemId};

    fn mail() -> ItemMeta {
        let mut meta = ItemMeta::new(ItemId::new("a"), "IPM.Note");
        (meta.subject, meta.size, meta.search_key, meta.change_key) = ("s".into(), Some(9000), Some(vec![1]), Some(ChangeKey::new("1")));
        meta
    }

    fn seen(change: impl FnOnce(&mut ItemMeta), draft: Option<bool>) -> Sight {
        let mut meta = mail();
        (meta.id, meta.change_key) = (ItemId::new("b"), Some(ChangeKey::new("2")));
        change(&mut meta);
        let facts = Facts { class: meta.class.clone(), occurs: None, modified: meta.modified };
        Sight { meta, facts, draft }
    }

    #[test]
    fn a_mail_is_recognised_in_another_place_and_in_doubt_it_is_not() {
        assert!(is_moved(&mail(), &seen(|_| (), Some(false))));
        assert!(is_moved(&mail(), &seen(|meta| meta.read = Some(true), Some(false))));
        for (change, draft) in [
            ((|_| ()) as fn(&mut ItemMeta), Some(true)),
            (|_| (), None),
            (|meta| meta.size = Some(9001), Some(false)),
            (|meta| meta.size = None, Some(false)),
            (|meta| meta.search_key = None, Some(false)),
            (|meta| meta.subject = "t".into(), Some(false)),
            (|meta| meta.class = "IPM.Appointment".into(), Some(false)),
            (|meta| meta.has_attachments = true, Some(false)),
            (|meta| meta.message_id = Some("x".into()), Some(false)),
            (|meta| meta.associated = true, Some(false)),
        ] {
            assert!(!is_moved(&mail(), &seen(change, draft)));
        }
        let (mut then, time) = (mail(), DateTime::<Utc>::from_timestamp(1_800_000_000, 0));
        (then.class, then.modified) = ("IPM.Appointment".into(), time);
        let now = |modified| seen(|meta| (meta.class, meta.modified) = ("IPM.Appointment".into(), modified), Some(false));
        assert!(is_moved(&then, &now(time)) && !is_moved(&then, &now(None)));
    }

    #[test]
    fn other_marks_are_not_other_contents_and_no_visible_difference_is_a_doubt() {
        for change in [
            (|meta| meta.flag = Some(FlagStatus::Flagged)) as fn(&mut ItemMeta),
            (|meta| meta.read = Some(true)),
            (|meta| (meta.categories, meta.size) = (vec!["Projects".into()], Some(9024))),
        ] {
            assert!(is_marked(&mail(), &seen(change, Some(false))));
            assert!(!is_marked(&mail(), &seen(change, Some(true))), "a draft");
        }
        for change in [
            (|_| ()) as fn(&mut ItemMeta),
            (|meta| (meta.flag, meta.size) = (Some(FlagStatus::Flagged), Some(12_000))),
            (|meta| (meta.read, meta.size) = (Some(true), Some(9001))),
            (|meta| (meta.flag, meta.subject) = (Some(FlagStatus::Flagged), "t".into())),
            (|meta| (meta.flag, meta.class) = (Some(FlagStatus::Flagged), "IPM.Notes".into())),
        ] {
            assert!(!is_marked(&mail(), &seen(change, Some(false))));
        }
    }
}
