//! Whether the wall clock can be trusted to throw away what is old.
//!
//! **Invariant:** after a leap either way nothing is thrown away by age until the clock went
//! steadily for an hour, so that one wrong answer of a time server does not cost a month.

use std::time::Duration;

use conduit_core::clock::Timestamp;

/// Compares the wall clock with a clock that never leaps.
#[derive(Debug, Default)]
pub(super) struct Steady {
    last: Option<(Timestamp, Duration)>,
    since: Option<Duration>,
}

impl Steady {
    /// Takes both clocks; `running` is how long the process runs. Whether the wall clock is steady.
    pub(super) fn observe(&mut self, wall: Timestamp, running: Duration) -> bool {
        let leapt = self.last.is_some_and(|(last, then)| {
            let expected = last.plus(running.saturating_sub(then));
            wall.since(expected) > LEAP || expected.since(wall) > LEAP
        });
        self.last = Some((wall, running));
        if leapt {
            self.since = Some(running);
        }
        // The first look finds nothing to compare with: the clock is taken as it is.
        self.since.is_none_or(|since| running.saturating_sub(since) >= STEADY_FOR)
    }
}

/// A difference that no clock gathers by drifting between two looks.
const LEAP: Duration = Duration::from_secs(600);
/// How long it must go steadily after a leap.
const STEADY_FOR: Duration = Duration::from_secs(3_600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leap_is_waited_out() {
        let mut steady = Steady::default();
        let mut look = |wall: i64, running: u64| {
            steady.observe(Timestamp::from_seconds(wall), Duration::from_secs(running))
        };
        assert!(look(1_000_000, 10));
        assert!(look(1_000_300, 310));
        assert!(!look(40_000_000, 610), "forward by a year");
        assert!(!look(1_000_900, 910), "and back");
        assert!(!look(1_004_400, 4_409));
        assert!(look(1_004_501, 4_510));
    }
}
