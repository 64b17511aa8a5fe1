//! The GPUs of a machine.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The GPUs of a machine.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
pub struct Gpus {
    /// The version of NVIDIA's driver.
    #[serde(default)]
    #[schema(required)]
    pub driver: Option<String>,
    /// In the order of the driver.
    pub gpus: Vec<Gpu>,
}

/// One GPU.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
pub struct Gpu {
    /// Its number, as the driver counts.
    pub index: u32,
    /// `nvidia`, `amd` or `intel`.
    pub vendor: String,
    /// What stays the same over reboots.
    pub id: String,
    /// Such as `NVIDIA H200`.
    pub name: String,
    /// The PCI address.
    #[serde(default)]
    #[schema(required)]
    pub bus_id: Option<String>,
    /// Whether it sleeps; then nothing else was asked, so as not to wake it.
    #[serde(default)]
    #[schema(required)]
    pub asleep: bool,
    /// Whether it fell off the bus: the driver lists it and does not reach it, and nothing else is
    /// known of it.
    #[serde(default)]
    #[schema(required)]
    pub lost: bool,
    /// Of the core.
    #[serde(default)]
    #[schema(required)]
    pub temperature: Option<f64>,
    /// Of the memory.
    #[serde(default)]
    #[schema(required)]
    pub memory_temperature: Option<f64>,
    /// Degrees left until it slows down.
    #[serde(default)]
    #[schema(required)]
    pub margin: Option<f64>,
    /// Bytes of its memory.
    #[serde(default)]
    #[schema(required)]
    pub memory_total_bytes: Option<u64>,
    /// Allocated.
    #[serde(default)]
    #[schema(required)]
    pub memory_used_bytes: Option<u64>,
    /// Kept by the driver for itself.
    #[serde(default)]
    #[schema(required)]
    pub memory_reserved_bytes: Option<u64>,
    /// Share of time in which a kernel ran: not occupancy.
    #[serde(default)]
    #[schema(required)]
    pub utilization: Option<f64>,
    /// Share of time in which memory was read or written.
    #[serde(default)]
    #[schema(required)]
    pub memory_utilization: Option<f64>,
    /// Watts drawn.
    #[serde(default)]
    #[schema(required)]
    pub power: Option<f64>,
    /// Watts allowed.
    #[serde(default)]
    #[schema(required)]
    pub power_limit: Option<f64>,
    /// The streaming multiprocessors' clock.
    #[serde(default)]
    #[schema(required)]
    pub sm_clock_mhz: Option<u32>,
    /// The memory's clock.
    #[serde(default)]
    #[schema(required)]
    pub memory_clock_mhz: Option<u32>,
    /// Why it runs slower than it could, in the driver's words; `null` when it does not tell.
    #[serde(default)]
    #[schema(required)]
    pub throttle: Option<Vec<String>>,
    /// Memory errors that were mended, since the driver was loaded.
    #[serde(default)]
    #[schema(required)]
    pub ecc_corrected: Option<u64>,
    /// Those that were not.
    #[serde(default)]
    #[schema(required)]
    pub ecc_uncorrected: Option<u64>,
    /// Whether a replaced row of memory waits for the next reset.
    #[serde(default)]
    #[schema(required)]
    pub remap_pending: Option<bool>,
    /// Whether a row could not be replaced.
    #[serde(default)]
    #[schema(required)]
    pub remap_failed: Option<bool>,
    /// The link to the machine.
    #[serde(default)]
    #[schema(required)]
    pub pcie: Option<Pcie>,
    /// The fan, 0 to 1.
    #[serde(default)]
    #[schema(required)]
    pub fan: Option<f64>,
    /// The last error code of the driver (NVIDIA's XID).
    #[serde(default)]
    #[schema(required)]
    pub xid: Option<u64>,
    /// Its instances, when it is cut (MIG).
    #[serde(default)]
    #[schema(required)]
    pub mig: Vec<MigInstance>,
    /// Who computes on it.
    #[serde(default)]
    #[schema(required)]
    pub processes: Vec<GpuProcess>,
}

/// A PCI Express link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct Pcie {
    /// The generation it runs at.
    #[serde(default)]
    #[schema(required)]
    pub generation: Option<u32>,
    /// The best of card and slot.
    #[serde(default)]
    #[schema(required)]
    pub generation_max: Option<u32>,
    /// Lanes in use.
    #[serde(default)]
    #[schema(required)]
    pub width: Option<u32>,
    /// Lanes of card and slot.
    #[serde(default)]
    #[schema(required)]
    pub width_max: Option<u32>,
}

/// An instance of a GPU that is cut.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct MigInstance {
    /// Its UUID.
    pub id: String,
    /// Such as `1g.10gb`.
    #[serde(default)]
    #[schema(required)]
    pub profile: Option<String>,
    /// Bytes of its memory.
    #[serde(default)]
    #[schema(required)]
    pub memory_total_bytes: Option<u64>,
    /// Allocated.
    #[serde(default)]
    #[schema(required)]
    pub memory_used_bytes: Option<u64>,
}

/// A process that computes on a GPU.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct GpuProcess {
    /// As its machine counts.
    pub pid: u32,
    /// The program's name.
    pub name: String,
    /// Bytes of the GPU's memory that it holds.
    #[serde(default)]
    #[schema(required)]
    pub vram_bytes: Option<u64>,
    /// The container it runs in, by name.
    #[serde(default)]
    #[schema(required)]
    pub container: Option<String>,
    /// The service which that container runs.
    #[serde(default)]
    #[schema(required)]
    pub service: Option<String>,
}

/// Who holds the memory of a machine's GPUs: a service, else a container, else a program.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct VramHolder {
    /// The service.
    #[serde(default)]
    #[schema(required)]
    pub service: Option<String>,
    /// The container, when no service is known.
    #[serde(default)]
    #[schema(required)]
    pub container: Option<String>,
    /// The program, when neither is known.
    #[serde(default)]
    #[schema(required)]
    pub program: Option<String>,
    /// Bytes of all its processes on all GPUs; `null` when no driver tells.
    #[serde(default)]
    #[schema(required)]
    pub vram_bytes: Option<u64>,
    /// How many processes.
    pub processes: u64,
    /// The GPUs, by index.
    pub gpus: Vec<u32>,
}
