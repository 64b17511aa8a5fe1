//! What people and rules look at: states of now, and rates between two readings.

use std::time::Duration;

use crate::reading::container::Container;

/// A machine.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HostFigures {
    /// What it calls itself.
    pub hostname: String,
    /// The kernel's release.
    pub kernel: String,
    /// Since it was started.
    pub uptime: Option<Duration>,
    /// Processors that are on line.
    pub cores: u32,
    /// Busy share of all processors, 0 to 1; `None` until there are two readings.
    pub cpu: Option<f64>,
    /// Busy share of each processor, 0 to 1.
    pub cpu_per_core: Vec<f64>,
    /// Load averages over 1, 5 and 15 minutes.
    pub load: Option<[f64; 3]>,
    /// Bytes of memory.
    pub memory: Usage,
    /// Bytes of swap.
    pub swap: Usage,
    /// File systems on real devices, each device once.
    pub file_systems: Vec<FileSystemFigures>,
    /// Disks.
    pub disks: Vec<DiskFigures>,
    /// Network interfaces, the loopback left out.
    pub interfaces: Vec<InterfaceFigures>,
    /// Pressure stall information; `None` where the kernel has none.
    pub pressure: Option<PressureFigures>,
    /// Temperatures.
    pub temperatures: Vec<Temperature>,
    /// The named systemd units.
    pub units: Vec<UnitState>,
    /// Processes that the kernel killed for memory, since the last reading.
    pub oom_kills: Option<u64>,
    /// Seconds that its clock is ahead of ours; `None` for this machine.
    pub clock_offset: Option<f64>,
}

/// How much there is, and how much of it is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// All of it.
    pub total: u64,
    /// What cannot be given to somebody else.
    pub used: u64,
}

impl Usage {
    /// The share in use, 0 to 1; `None` of nothing.
    pub fn share(self) -> Option<f64> {
        (self.total > 0).then(|| self.used as f64 / self.total as f64)
    }
}

/// A file system.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FileSystemFigures {
    /// Its device, such as `/dev/sda1`.
    pub device: String,
    /// Where it is mounted; the first place when there are several.
    pub mount_point: String,
    /// Its type, such as `ext4`.
    pub kind: String,
    /// Bytes; what is kept for root counts as used.
    pub usage: Usage,
    /// Whether it cannot be written to.
    pub read_only: bool,
}

/// A disk.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DiskFigures {
    /// Such as `nvme0n1`.
    pub name: String,
    /// Bytes per second.
    pub read: Option<f64>,
    /// Bytes per second.
    pub written: Option<f64>,
    /// Share of time with at least one request under way, 0 to 1.
    pub busy: Option<f64>,
}

/// A network interface.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct InterfaceFigures {
    /// Such as `eth0`.
    pub name: String,
    /// Bytes per second.
    pub received: Option<f64>,
    /// Bytes per second.
    pub sent: Option<f64>,
    /// Errors and drops per second, both ways.
    pub errors: Option<f64>,
}

/// The share of time, 0 to 1 over 10 seconds, in which work waited for something.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct PressureFigures {
    /// Some work waited for a processor.
    pub cpu: f64,
    /// Some work waited for memory.
    pub memory: f64,
    /// Some work waited for a disk.
    pub io: f64,
}

/// A temperature.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Temperature {
    /// The chip and its sensor, such as `coretemp Package id 0`.
    pub sensor: String,
    /// °C.
    pub celsius: f64,
    /// °C at which it is too hot, as the chip says.
    pub critical: Option<f64>,
}

/// A systemd unit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UnitState {
    /// Such as `docker.service`.
    pub name: String,
    /// systemd's word: `active`, `inactive`, `failed`, `activating`…; `not-found` for none.
    pub active: String,
}

/// A container, with its rates and the service it runs.
#[derive(Debug, Clone, PartialEq)]
pub struct ContainerFigures {
    /// As it was read.
    pub container: Container,
    /// Processors in use, 1.0 is one whole; `None` until there are two readings.
    pub cpu: Option<f64>,
    /// The service it runs, by name.
    pub service: Option<String>,
}
