//! Monitored machines: what is known of them now, what it was, and which there are.
//!
//! What is not known is `null` or absent, never zero. Bytes are bytes, shares are 0 to 1, times are
//! RFC 3339 in UTC, temperatures are °C.

mod containers;
mod gpus;
mod host;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use self::containers::{Container, ContainerLine, Containers};
pub use self::gpus::{Gpu, GpuProcess, Gpus, MigInstance, Pcie, VramHolder};
pub use self::host::{Amount, Disk, FileSystem, Host, Interface, Pressure, Temperature, Unit};
use crate::v1::alerts::Alert;
use crate::v1::wire_words;

/// `GET /api/v1/nodes`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NodeList {
    /// When this was written.
    #[schema(format = DateTime)]
    pub at: String,
    /// Seconds between two readings of a node.
    pub interval_seconds: f64,
    /// This machine first, then the others by name.
    pub nodes: Vec<Node>,
    /// Engines of services.
    #[serde(default)]
    #[schema(required)]
    pub engines: Vec<Engine>,
    /// Alerts that are raised now.
    #[serde(default)]
    #[schema(required)]
    pub alerts: Vec<Alert>,
}

/// `GET /api/v1/nodes/{name}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NodeReply {
    /// When this was written.
    #[schema(format = DateTime)]
    pub at: String,
    /// Seconds between two readings.
    pub interval_seconds: f64,
    /// The node.
    pub node: Node,
    /// Its alerts that are raised now.
    #[serde(default)]
    #[schema(required)]
    pub alerts: Vec<Alert>,
}

wire_words! {
    /// Where a node comes from.
    NodeOrigin {
        /// It was added by an operator, and can be removed.
        Added => "added",
        /// `monitor.servers` or `CONDUIT_REMOTE_SERVERS` names it.
        Configured => "configured",
        /// It is the gateway's own machine.
        Local => "local",
    }
}

wire_words! {
    /// Whether a node is read.
    NodeState {
        /// Its last reading failed, or is too old.
        Lost => "lost",
        /// It was read.
        Up => "up",
        /// Nothing came yet.
        Waiting => "waiting",
    }
}

/// One machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Node {
    /// What it is called.
    pub name: String,
    /// Its address, as configured; `null` for this machine.
    pub address: Option<String>,
    /// Where it comes from.
    pub origin: NodeOrigin,
    /// Whether it is read.
    pub state: NodeState,
    /// Words it is grouped by.
    #[serde(default)]
    #[schema(required)]
    pub tags: Vec<String>,
    /// What it is read by, and what became of it.
    #[serde(default)]
    #[schema(required)]
    pub sources: Vec<NodeSource>,
    /// The machine.
    #[serde(default)]
    #[schema(required)]
    pub host: Option<Host>,
    /// Its GPUs; `null` when they could not be looked for.
    #[serde(default)]
    #[schema(required)]
    pub gpus: Option<Gpus>,
    /// Its containers; `null` when there is no engine, or they were not asked for.
    #[serde(default)]
    #[schema(required)]
    pub containers: Option<Containers>,
    /// Who holds the memory of its GPUs, the largest first.
    #[serde(default)]
    #[schema(required)]
    pub vram: Vec<VramHolder>,
}

/// A source of a node, and what became of its reads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NodeSource {
    /// `host`, `gpu`, `containers`, `ssh` or `engines`.
    pub kind: String,
    /// When it last gave a reading.
    #[serde(default)]
    #[schema(required, format = DateTime)]
    pub read_at: Option<String>,
    /// How long ago that was.
    #[serde(default)]
    #[schema(required)]
    pub age_seconds: Option<f64>,
    /// Why the last read failed.
    #[serde(default)]
    #[schema(required)]
    pub error: Option<String>,
    /// Whether that is a state and not a fault: there is nothing to read here.
    #[serde(default)]
    #[schema(required)]
    pub absent: bool,
    /// What was missing in the last reading.
    #[serde(default)]
    #[schema(required)]
    pub problems: Vec<String>,
}

