//! Who may ask about names that are not ours, and what happens then.
//!
//! **Invariant:** names of ours are answered to everybody; this list is about all others.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use crate::forward::Forwarder;
use crate::guard::Guard;
use crate::lists::Lists;
use crate::peers::Peers;

/// How names that are not ours are treated.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// Who may ask; everybody else is refused.
    pub access: AccessList,
    /// Who is asked on their behalf; without one, such names do not exist.
    pub forwarder: Option<Forwarder>,
    /// Who copies and changes our zones.
    pub peers: Arc<Peers>,
    /// Who does not use us against others.
    pub guard: Guard,
    /// Replies a second over UDP to a network of clients that may not ask; 0 is any number.
    pub rate_limit: u32,
    /// What lists and hosts files say comes before that.
    pub lists: Lists,
}

/// The networks whose clients may ask about any name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessList(Vec<IpNet>);

impl AccessList {
    /// The given networks.
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    /// Loopback and the private networks of both families.
    pub fn private() -> Self {
        let parse = |text: &&str| text.parse().ok();
        Self(PRIVATE.iter().filter_map(parse).collect())
    }

    /// The networks, in the order given.
    pub fn networks(&self) -> &[IpNet] {
        &self.0
    }

    /// Whether this client may ask.
    pub fn allows(&self, client: IpAddr) -> bool {
        let client = client.to_canonical();
        self.0.iter().any(|network| network.contains(&client))
    }
}

impl Default for AccessList {
    fn default() -> Self {
        Self::private()
    }
}

/// Loopback, RFC 1918, RFC 6598 (overlay networks), link-local, and their IPv6 kin.
const PRIVATE: [&str; 9] = [
    "127.0.0.0/8",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "169.254.0.0/16",
    "::1/128",
    "fc00::/7",
    "fe80::/10",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_clients_may_ask() {
        let access = AccessList::private();
        assert_eq!(access.0.len(), PRIVATE.len());
        for (client, allowed) in [
            ("127.0.0.1", true),
            ("10.9.8.7", true),
            ("::ffff:192.168.1.1", true),
            ("fd00::7", true),
            ("172.32.0.1", false),
            ("8.8.8.8", false),
            ("2001:db8::1", false),
        ] {
            assert_eq!(access.allows(client.parse().expect("valid")), allowed, "{client}");
        }
    }
}
