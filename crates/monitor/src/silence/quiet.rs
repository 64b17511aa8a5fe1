//! Quiet hours: times of the week in which only what is grave is told.
//!
//! They are in UTC, or in a fixed distance from it (`utc_offset`): Conduit carries no table of
//! time zones, and a rule that moves with summer time would be wrong on machines without one.

use conduit_core::clock::Timestamp;
use serde::{Deserialize, Serialize};

use crate::alert::{Alert, Severity};

/// Quiet hours as they are written, `[[monitor.quiet_hours]]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct QuietHoursFile {
    /// The days on which they begin, `mon` to `sun`; left out: every day.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub days: Vec<String>,
    /// When they begin, such as `22:00`.
    pub from: String,
    /// When they end, such as `07:00`; at or before `from` is the next day.
    pub to: String,
    /// How far the clock they are written in is from UTC, such as `+02:00`; left out: not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub utc_offset: Option<String>,
    /// Whether critical alerts wait too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub critical: bool,
}

/// Quiet hours of a week.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuietHours {
    /// Monday first.
    days: [bool; 7],
    /// Minutes since midnight.
    from: i64,
    /// Minutes that they last.
    minutes: i64,
    /// Minutes that their clock is ahead of UTC.
    offset: i64,
    holds_critical: bool,
}

impl QuietHours {
    /// Whether this alert waits now.
    pub fn covers(&self, alert: &Alert, now: Timestamp) -> bool {
        (self.holds_critical || alert.severity != Severity::Critical) && self.is_at(now)
    }

    fn is_at(&self, now: Timestamp) -> bool {
        let minutes = now.seconds().div_euclid(60) + self.offset;
        let (day, minute) = (minutes.div_euclid(DAY), minutes.rem_euclid(DAY));
        // 1970 began on a Thursday.
        let begins_on = |day: i64| self.days[usize::try_from((day + 3).rem_euclid(7)).unwrap_or(0)];
        let since_today = minute - self.from;
        let today = (0..self.minutes).contains(&since_today) && begins_on(day);
        let yesterday = (0..self.minutes).contains(&(since_today + DAY)) && begins_on(day - 1);
        today || yesterday
    }
}

impl TryFrom<&QuietHoursFile> for QuietHours {
    type Error = QuietHoursError;

    fn try_from(file: &QuietHoursFile) -> Result<Self, QuietHoursError> {
        let mut days = [file.days.is_empty(); 7];
        for day in &file.days {
            let place = DAYS.iter().position(|known| known == day);
            let place = place.ok_or_else(|| {
                QuietHoursError::new("days", day, "mon, tue, wed, thu, fri, sat or sun")
            })?;
            days[place] = true;
        }
        let time = |key, text: &String| {
            clock(text)
                .filter(|minute| (0..=DAY).contains(minute))
                .ok_or_else(|| QuietHoursError::new(key, text, "a time such as 22:00"))
        };
        let (from, to) = (time("from", &file.from)?, time("to", &file.to)?);
        let offset = file.utc_offset.as_ref().map_or(Ok(0), |text| {
            let (sign, rest) = match text.split_at_checked(1) {
                Some(("+", rest)) => (1, rest),
                Some(("-", rest)) => (-1, rest),
                _ => (0, ""),
            };
            let minutes = clock(rest).filter(|minutes| *minutes <= OFFSET_MAX);
            minutes.map(|minutes| sign * minutes).ok_or_else(|| {
                QuietHoursError::new("utc_offset", text, "a distance from UTC such as +02:00")
            })
        })?;
        let minutes = if to > from { to - from } else { to - from + DAY };
        Ok(Self { days, from: from % DAY, minutes, offset, holds_critical: file.critical })
    }
}

/// What is wrong with quiet hours, and the mend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("quiet hours, {key}: {given:?} is not {mend}")]
pub struct QuietHoursError {
    /// The key that is wrong.
    pub key: &'static str,
    given: String,
    mend: &'static str,
}

impl QuietHoursError {
    fn new(key: &'static str, given: &str, mend: &'static str) -> Self {
        Self { key, given: given.chars().take(SHOWN_CHARS).collect(), mend }
    }
}

/// Minutes of `HH:MM`.
fn clock(text: &str) -> Option<i64> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |text: &str| {
        let is_plain = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
        if is_plain { text.parse::<i64>().ok() } else { None }
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    (hours <= 24 && minutes < 60).then_some(hours * 60 + minutes)
}

/// The most quiet hours that can be written.
pub const QUIET_HOURS_MAX: usize = 50;
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
/// Minutes of a day.
const DAY: i64 = 24 * 60;
/// The farthest clock from UTC is 14 hours ahead.
const OFFSET_MAX: i64 = 14 * 60;
/// How much of a wrong word is shown.
const SHOWN_CHARS: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    fn quiet(days: &[&str], from: &str, to: &str, offset: Option<&str>) -> QuietHoursFile {
        QuietHoursFile {
            days: days.iter().map(|day| (*day).to_owned()).collect(),
            from: from.into(),
            to: to.into(),
            utc_offset: offset.map(Into::into),
            critical: false,
        }
    }

    #[test]
    fn hours_may_go_over_midnight_and_belong_to_the_day_they_begin_on() {
        // 2026-04-03 is a Friday.
        let weekdays = ["mon", "tue", "wed", "thu", "fri"];
        for (file, time, expected) in [
            (quiet(&[], "22:00", "07:00", None), "2026-04-03T21:59:59Z", false),
            (quiet(&[], "22:00", "07:00", None), "2026-04-03T22:00:00Z", true),
            (quiet(&[], "22:00", "07:00", None), "2026-04-04T06:59:59Z", true),
            (quiet(&[], "22:00", "07:00", None), "2026-04-04T07:00:00Z", false),
            (quiet(&weekdays, "22:00", "07:00", None), "2026-04-04T03:00:00Z", true),
            (quiet(&weekdays, "22:00", "07:00", None), "2026-04-04T23:00:00Z", false),
            (quiet(&["sat", "sun"], "00:00", "24:00", None), "2026-04-04T12:00:00Z", true),
            (quiet(&["sat", "sun"], "00:00", "24:00", None), "2026-04-03T12:00:00Z", false),
            (quiet(&[], "00:00", "00:00", None), "2026-04-03T12:00:00Z", true),
            (quiet(&[], "22:00", "07:00", Some("+02:00")), "2026-04-03T20:30:00Z", true),
            (quiet(&[], "22:00", "07:00", Some("-05:30")), "2026-04-03T22:30:00Z", false),
            (quiet(&["fri"], "22:00", "07:00", Some("+14:00")), "2026-04-03T09:00:00Z", true),
        ] {
            let hours = QuietHours::try_from(&file).expect("legal");
            let now = Timestamp::parse(time).expect("a time");
            assert_eq!(hours.is_at(now), expected, "{file:?} {time}");
        }
    }

    #[test]
    fn what_is_no_time_is_named() {
        for (file, key) in [
            (quiet(&["friday"], "22:00", "07:00", None), "days"),
            (quiet(&[], "10 pm", "07:00", None), "from"),
            (quiet(&[], "22:00", "7:00", None), "to"),
            (quiet(&[], "24:01", "07:00", None), "from"),
            (quiet(&[], "22:00", "07:00", Some("02:00")), "utc_offset"),
            (quiet(&[], "22:00", "07:00", Some("+15:00")), "utc_offset"),
            (quiet(&[], "22:00", "07:00", Some("ü")), "utc_offset"),
        ] {
            assert_eq!(QuietHours::try_from(&file).expect_err("illegal").key, key);
        }
    }
}
