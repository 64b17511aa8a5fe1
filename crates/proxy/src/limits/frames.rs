//! The heads of HTTP/2 frames in a stream of bytes, found without looking at anything else.
//!
//! **Invariant:** what is found does not depend on how the bytes are cut into pieces, and nothing is
//! kept but the nine bytes of a head that is not whole yet.

/// Where a stream of frames has got to.
#[derive(Debug)]
pub(crate) struct Frames {
    head: [u8; HEAD_BYTES],
    /// How much of the head is there.
    filled: usize,
    /// Bytes that are no head: the rest of a payload, or of the client's preface.
    skip: usize,
    /// The highest stream that a HEADERS frame was for.
    last_stream: u32,
}

/// What a frame is, as far as it has a budget (RFC 9113 §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// DATA and CONTINUATION: h2 has bounds for these.
    Counted,
    Headers,
    /// PRIORITY, and PRIORITY_UPDATE (RFC 9218).
    Priority,
    Reset,
    Settings,
    Ping,
    GoAway,
    WindowUpdate,
    /// PUSH_PROMISE and whatever has no meaning.
    Other,
}

impl Frames {
    /// At the first byte of what a client sends.
    pub(crate) fn of_client() -> Self {
        Self { skip: PREFACE_BYTES, ..Self::of_server() }
    }

    /// At the first byte of what a server sends.
    pub(crate) fn of_server() -> Self {
        Self { head: [0; HEAD_BYTES], filled: 0, skip: 0, last_stream: 0 }
    }

    /// Whether the next byte begins a frame.
    pub(crate) fn is_between(&self) -> bool {
        self.filled == 0 && self.skip == 0
    }

    /// The highest stream that a HEADERS frame was for.
    pub(crate) fn last_stream(&self) -> u32 {
        self.last_stream
    }

    /// Calls `found` with each frame whose head ends in these bytes, and what there is of its payload.
    pub(crate) fn pass(&mut self, mut bytes: &[u8], mut found: impl FnMut(Kind, &[u8])) {
        loop {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];
            if bytes.is_empty() {
                return;
            }
            let taken = (HEAD_BYTES - self.filled).min(bytes.len());
            self.head[self.filled..self.filled + taken].copy_from_slice(&bytes[..taken]);
            self.filled += taken;
            bytes = &bytes[taken..];
            if self.filled < HEAD_BYTES {
                return;
            }
            self.filled = 0;
            let [l0, l1, l2, kind, _flags, s0, s1, s2, s3] = self.head;
            self.skip = u32::from_be_bytes([0, l0, l1, l2]) as usize;
            let kind = Kind::of(kind);
            if kind == Kind::Headers {
                let stream = u32::from_be_bytes([s0 & !RESERVED, s1, s2, s3]);
                self.last_stream = self.last_stream.max(stream);
            }
            found(kind, &bytes[..self.skip.min(bytes.len())]);
        }
    }
}

impl Kind {
    fn of(byte: u8) -> Self {
        match byte {
            0x0 | 0x9 => Self::Counted,
            0x1 => Self::Headers,
            0x2 | 0x10 => Self::Priority,
            0x3 => Self::Reset,
            0x4 => Self::Settings,
            0x6 => Self::Ping,
            0x7 => Self::GoAway,
            0x8 => Self::WindowUpdate,
            _ => Self::Other,
        }
    }
}

/// Length, type, flags and stream (RFC 9113 §4.1).
const HEAD_BYTES: usize = 9;
/// `PRI * HTTP/2.0` and what follows it (RFC 9113 §3.4).
const PREFACE_BYTES: usize = 24;
/// The bit of a stream's number that means nothing.
const RESERVED: u8 = 0x80;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(kind: u8, payload: usize, stream: u32) -> Vec<u8> {
        let mut frame = u32::try_from(payload).expect("small").to_be_bytes()[1..].to_vec();
        frame.extend([kind, 0]);
        frame.extend(stream.to_be_bytes());
        frame.extend(vec![0x06; payload]);
        frame
    }

    fn kinds_of<'a>(frames: &mut Frames, pieces: impl Iterator<Item = &'a [u8]>) -> Vec<Kind> {
        let mut kinds = Vec::new();
        pieces.for_each(|piece| frames.pass(piece, |kind, _| kinds.push(kind)));
        kinds
    }

    #[test]
    fn payloads_and_the_preface_are_passed_over() {
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        for (kind, payload, stream) in
            [(4, 18, 0), (1, 300, 0x8000_0005), (0, 70_000, 5), (6, 8, 0), (8, 4, 3), (0x21, 0, 0)]
        {
            bytes.extend(frame(kind, payload, stream));
        }
        let mut frames = Frames::of_client();
        let kinds = kinds_of(&mut frames, [&bytes[..]].into_iter());
        let expected = [
            Kind::Settings,
            Kind::Headers,
            Kind::Counted,
            Kind::Ping,
            Kind::WindowUpdate,
            Kind::Other,
        ];
        assert_eq!(kinds, expected);
        assert_eq!((frames.last_stream(), frames.is_between()), (5, true));
        frames.pass(&bytes[24..30], |kind, _| panic!("{kind:?} is not whole"));
        assert!(!frames.is_between());
    }

    proptest! {
        #[test]
        fn it_does_not_matter_how_bytes_are_cut(
            sizes in prop::collection::vec((0_u8..32, 0_usize..40), 0..20),
            cut in 1_usize..17,
        ) {
            let bytes: Vec<u8> =
                sizes.iter().flat_map(|(kind, payload)| frame(*kind, *payload, 1)).collect();
            let whole = kinds_of(&mut Frames::of_server(), [&bytes[..]].into_iter());
            prop_assert_eq!(whole.len(), sizes.len());
            prop_assert_eq!(whole, kinds_of(&mut Frames::of_server(), bytes.chunks(cut)));
        }
    }
}
