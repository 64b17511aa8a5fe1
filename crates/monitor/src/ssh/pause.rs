//! How long a machine is left alone after failures.

use std::time::Duration;

use tokio::time::Instant;

/// Failures in a row, and until when to wait.
#[derive(Debug, Default)]
pub(crate) struct Pause {
    failures: u32,
    until: Option<Instant>,
}

impl Pause {
    /// Counts a failure; `chance` is anything from 0 to 1 and spreads machines that failed together.
    pub(crate) fn fail(&mut self, now: Instant, chance: f64) {
        let doubled = PAUSE_MIN.saturating_mul(1 << self.failures.min(DOUBLINGS_MAX));
        let spread = 1.0 - SPREAD / 2.0 + SPREAD * chance.clamp(0.0, 1.0);
        self.until = Some(now + doubled.min(PAUSE_MAX).mul_f64(spread));
        self.failures = self.failures.saturating_add(1);
    }

    /// Forgets all failures.
    pub(crate) fn end(&mut self) {
        *self = Self::default();
    }

    /// How long to wait yet.
    pub(crate) fn left(&self, now: Instant) -> Option<Duration> {
        let left = self.until?.saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }
}

/// The first pause.
const PAUSE_MIN: Duration = Duration::from_secs(30);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(600);
/// How often a pause is doubled at most; the longest one is reached before.
const DOUBLINGS_MAX: u32 = 8;
/// The share of a pause that is left to chance.
const SPREAD: f64 = 0.2;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pauses_double_up_to_ten_minutes_and_end_with_a_success() {
        let (mut pause, now) = (Pause::default(), Instant::now());
        assert_eq!(pause.left(now), None);
        for seconds in [30, 60, 120, 240, 480, 600, 600] {
            pause.fail(now, 0.5);
            assert_eq!(pause.left(now), Some(Duration::from_secs(seconds)));
        }
        for _ in 0..100 {
            pause.fail(now, 1.0);
        }
        assert_eq!(pause.left(now), Some(Duration::from_secs(660)));
        assert_eq!(pause.left(now + Duration::from_secs(660)), None);
        pause.end();
        pause.fail(now, 0.0);
        assert_eq!(pause.left(now), Some(Duration::from_secs(27)));
    }
}
