//! What can be typed about a service's traffic: its policy, in groups.
//!
//! Values are read by the vocabulary's own parsers, so a wrong one is refused with the flag and the
//! mend. Hashes are read later, so that no error prints one.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use clap_complete::engine::ArgValueCandidates;
use conduit_core::policy::{
    Balance, FieldName, HostPolicy, Origin, PathPrefix, ProbeKind, ProxyHeader, RateLimit,
    Redirect, Rewrite, ServerName, Size, Span, StatusSet, UpstreamTls, Url,
};
use ipnet::IpNet;

use crate::cli::candidates;
use crate::cli::policy::{self, Header, PresetChoice};

/// Everything about a service's traffic.
#[derive(Debug, Default, Args)]
pub(crate) struct TrafficArgs {
    #[command(flatten)]
    pub(crate) whole: WholeArgs,
    #[command(flatten)]
    pub(crate) upstreams: UpstreamArgs,
    #[command(flatten)]
    pub(crate) probes: ProbeArgs,
    #[command(flatten)]
    pub(crate) paths: PathArgs,
    #[command(flatten)]
    pub(crate) access: AccessArgs,
    #[command(flatten)]
    pub(crate) tcp: TcpArgs,
}

/// Much at once.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Policy")]
#[group(conflicts_with = "file")]
pub(crate) struct WholeArgs {
    /// What kind of program it is, such as ollama, vllm or grafana; auto looks at it
    #[arg(long, value_name = "NAME", value_parser = policy::preset,
        add = ArgValueCandidates::new(candidates::presets))]
    pub(crate) preset: Option<PresetChoice>,
    /// Read the whole policy from this file, JSON or TOML; flags win over it
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) policy: Option<PathBuf>,
}

/// How upstreams are chosen and used.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Upstreams")]
#[group(conflicts_with = "file")]
pub(crate) struct UpstreamArgs {
    /// How an upstream is chosen: round-robin, random, least-requests, peak-ewma, hash:KEY
    #[arg(long, value_name = "POLICY", add = ArgValueCandidates::new(candidates::balances))]
    pub(crate) balance: Option<Balance>,
    /// Keep a client on its upstream by a cookie of this name
    #[arg(long, value_name = "COOKIE")]
    pub(crate) sticky: Option<FieldName>,
    /// How an https upstream's certificate is judged: verify, insecure or sha256:FINGERPRINT
    #[arg(long, value_name = "HOW")]
    pub(crate) upstream_tls: Option<UpstreamTls>,
    /// The name to ask an https upstream for, and to find in its certificate
    #[arg(long, value_name = "NAME")]
    pub(crate) upstream_name: Option<ServerName>,
    /// What Host says to the upstream: keep, upstream, or this
    #[arg(long, value_name = "HOST")]
    pub(crate) upstream_host: Option<HostPolicy>,
    /// How long connecting may take, such as 5s
    #[arg(long, value_name = "TIME")]
    pub(crate) connect_timeout: Option<Span>,
    /// How long the upstream may take until it begins to answer
    #[arg(long, value_name = "TIME")]
    pub(crate) first_byte_timeout: Option<Span>,
    /// How long it may pause between two pieces of an answer
    #[arg(long, value_name = "TIME")]
    pub(crate) idle_timeout: Option<Span>,
    /// Requests in flight per upstream
    #[arg(long, value_name = "N")]
    pub(crate) max_in_flight: Option<u32>,
    /// Requests that wait when every upstream has its fill
    #[arg(long, value_name = "N")]
    pub(crate) queue: Option<u32>,
    /// Further tries on other upstreams, before a byte of an answer came
    #[arg(long, value_name = "N")]
    pub(crate) retries: Option<u8>,
}

/// How upstreams are probed.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Probes")]
#[group(conflicts_with = "file")]
pub(crate) struct ProbeArgs {
    /// From one probe to the next
    #[arg(long, value_name = "TIME")]
    pub(crate) health_interval: Option<Span>,
    /// How long one may take
    #[arg(long, value_name = "TIME")]
    pub(crate) health_timeout: Option<Span>,
    /// The statuses that count as healthy, such as 200-299,401
    #[arg(long, value_name = "SET")]
    pub(crate) health_status: Option<StatusSet>,
    /// A text that the answer must hold
    #[arg(long, value_name = "TEXT")]
    pub(crate) health_body: Option<String>,
    /// What a probe is: http, tcp or grpc
    #[arg(long, value_name = "KIND", add = ArgValueCandidates::new(candidates::probe_kinds))]
    pub(crate) health_kind: Option<ProbeKind>,
}

