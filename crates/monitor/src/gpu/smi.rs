//! What `nvidia-smi` prints, in its own words for the columns.

use std::time::Duration;

/// The columns that are asked for, of those that this `nvidia-smi` knows, in this order.
pub const FIELDS: &[&str] = &[
    "index",
    "uuid",
    "name",
    "driver_version",
    "pci.bus_id",
    "pstate",
    "temperature.gpu",
    "temperature.gpu.tlimit",
    "temperature.memory",
    "utilization.gpu",
    "utilization.memory",
    "utilization.encoder",
    "utilization.decoder",
    "memory.total",
    "memory.reserved",
    "memory.used",
    "power.draw",
    "power.limit",
    "enforced.power.limit",
    "clocks.sm",
    "clocks.mem",
    "fan.speed",
    "pcie.link.gen.current",
    "pcie.link.gen.max",
    "pcie.link.width.current",
    "pcie.link.width.max",
    "ecc.errors.corrected.volatile.total",
    "ecc.errors.uncorrected.volatile.total",
    "ecc.errors.corrected.aggregate.total",
    "ecc.errors.uncorrected.aggregate.total",
    "remapped_rows.correctable",
    "remapped_rows.uncorrectable",
    "remapped_rows.pending",
    "remapped_rows.failure",
    "mig.mode.current",
    "clocks_throttle_reasons.active",
    "clocks_event_reasons.active",
    "clocks_event_reasons_counters.sw_power_cap",
    "clocks_event_reasons_counters.hw_power_brake_slowdown",
    "clocks_event_reasons_counters.sw_thermal_slowdown",
    "clocks_event_reasons_counters.hw_thermal_slowdown",
];

/// What every `nvidia-smi` of the last ten years knows; asked for when it does not say what it knows.
pub const FIELDS_ALWAYS: &[&str] = &[
    "index",
    "uuid",
    "name",
    "driver_version",
    "pci.bus_id",
    "pstate",
    "temperature.gpu",
    "utilization.gpu",
    "utilization.memory",
    "memory.total",
    "memory.used",
    "power.draw",
    "power.limit",
    "clocks.sm",
    "clocks.mem",
    "fan.speed",
];

/// The columns of the list of processes.
pub const APP_FIELDS: &[&str] = &["gpu_uuid", "pid", "process_name", "used_memory"];

/// How long `nvidia-smi` may take; a driver that hangs never answers.
pub const SMI_DEADLINE: Duration = Duration::from_secs(8);
