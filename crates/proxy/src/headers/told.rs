//! What a trusted proxy says about the client behind it.
//!
//! **Invariant:** the client is the rightmost address that is not a trusted proxy's; what stands
//! left of it was written by nobody we trust, and goes no further. `X-Forwarded-*` and `Forwarded`
//! say the same afterwards: they are written anew from one list.

use std::net::{IpAddr, SocketAddr};

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;

use super::{Client, X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO, tokens};
use crate::authority;

/// The client that the proxy at `peer`, which came over `scheme`, speaks for. When the proxy sets
/// `X-Forwarded-For`, only fields of that family count; else those of RFC 7239.
pub(crate) fn client(
    headers: &HeaderMap,
    peer: IpAddr,
    scheme: &'static str,
    trusted: &[IpNet],
) -> Client {
    let said = if headers.contains_key(X_FORWARDED_FOR) || !headers.contains_key(header::FORWARDED)
    {
        extended(headers)
    } else {
        standard(headers)
    };
    let mut hops = vec![peer.to_canonical()];
    for hop in said.hops {
        // Behind what is no address there is nobody to believe.
        let Some(address) = hop else { break };
        hops.push(address);
        if !is_trusted(trusted, address) {
            break;
        }
    }
    hops.reverse();
    Client::behind(&hops, said.scheme.unwrap_or(scheme), said.host)
}

/// Whether an address is a trusted proxy's.
pub(crate) fn is_trusted(trusted: &[IpNet], address: IpAddr) -> bool {
    let address = address.to_canonical();
    trusted.iter().any(|network| network.contains(&address))
}

/// What a proxy said: the hops from the nearest to the farthest, `None` for what is no address.
struct Said {
    hops: Vec<Option<IpAddr>>,
    scheme: Option<&'static str>,
    host: Option<HeaderValue>,
}

/// Reads `X-Forwarded-*`.
fn extended(headers: &HeaderMap) -> Said {
    let last = |name: HeaderName| tokens(headers, &name).last();
    let all: Vec<&[u8]> = tokens(headers, &X_FORWARDED_FOR).collect();
    let hops = all.iter().rev().take(HOPS_MAX);
    Said {
        hops: hops.map(|node| text(node).and_then(address)).collect(),
        scheme: last(X_FORWARDED_PROTO).and_then(text).and_then(scheme),
        host: last(X_FORWARDED_HOST).and_then(text).and_then(host),
    }
}

/// Reads `Forwarded` (RFC 7239 §4).
fn standard(headers: &HeaderMap) -> Said {
    let lines = headers.get_all(header::FORWARDED).iter();
    let elements: Vec<&str> =
        lines.filter_map(|line| line.to_str().ok()).flat_map(|line| split(line, b',')).collect();
    let parameter = |element: &str, name: &str| {
        split(element, b';').into_iter().find_map(|pair| {
            let (key, value) = pair.split_once('=')?;
            key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"').to_owned())
        })
    };
    let nearest = |name: &str| elements.last().and_then(|element| parameter(element, name));
    let hops = elements.iter().rev().take(HOPS_MAX);
    Said {
        hops: hops.map(|e| parameter(e, "for").and_then(|node| address(&node))).collect(),
        scheme: nearest("proto").and_then(|text| scheme(&text)),
        host: nearest("host").and_then(|text| host(&text)),
    }
}

/// Splits at a separator outside of quotes.
fn split(text: &str, separator: u8) -> Vec<&str> {
    let (mut parts, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (place, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if byte == separator && !quoted => {
                parts.push(&text[start..place]);
                start = place + 1;
            }
            _ => {}
        }
    }
    if quoted {
        // Somebody left a quote open to swallow what the next proxy wrote.
        parts = text.split(char::from(separator)).collect();
    } else {
        parts.push(&text[start..]);
    }
    parts.retain(|part| !part.trim().is_empty());
    parts
}

/// An address, as proxies write it: with or without a port, in brackets or not.
fn address(node: &str) -> Option<IpAddr> {
    let bare = node.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(node);
    let ip = bare.parse::<IpAddr>().ok();
    ip.or_else(|| node.parse::<SocketAddr>().ok().map(|at| at.ip())).map(|ip| ip.to_canonical())
}

