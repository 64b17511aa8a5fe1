//! What can be typed about machines, alerts and silences.

use clap::{Args, Subcommand};
use clap_complete::engine::ArgValueCandidates;

use super::Json;
use crate::cli::candidates;

/// `conduit monitor`.
#[derive(Debug, Default, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct MonitorArgs {
    /// What to do; without it, show what is known
    #[command(subcommand)]
    pub(crate) action: Option<MonitorAction>,
    /// Show GPUs, and who holds their memory
    #[arg(long)]
    pub(crate) gpu: bool,
    /// Show containers
    #[arg(long)]
    pub(crate) containers: bool,
    /// Show machines, or this one
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = "",
        add = ArgValueCandidates::new(candidates::nodes))]
    pub(crate) server: Option<String>,
    /// Show it again every two seconds
    #[arg(long)]
    pub(crate) watch: bool,
    /// Print one JSON record on each line
    #[arg(long)]
    pub(crate) json: bool,
}

/// What to do with machines and alerts.
#[derive(Debug, Subcommand)]
pub(crate) enum MonitorAction {
    /// Watch another machine over SSH; its host key is shown first, and accepted by name
    Add(AddNodeArgs),
    /// Watch a machine no more
    Remove(NodeNamed),
    /// Read a machine once, and say what came; changes nothing
    Test(TestNodeArgs),
    /// Keep alerts from the channels for a while; without a rule, list the silences
    Silence(SilenceArgs),
    /// Show the alerts that are raised now
    Alerts(Json),
    /// Show what raises alerts
    Rules(Json),
    /// Show the channels that tell people of alerts, and what became of their messages
    Channels(Json),
    /// Have a channel send one message that says it is a test
    TestChannel(ChannelNamed),
    /// List the numbers that are kept and judged
    Metrics(Json),
    /// Print the script that a watched machine runs, to be the forced command of a key
    Script,
}

/// `conduit monitor add`.
#[derive(Debug, Args)]
pub(crate) struct AddNodeArgs {
    /// How to reach it and by which name
    #[command(flatten)]
    pub(crate) machine: MachineArgs,
    /// Accept this host key, SHA256:… as ssh-keygen -l prints it
    #[arg(long, value_name = "FINGERPRINT")]
    pub(crate) accept_fingerprint: Option<String>,
    /// Output
    #[command(flatten)]
    pub(crate) output: Json,
}

/// A machine, and how it is reached.
#[derive(Debug, Default, Clone, Args)]
pub(crate) struct MachineArgs {
    /// Where it is: HOST, USER@HOST:PORT or ssh://USER@HOST:PORT
    #[arg(value_name = "DESTINATION")]
    pub(crate) destination: String,
    /// What it is called; the host when not given
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// The private key's file, on the gateway's machine
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<String>,
    /// Go through this machine
    #[arg(long, value_name = "DESTINATION")]
    pub(crate) jump: Option<String>,
    /// A file with known host keys, on the gateway's machine
    #[arg(long, value_name = "FILE")]
    pub(crate) known_hosts: Option<String>,
    /// A word to group it by; repeat it for several
    #[arg(long, value_name = "TAG")]
    pub(crate) tag: Vec<String>,
}

/// One node.
#[derive(Debug, Args)]
pub(crate) struct NodeNamed {
    /// The node's name
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(candidates::nodes))]
    pub(crate) name: String,
    /// Output
    #[command(flatten)]
    pub(crate) output: Json,
}

/// `conduit monitor test-channel`.
#[derive(Debug, Args)]
pub(crate) struct ChannelNamed {
    /// The channel's name
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(candidates::channels))]
    pub(crate) name: String,
    /// Output
    #[command(flatten)]
    pub(crate) output: Json,
}

/// `conduit monitor test`.
#[derive(Debug, Args)]
pub(crate) struct TestNodeArgs {
    /// A node that is watched, or where a machine is
    #[arg(value_name = "DESTINATION|NAME", add = ArgValueCandidates::new(candidates::nodes))]
    pub(crate) which: String,
    /// The private key's file, on the gateway's machine
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<String>,
    /// Go through this machine
    #[arg(long, value_name = "DESTINATION")]
    pub(crate) jump: Option<String>,
    /// Output
    #[command(flatten)]
    pub(crate) output: Json,
}

/// `conduit monitor silence`.
#[derive(Debug, Default, Args)]
pub(crate) struct SilenceArgs {
    /// The rule, or a pattern such as 'gpu-*'
    #[arg(value_name = "RULE", requires = "duration")]
    pub(crate) rule: Option<String>,
    /// Only this node, or nodes that fit this pattern
    #[arg(long, value_name = "NAME", requires = "rule",
        add = ArgValueCandidates::new(candidates::nodes))]
    pub(crate) node: Option<String>,
    /// Only this thing of a node: a mount point, a GPU's index, a container's name
    #[arg(long, value_name = "SUBJECT", requires = "rule")]
    pub(crate) subject: Option<String>,
    /// How long, such as 2h
    #[arg(long = "for", id = "duration", value_name = "TIME", requires = "rule")]
    pub(crate) duration: Option<String>,
    /// Why, for whoever wonders
    #[arg(long, value_name = "TEXT", requires = "rule")]
    pub(crate) comment: Option<String>,
    /// End the silence with this id
    #[arg(long, value_name = "ID", conflicts_with = "rule")]
    pub(crate) lift: Option<String>,
    /// Output
    #[command(flatten)]
    pub(crate) output: Json,
}
