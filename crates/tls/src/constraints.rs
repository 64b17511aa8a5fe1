//! Name constraints: for which names the authority can sign at all.
//!
//! **Invariant:** roots made here can vouch for the configured domains and private addresses, and
//! for nothing on the internet, whoever holds their keys.

use std::net::IpAddr;

use conduit_core::domains::Domains;
use conduit_core::name::Host;
use ipnet::IpNet;
use rcgen::{CidrSubnet, GeneralSubtree, NameConstraints};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;

use crate::error::TlsError;

/// The DNS names that a certificate permits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Permitted {
    /// No constraint on DNS names.
    Any,
    /// These names and all below them.
    Under(Vec<String>),
}

impl Permitted {
    /// Reads what a CA certificate permits.
    pub(crate) fn read(x509: &X509Certificate<'_>) -> Result<Self, TlsError> {
        let malformed = |_| TlsError::ParseCertificate("its name constraints make no sense");
        let Some(extension) = x509.name_constraints().map_err(malformed)? else {
            return Ok(Self::Any);
        };
        let names: Vec<String> = extension
            .value
            .permitted_subtrees
            .iter()
            .flatten()
            .filter_map(|subtree| match subtree.base {
                GeneralName::DNSName(name) => {
                    Some(name.trim_start_matches('.').to_ascii_lowercase())
                }
                _ => None,
            })
            .collect();
        // Without a subtree of the kind, RFC 5280 (4.2.1.10) leaves that kind unconstrained.
        Ok(if names.is_empty() { Self::Any } else { Self::Under(names) })
    }

    /// Whether a leaf may carry this host.
    pub(crate) fn allows(&self, host: &Host) -> bool {
        match self {
            Self::Any => true,
            Self::Under(names) => names.iter().any(|name| {
                host.as_str()
                    .strip_suffix(name.as_str())
                    .is_some_and(|head| head.is_empty() || head.ends_with('.'))
            }),
        }
    }

    /// In a sentence: `internal, local, test`.
    pub(crate) fn listed(&self) -> String {
        match self {
            Self::Any => "any name".into(),
            Self::Under(names) => names.join(", "),
        }
    }
}

/// Whether a certificate may carry this address.
pub(crate) fn allows_address(address: IpAddr) -> bool {
    private_networks().any(|network| network.contains(&address.to_canonical()))
}

fn private_networks() -> impl Iterator<Item = IpNet> {
    PRIVATE_NETWORKS.iter().filter_map(|network| network.parse().ok())
}

/// The constraints of new CA certificates.
pub(crate) fn of(domains: &Domains) -> NameConstraints {
    let names = domains.iter().map(|domain| GeneralSubtree::DnsName(domain.as_str().into()));
    let networks = private_networks().map(|network| {
        let subnet = CidrSubnet::from_addr_prefix(network.network(), network.prefix_len());
        GeneralSubtree::IpAddress(subnet)
    });
    NameConstraints {
        permitted_subtrees: names.chain(networks).collect(),
        excluded_subtrees: Vec::new(),
    }
}

/// Private, loopback, shared (RFC 6598) and link-local addresses.
const PRIVATE_NETWORKS: [&str; 9] = [
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "127.0.0.0/8",
    "100.64.0.0/10",
    "169.254.0.0/16",
    "fc00::/7",
    "fe80::/10",
    "::1/128",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_permitted_by_whole_labels() {
        let permitted = Permitted::Under(vec!["internal".into(), "lab.test".into()]);
        for (host, allowed) in [
            ("internal", true),
            ("a.b.internal", true),
            ("lab.test", true),
            ("x.lab.test", true),
            ("test", false),
            ("xinternal", false),
            ("internal.example", false),
        ] {
            let host = Host::parse(host).expect("valid");
            assert_eq!(permitted.allows(&host), allowed, "{host}");
        }
    }

    #[test]
    fn every_private_network_is_written() {
        let domains = Domains::new(vec![Host::parse("internal").expect("valid")]).expect("some");
        let constraints = of(&domains);
        assert_eq!(constraints.permitted_subtrees.len(), 1 + PRIVATE_NETWORKS.len());
    }
}