fn scheme(text: &str) -> Option<&'static str> {
    ["https", "http"].into_iter().find(|known| text.eq_ignore_ascii_case(known))
}

fn host(text: &str) -> Option<HeaderValue> {
    authority::parse(text)?;
    HeaderValue::from_str(text).ok()
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// Proxies in a row that are believed; more are a loop, or somebody who plays.
const HOPS_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn told(lines: &[(&'static str, &'static str)]) -> Client {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        let trusted = ["10.0.0.0/8".parse().expect("a network")];
        client(&headers, "10.0.0.1".parse().expect("address"), "http", &trusted)
    }

    #[test]
    fn the_client_is_the_rightmost_address_that_is_not_trusted() {
        for (lines, client, chain) in [
            (&[][..], "10.0.0.1", "10.0.0.1"),
            (&[("x-forwarded-for", "192.0.2.7")], "192.0.2.7", "192.0.2.7, 10.0.0.1"),
            (
                &[("x-forwarded-for", "1.1.1.1, 192.0.2.7, 10.0.0.2")],
                "192.0.2.7",
                "192.0.2.7, 10.0.0.2, 10.0.0.1",
            ),
            (
                &[("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "192.0.2.7:4711")],
                "192.0.2.7",
                "192.0.2.7, 10.0.0.1",
            ),
            (&[("x-forwarded-for", "192.0.2.7, unknown")], "10.0.0.1", "10.0.0.1"),
            (&[("x-forwarded-for", "[2001:db8::1]:80")], "2001:db8::1", "2001:db8::1, 10.0.0.1"),
            (&[("x-forwarded-for", "::ffff:192.0.2.7")], "192.0.2.7", "192.0.2.7, 10.0.0.1"),
            (
                &[("forwarded", "for=1.1.1.1, for=\"[2001:db8::1]:80\";proto=https")],
                "2001:db8::1",
                "2001:db8::1, 10.0.0.1",
            ),
            // Who sets the one family lets the other through as it came.
            (
                &[("x-forwarded-for", "192.0.2.7"), ("forwarded", "for=6.6.6.6")],
                "192.0.2.7",
                "192.0.2.7, 10.0.0.1",
            ),
            // A quote that is left open does not swallow what our own proxy wrote.
            (&[("forwarded", "for=\"1.1.1.1, for=192.0.2.7")], "192.0.2.7", "192.0.2.7, 10.0.0.1"),
        ] {
            let told = told(lines);
            assert_eq!(told.address().to_string(), client, "{lines:?}");
            assert_eq!(told.forwarded_for, chain, "{lines:?}");
        }
    }

    #[test]
    fn scheme_and_host_are_the_nearest_proxys() {
        let said = |lines: &[(&'static str, &'static str)]| {
            let told = told(lines);
            (told.scheme, told.host.map(|h| h.to_str().expect("text").to_owned()))
        };
        let host = |text: &str| Some(text.to_owned());
        assert_eq!(said(&[]), ("http", None));
        let x = ("x-forwarded-for", "192.0.2.7");
        assert_eq!(said(&[x, ("x-forwarded-proto", "http, HTTPS")]), ("https", None));
        assert_eq!(said(&[x, ("x-forwarded-proto", "gopher")]), ("http", None));
        assert_eq!(said(&[x, ("x-forwarded-host", "a.example:8443")]).1, host("a.example:8443"));
        assert_eq!(said(&[x, ("x-forwarded-host", "a@b")]).1, None);
        let line = "for=192.0.2.7;Proto=https;host=\"a.example:8443\"";
        assert_eq!(said(&[("forwarded", line)]), ("https", host("a.example:8443")));
    }

    #[test]
    fn a_long_chain_is_cut() {
        let mut headers = HeaderMap::new();
        let chain = vec!["10.0.0.2"; 500].join(", ");
        headers.insert(X_FORWARDED_FOR, HeaderValue::from_str(&chain).expect("a value"));
        let trusted = ["10.0.0.0/8".parse().expect("a network")];
        let told = client(&headers, "10.0.0.1".parse().expect("address"), "http", &trusted);
        assert_eq!(told.forwarded_for.as_bytes().split(|b| *b == b',').count(), HOPS_MAX + 1);
    }
}
