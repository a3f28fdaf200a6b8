//! Durations: `41 s`, `2 min 05 s`, `3 h 07 min`, `2 d 4 h`.

/// Returns a duration in its two greatest units.
pub(crate) fn duration(secs: u64) -> String {
    let (days, hours, minutes) = (secs / 86_400, secs / 3600 % 24, secs / 60 % 60);
    match secs {
        0..60 => format!("{secs} s"),
        60..3600 => format!("{minutes} min {:02} s", secs % 60),
        3600..86_400 => format!("{hours} h {minutes:02} min"),
        _ => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_units_are_shown() {
        let table = [(0, "0 s"), (59, "59 s"), (60, "1 min 00 s"), (3599, "59 min 59 s"), (3600, "1 h 00 min"), (86_399, "23 h 59 min"), (187_200, "2 d 4 h")];
        for (secs, text) in table {
            assert_eq!(duration(secs), text);
        }
    }
}
