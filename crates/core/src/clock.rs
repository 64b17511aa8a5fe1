//! Points in civil time.
//!
//! Time is a parameter everywhere: logic takes a [`Timestamp`], and only the edges call
//! [`Timestamp::now`].

use std::fmt;
use std::time::Duration;

use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{OffsetDateTime, UtcOffset};

/// A point in time in UTC, with a resolution of one microsecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(OffsetDateTime);

impl Timestamp {
    /// Reads the system's clock.
    pub fn now() -> Self {
        Self::from_micros(OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000)
    }

    /// Builds a timestamp from microseconds since 1970; out-of-range values are clamped.
    pub fn from_micros(micros: i128) -> Self {
        let clamped = micros.clamp(MIN_MICROS, MAX_MICROS);
        Self(
            OffsetDateTime::from_unix_timestamp_nanos(clamped * 1_000)
                .unwrap_or(OffsetDateTime::UNIX_EPOCH),
        )
    }

    /// Builds a timestamp from seconds since 1970; out-of-range values are clamped.
    pub fn from_seconds(seconds: i64) -> Self {
        Self::from_micros(i128::from(seconds) * 1_000_000)
    }

    /// Parses RFC 3339, such as `2026-04-04T12:00:00Z`; any offset is converted to UTC.
    ///
    /// # Errors
    /// When the text is not RFC 3339.
    pub fn parse(text: &str) -> Result<Self, InvalidTimestamp> {
        let parsed =
            OffsetDateTime::parse(text, &Rfc3339).map_err(|_| InvalidTimestamp(text.into()))?;
        Ok(Self::from_micros(parsed.to_offset(UtcOffset::UTC).unix_timestamp_nanos() / 1_000))
    }

    /// Microseconds since 1970.
    pub fn micros(self) -> i64 {
        // Invariant: `from_micros` clamps to years 1 to 9999, which fit in an i64 of microseconds.
        i64::try_from(self.0.unix_timestamp_nanos() / 1_000).unwrap_or(i64::MAX)
    }

    /// Whole seconds since 1970, rounded down.
    pub fn seconds(self) -> i64 {
        self.0.unix_timestamp()
    }

    /// The same point as the `time` crate's type, in UTC.
    pub fn date_time(self) -> OffsetDateTime {
        self.0
    }

    /// The point `duration` later, clamped to the representable range.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self::from_micros(i128::from(self.micros()) + micros_of(duration))
    }

    /// The point `duration` earlier, clamped to the representable range.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self::from_micros(i128::from(self.micros()) - micros_of(duration))
    }

    /// How long after `earlier` this is; zero when it is not after it (a clock that jumped back).
    pub fn since(self, earlier: Self) -> Duration {
        let micros = self.micros().saturating_sub(earlier.micros());
        Duration::from_micros(u64::try_from(micros).unwrap_or(0))
    }
}

impl fmt::Display for Timestamp {
    /// Writes the seeds' form, to the second: `2026-04-04T12:00:00Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self
            .0
            .format(format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z"))
            .map_err(|_| fmt::Error)?;
        f.write_str(&text)
    }
}

/// A text that is not an RFC 3339 timestamp.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a time such as 2026-04-04T12:00:00Z")]
pub struct InvalidTimestamp(String);

fn micros_of(duration: Duration) -> i128 {
    i128::try_from(duration.as_micros()).unwrap_or(MAX_MICROS)
}

/// 0001-01-01T00:00:00Z.
const MIN_MICROS: i128 = -62_135_596_800_000_000;
/// 9999-12-31T23:59:59.999999Z.
const MAX_MICROS: i128 = 253_402_300_799_999_999;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_and_parses_the_seeds_form() {
        let at = Timestamp::parse("2026-04-04T12:00:00Z").expect("valid");
        assert_eq!(at.to_string(), "2026-04-04T12:00:00Z");
        assert_eq!(at.seconds(), 1_775_304_000);
        assert_eq!(
            Timestamp::parse("2026-04-04T14:00:00.5+02:00").expect("valid").micros(),
            at.micros() + 500_000
        );
        assert!(Timestamp::parse("April 4, 2026").is_err());
    }

    #[test]
    fn a_clock_that_jumped_back_gives_no_negative_duration() {
        let later = Timestamp::from_seconds(100);
        let earlier = later.minus(Duration::from_secs(10));
        assert_eq!(later.since(earlier), Duration::from_secs(10));
        assert_eq!(earlier.since(later), Duration::ZERO);
    }

    #[test]
    fn out_of_range_values_are_clamped() {
        assert_eq!(
            Timestamp::from_seconds(i64::MAX).plus(Duration::MAX).to_string(),
            "9999-12-31T23:59:59Z"
        );
        assert_eq!(Timestamp::from_seconds(i64::MIN).to_string(), "0001-01-01T00:00:00Z");
    }
}
