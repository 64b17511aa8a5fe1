//! Where this machine keeps what tells of its GPUs; tests put their own there.

use std::path::PathBuf;

/// Files, folders and programs.
#[derive(Debug, Clone)]
pub struct GpuPlaces {
    /// NVIDIA's library, by path or by a name that the loader looks for.
    pub library: PathBuf,
    /// `nvidia-smi`, in the order of trying; the first one that exists is run when the library
    /// cannot be loaded.
    pub smi: Vec<PathBuf>,
    /// Where the kernel shows devices.
    pub sysfs: PathBuf,
    /// Where the kernel shows processes.
    pub procfs: PathBuf,
}

impl Default for GpuPlaces {
    fn default() -> Self {
        Self {
            library: LIBRARY.into(),
            smi: SMI.iter().map(PathBuf::from).collect(),
            sysfs: "/sys".into(),
            procfs: "/proc".into(),
        }
    }
}

/// What the driver installs.
const LIBRARY: &str = "libnvidia-ml.so.1";
/// Where distributions, containers, NixOS and WSL have it.
const SMI: &[&str] = &[
    "/usr/bin/nvidia-smi",
    "/usr/local/bin/nvidia-smi",
    "/usr/local/nvidia/bin/nvidia-smi",
    "/opt/bin/nvidia-smi",
    "/run/current-system/sw/bin/nvidia-smi",
    "/usr/lib/wsl/lib/nvidia-smi",
];
