//! Networks that trigger something when an answer leads into them.
//!
//! **Invariant:** the longest prefix wins; a look-up costs one probe for each length that there is.

use std::collections::HashMap;
use std::net::IpAddr;

use ipnet::IpNet;

/// Networks, with what is done and the line that says so.
#[derive(Debug, Default)]
pub(crate) struct Nets {
    all: HashMap<IpNet, (u32, u32)>,
    /// The lengths that there are, the longest first.
    lengths: Vec<u8>,
}

impl Nets {
    /// Adds one; says whether it was new and there was room.
    pub(crate) fn add(&mut self, net: IpNet, deed: u32, line: u32) -> bool {
        let net = net.trunc();
        if self.all.len() >= NETS_MAX || self.all.contains_key(&net) {
            return false;
        }
        self.all.insert(net, (deed, line));
        if !self.lengths.contains(&net.prefix_len()) {
            self.lengths.push(net.prefix_len());
            self.lengths.sort_unstable_by(|a, b| b.cmp(a));
        }
        true
    }

    /// The narrowest network of an address, with what is done and the line.
    pub(crate) fn find(&self, address: IpAddr) -> Option<(IpNet, u32, u32)> {
        self.lengths.iter().find_map(|length| {
            let net = IpNet::new(address, *length).ok()?.trunc();
            self.all.get(&net).map(|(deed, line)| (net, *deed, *line))
        })
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }
}

/// Of one list.
const NETS_MAX: usize = 200_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_narrowest_network_is_found() {
        let mut nets = Nets::default();
        for (text, deed) in [("10.0.0.0/8", 1), ("10.0.0.0/24", 2), ("fd00::/8", 3)] {
            assert!(nets.add(text.parse().expect("valid"), deed, deed));
        }
        assert!(!nets.add("10.0.0.0/8".parse().expect("valid"), 4, 4));
        for (address, expected) in
            [("10.0.0.9", Some(2)), ("10.0.1.9", Some(1)), ("fd01::", Some(3)), ("11.0.0.1", None)]
        {
            let found = nets.find(address.parse().expect("valid")).map(|(_, deed, _)| deed);
            assert_eq!(found, expected, "{address}");
        }
    }
}
