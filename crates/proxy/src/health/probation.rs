//! How long an upstream that traffic ejected stays away.
//!
//! **Invariant:** pure. Each probation is twice as long as the one before, up to a limit, until the
//! upstream has behaved for a good while.

use std::time::Duration;

use tokio::time::Instant;

/// The probations of one upstream.
#[derive(Debug, Clone, Default)]
pub struct Probation {
    until: Option<Instant>,
    last: Option<Last>,
}

#[derive(Debug, Clone, Copy)]
struct Last {
    length: Duration,
    /// When the upstream came back; `None` while it is away.
    ended: Option<Instant>,
}

impl Probation {
    /// Begins one, and says how long it is; `first` is the length of one that follows none.
    pub fn begin(&mut self, first: Duration, now: Instant) -> Duration {
        let length = match self.last {
            Some(last) if !last.is_forgotten(now) => {
                last.length.saturating_mul(2).clamp(first, LENGTH_MAX.max(first))
            }
            _ => first,
        };
        self.last = Some(Last { length, ended: None });
        self.until = Some(now + length);
        length
    }

    /// When the present one is over, if there is one.
    pub fn until(&self) -> Option<Instant> {
        self.until
    }

    /// Whether probes that pass mean nothing yet.
    pub fn holds(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
    }

    /// The upstream is back.
    pub fn end(&mut self, now: Instant) {
        if self.until.take().is_some()
            && let Some(last) = &mut self.last
        {
            last.ended = Some(now);
        }
    }

    /// When the upstream came back from the last one, if it was ever away.
    pub fn ended(&self) -> Option<Instant> {
        self.last.and_then(|last| last.ended)
    }
}

impl Last {
    fn is_forgotten(&self, now: Instant) -> bool {
        let good_while = self.length.saturating_mul(GOOD_WHILE_FACTOR).max(GOOD_WHILE_LEAST);
        self.ended.is_some_and(|ended| now.saturating_duration_since(ended) >= good_while)
    }
}

/// The longest probation, unless the first one is longer already.
const LENGTH_MAX: Duration = Duration::from_secs(300);
/// How many times as long as the last probation an upstream has to behave to be trusted again.
const GOOD_WHILE_FACTOR: u32 = 4;
/// And at least this long.
const GOOD_WHILE_LEAST: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_secs(30);

    #[test]
    fn each_is_twice_as_long_up_to_a_limit() {
        let (mut probation, mut now) = (Probation::default(), Instant::now());
        for expected in [30, 60, 120, 240, 300, 300] {
            let length = probation.begin(FIRST, now);
            assert_eq!(length.as_secs(), expected);
            assert!(probation.holds(now) && probation.holds(now + length - FIRST / 30));
            now += length;
            assert!(!probation.holds(now), "over to the moment");
            probation.end(now);
            assert_eq!((probation.until(), probation.ended()), (None, Some(now)));
            now += Duration::from_secs(60);
        }
    }

    #[test]
    fn good_behaviour_is_rewarded() {
        for (away, good, expected) in [(1, 299, 60), (1, 300, 30), (3, 479, 240), (3, 480, 30)] {
            let (mut probation, mut now) = (Probation::default(), Instant::now());
            for _ in 0..away {
                now += probation.begin(FIRST, now);
                probation.end(now);
            }
            let length = probation.begin(FIRST, now + Duration::from_secs(good));
            assert_eq!(length.as_secs(), expected, "{away} times away, then {good} s good");
        }
    }

    #[test]
    fn a_first_one_longer_than_the_limit_is_the_limit() {
        let (mut probation, mut now) = (Probation::default(), Instant::now());
        let hour = Duration::from_secs(3_600);
        for _ in 0..3 {
            assert_eq!(probation.begin(hour, now), hour);
            now += hour;
            probation.end(now);
        }
    }

    #[test]
    fn ending_what_never_began_means_nothing() {
        let mut probation = Probation::default();
        probation.end(Instant::now());
        assert_eq!(probation.ended(), None);
    }
}
