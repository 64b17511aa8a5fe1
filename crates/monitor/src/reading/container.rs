//! Containers at one moment.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use conduit_core::clock::Timestamp;

/// The containers of a machine.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ContainersReading {
    /// The engine and its version, such as `Podman 4.3.1`.
    pub engine: String,
    /// Running or not, by name; at most [`CONTAINERS_MAX`].
    pub containers: Vec<Container>,
    /// How many more there are.
    pub left_out: usize,
}

/// One container.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Container {
    /// 64 hexadecimal digits.
    pub id: String,
    /// Without the slash in front.
    pub name: String,
    /// What it was made of.
    pub image: String,
    /// The engine's word: `running`, `exited`, `paused`, `restarting`, `created`, `dead`.
    pub state: String,
    /// The word of its own health check; `None` without one.
    pub health: Option<ContainerHealth>,
    /// How often the engine restarted it.
    pub restarts: Option<u64>,
    /// Since when it runs.
    pub started_at: Option<Timestamp>,
    /// Processor time used since it started.
    pub cpu: Option<Duration>,
    /// When `cpu` was read, by the engine's clock; `None` where the engine does not tell.
    pub counted_at: Option<Timestamp>,
    /// Bytes of memory in use, page cache that can be given back not counted.
    pub memory: Option<u64>,
    /// Bytes it may use; `None` without a limit.
    pub memory_limit: Option<u64>,
    /// Processes and threads in it.
    pub pids: Option<u64>,
    /// As its maker and its starter wrote them; at most [`LABELS_MAX`], those of ours first.
    pub labels: BTreeMap<String, String>,
    /// Its addresses in the engine's networks.
    pub addresses: Vec<IpAddr>,
    /// TCP ports of this machine that lead into it.
    pub ports: Vec<PublishedPort>,
}

/// What a container's own check says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContainerHealth {
    /// It passed.
    Healthy,
    /// It failed.
    Unhealthy,
    /// It did not end yet.
    Starting,
}

/// A port of the machine that leads into a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublishedPort {
    /// Where the machine listens; `None` is everywhere.
    pub address: Option<IpAddr>,
    /// The machine's port.
    pub host: u16,
    /// The container's port.
    pub container: u16,
}

/// The most containers of a machine that are looked at.
pub const CONTAINERS_MAX: usize = 2_000;
/// The most labels of a container that are kept.
pub const LABELS_MAX: usize = 64;
/// The longest name of a label that is kept, and how much of its value, in bytes.
pub const LABEL_BYTES_MAX: usize = 256;
