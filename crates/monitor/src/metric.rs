//! One number, of one thing, at one time: what the history keeps and rules judge.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use conduit_core::clock::Timestamp;

use crate::node::NodeName;

/// A number of a thing at a time.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Which number of which thing.
    pub series: Series,
    /// When.
    pub at: Timestamp,
    /// How much, in the metric's unit.
    pub value: f64,
}

/// Which number of which thing; cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Series {
    /// The machine.
    pub node: NodeName,
    /// The number.
    pub metric: Metric,
    /// Which of the machine's things, where there are several: a mount point, a GPU's index, a
    /// container's name.
    pub subject: Option<Arc<str>>,
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.node, self.metric)?;
        match &self.subject {
            Some(subject) => write!(f, " {subject}"),
            None => Ok(()),
        }
    }
}

/// What a number is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Bytes per second.
    BytesPerSecond,
    /// Degrees Celsius.
    Celsius,
    /// How many.
    Count,
    /// How many in a second.
    PerSecond,
    /// 0 to 1; people see per cent.
    Ratio,
    /// Seconds.
    Seconds,
    /// Tokens per second.
    TokensPerSecond,
    /// Watts.
    Watts,
}

impl Unit {
    /// The word for it in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::BytesPerSecond => "bytes_per_second",
            Self::Celsius => "celsius",
            Self::Count => "count",
            Self::PerSecond => "per_second",
            Self::Ratio => "ratio",
            Self::Seconds => "seconds",
            Self::TokensPerSecond => "tokens_per_second",
            Self::Watts => "watts",
        }
    }
}

