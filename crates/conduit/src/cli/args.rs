//! What can be typed. Help, completions and the man page come from here.
//!
//! **Invariant:** only verbs and flags that work are listed; what they mean is decided by the
//! file of each verb.

mod authority;
mod dns;
mod import;
mod monitor;
mod record;
mod traffic;
mod upstream;
mod user;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::engine::ArgValueCandidates;

pub(crate) use self::authority::{CaAction, CaArgs, CertsAction, CertsArgs, Named};
pub(crate) use self::dns::{AddRecordArgs, DnsAction, DnsArgs, RemoveRecordArgs};
pub(crate) use self::import::{ImportArgs, KindArg};
pub(crate) use self::monitor::{
    AddNodeArgs, ChannelNamed, MachineArgs, MonitorAction, MonitorArgs, NodeNamed, SilenceArgs,
    TestNodeArgs,
};
pub(crate) use self::record::{
    AuditAction, AuditArgs, CreateTokenArgs, ProveArgs, RoleArg, TokenAction, TokenArgs, VerifyArgs,
};
pub(crate) use self::traffic::TrafficArgs;
pub(crate) use self::upstream::{UpstreamAction, UpstreamArgs, WhichUpstream};
pub(crate) use self::user::{AddUserArgs, ListUsersArgs, PasswdArgs, UserAction, UserArgs};
use super::candidates;

/// Names, certificates, routes, health and record for the inside of a network.
#[derive(Debug, Parser)]
#[command(name = "conduit", version, about, propagate_version = false, max_term_width = 100)]
#[command(subcommand_required = true, arg_required_else_help = true)]
#[command(
    after_help = "Exit codes: 0 success, 1 failed, 2 wrong usage, 3 something is down (status --check)."
)]
pub(crate) struct Cli {
    /// Read this configuration file
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,
    /// Talk to the gateway on this Unix socket
    #[arg(long, global = true, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub(crate) socket: Option<PathBuf>,
    /// What to do
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Run the gateway; a first start sets itself up
    Serve,
    /// Write a configuration, create state and authority, and say what comes next
    Setup(SetupArgs),
    /// Register a service: name, certificate, route, probe and record in one step
    Register(Box<RegisterArgs>),
    /// Take a service out again; its row in the registry stays
    Deregister(DeregisterArgs),
    /// Take over dnsmasq.conf, a hosts file, a Caddyfile, services.json or .env.conduit
    Import(ImportArgs),
    /// Show services with health, TLS and DNS
    Status(StatusArgs),
    /// Show machines, GPUs and containers; watch more machines; silence alerts
    Monitor(Box<MonitorArgs>),
    /// Look at everything the gateway stands on, each finding with its mend
    Doctor(Json),
    /// Drain, eject or admit one upstream of a service
    Upstream(UpstreamArgs),
    /// List, inspect or rotate certificates
    Certs(CertsArgs),
    /// Export the trust bundle, show its fingerprints, or how to trust it
    Ca(CaArgs),
    /// List names, resolve one through the running gateway, or flush the cache
    Dns(DnsArgs),
    /// Show the access log, and follow it
    Logs(LogsArgs),
    /// Read, verify or export the record
    Audit(AuditArgs),
    /// Print a one-time link into the dashboard
    Login(Json),
    /// Add, list, change or remove people who may log in
    User(UserArgs),
    /// Make, list or revoke API tokens
    Token(TokenArgs),
    /// Check, show or reload the configuration
    Config(ConfigArgs),
    /// Write the whole state to a file while the gateway runs
    Backup(BackupArgs),
    /// Let a new process take over from the running gateway, without losing a request
    Upgrade(UpgradeArgs),
    /// Put a backup back into the state directory, while no gateway runs
    Restore(RestoreArgs),
    /// Print completions for a shell
    Completions(CompletionsArgs),
    /// Print the manual page
    Man,
}

/// Whether the API's body is printed instead of a table.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(crate) struct Json {
    /// Print the API's answer as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `conduit setup`.
