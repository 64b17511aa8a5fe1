//! Addresses that a stranger's name must not lead to.
//!
//! A page from outside whose name turns to an inside address makes the visitor's browser speak to
//! the inside for it (DNS rebinding).
//!
//! **Invariant:** what is private in any notation is private: an IPv4 address inside an IPv6 one is
//! looked at as what it is.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hickory_proto::rr::RData;
use hickory_proto::rr::rdata::svcb::{SVCB, SvcParamValue};

/// Whether a record leads to an address of the inside.
pub(crate) fn leads_inside(data: &RData) -> bool {
    match data {
        RData::A(a) => is_inside(IpAddr::V4(a.0)),
        RData::AAAA(aaaa) => is_inside(IpAddr::V6(aaaa.0)),
        RData::HTTPS(https) => hints_inside(&https.0),
        RData::SVCB(svcb) => hints_inside(svcb),
        _ => false,
    }
}

fn hints_inside(svcb: &SVCB) -> bool {
    svcb.svc_params.iter().any(|(_, value)| match value {
        SvcParamValue::Ipv4Hint(hint) => hint.0.iter().any(|a| is_inside(IpAddr::V4(a.0))),
        SvcParamValue::Ipv6Hint(hint) => hint.0.iter().any(|a| is_inside(IpAddr::V6(a.0))),
        _ => false,
    })
}

fn is_inside(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_inside_v4(v4),
        IpAddr::V6(v6) => {
            v6.is_unspecified()
                || v6.is_loopback()
                || v6.is_unique_local()
                || v6.is_unicast_link_local()
                || is_site_local(v6)
                || embedded(v6).is_some_and(is_inside_v4)
        }
    }
}

fn is_inside_v4(v4: Ipv4Addr) -> bool {
    let [first, second, ..] = v4.octets();
    first == 0
        || v4.is_loopback()
        || v4.is_private()
        || v4.is_link_local()
        || (first == 100 && (64..128).contains(&second))
}

/// Deprecated, and still routed where it was once set up (RFC 3879).
fn is_site_local(v6: Ipv6Addr) -> bool {
    v6.segments()[0] & 0xffc0 == 0xfec0
}

/// An IPv4 address in its IPv6 notations: mapped, compatible, through NAT64 (RFC 6052, RFC 8215) and as a
/// prefix of 6to4 (RFC 3056).
fn embedded(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let [s0, s1, s2, s3, s4, s5, s6, s7] = v6.segments();
    let (high, low) = match [s0, s1, s2, s3, s4, s5] {
        [0, 0, 0, 0, 0, 0xffff | 0] | [0x64, 0xff9b, 0, 0, 0, 0] | [0x64, 0xff9b, 1, ..] => {
            (s6, s7)
        }
        [0x2002, high, low, ..] => (high, low),
        _ => return None,
    };
    let [a, b] = high.to_be_bytes();
    let [c, d] = low.to_be_bytes();
    Some(Ipv4Addr::new(a, b, c, d))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inside_is_inside_in_every_notation() {
        for (address, inside) in [
            ("10.1.2.3", true),
            ("127.0.0.1", true),
            ("0.0.0.0", true),
            ("0.1.2.3", true),
            ("169.254.169.254", true),
            ("172.31.255.255", true),
            ("192.168.0.1", true),
            ("100.64.0.1", true),
            ("::", true),
            ("::1", true),
            ("fd00::1", true),
            ("fe80::1", true),
            ("::ffff:10.0.0.1", true),
            ("::10.0.0.1", true),
            ("64:ff9b::c0a8:1", true),
            ("64:ff9b:1::a00:1", true),
            ("2002:c0a8:1::1", true),
            ("fec0::1", true),
            ("2002:808:808::1", false),
            ("8.8.8.8", false),
            ("172.32.0.1", false),
            ("100.128.0.1", false),
            ("2001:db8::1", false),
            ("::ffff:8.8.8.8", false),
            ("64:ff9b::808:808", false),
        ] {
            assert_eq!(is_inside(address.parse().expect("valid")), inside, "{address}");
        }
    }
}
