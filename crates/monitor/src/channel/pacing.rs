//! How often a channel speaks: alerts that change together are one message, and an hour has a
//! bounded number of them.
//!
//! **Invariant:** pure: time is a parameter. What is over the bound of a message is counted in it.

use std::collections::VecDeque;
use std::time::Duration;

use conduit_core::clock::Timestamp;
use tokio::time::Instant;

use super::message::Message;
use crate::alert::AlertChange;

/// How a channel is paced.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// The most messages in an hour.
    pub(super) per_hour_max: usize,
    /// Changes within this time are one message.
    pub(super) group_for: Duration,
    /// The time before the second try; it doubles from try to try.
    pub(super) back_off: Duration,
}

impl Pace {
    pub(super) fn of(per_hour_max: usize) -> Self {
        Self { per_hour_max, group_for: GROUP_FOR, back_off: BACK_OFF }
    }

    /// The time before the next try after so many that failed.
    pub(super) fn wait_after(&self, failed: u32) -> Duration {
        self.back_off.saturating_mul(1 << failed.min(BACK_OFF_DOUBLINGS))
    }
}

/// Changes that will be one message.
#[derive(Debug, Default)]
pub(super) struct Group {
    changes: Vec<AlertChange>,
    left_out: (u64, u64),
}

impl Group {
    /// Adds a change; of many, only the number is kept.
    pub(super) fn add(&mut self, change: AlertChange) {
        if self.changes.len() < CHANGES_SHOWN_MAX {
            self.changes.push(change);
            return;
        }
        match change {
            AlertChange::Raised(_) => self.left_out.0 += 1,
            AlertChange::Cleared { .. } => self.left_out.1 += 1,
        }
    }

    /// How many changes are in it.
    pub(super) fn len(&self) -> u64 {
        self.changes.len() as u64 + self.left_out.0 + self.left_out.1
    }

    /// The message; `lost` changes were not told before it.
    pub(super) fn message(self, at: Timestamp, lost: u64) -> Message {
        Message { left_out: self.left_out, lost, ..Message::new(at, self.changes) }
    }
}

/// When a channel spoke within the last hour.
#[derive(Debug)]
pub(super) struct Pacing {
    per_hour_max: usize,
    spoke: VecDeque<Instant>,
}

impl Pacing {
    pub(super) fn new(per_hour_max: usize) -> Self {
        Self { per_hour_max: per_hour_max.max(1), spoke: VecDeque::new() }
    }

    /// When the next message may go.
    pub(super) fn next_at(&self, now: Instant) -> Instant {
        match self.spoke.front() {
            Some(first) if self.spoke.len() >= self.per_hour_max => (*first + HOUR).max(now),
            _ => now,
        }
    }

    /// Notes a message.
    pub(super) fn note(&mut self, now: Instant) {
        if self.spoke.len() >= self.per_hour_max {
            self.spoke.pop_front();
        }
        self.spoke.push_back(now);
    }
}

/// Changes within this time are one message.
const GROUP_FOR: Duration = Duration::from_secs(30);
/// The most changes that a message lists.
const CHANGES_SHOWN_MAX: usize = 50;
const HOUR: Duration = Duration::from_secs(3_600);
/// After the first try that failed.
const BACK_OFF: Duration = Duration::from_secs(2);
/// So often the time doubles, to about a minute.
const BACK_OFF_DOUBLINGS: u32 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_hour_has_so_many_messages() {
        let mut pacing = Pacing::new(2);
        let begin = Instant::now();
        let after = |seconds| begin + Duration::from_secs(seconds);
        for second in [0, 60] {
            assert_eq!(pacing.next_at(after(second)), after(second));
            pacing.note(after(second));
        }
        assert_eq!(pacing.next_at(after(70)), after(3_600));
        pacing.note(after(3_600));
        assert_eq!(pacing.next_at(after(3_601)), after(3_660));
        assert_eq!(pacing.next_at(after(9_000)), after(9_000));
    }
}
