//! What a GPU is cut into, and who computes on it.

use std::collections::BTreeMap;

use nvml_wrapper::Device;
use nvml_wrapper::enums::device::UsedGpuMemory;
use nvml_wrapper::struct_wrappers::device::ProcessInfo;

use super::super::{PROCESSES_MAX, text};
use super::device;
use crate::reading::gpu::{GpuProcess, Mig, MigInstance};

/// How a GPU is cut, and the handles of its parts.
pub(super) struct Instances<'nvml> {
    pub(super) mig: Mig,
    parts: Vec<Device<'nvml>>,
}

/// Asks how it is cut; `None` when it cannot be.
pub(super) fn mig<'nvml>(device: &Device<'nvml>) -> Option<Instances<'nvml>> {
    let enabled = device.mig_mode().ok()?.current != 0;
    let mut parts = Vec::new();
    if enabled {
        let count = device.mig_device_count().unwrap_or(0).min(INSTANCES_MAX);
        parts.extend((0..count).filter_map(|index| device.mig_device_by_index(index).ok()));
    }
    let instances = parts.iter().map(instance).collect();
    Some(Instances { mig: Mig { enabled, instances }, parts })
}

fn instance(part: &Device<'_>) -> MigInstance {
    let name = part.name().unwrap_or_default();
    MigInstance {
        id: part.uuid().map(|id| text::clean(&id)).unwrap_or_default(),
        // `NVIDIA H200 MIG 1g.18gb`
        profile: name.split_once("MIG ").map(|(_, profile)| text::clean(profile)),
        memory: device::memory(part),
    }
}

/// Who computes or draws on it or on a part of it, each process once with all that it holds.
pub(super) fn processes(device: &Device<'_>, parts: Option<&Instances<'_>>) -> Vec<GpuProcess> {
    let mut found = BTreeMap::new();
    add(&mut found, device);
    for part in parts.iter().flat_map(|instances| &instances.parts) {
        add(&mut found, part);
    }
    let process = |(pid, memory)| GpuProcess { pid, memory, ..GpuProcess::default() };
    found.into_iter().take(PROCESSES_MAX).map(process).collect()
}

/// A process that computes and draws is listed twice with the same memory, as is one that the whole
/// GPU and its part both list.
fn add(found: &mut BTreeMap<u32, Option<u64>>, device: &Device<'_>) {
    let listed = device.running_compute_processes().unwrap_or_default().into_iter();
    for process in listed.chain(device.running_graphics_processes().unwrap_or_default()) {
        let memory = bytes(&process);
        let known = found.entry(process.pid).or_insert(memory);
        *known = (*known).max(memory);
    }
}

fn bytes(process: &ProcessInfo) -> Option<u64> {
    match process.used_gpu_memory {
        UsedGpuMemory::Used(bytes) => Some(bytes),
        UsedGpuMemory::Unavailable => None,
    }
}

/// Parts of a GPU that are looked at; seven is the most there is.
const INSTANCES_MAX: u32 = 16;
