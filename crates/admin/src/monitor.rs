//! What the control plane asks of the monitor, and cannot do itself.
//!
//! The composition implements [`Monitor`]; this room sees neither sources nor the history.
//!
//! **Invariant:** which nodes there are is the registry's to say; nothing here adds or removes one.

use std::time::Duration;

use conduit_core::clock::Timestamp;
use conduit_core::live;
use conduit_core::node::{Node, NodeName};
pub use conduit_monitor::channel::ChannelStatus;
pub use conduit_monitor::containers::{LogAsked, LogLine};
use conduit_monitor::metric::Metric;
use conduit_monitor::source::SourceKind;
use conduit_monitor::view::NodesView;
use futures_util::stream::BoxStream;

use crate::control::BoxFuture;

/// The monitor as a whole.
pub trait Monitor: Send + Sync + 'static {
    /// What is known of all nodes now.
    fn view(&self) -> live::Reader<NodesView>;

    /// What this gateway's own machine is called; what goes through services is told under it.
    fn here(&self) -> NodeName;

    /// Between two readings of a node.
    fn interval(&self) -> Duration;

    /// The nodes that the configuration names.
    fn configured(&self) -> Vec<Node>;

    /// What the monitor counts about itself.
    fn counts(&self) -> Counts;

    /// Reads the history; one series for each subject, and no more than
    /// [`HISTORY_SERIES_MAX`](crate::limits::HISTORY_SERIES_MAX).
    fn history<'a>(
        &'a self,
        asked: &'a HistoryAsked,
    ) -> BoxFuture<'a, Result<Vec<SeriesPoints>, MonitorError>>;

    /// The rules that raise alerts, by name.
    fn rules(&self) -> Vec<RuleInfo>;

    /// The silences that are in force, by their end.
    fn silences(&self) -> Vec<Silence>;

    /// Keeps alerts from the channels for a while; the caller has recorded the decision.
    ///
    /// # Errors
    /// When there are too many.
    fn silence(&self, wish: SilenceWish) -> Result<Silence, MonitorError>;

    /// Ends a silence before its time; the caller has recorded the decision.
    ///
    /// # Errors
    /// When there is none with that id.
    fn lift(&self, id: &str) -> Result<Silence, MonitorError>;

    /// The ways by which people are told, and what became of their messages.
    fn channels(&self) -> Vec<ChannelStatus>;

    /// Has a channel send one message that says it is a test; what came of it, or an error when
    /// there is no channel of this name.
    fn test_channel<'a>(
        &'a self,
        name: &'a str,
    ) -> BoxFuture<'a, Result<ChannelTested, MonitorError>>;

    /// Looks at the host key of a machine, and sends it nothing else.
    fn scan<'a>(&'a self, node: &'a Node) -> BoxFuture<'a, Result<Scanned, MonitorError>>;

    /// Pins the host key that was scanned: from now on the node may be logged in to.
    fn pin<'a>(
        &'a self,
        node: &'a Node,
        scanned: &'a Scanned,
    ) -> BoxFuture<'a, Result<(), MonitorError>>;

    /// Forgets the host key of a node that is not watched, unless it is in a file of the
    /// operator's.
    fn unpin<'a>(&'a self, node: &'a Node) -> BoxFuture<'a, Result<(), MonitorError>>;

    /// Reads a machine once; one whose host key is not pinned is scanned only.
    fn test<'a>(&'a self, node: &'a Node) -> BoxFuture<'a, Result<Tested, MonitorError>>;

    /// What node_exporter would say of a node; `None` while it cannot be read.
    fn node_page(&self, node: &NodeName) -> Option<String>;

    /// What dcgm-exporter would say of a node; `None` without a GPU, and while it cannot be read.
    fn dcgm_page(&self, node: &NodeName) -> Option<String>;

    /// The log of a container on this machine, oldest line first.
    fn container_log<'a>(
        &'a self,
        container: &'a str,
        asked: LogAsked,
    ) -> BoxFuture<'a, Result<LogStream, MonitorError>>;
}

