//! Sizes: `640 B`, `12.3 MiB`; rates: `3.2 MiB/s`.

const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/// Returns a size with at most one decimal.
pub(crate) fn size(bytes: u64) -> String {
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = to_f64(bytes) / 1024.0;
    let mut unit = UNITS[0];
    for next in &UNITS[1..] {
        // Four digits say less than the next unit: 1000.0 KiB is 1.0 MiB.
        if value < 999.95 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    format!("{value:.1} {unit}")
}

/// Returns a rate; `-` when there is none.
pub(crate) fn rate(bytes_per_sec: f64) -> String {
    if bytes_per_sec.is_finite() && bytes_per_sec >= 0.5 { format!("{}/s", size(to_u64(bytes_per_sec))) } else { "-".to_owned() }
}

#[expect(clippy::cast_precision_loss, reason = "shown with two to five digits")]
fn to_f64(bytes: u64) -> f64 {
    bytes as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the value is finite and positive; `as` saturates")]
fn to_u64(value: f64) -> u64 {
    value.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_change_unit_where_they_should() {
        let table = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (999 * 1024, "999.0 KiB"),
            (1000 * 1024, "1.0 MiB"),
            (1024 * 1024, "1.0 MiB"),
            (12_900_000, "12.3 MiB"),
            (u64::MAX, "16.0 EiB"),
        ];
        for (bytes, text) in table {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn a_rate_of_nothing_is_a_dash() {
        for (value, text) in [(0.0, "-"), (f64::NAN, "-"), (f64::INFINITY, "-"), (-3.0, "-"), (1024.0, "1.0 KiB/s")] {
            assert_eq!(rate(value), text);
        }
    }
}
