//! Other addresses of the gateway for clients of certain networks.
//!
//! **Invariant:** the most specific network that a client is in decides, whatever the order in which they
//! are given; without views a query pays for them with one comparison.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::compile::split;
use crate::zone::both;

/// What clients of some networks get for the gateway's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// The networks.
    pub clients: Vec<IpNet>,
    /// What names of the gateway answer with there, and nothing else.
    pub addresses: Vec<IpAddr>,
}

/// Which view a client has, as a number in the zone that gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ViewId(u16);

/// All views, as queries look for them.
#[derive(Debug)]
pub(crate) struct Views {
    /// The longest prefix first.
    networks: Box<[(IpNet, ViewId)]>,
    sides: Box<[Side]>,
}

/// Addresses of the gateway, by family.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Addresses<'a> {
    pub(crate) v4: &'a [Ipv4Addr],
    pub(crate) v6: &'a [Ipv6Addr],
}

#[derive(Debug)]
struct Side {
    v4: Box<[Ipv4Addr]>,
    v6: Box<[Ipv6Addr]>,
}

impl Views {
    /// Sorts them; what is beyond their number is left out.
    pub(crate) fn new(given: &[View]) -> Self {
        let numbered = || (0_u16..).map(ViewId).zip(given);
        let each = numbered().flat_map(|(id, view)| view.clients.iter().map(move |net| (*net, id)));
        let mut networks: Vec<(IpNet, ViewId)> = each.collect();
        networks.sort_by_key(|(net, _)| std::cmp::Reverse(net.prefix_len()));
        let side = |view: &View| {
            let (v4, v6) = split(view.addresses.iter().map(IpAddr::to_canonical));
            Side { v4, v6 }
        };
        Self { networks: networks.into(), sides: numbered().map(|(_, view)| side(view)).collect() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.networks.is_empty()
    }

    /// The view of a client.
    pub(crate) fn of(&self, client: IpAddr) -> Option<ViewId> {
        if self.is_empty() {
            return None;
        }
        let client = client.to_canonical();
        let found = self.networks.iter().find(|(network, _)| network.contains(&client));
        found.map(|(_, id)| *id)
    }

    /// What a view answers with.
    pub(crate) fn addresses(&self, view: ViewId) -> Option<Addresses<'_>> {
        let side = self.sides.get(usize::from(view.0))?;
        Some(Addresses { v4: &side.v4, v6: &side.v6 })
    }

    /// Whether any view answers with this address.
    pub(crate) fn has(&self, address: IpAddr) -> bool {
        self.sides.iter().any(|side| match address {
            IpAddr::V4(v4) => side.v4.contains(&v4),
            IpAddr::V6(v6) => side.v6.contains(&v6),
        })
    }

    /// Each network, the most specific first, with what its clients get.
    pub(crate) fn listing(&self) -> impl Iterator<Item = (IpNet, Vec<IpAddr>)> {
        self.networks.iter().filter_map(|(network, id)| {
            let found = self.addresses(*id)?;
            Some((*network, both(found.v4, found.v6)))
        })
    }
}

#[cfg(test)]
mod tests;