/// Lines of a log as they come; it ends when the log does and nobody follows it.
pub type LogStream = BoxStream<'static, Result<LogLine, MonitorError>>;

/// What the monitor counts about itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Counts {
    /// Series that are kept.
    pub series: u64,
    /// Samples that were not kept: too much came at once, or there is no room.
    pub samples_lost: u64,
    /// Bytes of the history on the disk.
    pub history_bytes: u64,
    /// How long the last read of each source took.
    pub reads: Vec<(NodeName, SourceKind, Duration)>,
    /// The channels.
    pub channels: Vec<ChannelStatus>,
}

/// Which samples are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryAsked {
    /// Of which node.
    pub node: NodeName,
    /// Which number.
    pub metric: Metric,
    /// Of which thing; of all of them when `None`.
    pub subject: Option<String>,
    /// The beginning.
    pub from: Timestamp,
    /// The end; not included.
    pub to: Timestamp,
    /// From one point to the next; there are at most
    /// [`HISTORY_POINTS_MAX`](crate::limits::HISTORY_POINTS_MAX) steps.
    pub step: Duration,
}

/// The points of one subject.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesPoints {
    /// Which thing.
    pub subject: Option<String>,
    /// In order of time; a step without a sample has none.
    pub points: Vec<Point>,
}

/// What the samples of one step were.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// When the step began.
    pub at: Timestamp,
    /// Their mean.
    pub mean: f64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
}

/// A rule, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleInfo {
    /// What it is called.
    pub name: String,
    /// The number it looks at.
    pub metric: Metric,
    /// In words, such as `gpu_temperature > 85 for 1m`.
    pub condition: String,
    /// The word for how much it matters.
    pub severity: &'static str,
    /// Whether it is one of ours, not one of the configuration.
    pub is_default: bool,
    /// Whether it is on.
    pub is_enabled: bool,
}

/// Which alerts are to be kept from the channels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SilenceWish {
    /// The rules: a name, or a pattern such as `gpu-*`.
    pub rule: String,
    /// Only nodes that fit this name or pattern.
    pub node: Option<String>,
    /// Only subjects that fit this word or pattern.
    pub subject: Option<String>,
    /// From now on.
    pub from: Timestamp,
    /// Until then.
    pub until: Timestamp,
    /// Who asked.
    pub by: String,
    /// Why.
    pub comment: Option<String>,
}

/// A silence that is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silence {
    /// How to name it.
    pub id: String,
    /// What was wished for.
    pub wish: SilenceWish,
}

/// The host key that a machine shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scanned {
    /// `SHA256:…`, as OpenSSH prints it.
    pub fingerprint: String,
    /// Such as `ssh-ed25519`.
    pub key_type: String,
    /// The key as a line of a `known_hosts` file has it, without the host in front.
    pub key: String,
    /// Whether it is pinned already.
    pub is_pinned: bool,
}

/// What came of reading a machine once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tested {
    /// The host key.
    pub scanned: Scanned,
    /// Why no reading came; `None` when one did.
    pub error: Option<String>,
    /// What was missing in it.
    pub problems: Vec<String>,
    /// What the machine calls itself.
    pub hostname: Option<String>,
    /// How many GPUs were found.
    pub gpus: Option<usize>,
    /// How many containers were found.
    pub containers: Option<usize>,
    /// From connecting to the end.
    pub took: Duration,
}

/// What came of the test of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelTested {
    /// Where the message went, as far as it may be shown.
    pub place: String,
    /// Why it did not arrive.
    pub error: Option<String>,
    /// How long it took.
    pub took: Duration,
}

/// Why the monitor did not do as asked; the text says what and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MonitorError {
    /// Something else excludes it.
    #[error("{0}")]
    Conflict(String),
    /// It was tried, and the machine or the engine did not do its part.
    #[error("{0}")]
    Failed(String),
    /// It was asked for something that cannot be.
    #[error("{0}")]
    Invalid(String),
    /// What it is about is not there.
    #[error("{0}")]
    NotFound(String),
    /// The part that would do it is off.
    #[error("{0}")]
    Unavailable(String),
}
