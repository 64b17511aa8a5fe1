//! Services: what is registered, and the wishes that change it.
//!
//! **Invariant:** a [`Service`] holds every field of the seeds' `services.json` row under the same
//! name; the rest is added beside them.

use conduit_core::policy::Policy;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::v1::health::{CheckSet, HealthStatus, UpstreamHealth};
use crate::v1::wire_words;

/// `GET /api/v1/services`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ServiceList {
    /// Of the catalog the list was made from.
    pub generation: u64,
    /// Active services by name; inactive ones too when they were asked for.
    pub services: Vec<Service>,
    /// What `after` takes to go on; absent at the end, and when no limit was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_after: Option<String>,
}

/// `GET /api/v1/services/{name}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ServiceReply {
    /// Of the catalog it was read from.
    pub generation: u64,
    /// The service.
    pub service: Service,
    /// What `If-Match` takes for the service as it is registered now; also in the header `ETag`.
    pub etag: String,
}

/// One registered service, as it is and as it is doing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Service {
    /// What it is called.
    pub name: String,
    /// What people read instead; text, never markup.
    #[serde(default)]
    #[schema(required)]
    pub title: Option<String>,
    /// The first of its upstreams, as in the seeds.
    pub upstream: String,
    /// Where its traffic goes.
    pub upstreams: Vec<String>,
    /// Its primary host.
    pub domain: String,
    /// Further hosts.
    #[serde(default)]
    #[schema(required)]
    pub aliases: Vec<String>,
    /// What the upstreams speak: `http`, `https`, `h2c` or `tcp`.
    pub protocol: String,
    /// Whether it is registered now.
    pub status: ServiceStatus,
    /// When it was registered.
    #[schema(format = DateTime)]
    pub registered_at: String,
    /// When it was deregistered, for inactive ones.
    #[serde(default)]
    #[schema(required, format = DateTime)]
    pub deregistered_at: Option<String>,
    /// The path that is probed; `null` for the default and for connecting only.
    #[serde(default)]
    #[schema(required)]
    pub health_check: Option<String>,
    /// How it is doing.
    pub health_status: HealthStatus,
    /// Why it is not healthy, such as `connection refused`.
    #[serde(default)]
    #[schema(required)]
    pub health_reason: Option<String>,
    /// When an upstream was last probed.
    #[serde(default)]
    #[schema(required, format = DateTime)]
    pub last_health_check: Option<String>,
    /// How long the last successful probe took.
    #[serde(default)]
    #[schema(required)]
    pub response_time_ms: Option<u64>,
    /// Its leaves, when it has any.
    #[serde(default)]
    #[schema(required)]
    pub tls: Option<TlsSummary>,
    /// What the monitor ties it to.
    #[serde(default)]
    #[schema(required)]
    pub monitoring: Monitoring,
    /// How to open it, with the port when it is not the scheme's own.
    #[serde(default)]
    #[schema(required)]
    pub url: Option<String>,
    /// What its hosts resolve to: `gateway` or `direct`.
    pub dns: String,
    /// What happens when no upstream is admitted: `fail` or `try`.
    pub when_all_ejected: String,
    /// What is asked of its traffic, as it was asked, in the form of [`Policy`]. Secrets are
    /// `(hidden)` for callers who are not admins, and cannot be sent back like that.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schema(value_type = Policy)]
    pub policy: Map<String, Value>,
    /// The same with what its preset adds; where one service is shown, and when that is more.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schema(value_type = Policy)]
    pub effective_policy: Map<String, Value>,
    /// Each upstream, as the prober sees it.
    #[serde(default)]
    #[schema(required)]
    pub upstream_health: Vec<UpstreamHealth>,
    /// What was tried through our own listeners.
    #[serde(default)]
    #[schema(required)]
    pub checks: CheckSet,
}

wire_words! {
    /// Whether a service is registered now.
    ServiceStatus {
        /// It is.
        Active => "active",
        /// It was deregistered; the row stays.
        Inactive => "inactive",
    }
}

/// When a service's leaves expire, and which certificate that is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TlsSummary {
    /// When the first of its leaves expires.
    #[schema(format = DateTime)]
    pub not_after: String,
    /// Of the ECDSA P-256 leaf, which every client accepts.
    pub fingerprint_sha256: String,
}

/// What the monitor should tie a service to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Monitoring {
    /// `container`, `gpu` or another word of the seeds.
    #[serde(rename = "type", default)]
    pub kind: Option<String>,
    /// The container that runs it.
    #[serde(default)]
    pub container_name: Option<String>,
    /// The machine that runs it, as an SSH destination.
    #[serde(default)]
    pub ssh_host: Option<String>,
}

