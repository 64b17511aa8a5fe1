//! What can be typed about one upstream of a service.

use clap::{Args, Subcommand};

use super::Json;

/// `conduit upstream`.
#[derive(Debug, Args)]
pub(crate) struct UpstreamArgs {
    /// What to do
    #[command(subcommand)]
    pub(crate) action: UpstreamAction,
}

/// What to do with an upstream.
#[derive(Debug, Subcommand)]
pub(crate) enum UpstreamAction {
    /// Let it finish what it has, and give it nothing new until it is admitted
    Drain(WhichUpstream),
    /// Give it nothing new because it is not trusted, whatever its probes say, until it is admitted
    Eject(WhichUpstream),
    /// Give it traffic again, at once; the next probe judges it anew
    Admit(WhichUpstream),
}

/// One upstream of one service.
#[derive(Debug, Args)]
pub(crate) struct WhichUpstream {
    /// The service's name
    #[arg(value_name = "SERVICE")]
    pub(crate) service: String,
    /// The upstream, HOST:PORT as `conduit status SERVICE` shows it
    #[arg(value_name = "UPSTREAM")]
    pub(crate) upstream: String,
    /// Output
    #[command(flatten)]
    pub(crate) output: Json,
}
