//! A machine's own counters, as its kernel gives them.

use std::time::Duration;

/// What `/proc` and `/sys` say at one moment.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HostReading {
    /// What it calls itself.
    pub hostname: String,
    /// The kernel's release.
    pub kernel: String,
    /// The machine's own monotonic clock: rates are made with it, never with ours.
    pub uptime: Duration,
}
