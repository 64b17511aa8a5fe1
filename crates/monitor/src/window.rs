//! The last values of one series, for rules about its rise.
//!
//! **Invariant:** holds at most `POINTS_MAX` points, oldest first, all within the span but the
//! first, which is the last one before it.

use std::collections::VecDeque;
use std::time::Duration;

use conduit_core::clock::Timestamp;

/// The last values of a series.
#[derive(Debug, Clone, Default)]
pub struct Window {
    points: VecDeque<(Timestamp, f64)>,
}

impl Window {
    /// Adds a value and says by how much the series rose within the span: the value less the
    /// least one before it. A series that begins did not rise.
    pub fn rise(&mut self, at: Timestamp, value: f64, span: Duration) -> f64 {
        // A clock that was set back makes the order of what is kept a lie.
        if self.points.back().is_some_and(|(last, _)| at < *last) {
            self.points.clear();
        }
        while self.points.len() > 1 && self.points.get(1).is_some_and(|(t, _)| at.since(*t) >= span)
        {
            self.points.pop_front();
        }
        let least = self.points.iter().map(|(_, value)| *value).fold(value, f64::min);
        if self.points.len() == POINTS_MAX {
            self.thin();
        }
        self.points.push_back((at, value));
        value - least
    }

    /// When the last value came.
    pub fn last_at(&self) -> Option<Timestamp> {
        self.points.back().map(|(at, _)| *at)
    }

    /// Leaves one of two neighbours: the lesser, since rises are measured from the least.
    fn thin(&mut self) {
        let points: Vec<_> = self.points.iter().copied().collect();
        let lesser = |pair: &[(Timestamp, f64)]| {
            pair.iter().copied().min_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or(pair[0])
        };
        self.points = points.chunks(2).map(lesser).collect();
    }
}

/// The most values that are kept of a series.
const POINTS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn rises(span: u64, points: &[(i64, f64)]) -> Vec<f64> {
        let mut window = Window::default();
        let span = Duration::from_secs(span);
        points.iter().map(|(at, v)| window.rise(Timestamp::from_seconds(*at), *v, span)).collect()
    }

    #[test]
    fn a_rise_is_measured_from_the_least_value_within_the_span() {
        let points =
            [(0, 5.0), (30, 5.0), (60, 7.0), (90, 8.0), (120, 8.0), (400, 8.0), (430, 8.0)];
        assert_eq!(rises(120, &points), [0.0, 0.0, 2.0, 3.0, 3.0, 0.0, 0.0]);
        assert_eq!(rises(100, &[(0, 9.0), (30, 0.0), (60, 2.0)]), [0.0, 0.0, 2.0], "from zero");
        assert_eq!(rises(0, &[(0, 1.0), (30, 4.0), (60, 4.0)]), [0.0, 3.0, 0.0], "neighbours");
        assert_eq!(rises(100, &[(500, 1.0), (30, 4.0), (60, 5.0)]), [0.0, 0.0, 1.0], "set back");
    }

    #[test]
    fn many_values_stay_few_and_the_least_is_not_lost() {
        let mut window = Window::default();
        let span = Duration::from_secs(10_000);
        for second in 0..5_000 {
            let value = if second == 3 { 1.0 } else { 10.0 };
            let rise = window.rise(Timestamp::from_seconds(second), value, span);
            assert!(window.points.len() <= POINTS_MAX);
            assert!(second <= 3 || rise == 9.0, "{second}: {rise}");
        }
    }
}
