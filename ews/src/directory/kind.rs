//! What kind of mailbox a directory entry is, by Exchange's own numbers.
//!
//! `msExchRecipientTypeDetails` says it exactly. Where it is empty, `msExchRecipientDisplayType` says a part of it. Pure.

use c2b_mailbox::MailboxKind;

/// Returns the kind that `msExchRecipientTypeDetails` stands for, and why it is not backed up when that says more than the kind.
pub(crate) fn of_details(details: u64) -> (MailboxKind, Option<&'static str>) {
    const ONLINE: &str = "its mailbox is in Exchange Online";
    match details {
        0x1 | 0x8 => (MailboxKind::User, None),
        0x2 => (MailboxKind::Linked, None),
        0x4 => (MailboxKind::Shared, None),
        0x10 | 0x200_0000_0000 => (MailboxKind::Room, None),
        0x20 => (MailboxKind::Equipment, None),
        0x100 | 0x200 | 0x400 | 0x800 | 0x4_0000 | 0x8_0000 | 0x10_0000 | 0x1000_0000 | 0x4000_0000 => {
            (MailboxKind::Group, Some("a list of members without a mailbox"))
        }
        0x1000 => (MailboxKind::PublicFolder, Some("a public folder with an address, not a mailbox")),
        0x10_0000_0000 => (MailboxKind::PublicFolder, None),
        // Attendant, system, the server itself, arbitration, plan, discovery, monitoring, audit logs, scheduling, review.
        0x2000 | 0x4000 | 0x40_0000 | 0x80_0000 | 0x100_0000 | 0x2000_0000 | 0x80_0000_0000 | 0x400_0000_0000 | 0x1000_0000_0000 | 0x4000_0000_0000
        | 0x8000_0000_0000 => (MailboxKind::System, None),
        0x20_0000_0000 | 0x40_0000_0000 => (MailboxKind::Unsupported, Some("a site mailbox, whose content is in SharePoint")),
        0x8000_0000 | 0x2_0000_0000 | 0x4_0000_0000 | 0x8_0000_0000 => (MailboxKind::Unsupported, Some(ONLINE)),
        0x100_0000_0000 | 0x800_0000_0000 => (MailboxKind::Group, None),
        0x2000_0000_0000 => (MailboxKind::Guest, None),
        0x40 | 0x8000 | 0x2_0000 => (MailboxKind::Unsupported, Some("a contact, whose mail is elsewhere")),
        0x80 => (MailboxKind::Unsupported, Some("a user whose mail is elsewhere")),
        0x1_0000 | 0x20_0000 | 0x200_0000 | 0x1_0000_0000 => (MailboxKind::Unsupported, Some("an account without a mailbox")),
        _ => (MailboxKind::Unknown, None),
    }
}

/// Returns the kind that `msExchRecipientDisplayType` stands for. It does not tell shared mailboxes from those of users.
pub(crate) fn of_display(display: i64) -> MailboxKind {
    // Bits above the lowest byte say only whether it can be put into permissions and whether it came from another forest.
    match (display, display & 0xff) {
        (0 | 0x4000_0000, _) => MailboxKind::User,
        (12, _) => MailboxKind::Linked,
        (7, _) => MailboxKind::Room,
        (8, _) => MailboxKind::Equipment,
        (2, _) => MailboxKind::PublicFolder,
        (10 | 11, _) => MailboxKind::System,
        (17, _) => MailboxKind::Group,
        (1 | 3 | 5 | 9 | 15, _) | (0x4000_0000.., 9) => MailboxKind::Group,
        (4 | 6, _) | (0x4000_0000.., 6) => MailboxKind::Unsupported,
        (..0, _) => MailboxKind::Unsupported,
        _ => MailboxKind::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_exchange_are_understood() {
        for (details, kind, kept) in [
            (1, MailboxKind::User, true),
            (2, MailboxKind::Linked, true),
            (4, MailboxKind::Shared, true),
            (16, MailboxKind::Room, true),
            (32, MailboxKind::Equipment, true),
            (8192, MailboxKind::System, false),
            (16384, MailboxKind::System, false),
            (8_388_608, MailboxKind::System, false),
            (536_870_912, MailboxKind::System, false),
            (549_755_813_888, MailboxKind::System, false),
            (4_398_046_511_104, MailboxKind::System, false),
            (68_719_476_736, MailboxKind::PublicFolder, false),
            (137_438_953_472, MailboxKind::Unsupported, false),
            (2_147_483_648, MailboxKind::Unsupported, false),
            (1_099_511_627_776, MailboxKind::Group, false),
            (2_199_023_255_552, MailboxKind::Room, true),
            (35_184_372_088_832, MailboxKind::Guest, false),
            (3, MailboxKind::Unknown, true),
        ] {
            let (found, reason) = of_details(details);
            assert_eq!(found, kind, "{details}");
            assert_eq!(found.why_skipped().or(reason).is_none(), kept, "{details}");
        }
    }

    #[test]
    fn the_display_type_tells_a_part() {
        for (display, kind) in [
            (0, MailboxKind::User),
            (1_073_741_824, MailboxKind::User),
            (7, MailboxKind::Room),
            (8, MailboxKind::Equipment),
            (10, MailboxKind::System),
            (1, MailboxKind::Group),
            (1_073_741_833, MailboxKind::Group),
            (-2_147_483_642, MailboxKind::Unsupported),
            (1_073_741_830, MailboxKind::Unsupported),
        ] {
            assert_eq!(of_display(display), kind, "{display}");
        }
    }
}
