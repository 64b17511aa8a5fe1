//! What a GPU counts: throttling, memory errors, and its links.

use std::time::Duration;

use nvml_wrapper::Device;
use nvml_wrapper::enum_wrappers::device::{
    EccCounter, MemoryError, PcieUtilCounter, PerformancePolicy,
};
use nvml_wrapper::enum_wrappers::nv_link::ErrorCounter;
use nvml_wrapper::enums::device::SampleValue;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::structs::device::FieldId;
use nvml_wrapper::sys_exports::field_id;

use super::super::throttle;
use crate::reading::gpu::{Ecc, NvLink, Pcie, RemappedRows, Throttle};

/// One of the values that the library knows by number.
pub(super) fn field(device: &Device<'_>, number: u32) -> Option<u64> {
    let values = device.field_values_for(&[FieldId(number)]).ok()?;
    match values.into_iter().next()?.ok()?.value.ok()? {
        SampleValue::U32(value) => Some(value.into()),
        SampleValue::U64(value) => Some(value),
        SampleValue::I64(value) => u64::try_from(value).ok(),
        SampleValue::F64(_) => None,
    }
}

pub(super) fn throttling(device: &Device<'_>) -> Option<Throttle> {
    let mask = device.current_throttle_reasons().ok().map(|reasons| reasons.bits());
    let time = |policy| {
        let held = device.violation_status(policy).ok()?;
        Some(Duration::from_nanos(held.violation_time))
    };
    let (power, thermal) = (time(PerformancePolicy::Power), time(PerformancePolicy::Thermal));
    if mask.is_none() && power.is_none() && thermal.is_none() {
        return None;
    }
    Some(Throttle { reasons: throttle::reasons(mask.unwrap_or(0)), power, thermal })
}

pub(super) fn ecc(device: &Device<'_>) -> Option<Ecc> {
    let count = |error, counter| device.total_ecc_errors(error, counter).ok();
    let ecc = Ecc {
        corrected_volatile: count(MemoryError::Corrected, EccCounter::Volatile),
        uncorrected_volatile: count(MemoryError::Uncorrected, EccCounter::Volatile),
        corrected_aggregate: count(MemoryError::Corrected, EccCounter::Aggregate),
        uncorrected_aggregate: count(MemoryError::Uncorrected, EccCounter::Aggregate),
    };
    (ecc != Ecc::default()).then_some(ecc)
}

pub(super) fn remapped(device: &Device<'_>) -> Option<RemappedRows> {
    Some(RemappedRows {
        corrected: field(device, field_id::NVML_FI_DEV_REMAPPED_COR)?,
        uncorrected: field(device, field_id::NVML_FI_DEV_REMAPPED_UNC)?,
        pending: field(device, field_id::NVML_FI_DEV_REMAPPED_PENDING)? != 0,
        failed: field(device, field_id::NVML_FI_DEV_REMAPPED_FAILURE)? != 0,
    })
}

pub(super) fn pcie(device: &Device<'_>) -> Option<Pcie> {
    let bytes = |way| {
        let kilobytes = device.pcie_throughput(way).ok()?;
        Some(u64::from(kilobytes) * KILOBYTE)
    };
    let pcie = Pcie {
        generation: device.current_pcie_link_gen().ok(),
        generation_max: device.max_pcie_link_gen().ok(),
        width: device.current_pcie_link_width().ok(),
        width_max: device.max_pcie_link_width().ok(),
        replays: device.pcie_replay_counter().ok().map(u64::from),
        sent: bytes(PcieUtilCounter::Send),
        received: bytes(PcieUtilCounter::Receive),
    };
    (pcie != Pcie::default()).then_some(pcie)
}

pub(super) fn nvlinks(device: &Device<'_>) -> Vec<NvLink> {
    let mut links = Vec::new();
    for number in 0..NVLINKS_MAX {
        let link = device.link_wrapper_for(number);
        let active = match link.is_active() {
            Ok(active) => active,
            // The first number that does not exist, or none does.
            Err(NvmlError::InvalidArg | NvmlError::NotSupported) => break,
            Err(_) => continue,
        };
        let counts = ERRORS.iter().filter_map(|counter| link.error_counter(*counter).ok());
        links.push(NvLink { link: number, active, errors: counts.reduce(u64::saturating_add) });
    }
    links
}

/// What the library counts throughput in, bytes.
const KILOBYTE: u64 = 1000;
/// Links of a GPU; the library knows no more.
const NVLINKS_MAX: u32 = 18;
/// All kinds of errors of a link.
const ERRORS: [ErrorCounter; 4] = [
    ErrorCounter::DlReplay,
    ErrorCounter::DlRecovery,
    ErrorCounter::DlCrcFlit,
    ErrorCounter::DlCrcData,
];
