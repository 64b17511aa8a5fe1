//! `services.json`: every row of the registry, in the seeds' fields.

use std::path::Path;

use conduit_core::catalog::Generation;
use conduit_core::clock::Timestamp;
use conduit_core::health::Health;
use conduit_core::leaf::Algorithm;
use conduit_core::name::ServiceName;
use conduit_core::service::{Monitoring, ProbeSpec, TlsMode};
use serde::Serialize;

use super::file;
use crate::error::RegistryError;
use crate::row::{LeafSummary, RowStatus, ServiceRow};

/// What the prober knows about a service.
#[derive(Debug, Clone, PartialEq)]
pub struct RowHealth {
    /// The word for it.
    pub health: Health,
    /// When an upstream was last probed.
    pub last_probe_at: Option<Timestamp>,
    /// How long the last answer took.
    pub response_time_ms: Option<f64>,
}

/// Renders `services.json`; `health` knows about active services.
pub fn services_json(
    rows: &[ServiceRow],
    generation: Generation,
    health: impl Fn(&ServiceName) -> Option<RowHealth>,
) -> String {
    let file = ServicesFile {
        version: FORMAT_VERSION,
        generation: generation.0,
        services: rows.iter().map(|row| ServiceView::of(row, &health)).collect(),
    };
    let mut text = serde_json::to_string_pretty(&file)
        // Invariant: texts, numbers and lists always serialize.
        .unwrap_or_default();
    text.push('\n');
    text
}

/// Replaces `services.json` in a state directory.
///
/// # Errors
/// When it cannot be written; the old one is still whole then.
pub fn write_services(dir: &Path, json: &str) -> Result<(), RegistryError> {
    let path = dir.join(SERVICES_FILE);
    file::replace(&path, json.as_bytes()).map_err(|source| RegistryError::View { path, source })
}

#[derive(Serialize)]
struct ServicesFile<'a> {
    version: u32,
    generation: u64,
    services: Vec<ServiceView<'a>>,
}

/// The fields in the seeds' order, then ours.
#[derive(Serialize)]
struct ServiceView<'a> {
    name: &'a str,
    upstream: String,
    upstreams: Vec<String>,
    domain: &'a str,
    aliases: Vec<&'a str>,
    protocol: &'static str,
    status: &'static str,
    registered_at: String,
    deregistered_at: Option<String>,
    health_check: Option<&'a str>,
    health_status: Option<&'static str>,
    last_health_check: Option<String>,
    response_time_ms: Option<f64>,
    tls: Option<TlsView>,
    monitoring: Option<MonitoringView<'a>>,
    dns: &'static str,
    when_all_ejected: &'static str,
}

impl<'a> ServiceView<'a> {
    fn of(row: &'a ServiceRow, health: &impl Fn(&ServiceName) -> Option<RowHealth>) -> Self {
        let service = &row.service;
        let (deregistered_at, known) = match row.status {
            RowStatus::Active => {
                let unknown = RowHealth {
                    health: Health::Unknown,
                    last_probe_at: None,
                    response_time_ms: None,
                };
                (None, Some(health(&service.name).unwrap_or(unknown)))
            }
            RowStatus::Inactive { deregistered_at } => (Some(deregistered_at), None),
        };
        let upstreams: Vec<String> = service.upstreams.iter().map(ToString::to_string).collect();
        let last_probe_at = known.as_ref().and_then(|known| known.last_probe_at);
        Self {
            name: service.name.as_str(),
            upstream: upstreams.first().cloned().unwrap_or_default(),
            upstreams,
            domain: service.host().as_str(),
            aliases: service.hosts.iter().skip(1).map(|host| host.as_str()).collect(),
            protocol: service.protocol.as_str(),
            status: row.status.as_str(),
            registered_at: service.registered_at.to_string(),
            deregistered_at: deregistered_at.map(|at| at.to_string()),
            health_check: match &service.probe {
                ProbeSpec::Path(path) => Some(path.as_str()),
                ProbeSpec::Connect | ProbeSpec::Default => None,
            },
            health_status: known.as_ref().map(|known| known.health.as_str()),
            last_health_check: last_probe_at.map(|at| at.to_string()),
            response_time_ms: known.and_then(|known| known.response_time_ms),
            tls: (service.tls == TlsMode::Issued).then(|| TlsView::of(&row.leaves)),
            monitoring: MonitoringView::of(&service.monitoring),
            dns: service.dns.as_str(),
            when_all_ejected: service.when_all_ejected.as_str(),
        }
    }
}

/// The leaf that browsers see; null fields when none is stored.
#[derive(Serialize)]
struct TlsView {
    not_after: Option<String>,
    fingerprint_sha256: Option<String>,
}

impl TlsView {
    fn of(leaves: &[LeafSummary]) -> Self {
        let leaf = leaves.iter().find(|leaf| leaf.algorithm == Algorithm::EcdsaP256);
        Self {
            not_after: leaf.map(|leaf| leaf.not_after.to_string()),
            fingerprint_sha256: leaf.map(|leaf| leaf.fingerprint.to_string()),
        }
    }
}

#[derive(Serialize)]
struct MonitoringView<'a> {
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    container_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ssh_host: Option<&'a str>,
}

impl<'a> MonitoringView<'a> {
    fn of(monitoring: &'a Monitoring) -> Option<Self> {
        (*monitoring != Monitoring::default()).then_some(Self {
            kind: monitoring.kind.as_deref(),
            container_name: monitoring.container_name.as_deref(),
            ssh_host: monitoring.ssh_host.as_deref(),
        })
    }
}

/// The view's place in the state directory.
pub const SERVICES_FILE: &str = "services.json";
/// The seeds' `"version"`.
pub(crate) const FORMAT_VERSION: u32 = 1;
