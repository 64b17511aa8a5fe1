//! How often a channel speaks: alerts that change together are one message, and an hour has a
//! bounded number of them.
//!
//! **Invariant:** pure: time is a parameter.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// How a channel is paced.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// The most messages in an hour.
    pub(super) per_hour_max: usize,
    /// Changes within this time are one message.
    pub(super) group_for: Duration,
    /// The time before the second try; it doubles from try to try.
    pub(super) back_off: Duration,
    /// The time between rows of tries that all failed.
    pub(super) rest: Duration,
}

impl Pace {
    pub(super) fn of(per_hour_max: usize) -> Self {
        Self { per_hour_max, group_for: GROUP_FOR, back_off: BACK_OFF, rest: REST }
    }

    /// The time before the next try after so many that failed.
    pub(super) fn wait_after(&self, failed: u32) -> Duration {
        self.back_off.saturating_mul(1 << failed.min(BACK_OFF_DOUBLINGS))
    }
}

/// When a channel spoke within the last hour.
#[derive(Debug, Default)]
pub(super) struct Pacing {
    spoke: VecDeque<Instant>,
}

impl Pacing {
    /// When the next message may go.
    pub(super) fn next_at(&self, now: Instant, per_hour_max: usize) -> Instant {
        let Some(over) = self.spoke.len().checked_sub(per_hour_max.max(1)) else {
            return now;
        };
        self.spoke.get(over).map_or(now, |first| (*first + HOUR).max(now))
    }

    /// Notes a message.
    pub(super) fn note(&mut self, now: Instant, per_hour_max: usize) {
        while self.spoke.len() >= per_hour_max.max(1) {
            self.spoke.pop_front();
        }
        self.spoke.push_back(now);
    }
}

/// Changes within this time are one message.
const GROUP_FOR: Duration = Duration::from_secs(30);
const HOUR: Duration = Duration::from_secs(3_600);
/// After the first try that failed.
const BACK_OFF: Duration = Duration::from_secs(2);
/// So often the time doubles, to about a minute.
const BACK_OFF_DOUBLINGS: u32 = 5;
/// After a row of tries that failed, and after an answer that needs a person.
const REST: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_hour_has_so_many_messages() {
        let mut pacing = Pacing::default();
        let begin = Instant::now();
        let after = |seconds| begin + Duration::from_secs(seconds);
        for second in [0, 60] {
            assert_eq!(pacing.next_at(after(second), 2), after(second));
            pacing.note(after(second), 2);
        }
        assert_eq!(pacing.next_at(after(70), 2), after(3_600));
        assert_eq!(pacing.next_at(after(70), 1), after(3_660), "a reload allows fewer");
        assert_eq!(pacing.next_at(after(70), 3), after(70), "or more");
        pacing.note(after(3_600), 2);
        assert_eq!(pacing.next_at(after(3_601), 2), after(3_660));
        assert_eq!(pacing.next_at(after(9_000), 2), after(9_000));
    }
}
