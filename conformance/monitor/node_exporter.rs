//! Our page of this machine against `node_exporter`'s: Debian's package `prometheus-node-exporter`,
//! which `CONDUIT_NODE_EXPORTER` names, or which is on `PATH`.
//!
//! The exporter is asked before and after us. What it has and we do not must be on the list of
//! what is left out; labels and types are the same; what counts lies between its two answers, so
//! that a wrong unit or column cannot pass; what does not change is equal.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use conduit_conformance::{skipped, tool};
use conduit_monitor::host::{HostSource, Units};
use conduit_monitor::node::NodeName;
use conduit_monitor::node_exporter::page;
use conduit_monitor::source::Source;

/// A page taken apart.
#[derive(Default)]
struct Page {
    /// The kind of each family.
    families: BTreeMap<String, String>,
    /// The help of each family.
    help: BTreeMap<String, String>,
    /// Values by family and labels.
    samples: BTreeMap<(String, BTreeMap<String, String>), f64>,
}

#[tokio::test]
async fn our_page_is_between_two_of_the_exporters() {
    let Some(program) = tool("CONDUIT_NODE_EXPORTER", "prometheus-node-exporter") else {
        skipped("prometheus-node-exporter not installed");
        return;
    };
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = free.local_addr().expect("an address");
    drop(free);
    let mut command = Command::new(program);
    command.arg(format!("--web.listen-address={address}"));
    // So that processors' guests and the loopback are there, as upstream's defaults have them.
    command.arg("--collector.netdev.device-exclude=").stdout(Stdio::null()).stderr(Stdio::null());
    let exporter = Exporter(command.spawn().expect("started"));
    let node = NodeName::parse("here").expect("a name");
    let mut source = HostSource::start(node, Units::default()).expect("threads");
    let before = parse(&exporter.ask(address));
    let reading = source.read().await.expect("a reading").host.expect("a host");
    let after = parse(&exporter.ask(address));
    let ours = parse(&page(&reading));
    let mut wrong = differences(&before, &ours, &after);
    wrong.truncate(WRONG_SHOWN_MAX);
    assert!(wrong.is_empty(), "{wrong:#?}");
    eprintln!("{} families, {} series compared", before.families.len(), before.samples.len());
}

fn differences(before: &Page, ours: &Page, after: &Page) -> Vec<String> {
    let mut wrong = Vec::new();
    for (family, kind) in &before.families {
        let Some(our_kind) = ours.families.get(family) else {
            if !LEFT_OUT.iter().any(|start| family.starts_with(start)) {
                wrong.push(format!("{family} is missing"));
            }
            continue;
        };
        if our_kind != kind {
            wrong.push(format!("{family} is a {our_kind}, not a {kind}"));
        }
        let (our_help, help) = (&ours.help[family], &before.help[family]);
        if our_help != help && !HELP_DIFFERS.contains(&family.as_str()) {
            wrong.push(format!("help of {family}: {our_help:?}, not {help:?}"));
        }
    }
    for (series, first) in &before.samples {
        let (family, labels) = series;
        // Older exporters tell of disks in memory, and of speeds that nobody knows as negative.
        let is_memory = labels.get("device").is_some_and(|device| device.starts_with("zram"));
        if is_memory || (family == "node_network_speed_bytes" && *first < 0.0) {
            continue;
        }
        if !ours.families.contains_key(family) || LABELS_DIFFER.contains(&family.as_str()) {
            continue;
        }
        let Some(last) = after.samples.get(series) else {
            continue;
        };
        let Some(value) = ours.samples.get(series) else {
            wrong.push(format!("{family}{labels:?} is missing"));
            continue;
        };
        // Some counters are called gauges or nothing at all.
        let is_counter = first < last || before.families[family] == "counter";
        let is_between =
            *value >= first.min(*last) - ROUNDING && *value <= first.max(*last) + ROUNDING;
        let moves = MOVES.iter().any(|start| family.starts_with(start));
        let is_fixed = CONSTANT.contains(&family.as_str());
        if (is_fixed || (is_counter && !moves)) && !is_between {
            wrong.push(format!("{family}{labels:?} is {value}, not {first} to {last}"));
        }
    }
    let names: BTreeSet<_> = before.samples.keys().map(|(family, _)| family).collect();
    assert!(names.len() > FAMILIES_MIN, "the exporter told only {} families", names.len());
    wrong
}

fn parse(text: &str) -> Page {
    let mut page = Page::default();
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a kind");
            page.families.insert(name.to_owned(), kind.to_owned());
        } else if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').expect("help");
            page.help.insert(name.to_owned(), help.to_owned());
        } else {
            let (series, value) = line.rsplit_once(' ').expect("a value");
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let value = value.parse().expect("a number");
            page.samples.insert((name.to_owned(), labels_of(labels)), value);
        }
    }
    page
}

