//! Routes: what the proxy serves now.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::v1::health::{HealthStatus, UpstreamHealth};
use crate::v1::traffic::Traffic;

/// `GET /api/v1/routing`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RouteList {
    /// Of the table that routes now.
    pub version: String,
    /// Every route, by host.
    pub routes: Vec<Route>,
    /// What `after` takes to go on; absent at the end, and when no limit was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_after: Option<String>,
}

/// One route.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Route {
    /// The service it belongs to.
    pub name: String,
    /// The host.
    pub domain: String,
    /// The first of its upstreams.
    pub upstream: String,
    /// Its pool.
    pub upstreams: Vec<UpstreamHealth>,
    /// Whether it is served with a leaf of ours.
    pub tls: bool,
    /// How its service is doing.
    pub health_status: HealthStatus,
    /// How long the last successful probe took.
    #[serde(default)]
    #[schema(required)]
    pub response_time_ms: Option<u64>,
    /// When an upstream was last probed.
    #[serde(default)]
    #[schema(required, format = DateTime)]
    pub last_checked: Option<String>,
    /// What went through for its service, over all its hosts.
    #[serde(default)]
    #[schema(required)]
    pub traffic: Traffic,
}