/// Declares the metrics: word, unit, variant and meaning, in one place.
macro_rules! metrics {
    ($($(#[doc = $doc:literal])+ $variant:ident = $word:literal in $unit:ident),+ $(,)?) => {
        /// The numbers that are kept and judged.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Metric { $($(#[doc = $doc])+ $variant),+ }

        impl Metric {
            /// All of them, in the order of their declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word for it in rules, in the API and in the history.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// What it is counted in.
            pub fn unit(self) -> Unit {
                match self { $(Self::$variant => Unit::$unit),+ }
            }
        }
    };
}

metrics! {
    /// Busy share of all processors.
    Cpu = "cpu" in Ratio,
    /// Load over 5 minutes for each processor.
    LoadPerCore = "load_per_core" in Ratio,
    /// Share of memory that cannot be given to somebody else.
    Memory = "memory" in Ratio,
    /// Share of swap in use.
    Swap = "swap" in Ratio,
    /// Share of a file system in use; the subject is its mount point.
    Disk = "disk" in Ratio,
    /// Bytes of a file system in use; the subject is its mount point.
    DiskUsed = "disk_used" in Bytes,
    /// Until a file system is full at the rate of the last hours, while that is less than 30 days.
    DiskFullIn = "disk_full_in" in Seconds,
    /// Share of time a disk was busy; the subject is the disk.
    DiskBusy = "disk_busy" in Ratio,
    /// Bytes read from a disk; the subject is the disk.
    DiskRead = "disk_read" in BytesPerSecond,
    /// Bytes written to a disk; the subject is the disk.
    DiskWritten = "disk_written" in BytesPerSecond,
    /// Bytes that an interface received.
    NetworkReceived = "network_received" in BytesPerSecond,
    /// Bytes that an interface sent.
    NetworkSent = "network_sent" in BytesPerSecond,
    /// Share of time in which work waited for a processor.
    PressureCpu = "pressure_cpu" in Ratio,
    /// Share of time in which work waited for memory.
    PressureMemory = "pressure_memory" in Ratio,
    /// Share of time in which work waited for a disk.
    PressureIo = "pressure_io" in Ratio,
    /// A temperature of the machine; the subject is the sensor.
    Temperature = "temperature" in Celsius,
    /// 1 while a named systemd unit is not active; the subject is the unit.
    UnitDown = "unit_down" in Count,
    /// Processes killed for memory between two readings.
    OomKills = "oom_kills" in Count,
    /// How far the machine's clock is from ours, either way.
    ClockOffset = "clock_offset" in Seconds,
    /// A GPU's core; the subject is its index, as of all that follow.
    GpuTemperature = "gpu_temperature" in Celsius,
    /// Degrees left until a GPU slows down.
    GpuMargin = "gpu_margin" in Celsius,
    /// Share of time in which a kernel ran on a GPU.
    GpuUtilization = "gpu_utilization" in Ratio,
    /// Share of a GPU's memory that is allocated.
    GpuMemory = "gpu_memory" in Ratio,
    /// Bytes of a GPU's memory that are allocated.
    GpuMemoryUsed = "gpu_memory_used" in Bytes,
    /// What a GPU draws.
    GpuPower = "gpu_power" in Watts,
    /// 1 while heat holds a GPU back.
    GpuThermal = "gpu_thermal" in Count,
    /// Memory errors of a GPU that were not mended, since the driver was loaded.
    GpuEcc = "gpu_ecc" in Count,
    /// 1 when a row of memory could not be replaced.
    GpuRemapFailed = "gpu_remap_failed" in Count,
    /// 1 while a replaced row waits for the next reset.
    GpuRemapPending = "gpu_remap_pending" in Count,
    /// Error codes of the driver that say a GPU is in trouble, seen between two readings.
    GpuXid = "gpu_xid" in Count,
    /// 1 while a GPU that works has fewer lanes or a lower generation than card and slot allow.
    GpuLink = "gpu_link" in Count,
    /// 1 while a GPU is there, asleep or not; the subject is its id. Rules judge its absence.
    GpuPresent = "gpu_present" in Count,
    /// Processors that a container uses; the subject is its name, as of all that follow.
    ContainerCpu = "container_cpu" in Count,
    /// Bytes of memory that a container uses.
    ContainerMemory = "container_memory" in Bytes,
    /// How often a container was restarted, ever; rules judge its rise.
    ContainerRestarts = "container_restarts" in Count,
    /// 1 while a container's own check fails.
    ContainerUnhealthy = "container_unhealthy" in Count,
    /// Requests that an engine works on; the subject is service and upstream, as of all that follow.
    EngineRunning = "engine_running" in Count,
    /// Requests that wait in an engine.
    EngineWaiting = "engine_waiting" in Count,
    /// Share of an engine's cache in use.
    EngineCache = "engine_cache" in Ratio,
    /// Tokens that an engine writes.
    EngineTokens = "engine_tokens" in TokensPerSecond,
    /// 1 while a source gives nothing; the subject is its kind.
    SourceLost = "source_lost" in Count,
    /// Until the leaf of a service is worthless; the subject is the service, as of all that follow.
    LeafExpiry = "leaf_expiry" in Seconds,
    /// 1 while no upstream of a service receives requests.
    ServiceDown = "service_down" in Count,
    /// Share of a service's requests of the last five minutes that were answered with 500 or more.
    ServiceErrors = "service_errors" in Ratio,
    /// For how long requests have waited for an engine from which nothing comes, while its GPUs do
    /// nothing.
    ServiceStalled = "service_stalled" in Seconds,
    /// Requests of a service that ended; of byte streams, connections that were opened. This and what
    /// follows is there while something goes through.
    ServiceRequests = "service_requests" in PerSecond,
    /// Requests of a service that were answered with 500 or more.
    Service5xx = "service_5xx" in PerSecond,
    /// How long the requests of a service took on average.
    ServiceTook = "service_took" in Seconds,
    /// Bytes that came from the clients of a service, without heads.
    ServiceReceived = "service_received" in BytesPerSecond,
    /// Bytes that went to the clients of a service, without heads.
    ServiceSent = "service_sent" in BytesPerSecond,
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Metric {
    type Err = UnknownMetric;

    fn from_str(text: &str) -> Result<Self, UnknownMetric> {
        let found = Self::ALL.iter().find(|metric| metric.as_str() == text);
        found.copied().ok_or_else(|| UnknownMetric(text.chars().take(SHOWN_CHARS).collect()))
    }
}

/// The parts of a node that its metrics belong to; each comes from sources of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// The machine itself.
    Host,
    /// Its GPUs.
    Gpus,
    /// Its containers.
    Containers,
    /// Engines of services.
    Engines,
    /// What this gateway knows of itself: sources, and services with their leaves.
    Gateway,
}

impl Metric {
    /// Which part of a node it tells about.
    pub fn part(self) -> Part {
        let word = self.as_str();
        match self {
            Self::SourceLost | Self::LeafExpiry => Part::Gateway,
            _ if word.starts_with("service_") => Part::Gateway,
            _ if word.starts_with("gpu_") => Part::Gpus,
            _ if word.starts_with("container_") => Part::Containers,
            _ if word.starts_with("engine_") => Part::Engines,
            _ => Part::Host,
        }
    }
}

/// A word that names no metric.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no metric; `conduit monitor metrics` lists them")]
pub struct UnknownMetric(String);

/// How much of a wrong word is shown.
const SHOWN_CHARS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_has_a_word_of_its_own() {
        for metric in Metric::ALL {
            assert_eq!(metric.as_str().parse::<Metric>(), Ok(*metric));
        }
        assert!("cpus".parse::<Metric>().is_err());
    }
}
