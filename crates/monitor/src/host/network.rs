//! Interfaces and sockets: `/proc/net/*` and `/sys/class/net`.

use std::collections::BTreeMap;

use super::lines::{self, Line, Nonsense};
use crate::reading::host::HostReading;
use crate::reading::host::network::{Interface, Received, Sent, Sockets};
use crate::survey::Survey;

/// Reads interfaces and what the network stack counts.
pub(super) fn read(survey: &Survey, reading: &mut HostReading) {
    let problems = &mut reading.problems;
    let section = "/proc/net/dev";
    let counted = lines::read(survey, section, INTERFACES_MAX, problems, device_line);
    let mut interfaces: BTreeMap<String, Interface> = BTreeMap::new();
    for interface in counted {
        interfaces.insert(interface.name.clone(), interface);
    }
    read_properties(survey, &mut interfaces, problems);
    read_neighbours(survey, &mut interfaces, problems);
    reading.interfaces = interfaces.into_values().collect();
    reading.sockets = sockets(survey, problems);
}

/// `eth0: bytes packets …` with eight counters of each direction; two lines of headings.
fn device_line(line: &str) -> Line<Interface> {
    // An old alias such as `eth0:1` has a colon of its own.
    let Some((name, counters)) = line.rsplit_once(':') else {
        return if line.contains('|') { Ok(None) } else { Err(Nonsense) };
    };
    let name = name.trim();
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        return Err(Nonsense);
    }
    let mut words = counters.split_ascii_whitespace();
    let mut next = || lines::number(words.next());
    let received = Received {
        bytes: next()?,
        packets: next()?,
        errors: next()?,
        dropped: next()?,
        fifo: next()?,
        frame: next()?,
        compressed: next()?,
        multicast: next()?,
    };
    let sent = Sent {
        bytes: next()?,
        packets: next()?,
        errors: next()?,
        dropped: next()?,
        fifo: next()?,
        collisions: next()?,
        carrier: next()?,
        compressed: next()?,
    };
    let (received, sent) = (Some(received), Some(sent));
    Ok(Some(Interface { name: name.to_owned(), received, sent, ..Interface::default() }))
}

fn read_properties(
    survey: &Survey,
    interfaces: &mut BTreeMap<String, Interface>,
    problems: &mut Vec<String>,
) {
    let max = INTERFACES_MAX * PROPERTIES.len();
    let properties = lines::read(survey, "net-sysfs", max, problems, |line| {
        let (interface, name, value) = lines::attribute(line)?;
        let value: String = value.chars().take(VALUE_CHARS_MAX).collect();
        Ok(PROPERTIES.contains(&name).then(|| (interface.to_owned(), name.to_owned(), value)))
    });
    for (interface, property, value) in properties {
        let is_new = !interfaces.contains_key(&interface);
        if is_new && (interfaces.len() >= INTERFACES_MAX || interface.len() > NAME_BYTES_MAX) {
            continue;
        }
        let named = Interface { name: interface.clone(), ..Interface::default() };
        let found = interfaces.entry(interface).or_insert(named);
        found.properties.insert(property, value);
    }
}

/// Counts the lines of `/proc/net/arp` by their last word.
fn read_neighbours(
    survey: &Survey,
    interfaces: &mut BTreeMap<String, Interface>,
    problems: &mut Vec<String>,
) {
    let mut is_first = true;
    let neighbours = lines::read(survey, "/proc/net/arp", NEIGHBOURS_MAX, problems, |line| {
        if std::mem::take(&mut is_first) {
            return Ok(None);
        }
        line.split_ascii_whitespace().nth(ARP_DEVICE).ok_or(Nonsense).map(Some)
    });
    for device in neighbours {
        if let Some(interface) = interfaces.get_mut(device) {
            *interface.neighbours.get_or_insert(0) += 1;
        }
    }
}

fn sockets(survey: &Survey, problems: &mut Vec<String>) -> Sockets {
    let mut sockets = Sockets::default();
    for section in ["/proc/net/netstat", "/proc/net/snmp"] {
        let mut headings: Option<(&str, &str)> = None;
        lines::read(survey, section, 0, problems, |line| {
            let (protocol, rest) = line.split_once(':').ok_or(Nonsense)?;
            let Some((_, names)) = headings.take().filter(|(named, _)| *named == protocol) else {
                headings = Some((protocol, rest));
                return Ok(None::<()>);
            };
            let pairs = names.split_ascii_whitespace().zip(rest.split_ascii_whitespace());
            for (name, value) in pairs.filter(|(name, _)| is_counter(protocol, name)) {
                let value = lines::number(Some(value))?;
                sockets.counters.insert((protocol.to_owned(), name.to_owned()), value);
            }
            Ok(None)
        });
    }
    read_six(survey, &mut sockets, problems);
    for section in ["/proc/net/sockstat", "/proc/net/sockstat6"] {
        lines::read(survey, section, 0, problems, |line| {
            let (protocol, rest) = line.split_once(':').ok_or(Nonsense)?;
            let words: Vec<&str> = rest.split_ascii_whitespace().collect();
            for pair in words.chunks(2) {
                let [name, value] = pair else { return Err(Nonsense) };
                let value = lines::number(Some(value))?;
                if PROTOCOLS.contains(&protocol) && STATES.contains(name) {
                    sockets.in_use.insert((protocol.to_owned(), (*name).to_owned()), value);
                }
            }
            Ok(None::<()>)
        });
    }
    sockets
}

