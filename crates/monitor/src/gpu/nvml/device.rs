//! One GPU, value by value.

use nvml_wrapper::Device;
use nvml_wrapper::enum_wrappers::device::{
    Clock, PerformanceState, TemperatureSensor, TemperatureThreshold,
};
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::sys_exports::field_id;

use super::super::{pci, text};
use super::{counters, instances};
use crate::reading::gpu::{Gpu, GpuMemory, Vendor};

/// Asks for everything that a reading holds.
///
/// # Errors
/// [`NvmlError::GpuLost`] when it is gone; what it answers when it does not even say its UUID.
pub(super) fn read(device: &Device<'_>, index: u32, address: &str) -> Result<Gpu, NvmlError> {
    let id = device.uuid()?;
    // The UUID is remembered by the library, the temperature comes from the device.
    let celsius = device.temperature(TemperatureSensor::Gpu);
    if let Err(NvmlError::GpuLost) = celsius {
        return Err(NvmlError::GpuLost);
    }
    let temperature = celsius.ok().map(f64::from);
    let load = device.utilization_rates().ok();
    let reported = device.pci_info().ok().and_then(|pci| pci::normal(&pci.bus_id));
    let mig = instances::mig(device);
    Ok(Gpu {
        index: device.index().unwrap_or(index),
        vendor: Vendor::Nvidia,
        id: text::clean(&id),
        name: device.name().map(|name| text::clean(&name)).unwrap_or_default(),
        bus_id: reported.or_else(|| pci::normal(address)),
        temperature,
        memory_temperature: counters::field(device, field_id::NVML_FI_DEV_MEMORY_TEMP)
            .filter(|celsius| *celsius > 0)
            .map(|celsius| celsius as f64),
        margin: temperature.and_then(|now| margin(device, now)),
        memory: memory(device),
        utilization: load.as_ref().and_then(|load| share(load.gpu)),
        memory_utilization: load.as_ref().and_then(|load| share(load.memory)),
        encoder: device.encoder_utilization().ok().and_then(|used| share(used.utilization)),
        decoder: device.decoder_utilization().ok().and_then(|used| share(used.utilization)),
        power: device.power_usage().ok().map(watts),
        power_limit: device
            .enforced_power_limit()
            .or_else(|_| device.power_management_limit())
            .ok()
            .map(watts),
        energy: device.total_energy_consumption().ok(),
        sm_clock: device.clock_info(Clock::SM).ok(),
        memory_clock: device.clock_info(Clock::Memory).ok(),
        throttle: counters::throttling(device),
        ecc: counters::ecc(device),
        remapped: counters::remapped(device),
        pcie: counters::pcie(device),
        fan: device.fan_speed(0).ok().and_then(share),
        performance_state: device.performance_state().ok().and_then(state),
        nvlinks: counters::nvlinks(device),
        processes: instances::processes(device, mig.as_ref()),
        mig: mig.map(|found| found.mig),
        ..Gpu::default()
    })
}

/// Bytes of memory, of a GPU or of an instance.
pub(super) fn memory(device: &Device<'_>) -> Option<GpuMemory> {
    let memory = device.memory_info().ok()?;
    Some(GpuMemory { total: memory.total, used: memory.used, reserved: Some(memory.reserved) })
}

/// Degrees up to the first limit that slows it down. From Ada and Hopper on the driver tells no
/// limits in degrees, and there is no margin.
fn margin(device: &Device<'_>, now: f64) -> Option<f64> {
    let limits = [TemperatureThreshold::GpuMax, TemperatureThreshold::Slowdown];
    let told = limits.into_iter().filter_map(|limit| device.temperature_threshold(limit).ok());
    told.filter(|limit| *limit > 0).min().map(|limit| f64::from(limit) - now)
}

/// Per cent, as a share.
fn share(percent: u32) -> Option<f64> {
    (percent <= 100).then(|| f64::from(percent) / 100.0)
}

fn watts(milliwatts: u32) -> f64 {
    f64::from(milliwatts) / 1000.0
}

fn state(state: PerformanceState) -> Option<u32> {
    (0..).zip(STATES).find(|(_, known)| *known == state).map(|(number, _)| number)
}

/// The performance states, from the fastest.
const STATES: [PerformanceState; 16] = [
    PerformanceState::Zero,
    PerformanceState::One,
    PerformanceState::Two,
    PerformanceState::Three,
    PerformanceState::Four,
    PerformanceState::Five,
    PerformanceState::Six,
    PerformanceState::Seven,
    PerformanceState::Eight,
    PerformanceState::Nine,
    PerformanceState::Ten,
    PerformanceState::Eleven,
    PerformanceState::Twelve,
    PerformanceState::Thirteen,
    PerformanceState::Fourteen,
    PerformanceState::Fifteen,
];
