//! Reading a PROXY header from the front of what has come so far.
//!
//! **Invariant:** a header is taken whole or not at all, and is never looked for beyond its bound.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Ends, SIGNATURE, WORD};

/// What the first bytes of a connection are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parsed {
    /// The beginning of a header, perhaps.
    Short,
    /// A header of so many bytes. Without ends it says nothing about the client: it is a check of
    /// whoever stands before us, or a client whose address has no meaning here.
    Whole { length: usize, ends: Option<Ends> },
    /// No header.
    Malformed,
}

/// Reads the front of `bytes`.
pub(crate) fn parse(bytes: &[u8]) -> Parsed {
    let begins = |with: &[u8]| with.starts_with(&bytes[..bytes.len().min(with.len())]);
    if begins(SIGNATURE) {
        binary(bytes).unwrap_or(Parsed::Malformed)
    } else if begins(WORD) {
        text(bytes).unwrap_or(Parsed::Malformed)
    } else {
        Parsed::Malformed
    }
}

/// Section 2.2.
fn binary(bytes: &[u8]) -> Option<Parsed> {
    let Some((head, rest)) = bytes.split_first_chunk::<BINARY_HEAD_BYTES>() else {
        // The version can be judged as soon as it is there.
        let version = bytes.get(SIGNATURE.len()).map_or(VERSION_2, |byte| byte >> 4);
        return (version == VERSION_2).then_some(Parsed::Short);
    };
    let [.., command, kind, high, low] = *head;
    let count = usize::from(u16::from_be_bytes([high, low]));
    if command >> 4 != VERSION_2 || count > BINARY_BYTES_MAX {
        return None;
    }
    let is_local = match command & 0xf {
        0 => true,
        1 => false,
        _ => return None,
    };
    let needed = match (is_local, kind) {
        (true, _) | (false, UNSPECIFIED) => 0,
        (false, TCP_V4) => 12,
        (false, TCP_V6) => 36,
        (false, UNIX_STREAM) => 216,
        // Datagrams do not come in over TCP.
        _ => return None,
    };
    if count < needed {
        return None;
    }
    let Some(body) = rest.get(..count) else {
        return Some(Parsed::Short);
    };
    let ends = match (is_local, kind) {
        (false, TCP_V4) => Some(ends::<4>(body)?),
        (false, TCP_V6) => Some(ends::<16>(body)?),
        _ => None,
    };
    Some(Parsed::Whole { length: BINARY_HEAD_BYTES + count, ends })
}

/// Two addresses and two ports, as in section 2.2.
fn ends<const N: usize>(body: &[u8]) -> Option<Ends>
where
    IpAddr: From<[u8; N]>,
{
    let (source, rest) = body.split_first_chunk::<N>()?;
    let (destination, rest) = rest.split_first_chunk::<N>()?;
    let [a, b, c, d] = *rest.first_chunk()?;
    let at = |ip: &[u8; N], port: [u8; 2]| {
        SocketAddr::new(IpAddr::from(*ip).to_canonical(), u16::from_be_bytes(port))
    };
    Some(Ends { source: at(source, [a, b]), destination: at(destination, [c, d]) })
}

/// Section 2.1.
fn text(bytes: &[u8]) -> Option<Parsed> {
    let within = &bytes[..bytes.len().min(TEXT_BYTES_MAX)];
    let Some(end) = within.windows(2).position(|pair| pair == b"\r\n") else {
        return (bytes.len() < TEXT_BYTES_MAX).then_some(Parsed::Short);
    };
    let line = std::str::from_utf8(within[..end].strip_prefix(WORD)?).ok()?;
    let length = end + 2;
    let mut fields = line.split(' ');
    let ends = match fields.next()? {
        // What follows has no meaning.
        "UNKNOWN" => return Some(Parsed::Whole { length, ends: None }),
        "TCP4" => [fields.next()?, fields.next()?]
            .map(|text| text.parse::<Ipv4Addr>().ok().map(IpAddr::V4)),
        "TCP6" => [fields.next()?, fields.next()?]
            .map(|text| text.parse::<Ipv6Addr>().ok().map(IpAddr::V6)),
        _ => return None,
    };
    let [source, destination] = ends;
    let ports = [fields.next()?, fields.next()?].map(port);
    let [source_port, destination_port] = ports;
    if fields.next().is_some() {
        return None;
    }
    let at = |ip: IpAddr, port| SocketAddr::new(ip.to_canonical(), port);
    let ends = Ends {
        source: at(source?, source_port?),
        destination: at(destination?, destination_port?),
    };
    Some(Parsed::Whole { length, ends: Some(ends) })
}

/// A number without a sign and without leading zeroes.
fn port(text: &str) -> Option<u16> {
    let plain =
        text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| plain)
}