/// What the engine behind one upstream tells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Engine {
    /// The service it is behind.
    pub service: String,
    /// `HOST:PORT`.
    pub upstream: String,
    /// Such as `vllm`.
    pub preset: String,
    /// Requests it works on.
    #[serde(default)]
    #[schema(required)]
    pub running: Option<f64>,
    /// Requests that wait in it.
    #[serde(default)]
    #[schema(required)]
    pub waiting: Option<f64>,
    /// The share of its cache that is in use.
    #[serde(default)]
    #[schema(required)]
    pub cache_used: Option<f64>,
    /// Tokens read since it started.
    #[serde(default)]
    #[schema(required)]
    pub prompt_tokens: Option<f64>,
    /// Tokens written since it started.
    #[serde(default)]
    #[schema(required)]
    pub generated_tokens: Option<f64>,
    /// Tokens read per second between the last two readings.
    #[serde(default)]
    #[schema(required)]
    pub prompt_tokens_per_second: Option<f64>,
    /// Tokens written per second between the last two readings.
    #[serde(default)]
    #[schema(required)]
    pub generated_tokens_per_second: Option<f64>,
    /// Models in memory.
    #[serde(default)]
    #[schema(required)]
    pub models: Vec<LoadedModel>,
    /// Why it told nothing.
    #[serde(default)]
    #[schema(required)]
    pub problem: Option<String>,
}

/// A model that is in memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LoadedModel {
    /// As the engine calls it.
    pub name: String,
    /// Bytes in all.
    #[serde(default)]
    #[schema(required)]
    pub size_bytes: Option<u64>,
    /// Bytes of it on the GPU.
    #[serde(default)]
    #[schema(required)]
    pub vram_bytes: Option<u64>,
}

/// `GET /api/v1/nodes/{name}/history`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct History {
    /// The node.
    pub node: String,
    /// The number, such as `gpu_temperature`.
    pub metric: String,
    /// What it is counted in, such as `celsius`.
    pub unit: String,
    /// The beginning.
    #[schema(format = DateTime)]
    pub from: String,
    /// The end.
    #[schema(format = DateTime)]
    pub to: String,
    /// From one point to the next.
    pub step_seconds: f64,
    /// One for each subject, by subject.
    pub series: Vec<HistorySeries>,
}

/// The points of one subject.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HistorySeries {
    /// Which of the node's things: a mount point, a GPU's index, a container's name.
    #[serde(default)]
    #[schema(required)]
    pub subject: Option<String>,
    /// In order of time; a step without a sample has none.
    pub points: Vec<HistoryPoint>,
}

/// What the samples of one step were.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HistoryPoint {
    /// When the step began.
    #[schema(format = DateTime)]
    pub at: String,
    /// Their mean.
    pub mean: f64,
    /// The least of them.
    pub min: f64,
    /// The greatest of them.
    pub max: f64,
}

/// `POST /api/v1/nodes`, and what `POST /api/v1/nodes:test` takes. Unknown fields are refused.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddNode {
    /// `user@host:port`; all but the host may be left out.
    pub destination: String,
    /// What it is to be called; the host when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The private key's file, an absolute path on the gateway's machine; for admins only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// A machine to go through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jump: Option<String>,
    /// The file with known host keys, an absolute path on the gateway's machine; for admins only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_hosts: Option<String>,
    /// Words to group it by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The host key that is accepted, `SHA256:…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
}

/// The answer to [`AddNode`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AddNodeReply {
    /// What it is called.
    pub name: String,
    /// `user@host:port`.
    pub destination: String,
    /// The host key that is pinned now.
    pub fingerprint: String,
}

/// The answer to `DELETE /api/v1/nodes/{name}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RemoveNodeReply {
    /// The node that is watched no more.
    pub name: String,
}

/// `POST /api/v1/nodes:test`: one of a node that is there and a destination. Unknown fields are
/// refused.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TestNode {
    /// A node that is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// A machine that need not be one yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<AddNode>,
}

/// The answer to [`TestNode`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TestReply {
    /// What was tried.
    pub destination: String,
    /// The host key that it shows, `SHA256:…`.
    pub fingerprint: String,
    /// The kind of that key, such as `ssh-ed25519`.
    pub key_type: String,
    /// Whether that key is pinned; one that is not is never logged in to.
    pub pinned: bool,
    /// Whether a reading came.
    pub ok: bool,
    /// Why none came.
    #[serde(default)]
    #[schema(required)]
    pub error: Option<String>,
    /// What was missing in it.
    #[serde(default)]
    #[schema(required)]
    pub problems: Vec<String>,
    /// What the machine calls itself.
    #[serde(default)]
    #[schema(required)]
    pub hostname: Option<String>,
    /// How many GPUs were found.
    #[serde(default)]
    #[schema(required)]
    pub gpus: Option<u64>,
    /// How many containers were found.
    #[serde(default)]
    #[schema(required)]
    pub containers: Option<u64>,
    /// From connecting to the end of the reading.
    pub took_ms: u64,
}
