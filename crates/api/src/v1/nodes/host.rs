//! The machine itself.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a machine does.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
pub struct Host {
    /// What it calls itself.
    pub hostname: String,
    /// The kernel's release.
    pub kernel: String,
    /// Since it was started.
    #[serde(default)]
    #[schema(required)]
    pub uptime_seconds: Option<f64>,
    /// Processors that are on line.
    pub cores: u32,
    /// Busy share of all processors; `null` until there are two readings.
    #[serde(default)]
    #[schema(required)]
    pub cpu: Option<f64>,
    /// Busy share of each.
    #[serde(default)]
    #[schema(required)]
    pub cpu_per_core: Vec<f64>,
    /// Over 1, 5 and 15 minutes.
    #[serde(default)]
    #[schema(required)]
    pub load: Option<[f64; 3]>,
    /// Memory.
    pub memory: Amount,
    /// Swap.
    pub swap: Amount,
    /// File systems on real devices, each device once.
    #[serde(default)]
    #[schema(required)]
    pub file_systems: Vec<FileSystem>,
    /// Disks.
    #[serde(default)]
    #[schema(required)]
    pub disks: Vec<Disk>,
    /// Network interfaces.
    #[serde(default)]
    #[schema(required)]
    pub interfaces: Vec<Interface>,
    /// Pressure stall information.
    #[serde(default)]
    #[schema(required)]
    pub pressure: Option<Pressure>,
    /// Temperatures.
    #[serde(default)]
    #[schema(required)]
    pub temperatures: Vec<Temperature>,
    /// The systemd units that are watched.
    #[serde(default)]
    #[schema(required)]
    pub units: Vec<Unit>,
    /// Processes killed for memory since the reading before.
    #[serde(default)]
    #[schema(required)]
    pub oom_kills: Option<u64>,
    /// Seconds that its clock is ahead of the gateway's; `null` for the gateway.
    #[serde(default)]
    #[schema(required)]
    pub clock_offset_seconds: Option<f64>,
}

/// How much there is, and how much of it is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct Amount {
    /// All of it.
    pub total_bytes: u64,
    /// What cannot be given to somebody else.
    pub used_bytes: u64,
}

impl Amount {
    /// The share in use; `None` of nothing.
    pub fn share(self) -> Option<f64> {
        (self.total_bytes > 0).then(|| self.used_bytes as f64 / self.total_bytes as f64)
    }
}

/// A file system.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct FileSystem {
    /// Such as `/dev/sda1`.
    pub device: String,
    /// Where it is mounted.
    pub mount_point: String,
    /// Such as `ext4`.
    #[serde(rename = "type")]
    pub kind: String,
    /// All of it, in bytes.
    pub total_bytes: u64,
    /// Used, what is kept for root included.
    pub used_bytes: u64,
    /// Whether it cannot be written to.
    pub read_only: bool,
}

/// A disk.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
pub struct Disk {
    /// Such as `nvme0n1`.
    pub name: String,
    /// Read from it.
    #[serde(default)]
    #[schema(required)]
    pub read_bytes_per_second: Option<f64>,
    /// Written to it.
    #[serde(default)]
    #[schema(required)]
    pub written_bytes_per_second: Option<f64>,
    /// Share of time with a request under way.
    #[serde(default)]
    #[schema(required)]
    pub busy: Option<f64>,
}

/// A network interface.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
pub struct Interface {
    /// Such as `eth0`.
    pub name: String,
    /// Received.
    #[serde(default)]
    #[schema(required)]
    pub received_bytes_per_second: Option<f64>,
    /// Sent.
    #[serde(default)]
    #[schema(required)]
    pub sent_bytes_per_second: Option<f64>,
    /// Errors and drops, both ways.
    #[serde(default)]
    #[schema(required)]
    pub errors_per_second: Option<f64>,
}

/// The share of time in which some work waited.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, ToSchema)]
pub struct Pressure {
    /// For a processor.
    pub cpu: f64,
    /// For memory.
    pub memory: f64,
    /// For a disk.
    pub io: f64,
}

/// A temperature.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
pub struct Temperature {
    /// The chip and its sensor.
    pub sensor: String,
    /// How warm.
    pub celsius: f64,
    /// What is too hot, as the chip says.
    #[serde(default)]
    #[schema(required)]
    pub critical: Option<f64>,
}

/// A systemd unit.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct Unit {
    /// Such as `docker.service`.
    pub name: String,
    /// systemd's word, such as `active` or `failed`; `not-found` for none.
    pub state: String,
}
