//! What a pool is told to do, taken from its service's policy.

use std::time::Duration;

use conduit_core::policy::{Balance, Outliers, Policy, Share};

/// How a pool chooses, and how much it lets through at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolSettings {
    /// How an upstream is chosen.
    pub balance: Balance,
    /// Upstreams with another share than the others.
    pub shares: Vec<Share>,
    /// How long a readmitted upstream takes to get its whole share.
    pub slow_start: Duration,
    /// Requests in flight per upstream; `None` is any number.
    pub in_flight_max: Option<u32>,
    /// How many requests wait when every upstream has its fill.
    pub queue_max: u32,
    /// How long one waits at most.
    pub queue_timeout: Duration,
    /// When real traffic ejects an upstream.
    pub outliers: Outliers,
}

impl PoolSettings {
    /// What a policy, with its preset, asks for.
    pub fn of(policy: &Policy) -> Self {
        let upstream = &policy.upstream;
        Self {
            balance: policy.balance.clone().unwrap_or_default(),
            shares: policy.shares.clone(),
            slow_start: policy.slow_start.map_or(Duration::ZERO, |span| span.get()),
            in_flight_max: upstream.in_flight_max,
            queue_max: upstream.queue_max.unwrap_or(QUEUE_DEFAULT),
            queue_timeout: upstream.queue_timeout.map_or(QUEUE_TIMEOUT_DEFAULT, |s| s.get()),
            outliers: policy.outliers,
        }
    }
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self::of(&Policy::default())
    }
}

/// Requests that wait per pool when the policy says nothing.
const QUEUE_DEFAULT: u32 = 100;
/// How long they wait.
const QUEUE_TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);
