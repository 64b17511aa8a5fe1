//! Why a gateway cannot be built, or ended badly.

use std::net::SocketAddr;
use std::path::PathBuf;

use conduit_admin::error::AdminError;
use conduit_audit::AuditError;
use conduit_dns::error::DnsError;
use conduit_dns::handler::Transport;
use conduit_proxy::error::ProxyError;
use conduit_registry::{ApplyError, PublishError, RegistryError};
use conduit_tls::error::TlsError;

use crate::privilege::PrivilegeError;
use crate::telemetry::TelemetryError;
use crate::upgrade::UpgradeError;

/// Why a gateway cannot be built, or ended badly.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppError {
    /// The access log's file.
    #[error("cannot open the access log {}; make its directory, or change access_log.output", path.display())]
    AccessLog {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The query log's file.
    #[error("cannot open the query log {}; make its directory, or change query_log.output", path.display())]
    QueryLog {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The control plane cannot listen.
    #[error("the admin API cannot start")]
    Admin(#[source] AdminError),
    /// TLS to the collector of traces cannot be set up.
    #[error("cannot prepare TLS to {collector}; correct telemetry.otlp")]
    Collector {
        /// Where it is.
        collector: String,
        /// What is wrong.
        #[source]
        source: std::io::Error,
    },
    /// The seal or the record.
    #[error("the record cannot be opened")]
    Audit(#[source] AuditError),
    /// A task or thread that must live has ended.
    #[error("{0} ended, which must not happen; see the log above")]
    Died(&'static str),
    /// DNS cannot start.
    #[error("DNS cannot start")]
    Dns(#[source] DnsError),
    /// A key of DNS cannot be used.
    #[error("the key {name} of dns.keys cannot be used: {reason}")]
    DnsKey {
        /// Which key.
        name: String,
        /// What is wrong with its secret, and the mend.
        reason: String,
    },
    /// The roots that certificates of forwarders are judged by.
    #[error(
        "cannot read the roots that forwarders are judged by, {}; name a PEM file with certificates \
         that this user may read in dns.forward_ca, or leave it empty",
        path.as_ref().map_or_else(|| "those of the system".into(), |path| path.to_string_lossy())
    )]
    ForwardCa {
        /// Which file, when it is not the system's.
        path: Option<PathBuf>,
        /// What is wrong.
        #[source]
        source: std::io::Error,
    },
    /// Trust anchors of DNSSEC cannot be read.
    #[error("dns.trust_anchors: {} cannot be used; name a file of DS or DNSKEY lines that this user may read", path.display())]
    TrustAnchors {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: std::io::Error,
    },
    /// The log cannot be started.
    #[error("the log cannot start")]
    Log(#[source] TelemetryError),
    /// The state directory cannot be closed to others.
    #[error("cannot close {} to others; it holds private keys", path.display())]
    Permissions {
        /// Which directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Somebody else has a port.
    #[error(
        "cannot listen on {address} ({transport}): the port is taken by {holder}; \
         stop that, or change {key} in the configuration"
    )]
    PortTaken {
        /// What was asked for.
        address: SocketAddr,
        /// Over what.
        transport: Transport,
        /// Who has it.
        holder: String,
        /// Where it is configured.
        key: &'static str,
    },
    /// Root cannot be dropped.
    #[error("root cannot be dropped")]
    Privilege(#[source] PrivilegeError),
    /// The proxy cannot start.
    #[error("the proxy cannot start")]
    Proxy(#[source] ProxyError),
    /// The first tables cannot be compiled.
    #[error("the first tables cannot be compiled")]
    Publish(#[source] PublishError),
    /// A decision of the start cannot be recorded.
    #[error("{what} cannot be recorded")]
    Record {
        /// Which decision.
        what: &'static str,
        /// Why.
        #[source]
        source: ApplyError,
    },
    /// The state directory or the registry.
    #[error("the state cannot be opened")]
    Registry(#[source] RegistryError),
    /// A runtime or thread cannot be started.
    #[error("{what} cannot be started")]
    Runtime {
        /// Which.
        what: &'static str,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// There is a record, but not the key that sealed it.
    #[error(
        "{} is missing, but there is a record sealed with it; restore it from a backup",
        path.display()
    )]
    SealLost {
        /// Where it should be.
        path: PathBuf,
    },
    /// The process that took over has ended, and this one waited for it.
    #[error("the process that took over ended ({0})")]
    Successor(std::process::ExitStatus),
    /// The authority.
    #[error("the certificate authority cannot be opened")]
    Tls(#[source] TlsError),
    /// This process was to take over from another one.
    #[error("this process cannot take over")]
    Upgrade(#[source] UpgradeError),
}
