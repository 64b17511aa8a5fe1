//! Frames of HTTP/3, before the library that reads them sees them.
//!
//! The library keeps a frame until it is whole, whatever its length says, and takes an empty DATA
//! frame for the end of a body. So frames that mean nothing to us are left out here, as are empty
//! ones, and a frame that is too long is refused as soon as its length is known.
//!
//! **Invariant:** what comes out is what came in, frame by frame, without copying what is long; at
//! most [`H3_FRAME_BYTES_MAX`] bytes of anything but DATA are ever waited for.

use std::collections::VecDeque;

use bytes::Bytes;
use h3::error::Code;

use crate::limits::H3_FRAME_BYTES_MAX;

/// Lets the frames of one stream through that may be read.
#[derive(Debug)]
pub(crate) struct Sieve {
    place: Place,
    /// The head of a frame as far as it has come: its type and its length.
    head: [u8; HEAD_BYTES_MAX],
    head_bytes: usize,
    passed: VecDeque<Bytes>,
}

/// Where in a stream the next byte is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In the type of a unidirectional stream (RFC 9114 §6.2).
    Kind,
    /// In the head of a frame (RFC 9114 §7.1).
    Head,
    /// In the payload of a frame, or in something that has no frames.
    Payload { left: u64, is_kept: bool },
}

impl Sieve {
    /// For a stream with a request.
    pub(crate) fn request() -> Self {
        Self::starting(Place::Head)
    }

    /// For a stream that says first what it is.
    pub(crate) fn unidirectional() -> Self {
        Self::starting(Place::Kind)
    }

    /// The next bytes that came through.
    pub(super) fn next(&mut self) -> Option<Bytes> {
        self.passed.pop_front()
    }

    /// Takes what was received.
    ///
    /// # Errors
    /// The reason to end the stream with.
    pub(super) fn push(&mut self, chunk: &Bytes) -> Result<(), Code> {
        let mut at = 0;
        // Where the bytes begin that come through in one piece.
        let mut kept_from = None;
        let mut head_from = None;
        while at < chunk.len() {
            if let Place::Payload { left, is_kept } = self.place {
                if is_kept && kept_from.is_none() {
                    kept_from = Some(at);
                }
                let rest = chunk.len() - at;
                let taken = usize::try_from(left).map_or(rest, |left| left.min(rest));
                at += taken;
                let left = left - taken as u64;
                self.place = match left {
                    0 => Place::Head,
                    left => Place::Payload { left, is_kept },
                };
                continue;
            }
            let from = *head_from.get_or_insert(at);
            let is_split = self.head_bytes > at - from;
            self.head[self.head_bytes] = chunk[at];
            self.head_bytes += 1;
            at += 1;
            let Some((next, is_kept)) = self.judge()? else { continue };
            match (is_kept, is_split) {
                // Its beginning is in an earlier chunk.
                (true, true) => {
                    self.passed.push_back(Bytes::copy_from_slice(&self.head[..self.head_bytes]));
                }
                (true, false) => kept_from = kept_from.or(Some(from)),
                (false, _) => self.pass(chunk, kept_from.take(), from),
            }
            self.place = next;
            self.head_bytes = 0;
            head_from = None;
        }
        self.pass(chunk, kept_from, head_from.unwrap_or(at));
        Ok(())
    }

    /// Nothing more comes.
    ///
    /// # Errors
    /// When a frame that means nothing is not whole.
    pub(super) fn finish(&mut self) -> Result<(), Code> {
        if let Place::Payload { is_kept: false, .. } = self.place {
            return Err(Code::H3_FRAME_ERROR);
        }
        if self.head_bytes > 0 {
            // The library says what is wrong with half a head.
            self.passed.push_back(Bytes::copy_from_slice(&self.head[..self.head_bytes]));
            self.head_bytes = 0;
        }
        Ok(())
    }

    /// What comes through when a whole stream comes in pieces of `size`.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn sift(mut self, stream: &[u8], size: usize) -> Result<Vec<u8>, Code> {
        let mut out = Vec::new();
        for piece in stream.chunks(size) {
            self.push(&Bytes::copy_from_slice(piece))?;
            while let Some(passed) = self.next() {
                assert!(!passed.is_empty(), "nothing is a piece of nothing");
                out.extend_from_slice(&passed);
            }
        }
        self.finish()?;
        while let Some(passed) = self.next() {
            out.extend_from_slice(&passed);
        }
        Ok(out)
    }

    fn starting(place: Place) -> Self {
        Self { place, head: [0; HEAD_BYTES_MAX], head_bytes: 0, passed: VecDeque::new() }
    }

    fn pass(&mut self, chunk: &Bytes, from: Option<usize>, end: usize) {
        if let Some(from) = from.filter(|from| *from < end) {
            self.passed.push_back(chunk.slice(from..end));
        }
    }

    /// What follows the head that was read, and whether both come through; `None` while the head is
    /// not whole.
    fn judge(&self) -> Result<Option<(Place, bool)>, Code> {
        let head = &self.head[..self.head_bytes];
        let Some((kind, rest)) = varint(head) else { return Ok(None) };
        if self.place == Place::Kind {
            let frames = kind == CONTROL_STREAM;
            let rest = Place::Payload { left: u64::MAX, is_kept: true };
            return Ok(Some((if frames { Place::Head } else { rest }, true)));
        }
        let Some((length, _)) = varint(rest) else { return Ok(None) };
        let is_kept = match kind {
            DATA => length > 0,
            kind if !KNOWN.contains(&kind) => false,
            _ if length > H3_FRAME_BYTES_MAX => return Err(Code::H3_EXCESSIVE_LOAD),
            _ => true,
        };
        let next = match length {
            0 => Place::Head,
            left => Place::Payload { left, is_kept },
        };
        Ok(Some((next, is_kept)))
    }
}