/// The longest header of version 1, its end included (section 2.1).
const TEXT_BYTES_MAX: usize = 107;
/// Before the addresses, in version 2.
const BINARY_HEAD_BYTES: usize = 16;
/// Addresses and further values in version 2. Senders stay below 536 bytes, save for certificates.
const BINARY_BYTES_MAX: usize = 4 * 1_024;
const VERSION_2: u8 = 2;
const UNSPECIFIED: u8 = 0x00;
const TCP_V4: u8 = 0x11;
const TCP_V6: u8 = 0x21;
const UNIX_STREAM: u8 = 0x31;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    fn whole(length: usize, ends: Option<(&str, &str)>) -> Parsed {
        let ends = ends.map(|(a, b)| Ends { source: at(a), destination: at(b) });
        Parsed::Whole { length, ends }
    }

    fn v2(command: u8, kind: u8, count: u16, body: &[u8]) -> Vec<u8> {
        [SIGNATURE, &[command, kind][..], &count.to_be_bytes(), body].concat()
    }

    #[test]
    fn version_1_is_read_as_it_is_specified() {
        let longest = format!("PROXY UNKNOWN {}\r\n", "f".repeat(91));
        assert_eq!(longest.len(), TEXT_BYTES_MAX);
        let longer = format!("PROXY UNKNOWN {}\r\n", "f".repeat(92));
        for (text, expected) in [
            (
                "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\nGET",
                whole(45, Some(("192.0.2.1:56324", "198.51.100.2:443"))),
            ),
            (
                "PROXY TCP6 2001:db8::1 ::1 1 65535\r\n",
                whole(36, Some(("[2001:db8::1]:1", "[::1]:65535"))),
            ),
            ("PROXY TCP6 ::ffff:10.0.0.1 ::1 1 2\r\n", whole(36, Some(("10.0.0.1:1", "[::1]:2")))),
            ("PROXY UNKNOWN\r\n", whole(15, None)),
            ("PROXY UNKNOWN x y z 1 2 3\r\n", whole(27, None)),
            (&longest, whole(TEXT_BYTES_MAX, None)),
            (&longer, Parsed::Malformed),
            ("", Parsed::Short),
            ("PRO", Parsed::Short),
            ("PROXY TCP4 192.0.2.1", Parsed::Short),
            ("PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r", Parsed::Short),
            ("PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\n", Parsed::Short),
            ("GET / HTTP/1.1\r\n", Parsed::Malformed),
            ("proxy TCP4 192.0.2.1 198.51.100.2 1 2\r\n", Parsed::Malformed),
            ("PROXY TCP4 192.0.2.1 198.51.100.2 1\r\n", Parsed::Malformed),
            ("PROXY TCP4 192.0.2.1 198.51.100.2 1 2 3\r\n", Parsed::Malformed),
            ("PROXY TCP4  192.0.2.1 198.51.100.2 1 2\r\n", Parsed::Malformed),
            ("PROXY TCP4 192.0.2.1 198.51.100.2 +1 2\r\n", Parsed::Malformed),
            ("PROXY TCP4 192.0.2.1 198.51.100.2 01 2\r\n", Parsed::Malformed),
            ("PROXY TCP4 192.0.2.1 198.51.100.2 65536 2\r\n", Parsed::Malformed),
            ("PROXY TCP4 ::1 ::1 1 2\r\n", Parsed::Malformed),
            ("PROXY TCP4 192.0.2.01 198.51.100.2 1 2\r\n", Parsed::Malformed),
            ("PROXY UDP4 192.0.2.1 198.51.100.2 1 2\r\n", Parsed::Malformed),
            ("PROXY \r\n", Parsed::Malformed),
        ] {
            assert_eq!(parse(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn version_2_is_read_as_it_is_specified() {
        let v4 = [192, 0, 2, 1, 198, 51, 100, 2, 0xdc, 0x04, 0x01, 0xbb];
        let v4_ends = Some(("192.0.2.1:56324", "198.51.100.2:443"));
        let mut v6 = [0; 36];
        (v6[0], v6[15], v6[31], v6[33], v6[35]) = (0x20, 1, 1, 7, 9);
        let with_more = [&v4[..], &[0x04, 0, 1, 0, 0x02, 0, 1, b'x']].concat();
        let cases: [(Vec<u8>, Parsed); 16] = [
            (v2(0x21, 0x11, 12, &v4), whole(28, v4_ends)),
            (v2(0x21, 0x11, 20, &with_more), whole(36, v4_ends)),
            (v2(0x21, 0x21, 36, &v6), whole(52, Some(("[2000::1]:7", "[::1]:9")))),
            // A check of the balancer itself; its addresses are to be skipped.
            (v2(0x20, 0x00, 0, &[]), whole(16, None)),
            (v2(0x20, 0x11, 12, &v4), whole(28, None)),
            (v2(0x21, 0x00, 3, &[1, 2, 3]), whole(19, None)),
            (v2(0x21, 0x31, 216, &[0; 216]), whole(232, None)),
            (v2(0x21, 0x11, 12, &v4[..11]), Parsed::Short),
            (SIGNATURE.to_vec(), Parsed::Short),
            (SIGNATURE[..5].to_vec(), Parsed::Short),
            (v2(0x21, 0x11, 11, &v4), Parsed::Malformed),
            (v2(0x21, 0x12, 12, &v4), Parsed::Malformed),
            (v2(0x22, 0x11, 12, &v4), Parsed::Malformed),
            (v2(0x11, 0x11, 12, &v4), Parsed::Malformed),
            ([&SIGNATURE[..], &[0x31]].concat(), Parsed::Malformed),
            (v2(0x21, 0x11, 4_097, &v4), Parsed::Malformed),
        ];
        for (bytes, expected) in cases {
            assert_eq!(parse(&bytes), expected, "{bytes:02x?}");
        }
    }
}
