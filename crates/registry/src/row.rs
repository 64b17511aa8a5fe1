//! How services and tokens lie in the database, and how they are read back.
//!
//! **Invariant:** a row becomes a domain value by the same parsing as at the door, so a damaged
//! row is an error and never an illegal value.

use std::fmt;
use std::str::FromStr;

use conduit_core::actor::Role;
use conduit_core::catalog::Generation;
use conduit_core::clock::Timestamp;
use conduit_core::hold::Hold;
use conduit_core::leaf::{Algorithm, Fingerprint};
use conduit_core::name::{Host, ServiceName};
use conduit_core::policy::Policy;
use conduit_core::scope::Scopes;
use conduit_core::service::{Monitoring, ProbePath, ProbeSpec, Service};
use conduit_core::title::Title;
use conduit_core::upstream::UpstreamAddr;
use rusqlite::Row;
use serde::{Deserialize, Serialize};

use crate::error::RegistryError;
use crate::token::Token;

/// A row of the registry, active or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceRow {
    /// What was registered.
    pub service: Service,
    /// Whether it still is.
    pub status: RowStatus,
    /// The generation that it came with.
    pub generation: Generation,
    /// The leaves of an active row.
    pub leaves: Vec<LeafSummary>,
}

/// Whether a row is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowStatus {
    /// In force.
    Active,
    /// History.
    Inactive {
        /// When it was replaced or deregistered.
        deregistered_at: Timestamp,
    },
}

impl RowStatus {
    /// The seeds' word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Inactive { .. } => "inactive",
        }
    }
}

/// What is public about a stored leaf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeafSummary {
    /// Of its key.
    pub algorithm: Algorithm,
    /// The intermediate that signed it.
    pub issuer: Fingerprint,
    /// Of the certificate.
    pub fingerprint: Fingerprint,
    /// Valid from.
    pub not_before: Timestamp,
    /// Valid until.
    pub not_after: Timestamp,
}

/// A token as it is listed: everything but its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRow {
    /// How to name it.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// What its holder may do.
    pub role: Role,
    /// Of which parts; none is all.
    pub scopes: Scopes,
    /// Who made it.
    pub created_by: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is worthless, if ever.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked, if it was.
    pub revoked_at: Option<Timestamp>,
}

/// The text columns of a service, as they are written.
pub(crate) struct ServiceColumns {
    pub(crate) hosts: String,
    pub(crate) upstreams: String,
    pub(crate) probe: String,
    pub(crate) monitoring: String,
    pub(crate) policy: String,
    pub(crate) holds: String,
}

impl ServiceColumns {
    pub(crate) fn of(service: &Service) -> Self {
        Self {
            hosts: json_list(&service.hosts),
            upstreams: json_list(&service.upstreams),
            probe: match &service.probe {
                ProbeSpec::Connect => PROBE_CONNECT.to_owned(),
                ProbeSpec::Default => PROBE_DEFAULT.to_owned(),
                ProbeSpec::Path(path) => path.as_str().to_owned(),
            },
            monitoring: serde_json::to_string(&MonitoringColumn::of(&service.monitoring))
                // Invariant: three optional texts always serialize.
                .unwrap_or_else(|_| "{}".to_owned()),
            policy: serde_json::to_string(&*service.policy)
                // Invariant: texts, numbers and lists of them always serialize.
                .unwrap_or_else(|_| "{}".to_owned()),
            holds: holds_text(&service.holds),
        }
    }
}

