//! The machine as a whole: who it is, its clock, what it has a limit on, its units.

use super::text::{Kind, Text, count, flag};
use crate::reading::host::HostReading;

pub(super) fn write(reading: &HostReading, text: &mut Text) {
    write_names(reading, text);
    write_distribution(reading, text);
    let boot = reading.processors.boot_time.and_then(count);
    text.gauge("node_boot_time_seconds", "Node boot time, in unixtime.", boot);
    let help = "System time in seconds since epoch (1970).";
    text.gauge("node_time_seconds", help, reading.clock);
    write_limits(reading, text);
    write_units(reading, text);
    let help = "node_exporter: Whether a collector succeeded.";
    let mut family = text.family("node_scrape_collector_success", Kind::Gauge, help);
    for (collector, has_data) in collectors(reading) {
        family.add(&[("collector", collector)], flag(has_data));
    }
}

fn write_names(reading: &HostReading, text: &mut Text) {
    let Some(uname) = &reading.uname else {
        return;
    };
    let help = "Labeled system information as provided by the uname system call.";
    let labels = [
        ("domainname", uname.domainname.as_str()),
        ("machine", &uname.machine),
        ("nodename", &uname.nodename),
        ("release", &uname.release),
        ("sysname", &uname.sysname),
        ("version", &uname.version),
    ];
    text.family("node_uname_info", Kind::Gauge, help).add(&labels, Some(1.0));
    let architecture = match uname.machine.as_str() {
        "aarch64" => "arm64",
        "x86_64" => "amd64",
        other => other,
    };
    let help = "A metric with a constant '1' value labeled by version, revision, branch, goversion \
                from which node_exporter was built, and the goos and goarch for the build.";
    let labels = [
        ("branch", ""),
        ("goarch", architecture),
        ("goos", "linux"),
        ("goversion", ""),
        ("revision", ""),
        ("tags", ""),
        ("version", VERSION),
    ];
    text.family("node_exporter_build_info", Kind::Gauge, help).add(&labels, Some(1.0));
}

fn write_distribution(reading: &HostReading, text: &mut Text) {
    if reading.distribution.is_empty() {
        return;
    }
    let field = |name: &str| reading.distribution.get(name).map_or("", String::as_str);
    let labels = DISTRIBUTION.iter().map(|(label, name)| (*label, field(name)));
    let help = "A metric with a constant '1' value labeled by build_id, id, id_like, image_id, \
                image_version, name, pretty_name, variant, variant_id, version, version_codename, \
                version_id.";
    let labels: Vec<(&str, &str)> = labels.collect();
    text.family("node_os_info", Kind::Gauge, help).add(&labels, Some(1.0));
    // `22.04` is a number; of `3.19.1` the first two parts are.
    let parts: Vec<&str> = field("VERSION_ID").split('.').take(2).collect();
    let version = parts.join(".").parse().ok();
    let labels = [("id", field("ID")), ("id_like", field("ID_LIKE")), ("name", field("NAME"))];
    let help = "Metric containing the major.minor part of the OS version.";
    text.family("node_os_version", Kind::Gauge, help).add(&labels, version);
}

fn write_limits(reading: &HostReading, text: &mut Text) {
    let limits = &reading.limits;
    let threads = reading.load.and_then(|load| load.threads);
    let gauges = [
        ("node_entropy_available_bits", "Bits of available entropy.", limits.entropy_bits),
        ("node_entropy_pool_size_bits", "Bits of entropy pool.", limits.entropy_pool_bits),
        ("node_filefd_allocated", "File descriptor statistics: allocated.", limits.files),
        ("node_filefd_maximum", "File descriptor statistics: maximum.", limits.files_max),
        (
            "node_nf_conntrack_entries",
            "Number of currently allocated flow entries for connection tracking.",
            limits.connections,
        ),
        (
            "node_nf_conntrack_entries_limit",
            "Maximum size of connection tracking table.",
            limits.connections_max,
        ),
        ("node_processes_max_processes", "Number of max PIDs limit", limits.processes_max),
        ("node_processes_max_threads", "Limit of threads in the system", limits.threads_max),
        ("node_processes_threads", "Allocated threads in system", threads),
    ];
    let help = "Total number of tasks that have been detected as hung since the system booted.";
    text.counter("node_kernel_hung_tasks_total", help, limits.hung_tasks.and_then(count));
    for (name, help, value) in gauges {
        text.gauge(name, help, value.and_then(count));
    }
}

