//! Until when a server's certificate holds, judged by the server's own time of day, since this crate reads no clock. Pure.

use c2b_mailbox::{Finding, Level};
use chrono::{DateTime, TimeDelta, Utc};

/// How long before its end a certificate is warned about: time enough to have a new one made. Less where it lives so
/// short that three quarters of its life are not over then: such are renewed late, and by programs.
const WARNING: TimeDelta = TimeDelta::days(30);

/// Describes a certificate that was accepted; `date` is the server's `Date` header.
pub(super) fn finding(der: Option<&[u8]>, date: Option<&str>) -> Finding {
    let validity = der.and_then(validity);
    let now = date.and_then(|date| DateTime::parse_from_rfc2822(date).ok()).map(|date| date.to_utc());
    let (level, text) = match (validity, now) {
        (None, _) => (Level::Ok, "the server's certificate is trusted".to_owned()),
        (Some((_, end)), Some(now)) if end <= now => (Level::Warning, format!("the server's certificate ended on {}", day(end))),
        (Some((begin, end)), Some(now)) if end - now <= WARNING.min((end - begin) / 4) => {
            (Level::Warning, format!("the server's certificate is trusted for {} more days, until {}", (end - now).num_days(), day(end)))
        }
        (Some((_, end)), _) => (Level::Ok, format!("the server's certificate is trusted, until {}", day(end))),
    };
    let hint = if level == Level::Ok { "" } else { "the server needs a new certificate before that day, or backups stop" };
    Finding { subject: "certificate".to_owned(), level, text, hint: hint.to_owned() }
}

/// Returns from when to when a certificate is good.
pub(in crate::source) fn validity(der: &[u8]) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
    let (_, certificate) = x509_parser::parse_x509_certificate(der).ok()?;
    let validity = certificate.validity();
    Some((DateTime::from_timestamp(validity.not_before.timestamp(), 0)?, DateTime::from_timestamp(validity.not_after.timestamp(), 0)?))
}

fn day(time: DateTime<Utc>) -> impl std::fmt::Display {
    time.format("%Y-%m-%d")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_that_ends_soon_is_warned_about() {
        let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(2027, 1, 31);
        let der = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().der().to_vec();
        let level = |date: &str| finding(Some(&der), Some(date)).level;
        assert_eq!(level("Thu, 31 Dec 2026 00:00:00 GMT"), Level::Ok);
        assert_eq!(level("Fri, 01 Jan 2027 00:00:01 GMT"), Level::Warning);
        assert_eq!(level("Mon, 01 Feb 2027 00:00:00 GMT"), Level::Warning);
        assert!(finding(Some(&der), None).text.ends_with("until 2027-01-31"));
        // One that a program renews when a third of its life is left.
        params.not_before = rcgen::date_time_ymd(2026, 12, 17);
        let der = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().der().to_vec();
        let level = |date: &str| finding(Some(&der), Some(date)).level;
        assert_eq!((level("Tue, 19 Jan 2027 00:00:00 GMT"), level("Thu, 21 Jan 2027 00:00:00 GMT")), (Level::Ok, Level::Warning));
        assert_eq!(finding(Some(b"no certificate"), None).text, "the server's certificate is trusted");
    }
}
