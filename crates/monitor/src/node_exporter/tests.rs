//! The page's form, and that nothing unknown is in it.

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
