//! What `nvidia-smi` prints, in its own words for the columns.
//!
//! **Invariant:** a cell that is no number of its column is `None`, never zero; no text panics.

mod row;
mod table;

use std::collections::BTreeSet;
use std::time::Duration;

use self::table::Table;
use super::{GPUS_MAX, PROCESSES_MAX, diagnosis, pci, text};
use crate::reading::gpu::{Gpu, GpuProcess, GpusReading};

/// Reads what `nvidia-smi` printed of GPUs, with its header line, and of processes, with or without.
pub fn parse(query: &str, processes: &str) -> GpusReading {
    let mut reading = GpusReading::default();
    let table = Table::of(query, None, "name");
    for (place, row) in table.rows.iter().take(GPUS_MAX).enumerate() {
        if reading.driver.is_none() {
            reading.driver = row.text("driver_version");
        }
        let Some(gpu) = row::gpu(row, place) else { continue };
        if reading.gpus.iter().all(|known| known.id != gpu.id) {
            super::add(&mut reading, gpu);
        }
    }
    for line in table.others.iter().take(PROSE_LINES_MAX) {
        if let Some(address) = lost_address(line) {
            let gpu = Gpu { lost: true, ..Gpu::of_bus(&address) };
            if reading.gpus.iter().all(|known| known.id != gpu.id) {
                reading.problems.push(diagnosis::lost(&address));
                let index = super::next_index(&reading);
                super::add(&mut reading, Gpu { index, ..gpu });
            }
        } else if let Some(problem) = diagnosis::of_text(line)
            && !reading.problems.contains(&problem)
        {
            reading.problems.push(problem);
        }
    }
    add_processes(&mut reading.gpus, processes);
    reading
}

/// Of what `nvidia-smi --help-query-gpu` printed, the columns to ask for, with commas between; `None`
/// when it names none of them.
pub(super) fn columns(help: &str) -> Option<String> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    let known: BTreeSet<&str> = help.split(|c| !is_word(c)).collect();
    let columns: Vec<&str> = FIELDS.iter().copied().filter(|f| known.contains(f)).collect();
    (!columns.is_empty()).then(|| columns.join(","))
}

/// What to say when it was killed at its deadline.
pub(super) fn hung() -> String {
    let seconds = SMI_DEADLINE.as_secs();
    format!(
        "nvidia-smi did not answer within {seconds} s: the driver hangs; see `dmesg | grep NVRM`, \
         and restart the machine if it stays so"
    )
}

/// Gives each GPU its processes, each once.
fn add_processes(gpus: &mut [Gpu], processes: &str) {
    let mut seen = BTreeSet::new();
    let table = Table::of(processes, Some(APP_FIELDS), "process_name");
    for row in table.rows.iter().take(PROCESSES_MAX) {
        let (Some(uuid), Some(pid)) = (row.text("uuid"), row.number::<u32>("pid")) else {
            continue;
        };
        let Some(gpu) = gpus.iter_mut().find(|gpu| gpu.id == uuid) else { continue };
        if seen.insert((uuid, pid)) {
            let name = row.text("process_name").map(|path| text::program(&path));
            let memory = row.mebibytes("used_memory");
            let name = name.unwrap_or_default();
            gpu.processes.push(GpuProcess { pid, name, memory, container: None });
        }
    }
}

/// The PCI address in `Unable to determine the device handle for GPU0000:1B:00.0: …`.
fn lost_address(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("device handle for")?;
    rest.split_whitespace()
        .map(|word| word.trim_start_matches("GPU").trim_end_matches([':', '.', ',']))
        .find_map(pci::normal)
}

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

/// Lines beside the table in which a diagnosis is looked for.
const PROSE_LINES_MAX: usize = 64;
/// How long `nvidia-smi` may take; a driver that hangs never answers.
pub const SMI_DEADLINE: Duration = Duration::from_secs(8);

#[cfg(test)]
mod tests;