/// `/proc/net/snmp6` writes protocol and name in one word, such as `Udp6InDatagrams`.
fn read_six(survey: &Survey, sockets: &mut Sockets, problems: &mut Vec<String>) {
    lines::read(survey, "/proc/net/snmp6", 0, problems, |line| {
        let mut words = line.split_ascii_whitespace();
        let Some((protocol, name)) = words.next().and_then(|word| {
            let at = word.find('6')? + 1;
            Some(word.split_at(at))
        }) else {
            return Ok(None::<()>);
        };
        if is_counter(protocol, name) {
            let value = lines::number(words.next())?;
            sockets.counters.insert((protocol.to_owned(), name.to_owned()), value);
        }
        Ok(None)
    });
}

/// Whether a counter is kept: those that `node_exporter` keeps by default.
fn is_counter(protocol: &str, name: &str) -> bool {
    let kept = COUNTERS.iter().find(|(kept, _)| *kept == protocol).map(|(_, names)| *names);
    let is_error = matches!(name, "InErrors" | "InErrs");
    let is_protocol = protocol.len() <= NAME_BYTES_MAX
        && protocol.bytes().all(|c| c.is_ascii_alphanumeric())
        && !protocol.is_empty();
    (is_error && is_protocol) || kept.is_some_and(|names| names.contains(&name))
}

/// The most interfaces of a machine that are looked at.
const INTERFACES_MAX: usize = 512;
/// The most neighbours that are counted.
const NEIGHBOURS_MAX: usize = 16_384;
/// The longest name of an interface or protocol, in bytes; the kernel's own limit is 15.
const NAME_BYTES_MAX: usize = 32;
/// The longest property of an interface, in characters.
const VALUE_CHARS_MAX: usize = 256;
/// Where `/proc/net/arp` names the interface.
const ARP_DEVICE: usize = 5;
/// Properties of interfaces: files below `/sys/class/net/NAME/`.
pub(super) const PROPERTIES: &[&str] = &[
    "address",
    "broadcast",
    "carrier",
    "carrier_changes",
    "duplex",
    "flags",
    "ifalias",
    "ifindex",
    "mtu",
    "operstate",
    "speed",
    "statistics/rx_nohandler",
    "tx_queue_len",
    "type",
];
/// Counters that are kept, by protocol.
const COUNTERS: &[(&str, &[&str])] = &[
    ("Icmp", &["InMsgs", "OutMsgs"]),
    ("Icmp6", &["InMsgs", "OutMsgs"]),
    ("Ip", &["Forwarding"]),
    ("Ip6", &["InOctets", "OutOctets"]),
    ("IpExt", &["InOctets", "OutOctets"]),
    (
        "Tcp",
        &[
            "ActiveOpens",
            "CurrEstab",
            "InSegs",
            "MaxConn",
            "OutRsts",
            "OutSegs",
            "PassiveOpens",
            "RetransSegs",
        ],
    ),
    (
        "TcpExt",
        &[
            "ListenDrops",
            "ListenOverflows",
            "SyncookiesFailed",
            "SyncookiesRecv",
            "SyncookiesSent",
            "TCPOFOQueue",
            "TCPRcvQDrop",
            "TCPSynRetrans",
            "TCPTimeouts",
        ],
    ),
    ("Udp", UDP),
    ("Udp6", UDP),
];
/// Counters of datagrams that are kept.
const UDP: &[&str] = &["InDatagrams", "NoPorts", "OutDatagrams", "RcvbufErrors", "SndbufErrors"];
/// Protocols whose sockets are counted.
const PROTOCOLS: &[&str] = &[
    "FRAG", "FRAG6", "RAW", "RAW6", "TCP", "TCP6", "UDP", "UDP6", "UDPLITE", "UDPLITE6", "sockets",
];
/// What is counted of them.
const STATES: &[&str] = &["alloc", "inuse", "mem", "memory", "orphan", "tw", "used"];
