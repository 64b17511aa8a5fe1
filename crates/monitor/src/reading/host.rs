//! A machine's own counters, as its kernel gives them.
//!
//! **Invariant:** what the kernel did not say is `None` or not in its list, never zero.

pub mod network;
pub mod processor;
pub mod sensor;
pub mod storage;

use std::collections::BTreeMap;
use std::time::Duration;

use self::network::{Interface, Sockets};
use self::processor::{Processors, Softnet};
use self::sensor::{CoolingDevice, PowerSupply, Sensor};
use self::storage::{Disk, FileSystem};
use crate::figures::UnitState;

/// What `/proc` and `/sys` say at one moment.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HostReading {
    /// What it calls itself; empty when it did not say.
    pub hostname: String,
    /// The kernel's release; empty when it did not say.
    pub kernel: String,
    /// The machine's own monotonic clock: rates are made with it, never with ours.
    pub uptime: Option<Duration>,
    /// The machine's wall clock, in seconds since 1970.
    pub clock: Option<f64>,
    /// How it describes itself.
    pub uname: Option<Uname>,
    /// Its distribution: the fields of `/etc/os-release`, by name.
    pub distribution: BTreeMap<String, String>,
    /// Ticks per second of processor times.
    pub ticks_per_second: Option<u32>,
    /// Bytes of a page of memory.
    pub page_bytes: Option<u64>,
    /// Its processors and what the scheduler counts.
    pub processors: Processors,
    /// Packets that each processor handled.
    pub softnet: Vec<Softnet>,
    /// How many want to run.
    pub load: Option<Load>,
    /// The fields of `/proc/meminfo`, in its order.
    pub memory: Vec<MemoryField>,
    /// Paging counters since start, by name; only those that [`crate::host`] lists.
    pub paging: BTreeMap<String, u64>,
    /// Time spent waiting for something; `None` where the kernel does not count it.
    pub pressure: Pressure,
    /// Block devices, partitions and memory disks left out.
    pub disks: Vec<Disk>,
    /// Mounted file systems; those that exist in memory only for the kernel's use are left out.
    pub file_systems: Vec<FileSystem>,
    /// Network interfaces, the loopback among them.
    pub interfaces: Vec<Interface>,
    /// What the network stack counts.
    pub sockets: Sockets,
    /// Temperatures and fans.
    pub sensors: Vec<Sensor>,
    /// What the kernel can slow down or switch on to cool.
    pub cooling: Vec<CoolingDevice>,
    /// Power supplies that say whether they are plugged in.
    pub power: Vec<PowerSupply>,
    /// What the kernel has a limited number of.
    pub limits: Limits,
    /// The systemd units of interest.
    pub units: Vec<UnitState>,
    /// What made no sense or was left out, in words for people.
    pub problems: Vec<String>,
}

impl HostReading {
    /// A field of `/proc/meminfo` by its name there, such as `MemAvailable`, in bytes.
    pub fn memory_bytes(&self, name: &str) -> Option<u64> {
        self.memory.iter().find(|f| f.name == name && f.is_bytes).map(|field| field.value)
    }
}

/// What `uname` says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Uname {
    /// The kernel's name: `Linux`.
    pub sysname: String,
    /// What the machine calls itself.
    pub nodename: String,
    /// The kernel's release.
    pub release: String,
    /// The kernel's build.
    pub version: String,
    /// The kind of processor, such as `x86_64`.
    pub machine: String,
    /// The NIS domain; `(none)` as a rule.
    pub domainname: String,
}

/// How many processes run or want to.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Load {
    /// Averages over 1, 5 and 15 minutes.
    pub averages: [f64; 3],
    /// Processes and threads that exist.
    pub threads: Option<u64>,
}

/// A field of `/proc/meminfo`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryField {
    /// As the kernel writes it, such as `Active(anon)`.
    pub name: String,
    /// Bytes, or how many.
    pub value: u64,
    /// Whether it counts bytes; pages of special sizes are counted in pieces.
    pub is_bytes: bool,
}

/// Time in which work waited, by what it waited for.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Pressure {
    /// A processor.
    pub cpu: Option<Stall>,
    /// A disk.
    pub io: Option<Stall>,
    /// An interrupt's handler; newer kernels only, and only `full` is given.
    pub irq: Option<Stall>,
    /// Memory.
    pub memory: Option<Stall>,
}

/// Time in which some work waited, or all of it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Stall {
    /// At least one waited.
    pub some: Option<StallTime>,
    /// Nobody could go on.
    pub full: Option<StallTime>,
}

/// A share of time, and its total.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct StallTime {
    /// Share of the last 10 seconds, 0 to 1.
    pub share_10s: f64,
    /// Microseconds since start.
    pub total_us: u64,
}

/// What the kernel has a limited number of, and what it counts beside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Open files.
    pub files: Option<u64>,
    /// The most open files.
    pub files_max: Option<u64>,
    /// Tasks that hung since start, as far as the kernel looked for them.
    pub hung_tasks: Option<u64>,
    /// The highest process number.
    pub processes_max: Option<u64>,
    /// The most threads.
    pub threads_max: Option<u64>,
    /// Bits of randomness at hand.
    pub entropy_bits: Option<u64>,
    /// The most bits of randomness.
    pub entropy_pool_bits: Option<u64>,
    /// Connections that the packet filter follows.
    pub connections: Option<u64>,
    /// The most connections that it can follow.
    pub connections_max: Option<u64>,
}
