//! What can be typed behind `conduit import`.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

use super::Json;

/// `conduit import`.
#[derive(Debug, Args)]
#[command(
    after_help = "Services and records are taken over as one decision. What belongs into the configuration \
    is printed as it has to be added there, and what cannot be carried over is listed with its line. The \
    kind is seen by the name of the file and by what is in it. Importing the same file again is safe.\n\
    Examples:\n  conduit import /etc/dnsmasq.conf --dry-run\n  conduit import /etc/hosts\n  \
    conduit import Caddyfile --replace"
)]
pub(crate) struct ImportArgs {
    /// The file
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// What kind of file it is
    #[arg(long, value_name = "KIND", value_enum)]
    pub(crate) kind: Option<KindArg>,
    /// Replace services that are registered already
    #[arg(long)]
    pub(crate) replace: bool,
    /// Say what would happen and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Output
    #[command(flatten)]
    pub(crate) output: Json,
}

/// Kinds of files that can be taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum KindArg {
    /// Caddy's
    Caddyfile,
    /// dnsmasq.conf
    Dnsmasq,
    /// Variables of the original
    Env,
    /// As /etc/hosts
    Hosts,
    /// services.json in any of its shapes, or the same in TOML
    Services,
}

impl KindArg {
    /// The word for it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Caddyfile => "caddyfile",
            Self::Dnsmasq => "dnsmasq",
            Self::Env => "env",
            Self::Hosts => "hosts",
            Self::Services => "services",
        }
    }
}
