//! What the control plane asks of the whole, and cannot do itself.
//!
//! The composition implements [`Control`]; this room sees neither listeners nor configuration.
//!
//! **Invariant:** nothing here changes the truth. Whoever wants that goes through the registry.

use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use conduit_api::v1::queries::DnsQuery;
use conduit_core::clock::Timestamp;
use conduit_core::leaf::LeafPair;
use conduit_core::name::ServiceName;
use conduit_core::record::Record;
use conduit_dns::access::Policy;
use conduit_dns::forward::status::ForwardStatus;
use conduit_dns::lists::status::ListStatus;
use conduit_dns::mdns::status::Status as MdnsStatus;
use conduit_dns::query_log::settings::QueryLogSettings;
use conduit_proxy::fingerprint::{Asked, Fingerprint};
use conduit_tls::authority::Authority;

use crate::finding::Diagnosis;

/// A future that an object-safe trait can return.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A line of the access log: the fields of its JSON form.
pub type AccessLine = serde_json::Map<String, serde_json::Value>;

/// The gateway as a whole.
pub trait Control: Send + Sync + 'static {
    /// Whether every part is up and the gateway is not stopping.
    fn is_ready(&self) -> bool;

    /// Whether the gateway takes no decisions any more.
    fn is_stopping(&self) -> bool;

    /// How the gateway runs.
    fn gateway(&self) -> GatewayInfo;

    /// The records that the configuration gives; each was added when the gateway started.
    fn fixed_records(&self) -> Arc<[Record]>;

    /// What was found when a service was last tried through our own listeners; cheap.
    fn last_checks(&self, name: &ServiceName) -> Checks;

    /// Tries a service through our own listeners now.
    fn self_check<'a>(&'a self, name: &'a ServiceName) -> BoxFuture<'a, Checks>;

    /// Looks at what is behind upstreams that are to be registered, in their order. Those that the
    /// configuration does not allow are not asked.
    fn fingerprints<'a>(&'a self, asked: &'a [Asked]) -> BoxFuture<'a, Vec<Fingerprint>>;

    /// The newest lines of the access log that are of a service, the newest first; `None` when no
    /// lines are written. Cheap.
    fn recent(&self, name: &ServiceName) -> Option<Vec<AccessLine>>;

    /// The certificate authority; `None` when TLS is off.
    fn authority(&self) -> Option<Arc<Authority>>;

    /// The leaves of a service, as they are served; `None` when it has none.
    fn leaves(&self, name: &ServiceName) -> Option<LeafPair>;

    /// Asks our own DNS server.
    fn resolve<'a>(
        &'a self,
        name: &'a str,
        record_type: &'a str,
    ) -> BoxFuture<'a, Result<Resolution, ControlError>>;

    /// Drops the answers of others that are cached, or those about one name; says whose they were.
    fn flush_dns(&self, name: Option<&str>) -> Vec<String>;

    /// The newest lines of the query log: those behind `after`, or all that are kept; `None` without DNS.
    fn queries(&self, after: Option<u64>) -> Option<QueryLogView>;

    /// What is done about others' names; `None` without DNS.
    fn dns_policy(&self) -> Option<Arc<Policy>>;

    /// How forwarding others' names does.
    fn forwarding(&self) -> ForwardStatus;

    /// How multicast DNS does; nothing when it is off.
    fn mdns(&self) -> Arc<MdnsStatus> {
        Arc::default()
    }

    /// Whether multicast DNS is on.
    fn is_mdns_on(&self) -> bool {
        false
    }

    /// How hosts files and lists do, in the order of their strength.
    fn lists(&self) -> Vec<ListStatus>;

    /// Reads the configuration again and applies what may change while running.
    fn reload(&self) -> BoxFuture<'_, Result<Reloaded, ControlError>>;

    /// Writes the whole state, as of one moment, to a new file.
    fn backup<'a>(&'a self, target: &'a Path) -> BoxFuture<'a, Result<(), ControlError>>;

    /// Lets a new process take over: this program as it lies on the disk, or another one.
    fn upgrade(
        &self,
        binary: Option<PathBuf>,
        limit: Duration,
    ) -> BoxFuture<'_, Result<Upgraded, ControlError>>;

    /// Looks at the whole, within [`DOCTOR_TIMEOUT`](crate::limits::DOCTOR_TIMEOUT); whoever asks
    /// while somebody else's look goes on gets what that one finds.
    fn doctor(&self) -> BoxFuture<'_, Arc<Diagnosis>>;

    /// What the gateway runs with, secrets left out.
    fn config(&self) -> EffectiveConfig;

    /// All metrics as Prometheus text.
    fn metrics(&self) -> String;
}

