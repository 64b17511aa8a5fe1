//! Frames, before the libraries that read them see them.

use crate::http3::Sieve;

/// The first byte says what kind of HTTP/3 stream it is and how it is cut; the rest is the stream. However
/// it is cut, the same comes through, or it is refused for the same reason; nothing is longer than it was;
/// and what came through once comes through unchanged.
pub fn h3_stream(data: &[u8]) {
    let Some((how, stream)) = data.split_first() else { return };
    let sieve = || if how & 1 == 0 { Sieve::request() } else { Sieve::unidirectional() };
    let whole = sieve().sift(stream, stream.len().max(1));
    assert_eq!(whole, sieve().sift(stream, usize::from(how >> 1) + 1));
    let Ok(passed) = whole else { return };
    assert!(passed.len() <= stream.len());
    assert_eq!(sieve().sift(&passed, passed.len().max(1)).as_ref(), Ok(&passed));
}
