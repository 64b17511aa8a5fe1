//! Who is behind a process: its program, its container, and what it holds of AMD's and Intel's
//! memory.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::{PROCESSES_MAX, cgroup, pci, sysfs, text};
use crate::reading::gpu::{Gpu, GpuProcess, GpusReading};

/// Gives each process its name, where it has none yet, and its container.
pub(super) fn describe(reading: &mut GpusReading, procfs: &Path) {
    for process in reading.gpus.iter_mut().flat_map(|gpu| &mut gpu.processes) {
        let folder = procfs.join(process.pid.to_string());
        if process.name.is_empty() {
            process.name = program(&folder).unwrap_or_default();
        }
        process.container =
            sysfs::text(&folder.join("cgroup")).and_then(|t| cgroup::container_id(&t));
    }
}

/// Gives each card the processes that hold its memory.
pub(super) fn add_clients(cards: &mut [Gpu], procfs: &Path) {
    if cards.iter().all(|card| card.asleep) {
        return;
    }
    let held = clients(procfs);
    for card in cards.iter_mut().filter(|card| !card.asleep) {
        let Some(bus) = &card.bus_id else { continue };
        let of_card = held.iter().filter(|((_, address), _)| address == bus);
        card.processes.extend(of_card.map(|((pid, _), bytes)| GpuProcess {
            pid: *pid,
            memory: *bytes,
            ..GpuProcess::default()
        }));
    }
}

/// What an open file of a process says of a GPU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Client {
    /// The PCI address of the GPU.
    address: String,
    /// Its number: what was inherited or passed on is the same client.
    id: u64,
    /// Bytes of the GPU's own memory.
    memory: Option<u64>,
}

/// Reads one file of `/proc/PID/fdinfo`; `None` when it is not of a GPU.
pub(super) fn parse_fdinfo(text: &str) -> Option<Client> {
    let value = |key: &str| {
        let lines = text.lines().take(FDINFO_LINES_MAX);
        lines
            .filter_map(|line| line.split_once(':'))
            .find(|(k, _)| *k == key)
            .map(|(_, v)| v.trim())
    };
    let address = pci::normal(value("drm-pdev")?)?;
    let id = value("drm-client-id")?.parse().ok()?;
    let memory = MEMORY_KEYS.iter().find_map(|key| bytes(value(key)?));
    Some(Client { address, id, memory })
}

/// Of `2048 KiB`, bytes.
fn bytes(text: &str) -> Option<u64> {
    let mut words = text.split_whitespace();
    let number: u64 = words.next()?.parse().ok()?;
    let factor = match words.next() {
        None => 1,
        Some("KiB") => 1 << 10,
        Some("MiB") => 1 << 20,
        Some(_) => return None,
    };
    number.checked_mul(factor)
}

/// What each process holds of each GPU. A client counts once, for the first process that has it.
fn clients(procfs: &Path) -> BTreeMap<(u32, String), Option<u64>> {
    let (mut held, mut seen) = (BTreeMap::new(), BTreeSet::new());
    let Ok(entries) = fs::read_dir(procfs) else { return held };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let mut pids: Vec<u32> = pids.take(PIDS_MAX).collect();
    pids.sort_unstable();
    for pid in pids {
        let folder = procfs.join(pid.to_string());
        // Processes of other users stay closed to us, unless we are root.
        let Ok(files) = fs::read_dir(folder.join("fd")) else { continue };
        for file in files.take(FILES_MAX).flatten() {
            let is_gpu = fs::read_link(file.path()).is_ok_and(|target| target.starts_with(DEVICES));
            let info = || sysfs::text(&folder.join("fdinfo").join(file.file_name()));
            let Some(client) = is_gpu.then(info).flatten().and_then(|t| parse_fdinfo(&t)) else {
                continue;
            };
            if held.len() < PROCESSES_MAX && seen.insert((client.address.clone(), client.id)) {
                let sum: &mut Option<u64> = held.entry((pid, client.address)).or_default();
                *sum = match (*sum, client.memory) {
                    (Some(sum), Some(more)) => Some(sum.saturating_add(more)),
                    (sum, more) => sum.or(more),
                };
            }
        }
    }
    held
}

