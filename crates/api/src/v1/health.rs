//! Health: what the prober sees, and what was tried through our own listeners.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::v1::wire_words;

wire_words! {
    /// How a service is doing.
    #[derive(Default)]
    HealthStatus {
        /// Some upstream is ejected, or a leaf is past its renewal.
        Degraded => "degraded",
        /// No upstream is admitted.
        Down => "down",
        /// Every upstream is admitted.
        Healthy => "healthy",
        /// Nothing was probed yet.
        #[default]
        Unknown => "unknown",
    }
}

wire_words! {
    /// Whether one upstream receives traffic.
    UpstreamState {
        /// It receives traffic.
        Admitted => "admitted",
        /// It was drained by hand: it finishes what it has, and receives nothing new.
        Draining => "draining",
        /// It receives none until a probe succeeds, or until it is admitted when it is held.
        Ejected => "ejected",
        /// It receives traffic, but no probe has answered yet.
        Unproven => "unproven",
    }
}

/// One upstream, as the prober sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct UpstreamHealth {
    /// `HOST:PORT`.
    pub upstream: String,
    /// Whether it receives traffic.
    pub state: UpstreamState,
    /// When it was last probed.
    #[serde(default)]
    #[schema(required, format = DateTime)]
    pub last_probe_at: Option<String>,
    /// How long the last successful probe took.
    #[serde(default)]
    #[schema(required)]
    pub response_time_ms: Option<u64>,
    /// Why it receives nothing, or why the last probe failed.
    #[serde(default)]
    #[schema(required)]
    pub reason: Option<String>,
    /// How many requests to it are under way.
    #[serde(default)]
    #[schema(required)]
    pub in_flight: u64,
    /// Who holds it back, when somebody does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<UpstreamHold>,
}

/// Who holds an upstream back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UpstreamHold {
    /// What was asked for: `drain` or `eject`.
    pub kind: String,
    /// Who asked, as in the record.
    pub by: String,
    /// When.
    #[schema(format = DateTime)]
    pub since: String,
}

/// `GET /api/v1/services/{name}/health`, and an element of [`HealthList`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ServiceHealth {
    /// Which service.
    pub name: String,
    /// How it is doing.
    pub status: HealthStatus,
    /// Why it is not healthy.
    #[serde(default)]
    #[schema(required)]
    pub reason: Option<String>,
    /// When an upstream was last probed.
    #[serde(default)]
    #[schema(required, format = DateTime)]
    pub last_probe_at: Option<String>,
    /// How long the last successful probe took.
    #[serde(default)]
    #[schema(required)]
    pub response_time_ms: Option<u64>,
    /// Each upstream.
    #[serde(default)]
    #[schema(required)]
    pub upstreams: Vec<UpstreamHealth>,
}

/// `GET /api/v1/health`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HealthList {
    /// How many services are in which state.
    pub counts: HealthCounts,
    /// Every active service, by name.
    pub services: Vec<ServiceHealth>,
    /// What `after` takes to go on; absent at the end, and when no limit was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_after: Option<String>,
}

/// How many active services are in which state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct HealthCounts {
    /// Every upstream admitted.
    pub healthy: u64,
    /// Some upstream ejected, or a leaf past its renewal.
    pub degraded: u64,
    /// No upstream admitted.
    pub down: u64,
    /// Nothing probed yet.
    pub unknown: u64,
    /// All of them.
    pub total: u64,
}

impl HealthCounts {
    /// Counts one more service.
    pub fn add(&mut self, status: HealthStatus) {
        let counter = match status {
            HealthStatus::Degraded => &mut self.degraded,
            HealthStatus::Down => &mut self.down,
            HealthStatus::Healthy => &mut self.healthy,
            HealthStatus::Unknown => &mut self.unknown,
        };
        *counter += 1;
        self.total += 1;
    }
}

/// What was tried through our own listeners; `None` is not tried, or does not apply.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct CheckSet {
    /// A real query for the host.
    #[serde(default)]
    #[schema(required)]
    pub dns: Option<Check>,
    /// A real handshake for the host, verified against our roots.
    #[serde(default)]
    #[schema(required)]
    pub tls: Option<Check>,
}

/// The result of trying one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Check {
    /// Whether it worked.
    pub ok: bool,
    /// Why it did not.
    #[serde(default)]
    #[schema(required)]
    pub reason: Option<String>,
    /// When it was tried.
    #[serde(default)]
    #[schema(required, format = DateTime)]
    pub at: Option<String>,
}
