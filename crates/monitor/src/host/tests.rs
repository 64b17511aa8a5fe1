//! Texts as kernels print them, and as broken machines do.

use super::*;
use crate::reading::host::processor::ProcessorTimes;
use crate::reading::host::storage::{Files, Flushes, Operations, Space};

/// A survey of some sections.
pub(super) fn survey(sections: &[(&str, &str)]) -> Survey {
    let mut survey = Survey::default();
    for (name, text) in sections {
        survey.insert(*name, *text);
    }
    survey
}

/// What a virtual machine with two processors prints, without sensors and without PSI.
pub(crate) fn bare_machine() -> Survey {
    survey(&[
        ("uname", "Linux\nvm\n6.1.0-13-amd64\n#1 SMP PREEMPT_DYNAMIC Debian 6.1.55-1\nx86_64\n"),
        ("clock", "1775000000.250000\n100\n4096\n"),
        ("/etc/os-release", "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\n# no\n"),
        ("/proc/uptime", "1000.50 1800.00\n"),
        ("/proc/loadavg", "0.50 0.25 1.75 2/345 6789\n"),
        ("/proc/stat", STAT),
        ("/proc/meminfo", MEMINFO),
        ("/proc/vmstat", "nr_free_pages 1\npgpgin 5\npgmajfault 7\noom_kill 3\npgscan_kswapd 4\n"),
        ("/proc/diskstats", DISKSTATS),
        ("/proc/mounts", MOUNTS),
        ("df", DF),
        ("df-inodes", DF_INODES),
        ("/proc/net/dev", NET_DEV),
        ("/proc/net/snmp", SNMP),
        ("/proc/net/snmp6", "Ip6InOctets \t 17\nUdp6NoPorts 2\nIcmp6InType1 3\n"),
        ("/proc/net/sockstat", "sockets: used 19\nTCP: inuse 1 orphan 0 tw 5 alloc 1 mem 89\n"),
        ("/proc/sys/fs/file-nr", "984\t0\t2466170\n"),
        ("net-sysfs", NET_SYSFS),
        ("units", "docker.service active\nnothing.service not-found\n"),
    ])
}

#[test]
fn a_bare_machine_is_read_whole() {
    let reading = parse(&bare_machine());
    assert_eq!(reading.problems, Vec::<String>::new());
    assert_eq!((reading.hostname.as_str(), reading.kernel.as_str()), ("vm", "6.1.0-13-amd64"));
    assert_eq!(reading.uptime.map(|up| up.as_millis()), Some(1_000_500));
    assert_eq!((reading.clock, reading.ticks_per_second), (Some(1_775_000_000.25), Some(100)));
    let load = reading.load.expect("load");
    assert_eq!((load.averages, load.threads), ([0.5, 0.25, 1.75], Some(345)));
    assert_eq!(reading.memory_bytes("MemTotal"), Some(2_048 << 10));
    let pages = reading.memory.iter().find(|field| field.name == "HugePages_Total");
    assert_eq!(pages.map(|field| (field.value, field.is_bytes)), Some((3, false)));
    let paging: Vec<&str> = reading.paging.keys().map(String::as_str).collect();
    assert_eq!(paging, ["oom_kill", "pgmajfault", "pgpgin"]);
    assert_eq!(reading.limits.files_max, Some(2_466_170));
    assert_eq!(reading.distribution["ID"], "debian");
    assert_eq!(reading.pressure, crate::reading::host::Pressure::default());
    assert!(reading.sensors.is_empty() && reading.units.len() == 2);
}

#[test]
fn processors_are_told_apart_from_their_sum() {
    let processors = parse(&bare_machine()).processors;
    let total = processors.total.expect("a sum");
    assert_eq!((total.user, total.guest_nice), (300, Some(1)));
    assert_eq!((total.busy(), total.unused()), (300 + 20 + 100 + 5 + 10 + 15, 1_600 + 50));
    let numbers: Vec<u32> = processors.each.iter().map(|each| each.number).collect();
    assert_eq!(numbers, [0, 1]);
    assert_eq!((processors.interrupts, processors.boot_time), (Some(999), Some(1_774_999_000)));
    // A kernel of the last century knows four kinds.
    let old = parse(&survey(&[("/proc/stat", "cpu 1 2 3 4\n")])).processors.total;
    let known = ProcessorTimes { user: 1, nice: 2, system: 3, idle: 4, ..Default::default() };
    assert_eq!(old, Some(known));
}

