//! The answer to a query: points, merged by a step.

use std::time::Duration;

use conduit_core::clock::Timestamp;

/// Points of one series.
#[derive(Debug, Clone, PartialEq)]
pub struct Points {
    /// How fine what they were made of is.
    pub resolution: Resolution,
    /// How much time each stands for; zero is as they were sampled.
    pub step: Duration,
    /// In the order of time; at most `POINTS_MAX`.
    pub points: Vec<Point>,
}

/// One point, or several in one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// When, or when the step begins.
    pub at: Timestamp,
    /// The least value.
    pub min: f64,
    /// The mean.
    pub mean: f64,
    /// The greatest value.
    pub max: f64,
}

/// How fine points are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// As they were sampled.
    Fine,
    /// By the quarter of an hour.
    Coarse,
}

impl Resolution {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::Coarse => "coarse",
        }
    }
}

/// Merges points, in the order of time, by a step; by a longer one if they were too many.
pub(super) fn merged(
    resolution: Resolution,
    points: &[Point],
    range: (Timestamp, Timestamp),
    step: Duration,
) -> Points {
    let least = match resolution {
        Resolution::Fine => 0,
        Resolution::Coarse => i64::from(super::block::SLOT_SECONDS),
    };
    let asked = i64::try_from(step.as_secs()).unwrap_or(i64::MAX).max(least);
    let span = range.1.seconds().saturating_sub(range.0.seconds());
    let most = i64::try_from(POINTS_MAX).unwrap_or(i64::MAX);
    let needed = if points.len() > POINTS_MAX || asked > 0 { span / most + 1 } else { 0 };
    let seconds = asked.max(needed);
    let mut merged: Vec<(i64, Point, u32)> = Vec::new();
    for point in points {
        let at = point.at.seconds();
        let place = if seconds == 0 { at } else { at - at.rem_euclid(seconds) };
        match merged.last_mut().filter(|(last, ..)| *last == place) {
            Some((_, sum, count)) => {
                sum.min = sum.min.min(point.min);
                sum.max = sum.max.max(point.max);
                sum.mean += point.mean;
                *count += 1;
            }
            None => merged.push((place, Point { at: Timestamp::from_seconds(place), ..*point }, 1)),
        }
    }
    let mean =
        |(_, sum, count): (i64, Point, u32)| Point { mean: sum.mean / f64::from(count), ..sum };
    let step = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    Points { resolution, step, points: merged.into_iter().map(mean).collect() }
}

/// The most points of an answer.
pub(super) const POINTS_MAX: usize = 5_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn point(seconds: i64, value: f64) -> Point {
        Point { at: at(seconds), min: value, mean: value, max: value }
    }

    #[test]
    fn points_are_merged_by_the_step() {
        let points = [point(0, 1.0), point(30, 3.0), point(60, 5.0), point(300, 7.0)];
        let of =
            |step| merged(Resolution::Fine, &points, (at(0), at(400)), Duration::from_secs(step));
        assert_eq!(of(0).points, points);
        let minutes = of(60).points;
        assert_eq!(minutes.iter().map(|p| p.at.seconds()).collect::<Vec<_>>(), [0, 60, 300]);
        assert_eq!((minutes[0].min, minutes[0].mean, minutes[0].max), (1.0, 2.0, 3.0));
    }

    #[test]
    fn an_answer_is_never_longer_than_its_bound() {
        let points: Vec<_> = (0..86_400).map(|second| point(second, 1.0)).collect();
        for step in [0, 1] {
            let range = (at(0), at(86_400));
            let answer = merged(Resolution::Fine, &points, range, Duration::from_secs(step));
            assert!(answer.points.len() <= POINTS_MAX, "{}", answer.points.len());
            assert_eq!(answer.step, Duration::from_secs(18), "and says its step");
        }
    }
}