/// Reads a row of [`SERVICE_COLUMNS`].
pub(crate) fn service(row: &Row<'_>) -> Result<ServiceRow, RegistryError> {
    let text = |index| row.get::<_, String>(index).map_err(RegistryError::Read);
    let time = |index| row.get::<_, i64>(index).map_err(RegistryError::Read);
    let monitoring: MonitoringColumn = from_json(&text(8)?)?;
    let deregistered_at: Option<i64> = row.get(12).map_err(RegistryError::Read)?;
    let title: Option<String> = row.get(15).map_err(RegistryError::Read)?;
    let service = Service {
        name: bad(ServiceName::parse(&text(0)?))?,
        title: title.as_deref().map(|title| bad(Title::parse(title))).transpose()?,
        hosts: list(&text(1)?, Host::parse)?,
        upstreams: list(&text(2)?, UpstreamAddr::parse)?,
        protocol: word(&text(3)?)?,
        tls: word(&text(4)?)?,
        dns: word(&text(5)?)?,
        probe: probe(&text(6)?)?,
        when_all_ejected: word(&text(7)?)?,
        monitoring: monitoring.into_domain(),
        policy: policy(&text(13)?)?.shared(),
        holds: holds(&text(14)?)?,
        registered_at: timestamp(time(11)?),
    };
    Ok(ServiceRow {
        service,
        status: match (text(9)?.as_str(), deregistered_at) {
            ("active", None) => RowStatus::Active,
            ("inactive", Some(at)) => RowStatus::Inactive { deregistered_at: timestamp(at) },
            (other, _) => return Err(damaged(SERVICES, format!("status {other:?}"))),
        },
        generation: Generation(u64::try_from(time(10)?).unwrap_or(0)),
        leaves: Vec::new(),
    })
}

/// Reads a row of [`TOKEN_COLUMNS`], with the hash for the door.
pub(crate) fn token(row: &Row<'_>) -> Result<(TokenRow, Token), RegistryError> {
    let text = |index| row.get::<_, String>(index).map_err(RegistryError::Read);
    let optional_time = |index| {
        let micros: Option<i64> = row.get(index).map_err(RegistryError::Read)?;
        Ok::<_, RegistryError>(micros.map(timestamp))
    };
    let role = text(2)?;
    let listed = TokenRow {
        id: text(0)?,
        name: text(1)?,
        role: Role::from_str(&role).map_err(|error| damaged(TOKENS, error))?,
        scopes: Scopes::parse(text(8)?.split_whitespace())
            .map_err(|error| damaged(TOKENS, error))?,
        created_by: text(4)?,
        created_at: timestamp(row.get(5).map_err(RegistryError::Read)?),
        expires_at: optional_time(6)?,
        revoked_at: optional_time(7)?,
    };
    let token = Token {
        id: listed.id.clone(),
        name: listed.name.clone(),
        role: listed.role,
        scopes: listed.scopes.clone(),
        hash: row.get(3).map_err(RegistryError::Read)?,
        expires_at: listed.expires_at,
    };
    Ok((listed, token))
}

/// Reads the five public columns of a leaf, from `first` on.
pub(crate) fn leaf_summary(row: &Row<'_>, first: usize) -> Result<LeafSummary, RegistryError> {
    let algorithm: String = row.get(first).map_err(RegistryError::Read)?;
    let bytes = |index| row.get::<_, [u8; 32]>(index).map_err(RegistryError::Read);
    let time = |index| row.get::<_, i64>(index).map_err(RegistryError::Read);
    Ok(LeafSummary {
        algorithm: Algorithm::from_str(&algorithm).map_err(|error| damaged(LEAVES, error))?,
        issuer: Fingerprint(bytes(first + 1)?),
        fingerprint: Fingerprint(bytes(first + 2)?),
        not_before: timestamp(time(first + 3)?),
        not_after: timestamp(time(first + 4)?),
    })
}

/// Says that a row holds what we never write.
pub(crate) fn damaged(table: &'static str, detail: impl fmt::Display) -> RegistryError {
    RegistryError::BadRow { table, detail: detail.to_string() }
}

/// The `monitoring` column.
#[derive(Serialize, Deserialize)]
struct MonitoringColumn {
    #[serde(rename = "type")]
    kind: Option<String>,
    container_name: Option<String>,
    ssh_host: Option<String>,
}

impl MonitoringColumn {
    fn of(monitoring: &Monitoring) -> Self {
        Self {
            kind: monitoring.kind.clone(),
            container_name: monitoring.container_name.clone(),
            ssh_host: monitoring.ssh_host.clone(),
        }
    }

