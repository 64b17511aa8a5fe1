//! What goes through a service, per second, from one look to the next.
//!
//! **Invariant:** a service through which nothing goes gives one more sample of everything, which
//! says so, and then none.

use std::time::Duration;

use conduit_core::clock::Timestamp;

use super::ServiceFacts;
use crate::metric::Metric;

/// The counts of a service at the look before.
#[derive(Debug, Default)]
pub(super) struct Rates {
    before: Option<(Timestamp, Counts)>,
    is_moving: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    requests: u64,
    errors: u64,
    received: u64,
    sent: u64,
    took: Duration,
}

impl Rates {
    /// Of a service that nobody had asked for at the look before, if there was one.
    pub(super) fn since(look: Option<Timestamp>) -> Self {
        Self { before: look.map(|at| (at, Counts::default())), is_moving: false }
    }

    /// What there is to keep: numbers in their metrics' units.
    pub(super) fn observe(&mut self, facts: &ServiceFacts, now: Timestamp) -> Vec<(Metric, f64)> {
        let counts = Counts {
            requests: facts.requests,
            errors: facts.errors,
            received: facts.received,
            sent: facts.sent,
            took: facts.took,
        };
        let Some((at, before)) = self.before.replace((now, counts)) else {
            return Vec::new();
        };
        let seconds = now.since(at).as_secs_f64();
        // Counts begin anew with a registration, and clocks are set back.
        if counts.requests < before.requests || seconds <= 0.0 {
            return Vec::new();
        }
        let grown = |of: fn(&Counts) -> u64| of(&counts).saturating_sub(of(&before)) as f64;
        let ended = grown(|counts| counts.requests);
        let (received, sent) = (grown(|counts| counts.received), grown(|counts| counts.sent));
        let was_moving = self.is_moving;
        self.is_moving = ended + received + sent > 0.0;
        if !self.is_moving && !was_moving {
            return Vec::new();
        }
        let mut told = vec![
            (Metric::ServiceRequests, ended / seconds),
            (Metric::Service5xx, grown(|counts| counts.errors) / seconds),
            (Metric::ServiceReceived, received / seconds),
            (Metric::ServiceSent, sent / seconds),
        ];
        if ended > 0.0 {
            let took = counts.took.saturating_sub(before.took).as_secs_f64();
            told.push((Metric::ServiceTook, took / ended));
        }
        told
    }
}
