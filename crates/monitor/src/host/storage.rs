//! Disks and file systems: `/proc/diskstats`, `/proc/mounts` and `df`.

use std::collections::HashMap;

use procfs_core::DiskStat;

use super::lines::{self, Line, Nonsense};
use crate::reading::host::HostReading;
use crate::reading::host::storage::{Disk, FileSystem, Files, Flushes, Operations, Space};
use crate::survey::Survey;

/// Reads disks and file systems.
pub(super) fn read(survey: &Survey, reading: &mut HostReading) {
    let problems = &mut reading.problems;
    reading.disks = lines::read(survey, "/proc/diskstats", DISKS_MAX, problems, disk_line);
    let mut systems = mounts(survey, problems);
    let space = rows(survey, "df", problems);
    let files = rows(survey, "df-inodes", problems);
    if systems.is_empty() {
        // A machine that shows no mounts still has what `df` prints, without types.
        let named = space.iter().map(|row| FileSystem {
            device: row.device.to_owned(),
            mount_point: row.mount_point.to_owned(),
            ..FileSystem::default()
        });
        systems = named.filter(|system| is_shown(&system.mount_point)).take(MOUNTS_MAX).collect();
    }
    let (space, files) = (Rows::new(&space), Rows::new(&files));
    for system in &mut systems {
        if let Some(row) = space.find(system) {
            system.space = row.space();
            system.is_silent = row.total.is_none();
        }
        system.files = files.find(system).and_then(Row::files);
    }
    reading.file_systems = systems;
}

/// What is mounted where it matters, as `/proc/mounts` lists it: one line for each mount, so that
/// a device can be there several times.
pub(super) fn mounts(survey: &Survey, problems: &mut Vec<String>) -> Vec<FileSystem> {
    lines::read(survey, "/proc/mounts", MOUNTS_MAX, problems, |line| {
        let mut words = line.split(' ');
        let (device, place) = (words.next(), words.next());
        let (kind, options) = (words.next().ok_or(Nonsense)?, words.next().ok_or(Nonsense)?);
        let mount_point = unescaped(place.ok_or(Nonsense)?);
        if KINDS_PASSED.contains(&kind) || !is_shown(&mount_point) {
            return Ok(None);
        }
        Ok(Some(FileSystem {
            device: unescaped(device.ok_or(Nonsense)?),
            mount_point,
            kind: kind.to_owned(),
            read_only: options.split(',').any(|option| option == "ro"),
            ..FileSystem::default()
        }))
    })
}

/// Whether a mount point is looked at: not those below which everything belongs to the kernel, to
/// secrets, or to containers.
fn is_shown(mount_point: &str) -> bool {
    let is_below = |place: &&str| {
        let rest = mount_point.strip_prefix(*place);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let is_in = |place: &&str| mount_point.starts_with(*place) && mount_point.len() > place.len();
    !PLACES_PASSED.iter().any(is_below) && !INSIDES_PASSED.iter().any(is_in)
}

fn disk_line(line: &str) -> Line<Disk> {
    let stat = DiskStat::from_line(line).map_err(|_| Nonsense)?;
    if is_part(&stat.name) {
        return Ok(None);
    }
    let number = |number: i32| u32::try_from(number).map_err(|_| Nonsense);
    let four =
        |completed, merged, sectors, time_ms| Operations { completed, merged, sectors, time_ms };
    let discards = stat.discards.zip(stat.discards_merged);
    let discards = discards.zip(stat.sectors_discarded.zip(stat.time_discarding));
    let flushes = stat.flushes.zip(stat.time_flushing);
    Ok(Some(Disk {
        major: number(stat.major)?,
        minor: number(stat.minor)?,
        reads: four(stat.reads, stat.merged, stat.sectors_read, stat.time_reading),
        writes: four(stat.writes, stat.writes_merged, stat.sectors_written, stat.time_writing),
        in_progress: stat.in_progress,
        busy_ms: stat.time_in_progress,
        weighted_ms: stat.weighted_time_in_progress,
        discards: discards.map(|((all, merged), (sectors, time))| four(all, merged, sectors, time)),
        flushes: flushes.map(|(completed, time_ms)| Flushes { completed, time_ms }),
        name: stat.name,
    }))
}

/// Whether a device is a partition, or memory: `^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$`,
/// as `node_exporter` leaves them out.
fn is_part(name: &str) -> bool {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    if stem.len() == name.len() {
        return false;
    }
    let letters: Vec<&str> =
        DISK_LETTERS.iter().filter_map(|kind| stem.strip_prefix(kind)).collect();
    let is_letter = |rest: &&str| rest.len() == 1 && rest.bytes().all(|c| c.is_ascii_lowercase());
    let is_nvme = stem.starts_with("nvme") && stem.contains('n') && stem.ends_with('p');
    MEMORY_DISKS.contains(&stem) || letters.iter().any(is_letter) || is_nvme
}

/// A row of `df -P`: numbers of KiB or of files; `-` where there are none.
struct Row<'a> {
    device: &'a str,
    total: Option<u64>,
    used: Option<u64>,
    available: Option<u64>,
    mount_point: &'a str,
}

