//! Rates between two readings, and what they must not become.

use std::time::Duration;

use super::*;
use crate::host::parse;
use crate::reading::host::network::{Received, Sent};
use crate::reading::host::storage::{FileSystem, Space};
use crate::survey::Survey;

/// A machine that has run for some seconds: its two processors were busy for a part of them.
fn machine(seconds: u64, busy_ticks: u64) -> HostReading {
    let ticks = seconds * 100 * 2;
    let times = ProcessorTimes {
        user: busy_ticks,
        idle: ticks - busy_ticks - 5,
        iowait: Some(5),
        ..ProcessorTimes::default()
    };
    let half = ProcessorTimes { user: busy_ticks / 2, idle: (ticks - busy_ticks) / 2, ..times };
    let mut reading =
        HostReading { uptime: Some(Duration::from_secs(seconds)), ..Default::default() };
    reading.processors.total = Some(times);
    reading.processors.boot_time = Some(1_775_000_000);
    reading.processors.each = (0..2).map(|number| Processor { number, times: half }).collect();
    reading
}

fn with_disk(mut reading: HostReading, sectors: u64, busy_ms: u64) -> HostReading {
    let mut disk = Disk { name: "sda".to_owned(), busy_ms, ..Disk::default() };
    (disk.reads.sectors, disk.writes.sectors) = (sectors, sectors * 2);
    reading.disks = vec![disk];
    reading
}

fn with_traffic(mut reading: HostReading, bytes: u64, errors: u64) -> HostReading {
    let received = Some(Received { bytes, errors, ..Received::default() });
    let sent = Some(Sent { bytes: bytes * 2, dropped: errors, ..Sent::default() });
    let named =
        |name: &str| Interface { name: name.into(), received, sent, ..Interface::default() };
    reading.interfaces = vec![named("eth0"), named("lo")];
    reading
}

#[test]
fn the_first_reading_has_states_and_no_rates() {
    let now = with_traffic(with_disk(machine(100, 50), 10, 10), 100, 1);
    let figures = HostFigures::between(None, &now);
    assert_eq!((figures.cpu, figures.cores), (None, 2));
    assert!(figures.cpu_per_core.is_empty());
    assert_eq!((figures.disks[0].read, figures.disks[0].busy), (None, None));
    assert_eq!(figures.interfaces[0].received, None);
    assert_eq!((figures.load, figures.memory.share(), figures.oom_kills), (None, None, None));
}

#[test]
fn rates_are_made_with_the_machines_own_clock() {
    let mut before = with_traffic(with_disk(machine(100, 1_000), 0, 0), 0, 0);
    let mut now = with_traffic(with_disk(machine(110, 2_000), 20, 5_000), 1_000, 10);
    before.paging.insert("oom_kill".to_owned(), 3);
    now.paging.insert("oom_kill".to_owned(), 5);
    let figures = HostFigures::between(Some(&before), &now);
    // 1,000 of 2,000 ticks.
    assert_eq!((figures.cpu, figures.cpu_per_core), (Some(0.5), vec![0.5, 0.5]));
    assert_eq!(figures.oom_kills, Some(2));
    let disk = &figures.disks[0];
    assert_eq!((disk.read, disk.written, disk.busy), (Some(1_024.0), Some(2_048.0), Some(0.5)));
    assert_eq!(figures.interfaces.len(), 1, "the loopback is left out");
    let eth = &figures.interfaces[0];
    assert_eq!((eth.received, eth.sent, eth.errors), (Some(100.0), Some(200.0), Some(2.0)));
}

#[test]
fn a_restart_and_a_wrap_give_nothing_instead_of_nonsense() {
    let before = with_traffic(with_disk(machine(1_000, 5_000), 1_000, 100), 5_000, 1);
    // Started again, and reading less than before.
    let after_restart = with_traffic(with_disk(machine(10, 100), 10, 1), 50, 0);
    // Started again, and running longer than before already.
    let mut later = with_traffic(with_disk(machine(2_000, 9_000), 2_000, 200), 9_000, 2);
    later.processors.boot_time = Some(1_775_009_000);
    // Read twice at one moment.
    let same = before.clone();
    for now in [after_restart, later, same] {
        let figures = HostFigures::between(Some(&before), &now);
        assert_eq!((figures.cpu, figures.disks[0].read), (None, None));
        assert!(figures.cpu_per_core.is_empty() && figures.oom_kills.is_none());
        assert_eq!((figures.interfaces[0].received, figures.interfaces[0].errors), (None, None));
    }
    // A counter of 32 bits wrapped; the others go on.
    let wrapped = with_traffic(with_disk(machine(1_010, 5_500), 1_020, 200), 10, 1);
    let figures = HostFigures::between(Some(&before), &wrapped);
    assert_eq!((figures.interfaces[0].received, figures.interfaces[0].errors), (None, Some(0.0)));
    assert_eq!((figures.cpu, figures.disks[0].read), (Some(0.25), Some(1_024.0)));
}

#[test]
fn a_processor_that_came_leaves_the_others_untold_once() {
    let before = machine(100, 1_000);
    let mut now = machine(110, 2_000);
    now.processors.each.push(Processor { number: 2, ..now.processors.each[0] });
    let figures = HostFigures::between(Some(&before), &now);
    assert_eq!((figures.cpu, figures.cores), (Some(0.5), 3));
    assert!(figures.cpu_per_core.is_empty());
}