/// How the gateway runs.
#[derive(Debug, Clone, Default)]
pub struct GatewayInfo {
    /// Of the program.
    pub version: String,
    /// Since the start.
    pub uptime: Duration,
    /// Parts that are not up, and why.
    pub not_ready: Vec<String>,
    /// The configured suffixes; the first is the default.
    pub domains: Vec<String>,
    /// What names answer with; empty means the address on which the query arrives.
    pub addresses: Vec<String>,
    /// Where DNS listens.
    pub dns: Vec<SocketAddr>,
    /// Where the proxy listens with TLS.
    pub https: Vec<SocketAddr>,
    /// Where the proxy listens over HTTP/3, on UDP.
    pub http3: Vec<SocketAddr>,
    /// Where the proxy listens in the clear.
    pub http: Vec<SocketAddr>,
}

/// The query log: how it is set, and what it told last.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct QueryLogView {
    /// What is told.
    pub settings: QueryLogSettings,
    /// Where lines go beside memory.
    pub output: String,
    /// Lines that are nowhere.
    pub lost: u64,
    /// The number of the newest line.
    pub last: u64,
    /// The newest first.
    pub queries: Vec<DnsQuery>,
}

/// What was tried through our own listeners; `None` is not tried, or does not apply.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Checks {
    /// A real query for the host.
    pub dns: Option<CheckOutcome>,
    /// A real handshake for the host, verified against our roots.
    pub tls: Option<CheckOutcome>,
}

/// The result of trying one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckOutcome {
    /// When.
    pub at: Timestamp,
    /// Why it did not work; `None` when it did.
    pub failure: Option<String>,
}

/// What our own DNS server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    /// The response code, such as `NXDOMAIN`.
    pub status: String,
    /// Whether it is from our own zone.
    pub authoritative: bool,
    /// The records of the answer.
    pub answers: Vec<ResolvedRecord>,
    /// The list, the line and the entry that answered, if any did.
    pub list: Option<String>,
    /// The listener that was asked.
    pub server: SocketAddr,
    /// From question to answer.
    pub elapsed: Duration,
}

/// One record of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedRecord {
    /// Its owner.
    pub name: String,
    /// Such as `A`.
    pub record_type: String,
    /// Seconds it may be kept.
    pub ttl: u32,
    /// Its data in presentation form.
    pub value: String,
}

/// What became of a reload.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reloaded {
    /// Keys that changed and hold from now on.
    pub applied: Vec<String>,
    /// Keys that changed in the file and need a restart.
    pub needs_restart: Vec<String>,
}

/// Which process has taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upgraded {
    /// Its number.
    pub process: u32,
    /// The version of its program.
    pub version: String,
    /// The program.
    pub binary: PathBuf,
}

/// What the gateway runs with, secrets left out.
#[derive(Debug, Clone, Default)]
pub struct EffectiveConfig {
    /// The file it was read from.
    pub file: Option<PathBuf>,
    /// As TOML.
    pub toml: String,
    /// As JSON.
    pub json: serde_json::Value,
}

/// Why the whole did not do as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// Something else is under way or was done that excludes it.
    #[error("{0}")]
    Conflict(String),
    /// It was tried, and everything is as it was; the message says why it did not work.
    #[error("{0}")]
    Failed(String),
    /// It was asked for something that cannot be; the message says what and how to mend it.
    #[error("{0}")]
    Invalid(String),
    /// The part that would do it is off, or does not answer.
    #[error("{0}")]
    Unavailable(String),
}