/// The integer at the beginning of `bytes`, and what follows it (RFC 9000 §16).
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let first = *bytes.first()?;
    let length = 1 << (first >> 6);
    let (all, rest) = bytes.split_at_checked(length)?;
    let tail = all[1..].iter();
    Some((tail.fold(u64::from(first & 0x3f), |value, byte| (value << 8) | u64::from(*byte)), rest))
}

/// Two integers of at most 8 bytes.
const HEAD_BYTES_MAX: usize = 16;
/// RFC 9114 §6.2.1.
const CONTROL_STREAM: u64 = 0;
/// RFC 9114 §7.2.1.
const DATA: u64 = 0;
/// The frames that the library reads, or ends the connection for (RFC 9114 §11.2.1, and the
/// WebTransport stream that it knows); all others mean nothing.
const KNOWN: [u64; 11] = [0x1, 0x2, 0x3, 0x4, 0x5, 0x6, 0x7, 0x8, 0x9, 0xd, 0x41];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_through_however_they_are_cut() {
        let headers = [&[0x1, 3][..], b"abc"].concat();
        let data = [&[0x0, 0x40, 5][..], b"hello"].concat();
        let grease = [&[0x21, 4][..], b"xxxx"].concat();
        let grease_long = [&[0x40, 0x40, 0][..]].concat();
        let empty = vec![0x0, 0];
        for (frames, expected) in [
            (vec![&headers, &data], vec![&headers, &data]),
            (vec![&grease, &headers, &grease_long, &data], vec![&headers, &data]),
            (vec![&headers, &empty, &data, &empty], vec![&headers, &data]),
            (vec![&headers, &data, &headers], vec![&headers, &data, &headers]),
            (vec![&headers, &vec![0x1, 0x40]], vec![&headers, &vec![0x1, 0x40]]),
        ] {
            let bytes = frames.concat_all();
            for size in 1..=bytes.len() {
                let passed = Sieve::request().sift(&bytes, size);
                assert_eq!(passed, Ok(expected.concat_all()), "{bytes:x?} by {size}");
            }
        }
    }

    trait ConcatAll {
        fn concat_all(&self) -> Vec<u8>;
    }

    impl ConcatAll for Vec<&Vec<u8>> {
        fn concat_all(&self) -> Vec<u8> {
            self.iter().flat_map(|frame| frame.iter().copied()).collect()
        }
    }

    #[test]
    fn long_frames_are_refused_before_they_have_come() {
        let max = u32::try_from(H3_FRAME_BYTES_MAX).expect("small");
        for (kind, length, expected) in [
            (0x1, max + 1, Err(Code::H3_EXCESSIVE_LOAD)),
            (0x4, max + 1, Err(Code::H3_EXCESSIVE_LOAD)),
            (0x1, max, Ok(())),
            // A body may be of any length, and what means nothing is not kept.
            (0x0, max + 1, Ok(())),
            (0x21, max + 1, Ok(())),
        ] {
            let mut head = vec![kind];
            head.extend_from_slice(&(length | 0x8000_0000).to_be_bytes());
            assert_eq!(Sieve::request().push(&head.into()), expected, "{kind} {length}");
        }
        let cut = Sieve::request().sift(&[0x21, 9, b'x'], 1);
        assert_eq!(cut, Err(Code::H3_FRAME_ERROR));
    }

    #[test]
    fn only_the_control_stream_has_frames() {
        let control = [&[0x0, 0x4, 2][..], b"ab", &[0x21, 1], b"x", &[0x7, 1, 0]].concat();
        let expected = [&[0x0, 0x4, 2][..], b"ab", &[0x7, 1, 0]].concat();
        let other = [&[0x40, 0x54][..], &[0x1; 40]].concat();
        for size in 1..control.len() {
            assert_eq!(Sieve::unidirectional().sift(&control, size).as_ref(), Ok(&expected));
            assert_eq!(Sieve::unidirectional().sift(&other, size).as_ref(), Ok(&other));
        }
    }
}
