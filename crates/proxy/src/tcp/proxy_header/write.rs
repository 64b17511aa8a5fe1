//! Writing a PROXY header for an upstream.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use conduit_core::policy::ProxyHeader;

use super::{Ends, SIGNATURE};

/// What an upstream is told about a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told<'a> {
    /// Its two ends.
    pub(crate) ends: Ends,
    /// Whom the client's hello asked for.
    pub(crate) server_name: Option<&'a str>,
    /// The version of TLS that was ended here, such as `TLSv1.3`.
    pub(crate) tls: Option<&'a str>,
    /// The protocol that was agreed to there.
    pub(crate) protocol: Option<&'a [u8]>,
}

/// The header in one of its versions.
pub(crate) fn write(version: ProxyHeader, told: &Told<'_>) -> Vec<u8> {
    match version {
        ProxyHeader::V1 => text(told.ends),
        ProxyHeader::V2 => binary(told),
    }
}

/// Section 2.1.
fn text(ends: Ends) -> Vec<u8> {
    let Ends { source, destination } = ends;
    let ports = (source.port(), destination.port());
    match (source.ip().to_canonical(), destination.ip().to_canonical()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            format!("PROXY TCP4 {from} {to} {} {}\r\n", ports.0, ports.1)
        }
        (from, to) => {
            format!("PROXY TCP6 {} {} {} {}\r\n", wide(from), wide(to), ports.0, ports.1)
        }
    }
    .into_bytes()
}

/// Section 2.2.
fn binary(told: &Told<'_>) -> Vec<u8> {
    let Ends { source, destination } = told.ends;
    let mut body = Vec::with_capacity(128);
    let kind = match (source.ip().to_canonical(), destination.ip().to_canonical()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            body.extend(from.octets());
            body.extend(to.octets());
            TCP_V4
        }
        (from, to) => {
            body.extend(wide(from).octets());
            body.extend(wide(to).octets());
            TCP_V6
        }
    };
    let port = |address: SocketAddr| address.port().to_be_bytes();
    body.extend(port(source));
    body.extend(port(destination));
    if let Some(protocol) = told.protocol {
        value(&mut body, TYPE_ALPN, protocol);
    }
    if let Some(name) = told.server_name {
        value(&mut body, TYPE_AUTHORITY, name.as_bytes());
    }
    if let Some(version) = told.tls {
        // The client has a connection over TLS, and no certificate of its own to judge.
        let mut inner = vec![CLIENT_SSL, 0, 0, 0, 1];
        value(&mut inner, SUBTYPE_SSL_VERSION, version.as_bytes());
        value(&mut body, TYPE_SSL, &inner);
    }
    let count = u16::try_from(body.len()).unwrap_or(0).to_be_bytes();
    let mut header = Vec::with_capacity(16 + body.len());
    header.extend(SIGNATURE);
    header.extend([VERSION_2_PROXY, kind]);
    header.extend(count);
    header.extend(body);
    header
}

/// Appends one value; one that is too long to be told is left out.
fn value(body: &mut Vec<u8>, kind: u8, bytes: &[u8]) {
    if bytes.len() > VALUE_BYTES_MAX {
        return;
    }
    if let Ok(count) = u16::try_from(bytes.len()) {
        body.push(kind);
        body.extend(count.to_be_bytes());
        body.extend(bytes);
    }
}

/// An address of either family as one of IPv6, since both ends must be of one family.
fn wide(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}

const VERSION_2_PROXY: u8 = 0x21;
const TCP_V4: u8 = 0x11;
const TCP_V6: u8 = 0x21;
const TYPE_ALPN: u8 = 0x01;
const TYPE_AUTHORITY: u8 = 0x02;
const TYPE_SSL: u8 = 0x20;
const SUBTYPE_SSL_VERSION: u8 = 0x21;
/// The client came over TLS.
const CLIENT_SSL: u8 = 0x01;
/// A server name has at most 255 bytes, and so has a protocol's name.
const VALUE_BYTES_MAX: usize = 255;

#[cfg(test)]
mod tests {
    use super::super::{Parsed, parse};
    use super::*;

    fn ends(source: &str, destination: &str) -> Ends {
        let at = |text: &str| text.parse().expect("an address");
        Ends { source: at(source), destination: at(destination) }
    }

    fn plain(ends: Ends) -> Told<'static> {
        Told { ends, server_name: None, tls: None, protocol: None }
    }

    #[test]
    fn version_1_is_a_line() {
        for (source, destination, expected) in [
            ("10.0.0.9:4", "10.0.0.1:5432", "PROXY TCP4 10.0.0.9 10.0.0.1 4 5432\r\n"),
            ("[fd00::9]:4", "[fd00::1]:5", "PROXY TCP6 fd00::9 fd00::1 4 5\r\n"),
            ("[fd00::9]:4", "10.0.0.1:5", "PROXY TCP6 fd00::9 ::ffff:10.0.0.1 4 5\r\n"),
        ] {
            let header = write(ProxyHeader::V1, &plain(ends(source, destination)));
            assert_eq!(String::from_utf8(header).expect("text"), expected);
        }
    }

    #[test]
    fn version_2_tells_the_name_and_the_tls() {
        let told = Told {
            server_name: Some("db.internal"),
            tls: Some("TLSv1.3"),
            protocol: Some(b"postgresql"),
            ..plain(ends("10.0.0.9:4", "10.0.0.1:5432"))
        };
        let header = write(ProxyHeader::V2, &told);
        let expected = [
            &SIGNATURE[..],
            &[0x21, 0x11, 0, 57],
            &[10, 0, 0, 9, 10, 0, 0, 1, 0, 4, 0x15, 0x38],
            b"\x01\x00\x0apostgresql",
            b"\x02\x00\x0bdb.internal",
            b"\x20\x00\x0f\x01\x00\x00\x00\x01\x21\x00\x07TLSv1.3",
        ];
        assert_eq!(header, expected.concat());
    }

    #[test]
    fn what_is_written_is_read_as_the_same() {
        for version in [ProxyHeader::V1, ProxyHeader::V2] {
            for (source, destination) in [
                ("10.0.0.9:4", "10.0.0.1:0"),
                ("[fd00::9]:65535", "[::1]:5"),
                ("[::1]:1", "127.0.0.1:2"),
            ] {
                let ends = ends(source, destination);
                let header = write(version, &Told { server_name: Some("a.b"), ..plain(ends) });
                assert_eq!(
                    parse(&header),
                    Parsed::Whole { length: header.len(), ends: Some(ends) },
                    "{version} {source}"
                );
            }
        }
    }
}
