//! What this machine's files say of GPUs: which ones sleep, and all of AMD's and Intel's.
//!
//! **Invariant:** nothing here wakes a device: a card that sleeps is asked no more than its name.

use std::fs;
use std::path::{Path, PathBuf};

use super::{GPUS_MAX, drm, pci};

/// A PCI device that NVIDIA's driver holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NvidiaDevice {
    /// Its address.
    pub(super) address: String,
    /// Whether it sleeps.
    pub(super) asleep: bool,
    /// Whether the kernel may put it to sleep when nobody uses it.
    pub(super) may_sleep: bool,
    /// Its UUID, where the driver says it without asking the device.
    pub(super) uuid: Option<String>,
    /// Its name, from the same place.
    pub(super) name: Option<String>,
}

/// All of NVIDIA's GPUs in the order of their addresses, which is that of the driver's numbers.
pub(super) fn nvidia_devices(sysfs: &Path, procfs: &Path) -> Vec<NvidiaDevice> {
    let mut devices: Vec<NvidiaDevice> = entries(&sysfs.join("bus/pci/drivers/nvidia"))
        .into_iter()
        .filter_map(|device| {
            let name = device.file_name()?.to_str()?;
            let address = pci::normal(name)?;
            let is_display =
                text(&device.join("class")).is_none_or(|class| class.starts_with(DISPLAY));
            let known = procfs.join("driver/nvidia/gpus").join(name).join("information");
            let known = text(&known).unwrap_or_default();
            let word = |file: &str| text(&device.join(file)).unwrap_or_default();
            is_display.then(|| NvidiaDevice {
                address,
                asleep: pci::is_asleep(&word("power/runtime_status"), &word("power_state")),
                may_sleep: word("power/control") == "auto",
                uuid: information(&known, "GPU UUID").filter(|uuid| !uuid.contains('?')),
                name: information(&known, "Model"),
            })
        })
        .take(GPUS_MAX)
        .collect();
    devices.sort_by(|a, b| a.address.cmp(&b.address));
    devices
}

/// What [`drm::parse`] reads, of this machine.
pub(super) fn cards(sysfs: &Path) -> String {
    let mut printed = String::new();
    for card in entries(&sysfs.join("class/drm")).into_iter().take(CARDS_MAX) {
        let Some(name) = card.file_name().and_then(|name| name.to_str()) else { continue };
        let digits = name.strip_prefix("card").unwrap_or_default();
        let is_card = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let vendor = text(&card.join("device/vendor"));
        if !is_card || !vendor.is_some_and(|vendor| drm::VENDORS.contains(&vendor.as_str())) {
            continue;
        }
        let status = text(&card.join("device/power/runtime_status"));
        let asleep = status.is_some_and(|status| status == "suspended");
        for pattern in if asleep { drm::FILES_ASLEEP } else { drm::FILES } {
            for path in expand(&card, pattern) {
                for line in text(&path).unwrap_or_default().lines() {
                    printed.push_str(&format!("{}:{line}\n", path.display()));
                }
            }
        }
    }
    printed
}

/// The files that a pattern of [`drm::FILES`] stands for: one `*` at a part's end, one `[123]`.
fn expand(card: &Path, pattern: &str) -> Vec<PathBuf> {
    let mut found = vec![card.to_owned()];
    for part in pattern.split('/') {
        found = match (part.strip_suffix('*'), part.split_once("[123]")) {
            (Some(start), _) => {
                let below = found.iter().flat_map(|folder| entries(folder));
                let fits = |path: &PathBuf| {
                    path.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.starts_with(start))
                };
                below.filter(fits).take(HWMON_MAX).collect()
            }
            (None, Some((start, end))) => {
                let number = |folder: &PathBuf, n| folder.join(format!("{start}{n}{end}"));
                found.iter().flat_map(|f| [1, 2, 3].map(|n| number(f, n))).collect()
            }
            (None, None) => found.iter().map(|folder| folder.join(part)).collect(),
        };
    }
    found
}

/// The value after `key:` in what the driver tells of a device.
fn information(known: &str, key: &str) -> Option<String> {
    let value =
        known.lines().find_map(|line| line.strip_prefix(key)?.trim_start().strip_prefix(':'));
    value.map(|value| super::text::clean(value.trim())).filter(|value| !value.is_empty())
}

/// A small file without the line's end.
pub(super) fn text(path: &Path) -> Option<String> {
    let bytes = fs::read(path).ok().filter(|bytes| bytes.len() <= FILE_BYTES_MAX)?;
    Some(String::from_utf8_lossy(&bytes).trim().to_owned())
}

/// What is in a folder, by name.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(found) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> =
        found.take(ENTRIES_MAX).filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths
}

/// How the class of a display or 3D controller begins.
const DISPLAY: &str = "0x03";
/// Entries of a folder that are looked at.
const ENTRIES_MAX: usize = 1024;
/// Cards and connectors that are looked at.
const CARDS_MAX: usize = 512;
/// Sensor chips of a card that are looked at.
const HWMON_MAX: usize = 4;
/// The longest file that is taken; the kernel's are at most one page.
const FILE_BYTES_MAX: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, path: &str, value: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
        fs::write(path, value).expect("a file");
    }

    #[test]
    fn devices_are_told_with_what_the_driver_knows_of_them() {
        let root = tempfile::tempdir().expect("a folder");
        let at = |file: &str| format!("bus/pci/drivers/nvidia/{file}");
        write(root.path(), &at("0000:43:00.0/power/runtime_status"), "active\n");
        write(root.path(), &at("0000:43:00.0/power/control"), "on\n");
        write(root.path(), &at("0000:1b:00.0/power/runtime_status"), "suspended\n");
        write(root.path(), &at("0000:1b:00.0/power/control"), "auto\n");
        write(root.path(), &at("0000:1c:00.0/class"), "0x068000\n");
        write(root.path(), &at("bind"), "");
        let information = "Model: \t\t NVIDIA RTX 4090\nGPU UUID: \t GPU-a\nBus Type: PCIe\n";
        write(root.path(), "driver/nvidia/gpus/0000:1b:00.0/information", information);
        let found = nvidia_devices(root.path(), root.path());
        assert_eq!(found.len(), 2, "a switch is no GPU: {found:?}");
        assert_eq!(found[0].address, "00000000:1B:00.0");
        assert!(found[0].asleep && found[0].may_sleep && !found[1].asleep && !found[1].may_sleep);
        assert_eq!(found[0].uuid.as_deref(), Some("GPU-a"));
        assert_eq!(found[0].name.as_deref(), Some("NVIDIA RTX 4090"));
        assert_eq!(nvidia_devices(Path::new("/nonexistent"), root.path()), []);
    }

    #[test]
    fn cards_are_read_from_files_as_a_remote_machine_prints_them() {
        let root = tempfile::tempdir().expect("a folder");
        for line in drm::CARDS_FOR_TESTS.lines() {
            let (path, value) = line.split_once(':').expect("path:value");
            let path = root.path().join(path.strip_prefix("/sys/").expect("below /sys"));
            fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
            let before = fs::read_to_string(&path).unwrap_or_default();
            fs::write(path, format!("{before}{value}\n")).expect("a file");
        }
        let printed = cards(root.path());
        assert_eq!(drm::parse(&printed), drm::parse(drm::CARDS_FOR_TESTS));
        assert!(
            !printed.contains("card10/device/gpu_busy_percent"),
            "a card that sleeps is left alone"
        );
        assert!(!printed.contains("card2/") && !printed.contains("DP-1"));
    }
}