#[derive(Debug, Default, Args)]
pub(crate) struct SetupArgs {
    /// The default suffix of new services, such as internal
    #[arg(long, value_name = "DOMAIN")]
    pub(crate) domain: Option<String>,
    /// Answer DNS on this port
    #[arg(long, value_name = "PORT")]
    pub(crate) dns_port: Option<u16>,
    /// Serve HTTPS on this port
    #[arg(long, value_name = "PORT")]
    pub(crate) https_port: Option<u16>,
    /// Send other people's names to this DNS server; "system" takes this machine's, "none" nobody
    #[arg(long, value_name = "IP")]
    pub(crate) upstream_dns: Vec<String>,
    /// Do not answer DNS
    #[arg(long)]
    pub(crate) skip_dns: bool,
    /// Do not issue certificates
    #[arg(long)]
    pub(crate) skip_tls: bool,
}

/// `conduit register`.
#[derive(Debug, Default, Args)]
#[command(override_usage = "conduit register [OPTIONS] NAME HOST:PORT...\n       \
    conduit register [OPTIONS] --name NAME --host HOST:PORT...\n       \
    conduit register --file FILE [--replace] [--prune] [--dry-run]")]
pub(crate) struct RegisterArgs {
    /// Name and upstreams, without flags
    #[arg(value_name = "NAME HOST:PORT", conflicts_with = "file")]
    pub(crate) bare: Vec<String>,
    /// The service's name
    #[arg(long, value_name = "NAME", conflicts_with = "file")]
    pub(crate) name: Option<String>,
    /// What people read first in lists and on the dashboard
    #[arg(long, value_name = "TEXT", conflicts_with = "file")]
    pub(crate) title: Option<String>,
    /// Where the service is; repeat it for several, with weight=N and priority=N if they differ
    #[arg(
        long,
        visible_alias = "upstream",
        value_name = "HOST:PORT[,weight=N][,priority=N]",
        conflicts_with = "file"
    )]
    pub(crate) host: Vec<String>,
    /// A configured domain, or a whole host under one
    #[arg(long, value_name = "DOMAIN", conflicts_with = "file")]
    pub(crate) domain: Option<String>,
    /// One more host; repeat it for several
    #[arg(long, value_name = "HOST", conflicts_with = "file")]
    pub(crate) alias: Vec<String>,
    /// Probe this path; 2xx and 3xx count as healthy
    #[arg(long, value_name = "PATH", conflicts_with = "file")]
    pub(crate) health: Option<String>,
    /// What the service speaks: http, https, h2c or tcp
    #[arg(long, value_name = "PROTOCOL", conflicts_with = "file",
        add = ArgValueCandidates::new(candidates::protocols))]
    pub(crate) protocol: Option<String>,
    /// End TLS here with certificates of ours, for a tcp service with a port of the gateway
    #[arg(long, conflicts_with_all = ["file", "no_tls"])]
    pub(crate) tls: bool,
    /// Issue no certificate; DNS answers with the service's own address
    #[arg(long, conflicts_with = "file")]
    pub(crate) no_tls: bool,
    /// What the name answers with: gateway or direct
    #[arg(long, value_name = "MODE", conflicts_with = "file")]
    pub(crate) dns: Option<String>,
    /// The container that runs it, whose memory and load are then shown as the service's
    #[arg(long, value_name = "NAME", conflicts_with = "file")]
    pub(crate) container: Option<String>,
    /// The machine that it runs on: a node's name or its host
    #[arg(long, value_name = "NODE", conflicts_with = "file",
        add = ArgValueCandidates::new(candidates::nodes))]
    pub(crate) node: Option<String>,
    /// When every upstream is ejected: fail or try
    #[arg(long, value_name = "CHOICE", conflicts_with = "file")]
    pub(crate) when_all_ejected: Option<String>,
    /// Wait up to 60 seconds until the service is healthy, and fail if it is not
    #[arg(long, conflicts_with_all = ["file", "dry_run"])]
    pub(crate) wait_healthy: bool,
    /// Register everything in this file (JSON or TOML), or nothing of it
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: Option<PathBuf>,
    /// Replace services that are registered already
    #[arg(long)]
    pub(crate) replace: bool,
    /// Deregister what the file lacks
    #[arg(long, requires = "file")]
    pub(crate) prune: bool,
    /// Say what would happen and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Output
    #[command(flatten)]
    pub(crate) output: Json,
    /// What is asked of its traffic
    #[command(flatten)]
    pub(crate) traffic: TrafficArgs,
}

