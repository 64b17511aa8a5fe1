//! What people look at, of two readings.
//!
//! **Invariant:** rates are made with the machine's own uptime. A counter that went back, a
//! reading that is not later than the one before, and a machine that was started in between give
//! `None`, never nonsense.

use std::collections::{BTreeMap, HashMap};

use conduit_core::clock::Timestamp;

use super::devices;
use crate::figures::{
    DiskFigures, HostFigures, InterfaceFigures, PressureFigures, Temperature, Usage,
};
use crate::reading::host::HostReading;
use crate::reading::host::network::Interface;
use crate::reading::host::processor::{Processor, ProcessorTimes};
use crate::reading::host::sensor::Sensor;
use crate::reading::host::storage::Disk;

impl HostFigures {
    /// States of `now`, and rates since `previous`. The offset of its clock is left to whoever knows
    /// when the reading was taken: [`super::clock_offset`].
    pub fn between(previous: Option<&HostReading>, now: &HostReading) -> Self {
        let span = previous.and_then(|before| Span::new(before, now));
        let total = span.as_ref().and_then(|span| {
            share(span.before.processors.total.as_ref()?, now.processors.total.as_ref()?)
        });
        let cores = u32::try_from(now.processors.each.len()).unwrap_or(u32::MAX);
        Self {
            hostname: now.hostname.clone(),
            kernel: now.kernel.clone(),
            uptime: now.uptime,
            cores,
            cpu: total,
            cpu_per_core: span.as_ref().map_or_else(Vec::new, |span| span.cores(now)),
            load: now.load.map(|load| load.averages),
            memory: memory(now),
            swap: usage(now.memory_bytes("SwapTotal"), now.memory_bytes("SwapFree")),
            file_systems: devices::file_systems(&now.file_systems),
            disks: disks(span.as_ref(), now),
            interfaces: interfaces(span.as_ref(), now),
            pressure: pressure(now),
            temperatures: temperatures(&now.sensors),
            units: now.units.clone(),
            oom_kills: span.as_ref().and_then(|span| {
                let before = span.before.paging.get(OOM_KILLS)?;
                now.paging.get(OOM_KILLS)?.checked_sub(*before)
            }),
            clock_offset: None,
        }
    }
}

/// Seconds that the machine's clock is ahead of ours, when the reading was taken at `at` by ours:
/// the middle of the round trip, for a remote one.
pub fn clock_offset(now: &HostReading, at: Timestamp) -> Option<f64> {
    now.clock.map(|clock| clock - at.micros() as f64 / MICROS_PER_SECOND)
}

/// Two readings of one run of a machine.
struct Span<'a> {
    before: &'a HostReading,
    seconds: f64,
}

impl<'a> Span<'a> {
    fn new(before: &'a HostReading, now: &HostReading) -> Option<Self> {
        // A machine that was started in between can have run longer than before already, but not
        // since the same moment.
        let starts = before.processors.boot_time.zip(now.processors.boot_time);
        let is_same_run = starts.is_none_or(|(a, b)| a.abs_diff(b) <= BOOT_DRIFT_SECONDS);
        let elapsed = now.uptime?.checked_sub(before.uptime?)?;
        let seconds = elapsed.as_secs_f64();
        (is_same_run && seconds > 0.0).then_some(Self { before, seconds })
    }

    fn rate(&self, before: u64, now: u64) -> Option<f64> {
        now.checked_sub(before).map(|more| more as f64 / self.seconds)
    }

    /// The share of each processor; none at all when one of them cannot be told, since a list with
    /// holes would say of one what is true of another.
    fn cores(&self, now: &HostReading) -> Vec<f64> {
        let before = self.before.processors.each.iter();
        let before: HashMap<u32, &ProcessorTimes> = before.map(|p| (p.number, &p.times)).collect();
        let of = |core: &Processor| share(before.get(&core.number)?, &core.times);
        now.processors.each.iter().map(of).collect::<Option<_>>().unwrap_or_default()
    }
}

/// The busy share of the ticks between two moments.
fn share(before: &ProcessorTimes, now: &ProcessorTimes) -> Option<f64> {
    // Kernels take back some of a single kind now and then; the sums only ever grow.
    let busy = now.busy().checked_sub(before.busy())?;
    let unused = now.unused().checked_sub(before.unused())?;
    let all = busy as f64 + unused as f64;
    (all > 0.0).then(|| busy as f64 / all)
}

/// What cannot be given to somebody else. Kernels before 3.14 do not say what can: there it is
/// what is free, and what files take.
fn memory(now: &HostReading) -> Usage {
    let estimate = || {
        let parts = ["MemFree", "Buffers", "Cached"];
        parts.into_iter().try_fold(0_u64, |sum, name| sum.checked_add(now.memory_bytes(name)?))
    };
    usage(now.memory_bytes("MemTotal"), now.memory_bytes("MemAvailable").or_else(estimate))
}

/// Nothing of nothing when either is not known.
fn usage(total: Option<u64>, free: Option<u64>) -> Usage {
    let known = total.zip(free);
    let of = |(total, free): (u64, u64)| Usage { total, used: total.saturating_sub(free) };
    known.map(of).unwrap_or_default()
}

