//! The containers of a machine.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The containers of a machine, and the engine that runs them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
pub struct Containers {
    /// The engine and its version.
    pub engine: String,
    /// By name.
    pub containers: Vec<Container>,
    /// How many more there are.
    #[serde(default)]
    #[schema(required)]
    pub left_out: u64,
}

/// One container.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
pub struct Container {
    /// 64 hexadecimal digits.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// What it was made of.
    pub image: String,
    /// The engine's word, such as `running` or `exited`.
    pub state: String,
    /// What its own check says: `healthy`, `unhealthy` or `starting`.
    #[serde(default)]
    #[schema(required)]
    pub health: Option<String>,
    /// Processors in use; `null` until there are two readings.
    #[serde(default)]
    #[schema(required)]
    pub cpu: Option<f64>,
    /// Memory in use.
    #[serde(default)]
    #[schema(required)]
    pub memory_bytes: Option<u64>,
    /// What it may use.
    #[serde(default)]
    #[schema(required)]
    pub memory_limit_bytes: Option<u64>,
    /// How often the engine restarted it.
    #[serde(default)]
    #[schema(required)]
    pub restarts: Option<u64>,
    /// Since when it runs.
    #[serde(default)]
    #[schema(required, format = DateTime)]
    pub started_at: Option<String>,
    /// How long that is.
    #[serde(default)]
    #[schema(required)]
    pub uptime_seconds: Option<u64>,
    /// Processes and threads in it.
    #[serde(default)]
    #[schema(required)]
    pub pids: Option<u64>,
    /// The service that it runs.
    #[serde(default)]
    #[schema(required)]
    pub service: Option<String>,
}

/// One line of a container's log; the answer to `GET /api/v1/containers/{name}/logs` has one of
/// these on each line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ContainerLine {
    /// When it was written, RFC 3339 with fractions of a second.
    #[schema(format = DateTime)]
    pub time: String,
    /// The container.
    pub container: String,
    /// `stdout` or `stderr`.
    pub stream: String,
    /// The line, without its end.
    pub line: String,
}
