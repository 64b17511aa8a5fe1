//! NVIDIA's GPUs through the driver's library, loaded at run time.
//!
//! **Invariant:** a value that fails is `None`, and a GPU that fails leaves the others as they are.
//! Only GPUs that are awake are opened: a handle by PCI address touches no other one.

mod counters;
mod device;
mod instances;
mod xid;

use std::path::Path;

use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml};

pub(super) use self::xid::{Watch, XidCounts};
use super::memory::Memory;
use super::sysfs::NvidiaDevice;
use super::{GPUS_MAX, diagnosis};
use crate::reading::gpu::{Gpu, GpusReading};

/// Loads the library.
///
/// # Errors
/// What the library answers; [`NvmlError::LibloadingError`] when it is not there, and
/// [`NvmlError::FailedToLoadSymbol`] when it is too old to tell of memory (before driver 510).
pub(super) fn open(library: &Path) -> Result<Nvml, NvmlError> {
    let nvml = Nvml::builder().lib_path(library.as_os_str()).init()?;
    match nvml.lib().nvmlDeviceGetMemoryInfo_v2.as_ref() {
        Ok(_) => Ok(nvml),
        Err(error) => Err(NvmlError::FailedToLoadSymbol(error.to_string())),
    }
}

/// A reading, and whether the library is fit to be asked again without opening it anew.
pub(super) struct Asked {
    /// NVIDIA's GPUs that are awake.
    pub(super) reading: GpusReading,
    /// Whether every fault was one of a single GPU.
    pub(super) is_sound: bool,
}

/// Asks for all GPUs among `devices` that are awake; for all there are when the kernel lists none.
pub(super) fn read<'nvml>(
    nvml: &'nvml Nvml,
    devices: &[NvidiaDevice],
    watch: Option<&mut Watch<'nvml>>,
    memory: &mut Memory,
) -> Asked {
    let mut reading =
        GpusReading { driver: nvml.sys_driver_version().ok(), ..GpusReading::default() };
    let (mut is_sound, mut watch) = (true, watch);
    for (index, address, device) in handles(nvml, devices) {
        let found = match device {
            Ok(device) => {
                let xids =
                    watch.as_deref_mut().map(|w| w.drain(&address, &device, &mut memory.xids));
                let gpu = device::read(&device, index, &address);
                gpu.map(|gpu| Gpu { xid_is_watched: xids == Some(true), ..gpu })
            }
            Err(error) => Err(error),
        };
        let gpu = match found {
            Ok(gpu) => {
                memory.remember(&address, &gpu);
                gpu
            }
            // In a container the kernel lists GPUs that were not given to it.
            Err(NvmlError::NotFound) if memory.gpu(&address).is_none() => continue,
            Err(NvmlError::GpuLost | NvmlError::NotFound) => {
                reading.problems.push(diagnosis::lost(&address));
                let known = memory.gpu(&address).cloned();
                let gpu = known.unwrap_or_else(|| Gpu { index, ..Gpu::of_bus(&address) });
                Gpu { lost: true, ..gpu }
            }
            Err(error) => {
                is_sound &= !is_of_all(&error);
                reading.problems.push(diagnosis::unreachable(&address, &error));
                continue;
            }
        };
        reading.gpus.push(Gpu { xid: memory.xids.of(&address), ..gpu });
    }
    Asked { reading, is_sound }
}

/// Whether an error is one of the driver as a whole, which opening it anew may mend.
fn is_of_all(error: &NvmlError) -> bool {
    matches!(
        error,
        NvmlError::Uninitialized
            | NvmlError::DriverNotLoaded
            | NvmlError::LibRmVersionMismatch
            | NvmlError::Unknown
    )
}

type Handle<'nvml> = (u32, String, Result<Device<'nvml>, NvmlError>);

/// Number, address and handle of each GPU that is awake.
fn handles<'nvml>(nvml: &'nvml Nvml, devices: &[NvidiaDevice]) -> Vec<Handle<'nvml>> {
    if !devices.is_empty() {
        let numbered = (0..).zip(devices).filter(|(_, device)| !device.asleep);
        return numbered
            .map(|(index, device)| {
                let address = device.address.clone();
                (index, address.clone(), nvml.device_by_pci_bus_id(address))
            })
            .collect();
    }
    let count = nvml.device_count().unwrap_or(0).min(u32::try_from(GPUS_MAX).unwrap_or(u32::MAX));
    (0..count)
        .map(|index| {
            let device = nvml.device_by_index(index);
            let pci = device.as_ref().ok().and_then(|device| device.pci_info().ok());
            let address = pci.and_then(|pci| super::pci::normal(&pci.bus_id));
            (index, address.unwrap_or_else(|| format!("GPU {index}")), device)
        })
        .collect()
}