    fn into_domain(self) -> Monitoring {
        Monitoring { kind: self.kind, container_name: self.container_name, ssh_host: self.ssh_host }
    }
}

/// One element of the `holds` column; times are microseconds, as in the other columns.
#[derive(Serialize, Deserialize)]
struct HoldColumn {
    upstream: String,
    kind: String,
    by: String,
    since: i64,
}

fn holds_text(holds: &[Hold]) -> String {
    let columns = holds.iter().map(|hold| HoldColumn {
        upstream: hold.upstream.to_string(),
        kind: hold.kind.to_string(),
        by: hold.by.clone(),
        since: hold.since.micros(),
    });
    // Invariant: texts and numbers always serialize.
    serde_json::to_string(&columns.collect::<Vec<_>>()).unwrap_or_else(|_| "[]".to_owned())
}

fn holds(json: &str) -> Result<Vec<Hold>, RegistryError> {
    let columns: Vec<HoldColumn> = from_json(json)?;
    let holds = columns.into_iter().map(|column| {
        Ok(Hold {
            upstream: bad(UpstreamAddr::parse(&column.upstream))?,
            kind: word(&column.kind)?,
            by: column.by,
            since: timestamp(column.since),
        })
    });
    holds.collect()
}

fn json_list<T: ToString>(items: &[T]) -> String {
    let texts: Vec<String> = items.iter().map(ToString::to_string).collect();
    // Invariant: a list of texts always serializes.
    serde_json::to_string(&texts).unwrap_or_else(|_| "[]".to_owned())
}

fn list<T, E: fmt::Display>(
    json: &str,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<Vec<T>, RegistryError> {
    let texts: Vec<String> = from_json(json)?;
    if texts.is_empty() {
        return Err(damaged(SERVICES, "an empty list"));
    }
    let mut values: Vec<T> = texts.iter().map(|text| bad(parse(text))).collect::<Result<_, _>>()?;
    // Most have one; they stay as long as their service.
    values.shrink_to_fit();
    Ok(values)
}

fn from_json<T: for<'de> Deserialize<'de>>(json: &str) -> Result<T, RegistryError> {
    bad(serde_json::from_str(json))
}

fn policy(json: &str) -> Result<Policy, RegistryError> {
    let policy: Policy = from_json(json)?;
    bad(policy.with_preset().check())?;
    Ok(policy)
}

fn probe(text: &str) -> Result<ProbeSpec, RegistryError> {
    match text {
        PROBE_CONNECT => Ok(ProbeSpec::Connect),
        PROBE_DEFAULT => Ok(ProbeSpec::Default),
        path => bad(ProbePath::parse(path)).map(ProbeSpec::Path),
    }
}

fn word<T: FromStr<Err: fmt::Display>>(text: &str) -> Result<T, RegistryError> {
    bad(text.parse())
}

fn bad<T, E: fmt::Display>(result: Result<T, E>) -> Result<T, RegistryError> {
    result.map_err(|error| damaged(SERVICES, error))
}

fn timestamp(micros: i64) -> Timestamp {
    Timestamp::from_micros(i128::from(micros))
}

/// The columns of `services` in the order that [`service`] reads.
pub(crate) const SERVICE_COLUMNS: &str = "s.name, s.hosts, s.upstreams, s.protocol, s.tls, s.dns, \
    s.probe, s.when_all_ejected, s.monitoring, s.status, s.generation, s.registered_at, \
    s.deregistered_at, s.policy, s.holds, s.title";
/// How many they are.
pub(crate) const SERVICE_COLUMN_COUNT: usize = 16;
/// The columns of `tokens` in the order that [`token`] reads.
pub(crate) const TOKEN_COLUMNS: &str = "id, name, role, hash, created_by, created_at, expires_at, revoked_at, \
     scopes";
const PROBE_CONNECT: &str = "connect";
const PROBE_DEFAULT: &str = "default";
const SERVICES: &str = "services";
const TOKENS: &str = "tokens";
pub(crate) const LEAVES: &str = "leaves";
