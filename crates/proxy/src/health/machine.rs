//! When an upstream is ejected and when it is let in again.
//!
//! **Invariant:** pure. An upstream that was never proven is ejected on its first failure; a proven
//! one after as many consecutive failures as configured; a single report of the request path never
//! ejects, it only brings the verdict of the next probe closer. What many of them do is decided in
//! [`outliers`](super::outliers), and carried out here.

use conduit_core::health::UpstreamState;

/// How many outcomes in a row it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thresholds {
    /// Failures until a proven upstream is ejected; at least 1.
    pub unhealthy_after: u32,
    /// Successes until an ejected upstream is admitted; at least 1.
    pub healthy_after: u32,
}

/// What the machine judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The probe failed, or timed out on an upstream that has delivered nothing lately.
    Failed,
    /// The probe passed.
    Passed,
    /// Nothing was learned: the probe timed out on an upstream that delivers (busy, not dead), or
    /// the probe itself broke.
    Unsure,
}

/// A change of state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transition {
    /// It receives traffic from now on.
    Admitted,
    /// It receives none from now on.
    Ejected,
}

/// What is known of one upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthMachine {
    state: UpstreamState,
    failures: u32,
    passes: u32,
}

impl HealthMachine {
    /// The machine of an upstream in this state, with no outcomes counted.
    pub fn new(state: UpstreamState) -> Self {
        Self { state, failures: 0, passes: 0 }
    }

    /// Judges the outcome of a probe.
    pub fn observe(&mut self, verdict: Verdict, thresholds: Thresholds) -> Option<Transition> {
        match verdict {
            Verdict::Failed => self.fail(thresholds),
            Verdict::Passed => self.pass(thresholds),
            Verdict::Unsure => None,
        }
    }

    /// Counts a failure that the request path saw, short of ejecting.
    pub fn suspect(&mut self, thresholds: Thresholds) {
        let most = thresholds.unhealthy_after.saturating_sub(1);
        self.failures = self.failures.saturating_add(1).min(most.max(self.failures));
    }

    /// Ejects it for what traffic met; `None` when it is ejected already.
    pub fn eject(&mut self) -> Option<Transition> {
        (self.state != UpstreamState::Ejected).then(|| {
            *self = Self::new(UpstreamState::Ejected);
            Transition::Ejected
        })
    }

    /// Gives an ejected one another chance: it is as if it had never been probed, so that its first
    /// failure ejects it again. Whether that changed anything.
    pub fn pardon(&mut self) -> bool {
        let ejected = self.state == UpstreamState::Ejected;
        if ejected {
            *self = Self::new(UpstreamState::Unproven);
        }
        ejected
    }

    /// The state it is in.
    pub fn state(&self) -> UpstreamState {
        self.state
    }

    fn fail(&mut self, thresholds: Thresholds) -> Option<Transition> {
        self.passes = 0;
        self.failures = self.failures.saturating_add(1);
        let eject = match self.state {
            UpstreamState::Admitted => self.failures >= thresholds.unhealthy_after,
            UpstreamState::Ejected | UpstreamState::Draining => false,
            UpstreamState::Unproven => true,
        };
        eject.then(|| {
            self.state = UpstreamState::Ejected;
            Transition::Ejected
        })
    }

    fn pass(&mut self, thresholds: Thresholds) -> Option<Transition> {
        self.failures = 0;
        self.passes = self.passes.saturating_add(1);
        let admit = match self.state {
            UpstreamState::Admitted => false,
            UpstreamState::Ejected | UpstreamState::Draining => {
                self.passes >= thresholds.healthy_after
            }
            UpstreamState::Unproven => true,
        };
        admit.then(|| {
            self.state = UpstreamState::Admitted;
            Transition::Admitted
        })
    }
}

#[cfg(test)]
mod tests;