/// A process's program: the first word of its command line, else the kernel's name for it.
fn program(folder: &Path) -> Option<String> {
    let line = sysfs::text(&folder.join("cmdline")).unwrap_or_default();
    let first = line.split('\0').next().unwrap_or_default();
    let name = text::program(first.trim());
    let named = Some(name).filter(|name| !name.is_empty());
    named.or_else(|| sysfs::text(&folder.join("comm")).map(|name| text::clean(&name)))
}

/// Where the kernel has the device files of GPUs.
const DEVICES: &str = "/dev/dri";
/// Keys for a GPU's own memory: resident where the driver tells it, else all that was asked for.
const MEMORY_KEYS: &[&str] = &[
    "drm-resident-vram",
    "drm-resident-vram0",
    "drm-resident-local0",
    "drm-memory-vram",
    "drm-total-vram0",
    "drm-total-local0",
];
/// Processes that are looked at.
const PIDS_MAX: usize = 65_536;
/// Open files of a process that are looked at.
const FILES_MAX: usize = 4096;
/// Lines of an `fdinfo` that are looked at.
const FDINFO_LINES_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const FDINFO: &str = "pos:\t0\nflags:\t02100002\ndrm-driver:\tamdgpu\ndrm-client-id:\t41\n\
                          drm-pdev:\t0000:03:00.0\ndrm-memory-vram:\t2048 KiB\ndrm-engine-gfx:\t7 ns\n";

    #[test]
    fn files_of_gpus_tell_what_is_held() {
        let client = parse_fdinfo(FDINFO).expect("a client");
        assert_eq!((client.address.as_str(), client.id), ("00000000:03:00.0", 41));
        assert_eq!(client.memory, Some(2 << 20));
        let xe = "drm-pdev:\t0000:04:00.0\ndrm-client-id: 2\ndrm-total-vram0:\t9 MiB\ndrm-resident-vram0:\t5 MiB\n";
        assert_eq!(parse_fdinfo(xe).expect("a client").memory, Some(5 << 20));
        assert_eq!(parse_fdinfo("pos:\t0\nflags:\t0\n"), None);
        assert_eq!(parse_fdinfo("drm-pdev: x\ndrm-client-id: 1\n"), None);
        let odd =
            parse_fdinfo("drm-pdev:\t0000:04:00.0\ndrm-client-id: 2\ndrm-memory-vram: 5 GB\n");
        assert_eq!(odd.expect("a client").memory, None, "an unknown unit is no number");
    }

    #[test]
    fn a_client_counts_once_however_many_files_and_processes_have_it() {
        let root = tempfile::tempdir().expect("a folder");
        let open = |pid: u32, fd: u32, info: &str| {
            for folder in ["fd", "fdinfo"] {
                fs::create_dir_all(root.path().join(pid.to_string()).join(folder))
                    .expect("folders");
            }
            let process = root.path().join(pid.to_string());
            symlink("/dev/dri/renderD128", process.join(format!("fd/{fd}"))).expect("a link");
            fs::write(process.join(format!("fdinfo/{fd}")), info).expect("a file");
        };
        open(7, 3, FDINFO);
        open(7, 4, FDINFO);
        open(7, 5, &FDINFO.replace("id:\t41", "id:\t42"));
        open(8, 3, FDINFO);
        fs::write(root.path().join("7/cmdline"), "/usr/bin/ollama\0serve\0").expect("a file");
        let id = "b".repeat(64);
        fs::write(root.path().join("7/cgroup"), format!("0::/docker/{id}\n")).expect("a file");
        let mut cards = [Gpu::of_bus("00000000:03:00.0"), Gpu::of_bus("00000000:04:00.0")];
        add_clients(&mut cards, root.path());
        let mut reading = GpusReading { gpus: cards.into(), ..GpusReading::default() };
        describe(&mut reading, root.path());
        let process = GpuProcess {
            pid: 7,
            name: "ollama".to_owned(),
            memory: Some(4 << 20),
            container: Some(id),
        };
        assert_eq!(reading.gpus[0].processes, [process]);
        assert_eq!(reading.gpus[1].processes, []);
    }
}
