//! The configuration: read once, judged once, then a value that cannot be wrong.
//!
//! Precedence: defaults < file < environment file < `CONDUIT_*` < flags. [`Source::load`] does the
//! whole; `conduit config check` does the same and stops.
//!
//! **Invariant:** a [`Config`] holds parsed values within their limits, absolute paths, and no two
//! listeners on the same address.

mod check;
mod dns;
pub(crate) mod edit;
mod env;
mod error;
mod file;
mod keys;
mod lookup;
mod oidc;
mod query_log;
mod value;

#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use conduit_core::domains::Domains;
use conduit_core::node::Node;
use conduit_core::service::ProbePath;
use conduit_monitor::channel::file::ChannelFile;
use conduit_monitor::rule::file::RuleFile;
use conduit_monitor::silence::quiet::QuietHoursFile;
use conduit_proxy::trace::{Callers, Ratio};
use ipnet::IpNet;

pub use self::dns::{Dns, DnsKey, DnsListen, DnsPeers, Dnssec, Mdns};
pub use self::error::ConfigError;
pub use self::keys::Changes;
pub use self::lookup::{Loaded, Source, Surroundings};
pub use self::oidc::Oidc;
pub use self::query_log::{QueryFormat, QueryLog};
pub(crate) use conduit_core::duration::parse as parse_duration;

/// Everything that can be configured.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The gateway as a whole.
    pub gateway: Gateway,
    /// Names.
    pub dns: Dns,
    /// Certificates.
    pub tls: Tls,
    /// The reverse proxy.
    pub proxy: Proxy,
    /// Where services may be.
    pub upstreams: Upstreams,
    /// Defaults of the probes.
    pub health: Health,
    /// The hardware view.
    pub monitor: Monitor,
    /// The control plane.
    pub admin: Admin,
    /// The daemon's log.
    pub log: Log,
    /// One line for each request.
    pub access_log: AccessLog,
    /// Where the lines of queries go.
    pub query_log: QueryLog,
    /// What is told to OpenTelemetry.
    pub telemetry: Telemetry,
}

impl Config {
    /// Parses a file's text, without the environment.
    ///
    /// # Errors
    /// Names the place, the key and the reason of everything that is wrong.
    pub fn parse(text: &str, surroundings: &Surroundings) -> Result<Self, ConfigError> {
        lookup::parse(text, surroundings)
    }

    /// Takes over the keys that may change while running.
    pub fn adopt_dynamic(&mut self, next: &Self) {
        self.dns.adopt_dynamic(&next.dns);
        self.health.clone_from(&next.health);
        self.log.level.clone_from(&next.log.level);
        self.monitor.rules.clone_from(&next.monitor.rules);
        self.monitor.channels.clone_from(&next.monitor.channels);
        self.monitor.quiet_hours.clone_from(&next.monitor.quiet_hours);
    }

    /// What holds when nothing is configured.
    pub fn defaults(surroundings: &Surroundings) -> Self {
        check::defaults(surroundings)
    }
}

/// The gateway as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    /// Where everything is kept; absolute.
    pub state_dir: PathBuf,
    /// The internal domains.
    pub domains: Domains,
    /// What names answer with; empty means the address on which the query arrived.
    pub addresses: Vec<IpAddr>,
    /// The user to become after binding.
    pub user: Option<String>,
    /// How long a stop waits for what is open.
    pub drain: Duration,
    /// How long what is open goes on after another process has taken over.
    pub upgrade_drain: Duration,
}

/// Certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// Whether services get certificates of ours.
    pub enabled: bool,
    /// How long a leaf is valid.
    pub leaf_validity: Duration,
    /// The organization the roots name.
    pub organization: String,
}

/// The reverse proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    /// Whether there is one.
    pub enabled: bool,
    /// Where HTTPS is served.
    pub https_listen: Vec<SocketAddr>,
    /// Whether the HTTPS addresses are served over UDP as well.
    pub http3: bool,
    /// Where plain HTTP is redirected (or served, without `tls`).
    pub http_listen: Vec<SocketAddr>,
    /// Worker threads; 0 means one per core.
    pub workers: usize,
    /// Whether each request is logged.
    pub access_log: bool,
    /// Proxies in front whose claims about clients are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// What clients are held to.
    pub limits: ProxyLimits,
}

