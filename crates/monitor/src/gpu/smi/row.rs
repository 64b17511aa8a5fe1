//! A row of `nvidia-smi`'s table, as a GPU.

use std::time::Duration;

use super::super::{INDEX_MAX, pci, throttle};
use super::table::Row;
use crate::reading::gpu::{Ecc, Gpu, GpuMemory, Mig, Pcie, RemappedRows, Throttle};

/// The GPU of a row; `None` when nothing tells which one it is.
pub(super) fn gpu(row: &Row<'_>, place: usize) -> Option<Gpu> {
    let bus_id = row.text("pci.bus_id").and_then(|id| pci::normal(&id));
    let id = row.text("uuid").or_else(|| bus_id.clone())?;
    Some(Gpu {
        index: row
            .number("index")
            .filter(|index| *index <= INDEX_MAX)
            .or_else(|| u32::try_from(place).ok())?,
        id,
        name: row.text("name").unwrap_or_default(),
        bus_id,
        temperature: row.float("temperature.gpu"),
        memory_temperature: row.float("temperature.memory"),
        margin: row.float("temperature.gpu.tlimit"),
        memory: memory(row),
        utilization: row.share("utilization.gpu"),
        memory_utilization: row.share("utilization.memory"),
        encoder: row.share("utilization.encoder"),
        decoder: row.share("utilization.decoder"),
        power: row.float("power.draw").filter(|watts| *watts >= 0.0),
        power_limit: row.float("enforced.power.limit").or_else(|| row.float("power.limit")),
        sm_clock: row.number("clocks.sm"),
        memory_clock: row.number("clocks.mem"),
        throttle: throttling(row),
        ecc: ecc(row),
        remapped: remapped(row),
        pcie: pcie(row),
        fan: row.share("fan.speed"),
        performance_state: row.cell("pstate").and_then(|p| p.strip_prefix('P')?.parse().ok()),
        mig: switch(row, "mig.mode.current").map(|enabled| Mig { enabled, instances: Vec::new() }),
        ..Gpu::default()
    })
}

fn memory(row: &Row<'_>) -> Option<GpuMemory> {
    let (total, used) = (row.mebibytes("memory.total")?, row.mebibytes("memory.used")?);
    Some(GpuMemory { total, used, reserved: row.mebibytes("memory.reserved") })
}

fn throttling(row: &Row<'_>) -> Option<Throttle> {
    let mask = row.cell("clocks_event_reasons.active").and_then(|cell| {
        let digits = cell.strip_prefix("0x").or_else(|| cell.strip_prefix("0X"))?;
        u64::from_str_radix(digits, 16).ok()
    });
    let power = sum(row, &["sw_power_cap", "hw_power_brake_slowdown"]);
    let thermal = sum(row, &["sw_thermal_slowdown", "hw_thermal_slowdown"]);
    if mask.is_none() && power.is_none() && thermal.is_none() {
        return None;
    }
    Some(Throttle { reasons: throttle::reasons(mask.unwrap_or(0)), power, thermal })
}

/// The time of the counters that are there, which count microseconds.
fn sum(row: &Row<'_>, counters: &[&str]) -> Option<Duration> {
    let counted =
        counters.iter().filter_map(|c| row.number(&format!("clocks_event_reasons_counters.{c}")));
    counted.map(Duration::from_micros).reduce(Duration::saturating_add)
}

fn ecc(row: &Row<'_>) -> Option<Ecc> {
    let ecc = Ecc {
        corrected_volatile: row.number("ecc.errors.corrected.volatile.total"),
        uncorrected_volatile: row.number("ecc.errors.uncorrected.volatile.total"),
        corrected_aggregate: row.number("ecc.errors.corrected.aggregate.total"),
        uncorrected_aggregate: row.number("ecc.errors.uncorrected.aggregate.total"),
    };
    (ecc != Ecc::default()).then_some(ecc)
}

fn remapped(row: &Row<'_>) -> Option<RemappedRows> {
    Some(RemappedRows {
        corrected: row.number("remapped_rows.correctable")?,
        uncorrected: row.number("remapped_rows.uncorrectable")?,
        pending: switch(row, "remapped_rows.pending")?,
        failed: switch(row, "remapped_rows.failure")?,
    })
}

fn pcie(row: &Row<'_>) -> Option<Pcie> {
    let pcie = Pcie {
        generation: row.number("pcie.link.gen.current"),
        generation_max: row.number("pcie.link.gen.max"),
        width: row.number("pcie.link.width.current"),
        width_max: row.number("pcie.link.width.max"),
        ..Pcie::default()
    };
    (pcie != Pcie::default()).then_some(pcie)
}

/// `Yes`, `Enabled` and 1, or their contraries.
fn switch(row: &Row<'_>, column: &str) -> Option<bool> {
    match row.cell(column)? {
        "Yes" | "Enabled" | "1" => Some(true),
        "No" | "Disabled" | "0" => Some(false),
        _ => None,
    }
}
