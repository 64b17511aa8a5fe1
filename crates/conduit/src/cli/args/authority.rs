//! What can be typed about certificates and the authority.

use clap::{Args, Subcommand};
use clap_complete::engine::ArgValueCandidates;

use super::Json;
use super::candidates;

/// `conduit certs`.
#[derive(Debug, Default, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct CertsArgs {
    /// What to do; without it, list
    #[command(subcommand)]
    pub(crate) action: Option<CertsAction>,
    /// Issue new certificates for this service now
    #[arg(long, value_name = "NAME", conflicts_with = "inspect",
        add = ArgValueCandidates::new(candidates::services))]
    pub(crate) rotate: Option<String>,
    /// Show this service's certificates in full
    #[arg(long, value_name = "NAME", add = ArgValueCandidates::new(candidates::services))]
    pub(crate) inspect: Option<String>,
    /// Output
    #[command(flatten)]
    pub(crate) output: Json,
}

/// What to do with certificates.
#[derive(Debug, Subcommand)]
pub(crate) enum CertsAction {
    /// List certificates with their expiry
    List(Json),
    /// Issue new certificates for a service now
    Rotate(Named),
    /// Show a service's certificates in full
    Inspect(Named),
}

/// A service by name.
#[derive(Debug, Args)]
pub(crate) struct Named {
    /// The service's name
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(candidates::services))]
    pub(crate) name: String,
    /// Output
    #[command(flatten)]
    pub(crate) output: Json,
}

/// `conduit ca`.
#[derive(Debug, Args)]
pub(crate) struct CaArgs {
    /// What to do
    #[command(subcommand)]
    pub(crate) action: CaAction,
}

/// What to do with the authority.
#[derive(Debug, Subcommand)]
pub(crate) enum CaAction {
    /// Print both roots in PEM
    Export(Json),
    /// Print the roots' SHA-256 fingerprints, to compare on the clients
    Fingerprint(Json),
    /// Print the commands that make clients trust the roots
    Trust(Json),
}
