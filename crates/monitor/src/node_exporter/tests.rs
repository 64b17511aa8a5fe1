//! The page's form, and that nothing unknown is in it.

use std::collections::BTreeSet;

use super::*;
use crate::fuzzing::assert_page;
use crate::host::{self, parse};
use crate::survey::Survey;

#[test]
fn a_machine_is_written_as_the_exporter_writes_it() {
    let page = page(&parse(&host::tests::bare_machine()));
    for line in [
        "# TYPE node_cpu_seconds_total counter",
        "node_cpu_seconds_total{cpu=\"1\",mode=\"user\"} 2",
        "node_cpu_guest_seconds_total{cpu=\"1\",mode=\"nice\"} 0.01",
        "node_load15 1.75",
        "node_memory_Active_anon_bytes 8192",
        "node_memory_HugePages_Total 3",
        "# HELP node_memory_MemTotal_bytes Memory information field MemTotal_bytes.",
        "# TYPE node_vmstat_oom_kill untyped",
        "node_filesystem_avail_bytes{device=\"/dev/vda1\",fstype=\"ext4\",mountpoint=\"/\"} 563200",
        "node_filesystem_readonly{device=\"/dev/mapper/a b\",fstype=\"xfs\",mountpoint=\"/srv/my data\"} 1",
        "node_filesystem_device_error{device=\"/dev/sdz1\",device_error=\"mountpoint timeout\",fstype=\"ext4\",mountpoint=\"/mnt/gone\"} 1",
        "node_disk_read_bytes_total{device=\"vda\"} 6656",
        "node_disk_io_time_seconds_total{device=\"vda\"} 0.02",
        "node_network_receive_bytes_total{device=\"eth0\"} 100",
        "node_network_up{device=\"eth0\"} 1",
        "node_netstat_Tcp_MaxConn -1",
        "node_sockstat_TCP_mem_bytes 364544",
        "node_sockstat_sockets_used 19",
        "node_filefd_maximum 2466170",
        "node_time_seconds 1775000000.25",
        "node_boot_time_seconds 1774999000",
        "node_intr_total 999",
        "node_systemd_unit_state{name=\"docker.service\",state=\"active\",type=\"\"} 1",
        "node_scrape_collector_success{collector=\"pressure\"} 0",
    ] {
        assert!(page.lines().any(|found| found == line), "{line} is not in\n{page}");
    }
    for absent in
        ["node_pressure", "node_hwmon", "node_network_speed", "nothing.service", "mnt/nas"]
    {
        assert!(!page.contains(absent), "{absent} is not known");
    }
    assert_page(&page);
}

#[test]
fn a_machine_that_says_nothing_has_an_empty_page() {
    let page = page(&HostReading::default());
    let samples = page.lines().filter(|line| !line.starts_with('#'));
    assert!(
        samples.into_iter().all(|line| line.starts_with("node_scrape_collector_success{")),
        "{page}"
    );
}

#[test]
fn names_of_a_machine_cannot_break_the_page() {
    let mut survey = Survey::default();
    let name = "a\"} 1\\\u{1}";
    survey.insert("uname", format!("Linux\n{name}\n6\nv\nx86_64\n"));
    let mount = "/dev/sda1 /\\012up\\040\"1 ext4 rw 0 0\n";
    survey.insert("/proc/mounts", mount.repeat(2));
    survey.insert("df", "x\n/dev/sda1 10 5 5 50% /\n");
    let page = page(&parse(&survey));
    assert!(page.contains("nodename=\"a\\\"} 1\\\\\u{1}\""), "{page}");
    assert!(page.contains("mountpoint=\"/\\nup \\\"1\"} 10240"), "{page}");
    assert_page(&page);
}

#[test]
fn the_dashboard_finds_what_it_asks_for() {
    let page = page(&parse(&rich_machine()));
    assert_page(&page);
    let families = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let families: BTreeSet<&str> = families.filter_map(|rest| rest.split(' ').next()).collect();
    let asked = include_str!("dashboard_1860.txt").lines();
    let missing: BTreeSet<&str> = asked.filter(|name| !families.contains(name)).collect();
    let excused = |name: &&str| EXCUSED.iter().any(|start| name.starts_with(start));
    let unexcused: Vec<_> = missing.iter().filter(|name| !excused(name)).collect();
    assert!(unexcused.is_empty(), "{unexcused:?}");
    let idle = EXCUSED.iter().filter(|start| !missing.iter().any(|name| name.starts_with(**start)));
    assert_eq!(idle.collect::<Vec<_>>(), Vec::<&&str>::new(), "these are excused and not missing");
}

