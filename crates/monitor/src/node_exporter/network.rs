//! Interfaces and sockets.

use super::text::{Kind, Text, count, flag};
use crate::reading::host::HostReading;
use crate::reading::host::network::Interface;

pub(super) fn write(reading: &HostReading, text: &mut Text) {
    let mut family = text.family("node_arp_entries", Kind::Gauge, "ARP entries by device");
    for interface in &reading.interfaces {
        let neighbours = interface.neighbours.and_then(count);
        family.add(&[("device", &interface.name)], neighbours);
    }
    write_traffic(reading, text);
    write_properties(reading, text);
    for ((protocol, name), value) in &reading.sockets.counters {
        let metric = format!("node_netstat_{protocol}_{name}");
        let help = format!("Statistic {protocol}{name}.");
        text.family(&metric, Kind::Untyped, &help).add(&[], Some(*value as f64));
    }
    write_sockets(reading, text);
}

fn write_traffic(reading: &HostReading, text: &mut Text) {
    for (name, value) in TRAFFIC {
        let metric = format!("node_network_{name}_total");
        let help = format!("Network device statistic {name}.");
        let mut family = text.family(&metric, Kind::Counter, &help);
        for interface in &reading.interfaces {
            family.add(&[("device", &interface.name)], value(interface).and_then(count));
        }
    }
}

fn write_properties(reading: &HostReading, text: &mut Text) {
    let known = || reading.interfaces.iter().filter(|i| !i.properties.is_empty());
    let help = "Non-numeric data from /sys/class/net/<iface>, value is always 1.";
    let mut family = text.family("node_network_info", Kind::Gauge, help);
    for interface in known() {
        let property = |name: &str| interface.properties.get(name).map_or("", String::as_str);
        let state = match interface.number("flags").map(|flags| flags & FLAG_UP) {
            None => "unknown",
            Some(0) => "down",
            Some(_) => "up",
        };
        let labels = [
            ("address", property("address")),
            ("adminstate", state),
            ("broadcast", property("broadcast")),
            ("device", &interface.name),
            ("duplex", property("duplex")),
            ("ifalias", property("ifalias")),
            ("operstate", property("operstate")),
        ];
        family.add(&labels, Some(1.0));
    }
    let help = "Value is 1 if operstate is 'up', 0 otherwise.";
    let mut family = text.family("node_network_up", Kind::Gauge, help);
    for interface in known() {
        let state = interface.properties.get("operstate");
        let is_up = state.and_then(|state| flag(state == "up"));
        family.add(&[("device", &interface.name)], is_up);
    }
    for (name, property, kind, factor) in PROPERTIES {
        let metric = format!("node_network_{name}");
        let statistic = name.strip_suffix("_total").filter(|_| property.contains('/'));
        let help = match statistic {
            Some(statistic) => format!("Network device statistic {statistic}."),
            None => format!("Network device property: {name}"),
        };
        let mut family = text.family(&metric, *kind, &help);
        for interface in known() {
            let value = interface.number(property).map(|value| value as f64 * factor);
            family.add(&[("device", &interface.name)], value);
        }
    }
}

fn write_sockets(reading: &HostReading, text: &mut Text) {
    let machine = reading.uname.as_ref().map(|uname| uname.machine.as_str());
    // Machines that do not say how long a page is mostly have the one length of their kind.
    let usual = machine.filter(|machine| *machine == "x86_64").map(|_| PAGE_BYTES_X86);
    let page = reading.page_bytes.or(usual).map(|bytes| bytes as f64);
    for ((protocol, state), value) in &reading.sockets.in_use {
        let (protocol, state) = (protocol.as_str(), state.as_str());
        let (metric, help) = if protocol == "sockets" {
            ("node_sockstat_sockets_used".to_owned(), "Number of IPv4 sockets in use.".to_owned())
        } else {
            let help = format!("Number of {protocol} sockets in state {state}.");
            (format!("node_sockstat_{protocol}_{state}"), help)
        };
        text.gauge(&metric, &help, count(*value));
        if state == "mem" {
            let help = format!("Number of {protocol} sockets in state mem_bytes.");
            let bytes = page.map(|page| page * *value as f64);
            text.gauge(&format!("node_sockstat_{protocol}_mem_bytes"), &help, bytes);
        }
    }
}

/// Takes a counter out of an interface.
type Count = fn(&Interface) -> Option<u64>;

/// The bit of an interface's flags that says it was switched on.
const FLAG_UP: u64 = 1;
/// Bytes of a page on x86.
const PAGE_BYTES_X86: u64 = 4_096;
/// Megabits per second in bytes per second.
const MEGABIT_BYTES: f64 = 125_000.0;
/// What goes through interfaces.
const TRAFFIC: &[(&str, Count)] = &[
    ("receive_bytes", |interface| Some(interface.received?.bytes)),
    ("receive_compressed", |interface| Some(interface.received?.compressed)),
    ("receive_drop", |interface| Some(interface.received?.dropped)),
    ("receive_errs", |interface| Some(interface.received?.errors)),
    ("receive_fifo", |interface| Some(interface.received?.fifo)),
    ("receive_frame", |interface| Some(interface.received?.frame)),
    ("receive_multicast", |interface| Some(interface.received?.multicast)),
    ("receive_packets", |interface| Some(interface.received?.packets)),
    ("transmit_bytes", |interface| Some(interface.sent?.bytes)),
    ("transmit_carrier", |interface| Some(interface.sent?.carrier)),
    ("transmit_colls", |interface| Some(interface.sent?.collisions)),
    ("transmit_compressed", |interface| Some(interface.sent?.compressed)),
    ("transmit_drop", |interface| Some(interface.sent?.dropped)),
    ("transmit_errs", |interface| Some(interface.sent?.errors)),
    ("transmit_fifo", |interface| Some(interface.sent?.fifo)),
    ("transmit_packets", |interface| Some(interface.sent?.packets)),
];
/// Properties that are numbers: the exporter's name, the file, and what it is multiplied with.
const PROPERTIES: &[(&str, &str, Kind, f64)] = &[
    ("carrier", "carrier", Kind::Gauge, 1.0),
    ("carrier_changes_total", "carrier_changes", Kind::Counter, 1.0),
    ("flags", "flags", Kind::Gauge, 1.0),
    ("iface_id", "ifindex", Kind::Gauge, 1.0),
    ("mtu_bytes", "mtu", Kind::Gauge, 1.0),
    ("protocol_type", "type", Kind::Gauge, 1.0),
    ("receive_nohandler_total", "statistics/rx_nohandler", Kind::Counter, 1.0),
    ("speed_bytes", "speed", Kind::Gauge, MEGABIT_BYTES),
    ("transmit_queue_length", "tx_queue_len", Kind::Gauge, 1.0),
];
