//! Names under `in-addr.arpa` and `ip6.arpa`, read back into addresses, and zones of them.
//!
//! **Invariant:** only a complete address is read; a shorter name (a network) is nobody's here, unless the
//! configuration makes it a zone of ours.

pub(crate) mod zone;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::key::{NameKey, labels};
use crate::zone::{Apex, ReverseZone};

/// A reverse name: the address, and how many labels stand below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reversed {
    pub(crate) address: IpAddr,
    pub(crate) below: usize,
}

/// Reads a folded key, such as that of `50.1.0.10.in-addr.arpa`.
pub(crate) fn parse(key: &[u8]) -> Option<Reversed> {
    if !key.ends_with(b"\x04arpa") {
        return None;
    }
    let labels: Vec<&[u8]> = labels(key).collect();
    let (&_, rest) = labels.split_last()?;
    let (&tree, digits) = rest.split_last()?;
    match tree {
        b"in-addr" => parse_v4(digits),
        b"ip6" => parse_v6(digits),
        _ => None,
    }
}

fn parse_v4(digits: &[&[u8]]) -> Option<Reversed> {
    let below = digits.len().checked_sub(V4_LABELS)?;
    let mut octets = [0; V4_LABELS];
    for (octet, label) in octets.iter_mut().zip(digits.iter().rev()) {
        let text = std::str::from_utf8(label).ok()?;
        // `010` and `+1` are other names than `10` and `1`.
        *octet = text.parse().ok().filter(|n: &u8| n.to_string() == text)?;
    }
    Some(Reversed { address: IpAddr::V4(Ipv4Addr::from(octets)), below })
}

fn parse_v6(digits: &[&[u8]]) -> Option<Reversed> {
    let below = digits.len().checked_sub(V6_LABELS)?;
    let mut bits: u128 = 0;
    for label in digits.iter().rev().take(V6_LABELS) {
        let [digit] = label else { return None };
        bits = (bits << 4) | u128::from(char::from(*digit).to_digit(16)?);
    }
    Some(Reversed { address: IpAddr::V6(Ipv6Addr::from(bits)), below })
}

/// Whether a folded key is above the names of addresses: `0.10.in-addr.arpa`, `arpa`.
pub(crate) fn is_above_addresses(key: &[u8]) -> bool {
    let labels: Vec<&[u8]> = labels(key).collect();
    match labels.as_slice() {
        [b"arpa"] => true,
        [digits @ .., b"in-addr", b"arpa"] => digits.len() < V4_LABELS,
        [digits @ .., b"ip6", b"arpa"] => digits.len() < V6_LABELS,
        _ => false,
    }
}

/// Whether a folded key is the name of a network, of which every label is one that addresses have.
pub(crate) fn is_network(key: &[u8]) -> bool {
    let labels: Vec<&[u8]> = labels(key).collect();
    let text = |label: &[u8]| std::str::from_utf8(label).map(str::to_owned).unwrap_or_default();
    match labels.as_slice() {
        [digits @ .., b"in-addr", b"arpa"] => digits.iter().all(|label| {
            let text = text(label);
            text.parse().is_ok_and(|octet: u8| octet.to_string() == text)
        }),
        [digits @ .., b"ip6", b"arpa"] => {
            digits.iter().all(|label| matches!(label, [digit] if digit.is_ascii_hexdigit()))
        }
        _ => false,
    }
}

/// The networks of which the reverse names are a zone: one, or, where it ends within a label, each of that
/// label's.
pub fn zone_networks(network: &IpNet) -> impl Iterator<Item = IpNet> {
    let step = match network {
        IpNet::V4(_) => 8,
        IpNet::V6(_) => 4,
    };
    let whole = network.prefix_len().div_ceil(step) * step;
    // Invariant: a prefix of a label's end is legal, and at most 128 (or 8) of them are in a label.
    network.trunc().subnets(whole).into_iter().flatten()
}

/// The reverse name of a network that ends with a label.
pub fn network_name(network: &IpNet) -> String {
    match network {
        IpNet::V4(v4) => {
            let octets = v4.network().octets();
            let known = octets.iter().take(usize::from(v4.prefix_len() / 8)).rev();
            known.map(|octet| format!("{octet}.")).collect::<String>() + "in-addr.arpa"
        }
        IpNet::V6(v6) => {
            let bits = v6.network().to_bits();
            let digit = |index: u8| bits >> (124 - 4 * u32::from(index)) & 0xf;
            let known = (0..v6.prefix_len() / 4).rev();
            known.map(|index| format!("{:x}.", digit(index))).collect::<String>() + "ip6.arpa"
        }
    }
}

/// The zones of these networks; they start as our first domain does.
pub(crate) fn zones(networks: &[IpNet], first: Option<&Apex>) -> Vec<ReverseZone> {
    let Some(first) = first else {
        return Vec::new();
    };
    let each = networks.iter().flat_map(zone_networks);
    let zone = |net: IpNet| {
        let key = NameKey::of_text(&network_name(&net));
        ReverseZone { apex: Apex { key, start: first.start.clone() }, net }
    };
    each.map(zone).collect()
}

/// One label per octet.
const V4_LABELS: usize = 4;
/// One label per four bits.
const V6_LABELS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::AskedKey;
    use hickory_proto::rr::Name;

    fn reversed(text: &str) -> Option<(String, usize)> {
        let key = AskedKey::of(&Name::from_ascii(text).expect("valid"));
        parse(key.as_slice()).map(|r| (r.address.to_string(), r.below))
    }

    #[test]
    fn only_whole_addresses_are_read() {
        let v6 = format!("1.{}d.F.ip6.ARPA.", "0.".repeat(29));
        for (text, expected) in [
            ("50.1.0.10.in-addr.arpa.", Some(("10.0.1.50", 0))),
            ("50.1.0.10.IN-ADDR.ARPA.", Some(("10.0.1.50", 0))),
            ("x.50.1.0.10.in-addr.arpa.", Some(("10.0.1.50", 1))),
            ("1.0.10.in-addr.arpa.", None),
            ("in-addr.arpa.", None),
            ("arpa.", None),
            ("050.1.0.10.in-addr.arpa.", None),
            ("256.1.0.10.in-addr.arpa.", None),
            ("a.1.0.10.in-addr.arpa.", None),
            (&v6, Some(("fd00::1", 0))),
            (&v6.replacen('1', "10", 1), None),
            (&v6.replacen('1', "g", 1), None),
            ("ip6.arpa.", None),
            ("grafana.internal.", None),
        ] {
            let expected = expected.map(|(a, n)| (a.to_owned(), n));
            assert_eq!(reversed(text), expected, "{text}");
        }
    }
}
