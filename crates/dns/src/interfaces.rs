//! The addresses of this machine, as far as answers depend on them.
//!
//! **Invariant:** a link-local IPv6 address is never given as an answer: it means nothing without
//! a zone index, which DNS cannot carry.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use foldhash::fast::RandomState;

use crate::error::DnsError;
use crate::views::ViewId;

/// What a name of ours answers with, by family, to a query that arrived at one interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Local {
    /// Its IPv4 address.
    pub v4: Option<Ipv4Addr>,
    /// Its IPv6 address.
    pub v6: Option<Ipv6Addr>,
    /// What stands in their place for the client ([`Zone::facing`](crate::zone::Zone::facing)).
    pub view: Option<ViewId>,
}

impl Local {
    /// What is known when only the address is: itself, unless it is link-local or a wildcard.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => {
                Self { v4: Some(v4).filter(|a| !a.is_unspecified()), ..Self::default() }
            }
            IpAddr::V6(v6) => Self { v6: Some(v6).filter(is_answerable), ..Self::default() },
        }
    }
}

/// Every address of this machine with the interface it belongs to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Interfaces {
    addresses: Vec<(String, IpAddr)>,
    locals: HashMap<IpAddr, Local, RandomState>,
}

impl Interfaces {
    /// Asks the system.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn read() -> Result<Self, DnsError> {
        let all = if_addrs::get_if_addrs().map_err(|source| DnsError::ReadInterfaces { source })?;
        Ok(Self::new(all.into_iter().map(|i| {
            let address = i.ip();
            (i.name, address)
        })))
    }

    /// Takes pairs of interface name and address, in the system's order.
    pub fn new(pairs: impl IntoIterator<Item = (String, IpAddr)>) -> Self {
        let addresses: Vec<(String, IpAddr)> = pairs.into_iter().collect();
        let local_at = |(name, address): &(String, IpAddr)| {
            let mut local = Local::of(*address);
            for (_, sibling) in addresses.iter().filter(|(other, _)| other == name) {
                let sibling = Local::of(*sibling);
                local.v4 = local.v4.or(sibling.v4);
                local.v6 = local.v6.or(sibling.v6);
            }
            (*address, local)
        };
        let locals = addresses.iter().map(local_at).collect();
        Self { addresses, locals }
    }

    /// What the interface with this address answers with.
    pub fn local(&self, address: IpAddr) -> Local {
        let known = self.locals.get(&address).copied();
        known.unwrap_or_else(|| Local::of(address))
    }

    /// Whether an interface has this address.
    pub fn has(&self, address: IpAddr) -> bool {
        self.locals.contains_key(&address)
    }

    /// Every address of this machine.
    pub fn addresses(&self) -> Vec<IpAddr> {
        self.addresses.iter().map(|(_, address)| *address).collect()
    }

    /// The addresses `auto` listens on: loopback and private ones, each once.
    pub fn automatic(&self) -> Vec<IpAddr> {
        let mut chosen: Vec<IpAddr> = Vec::new();
        for (_, address) in &self.addresses {
            if is_automatic(*address) && !chosen.contains(address) {
                chosen.push(*address);
            }
        }
        chosen
    }
}

fn is_automatic(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || is_shared(v4),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local(),
    }
}

/// 100.64.0.0/10 (RFC 6598), where overlay networks put their members.
fn is_shared(v4: Ipv4Addr) -> bool {
    let [first, second, ..] = v4.octets();
    first == 100 && (64..128).contains(&second)
}

fn is_answerable(v6: &Ipv6Addr) -> bool {
    !v6.is_unicast_link_local() && !v6.is_unspecified()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interfaces() -> Interfaces {
        let pairs = [
            ("lo", "127.0.0.1"),
            ("lo", "::1"),
            ("eth0", "10.0.1.1"),
            ("eth0", "10.0.1.2"),
            ("eth0", "fe80::1"),
            ("eth0", "fd00::1"),
            ("eth1", "203.0.113.1"),
            ("eth1", "2001:db8::1"),
            ("wg0", "100.64.0.9"),
        ];
        Interfaces::new(
            pairs.iter().map(|(name, ip)| ((*name).to_owned(), ip.parse().expect("valid"))),
        )
    }

    fn local(ip: &str) -> (Option<String>, Option<String>) {
        let local = interfaces().local(ip.parse().expect("valid"));
        (local.v4.map(|a| a.to_string()), local.v6.map(|a| a.to_string()))
    }

    #[test]
    fn the_other_family_is_the_same_interfaces() {
        let pair = |v4: &str, v6: &str| (Some(v4.to_owned()), Some(v6.to_owned()));
        assert_eq!(local("127.0.0.1"), pair("127.0.0.1", "::1"));
        assert_eq!(local("::1"), pair("127.0.0.1", "::1"));
        assert_eq!(local("10.0.1.2"), pair("10.0.1.2", "fd00::1"));
        assert_eq!(local("fd00::1"), pair("10.0.1.1", "fd00::1"));
        assert_eq!(local("fe80::1"), pair("10.0.1.1", "fd00::1"));
        assert_eq!(local("100.64.0.9"), (Some("100.64.0.9".into()), None));
        assert_eq!(local("192.0.2.1"), (Some("192.0.2.1".into()), None));
        assert_eq!(local("fe80::9"), (None, None));
    }

    #[test]
    fn automatic_addresses_are_loopback_and_private() {
        let chosen: Vec<String> =
            interfaces().automatic().iter().map(ToString::to_string).collect();
        assert_eq!(chosen, ["127.0.0.1", "::1", "10.0.1.1", "10.0.1.2", "fd00::1", "100.64.0.9"]);
    }

    #[test]
    fn this_machine_has_a_loopback_address() {
        let read = Interfaces::read().expect("the system answers");
        assert!(read.has(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    }
}
