//! Traffic: what went through the proxy, and what is under way.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `GET /api/v1/traffic`. Counts only grow while the gateway runs and a service stays registered; a
/// rate is the difference of two answers over the difference of their `uptime_ms`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TrafficList {
    /// When it was counted, in milliseconds since the gateway started.
    pub uptime_ms: u64,
    /// Of all services that are registered now.
    pub total: Traffic,
    /// By service; those that were never asked for are not there.
    pub services: BTreeMap<String, Traffic>,
    /// What `after` takes to go on; absent at the end, and when no limit was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_after: Option<String>,
}

/// What went through since the first request. Services of byte streams count connections where
/// others count requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct Traffic {
    /// Requests that ended, and connections that were opened.
    pub requests: u64,
    /// Of them, those that were answered with a status of 500 or more.
    pub errors: u64,
    /// Requests under way, and connections that are open.
    pub in_flight: u64,
    /// Bytes that came from clients, without heads.
    pub received_bytes: u64,
    /// Bytes that went to clients, without heads.
    pub sent_bytes: u64,
    /// How long the requests that ended took together, in milliseconds.
    pub took_ms: u64,
}
