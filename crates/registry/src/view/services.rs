//! `services.json`: every row of the registry, in the seeds' fields.
//!
//! **Invariant:** it is written row by row; memory does not grow with the number of services.

use std::cell::{Cell, RefCell};
use std::io::{self, Write};
use std::path::Path;

use conduit_core::catalog::Generation;
use conduit_core::clock::Timestamp;
use conduit_core::health::Health;
use conduit_core::leaf::Algorithm;
use conduit_core::name::ServiceName;
use conduit_core::policy::Policy;
use conduit_core::service::{Monitoring, ProbeSpec, TlsMode};
use conduit_core::title::Title;
use rusqlite::Connection;
use serde::ser::{Error, SerializeSeq};
use serde::{Serialize, Serializer};

use super::file::{Replacement, failed};
use crate::error::RegistryError;
use crate::row::{LeafSummary, RowStatus, ServiceRow};
use crate::store::{self, ServiceRows};

/// What the prober knows about a service.
#[derive(Debug, Clone, PartialEq)]
pub struct RowHealth {
    /// The word for it.
    pub health: Health,
    /// When an upstream was last probed.
    pub last_probe_at: Option<Timestamp>,
    /// How long the last answer took.
    pub response_time_ms: Option<u64>,
}

/// Writes the next `services.json` of a state directory, as of one moment, row by row.
pub(crate) fn write(
    connection: &Connection,
    dir: &Path,
    health: impl Fn(&ServiceName) -> Option<RowHealth>,
) -> Result<Replacement, RegistryError> {
    let path = dir.join(SERVICES_FILE);
    let mut file = Replacement::begin(&path)?;
    // Generation and rows of one commit.
    let moment = connection.unchecked_transaction().map_err(RegistryError::Read)?;
    let generation = store::generation(&moment)?;
    let mut statement = store::select_rows(&moment, true)?;
    let rows = ServiceRows::of(&mut statement)?;
    render(file.out(), &path, generation, rows, health)?;
    Ok(file)
}

/// Renders rows as they come; `path` is for errors, and `health` knows about active services.
pub(crate) fn render(
    mut out: impl Write,
    path: &Path,
    generation: Generation,
    rows: impl IntoIterator<Item = Result<ServiceRow, RegistryError>>,
    health: impl Fn(&ServiceName) -> Option<RowHealth>,
) -> Result<(), RegistryError> {
    let services = Stream { rows: RefCell::new(rows.into_iter()), health, fault: Cell::new(None) };
    let file = ServicesFile { version: FORMAT_VERSION, generation: generation.0, services };
    let written = serde_json::to_writer_pretty(&mut out, &file);
    if let Some(fault) = file.services.fault.take() {
        return Err(fault);
    }
    let written = written.map_err(io::Error::from).and_then(|()| out.write_all(b"\n"));
    written.map_err(failed(path))
}

#[derive(Serialize)]
struct ServicesFile<S> {
    version: u32,
    generation: u64,
    services: S,
}

/// A list that is made while it is written; it can be written once.
struct Stream<I, H> {
    rows: RefCell<I>,
    health: H,
    /// Why there is no next row.
    fault: Cell<Option<RegistryError>>,
}

impl<I, H> Serialize for Stream<I, H>
where
    I: Iterator<Item = Result<ServiceRow, RegistryError>>,
    H: Fn(&ServiceName) -> Option<RowHealth>,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        for row in &mut *self.rows.borrow_mut() {
            match row {
                Ok(row) => list.serialize_element(&ServiceView::of(&row, &self.health))?,
                Err(error) => {
                    self.fault.set(Some(error));
                    return Err(S::Error::custom("a row cannot be read"));
                }
            }
        }
        list.end()
    }
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
    response_time_ms: Option<u64>,
    tls: Option<TlsView>,
    monitoring: MonitoringView<'a>,
    dns: &'static str,
    when_all_ejected: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    #[serde(skip_serializing_if = "Policy::is_empty")]
    policy: &'a Policy,
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
            title: service.title.as_ref().map(Title::as_str),
            policy: &service.policy,
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

/// The seeds have an object, empty where nothing is known.
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
    fn of(monitoring: &'a Monitoring) -> Self {
        Self {
            kind: monitoring.kind.as_deref(),
            container_name: monitoring.container_name.as_deref(),
            ssh_host: monitoring.ssh_host.as_deref(),
        }
    }
}

/// The view's place in the state directory.
pub const SERVICES_FILE: &str = "services.json";
/// The seeds' `"version"`.
pub(crate) const FORMAT_VERSION: u32 = 1;