/// What happens to paths, headers and bodies.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Paths, headers and bodies")]
#[group(conflicts_with = "file")]
pub(crate) struct PathArgs {
    /// Serve only paths that begin like this; repeat it for several
    #[arg(long, value_name = "PREFIX")]
    pub(crate) path: Vec<PathPrefix>,
    /// The upstream sees TO where the client said FROM
    #[arg(long, value_name = "FROM=TO", value_parser = policy::rewrite)]
    pub(crate) rewrite: Vec<Rewrite>,
    /// The upstream does not see this beginning of the path
    #[arg(long, value_name = "PREFIX")]
    pub(crate) strip_prefix: Vec<PathPrefix>,
    /// Lead from one path somewhere else, with 308 or another STATUS
    #[arg(long, value_name = "FROM=TO[,STATUS]", value_parser = policy::redirect)]
    pub(crate) redirect: Vec<Redirect>,
    /// Set a header of requests
    #[arg(long, value_name = "NAME: VALUE", value_parser = policy::header)]
    pub(crate) set_header: Vec<Header>,
    /// Remove a header of requests
    #[arg(long, value_name = "NAME")]
    pub(crate) remove_header: Vec<FieldName>,
    /// Set a header of responses
    #[arg(long, value_name = "NAME: VALUE", value_parser = policy::header)]
    pub(crate) set_response_header: Vec<Header>,
    /// Remove a header of responses
    #[arg(long, value_name = "NAME")]
    pub(crate) remove_response_header: Vec<FieldName>,
    /// Compress responses that are safe to compress
    #[arg(long)]
    pub(crate) compress: bool,
    /// The largest request body, such as 100MB
    #[arg(long, value_name = "SIZE")]
    pub(crate) body_limit: Option<Size>,
}

/// Who may use it, and how much.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Access")]
#[group(conflicts_with = "file")]
pub(crate) struct AccessArgs {
    /// Requests per client, such as 10/s, 600/m or 10/s,burst=50
    #[arg(long, value_name = "N/s|N/m[,burst=B]", value_parser = policy::rate)]
    pub(crate) rate_limit: Option<RateLimit>,
    /// Only clients of this network; repeat it for several
    #[arg(long, value_name = "NETWORK", value_parser = policy::network)]
    pub(crate) allow: Vec<IpNet>,
    /// Ask for a password, hashed with bcrypt or argon2id; repeat it for several users
    #[arg(long, value_name = "USER:HASH")]
    pub(crate) basic_auth: Vec<String>,
    /// Ask this service who may come in
    #[arg(long, value_name = "URL")]
    pub(crate) forward_auth: Option<Url>,
    /// Ask for a key, hashed as sha3-256:HEX; repeat it for several
    #[arg(long, value_name = "NAME:HASH")]
    pub(crate) api_key: Vec<String>,
    /// Pages of this origin may use it from a browser; repeat it for several
    #[arg(long, value_name = "ORIGIN")]
    pub(crate) cors: Vec<Origin>,
    /// Answer every request with 503 and this text
    #[arg(long, value_name = "TEXT")]
    pub(crate) maintenance: Option<String>,
    /// Leave its requests out of the access log
    #[arg(long)]
    pub(crate) no_access_log: bool,
}

/// What only tcp services have.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "TCP services")]
#[group(conflicts_with = "file")]
pub(crate) struct TcpArgs {
    /// The gateway's port for it, so that it passes the gateway
    #[arg(long, value_name = "PORT")]
    pub(crate) listen: Option<u16>,
    /// Pass TLS through to the upstream instead of ending it here
    #[arg(long)]
    pub(crate) tls_passthrough: bool,
    /// Tell the upstream about the client with the PROXY protocol: v1 or v2
    #[arg(long, value_name = "VERSION")]
    pub(crate) proxy_protocol: Option<ProxyHeader>,
    /// Expect the PROXY protocol from clients
    #[arg(long)]
    pub(crate) accept_proxy_protocol: bool,
}
