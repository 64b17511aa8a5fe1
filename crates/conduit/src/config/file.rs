//! The configuration as it was written: sections and keys, values not judged yet.
//!
//! **Invariant:** an unknown section or key is an error with its place, and never ignored.

mod dns;

use conduit_monitor::channel::file::ChannelFile;
use conduit_monitor::rule::file::RuleFile;
use conduit_monitor::silence::quiet::QuietHoursFile;
use serde::Deserialize;

pub(crate) use self::dns::{Dns, DnsCache, DnsForward, DnsKey, DnsListTable, DnsRecord, DnsView};
use super::value::{Given, GivenList, Text};

/// Every section, each key given or not. The environment is laid over it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct File {
    pub(crate) gateway: Gateway,
    pub(crate) dns: Dns,
    pub(crate) tls: Tls,
    pub(crate) proxy: Proxy,
    pub(crate) upstreams: Upstreams,
    pub(crate) health: Health,
    pub(crate) monitor: Monitor,
    pub(crate) admin: Admin,
    pub(crate) log: Log,
    pub(crate) access_log: AccessLog,
    /// The same keys, of other lines.
    pub(crate) query_log: AccessLog,
    pub(crate) telemetry: Telemetry,
    /// Not a key of the file: the directory under `~/.config`, from `CONDUIT_APP_NAME`.
    #[serde(skip)]
    pub(crate) app_name: Given<Text>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Gateway {
    pub(crate) state_dir: Given<Text>,
    pub(crate) domains: GivenList,
    pub(crate) addresses: GivenList,
    pub(crate) user: Given<Text>,
    pub(crate) drain: Given<Text>,
    pub(crate) upgrade_drain: Given<Text>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Tls {
    pub(crate) enabled: Given<bool>,
    pub(crate) min_version: Given<Text>,
    pub(crate) leaf_validity: Given<Text>,
    pub(crate) organization: Given<Text>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Proxy {
    pub(crate) enabled: Given<bool>,
    pub(crate) https_listen: GivenList,
    pub(crate) http3: Given<bool>,
    pub(crate) http_listen: GivenList,
    pub(crate) workers: Given<Text>,
    pub(crate) access_log: Given<bool>,
    pub(crate) trusted_proxies: GivenList,
    pub(crate) limits: ProxyLimits,
    /// Not a key of the file: a port that replaces the one in each address of `https_listen`.
    #[serde(skip)]
    pub(crate) https_port: Given<Text>,
    /// The same for `http_listen`.
    #[serde(skip)]
    pub(crate) http_port: Given<Text>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ProxyLimits {
    pub(crate) connections: Given<Text>,
    pub(crate) connections_per_client: Given<Text>,
    pub(crate) idle_timeout: Given<Text>,
    pub(crate) head_timeout: Given<Text>,
    pub(crate) head_size: Given<Text>,
    pub(crate) body_rate: Given<Text>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Upstreams {
    pub(crate) allow: GivenList,
    pub(crate) allow_link_local: Given<bool>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Health {
    pub(crate) interval: Given<Text>,
    pub(crate) timeout: Given<Text>,
    pub(crate) path: Given<Text>,
    pub(crate) unhealthy_after: Given<Text>,
    pub(crate) healthy_after: Given<Text>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Monitor {
    pub(crate) enabled: Given<bool>,
    pub(crate) interval: Given<Text>,
    pub(crate) docker_socket: Given<Text>,
    pub(crate) register_containers: Given<bool>,
    pub(crate) units: GivenList,
    pub(crate) history: MonitorHistory,
    pub(crate) rules: Given<Vec<super::value::Sourced<RuleFile>>>,
    pub(crate) channels: Given<Vec<super::value::Sourced<ChannelFile>>>,
    pub(crate) quiet_hours: Given<Vec<super::value::Sourced<QuietHoursFile>>>,
    pub(crate) servers: Given<Vec<super::value::Sourced<MonitoredServer>>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct MonitorHistory {
    pub(crate) fine: Given<Text>,
    pub(crate) coarse: Given<Text>,
    pub(crate) size: Given<Text>,
}

/// One machine to look at, as a table of `monitor.servers`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MonitoredServer {
    pub(crate) host: Text,
    #[serde(default)]
    pub(crate) label: Option<Text>,
    #[serde(default)]
    pub(crate) user: Option<Text>,
    #[serde(default)]
    pub(crate) port: Option<Text>,
    #[serde(default)]
    pub(crate) key: Option<Text>,
    #[serde(default)]
    pub(crate) jump: Option<Text>,
    #[serde(default)]
    pub(crate) known_hosts: Option<Text>,
    #[serde(default)]
    pub(crate) tags: Vec<Text>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Admin {
    pub(crate) socket: Given<Text>,
    pub(crate) listen: Given<Text>,
    pub(crate) oidc: AdminOidc,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AdminOidc {
    pub(crate) issuer: Given<Text>,
    pub(crate) client_id: Given<Text>,
    pub(crate) secret_file: Given<Text>,
    pub(crate) secret_env: Given<Text>,
    pub(crate) label: Given<Text>,
    pub(crate) scopes: GivenList,
    pub(crate) name_claim: Given<Text>,
    pub(crate) roles_claim: Given<Text>,
    pub(crate) roles: AdminOidcRoles,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(crate) struct AdminOidcRoles {
    pub(crate) admin: GivenList,
    pub(crate) operator: GivenList,
    pub(crate) ca_officer: GivenList,
    pub(crate) auditor: GivenList,
    pub(crate) viewer: GivenList,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Log {
    pub(crate) level: Given<Text>,
    pub(crate) format: Given<Text>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AccessLog {
    pub(crate) output: Given<Text>,
    pub(crate) format: Given<Text>,
    pub(crate) rotate_size: Given<Text>,
    pub(crate) keep: Given<Text>,
    pub(crate) compress: Given<bool>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Telemetry {
    pub(crate) otlp: Given<Text>,
    pub(crate) sample_ratio: Given<f64>,
    pub(crate) service_name: Given<Text>,
    pub(crate) continue_traces: Given<Text>,
    pub(crate) timeout: Given<Text>,
}
