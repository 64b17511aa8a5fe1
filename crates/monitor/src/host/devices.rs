//! Which of a machine's file systems and disks are real, each once.
//!
//! A file system counts when it lies on a device below `/dev`, loops, memory disks and FUSE left
//! out; so bind mounts, subvolumes and containers' views of it are one. The data sets of a ZFS pool
//! share its space and are shown as one file system, the pool. Network file systems belong to the
//! machine that exports them and are left out: whoever wants them watches that machine.

use std::collections::BTreeMap;

use crate::figures::{FileSystemFigures, Usage};
use crate::reading::host::storage::FileSystem;

/// File systems on real devices, each device once, in the order of their first mounts.
pub(super) fn file_systems(systems: &[FileSystem]) -> Vec<FileSystemFigures> {
    let mut shown: Vec<FileSystemFigures> = Vec::new();
    let (mut devices, mut pools) = (BTreeMap::new(), BTreeMap::new());
    for system in systems.iter().filter(|system| is_real(system)) {
        let Some(space) = system.space.filter(|space| space.size > 0) else {
            continue;
        };
        if let Some(place) = devices.get(system.device.as_str()) {
            let same: &mut FileSystemFigures = &mut shown[*place];
            // It can be written to when one of its mounts lets us.
            same.read_only &= system.read_only;
            continue;
        }
        let used = space.size.saturating_sub(space.available);
        let usage = Usage { total: space.size, used };
        let pool = system.device.split('/').next().filter(|_| system.kind == ZFS);
        let place = match pool.and_then(|pool| pools.get(pool).copied()) {
            Some(place) => {
                add_to_pool(&mut shown[place], system, usage);
                place
            }
            None => {
                shown.push(figures(pool.unwrap_or(&system.device), system, usage));
                shown.len() - 1
            }
        };
        devices.insert(system.device.as_str(), place);
        pool.map(|pool| pools.insert(pool, place));
    }
    shown
}

/// Whether a block device is a whole disk and not something made of others, of which counting both
/// would count twice.
pub(super) fn is_whole_disk(name: &str) -> bool {
    let number = |rest: &str| rest.bytes().next().is_some_and(|c| c.is_ascii_digit());
    let is_made = MADE_DISKS.iter().any(|kind| name.strip_prefix(kind).is_some_and(number));
    // `mmcblk0p1` and `nbd0p1` are partitions.
    let is_part = name.rsplit_once('p').is_some_and(|(stem, part)| {
        let ends_in_digit = stem.bytes().next_back().is_some_and(|c| c.is_ascii_digit());
        ends_in_digit && !part.is_empty() && part.bytes().all(|c| c.is_ascii_digit())
    });
    !is_made && !is_part && !name.starts_with("dm-")
}

fn is_real(system: &FileSystem) -> bool {
    let Some(device) = system.device.strip_prefix("/dev/") else {
        return system.kind == ZFS;
    };
    let is_unreal = UNREAL_DEVICES.iter().any(|kind| device.starts_with(kind));
    !is_unreal && !system.kind.starts_with("fuse.")
}

/// What data sets use adds up; what is left is what the one with the most room may use, since
/// quotas only take away from it.
fn add_to_pool(pool: &mut FileSystemFigures, system: &FileSystem, usage: Usage) {
    let left = |usage: Usage| usage.total.saturating_sub(usage.used);
    let left = left(pool.usage).max(left(usage));
    let used = pool.usage.used.saturating_add(usage.used);
    pool.usage = Usage { total: used.saturating_add(left), used };
    pool.read_only &= system.read_only;
}

fn figures(device: &str, system: &FileSystem, usage: Usage) -> FileSystemFigures {
    FileSystemFigures {
        device: device.to_owned(),
        mount_point: system.mount_point.clone(),
        kind: system.kind.clone(),
        usage,
        read_only: system.read_only,
    }
}

/// The kind of file system whose devices are data sets of a pool.
const ZFS: &str = "zfs";
/// Devices below `/dev` that are no disks.
const UNREAL_DEVICES: &[&str] = &["loop", "zram", "ram", "fuse", "shm"];
/// Block devices that are made of others, or of memory, or hold one disc at a time.
const MADE_DISKS: &[&str] = &["md", "loop", "ram", "zram", "fd", "sr"];