/// What clients of the reverse proxy are held to, as far as it can be configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProxyLimits {
    /// Connections open at once.
    pub connections: usize,
    /// Connections of one client; 0 is no limit.
    pub connections_per_client: usize,
    /// How long a connection without a request is kept.
    pub idle_timeout: Duration,
    /// How long a request's head may take.
    pub head_timeout: Duration,
    /// Bytes of a request's head.
    pub head_size: u64,
    /// Bytes per second that a request's body has to bring; 0 is no limit.
    pub body_rate: u64,
}

/// Where services may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstreams {
    /// Networks an upstream's address must be in; empty means any.
    pub allow: Vec<IpNet>,
    /// Whether link-local addresses, cloud metadata among them, are allowed.
    pub allow_link_local: bool,
}

/// Defaults of the probes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Between two probes of an upstream.
    pub interval: Duration,
    /// How long one probe may take.
    pub timeout: Duration,
    /// What is asked for when a service names no path.
    pub path: ProbePath,
    /// Consecutive failures that eject.
    pub unhealthy_after: u32,
    /// Consecutive successes that readmit.
    pub healthy_after: u32,
}

/// The hardware view.
#[derive(Debug, Clone, PartialEq)]
pub struct Monitor {
    /// Whether there is one.
    pub enabled: bool,
    /// Between two samples.
    pub interval: Duration,
    /// The container engine's socket.
    pub docker_socket: PathBuf,
    /// Whether containers register and deregister services by their labels.
    pub register_containers: bool,
    /// The systemd units to watch on this machine.
    pub units: Vec<String>,
    /// Other machines to look at.
    pub servers: Vec<Node>,
    /// How long samples are kept.
    pub history: MonitorHistory,
    /// Rules of the operator's, as written; they are legal beside the defaults.
    pub rules: Vec<RuleFile>,
    /// How people are told of alerts, as written; they are legal.
    pub channels: Vec<ChannelFile>,
    /// When only what is grave is told, as written; they are legal.
    pub quiet_hours: Vec<QuietHoursFile>,
}

/// How long samples are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MonitorHistory {
    /// Every one of them.
    pub fine: Duration,
    /// Their means, least and greatest over longer steps.
    pub coarse: Duration,
    /// The most bytes on the disk; the oldest go first.
    pub size: u64,
}

/// The control plane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// The Unix socket; absolute.
    pub socket: PathBuf,
    /// Dashboard, REST and metrics over TCP.
    pub listen: SocketAddr,
    /// Logins through a provider of identities.
    pub oidc: Oidc,
}

/// The daemon's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// A level, or directives such as `info,conduit_dns=debug`.
    pub level: String,
    /// How lines look.
    pub format: LogFormat,
}

/// One line for each request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessLog {
    /// Where the lines go.
    pub output: AccessOutput,
    /// How they look.
    pub format: AccessFormat,
    /// From this size on a file is moved aside, in bytes.
    pub rotate_size: u64,
    /// How many old files stay.
    pub keep: u32,
    /// Whether old files are compressed.
    pub compress: bool,
}

/// Where access lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessOutput {
    /// Nowhere.
    Off,
    /// Into the daemon's log.
    Daemon,
    /// To standard output.
    Stdout,
    /// To the system's log on this machine.
    Syslog,
    /// Into this file; absolute.
    File(PathBuf),
}

impl std::fmt::Display for AccessOutput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Daemon => f.write_str("log"),
            Self::Stdout => f.write_str("stdout"),
            Self::Syslog => f.write_str("syslog"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// How access lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessFormat {
    /// One JSON object per line.
    Json,
    /// The combined log format of Apache and nginx.
    Common,
}

impl AccessFormat {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Common => "common",
        }
    }
}

/// What is told to OpenTelemetry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Telemetry {
    /// Who gets the traces; nobody without one.
    pub otlp: Option<Collector>,
    /// The share of the traces that begin here which are recorded.
    pub sample_ratio: Ratio,
    /// What this gateway is called in them.
    pub service_name: String,
    /// Whose traces go on here.
    pub callers: Callers,
    /// How long handing a batch over may take.
    pub timeout: Duration,
}

/// A collector that speaks OTLP over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collector {
    /// Whether over TLS.
    pub is_tls: bool,
    /// A name or an address, that of IPv6 in brackets; in lower case.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The path that takes traces.
    pub path: String,
}

impl std::fmt::Display for Collector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.is_tls { "https" } else { "http" };
        write!(f, "{scheme}://{}:{}{}", self.host, self.port, self.path)
    }
}

/// How the lines of the log look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    Auto,
    /// One JSON object per line.
    Json,
    /// Lines for people.
    Text,
}

impl LogFormat {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Json => "json",
            Self::Text => "text",
        }
    }
}
