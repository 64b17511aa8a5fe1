//! Samples of what is known of a node: every number that the view can tell.
//!
//! **Invariant:** a part of a node is sampled once for each time its source gave a reading: the
//! host is not sampled again because a GPU was read. What is not known gives no sample.

use std::sync::Arc;

use conduit_core::clock::Timestamp;

use crate::engines::EngineFigures;
use crate::figures::HostFigures;
use crate::metric::{Metric, Sample, Series};
use crate::node::NodeName;
use crate::reading::container::ContainerHealth;
use crate::reading::gpu::{Gpu, GpusReading, Pcie};
use crate::source::SourceKind;
use crate::view::{ContainersView, NodeView};

/// The samples of a node, of those parts that were read since the view before.
pub fn of(previous: Option<&NodeView>, now: &NodeView, at: Timestamp) -> Vec<Sample> {
    let mut samples = Samples::new(&now.name, at);
    let fresh = |kinds: &[SourceKind]| kinds.iter().any(|kind| is_fresh(previous, now, *kind));
    if let Some(host) = now.host.as_ref().filter(|_| fresh(&[SourceKind::Host, SourceKind::Ssh])) {
        host_samples(host, &mut samples);
    }
    if let Some(gpus) = now.gpus.as_ref().filter(|_| fresh(&[SourceKind::Gpu, SourceKind::Ssh])) {
        let before = previous.and_then(|view| view.gpus.as_ref());
        for gpu in &gpus.gpus {
            gpu_samples(gpu, before, &mut samples);
        }
    }
    let kinds = [SourceKind::Containers, SourceKind::Ssh];
    if let Some(view) = now.containers.as_ref().filter(|_| fresh(&kinds)) {
        container_samples(view, &mut samples);
    }
    source_samples(previous, now, &mut samples);
    samples.taken
}

/// The samples of engines behind services, told under the node of this gateway.
pub fn of_engines(node: &NodeName, engines: &[EngineFigures], at: Timestamp) -> Vec<Sample> {
    let mut samples = Samples::new(node, at);
    for figures in engines {
        let engine = &figures.engine;
        let subject: Arc<str> = format!("{} {}", engine.service, engine.upstream).into();
        let mut put = |metric, value| samples.put(metric, Some(&subject), value);
        put(Metric::EngineRunning, engine.running);
        put(Metric::EngineWaiting, engine.waiting);
        put(Metric::EngineCache, engine.cache_used);
        put(Metric::EngineTokens, figures.generated_rate);
    }
    samples.taken
}

/// Collects samples of one node at one time.
pub(crate) struct Samples<'a> {
    node: &'a NodeName,
    at: Timestamp,
    pub(crate) taken: Vec<Sample>,
}

impl<'a> Samples<'a> {
    pub(crate) fn new(node: &'a NodeName, at: Timestamp) -> Self {
        Self { node, at, taken: Vec::new() }
    }

    /// Takes a number if it is known and is one.
    pub(crate) fn put(
        &mut self,
        metric: Metric,
        subject: Option<&Arc<str>>,
        value: impl Into<Option<f64>>,
    ) {
        if let Some(value) = value.into().filter(|value: &f64| value.is_finite()) {
            let series = Series { node: self.node.clone(), metric, subject: subject.cloned() };
            self.taken.push(Sample { series, at: self.at, value });
        }
    }
}

/// Whether a source gave a reading between the two views.
fn is_fresh(previous: Option<&NodeView>, now: &NodeView, kind: SourceKind) -> bool {
    let read_at = |view: &NodeView| {
        let state = view.sources.iter().find(|state| state.kind == kind);
        state.and_then(|state| state.read_at)
    };
    let read_now = read_at(now);
    read_now.is_some() && read_now != previous.and_then(read_at)
}

fn host_samples(host: &HostFigures, samples: &mut Samples<'_>) {
    samples.put(Metric::Cpu, None, host.cpu);
    if let Some([_, five, _]) = host.load.filter(|_| host.cores > 0) {
        samples.put(Metric::LoadPerCore, None, five / f64::from(host.cores));
    }
    samples.put(Metric::Memory, None, host.memory.share());
    samples.put(Metric::Swap, None, host.swap.share());
    for system in &host.file_systems {
        let subject = system.mount_point.as_str().into();
        // A file system that cannot be written to is full by design.
        if !system.read_only {
            samples.put(Metric::Disk, Some(&subject), system.usage.share());
        }
        samples.put(Metric::DiskUsed, Some(&subject), system.usage.used as f64);
    }
    for disk in &host.disks {
        let subject = disk.name.as_str().into();
        samples.put(Metric::DiskBusy, Some(&subject), disk.busy);
        samples.put(Metric::DiskRead, Some(&subject), disk.read);
        samples.put(Metric::DiskWritten, Some(&subject), disk.written);
    }
    for interface in &host.interfaces {
        let subject = interface.name.as_str().into();
        samples.put(Metric::NetworkReceived, Some(&subject), interface.received);
        samples.put(Metric::NetworkSent, Some(&subject), interface.sent);
    }
    if let Some(pressure) = host.pressure {
        samples.put(Metric::PressureCpu, None, pressure.cpu);
        samples.put(Metric::PressureMemory, None, pressure.memory);
        samples.put(Metric::PressureIo, None, pressure.io);
    }
    for temperature in &host.temperatures {
        let subject = temperature.sensor.as_str().into();
        samples.put(Metric::Temperature, Some(&subject), temperature.celsius);
    }
    for unit in &host.units {
        let is_up = UNIT_UP.contains(&unit.active.as_str());
        samples.put(Metric::UnitDown, Some(&unit.name.as_str().into()), flag(!is_up));
    }
    samples.put(Metric::OomKills, None, host.oom_kills.map(|kills| kills as f64));
    samples.put(Metric::ClockOffset, None, host.clock_offset.map(f64::abs));
}