#[test]
fn many_processors_are_read_in_their_order() {
    let line = |number: u32| format!("cpu{number} {number} 0 0 100 0 0 0 0 0 0\n");
    let text: String = (0..128).map(line).collect();
    let reading = parse(&survey(&[("/proc/stat", &format!("cpu 1 0 0 1\n{text}intr 1 2 3\n"))]));
    assert_eq!((reading.processors.each.len(), reading.problems.len()), (128, 0));
    assert!(reading.processors.each.iter().all(|each| each.times.user == u64::from(each.number)));
    let text: String = (0..5_000).map(line).collect();
    let reading = parse(&survey(&[("/proc/stat", &text)]));
    assert_eq!(reading.processors.each.len(), 4_096);
    assert_eq!(reading.problems, ["904 more in /proc/stat were left out"]);
}

#[test]
fn disks_are_read_and_partitions_left_out() {
    let disks = parse(&bare_machine()).disks;
    let names: Vec<&str> = disks.iter().map(|disk| disk.name.as_str()).collect();
    assert_eq!(names, ["vda", "nvme0n1", "dm-0", "mmcblk0p1"]);
    let reads = Operations { completed: 11, merged: 12, sectors: 13, time_ms: 14 };
    assert_eq!((disks[0].reads, disks[0].in_progress, disks[0].busy_ms), (reads, 19, 20));
    assert_eq!(disks[0].flushes, Some(Flushes { completed: 26, time_ms: 27 }));
    // Fields that this kernel does not have are not known.
    assert_eq!((disks[1].discards, disks[1].flushes), (None, None));
}

#[test]
fn file_systems_are_those_of_mounts_with_what_df_says() {
    let systems = parse(&bare_machine()).file_systems;
    let places: Vec<&str> = systems.iter().map(|system| system.mount_point.as_str()).collect();
    assert_eq!(places, ["/", "/run", "/srv/my data", "/srv/bind", "/mnt/nas", "/mnt/gone"]);
    let space = Space { size: 1_000 << 10, free: 600 << 10, available: 550 << 10 };
    assert_eq!(systems[0].space, Some(space));
    assert_eq!(systems[0].files, Some(Files { total: 500, free: 400 }));
    assert_eq!(systems[2].device, "/dev/mapper/a b");
    assert!(systems[2].space.is_some() && systems[2].read_only);
    assert_eq!(systems[3].space, systems[0].space, "a bind mount is the same file system");
    assert_eq!((systems[4].space, systems[4].is_silent), (None, false), "df was not asked");
    assert_eq!((systems[5].space, systems[5].is_silent), (None, true), "df got no answer");
}

#[test]
fn interfaces_and_sockets_are_read() {
    let reading = parse(&bare_machine());
    let names: Vec<&str> = reading.interfaces.iter().map(|i| i.name.as_str()).collect();
    assert_eq!(names, ["eth0", "lo", "wg0"]);
    let eth = &reading.interfaces[0];
    assert_eq!((eth.received.expect("in").bytes, eth.sent.expect("out").compressed), (100, 16));
    assert_eq!(
        (eth.number("mtu"), eth.number("flags"), eth.number("speed")),
        (Some(1_500), Some(0x1003), None)
    );
    assert_eq!((eth.neighbours, reading.interfaces[2].received), (None, None));
    let counter = |protocol: &str, name: &str| {
        reading.sockets.counters.get(&(protocol.to_owned(), name.to_owned())).copied()
    };
    assert_eq!((counter("Tcp", "MaxConn"), counter("Tcp", "InErrs")), (Some(-1), Some(4)));
    assert_eq!((counter("Ip6", "InOctets"), counter("Tcp", "RtoMin")), (Some(17), None));
    assert_eq!(reading.sockets.in_use[&("TCP".to_owned(), "mem".to_owned())], 89);
}

#[test]
fn pressure_is_shares_and_totals() {
    let text = "some avg10=12.50 avg60=0.17 avg300=1.11 total=58761459\n\
                full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n";
    let half = "full avg10=1.00 avg60=0.00 avg300=0.00 total=5\nsome avg10=[N/A] total=\nsome";
    let reading = parse(&survey(&[("/proc/pressure/cpu", text), ("/proc/pressure/irq", half)]));
    let some = reading.pressure.cpu.expect("cpu").some.expect("some");
    assert_eq!((some.share_10s, some.total_us), (0.125, 58_761_459));
    let irq = reading.pressure.irq.expect("irq");
    assert_eq!((irq.some, irq.full.map(|time| time.total_us)), (None, Some(5)));
    assert_eq!(reading.problems, ["2 lines of /proc/pressure/irq make no sense"]);
}

