//! Interfaces, and what the network stack counts.

use std::collections::BTreeMap;

/// A network interface and what it did since it appeared.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Interface {
    /// Such as `eth0`.
    pub name: String,
    /// What came in; `None` when only its properties are known.
    pub received: Option<Received>,
    /// What went out.
    pub sent: Option<Sent>,
    /// Its properties: names of files below `/sys/class/net/NAME/`, and their text.
    pub properties: BTreeMap<String, String>,
    /// Neighbours whose hardware address is known.
    pub neighbours: Option<u64>,
}

impl Interface {
    /// A property that is a number, such as `mtu`; `-1` of an unknown speed is not one.
    pub fn number(&self, property: &str) -> Option<u64> {
        let text = self.properties.get(property)?;
        match text.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16).ok(),
            None => text.parse().ok(),
        }
    }
}

/// What came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Received {
    /// Bytes.
    pub bytes: u64,
    /// Packets.
    pub packets: u64,
    /// Packets that were broken.
    pub errors: u64,
    /// Packets that nobody had room for.
    pub dropped: u64,
    /// Packets that the hardware had no room for.
    pub fifo: u64,
    /// Packets of a wrong length.
    pub frame: u64,
    /// Compressed packets.
    pub compressed: u64,
    /// Packets to many.
    pub multicast: u64,
}

/// What went out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sent {
    /// Bytes.
    pub bytes: u64,
    /// Packets.
    pub packets: u64,
    /// Packets that could not be sent.
    pub errors: u64,
    /// Packets that nobody had room for.
    pub dropped: u64,
    /// Packets that the hardware had no room for.
    pub fifo: u64,
    /// Collisions.
    pub collisions: u64,
    /// Packets lost since the line was down.
    pub carrier: u64,
    /// Compressed packets.
    pub compressed: u64,
}

/// What the network stack counts, by protocol and name, such as `Tcp` and `InSegs`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sockets {
    /// Counters of `/proc/net/netstat`, `snmp` and `snmp6`; those that dashboards ask for.
    pub counters: BTreeMap<(String, String), i64>,
    /// Sockets of `/proc/net/sockstat` and `sockstat6`.
    pub in_use: BTreeMap<(String, String), u64>,
}