fn write_units(reading: &HostReading, text: &mut Text) {
    let mut family = text.family("node_systemd_unit_state", Kind::Gauge, "Systemd unit");
    for unit in reading.units.iter().filter(|unit| unit.active != NOT_FOUND) {
        for state in UNIT_STATES {
            let labels = [("name", unit.name.as_str()), ("state", state), ("type", "")];
            family.add(&labels, flag(unit.active == *state));
        }
    }
}

/// The exporter's collectors that we have, and whether this machine gave them anything.
fn collectors(reading: &HostReading) -> Vec<(&'static str, bool)> {
    let pressure = reading.pressure;
    let has_pressure = pressure.cpu.is_some() || pressure.io.is_some() || pressure.memory.is_some();
    let has_properties = reading.interfaces.iter().any(|i| !i.properties.is_empty());
    let limits = &reading.limits;
    vec![
        ("arp", reading.interfaces.iter().any(|interface| interface.neighbours.is_some())),
        ("conntrack", limits.connections.is_some()),
        ("cpu", !reading.processors.each.is_empty()),
        ("diskstats", !reading.disks.is_empty()),
        ("entropy", limits.entropy_bits.is_some()),
        ("filefd", limits.files.is_some()),
        ("filesystem", reading.file_systems.iter().any(|system| system.space.is_some())),
        ("hwmon", !reading.sensors.is_empty()),
        ("loadavg", reading.load.is_some()),
        ("meminfo", !reading.memory.is_empty()),
        ("netclass", has_properties),
        ("netdev", reading.interfaces.iter().any(|interface| interface.received.is_some())),
        ("netstat", !reading.sockets.counters.is_empty()),
        ("os", !reading.distribution.is_empty()),
        ("powersupplyclass", !reading.power.is_empty()),
        ("pressure", has_pressure),
        ("schedstat", !reading.processors.schedule.is_empty()),
        ("sockstat", !reading.sockets.in_use.is_empty()),
        ("softnet", !reading.softnet.is_empty()),
        ("stat", reading.processors.context_switches.is_some()),
        ("systemd", !reading.units.is_empty()),
        ("thermal_zone", !reading.cooling.is_empty()),
        ("time", reading.clock.is_some()),
        ("uname", reading.uname.is_some()),
        ("vmstat", !reading.paging.is_empty()),
    ]
}

/// What writes this page, where the exporter says its own version.
const VERSION: &str = concat!("conduit-", env!("CARGO_PKG_VERSION"));
/// Our word for a unit that does not exist; the exporter does not name those.
const NOT_FOUND: &str = "not-found";
/// The states that the exporter tells of each unit.
const UNIT_STATES: &[&str] = &["activating", "active", "deactivating", "failed", "inactive"];
/// Labels of the distribution, and the fields they come from.
const DISTRIBUTION: &[(&str, &str)] = &[
    ("build_id", "BUILD_ID"),
    ("id", "ID"),
    ("id_like", "ID_LIKE"),
    ("image_id", "IMAGE_ID"),
    ("image_version", "IMAGE_VERSION"),
    ("name", "NAME"),
    ("pretty_name", "PRETTY_NAME"),
    ("variant", "VARIANT"),
    ("variant_id", "VARIANT_ID"),
    ("version", "VERSION"),
    ("version_codename", "VERSION_CODENAME"),
    ("version_id", "VERSION_ID"),
];