/// Labels without those that are empty, which is the same as not there.
fn labels_of(text: &str) -> BTreeMap<String, String> {
    let parts = text.trim_end_matches('}').split("\",");
    let pairs = parts.filter_map(|part| part.trim_end_matches('"').split_once("=\""));
    let pairs = pairs.filter(|(_, value)| !value.is_empty());
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The exporter; it ends with this.
struct Exporter(Child);

impl Exporter {
    /// Asks for its page, as soon as it listens.
    fn ask(&self, address: SocketAddr) -> String {
        let mut stream = (0..TRIES_MAX)
            .find_map(|_| {
                let stream = TcpStream::connect(address).ok();
                if stream.is_none() {
                    std::thread::sleep(PAUSE);
                }
                stream
            })
            .expect("the exporter listens");
        let request = "GET /metrics HTTP/1.0\r\n\r\n";
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("read");
        answer.split_once("\r\n\r\n").expect("a body").1.to_owned()
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        // It may be gone already, which is as good.
        let _ended = self.0.kill().and_then(|()| self.0.wait());
    }
}

/// How often it is tried to reach the exporter.
const TRIES_MAX: usize = 200;
/// The pause between two tries.
const PAUSE: Duration = Duration::from_millis(50);
/// Fewer families than this mean that the exporter could not look at this machine.
const FAMILIES_MIN: usize = 50;
/// How many differences are shown.
const WRONG_SHOWN_MAX: usize = 30;
/// How far two floating point numbers of the same thing may be from each other.
const ROUNDING: f64 = 1e-4;
/// Beginnings of families that are left out; the module `node_exporter` of the monitor says why.
const LEFT_OUT: &[&str] = &[
    "go_",
    "node_btrfs_",
    "node_cooling_device_",
    "node_cpu_core_throttles_total",
    "node_cpu_frequency_",
    "node_cpu_package_throttles_total",
    "node_cpu_scaling_",
    "node_disk_ata_",
    "node_disk_device_mapper_info",
    "node_disk_filesystem_info",
    "node_dmi_info",
    "node_edac_",
    "node_hwmon_",
    "node_infiniband_",
    "node_ipvs_",
    "node_md_",
    "node_network_address_assign_type",
    "node_network_carrier_down_changes_total",
    "node_network_carrier_up_changes_total",
    "node_network_device_id",
    "node_network_dormant",
    "node_network_iface_link",
    "node_network_name_assign_type",
    "node_network_net_dev_group",
    "node_network_speed_bytes",
    "node_nf_conntrack_stat_",
    "node_nfs_",
    "node_nvme_",
    "node_power_supply_",
    "node_rapl_",
    "node_scrape_collector_duration_seconds",
    "node_selinux_",
    "node_softnet_backlog_len",
    "node_softnet_cpu_collision_total",
    "node_systemd_",
    "node_textfile_",
    "node_thermal_zone_",
    "node_time_clocksource_",
    "node_time_zone_offset_seconds",
    "node_timex_",
    "node_udp_queues",
    "node_xfs_",
    "node_zfs_",
    "process_",
    "promhttp_",
];
/// Families whose help newer exporters word differently.
const HELP_DIFFERS: &[&str] = &["node_exporter_build_info", "node_os_info", "node_disk_info"];
/// Families whose labels tell what we do not know, or what older exporters do not.
const LABELS_DIFFER: &[&str] = &[
    "node_disk_info",
    "node_exporter_build_info",
    "node_network_info",
    "node_os_info",
    "node_scrape_collector_success",
];
/// Gauges that do not change while this test runs.
const CONSTANT: &[&str] = &[
    "node_boot_time_seconds",
    "node_entropy_pool_size_bits",
    "node_filefd_maximum",
    "node_filesystem_files",
    "node_filesystem_readonly",
    "node_filesystem_size_bytes",
    "node_memory_HugePages_Total",
    "node_memory_Hugepagesize_bytes",
    "node_memory_MemTotal_bytes",
    "node_memory_SwapTotal_bytes",
    "node_memory_VmallocTotal_bytes",
    "node_network_carrier",
    "node_network_flags",
    "node_network_iface_id",
    "node_network_mtu_bytes",
    "node_network_protocol_type",
    "node_network_speed_bytes",
    "node_network_transmit_queue_length",
    "node_network_up",
    "node_nf_conntrack_entries_limit",
    "node_os_version",
    "node_uname_info",
];
/// Beginnings of what goes up and down between two looks, or is taken back by the kernel now and then.
const MOVES: &[&str] = &[
    "node_disk_io_now",
    "node_entropy_available_bits",
    "node_filefd_allocated",
    "node_filesystem_avail_bytes",
    "node_filesystem_files_free",
    "node_filesystem_free_bytes",
    "node_load",
    "node_memory_",
    "node_netstat_Tcp_CurrEstab",
    "node_nf_conntrack_entries",
    "node_procs_blocked",
    "node_procs_running",
    "node_sockstat_",
];