#[test]
fn sensors_have_lasting_names() {
    let text = "/sys/class/hwmon/hwmon0/name:coretemp\n\
                /sys/class/hwmon/hwmon0/device:/sys/devices/platform/coretemp.0\n\
                /sys/class/hwmon/hwmon0/temp1_input:45000\n\
                /sys/class/hwmon/hwmon0/temp1_label:Package id 0\n\
                /sys/class/hwmon/hwmon0/temp1_crit:[N/A]\n\
                /sys/class/hwmon/hwmon0/temp1_max:84000\n\
                /sys/class/hwmon/hwmon1/name:nct6775\n\
                /sys/class/hwmon/hwmon1/fan2_input:1200\n\
                /sys/class/hwmon/hwmon1/in0_input:900\n\
                /sys/class/hwmon/hwmon2/device:/sys/devices/pci0000:00/0000:00:18.3\n\
                /sys/class/hwmon/hwmon2/temp1_input:-5\n";
    let cooling = "/sys/class/thermal/cooling_device0/type:Processor\n\
                   /sys/class/thermal/cooling_device0/cur_state:0\n\
                   /sys/class/thermal/cooling_device0/max_state:10\n";
    let power = "/sys/class/power_supply/ucsi-source-psy-USBC000:001/online:1\n";
    let sections = [("hwmon", text), ("cooling", cooling), ("power", power)];
    let reading = parse(&survey(&sections));
    assert_eq!(reading.problems, Vec::<String>::new());
    let chips: Vec<&str> = reading.sensors.iter().map(|sensor| sensor.chip.as_str()).collect();
    assert_eq!(chips, ["platform_coretemp_0", "nct6775", "pci0000:00_0000:00:18_3"]);
    let package = &reading.sensors[0];
    assert_eq!((package.label.as_deref(), package.value("crit")), (Some("Package id 0"), None));
    assert_eq!(
        (package.value("max"), reading.sensors[1].sensor.as_str()),
        (Some(84_000.0), "fan2")
    );
    assert_eq!((reading.cooling[0].state, reading.cooling[0].state_max), (Some(0), Some(10)));
    assert_eq!(reading.power[0].name, "ucsi-source-psy-USBC000:001");
}

#[test]
fn an_empty_machine_has_nothing_and_no_problems() {
    let empty: Vec<(&str, &str)> = FILES.iter().map(|name| (*name, "")).collect();
    assert_eq!(parse(&survey(&empty)), HostReading::default());
    assert_eq!(parse(&Survey::default()), HostReading::default());
}

#[test]
fn half_a_text_keeps_the_other_half() {
    for (section, text) in [("/proc/stat", STAT), ("/proc/diskstats", DISKSTATS), ("df", DF)] {
        for cut in 0..text.len() {
            parse(&survey(&[(section, &text[..cut]), ("/proc/mounts", MOUNTS)]));
        }
    }
    let cut = &DISKSTATS[..DISKSTATS.find(" 13 14").expect("there")];
    let reading = parse(&survey(&[("/proc/diskstats", cut), ("/proc/loadavg", "1.0 2.0 3.0")]));
    assert!(reading.disks.is_empty() && reading.load.is_some());
    assert_eq!(reading.problems, ["1 lines of /proc/diskstats make no sense"]);
}

#[test]
fn nonsense_is_none_and_is_told() {
    let garbage = [
        ("/proc/uptime", "[N/A]"),
        ("/proc/loadavg", "NaN inf 1e999"),
        ("/proc/meminfo", "MemTotal: 18446744073709551615 kB\nMemFree: -1 kB\nX: 1 furlongs\n"),
        ("/proc/stat", "cpu 1 2 x 4\ncpu99999999999 1 2 3 4\nctxt [N/A]\nbtime\n"),
        ("/proc/sys/fs/file-nr", "many"),
        ("clock", "yesterday\n0\n"),
        ("uname", "Linux\nhalf\n"),
        ("df", "Filesystem\n/dev/sda1 1 2\nx 99999999999999999999999 0 0 1% /\n"),
    ];
    let reading = parse(&survey(&garbage));
    let problems = std::mem::take(&mut parse(&survey(&garbage)).problems);
    let nothing = HostReading { problems: problems.clone(), ..HostReading::default() };
    assert_eq!(reading, nothing);
    let told = |name: &str| problems.iter().any(|problem| problem.contains(name));
    for (section, _) in garbage {
        assert!(told(section), "{section} in {problems:?}");
    }
}