fn gpu_samples(gpu: &Gpu, before: Option<&GpusReading>, samples: &mut Samples<'_>) {
    let subject: Arc<str> = gpu.index.to_string().into();
    // A GPU that sleeps is there; nothing else was asked of it. One that is lost is listed, and gone.
    if !gpu.lost {
        samples.put(Metric::GpuPresent, Some(&gpu.id.as_str().into()), 1.0);
    }
    let mut put = |metric, value: Option<f64>| samples.put(metric, Some(&subject), value);
    put(Metric::GpuTemperature, gpu.temperature);
    put(Metric::GpuMargin, gpu.margin);
    put(Metric::GpuUtilization, gpu.utilization);
    if let Some(memory) = gpu.memory.filter(|memory| memory.total > 0) {
        put(Metric::GpuMemory, Some(memory.used as f64 / memory.total as f64));
        put(Metric::GpuMemoryUsed, Some(memory.used as f64));
    }
    put(Metric::GpuPower, gpu.power);
    if let Some(throttle) = &gpu.throttle {
        let is_thermal = throttle.reasons.iter().any(|reason| reason.contains("thermal"));
        put(Metric::GpuThermal, Some(flag(is_thermal)));
    }
    let uncorrected = gpu.ecc.and_then(|ecc| ecc.uncorrected_volatile);
    put(Metric::GpuEcc, uncorrected.map(|errors| errors as f64));
    put(Metric::GpuRemapFailed, gpu.remapped.map(|rows| flag(rows.failed)));
    put(Metric::GpuRemapPending, gpu.remapped.map(|rows| flag(rows.pending)));
    put(Metric::GpuLink, gpu.pcie.and_then(|pcie| link_degraded(pcie, gpu.utilization)));
    // A view before is needed: what was there when Conduit started is no news.
    let earlier = before.and_then(|before| before.gpus.iter().find(|other| other.id == gpu.id));
    put(Metric::GpuXid, earlier.map(|earlier| xids_between(earlier, gpu)));
}

/// Error codes that say a GPU is in trouble, seen since the view before; only the last code is known.
fn xids_between(before: &Gpu, now: &Gpu) -> f64 {
    let Some(xid) = now.xid.filter(|xid| TROUBLE_XIDS.contains(&xid.code)) else {
        return 0.0;
    };
    let seen = before.xid.map_or(0, |xid| xid.count);
    xid.count.saturating_sub(seen) as f64
}

/// 1 when lanes are missing, or when a GPU that works runs at a lower generation: one that idles
/// lowers it to save power.
fn link_degraded(pcie: Pcie, utilization: Option<f64>) -> Option<f64> {
    let is_less = |now: Option<u32>, max: Option<u32>| Some(now? < max?);
    let narrow = is_less(pcie.width, pcie.width_max);
    let is_working = utilization.is_some_and(|share| share > WORKING_SHARE);
    let slow = is_less(pcie.generation, pcie.generation_max).filter(|_| is_working);
    match (narrow, slow) {
        (None, None) => None,
        _ => Some(flag(narrow == Some(true) || slow == Some(true))),
    }
}

fn container_samples(view: &ContainersView, samples: &mut Samples<'_>) {
    for figures in &view.containers {
        let container = &figures.container;
        let subject = container.name.as_str().into();
        let mut put = |metric, value: Option<f64>| samples.put(metric, Some(&subject), value);
        put(Metric::ContainerCpu, figures.cpu);
        put(Metric::ContainerMemory, container.memory.map(|bytes| bytes as f64));
        put(Metric::ContainerRestarts, container.restarts.map(|count| count as f64));
        let unhealthy = container.health.and_then(|health| match health {
            ContainerHealth::Healthy => Some(false),
            ContainerHealth::Unhealthy => Some(true),
            ContainerHealth::Starting => None,
        });
        put(Metric::ContainerUnhealthy, unhealthy.map(flag));
    }
}

fn source_samples(previous: Option<&NodeView>, now: &NodeView, samples: &mut Samples<'_>) {
    for state in &now.sources {
        let is_lost = state.error.is_some() && !state.is_absent;
        // Nothing to read is an answer too.
        let answered = state.is_absent || is_fresh(previous, now, state.kind);
        if is_lost || answered {
            samples.put(Metric::SourceLost, Some(&state.kind.as_str().into()), flag(is_lost));
        }
    }
}

/// 1 for what only says yes or no, and 0.
pub(crate) fn flag(is_set: bool) -> f64 {
    f64::from(u8::from(is_set))
}

/// NVIDIA's codes that say a GPU or its driver is in trouble. Those of applications (13, 31, 43,
/// 45) are not among them.
pub const TROUBLE_XIDS: [u64; 15] =
    [46, 48, 62, 63, 64, 74, 79, 92, 94, 95, 109, 119, 120, 140, 143];
/// systemd's words for a unit that runs.
const UNIT_UP: [&str; 3] = ["active", "reloading", "refreshing"];
/// Above this share of time a GPU works, and its link runs as fast as it can.
const WORKING_SHARE: f64 = 0.1;

#[cfg(test)]
mod tests;
