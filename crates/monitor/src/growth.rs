//! When a file system will be full, at the rate of the last hours.
//!
//! The rate is the slope of the least squares line through what was in use, as Prometheus reckons
//! it (`predict_linear`): a log that is rotated within the span hardly moves it.
//!
//! **Invariant:** at most [`SYSTEMS_MAX`] file systems and one point for each [`STEP`] of [`SPAN`]. A
//! file system of which something was told is told of once more when it grows no more.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use conduit_core::clock::Timestamp;

use crate::metric::{Metric, Sample, Series};
use crate::node::NodeName;

/// The file systems of all nodes, as they grew, by the series of their share in use.
#[derive(Debug, Default)]
pub(crate) struct Growth(HashMap<Series, System>);

#[derive(Debug, Default)]
struct System {
    points: Points,
    is_told: bool,
}

#[derive(Debug, Default)]
struct Points(VecDeque<(Timestamp, f64)>);

impl Growth {
    /// Takes the shares of a reading, and adds until when those that will be full soon are.
    pub(crate) fn observe(&mut self, samples: &mut Vec<Sample>) {
        let mut found = Vec::new();
        for sample in samples.iter().filter(|sample| sample.series.metric == Metric::Disk) {
            if !self.0.contains_key(&sample.series) && self.0.len() >= SYSTEMS_MAX {
                continue;
            }
            let system = self.0.entry(sample.series.clone()).or_default();
            let until = system.points.full_in(sample.at, sample.value);
            let was_told = std::mem::replace(&mut system.is_told, until.is_some());
            if was_told || system.is_told {
                let series = Series { metric: Metric::DiskFullIn, ..sample.series.clone() };
                let value = until.unwrap_or(NEAR).as_secs_f64();
                found.push(Sample { series, at: sample.at, value });
            }
        }
        samples.extend(found);
    }

    /// Forgets a node that is not monitored any more.
    pub(crate) fn forget(&mut self, node: &NodeName) {
        self.0.retain(|series, _| series.node != *node);
    }

    /// Forgets what was not read for the whole span, such as a disk that was taken out.
    pub(crate) fn prune(&mut self, now: Timestamp) {
        self.0.retain(|_, system| system.points.last().is_some_and(|at| now.since(at) < SPAN));
    }
}

impl Points {
    /// Takes a share, and says how long it is until 1 when that is less than [`NEAR`].
    fn full_in(&mut self, at: Timestamp, share: f64) -> Option<Duration> {
        if self.last().is_some_and(|last| at < last) {
            self.0.clear();
        }
        if self.last().is_none_or(|last| at.since(last) >= STEP) {
            self.0.push_back((at, share));
        }
        while self.0.front().is_some_and(|(first, _)| at.since(*first) > SPAN) {
            self.0.pop_front();
        }
        let is_long = self.0.front().is_some_and(|(first, _)| at.since(*first) >= SPAN_MIN);
        let slope = is_long.then(|| self.slope()).filter(|slope| *slope > 0.0)?;
        let left = Duration::try_from_secs_f64((1.0 - share).max(0.0) / slope).ok()?;
        (left < NEAR).then_some(left)
    }

    /// What the share grows by in a second.
    fn slope(&self) -> f64 {
        let Some((first, _)) = self.0.front() else { return 0.0 };
        let points = self.0.iter().map(|(at, share)| (at.since(*first).as_secs_f64(), *share));
        let count = self.0.len() as f64;
        let (sum_x, sum_y) = points.clone().fold((0.0, 0.0), |sum, p| (sum.0 + p.0, sum.1 + p.1));
        let (mean_x, mean_y) = (sum_x / count, sum_y / count);
        let (above, below) = points.fold((0.0, 0.0), |sum, (x, y)| {
            let from_mean = x - mean_x;
            (sum.0 + from_mean * (y - mean_y), sum.1 + from_mean * from_mean)
        });
        if below > 0.0 { above / below } else { 0.0 }
    }

    fn last(&self) -> Option<Timestamp> {
        self.0.back().map(|(at, _)| *at)
    }
}

/// How much of the past counts.
const SPAN: Duration = Duration::from_secs(6 * 3_600);
/// How much of it there must be before anything is said.
const SPAN_MIN: Duration = Duration::from_secs(3_600);
/// How far apart the points are that are kept.
const STEP: Duration = Duration::from_secs(300);
/// What is further away is of no interest, and is no more than a guess.
const NEAR: Duration = Duration::from_secs(30 * 86_400);
/// File systems that are looked at, of all nodes.
const SYSTEMS_MAX: usize = 5_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn fed(shares: impl IntoIterator<Item = (i64, f64)>) -> Vec<(i64, i64)> {
        let mut growth = Growth::default();
        let mut told = Vec::new();
        for (minute, value) in shares {
            let node = NodeName::parse("box").expect("a name");
            let series = Series { node, metric: Metric::Disk, subject: Some("/".into()) };
            let at = Timestamp::from_seconds(1_800_000_000 + minute * 60);
            let mut samples = vec![Sample { series, at, value }];
            growth.observe(&mut samples);
            assert!(growth.0.values().all(|system| system.points.0.len() <= 73));
            let until = samples.iter().find(|sample| sample.series.metric == Metric::DiskFullIn);
            told.extend(until.map(|sample| (minute, (sample.value / 3_600.0).round() as i64)));
        }
        told
    }

    #[test]
    fn what_grows_steadily_is_told_an_hour_later_and_once_more_when_it_stops() {
        // A hundredth in an hour, from 70 %.
        let told = fed((0..=120).step_by(5).map(|minute| (minute, 0.7 + minute as f64 / 6_000.0)));
        assert_eq!((told.first(), told.last()), (Some(&(60, 29)), Some(&(120, 28))));
        let grown = (0..=120).map(|minute| (minute, 0.7 + minute as f64 / 6_000.0));
        let emptied = fed(grown.chain((121..=600).map(|minute| (minute, 0.3))));
        let (last, until) = *emptied.last().expect("told");
        assert_eq!(until, 720, "30 days, which is no more than that it is over");
        assert!(last < 200, "soon, although the span is long: {last}");
    }

    #[test]
    fn what_is_rotated_or_stands_still_is_not_told() {
        assert_eq!(fed((0..1_440).map(|minute| (minute, 0.9))), []);
        let sawtooth =
            (0..1_440).map(|minute| (minute, 0.5 + f64::from(minute as i32 % 60) / 3_000.0));
        let told = fed(sawtooth);
        let calm = |(minute, hours): &(i64, i64)| *minute <= 300 && *hours > 24;
        assert!(told.iter().all(calm), "{told:?}");
        assert_eq!(fed([(0, 0.1), (30, 0.5), (59, 0.9)]), [], "an hour at least");
        assert_eq!(fed([(0, 0.1), (70, 0.5), (-500, 0.9), (-480, 0.95)]).len(), 2, "set back");
    }
}
