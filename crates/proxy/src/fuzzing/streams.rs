//! The doors of byte streams: what comes before the bytes.

use conduit_core::policy::ProxyHeader;

use crate::tcp::hello::{HELLO_BYTES_MAX, Peek};
use crate::tcp::postgres::Preamble;
use crate::tcp::proxy_header::{Parsed, Told, parse, write};

/// The first bytes of a connection where a PROXY header is expected: it is judged the same however
/// the bytes are cut, never beyond its bound, and what it says is told on as the same.
pub fn proxy_header(data: &[u8]) {
    let judged = parse(data);
    match judged {
        Parsed::Whole { length, ends } => {
            assert!(length <= data.len().min(HEADER_BYTES_MAX));
            assert_eq!(parse(&data[..length]), judged, "what follows has no say");
            for end in 0..length {
                assert_eq!(parse(&data[..end]), Parsed::Short, "{end} bytes are not all");
            }
            let Some(ends) = ends else { return };
            for version in [ProxyHeader::V1, ProxyHeader::V2] {
                let told = Told { ends, server_name: Some("a.b"), tls: None, protocol: None };
                let header = write(version, &told);
                let length = header.len();
                assert_eq!(parse(&header), Parsed::Whole { length, ends: Some(ends) });
            }
        }
        Parsed::Short => assert!(data.len() < HEADER_BYTES_MAX, "nobody waits for ever"),
        Parsed::Malformed => {
            let more = [data, b"\r\n".as_slice()].concat();
            assert_eq!(parse(&more), Parsed::Malformed, "more does not mend it");
        }
    }
}

/// The first bytes of a connection where a hello is expected: it says the same however the bytes
/// are cut, within its bound, and what it asks for is in lower case.
pub fn stream_hello(data: &[u8]) {
    let whole = Peek::default().feed(data);
    let mut peek = Peek::default();
    let mut pieces = data.chunks(PIECE_BYTES).map(|piece| peek.feed(piece));
    let in_pieces = pieces.find(|said| !matches!(said, Ok(None))).unwrap_or(Ok(None));
    // An error behind a hello is not seen by whoever has stopped reading.
    assert_eq!(whole.is_err(), in_pieces.is_err());
    if let (Ok(whole), Ok(in_pieces)) = (&whole, &in_pieces) {
        assert_eq!(whole, in_pieces);
    }
    match whole {
        Ok(Some(hello)) => {
            if let Some(name) = hello.server_name.as_deref() {
                assert_eq!(name, name.to_ascii_lowercase());
                assert!(name.len() <= NAME_BYTES_MAX);
            }
            assert_eq!(Preamble::of(data), Preamble::Absent, "a hello is no wish for TLS");
        }
        Ok(None) => assert!(data.len() < 2 * HELLO_BYTES_MAX, "nobody waits for ever"),
        Err(_) => {}
    }
}

/// The longest header: 16 bytes and what version 2 may say.
const HEADER_BYTES_MAX: usize = 16 + 4 * 1_024;
/// The longest name there is in DNS.
const NAME_BYTES_MAX: usize = 255;
/// A size that cuts records and messages everywhere.
const PIECE_BYTES: usize = 7;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn lines_that_look_like_headers(text in "PROXY (TCP[46]|UNKNOWN)( [0-9a-f:.]{1,12}){0,5}\r?\n?") {
            super::proxy_header(text.as_bytes());
        }

        #[test]
        fn bytes_that_look_like_headers(
            command in 0x1e_u8..0x24,
            kind in prop::sample::select(vec![0_u8, 0x11, 0x12, 0x21, 0x22, 0x31, 0x41]),
            count in 0_u16..60,
            body in proptest::collection::vec(any::<u8>(), 0..70),
        ) {
            let head = b"\r\n\r\n\0\r\nQUIT\n";
            let bytes = [&head[..], &[command, kind], &count.to_be_bytes(), &body].concat();
            super::proxy_header(&bytes);
        }

        #[test]
        fn bytes_are_hardly_a_hello(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            super::stream_hello(&bytes);
            super::stream_hello(&[&[22, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3][..], &bytes].concat());
        }
    }
}
