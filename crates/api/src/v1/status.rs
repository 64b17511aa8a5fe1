//! The state of the gateway as a whole.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::v1::audit::AuditEntry;
use crate::v1::health::HealthCounts;

/// `GET /api/v1/status`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GatewayStatus {
    /// Of the program.
    pub version: String,
    /// Whether every part is up and the gateway is not stopping.
    pub ready: bool,
    /// Parts that are not up, and why.
    #[serde(default)]
    #[schema(required)]
    pub not_ready: Vec<String>,
    /// Whether it is draining.
    #[serde(default)]
    #[schema(required)]
    pub stopping: bool,
    /// Since the start.
    pub uptime_seconds: u64,
    /// Of its process.
    pub pid: u32,
    /// Of the catalog.
    pub generation: u64,
    /// Of what each plane reads; they differ only while a publication is under way.
    pub tables: Tables,
    /// Where it listens.
    pub listen: Listening,
    /// The configured suffixes; the first is the default.
    pub domains: Vec<String>,
    /// What names answer with; empty means the address on which the query arrives.
    pub addresses: Vec<String>,
    /// How many services are in which state.
    pub services: HealthCounts,
    /// How many leaves are where in their life.
    pub certs: CertificateCounts,
    /// The newest entry of the record.
    #[serde(default)]
    #[schema(required)]
    pub last_audit: Option<AuditEntry>,
}

/// The versions of the published tables, as `generation.revision`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct Tables {
    /// Of the proxy's.
    pub routes: String,
    /// Of the zone.
    pub zone: String,
}

/// Real addresses, after port 0 and `auto:` were resolved; empty when a part is off.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct Listening {
    /// DNS over UDP and TCP.
    #[serde(default)]
    #[schema(required)]
    pub dns: Vec<String>,
    /// The proxy with TLS.
    #[serde(default)]
    #[schema(required)]
    pub https: Vec<String>,
    /// The proxy over HTTP/3, on UDP.
    #[serde(default)]
    pub http3: Vec<String>,
    /// The proxy in the clear.
    #[serde(default)]
    #[schema(required)]
    pub http: Vec<String>,
    /// This API over TCP.
    #[serde(default)]
    #[schema(required)]
    pub admin: Vec<String>,
    /// This API on a Unix socket.
    #[serde(default)]
    #[schema(required)]
    pub socket: Option<String>,
}

/// How many leaves are where in their life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct CertificateCounts {
    /// Good.
    pub valid: u64,
    /// Due for renewal.
    pub expiring: u64,
    /// Ended.
    pub expired: u64,
}

/// `GET /health` and `GET /ready`: one word and nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Liveness {
    /// `ok`, `ready` or `not ready`.
    pub status: String,
}
