//! What is on the page: dcgm-exporter's names, and where each value comes from.
//!
//! Not here, since nothing that is read tells them: `DCGM_FI_PROF_*` (among them
//! `DCGM_FI_PROF_PIPE_TENSOR_ACTIVE` of dashboard 12239), `DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL` and
//! `DCGM_FI_DEV_VGPU_LICENSE_STATUS`.

use std::time::Duration;

use crate::reading::gpu::{Gpu, GpuMemory};

/// One metric.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) help: &'static str,
    pub(super) value: fn(&Gpu) -> Option<f64>,
}

/// How Prometheus is to understand it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Gauge,
    Counter,
}

impl Kind {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Counter => "counter",
        }
    }
}

const fn gauge(name: &'static str, help: &'static str, value: fn(&Gpu) -> Option<f64>) -> Field {
    Field { name, kind: Kind::Gauge, help, value }
}

const fn counter(name: &'static str, help: &'static str, value: fn(&Gpu) -> Option<f64>) -> Field {
    Field { name, kind: Kind::Counter, help, value }
}

/// Whole per cent of a share.
fn percent(share: Option<f64>) -> Option<f64> {
    share.map(|share| (share * 100.0).round())
}

/// Whole MiB of a memory.
fn mebibytes(gpu: &Gpu, bytes: fn(GpuMemory) -> Option<u64>) -> Option<f64> {
    gpu.memory.and_then(bytes).map(|bytes| (bytes >> 20) as f64)
}

fn free(memory: GpuMemory) -> Option<u64> {
    memory.total.checked_sub(memory.used)?.checked_sub(memory.reserved.unwrap_or(0))
}

fn nanoseconds(held: Option<Duration>) -> Option<f64> {
    held.map(|held| held.as_nanos() as f64)
}

fn count(value: Option<u64>) -> Option<f64> {
    value.map(|value| value as f64)
}

/// All of it but the error codes, in dcgm-exporter's order.
pub(super) const FIELDS: &[Field] = &[
    gauge("DCGM_FI_DEV_SM_CLOCK", "Clock of the multiprocessors, MHz.", |g| {
        g.sm_clock.map(f64::from)
    }),
    gauge("DCGM_FI_DEV_MEM_CLOCK", "Clock of the memory, MHz.", |g| g.memory_clock.map(f64::from)),
    gauge("DCGM_FI_DEV_MEMORY_TEMP", "Temperature of the memory, °C.", |g| g.memory_temperature),
    gauge("DCGM_FI_DEV_GPU_TEMP", "Temperature of the core, °C.", |g| g.temperature),
    gauge("DCGM_FI_DEV_POWER_USAGE", "Power drawn, W.", |g| g.power),
    counter(
        "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION",
        "Energy since the driver was loaded, mJ.",
        |g| count(g.energy),
    ),
    counter("DCGM_FI_DEV_PCIE_REPLAY_COUNTER", "Packets sent again over PCIe.", |g| {
        count(g.pcie?.replays)
    }),
    gauge("DCGM_FI_DEV_GPU_UTIL", "Share of time in which a kernel ran, %.", |g| {
        percent(g.utilization)
    }),
    gauge("DCGM_FI_DEV_MEM_COPY_UTIL", "Share of time in which memory was used, %.", |g| {
        percent(g.memory_utilization)
    }),
    gauge("DCGM_FI_DEV_ENC_UTIL", "Share of time in which the encoder ran, %.", |g| {
        percent(g.encoder)
    }),
    gauge("DCGM_FI_DEV_DEC_UTIL", "Share of time in which the decoder ran, %.", |g| {
        percent(g.decoder)
    }),
    counter("DCGM_FI_DEV_POWER_VIOLATION", "Time held back by power, ns.", |g| {
        nanoseconds(g.throttle.as_ref()?.power)
    }),
    counter("DCGM_FI_DEV_THERMAL_VIOLATION", "Time held back by heat, ns.", |g| {
        nanoseconds(g.throttle.as_ref()?.thermal)
    }),
    gauge("DCGM_FI_DEV_FB_FREE", "Memory that is free, MiB.", |g| mebibytes(g, free)),
    gauge("DCGM_FI_DEV_FB_USED", "Memory in use, MiB.", |g| mebibytes(g, |m| Some(m.used))),
    gauge("DCGM_FI_DEV_FB_RESERVED", "Memory that the driver keeps, MiB.", |g| {
        mebibytes(g, |m| m.reserved)
    }),
    counter(
        "DCGM_FI_DEV_ECC_SBE_VOL_TOTAL",
        "Memory errors mended since the driver was loaded.",
        |g| count(g.ecc?.corrected_volatile),
    ),
    counter(
        "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL",
        "Memory errors not mended since the driver was loaded.",
        |g| count(g.ecc?.uncorrected_volatile),
    ),
    counter("DCGM_FI_DEV_ECC_SBE_AGG_TOTAL", "Memory errors ever mended.", |g| {
        count(g.ecc?.corrected_aggregate)
    }),
    counter("DCGM_FI_DEV_ECC_DBE_AGG_TOTAL", "Memory errors ever that were not mended.", |g| {
        count(g.ecc?.uncorrected_aggregate)
    }),
    counter(
        "DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS",
        "Rows replaced after errors that were not mended.",
        |g| Some(g.remapped?.uncorrected as f64),
    ),
    counter(
        "DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS",
        "Rows replaced after errors that were mended.",
        |g| Some(g.remapped?.corrected as f64),
    ),
    gauge("DCGM_FI_DEV_ROW_REMAP_FAILURE", "Whether a row could not be replaced.", |g| {
        Some(f64::from(u8::from(g.remapped?.failed)))
    }),
];