/// `conduit deregister`.
#[derive(Debug, Default, Args)]
pub(crate) struct DeregisterArgs {
    /// The service's name
    #[arg(value_name = "NAME", required_unless_present = "name",
        add = ArgValueCandidates::new(candidates::services))]
    pub(crate) bare: Option<String>,
    /// The service's name
    #[arg(long, value_name = "NAME", conflicts_with = "bare",
        add = ArgValueCandidates::new(candidates::services))]
    pub(crate) name: Option<String>,
    /// Output
    #[command(flatten)]
    pub(crate) output: Json,
}

/// `conduit status`.
#[derive(Debug, Default, Args)]
pub(crate) struct StatusArgs {
    /// One service, tried through the gateway's own listeners now
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(candidates::services))]
    pub(crate) name: Option<String>,
    /// Show it again every two seconds
    #[arg(long)]
    pub(crate) watch: bool,
    /// Exit with 3 when anything is down
    #[arg(long, conflicts_with = "watch")]
    pub(crate) check: bool,
    /// Output
    #[command(flatten)]
    pub(crate) output: Json,
}

/// `conduit logs`.
#[derive(Debug, Default, Args)]
#[command(after_help = "Reads the access log's files (access_log.output is a path and \
    access_log.format is json), on the gateway's machine; it need not run. Lines of the daemon are \
    in the system's journal, and shown with --daemon. A container's lines come from the running gateway; \
    --container alone shows them alone, with --service the service's requests beside them. Queries of \
    DNS are read from their files as well (query_log.output is a path and query_log.format is json), and \
    else from the memory of the running gateway.")]
pub(crate) struct LogsArgs {
    /// Go on with new lines as they come, across rotation
    #[arg(short = 'f', long)]
    pub(crate) follow: bool,
    /// Only requests for this service
    #[arg(long, value_name = "NAME")]
    pub(crate) service: Option<String>,
    /// Lines of this container, on the gateway's machine; repeat it for several
    #[arg(long, value_name = "NAME")]
    pub(crate) container: Vec<String>,
    /// Lines of the daemon too, from the system's journal
    #[arg(long)]
    pub(crate) daemon: bool,
    /// What DNS was asked, instead of requests (dns.query_log)
    #[arg(long, conflicts_with_all = ["container", "daemon"])]
    pub(crate) dns: bool,
    /// Only requests since then: 10m, 2h, or a time such as 2026-04-04T12:00:00Z
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// The newest lines to begin with, unless --since is given
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 100,
          value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub(crate) lines: u32,
    /// Print the lines as they are in the file
    #[arg(long)]
    pub(crate) json: bool,
}

/// `conduit config`.
#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    /// What to do
    #[command(subcommand)]
    pub(crate) action: ConfigAction,
}

/// What to do with the configuration.
#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum ConfigAction {
    /// Read it as `serve` does, and stop
    Check,
    /// Print what is effective
    Show(Json),
    /// Make the running gateway read it again
    Reload(Json),
}

/// `conduit backup`.
#[derive(Debug, Args)]
pub(crate) struct BackupArgs {
    /// The file to write; it must not exist
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// Output
    #[command(flatten)]
    pub(crate) output: Json,
}

/// `conduit upgrade`.
#[derive(Debug, Args)]
#[command(
    after_help = "Install the new program first. The gateway starts it with its own arguments; \
    it takes over every socket and the state, and the old process finishes what it has open. When the \
    new one does not get ready, the old one goes on as if nothing had happened."
)]
pub(crate) struct UpgradeArgs {
    /// Start this program instead of the gateway's own, as it lies on the disk now
    #[arg(long, value_name = "PATH", value_hint = ValueHint::ExecutablePath)]
    pub(crate) binary: Option<PathBuf>,
    /// Seconds until the new process must serve
    #[arg(long, value_name = "SECONDS", default_value_t = 60,
          value_parser = clap::value_parser!(u64).range(1..=240))]
    pub(crate) timeout: u64,
    /// Output
    #[command(flatten)]
    pub(crate) output: Json,
}

/// `conduit restore`.
#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    /// The file that `conduit backup` wrote
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// Move the state that is there aside, into the state directory
    #[arg(long)]
    pub(crate) force: bool,
}

/// `conduit completions`.
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// Which shell
    #[arg(value_name = "SHELL", value_enum)]
    pub(crate) shell: ShellArg,
}

/// Shells there are completions for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ShellArg {
    /// Bash
    Bash,
    /// Zsh
    Zsh,
    /// Fish
    Fish,
}

impl ShellArg {
    /// The word for it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Zsh => "zsh",
            Self::Fish => "fish",
        }
    }
}
