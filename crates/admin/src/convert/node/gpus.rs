//! GPUs as they go out, and who holds their memory.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use conduit_api::v1::nodes as wire;
use conduit_monitor::figures::ContainerFigures;
use conduit_monitor::reading::gpu::{Gpu, GpuProcess, GpusReading, Vendor};
use conduit_monitor::view::ContainersView;

/// The GPUs of a node; `containers` knows whose a process is.
pub(super) fn gpus(found: &GpusReading, containers: Option<&ContainersView>) -> wire::Gpus {
    wire::Gpus {
        driver: found.driver.clone(),
        gpus: found.gpus.iter().map(|each| gpu(each, containers)).collect(),
    }
}

/// Who holds the memory, the largest first: processes of one service are one holder, else those
/// of one container, else those of one program. Where no engine is asked that knows containers by
/// name, they have the first twelve digits of their id, as engines show it.
pub(crate) fn holders(
    found: &GpusReading,
    containers: Option<&ContainersView>,
) -> Vec<wire::VramHolder> {
    let mut all: BTreeMap<(u8, String), wire::VramHolder> = BTreeMap::new();
    for gpu in &found.gpus {
        for process in &gpu.processes {
            let (key, empty) = holder_of(process, containers);
            let holder = all.entry(key).or_insert(empty);
            holder.processes += 1;
            holder.vram_bytes = match (holder.vram_bytes, process.memory) {
                (None, memory) => memory,
                (Some(sum), memory) => Some(sum.saturating_add(memory.unwrap_or(0))),
            };
            if !holder.gpus.contains(&gpu.index) {
                holder.gpus.push(gpu.index);
            }
        }
    }
    let mut holders: Vec<_> = all.into_values().collect();
    holders.sort_by_key(|holder| Reverse(holder.vram_bytes));
    holders
}

fn holder_of(
    process: &GpuProcess,
    containers: Option<&ContainersView>,
) -> ((u8, String), wire::VramHolder) {
    let container = container_of(process, containers);
    let empty = wire::VramHolder::default();
    match (container.and_then(|c| c.service.clone()), container) {
        (Some(service), _) => {
            ((0, service.clone()), wire::VramHolder { service: Some(service), ..empty })
        }
        (None, Some(figures)) => {
            let name = figures.container.name.clone();
            ((1, name.clone()), wire::VramHolder { container: Some(name), ..empty })
        }
        (None, None) if process.container.is_some() => {
            let name = container_word(process, None).unwrap_or_default();
            ((1, name.clone()), wire::VramHolder { container: Some(name), ..empty })
        }
        (None, None) => {
            let name = process.name.clone();
            ((2, name.clone()), wire::VramHolder { program: Some(name), ..empty })
        }
    }
}

fn container_of<'a>(
    process: &GpuProcess,
    containers: Option<&'a ContainersView>,
) -> Option<&'a ContainerFigures> {
    containers?.find(process.container.as_deref()?)
}

/// What the container of a process is called.
fn container_word(process: &GpuProcess, container: Option<&ContainerFigures>) -> Option<String> {
    let named = container.map(|figures| figures.container.name.clone());
    named.or_else(|| Some(process.container.as_ref()?.chars().take(ID_CHARS_SHOWN).collect()))
}

fn gpu(gpu: &Gpu, containers: Option<&ContainersView>) -> wire::Gpu {
    wire::Gpu {
        index: gpu.index,
        vendor: vendor(gpu.vendor).to_owned(),
        id: gpu.id.clone(),
        name: gpu.name.clone(),
        bus_id: gpu.bus_id.clone(),
        asleep: gpu.asleep,
        lost: gpu.lost,
        temperature: gpu.temperature,
        memory_temperature: gpu.memory_temperature,
        margin: gpu.margin,
        memory_total_bytes: gpu.memory.map(|memory| memory.total),
        memory_used_bytes: gpu.memory.map(|memory| memory.used),
        memory_reserved_bytes: gpu.memory.and_then(|memory| memory.reserved),
        utilization: gpu.utilization,
        memory_utilization: gpu.memory_utilization,
        power: gpu.power,
        power_limit: gpu.power_limit,
        sm_clock_mhz: gpu.sm_clock,
        memory_clock_mhz: gpu.memory_clock,
        throttle: gpu
            .throttle
            .as_ref()
            .map(|throttle| throttle.reasons.iter().map(|reason| (*reason).to_owned()).collect()),
        ecc_corrected: gpu.ecc.and_then(|ecc| ecc.corrected_volatile),
        ecc_uncorrected: gpu.ecc.and_then(|ecc| ecc.uncorrected_volatile),
        remap_pending: gpu.remapped.map(|rows| rows.pending),
        remap_failed: gpu.remapped.map(|rows| rows.failed),
        pcie: gpu.pcie.map(|pcie| wire::Pcie {
            generation: pcie.generation,
            generation_max: pcie.generation_max,
            width: pcie.width,
            width_max: pcie.width_max,
        }),
        fan: gpu.fan,
        xid: gpu.xid.map(|xid| xid.code),
        mig: instances(gpu),
        processes: gpu.processes.iter().map(|each| process(each, containers)).collect(),
    }
}

fn instances(gpu: &Gpu) -> Vec<wire::MigInstance> {
    let all = gpu.mig.iter().flat_map(|mig| &mig.instances);
    let wire = all.map(|instance| wire::MigInstance {
        id: instance.id.clone(),
        profile: instance.profile.clone(),
        memory_total_bytes: instance.memory.map(|memory| memory.total),
        memory_used_bytes: instance.memory.map(|memory| memory.used),
    });
    wire.collect()
}

fn process(process: &GpuProcess, containers: Option<&ContainersView>) -> wire::GpuProcess {
    let container = container_of(process, containers);
    wire::GpuProcess {
        pid: process.pid,
        name: process.name.clone(),
        vram_bytes: process.memory,
        container: container_word(process, container),
        service: container.and_then(|figures| figures.service.clone()),
    }
}

fn vendor(vendor: Vendor) -> &'static str {
    match vendor {
        Vendor::Nvidia => "nvidia",
        Vendor::Amd => "amd",
        Vendor::Intel => "intel",
    }
}

/// How much of a container's id engines show.
const ID_CHARS_SHOWN: usize = 12;
