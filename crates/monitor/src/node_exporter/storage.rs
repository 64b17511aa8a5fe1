//! Disks and file systems.

use super::text::{Column, Kind, MS, Text, count, flag, scaled};
use crate::reading::host::HostReading;
use crate::reading::host::storage::{Disk, FileSystem};

pub(super) fn write(reading: &HostReading, text: &mut Text) {
    write_disks(reading, text);
    let help = "Info of /sys/block/<block_device>.";
    let mut family = text.family("node_disk_info", Kind::Gauge, help);
    for disk in &reading.disks {
        let (major, minor) = (disk.major.to_string(), disk.minor.to_string());
        let labels = [("device", disk.name.as_str()), ("major", &major), ("minor", &minor)];
        family.add(&labels, Some(1.0));
    }
    write_file_systems(reading, text);
}

fn write_disks(reading: &HostReading, text: &mut Text) {
    for (name, kind, help, value) in DISKS {
        let mut family = text.family(name, *kind, help);
        for disk in &reading.disks {
            family.add(&[("device", &disk.name)], value(disk));
        }
    }
}

fn write_file_systems(reading: &HostReading, text: &mut Text) {
    for (name, kind, help, value) in FILE_SYSTEMS {
        let mut family = text.family(name, *kind, help);
        for system in reading.file_systems.iter().filter(|s| s.space.is_some() || s.is_silent) {
            let mut labels = vec![
                ("device", system.device.as_str()),
                ("fstype", &system.kind),
                ("mountpoint", &system.mount_point),
            ];
            if system.is_silent {
                labels.insert(1, ("device_error", SILENT));
            }
            family.add(&labels, value(system));
        }
    }
}

/// What the exporter says of a file system that does not answer.
const SILENT: &str = "mountpoint timeout";
/// Bytes of a sector in the kernel's counters.
const SECTOR_BYTES: f64 = 512.0;
/// What disks do.
const DISKS: &[Column<Disk>] = &[
    (
        "node_disk_discard_time_seconds_total",
        Kind::Counter,
        "This is the total number of seconds spent by all discards.",
        |disk| scaled(disk.discards?.time_ms, MS),
    ),
    (
        "node_disk_discarded_sectors_total",
        Kind::Counter,
        "The total number of sectors discarded successfully.",
        |disk| count(disk.discards?.sectors),
    ),
    (
        "node_disk_discards_completed_total",
        Kind::Counter,
        "The total number of discards completed successfully.",
        |disk| count(disk.discards?.completed),
    ),
    (
        "node_disk_discards_merged_total",
        Kind::Counter,
        "The total number of discards merged.",
        |disk| count(disk.discards?.merged),
    ),
    (
        "node_disk_flush_requests_time_seconds_total",
        Kind::Counter,
        "This is the total number of seconds spent by all flush requests.",
        |disk| scaled(disk.flushes?.time_ms, MS),
    ),
    (
        "node_disk_flush_requests_total",
        Kind::Counter,
        "The total number of flush requests completed successfully",
        |disk| count(disk.flushes?.completed),
    ),
    ("node_disk_io_now", Kind::Gauge, "The number of I/Os currently in progress.", |disk| {
        count(disk.in_progress)
    }),
    ("node_disk_io_time_seconds_total", Kind::Counter, "Total seconds spent doing I/Os.", |disk| {
        scaled(disk.busy_ms, MS)
    }),
    (
        "node_disk_io_time_weighted_seconds_total",
        Kind::Counter,
        "The weighted # of seconds spent doing I/Os.",
        |disk| scaled(disk.weighted_ms, MS),
    ),
    (
        "node_disk_read_bytes_total",
        Kind::Counter,
        "The total number of bytes read successfully.",
        |disk| Some(disk.reads.sectors as f64 * SECTOR_BYTES),
    ),
    (
        "node_disk_read_time_seconds_total",
        Kind::Counter,
        "The total number of seconds spent by all reads.",
        |disk| scaled(disk.reads.time_ms, MS),
    ),
    (
        "node_disk_reads_completed_total",
        Kind::Counter,
        "The total number of reads completed successfully.",
        |disk| count(disk.reads.completed),
    ),
    ("node_disk_reads_merged_total", Kind::Counter, "The total number of reads merged.", |disk| {
        count(disk.reads.merged)
    }),
    (
        "node_disk_write_time_seconds_total",
        Kind::Counter,
        "This is the total number of seconds spent by all writes.",
        |disk| scaled(disk.writes.time_ms, MS),
    ),
    (
        "node_disk_writes_completed_total",
        Kind::Counter,
        "The total number of writes completed successfully.",
        |disk| count(disk.writes.completed),
    ),
    ("node_disk_writes_merged_total", Kind::Counter, "The number of writes merged.", |disk| {
        count(disk.writes.merged)
    }),
    (
        "node_disk_written_bytes_total",
        Kind::Counter,
        "The total number of bytes written successfully.",
        |disk| Some(disk.writes.sectors as f64 * SECTOR_BYTES),
    ),
];
/// What file systems say.
const FILE_SYSTEMS: &[Column<FileSystem>] = &[
    (
        "node_filesystem_avail_bytes",
        Kind::Gauge,
        "Filesystem space available to non-root users in bytes.",
        |system| count(system.space?.available),
    ),
    (
        "node_filesystem_device_error",
        Kind::Gauge,
        "Whether an error occurred while getting statistics for the given device.",
        |system| flag(system.is_silent),
    ),
    ("node_filesystem_files", Kind::Gauge, "Filesystem total file nodes.", |system| {
        count(system.files?.total)
    }),
    ("node_filesystem_files_free", Kind::Gauge, "Filesystem total free file nodes.", |system| {
        count(system.files?.free)
    }),
    ("node_filesystem_free_bytes", Kind::Gauge, "Filesystem free space in bytes.", |system| {
        count(system.space?.free)
    }),
    ("node_filesystem_readonly", Kind::Gauge, "Filesystem read-only status.", |system| {
        flag(system.read_only)
    }),
    ("node_filesystem_size_bytes", Kind::Gauge, "Filesystem size in bytes.", |system| {
        count(system.space?.size)
    }),
];
