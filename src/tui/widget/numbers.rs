//! Numbers as the screen shows them.

use std::time::Duration;

/// A dash for what is not known, everywhere the same.
pub const MISSING: &str = "—";

/// `1204567` as `1,204,567`.
pub fn grouped(n: impl TryInto<u64>) -> String {
    let digits = n.try_into().unwrap_or(u64::MAX).to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A count in at most four cells: `999`, `1.2k`, `56k`, `3.1M`.
pub fn short(n: u32) -> String {
    let (n, f) = (n as u64, n as f64);
    match n {
        0..=9_999 => n.to_string(),
        10_000..=999_499 => format!("{:.0}k", f / 1e3),
        999_500..=9_949_999 => format!("{:.1}M", f / 1e6),
        _ => format!("{:.0}M", f / 1e6),
    }
}

/// A moment to the minute, UTC: `2026-11-27 14:05`. The proleptic Gregorian calendar by H. Hinnant's civil_from_days.
pub fn minute(at_ms: i64) -> String {
    let minutes = at_ms.div_euclid(60_000);
    let (day, minute) = (minutes.div_euclid(1440), minutes.rem_euclid(1440));
    let z = day + 719_468;
    let (era, doe) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (d, m) = (
        doy - (153 * mp + 2) / 5 + 1,
        if mp < 10 { mp + 3 } else { mp - 9 },
    );
    let y = yoe + era * 400 + i64::from(m <= 2);
    format!("{y}-{m:02}-{d:02} {:02}:{:02}", minute / 60, minute % 60)
}

/// A probability or score in three cells: `.07`, `.93`, `1.0`.
pub fn fraction(p: f32) -> String {
    if !p.is_finite() {
        return "nan".to_owned();
    }
    let hundredths = (p * 100.0).round() as i64;
    match hundredths {
        0..=99 => format!(".{hundredths:02}"),
        _ => format!("{:.1}", hundredths as f64 / 100.0),
    }
}

pub fn optional(p: Option<f32>) -> String {
    p.map_or_else(|| MISSING.to_owned(), fraction)
}

/// `75` seconds as `1m15s`.
pub fn duration(time: Duration) -> String {
    let s = time.as_secs();
    match s {
        0..=59 => format!("{s}s"),
        60..=3599 => format!("{}m{:02}s", s / 60, s % 60),
        _ => format!("{}h{:02}m", s / 3600, s / 60 % 60),
    }
}

/// `1 sentence`, `2 sentences`.
pub fn counted(n: usize, noun: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(n as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_read_well() {
        assert_eq!(
            [0, 999, 1204, 1204567].map(|n: u64| grouped(n)),
            ["0", "999", "1,204", "1,204,567"]
        );
        assert_eq!(
            [7, 9999, 56195, 999_600, 31_000_000].map(short),
            ["7", "9999", "56k", "1.0M", "31M"]
        );
        assert_eq!(
            [0.0, 0.071, 0.994, 0.996, 1.0].map(fraction),
            [".00", ".07", ".99", "1.0", "1.0"]
        );
        // As Python's datetime has them.
        let moments = [0, 1_764_251_100_000, 951_782_399_999, -1, 4_107_542_399_000];
        assert_eq!(
            moments.map(minute),
            [
                "1970-01-01 00:00",
                "2025-11-27 13:45",
                "2000-02-28 23:59",
                "1969-12-31 23:59",
                "2100-02-28 23:59"
            ]
        );
        assert_eq!(fraction(f32::NAN), "nan");
        assert_eq!(fraction(-0.2), "-0.2");
        assert_eq!(
            [9, 75, 7260].map(|s| duration(Duration::from_secs(s))),
            ["9s", "1m15s", "2h01m"]
        );
        assert_eq!(
            (counted(1, "edit"), counted(1204, "edit")),
            ("1 edit".into(), "1,204 edits".into())
        );
    }
}
