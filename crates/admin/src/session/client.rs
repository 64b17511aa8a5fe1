//! Where a login comes from, for counting its failures.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::{HeaderMap, HeaderName};

use crate::peer::Peer;

/// The address whose failures are counted; of IPv6, its /64.
///
/// Our own proxy, which serves `https://conduit.<domain>`, asks from this machine and says for whom.
/// Another program on this machine could lie about that; its failures then count elsewhere, while
/// those of the name count all the same.
pub(crate) fn address(peer: &Peer, headers: &HeaderMap, listen: Option<SocketAddr>) -> String {
    let Peer::Tcp(peer) = peer else {
        return peer.to_string();
    };
    let ip = peer.ip().to_canonical();
    let is_here = ip.is_loopback() || listen.is_some_and(|listen| listen.ip() == ip);
    let told = if is_here { forwarded_for(headers) } else { None };
    match told.unwrap_or(ip) {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("{}/64", Ipv6Addr::from(u128::from(ip) & NETWORK)),
    }
}

fn forwarded_for(headers: &HeaderMap) -> Option<IpAddr> {
    let last = headers.get_all(FORWARDED_FOR).iter().next_back()?;
    let last = last.to_str().ok()?.rsplit(',').next()?.trim();
    last.parse().ok().map(|ip: IpAddr| ip.to_canonical())
}

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// The first half of an address.
const NETWORK: u128 = u128::MAX << 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_believed_about_others() {
        let listen = Some("10.0.0.1:9999".parse().expect("valid"));
        for (peer, told, expected) in [
            ("127.0.0.1:5", None, "127.0.0.1"),
            ("127.0.0.1:5", Some("10.0.0.9"), "10.0.0.9"),
            ("127.0.0.1:5", Some("1.2.3.4, 10.0.0.9"), "10.0.0.9"),
            ("[::1]:5", Some("2001:db8:1:2:3::4"), "2001:db8:1:2::/64"),
            ("[::ffff:127.0.0.1]:5", Some("::ffff:10.0.0.9"), "10.0.0.9"),
            ("10.0.0.1:5", Some("10.0.0.9"), "10.0.0.9"),
            ("127.0.0.1:5", Some("nobody"), "127.0.0.1"),
            ("10.0.0.7:5", Some("10.0.0.9"), "10.0.0.7"),
            ("[2001:db8::1]:5", None, "2001:db8::/64"),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(told) = told {
                headers.insert(FORWARDED_FOR, told.parse().expect("a header"));
            }
            let peer = Peer::Tcp(peer.parse().expect("valid"));
            assert_eq!(address(&peer, &headers, listen), expected, "{peer} {told:?}");
        }
        let local = Peer::Local { uid: 7, user: None };
        assert_eq!(address(&local, &HeaderMap::new(), listen), "uid:7");
    }
}