fn disks(span: Option<&Span<'_>>, now: &HostReading) -> Vec<DiskFigures> {
    let before: HashMap<&str, &Disk> = span
        .map(|span| span.before.disks.iter().map(|disk| (disk.name.as_str(), disk)).collect())
        .unwrap_or_default();
    let whole = now.disks.iter().filter(|disk| devices::is_whole_disk(&disk.name));
    let figures = whole.map(|disk| {
        let pair = span.zip(before.get(disk.name.as_str()).copied());
        let bytes = |before: u64, now: u64| {
            pair.and_then(|(span, _)| span.rate(before, now)).map(|rate| rate * SECTOR_BYTES)
        };
        DiskFigures {
            name: disk.name.clone(),
            read: pair.and_then(|(_, old)| bytes(old.reads.sectors, disk.reads.sectors)),
            written: pair.and_then(|(_, old)| bytes(old.writes.sectors, disk.writes.sectors)),
            busy: pair.and_then(|(span, old)| {
                span.rate(old.busy_ms, disk.busy_ms).map(|ms| (ms / MS_PER_SECOND).min(1.0))
            }),
        }
    });
    figures.collect()
}

fn interfaces(span: Option<&Span<'_>>, now: &HostReading) -> Vec<InterfaceFigures> {
    let before: HashMap<&str, &Interface> = span
        .map(|span| span.before.interfaces.iter().map(|i| (i.name.as_str(), i)).collect())
        .unwrap_or_default();
    let shown = now.interfaces.iter().filter(|interface| interface.name != LOOPBACK);
    let figures = shown.map(|interface| {
        let pair = span.zip(before.get(interface.name.as_str()).copied());
        let received =
            pair.and_then(|(span, old)| span.rate(old.received?.bytes, interface.received?.bytes));
        let sent = pair.and_then(|(span, old)| span.rate(old.sent?.bytes, interface.sent?.bytes));
        let errors = pair.and_then(|(span, old)| span.rate(failures(old)?, failures(interface)?));
        InterfaceFigures { name: interface.name.clone(), received, sent, errors }
    });
    figures.collect()
}

/// Errors and drops of both directions.
fn failures(interface: &Interface) -> Option<u64> {
    let (received, sent) = (interface.received?, interface.sent?);
    let counters = [received.errors, received.dropped, sent.errors, sent.dropped];
    counters.into_iter().try_fold(0_u64, u64::checked_add)
}

fn pressure(now: &HostReading) -> Option<PressureFigures> {
    let some = |stall: Option<crate::reading::host::Stall>| Some(stall?.some?.share_10s);
    let pressure = now.pressure;
    Some(PressureFigures {
        cpu: some(pressure.cpu)?,
        memory: some(pressure.memory)?,
        io: some(pressure.io)?,
    })
}

/// Each temperature by chip and label; chips of one name are told apart by their places.
fn temperatures(sensors: &[Sensor]) -> Vec<Temperature> {
    let name = |sensor: &Sensor| {
        let chip = if sensor.chip_name.is_empty() { &sensor.chip } else { &sensor.chip_name };
        format!("{chip} {}", sensor.label.as_deref().unwrap_or(&sensor.sensor))
    };
    let read = || sensors.iter().filter(|sensor| sensor.is_temperature());
    let mut named: BTreeMap<String, usize> = BTreeMap::new();
    read().for_each(|sensor| *named.entry(name(sensor)).or_default() += 1);
    let temperature = |sensor: &Sensor| {
        let celsius = sensor.value("input")? / MILLIDEGREES;
        if !(CELSIUS_MIN..=CELSIUS_MAX).contains(&celsius) {
            return None;
        }
        let name = name(sensor);
        let is_alone = named.get(&name) == Some(&1);
        let sensor_name =
            if is_alone { name } else { format!("{name} {} {}", sensor.chip, sensor.sensor) };
        let limits = ["crit", "max"].into_iter().filter_map(|word| sensor.value(word));
        let mut limits = limits.map(|limit| limit / MILLIDEGREES);
        // Chips that were never told a limit say 0, or more than anything stands.
        let critical = limits.find(|limit| (1.0..=CELSIUS_MAX).contains(limit));
        Some(Temperature { sensor: sensor_name, celsius, critical })
    };
    read().filter_map(temperature).collect()
}

/// The counter of `/proc/vmstat` of processes killed for memory.
const OOM_KILLS: &str = "oom_kill";
/// How far the kernel's word for its start may move without a new start, in seconds: it is made
/// with the wall clock, which is set now and then.
const BOOT_DRIFT_SECONDS: u64 = 60;
/// The interface that leads nowhere.
const LOOPBACK: &str = "lo";
/// Bytes of a sector in the kernel's counters, whatever the disk's own are.
const SECTOR_BYTES: f64 = 512.0;
/// Microseconds of a second.
const MICROS_PER_SECOND: f64 = 1_000_000.0;
/// Milliseconds of a second.
const MS_PER_SECOND: f64 = 1_000.0;
/// The kernel counts temperatures in thousandths of a degree.
const MILLIDEGREES: f64 = 1_000.0;
/// Below this a sensor is broken or not connected, in °C.
const CELSIUS_MIN: f64 = -60.0;
/// Above this a sensor is broken or not connected, in °C.
const CELSIUS_MAX: f64 = 200.0;

#[cfg(test)]
mod tests;
