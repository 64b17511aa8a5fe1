//! Where one rule stands with one series: well, wrong for a while, or raised.
//!
//! **Invariant:** a clock that is set back starts a wait anew and ends none; a gap in the samples
//! starts it anew too, so that two bad values an hour apart are no bad hour.

use std::collections::VecDeque;
use std::time::Duration;

use conduit_core::clock::Timestamp;

use crate::alert::Alert;
use crate::rule::{Condition, Rule, Verdict};

/// Where a rule stands with a series.
#[derive(Debug)]
pub(super) struct State {
    phase: Phase,
    /// When the last verdict came.
    seen_at: Timestamp,
    /// When it was raised lately, oldest first.
    raises: VecDeque<Timestamp>,
}

#[derive(Debug)]
enum Phase {
    Calm,
    Pending { since: Timestamp },
    Raised { alert: Box<Alert>, good_since: Option<Timestamp> },
}

/// What a verdict changed.
#[derive(Debug)]
pub(super) enum Step {
    Raised(Alert),
    Cleared(Alert),
}

impl State {
    /// Nothing was wrong yet.
    pub(super) fn calm(now: Timestamp) -> Self {
        Self { phase: Phase::Calm, seen_at: now, raises: VecDeque::new() }
    }

    /// An alert that was raised before.
    pub(super) fn raised(alert: Alert, now: Timestamp) -> Self {
        let raises = VecDeque::from([alert.raised_at]);
        let phase = Phase::Raised { alert: Box::new(alert), good_since: None };
        Self { phase, seen_at: now, raises }
    }

    /// The alert, while it is raised.
    pub(super) fn alert(&self) -> Option<&Alert> {
        match &self.phase {
            Phase::Raised { alert, .. } => Some(alert),
            _ => None,
        }
    }

    /// The alert, if it was raised.
    pub(super) fn into_alert(self) -> Option<Alert> {
        match self.phase {
            Phase::Raised { alert, .. } => Some(*alert),
            _ => None,
        }
    }

    /// When the last verdict came.
    pub(super) fn seen_at(&self) -> Timestamp {
        self.seen_at
    }

    /// Whether nothing needs to be remembered: well, and not raised lately.
    pub(super) fn is_over(&self, now: Timestamp) -> bool {
        let is_stale = now.since(self.seen_at) >= FLAP_WINDOW || now < self.seen_at;
        match self.phase {
            Phase::Raised { .. } => false,
            Phase::Pending { .. } => is_stale,
            Phase::Calm => is_stale || self.raised_lately(now) == 0,
        }
    }

    /// Takes a verdict; `raise` makes the alert if it comes to that.
    pub(super) fn step(
        &mut self,
        rule: &Rule,
        verdict: Verdict,
        value: f64,
        now: Timestamp,
        raise: impl FnOnce() -> Alert,
    ) -> Option<Step> {
        let is_gap = now < self.seen_at || now.since(self.seen_at) > rule.held.max(GAP_MAX);
        self.seen_at = now;
        let clear_held =
            if self.is_flapping(now) { rule.clear_held.max(FLAP_HELD) } else { rule.clear_held };
        match (&mut self.phase, verdict) {
            (Phase::Calm, Verdict::Bad) => self.phase = Phase::Pending { since: now },
            (Phase::Pending { since }, Verdict::Bad) if is_gap => *since = now,
            (Phase::Pending { .. }, Verdict::Between | Verdict::Good) => self.phase = Phase::Calm,
            (Phase::Raised { alert, good_since }, Verdict::Bad | Verdict::Between) => {
                alert.value = value;
                *good_since = None;
            }
            (Phase::Raised { alert, good_since }, Verdict::Good) => {
                alert.value = value;
                let since = good_since.filter(|since| *since <= now).unwrap_or(now);
                *good_since = Some(since);
                if now.since(since) >= clear_held {
                    return self.clear();
                }
            }
            _ => {}
        }
        // The window of a rise is in the value already.
        let held = if rule.condition == Condition::Rising { Duration::ZERO } else { rule.held };
        match self.phase {
            Phase::Pending { since } if now.since(since) >= held => Some(self.raise(raise(), now)),
            _ => None,
        }
    }

    fn raise(&mut self, alert: Alert, now: Timestamp) -> Step {
        if self.raises.len() == FLAPS {
            self.raises.pop_front();
        }
        self.raises.push_back(now);
        self.phase = Phase::Raised { alert: Box::new(alert.clone()), good_since: None };
        Step::Raised(alert)
    }

    fn clear(&mut self) -> Option<Step> {
        match std::mem::replace(&mut self.phase, Phase::Calm) {
            Phase::Raised { alert, .. } => Some(Step::Cleared(*alert)),
            _ => None,
        }
    }

    /// What was raised often lately is only over when it is well for long.
    fn is_flapping(&self, now: Timestamp) -> bool {
        self.raised_lately(now) >= FLAPS
    }

    fn raised_lately(&self, now: Timestamp) -> usize {
        self.raises.iter().filter(|at| now.since(**at) < FLAP_WINDOW).count()
    }
}

/// Raised so often within the window is flapping.
const FLAPS: usize = 3;
const FLAP_WINDOW: Duration = Duration::from_secs(3_600);
/// What flaps must be well for so long before it is over.
const FLAP_HELD: Duration = Duration::from_secs(900);
/// Samples of one series that are so far apart, or the rule's own time, leave a gap.
const GAP_MAX: Duration = Duration::from_secs(600);
