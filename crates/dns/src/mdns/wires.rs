//! The interfaces of this machine, and which of them are served.
//!
//! **Invariant:** an interface that does not carry multicast, is down or is loopback is never served.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use nix::ifaddrs::getifaddrs;
use nix::net::if_::{InterfaceFlags, if_nametoindex};
use nix::sys::socket::SockaddrStorage;

use crate::error::DnsError;

/// An interface with its addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wire {
    pub(crate) name: String,
    pub(crate) index: u32,
    pub(crate) flags: InterfaceFlags,
    /// Each address with its network; IPv4 first, in the system's order.
    pub(crate) nets: Vec<IpNet>,
}

/// What is served, and what cannot be.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Chosen {
    pub(crate) wires: Vec<Wire>,
    /// Asked for and not there, each with the reason.
    pub(crate) missing: Vec<(String, String)>,
}

impl Wire {
    /// All interfaces, by name.
    pub(crate) fn read() -> Result<Vec<Self>, DnsError> {
        let failed = |errno: nix::Error| DnsError::ReadInterfaces { source: errno.into() };
        let mut all: BTreeMap<String, Self> = BTreeMap::new();
        for entry in getifaddrs().map_err(failed)? {
            // An address may have a label of its own, such as eth0:1.
            let name = entry.interface_name.split(':').next().unwrap_or_default().to_owned();
            // One that went away meanwhile.
            let Ok(index) = if_nametoindex(name.as_str()) else { continue };
            let wire = all.entry(name.clone()).or_insert_with(|| Self {
                name,
                index,
                flags: entry.flags,
                nets: Vec::new(),
            });
            let ip = entry.address.as_ref().and_then(ip_of);
            let mask = entry.netmask.as_ref().and_then(ip_of);
            if let Some(net) = ip.and_then(|ip| net(ip, mask))
                && wire.nets.len() < ADDRESSES_MAX
            {
                wire.nets.push(net);
            }
        }
        let mut all: Vec<Self> = all.into_values().collect();
        for wire in &mut all {
            wire.nets.sort_by_key(|net| net.addr().is_ipv6());
        }
        Ok(all)
    }

    /// Why it cannot be served.
    fn lacks(&self) -> Option<&'static str> {
        let ready = InterfaceFlags::IFF_UP | InterfaceFlags::IFF_RUNNING;
        match () {
            () if self.flags.contains(InterfaceFlags::IFF_LOOPBACK) => Some("is loopback"),
            () if !self.flags.contains(InterfaceFlags::IFF_MULTICAST) => {
                Some("does not carry multicast")
            }
            () if !self.flags.contains(ready) => Some("is down"),
            () if self.nets.is_empty() => Some("has no address"),
            () => None,
        }
    }

    /// Whether it has an address of the family.
    pub(crate) fn has_v6(&self) -> bool {
        self.nets.iter().any(|net| net.addr().is_ipv6())
    }

    /// Its first IPv4 address.
    pub(crate) fn v4(&self) -> Option<Ipv4Addr> {
        self.nets.iter().find_map(|net| match net.addr() {
            IpAddr::V4(v4) => Some(v4),
            IpAddr::V6(_) => None,
        })
    }
}

/// Those that were asked for, or all that carry multicast to more than one other machine.
pub(crate) fn choose(all: &[Wire], wanted: &[String]) -> Chosen {
    let mut chosen = Chosen::default();
    if wanted.is_empty() {
        let is_line = |wire: &&Wire| wire.flags.contains(InterfaceFlags::IFF_POINTOPOINT);
        let fit = all.iter().filter(|wire| wire.lacks().is_none() && !is_line(wire));
        chosen.wires.extend(fit.take(LINKS_MAX).cloned());
    }
    for name in wanted {
        let reason = match all.iter().find(|wire| wire.name == *name) {
            None => "is not there",
            Some(wire) => match wire.lacks() {
                None => {
                    chosen.wires.push(wire.clone());
                    continue;
                }
                Some(reason) => reason,
            },
        };
        chosen.missing.push((name.clone(), reason.to_owned()));
    }
    chosen
}

fn ip_of(address: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
    v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
}

/// An address with its network; without a mask, alone in it.
fn net(ip: IpAddr, mask: Option<IpAddr>) -> Option<IpNet> {
    let length = match mask {
        Some(IpAddr::V4(mask)) => mask.to_bits().leading_ones(),
        Some(IpAddr::V6(mask)) => mask.to_bits().leading_ones(),
        None if ip.is_ipv4() => Ipv4Addr::BITS,
        None => Ipv6Addr::BITS,
    };
    IpNet::new(ip, u8::try_from(length).ok()?).ok()
}

/// Of one interface.
const ADDRESSES_MAX: usize = 32;
/// Served at once, when none are named.
pub(crate) const LINKS_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(name: &str, flags: InterfaceFlags, nets: &[&str]) -> Wire {
        let nets = nets.iter().map(|net| net.parse().expect("a network")).collect();
        Wire { name: name.to_owned(), index: 1, flags, nets }
    }

    #[test]
    fn only_what_carries_multicast_is_served() {
        let up = InterfaceFlags::IFF_UP | InterfaceFlags::IFF_RUNNING;
        let good = up | InterfaceFlags::IFF_MULTICAST;
        let line = good | InterfaceFlags::IFF_POINTOPOINT;
        let all = [
            wire("lo", good | InterfaceFlags::IFF_LOOPBACK, &["127.0.0.1/8"]),
            wire("eth0", good, &["10.0.0.1/24"]),
            wire("eth1", good, &[]),
            wire("eth2", InterfaceFlags::IFF_UP | InterfaceFlags::IFF_MULTICAST, &["10.2.0.1/24"]),
            wire("wg0", up, &["10.8.0.1/24"]),
            wire("tun0", line, &["10.9.0.1/32"]),
        ];
        let names = |chosen: &Chosen| -> Vec<String> {
            chosen.wires.iter().map(|wire| wire.name.clone()).collect()
        };
        let chosen = choose(&all, &[]);
        assert_eq!((names(&chosen), chosen.missing), (vec!["eth0".to_owned()], vec![]));
        let wanted = ["tun0", "wg0", "eth1", "eth2", "lo", "eth9"].map(str::to_owned);
        let chosen = choose(&all, &wanted);
        let missing: Vec<String> =
            chosen.missing.iter().map(|(name, why)| format!("{name} {why}")).collect();
        assert_eq!(names(&chosen), ["tun0"]);
        assert_eq!(
            missing,
            [
                "wg0 does not carry multicast",
                "eth1 has no address",
                "eth2 is down",
                "lo is loopback",
                "eth9 is not there"
            ]
        );
    }

    #[test]
    fn this_machine_has_a_loopback_interface() {
        let all = Wire::read().expect("the system answers");
        let lo = all.iter().find(|wire| wire.flags.contains(InterfaceFlags::IFF_LOOPBACK));
        let lo = lo.expect("there");
        assert!(lo.index > 0 && lo.nets.contains(&"127.0.0.1/8".parse().expect("a network")));
    }
}