impl Row<'_> {
    fn space(&self) -> Option<Space> {
        let bytes = |kib: u64| kib.checked_mul(KIB_BYTES);
        let size = bytes(self.total?)?;
        Some(Space {
            size,
            free: size.checked_sub(bytes(self.used?)?)?,
            available: bytes(self.available?)?,
        })
    }

    fn files(&self) -> Option<Files> {
        // Some file systems make room for files as they need it, and say that there are none.
        let total = self.total.filter(|total| *total > 0)?;
        Some(Files { total, free: self.available? })
    }
}

/// Rows by mount point; several mounts of one device are one file system, of which `df` tells once.
struct Rows<'a> {
    by_place: HashMap<&'a str, &'a Row<'a>>,
    by_device: HashMap<&'a str, &'a Row<'a>>,
}

impl<'a> Rows<'a> {
    fn new(rows: &'a [Row<'a>]) -> Self {
        let by_place = rows.iter().map(|row| (row.mount_point, row)).collect();
        let on_disk = rows.iter().filter(|row| row.device.starts_with('/'));
        Self { by_place, by_device: on_disk.map(|row| (row.device, row)).collect() }
    }

    fn find(&self, system: &FileSystem) -> Option<&'a Row<'a>> {
        let here = self.by_place.get(system.mount_point.as_str());
        here.or_else(|| self.by_device.get(system.device.as_str())).copied()
    }
}

/// Devices and mount points may hold spaces: a row is taken apart at its three numbers and its
/// share in per cent.
fn rows<'a>(survey: &'a Survey, section: &str, problems: &mut Vec<String>) -> Vec<Row<'a>> {
    let mut is_first = true;
    lines::read(survey, section, MOUNTS_MAX, problems, |line| {
        if std::mem::take(&mut is_first) {
            return Ok(None);
        }
        let words = words_at(line);
        let is_share = |word: &str| word == "-" || word.ends_with('%');
        let is_row = |four: &&[(usize, &str)]| {
            is_share(four[3].1) && four[..3].iter().all(|(_, word)| count(word).is_ok())
        };
        let four = words.windows(4).skip(1).find(is_row).ok_or(Nonsense)?;
        let mount_point = line[four[3].0 + four[3].1.len()..].trim();
        if mount_point.is_empty() {
            return Err(Nonsense);
        }
        Ok(Some(Row {
            device: line[..four[0].0].trim(),
            total: count(four[0].1)?,
            used: count(four[1].1)?,
            available: count(four[2].1)?,
            mount_point,
        }))
    })
}

/// The first words of a line, each with the place where it begins.
fn words_at(line: &str) -> Vec<(usize, &str)> {
    let start = line.as_ptr() as usize;
    let words = line.split_ascii_whitespace().take(ROW_WORDS_MAX);
    words.map(|word| (word.as_ptr() as usize - start, word)).collect()
}

/// A number, or none for `-`. More used than there is makes some `df` print a negative number.
fn count(word: &str) -> Result<Option<u64>, Nonsense> {
    if word == "-" {
        return Ok(None);
    }
    let number: i128 = word.parse().map_err(|_| Nonsense)?;
    u64::try_from(number.max(0)).map(Some).map_err(|_| Nonsense)
}

/// Spaces, tabs, line ends and backslashes are octal in `/proc/mounts`.
fn unescaped(word: &str) -> String {
    let (mut text, mut rest) = (String::with_capacity(word.len()), word);
    while let Some(at) = rest.find('\\') {
        text.push_str(&rest[..at]);
        let code = rest.get(at + 1..at + 4).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        let known = code.filter(u8::is_ascii);
        text.push(known.map_or('\\', char::from));
        rest = &rest[at + if known.is_some() { 4 } else { 1 }..];
    }
    text.push_str(rest);
    text
}

/// The most disks of a machine that are looked at.
const DISKS_MAX: usize = 1_024;
/// The most mounts of a machine that are looked at.
const MOUNTS_MAX: usize = 1_024;
/// The most words of a row of `df` that are looked at.
const ROW_WORDS_MAX: usize = 64;
/// Bytes of a KiB.
const KIB_BYTES: u64 = 1_024;
/// Disks that are letters of the alphabet, of which partitions have a number.
const DISK_LETTERS: &[&str] = &["hd", "sd", "vd", "xvd"];
/// Disks in memory or on files.
const MEMORY_DISKS: &[&str] = &["ram", "zram", "loop", "fd"];
/// Kinds of file systems that are passed over, as `node_exporter` does.
const KINDS_PASSED: &[&str] = &[
    "autofs",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "erofs",
    "fusectl",
    "hugetlbfs",
    "iso9660",
    "mqueue",
    "nsfs",
    "overlay",
    "proc",
    "procfs",
    "pstore",
    "rpc_pipefs",
    "securityfs",
    "selinuxfs",
    "squashfs",
    "sysfs",
    "tracefs",
];
/// Mount points that are passed over, with all below them.
const PLACES_PASSED: &[&str] = &["/dev", "/proc", "/sys"];
/// Places of which everything below is passed over.
const INSIDES_PASSED: &[&str] =
    &["/run/credentials/", "/var/lib/docker/", "/var/lib/containers/storage/"];