#[test]
fn used_memory_is_what_cannot_be_given_away() {
    let memory = |text: &str| {
        let mut survey = Survey::default();
        survey.insert("/proc/meminfo", text);
        HostFigures::between(None, &parse(&survey)).memory
    };
    let new = "MemTotal: 100 kB\nMemFree: 10 kB\nMemAvailable: 60 kB\n";
    assert_eq!(memory(new), Usage { total: 100 << 10, used: 40 << 10 });
    let old = "MemTotal: 100 kB\nMemFree: 10 kB\nBuffers: 5 kB\nCached: 25 kB\n";
    assert_eq!(memory(old), Usage { total: 100 << 10, used: 60 << 10 });
    assert_eq!(memory("MemTotal: 100 kB\n").share(), None);
    let odd = "MemTotal: 100 kB\nMemAvailable: 160 kB\n";
    assert_eq!(memory(odd).used, 0);
}

fn system(device: &str, mount_point: &str, kind: &str, size: u64, available: u64) -> FileSystem {
    FileSystem {
        device: device.to_owned(),
        mount_point: mount_point.to_owned(),
        kind: kind.to_owned(),
        space: Some(Space { size, free: available, available }),
        ..FileSystem::default()
    }
}

#[test]
fn each_real_device_is_shown_once() {
    let mut read_only = system("/dev/sda1", "/srv", "ext4", 100, 40);
    read_only.read_only = true;
    let systems = [
        read_only,
        system("/dev/sda1", "/", "ext4", 100, 40),
        system("/dev/loop3", "/snap/core/1", "ext4", 10, 0),
        system("tmpfs", "/run", "tmpfs", 10, 10),
        system("/dev/sdb", "/data", "btrfs", 200, 100),
        system("/dev/sdb", "/home", "btrfs", 200, 100),
        system("tank", "/tank", "zfs", 60, 50),
        system("tank/home", "/tank/home", "zfs", 80, 50),
        system("tank/home", "/mnt/again", "zfs", 80, 50),
        system("nas:/export", "/mnt/nas", "nfs4", 9_000, 1),
        system("/dev/fuse", "/mnt/x", "fuse.portal", 5, 1),
        system("/dev/sdc1", "/mnt/usb", "fuseblk", 50, 50),
        FileSystem { device: "/dev/sdd1".to_owned(), ..FileSystem::default() },
        system("/dev/sde1", "/boot/efi", "vfat", 0, 0),
    ];
    let reading = HostReading { file_systems: systems.to_vec(), ..HostReading::default() };
    let figures = HostFigures::between(None, &reading).file_systems;
    let shown: Vec<_> = figures
        .iter()
        .map(|f| (f.device.as_str(), f.mount_point.as_str(), f.usage.used, f.usage.total))
        .collect();
    let expected = [
        ("/dev/sda1", "/srv", 60, 100),
        ("/dev/sdb", "/data", 100, 200),
        ("tank", "/tank", 40, 90),
        ("/dev/sdc1", "/mnt/usb", 0, 50),
    ];
    assert_eq!(shown, expected);
    assert!(!figures[0].read_only, "one of its mounts can be written to");
}

#[test]
fn disks_made_of_disks_are_not_counted_twice() {
    for whole in ["sda", "nvme0n1", "vdb", "mmcblk0", "xvda", "nbd0", "dasda", "pmem0"] {
        assert!(devices::is_whole_disk(whole), "{whole}");
    }
    for made in ["dm-0", "md127", "loop0", "zram0", "sr0", "mmcblk0p1", "nbd0p2", "fd0"] {
        assert!(!devices::is_whole_disk(made), "{made}");
    }
}

#[test]
fn temperatures_have_names_of_their_own() {
    let sensor = |chip: &str, name: &str, label: Option<&str>, values: &[(&str, f64)]| Sensor {
        chip: chip.to_owned(),
        chip_name: name.to_owned(),
        sensor: "temp1".to_owned(),
        label: label.map(str::to_owned),
        values: values.iter().map(|(word, value)| ((*word).to_owned(), *value)).collect(),
    };
    let sensors = [
        sensor(
            "platform_coretemp_0",
            "coretemp",
            Some("Package id 0"),
            &[("input", 45_500.0), ("crit", 100_000.0)],
        ),
        sensor(
            "nvme_nvme0",
            "nvme",
            Some("Composite"),
            &[("input", 30_000.0), ("crit", 0.0), ("max", 80_000.0)],
        ),
        sensor("nvme_nvme1", "nvme", Some("Composite"), &[("input", 31_000.0)]),
        sensor("platform_x", "x", None, &[("input", -273_000.0)]),
        sensor("platform_y", "", None, &[("max", 1.0)]),
    ];
    let found: Vec<_> =
        temperatures(&sensors).into_iter().map(|t| (t.sensor, t.celsius, t.critical)).collect();
    let expected = [
        ("coretemp Package id 0".to_owned(), 45.5, Some(100.0)),
        ("nvme Composite nvme_nvme0 temp1".to_owned(), 30.0, Some(80.0)),
        ("nvme Composite nvme_nvme1 temp1".to_owned(), 31.0, None),
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_clock_ahead_of_ours_is_told() {
    let now = HostReading { clock: Some(1_775_000_002.5), ..HostReading::default() };
    let at = Timestamp::from_seconds(1_775_000_000);
    assert_eq!(clock_offset(&now, at), Some(2.5));
    assert_eq!(clock_offset(&HostReading::default(), at), None);
}