#[test]
fn megabytes_of_garbage_are_one_problem_for_each_section() {
    let line = "\u{fffd}\u{0}garbage % 1 2 3 4 5% - : = / \\ 18446744073709551616\n";
    let garbage = line.repeat((4 << 20) / line.len());
    let names =
        ["uname", "clock", "df", "df-inodes", "hwmon", "cooling", "power", "net-sysfs", "units"];
    for name in FILES.iter().chain(&names) {
        let reading = parse(&survey(&[(name, &garbage)]));
        assert!(reading.problems.len() <= 2, "{name}: {:?}", reading.problems);
        assert!(reading.problems.iter().all(|problem| problem.len() < 200));
    }
}

const STAT: &str = "cpu  300 20 100 1600 50 5 10 15 2 1\n\
    cpu0 100 10 50 800 25 5 5 5 1 0\n\
    cpu1 200 10 50 800 25 0 5 10 1 1\n\
    intr 999 0 0 1\nctxt 1234\nbtime 1774999000\nprocesses 77\nprocs_running 2\n\
    procs_blocked 0\nsoftirq 12 0 1\n";
const MEMINFO: &str = "MemTotal:           2048 kB\nMemFree:            1024 kB\n\
    MemAvailable:       1536 kB\nBuffers:               1 kB\nCached:              100 kB\n\
    Active(anon):          8 kB\nSwapTotal:           512 kB\nSwapFree:            256 kB\n\
    HugePages_Total:       3\nHugepagesize:       2048 kB\n";
const DISKSTATS: &str = " 254 0 vda 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27\n \
    254 1 vda1 11 12 13 14 15 16 17 18 19 20 21\n \
    259 0 nvme0n1 1 2 3 4 5 6 7 8 9 10 11\n 259 1 nvme0n1p1 1 2 3 4 5 6 7 8 9 10 11\n \
    7 0 loop0 1 2 3 4 5 6 7 8 9 10 11\n 1 0 ram0 0 0 0 0 0 0 0 0 0 0 0\n \
    253 0 dm-0 1 2 3 4 5 6 7 8 9 10 11\n 179 1 mmcblk0p1 1 2 3 4 5 6 7 8 9 10 11\n";
const MOUNTS: &str = "proc /proc proc rw 0 0\n/dev/vda1 / ext4 rw,relatime 0 0\n\
    tmpfs /run tmpfs rw 0 0\ntmpfs /dev/shm tmpfs rw 0 0\n\
    overlay /var/lib/docker/overlay2/x/merged overlay rw 0 0\n\
    /dev/mapper/a\\040b /srv/my\\040data xfs ro,noatime 0 0\n\
    /dev/vda1 /srv/bind ext4 rw 0 0\nnas:/export /mnt/nas nfs4 rw 0 0\n\
    /dev/sdz1 /mnt/gone ext4 rw 0 0\n";
const DF: &str = "Filesystem      1024-blocks Used Available Capacity Mounted on\n\
    /dev/vda1       1000  400   550      43% /\ntmpfs 10 0 10 0% /run\n\
    /dev/mapper/a b 2000 1000 1000 50% /srv/my data\n/dev/sdz1 - - - - /mnt/gone\n";
const DF_INODES: &str = "Filesystem Inodes IUsed IFree IUse% Mounted on\n\
    /dev/vda1 500 100 400 20% /\n/dev/mapper/a b 0 0 0 - /srv/my data\n";
const NET_DEV: &str = "Inter-|   Receive                |  Transmit\n \
    face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets\n    \
    lo: 1 2 0 0 0 0 0 0 1 2 0 0 0 0 0 0\n  eth0: 100 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n";
const NET_SYSFS: &str = "/sys/class/net/eth0/mtu:1500\n/sys/class/net/eth0/speed:-1\n\
    /sys/class/net/eth0/flags:0x1003\n/sys/class/net/eth0/operstate:up\n\
    /sys/class/net/wg0/operstate:unknown\n";
const SNMP: &str = "Tcp: RtoMin MaxConn InErrs InSegs\nTcp: 200 -1 4 5\nUdp: NoPorts\n";
