//! Lengths of time as people write them: `30s`, `5m`, `365d`, `1h30m`; a bare number is seconds.
//!
//! **Invariant:** what [`print()`] writes, [`parse`] reads as the same duration.

use std::time::Duration;

/// Reads a duration of whole milliseconds, at most a thousand years.
///
/// # Errors
/// When it is not a number with units.
pub fn parse(text: &str) -> Result<Duration, String> {
    let wrong = || {
        format!(
            "{:?} is not a duration; write 30s, 5m, 12h, 365d or a number of seconds",
            short(text)
        )
    };
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        let seconds: u64 = text.parse().map_err(|_| wrong())?;
        return limited(seconds.checked_mul(1_000)).ok_or_else(wrong);
    }
    let mut rest = text;
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = rest.split_at(digits);
        let letters = tail.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, tail) = tail.split_at(letters);
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        let part = number.checked_mul(*factor).ok_or_else(wrong)?;
        total = total.checked_add(part).ok_or_else(wrong)?;
        rest = tail;
    }
    if text.is_empty() {
        return Err(wrong());
    }
    limited(Some(total)).ok_or_else(wrong)
}

/// Writes a duration in the largest unit that divides it.
pub fn print(duration: Duration) -> String {
    let ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if ms == 0 {
        return "0s".to_owned();
    }
    let unit = UNITS.iter().find(|(_, factor)| ms.is_multiple_of(*factor));
    // Invariant: the last factor is 1, which divides everything.
    let (name, factor) = unit.copied().unwrap_or(("ms", 1));
    format!("{}{name}", ms / factor)
}

fn limited(ms: Option<u64>) -> Option<Duration> {
    ms.filter(|ms| *ms <= DURATION_MS_MAX).map(Duration::from_millis)
}

fn short(text: &str) -> String {
    text.chars().take(40).collect()
}

/// Largest first; each with its length in milliseconds.
const UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
/// A thousand years: nothing configured is longer, and arithmetic on it cannot overflow.
const DURATION_MS_MAX: u64 = 365_250 * 86_400_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, ms) in [
            ("30s", Some(30_000)),
            ("30", Some(30_000)),
            ("5m", Some(300_000)),
            ("1h30m", Some(5_400_000)),
            ("365d", Some(31_536_000_000)),
            ("250ms", Some(250)),
            ("0", Some(0)),
            ("0s", Some(0)),
            ("", None),
            ("s", None),
            ("-5s", None),
            ("1.5s", None),
            ("5 s", None),
            ("5y", None),
            ("99999999999999999999", None),
            ("18446744073709551615d", None),
            ("18446744073709551615", None),
        ] {
            let parsed = parse(text).ok().map(|d| d.as_millis());
            assert_eq!(parsed, ms, "{text:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_printed_is_read_back(ms in 0..DURATION_MS_MAX) {
            let duration = Duration::from_millis(ms);
            assert_eq!(parse(&print(duration)), Ok(duration));
        }
    }
}