/// The bare machine with everything that it lacks.
fn rich_machine() -> Survey {
    let mut survey = host::tests::bare_machine();
    let stall = "some avg10=0.00 avg60=0.00 avg300=0.00 total=5\n\
                 full avg10=0.00 avg60=0.00 avg300=0.00 total=5\n";
    for name in ["cpu", "io", "irq", "memory"] {
        survey.insert(format!("/proc/pressure/{name}"), stall);
    }
    let names = include_str!("dashboard_1860.txt").lines();
    let fields = names.filter_map(|name| name.strip_prefix("node_memory_"));
    let field = |name: &str| match name.strip_suffix("_bytes") {
        Some(name) => format!("{name}: 1 kB\n"),
        None => format!("{name}: 1\n"),
    };
    survey.insert("/proc/meminfo", fields.map(field).collect::<String>());
    survey.insert(
        "/proc/vmstat",
        "oom_kill 1\npgfault 1\npgmajfault 1\npgpgin 1\npgpgout 1\npswpin 1\npswpout 1\n",
    );
    survey.insert("/proc/net/netstat", NETSTAT);
    survey.insert("/proc/net/snmp", SNMP);
    survey.insert("/proc/net/sockstat", SOCKSTAT);
    survey.insert("/proc/net/softnet_stat", "1 2 3 0 0 0 0 0 0 4 5 0 0\n");
    survey.insert("/proc/schedstat", "cpu0 0 0 0 0 0 0 1 2 3\n");
    survey.insert("/proc/net/arp", "IP\n10.0.0.1 0x1 0x2 02:00:00:00:00:05 * eth0\n");
    for name in ["entropy_avail", "poolsize"] {
        survey.insert(format!("/proc/sys/kernel/random/{name}"), "256\n");
    }
    for name in ["kernel/pid_max", "kernel/threads-max", "net/netfilter/nf_conntrack_count"] {
        survey.insert(format!("/proc/sys/{name}"), "7\n");
    }
    survey.insert("/proc/sys/net/netfilter/nf_conntrack_max", "262144\n");
    let things = [
        ("net-sysfs", "net/eth0", ETH0),
        ("power", "power_supply/AC", &["online"]),
        ("cooling", "thermal/cooling_device0", &["type", "cur_state", "max_state"]),
        ("hwmon", "hwmon/hwmon0", HWMON),
    ];
    for (section, thing, attributes) in things {
        let line = |attribute: &&str| format!("/sys/class/{thing}/{attribute}:1\n");
        survey.insert(section, attributes.iter().map(line).collect::<String>());
    }
    survey
}

/// Beginnings of what the dashboard asks for and this page does not have; the module says why.
const EXCUSED: &[&str] = &[
    "node_cpu_scaling_frequency_",
    "node_interrupts_total",
    "node_kernel_hung_tasks",
    "node_processes_pids",
    "node_processes_state",
    "node_scrape_collector_duration_seconds",
    "node_systemd_socket_",
    "node_systemd_units",
    "node_tcp_connection_states",
    "node_textfile_scrape_error",
    "node_timex_",
    "node_udp_queues",
    "process_",
];
const ETH0: &[&str] = &["mtu", "speed", "carrier", "flags", "operstate", "statistics/rx_nohandler"];
const HWMON: &[&str] = &[
    "name",
    "temp1_input",
    "temp1_crit",
    "temp1_crit_alarm",
    "temp1_crit_hyst",
    "temp1_max",
    "fan1_input",
    "fan1_min",
];
const NETSTAT: &str = "IpExt: InOctets OutOctets\nIpExt: 1 2\n\
    TcpExt: ListenDrops ListenOverflows SyncookiesFailed SyncookiesRecv SyncookiesSent \
    TCPOFOQueue TCPRcvQDrop TCPSynRetrans TCPTimeouts\nTcpExt: 1 2 3 4 5 6 7 8 9\n";
const SNMP: &str = "Icmp: InErrors InMsgs OutMsgs\nIcmp: 1 2 3\n\
    Tcp: ActiveOpens CurrEstab InErrs InSegs MaxConn OutRsts OutSegs PassiveOpens RetransSegs\n\
    Tcp: 1 2 3 4 -1 6 7 8 9\n\
    Udp: InDatagrams InErrors NoPorts OutDatagrams RcvbufErrors SndbufErrors\nUdp: 1 2 3 4 5 6\n\
    UdpLite: InErrors\nUdpLite: 1\n";
const SOCKSTAT: &str = "sockets: used 19\nTCP: inuse 1 orphan 0 tw 5 alloc 1 mem 89\n\
    UDP: inuse 0 mem 149\nUDPLITE: inuse 0\nRAW: inuse 0\nFRAG: inuse 0 memory 0\n";