/// `POST /api/v1/services`, and one element of a bulk. Unknown fields are refused.
///
/// One of `host`, `upstream` and `upstreams` is needed; `host` is the seeds' word for an upstream's
/// address. `tls: false` and `no_tls: true` say the same.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterService {
    /// What it is to be called.
    pub name: String,
    /// What people read instead: at most 80 characters, none of them control characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// An upstream, `HOST:PORT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// An upstream, `HOST:PORT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<String>,
    /// Upstreams, each `HOST:PORT`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub upstreams: Vec<String>,
    /// A configured suffix, or a whole host under one; the default suffix when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// Further hosts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// A preset, or `auto` to have the first upstream looked at. The same as `policy.preset`, which
    /// cannot be `auto`. With one, an upstream may lack its port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// `http`, `https`, `h2c` or `tcp`; the default is what an `https://` upstream or the preset
    /// says, and then `http`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// Whether it gets leaves of ours; the default is yes, and no for `tcp`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<bool>,
    /// The opposite of `tls`, as the original spelled it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_tls: Option<bool>,
    /// `gateway` or `direct`; the default follows from `protocol` and `tls`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns: Option<String>,
    /// The path to probe.
    #[serde(default, skip_serializing_if = "Option::is_none", alias = "health_path")]
    pub health: Option<String>,
    /// `fail` (the default) or `try`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when_all_ejected: Option<String>,
    /// What the monitor ties it to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monitoring: Option<Monitoring>,
    /// What is asked of its traffic.
    // Apart: most ask for nothing, and thousands may come at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Box<Policy>>,
    /// Wait up to this many seconds for the service to become healthy (at most 60).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_healthy: Option<u64>,
    /// Replace an active service of this name.
    #[serde(default, skip_serializing_if = "is_false", alias = "overwrite")]
    pub replace: bool,
    /// Say what would happen, and change nothing.
    #[serde(default, skip_serializing_if = "is_false")]
    pub dry_run: bool,
}

/// `POST /api/v1/services:bulk`: all of them, or none. Unknown fields are refused.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterBulk {
    /// What to register; `replace`, `dry_run` and `wait_healthy` of an element are not allowed.
    pub services: Vec<RegisterService>,
    /// Replace active services of these names; unchanged ones stay as they are.
    #[serde(default)]
    pub replace: bool,
    /// Deregister every active service that is not in the list.
    #[serde(default)]
    pub prune: bool,
    /// Say what would happen, and change nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// The answer to a registration: 201 when something new is there, else 200.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RegisterReply {
    /// After it; the one before it when nothing changed.
    pub generation: u64,
    /// Whether a generation was made.
    pub changed: bool,
    /// Whether it was only asked what would happen.
    #[serde(default)]
    #[schema(required)]
    pub dry_run: bool,
    /// What became of it.
    pub outcome: OutcomeKind,
    /// The service as it is now; after a dry run, as it would be.
    #[serde(default)]
    #[schema(required)]
    pub service: Option<Service>,
    /// Whether the first probe had answered when this was written.
    pub probed: bool,
    /// What was found behind the first upstream, when the preset was `auto`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<Fingerprint>,
}

/// What was found behind an upstream, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Fingerprint {
    /// The preset that was taken.
    pub preset: String,
    /// Why, such as `GET /api/version answered 0.5.1`.
    pub evidence: String,
}

/// The answer to a bulk registration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BulkReply {
    /// After it; the one before it when nothing changed.
    pub generation: u64,
    /// Whether a generation was made.
    pub changed: bool,
    /// Whether it was only asked what would happen.
    #[serde(default)]
    #[schema(required)]
    pub dry_run: bool,
    /// What became of each, deregistered ones included.
    pub outcomes: Vec<Outcome>,
}

/// The answer to a deregistration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeregisterReply {
    /// After it.
    pub generation: u64,
    /// The service that is no longer active.
    pub name: String,
}

/// What became of one service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Outcome {
    /// Which service.
    pub name: String,
    /// What became of it.
    pub outcome: OutcomeKind,
    /// What was found behind its first upstream, when its preset was `auto`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<Fingerprint>,
}

wire_words! {
    /// What a mutation made of a service.
    OutcomeKind {
        /// It is new.
        Created => "created",
        /// It is no longer active.
        Deregistered => "deregistered",
        /// Its leaves are new.
        Reissued => "reissued",
        /// It is another than before.
        Replaced => "replaced",
        /// It is as it was.
        Unchanged => "unchanged",
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_false(value: &bool) -> bool {
    !*value
}

/// `GET /api/v1/services/{name}/requests`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RequestList {
    /// Whether access lines are written to anywhere but the daemon's own log; where they are not, there
    /// is nothing to list.
    pub logged: bool,
    /// The fields of the access log's JSON lines, the newest first.
    #[schema(value_type = Vec<Object>)]
    pub requests: Vec<Map<String, Value>>,
}
