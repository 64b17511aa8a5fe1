//! Content codings (RFC 9110 §8.4.1), and a body that is encoded as it passes.
//!
//! **Invariant:** nothing is held back: what came in with one frame leaves before the next is
//! asked for. Memory is bounded by the codings' windows below and by one frame.

use std::cell::Cell;
use std::fmt;
use std::io::{self, Write as _};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::HeaderMap;
use http_body::{Body as _, Frame};

use crate::body::{BodyError, UpstreamBody};

/// A way to encode, the one we prefer first: it costs least for what it saves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    Zstd,
    Brotli,
    Gzip,
}

impl Coding {
    /// All of them, in order of preference.
    pub(super) const ALL: [Self; 3] = [Self::Zstd, Self::Brotli, Self::Gzip];

    /// The word for it in `Content-Encoding`.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }
}

/// Encodes piece by piece.
pub(crate) enum Encoder {
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
    Brotli(Box<brotli::CompressorWriter<Vec<u8>>>),
    Gzip(flate2::write::GzEncoder<Vec<u8>>),
}

impl Encoder {
    pub(super) fn new(coding: Coding) -> io::Result<Self> {
        Ok(match coding {
            Coding::Zstd => {
                let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), ZSTD_LEVEL)?;
                encoder.window_log(WINDOW_LOG)?;
                Self::Zstd(encoder)
            }
            Coding::Brotli => Self::Brotli(Box::new(brotli::CompressorWriter::new(
                Vec::new(),
                BROTLI_BUFFER_BYTES,
                BROTLI_QUALITY,
                WINDOW_LOG,
            ))),
            Coding::Gzip => {
                let level = flate2::Compression::new(GZIP_LEVEL);
                Self::Gzip(flate2::write::GzEncoder::new(Vec::new(), level))
            }
        })
    }

    /// Encodes a piece, to its last byte.
    pub(super) fn piece(&mut self, data: &[u8]) -> io::Result<Bytes> {
        let encoded = match self {
            Self::Zstd(encoder) => {
                encoder.write_all(data)?;
                encoder.flush()?;
                encoder.get_mut()
            }
            Self::Brotli(encoder) => {
                encoder.write_all(data)?;
                encoder.flush()?;
                encoder.get_mut()
            }
            Self::Gzip(encoder) => {
                encoder.write_all(data)?;
                encoder.flush()?;
                encoder.get_mut()
            }
        };
        Ok(std::mem::take(encoded).into())
    }

    /// Writes the end.
    pub(super) fn finish(self) -> io::Result<Bytes> {
        Ok(match self {
            Self::Zstd(encoder) => encoder.finish()?,
            Self::Brotli(encoder) => encoder.into_inner(),
            Self::Gzip(encoder) => encoder.finish()?,
        }
        .into())
    }
}

/// An upstream's body, encoded.
pub(crate) struct Encoded {
    inner: UpstreamBody,
    /// `None` once the end is written.
    encoder: Option<Encoder>,
    trailers: Option<HeaderMap>,
    _place: Place,
}

impl Encoded {
    pub(super) fn new(inner: UpstreamBody, encoder: Encoder, place: Place) -> Self {
        Self { inner, encoder: Some(encoder), trailers: None, _place: place }
    }

    pub(crate) fn is_end_stream(&self) -> bool {
        self.encoder.is_none() && self.trailers.is_none()
    }

    pub(crate) fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            let Some(encoder) = &mut self.encoder else {
                return Poll::Ready(self.trailers.take().map(|t| Ok(Frame::trailers(t))));
            };
            let encoded = match ready!(Pin::new(&mut self.inner).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if data.is_empty() => continue,
                    Ok(data) => encoder.piece(&data),
                    Err(frame) => {
                        self.trailers = frame.into_trailers().ok();
                        self.encoder.take().map_or(Ok(Bytes::new()), Encoder::finish)
                    }
                },
                Some(Err(error)) => Err(io::Error::other(error)),
                None => self.encoder.take().map_or(Ok(Bytes::new()), Encoder::finish),
            };
            return match encoded {
                Ok(data) if data.is_empty() => continue,
                Ok(data) => Poll::Ready(Some(Ok(Frame::data(data)))),
                Err(error) => Poll::Ready(Some(Err(BodyError::Encode(error)))),
            };
        }
    }
}

impl fmt::Debug for Encoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoded").field("inner", &self.inner).finish_non_exhaustive()
    }
}

/// One of the places that [`ENCODED_MAX`] has, kept until it is dropped.
#[derive(Debug)]
pub(crate) struct Place(Rc<Cell<usize>>);

impl Place {
    /// Takes a place, when there is one.
    pub(super) fn take(taken: &Rc<Cell<usize>>) -> Option<Self> {
        if taken.get() >= ENCODED_MAX {
            return None;
        }
        taken.set(taken.get() + 1);
        Some(Self(Rc::clone(taken)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// Responses that one worker encodes at once; others pass as they are. With its window, its tables
/// and its buffers one takes up to 1.5 MiB, so that a worker spends 200 MiB on it at the very most.
pub(super) const ENCODED_MAX: usize = 128;
/// How far codings look back, as a power of two: 256 KiB. Pages and JSON hardly gain beyond it, and
/// the defaults (4 MiB for Brotli, 2 MiB for Zstandard) are paid per response.
const WINDOW_LOG: u32 = 18;
/// Zstandard's own default: faster than gzip's lowest level, and smaller than its highest.
const ZSTD_LEVEL: i32 = 3;
/// The last quality before Brotli gets slow enough to hold up a worker's other requests.
const BROTLI_QUALITY: u32 = 4;
/// What Brotli writes at once.
const BROTLI_BUFFER_BYTES: usize = 4 * 1_024;
/// The last level before gzip's cost rises faster than its gain.
const GZIP_LEVEL: u32 = 5;

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    pub(super) fn decoded(coding: Coding, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        // What is cut off in the middle still gives what was flushed.
        let _incomplete = match coding {
            Coding::Zstd => {
                zstd::stream::read::Decoder::new(bytes).expect("a decoder").read_to_end(&mut out)
            }
            Coding::Brotli => brotli::Decompressor::new(bytes, 4096).read_to_end(&mut out),
            Coding::Gzip => flate2::read::GzDecoder::new(bytes).read_to_end(&mut out),
        };
        out
    }

    #[test]
    fn every_piece_can_be_read_before_the_next_comes() {
        for coding in Coding::ALL {
            let mut encoder = Encoder::new(coding).expect("an encoder");
            let (mut sent, mut plain) = (Vec::new(), Vec::new());
            for piece in 0..50_u32 {
                let text = format!("piece {piece} of a text that repeats itself; ").repeat(30);
                plain.extend_from_slice(text.as_bytes());
                sent.extend_from_slice(&encoder.piece(text.as_bytes()).expect("encodes"));
                assert_eq!(decoded(coding, &sent), plain, "{coding:?} after piece {piece}");
            }
            sent.extend_from_slice(&encoder.finish().expect("ends"));
            assert_eq!(decoded(coding, &sent), plain, "{coding:?}");
            assert!(sent.len() < plain.len() / 4, "{coding:?}: {} bytes", sent.len());
        }
    }

    #[test]
    fn places_come_back() {
        let taken = Rc::new(Cell::new(ENCODED_MAX - 1));
        let last = Place::take(&taken).expect("the last place");
        assert!(Place::take(&taken).is_none());
        drop(last);
        assert!(Place::take(&taken).is_some());
    }
}
