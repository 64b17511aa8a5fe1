//! Known faults of NVIDIA's driver, each as one line with its mend.

use nvml_wrapper::error::NvmlError;

/// What is wrong, when a line of `nvidia-smi` says a known thing.
pub(super) fn of_text(line: &str) -> Option<String> {
    let known = PHRASES.iter().find(|(phrase, _)| line.contains(phrase));
    known.map(|(_, diagnosis)| (*diagnosis).to_owned())
}

/// What is wrong, when NVML as a whole answers with an error. `None`: it is simply not there.
pub(super) fn of_nvml(error: &NvmlError) -> Option<String> {
    match error {
        NvmlError::LibRmVersionMismatch => Some(MISMATCH.to_owned()),
        NvmlError::Unknown => Some(UNKNOWN.to_owned()),
        NvmlError::DriverNotLoaded => Some(NOT_LOADED.to_owned()),
        NvmlError::NoPermission | NvmlError::OperatingSystem => Some(NO_PERMISSION.to_owned()),
        NvmlError::LibloadingError(_) | NvmlError::LibraryNotFound | NvmlError::NotFound => None,
        other => Some(format!("NVIDIA's driver could not be asked ({other}); see `nvidia-smi`")),
    }
}

/// Devices that the kernel's driver holds, and nobody here who could ask it.
pub(super) fn no_library(devices: usize) -> String {
    format!(
        "NVIDIA's driver holds {devices} GPUs, but neither libnvidia-ml.so.1 nor nvidia-smi is here: \
         install the driver's tools (in a container, start it with the GPUs)"
    )
}

/// A GPU that the driver holds and no longer reaches.
pub(super) fn lost(address: &str) -> String {
    format!(
        "GPU {address} fell off the bus: stop what uses it and restart the machine; if it comes \
         again, look at its seat, power cables and temperature"
    )
}

/// A GPU that exists and cannot be asked.
pub(super) fn unreachable(address: &str, error: &NvmlError) -> String {
    let mend = of_nvml(error).unwrap_or_else(|| error.to_string());
    format!("GPU {address} does not answer: {mend}")
}

/// Kernel module and library differ.
pub(super) const MISMATCH: &str = "NVIDIA's driver in the kernel and its library differ in \
    version, as after an upgrade: restart the machine, or stop what uses the GPUs and reload the \
    modules (`rmmod nvidia_uvm nvidia_drm nvidia_modeset nvidia`, then `modprobe nvidia`)";
/// What containers see after `systemctl daemon-reload`.
pub(super) const UNKNOWN: &str = "NVIDIA's driver answers `Unknown Error`: in a container, \
    `systemctl daemon-reload` on the host took the devices away: restart the container, and give \
    it the devices with `--device=nvidia.com/gpu=all` (CDI) so that it keeps them; elsewhere, see \
    `dmesg | grep NVRM`";
/// The library is here and the kernel module is not.
const NOT_LOADED: &str = "NVIDIA's driver is not loaded: run `modprobe nvidia`; if that fails, the \
    module does not fit this kernel, so install the driver again";
/// The device files are closed to us.
const NO_PERMISSION: &str = "NVIDIA's driver refuses us: the user of Conduit needs to read and \
    write /dev/nvidiactl and /dev/nvidia0 and so on";
/// What `nvidia-smi` prints, and what it means.
const PHRASES: &[(&str, &str)] = &[
    ("version mismatch", MISMATCH),
    ("Unknown Error", UNKNOWN),
    ("couldn't communicate with the NVIDIA driver", NOT_LOADED),
    ("Driver Not Loaded", NOT_LOADED),
    ("Insufficient Permissions", NO_PERMISSION),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_faults_have_a_mend_on_one_line() {
        let seen = "Failed to initialize NVML: Driver/library version mismatch";
        assert_eq!(of_text(seen).as_deref(), Some(MISMATCH));
        assert_eq!(of_text("Failed to initialize NVML: Unknown Error").as_deref(), Some(UNKNOWN));
        assert_eq!(of_text("NVML library version: 580.95"), None);
        assert_eq!(of_nvml(&NvmlError::LibRmVersionMismatch).as_deref(), Some(MISMATCH));
        assert_eq!(of_nvml(&NvmlError::NotFound), None);
        for (_, text) in PHRASES {
            assert!(!text.contains('\n') && text.contains(':'), "{text}");
        }
    }
}
