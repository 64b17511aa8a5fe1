//! GPUs at one moment.
//!
//! Everything a device or driver may lack is an `Option`: absent is not zero.

use std::time::Duration;

/// The GPUs of a machine.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct GpusReading {
    /// In the order of the driver.
    pub gpus: Vec<Gpu>,
    /// The version of NVIDIA's driver.
    pub driver: Option<String>,
    /// What could not be read and its mend, one line each, for [`super::Reading::problems`]; the
    /// local source has moved them there already.
    pub problems: Vec<String>,
}

/// One GPU.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Gpu {
    /// Its number, as NVIDIA's driver counts; AMD's and Intel's follow in the order of their cards.
    pub index: u32,
    /// Who made it.
    pub vendor: Vendor,
    /// What stays the same over reboots: NVIDIA's UUID, else the PCI address.
    pub id: String,
    /// Such as `NVIDIA H200`.
    pub name: String,
    /// The PCI address, `00000000:1B:00.0`.
    pub bus_id: Option<String>,
    /// Of the core, °C.
    pub temperature: Option<f64>,
    /// Of the memory, °C.
    pub memory_temperature: Option<f64>,
    /// Degrees left until it slows down.
    pub margin: Option<f64>,
    /// Bytes of its memory.
    pub memory: Option<GpuMemory>,
    /// Share of time in which a kernel ran, 0 to 1: not occupancy.
    pub utilization: Option<f64>,
    /// Share of time in which memory was read or written, 0 to 1.
    pub memory_utilization: Option<f64>,
    /// The encoder's share, 0 to 1.
    pub encoder: Option<f64>,
    /// The decoder's share, 0 to 1.
    pub decoder: Option<f64>,
    /// Watts drawn.
    pub power: Option<f64>,
    /// Watts allowed.
    pub power_limit: Option<f64>,
    /// Millijoules since the driver was loaded.
    pub energy: Option<u64>,
    /// The streaming multiprocessors' clock, MHz.
    pub sm_clock: Option<u32>,
    /// The memory's clock, MHz.
    pub memory_clock: Option<u32>,
    /// Why it runs slower than it could.
    pub throttle: Option<Throttle>,
    /// Memory errors.
    pub ecc: Option<Ecc>,
    /// Rows of memory that were replaced.
    pub remapped: Option<RemappedRows>,
    /// The link to the machine.
    pub pcie: Option<Pcie>,
    /// The fan, 0 to 1.
    pub fan: Option<f64>,
    /// The performance state, 0 (fastest) to 15.
    pub performance_state: Option<u32>,
    /// Whether it is cut into instances, and which; `None` when it cannot be.
    pub mig: Option<Mig>,
    /// Links to other GPUs.
    pub nvlinks: Vec<NvLink>,
    /// The last error code of the driver (NVIDIA's XID); `None` when none was seen, which means
    /// that there was none only if [`Self::xid_is_watched`].
    pub xid: Option<Xid>,
    /// Whether error codes are listened for.
    pub xid_is_watched: bool,
    /// Who computes on it.
    pub processes: Vec<GpuProcess>,
    /// Whether it sleeps; then nothing else was asked, so as not to wake it.
    pub asleep: bool,
    /// Whether it fell off the bus: the driver holds it and reaches it no more, and nothing else is
    /// known of it.
    pub lost: bool,
}

/// Who made a GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Vendor {
    /// NVIDIA.
    #[default]
    Nvidia,
    /// AMD.
    Amd,
    /// Intel.
    Intel,
}

/// Bytes of a GPU's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GpuMemory {
    /// All of it.
    pub total: u64,
    /// Allocated.
    pub used: u64,
    /// Kept by the driver for itself.
    pub reserved: Option<u64>,
}

/// Why a GPU runs slower than it could, now, and for how long in all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Throttle {
    /// The reasons that hold now, in the driver's words such as `hw_thermal_slowdown`, `sw_power_cap`.
    pub reasons: Vec<&'static str>,
    /// How long power held it back since the driver was loaded.
    pub power: Option<Duration>,
    /// How long heat held it back since the driver was loaded.
    pub thermal: Option<Duration>,
}

/// Memory errors since the driver was loaded (volatile) and ever (aggregate).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ecc {
    /// Mended, since the driver was loaded.
    pub corrected_volatile: Option<u64>,
    /// Not mended, since the driver was loaded.
    pub uncorrected_volatile: Option<u64>,
    /// Mended, ever.
    pub corrected_aggregate: Option<u64>,
    /// Not mended, ever.
    pub uncorrected_aggregate: Option<u64>,
}

/// Rows of memory that were replaced by spare ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RemappedRows {
    /// After errors that were mended.
    pub corrected: u64,
    /// After errors that were not.
    pub uncorrected: u64,
    /// Whether one waits for the next reset.
    pub pending: bool,
    /// Whether one failed: the board is to be replaced.
    pub failed: bool,
}

/// A PCI Express link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pcie {
    /// The generation it runs at.
    pub generation: Option<u32>,
    /// The best generation of card and slot.
    pub generation_max: Option<u32>,
    /// Lanes in use.
    pub width: Option<u32>,
    /// Lanes of card and slot.
    pub width_max: Option<u32>,
    /// Packets sent again, ever.
    pub replays: Option<u64>,
    /// Bytes per second to the machine.
    pub sent: Option<u64>,
    /// Bytes per second from the machine.
    pub received: Option<u64>,
}

/// How a GPU is cut into instances.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mig {
    /// Whether it is cut now.
    pub enabled: bool,
    /// The instances.
    pub instances: Vec<MigInstance>,
}

/// An instance of a GPU that is cut.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MigInstance {
    /// Its UUID.
    pub id: String,
    /// Its profile, such as `1g.10gb`, when the driver tells.
    pub profile: Option<String>,
    /// Bytes of its memory.
    pub memory: Option<GpuMemory>,
}

/// A link to another GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NvLink {
    /// Its number.
    pub link: u32,
    /// Whether it is up.
    pub active: bool,
    /// Errors of all kinds, ever.
    pub errors: Option<u64>,
}

/// An error code of NVIDIA's driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Xid {
    /// The code, such as 79 (fell off the bus).
    pub code: u64,
    /// How many were seen since Conduit started.
    pub count: u64,
}

/// A process that computes on a GPU.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GpuProcess {
    /// As its machine counts.
    pub pid: u32,
    /// The program's name, without its path.
    pub name: String,
    /// Bytes of the GPU's memory that it holds.
    pub memory: Option<u64>,
    /// The container it runs in: 64 hexadecimal digits, from its control group.
    pub container: Option<String>,
}
