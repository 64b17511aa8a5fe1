//! The words for how a service is doing, the same in CLI, API, metrics and dashboard.

use std::fmt;
use std::str::FromStr;

use crate::service::{UnknownWord, words};

/// How a service is doing, judged by its upstreams and its leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Health {
    /// Some upstream is ejected, or the leaf is past its renewal.
    Degraded,
    /// No upstream is admitted.
    Down,
    /// Every upstream is admitted.
    Healthy,
    /// Nothing was probed yet.
    Unknown,
}

words!(Health, "health", "healthy, degraded, down, unknown",
    "degraded" => Degraded, "down" => Down, "healthy" => Healthy, "unknown" => Unknown);

impl Health {
    /// Judges a service by counts of its upstreams.
    ///
    /// `proven` of them have answered a probe, `ejected` receive nothing, by the prober's judgement
    /// or by hand, out of `total`.
    pub fn of(proven: usize, ejected: usize, total: usize) -> Self {
        match (proven, ejected) {
            _ if total > 0 && ejected == total => Self::Down,
            (_, 1..) => Self::Degraded,
            (0, 0) => Self::Unknown,
            (_, 0) => Self::Healthy,
        }
    }
}

/// Whether one upstream receives traffic, and why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UpstreamState {
    /// Receives traffic.
    Admitted,
    /// Drained by hand: finishes what it has, and receives nothing new.
    Draining,
    /// Receives none: until a probe succeeds, or until it is admitted when it was ejected by hand.
    Ejected,
    /// Receives traffic, but no probe has answered yet.
    Unproven,
}

words!(UpstreamState, "upstream state", "admitted, draining, ejected, unproven",
    "admitted" => Admitted, "draining" => Draining, "ejected" => Ejected,
    "unproven" => Unproven);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_follows_the_upstreams() {
        for (proven, ejected, total, expected) in [
            (0, 0, 2, Health::Unknown),
            (1, 0, 2, Health::Healthy),
            (2, 0, 2, Health::Healthy),
            (1, 1, 2, Health::Degraded),
            (0, 1, 2, Health::Degraded),
            (0, 2, 2, Health::Down),
            (0, 0, 0, Health::Unknown),
        ] {
            assert_eq!(Health::of(proven, ejected, total), expected, "{proven} {ejected} {total}");
        }
    }
}
