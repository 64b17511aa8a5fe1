//! GPUs: NVIDIA's through NVML or `nvidia-smi`, AMD's and Intel's through sysfs.
//!
//! Locally `GpuSource` reads; of a remote machine a script prints the sections below, and
//! [`parse`] makes the same reading of them. A section that is missing or empty is no error. Lines
//! that make no sense are passed over, so a diagnosis that a tool printed instead of a table does no
//! harm; where it is a known one, it becomes a line of [`GpusReading::problems`] with its mend.
//!
//! ## `nvidia-power`
//! One line for each PCI device that the driver `nvidia` holds: `ADDRESS RUNTIME_STATUS POWER_STATE`,
//! such as `0000:01:00.0 suspended D3cold`, from `power/runtime_status` and `power_state` below
//! `/sys/bus/pci/drivers/nvidia/ADDRESS`; `-` for a file that is not there. **When any of them is
//! `suspended`, or in `D3hot` or `D3cold`, `nvidia-smi` must not be run without `--id=`**, since it
//! would wake it: name those that are awake (`--id=0000:01:00.0,0000:02:00.0`), and run nothing when
//! none is.
//!
//! ## `smi`
//! What `nvidia-smi --query-gpu=FIELDS --format=csv,nounits` prints on standard output, **with** its
//! header line, which alone decides what a column is. One unknown field makes the whole query fail,
//! so FIELDS are those of [`smi::FIELDS`], in that order, which are words of `nvidia-smi
//! --help-query-gpu`; should that print nothing, [`smi::FIELDS_ALWAYS`] are asked for. In a shell:
//!
//! ```sh
//! known=" $(nvidia-smi --help-query-gpu 2>/dev/null | tr -cs 'A-Za-z0-9_.' ' ') "
//! query=
//! for field in index uuid name …; do
//!   case $known in *" $field "*) query=$query${query:+,}$field ;; esac
//! done
//! [ -n "$query" ] || query=index,uuid,name,…
//! timeout 8 nvidia-smi --query-gpu="$query" --format=csv,nounits 2>&1
//! ```
//!
//! ## `smi-status`
//! The exit status of that, as a number; 124 and 137 say that it was killed at its deadline of
//! [`smi::SMI_DEADLINE`]. Without the section it counts as 0.
//!
//! ## `smi-apps`
//! What `nvidia-smi --query-compute-apps=gpu_uuid,pid,process_name,used_memory --format=csv,nounits`
//! prints, with or without its header line.
//!
//! ## `cgroups`
//! For each process of `smi-apps` each line of `/proc/PID/cgroup`, with the PID and a space in front:
//! `4711 0::/system.slice/docker-….scope` (`sed "s/^/$pid /" "/proc/$pid/cgroup"`). A bare path
//! instead of the kernel's three fields is understood too.
//!
//! ## `drm`
//! What `grep -sH .` prints of files below `/sys/class/drm`, as `path:value`, for each `card[0-9]*`
//! whose `device/vendor` is `0x1002` (AMD) or `0x8086` (Intel). When its
//! `device/power/runtime_status` says `suspended`, those of [`drm::FILES_ASLEEP`] and no more, since
//! that would wake the card; else those of [`drm::FILES`]. Paths may begin anywhere before `/cardN/`.

pub mod cgroup;
mod diagnosis;
pub mod drm;
mod memory;
mod meter;
mod nvml;
mod pci;
mod places;
mod processes;
pub mod smi;
mod source;
mod sysfs;
mod text;
mod thread;
mod throttle;

use std::collections::BTreeMap;

pub use self::places::GpuPlaces;
pub use self::source::GpuSource;
use crate::reading::gpu::{Gpu, GpusReading};
use crate::survey::Survey;

/// Reads the GPUs of a remote machine; `None` when nothing tells of any.
pub fn parse(survey: &Survey) -> Option<GpusReading> {
    let section = |name: &str| survey.get(name).unwrap_or_default();
    let named = ["nvidia-power", "smi", "smi-apps", "smi-status", "drm"];
    named.iter().find_map(|name| survey.get(name))?;
    let mut reading = smi::parse(section("smi"), section("smi-apps"));
    if matches!(section("smi-status").trim(), "124" | "137") {
        reading.problems.push(smi::hung());
    }
    let power = pci::parse_power(section("nvidia-power"));
    add_asleep(
        &mut reading,
        (0..)
            .zip(power)
            .filter(|(_, (_, asleep))| *asleep)
            .map(|(index, (address, _))| Gpu { index, ..Gpu::of_bus(&address) }),
    );
    add_cards(&mut reading, drm::parse(section("drm")));
    add_containers(&mut reading, &cgroup::parse(section("cgroups")));
    Some(reading)
}

/// Adds NVIDIA's GPUs that sleep. The driver numbers in the order of PCI addresses, so the place
/// among them is the number.
fn add_asleep(reading: &mut GpusReading, asleep: impl Iterator<Item = Gpu>) {
    for gpu in asleep {
        if reading.gpus.iter().all(|known| known.bus_id != gpu.bus_id) {
            add(reading, Gpu { asleep: true, ..gpu });
        }
    }
    reading.gpus.sort_by_key(|gpu| gpu.index);
}

/// Adds AMD's and Intel's, whose numbers follow NVIDIA's.
fn add_cards(reading: &mut GpusReading, cards: Vec<Gpu>) {
    for gpu in cards {
        add(reading, Gpu { index: next_index(reading), ..gpu });
    }
}

/// Adds a GPU; under the next number where its own is taken.
fn add(reading: &mut GpusReading, gpu: Gpu) {
    let is_taken = reading.gpus.iter().any(|known| known.index == gpu.index);
    let index = if is_taken { next_index(reading) } else { gpu.index };
    if reading.gpus.len() < GPUS_MAX {
        reading.gpus.push(Gpu { index, ..gpu });
    }
}

/// After the last one; where there is nothing after it, the first that is free.
fn next_index(reading: &GpusReading) -> u32 {
    let last = reading.gpus.iter().map(|gpu| gpu.index).max();
    let is_free = |index: &u32| reading.gpus.iter().all(|gpu| gpu.index != *index);
    let after = last.map_or(Some(0), |last| last.checked_add(1));
    // Invariant: there are fewer GPUs than numbers.
    after.or_else(|| (0..u32::MAX).find(is_free)).unwrap_or_default()
}

/// Tells of each process in which container it is.
fn add_containers(reading: &mut GpusReading, containers: &BTreeMap<u32, String>) {
    for process in reading.gpus.iter_mut().flat_map(|gpu| &mut gpu.processes) {
        process.container = containers.get(&process.pid).cloned();
    }
}

/// GPUs of a machine that are kept.
const GPUS_MAX: usize = 64;
/// The highest number of a GPU that is believed.
const INDEX_MAX: u32 = 4095;
/// Processes on the GPUs of a machine that are kept.
const PROCESSES_MAX: usize = 1024;

#[cfg(test)]
mod tests;
