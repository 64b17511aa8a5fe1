//! Where an answer's body ends, and its pieces until then.
//!
//! **Invariant:** a piece that came is given out at once and by itself: a chunk is never joined with
//! another.

use std::fmt;

use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderMap};
use http::{Method, StatusCode};
use http_body::Frame;

use super::chunks::Chunks;
use crate::framing;

/// What is still to come of a body.
#[derive(Debug)]
pub(super) enum Decoder {
    /// Nothing.
    Nothing,
    /// This many bytes.
    Sized(u64),
    /// Chunks, and perhaps trailers.
    Chunked(Chunks),
    /// Everything until the connection ends.
    UntilEnd,
}

/// What there is of a body.
#[derive(Debug)]
pub(super) enum Piece {
    Frame(Frame<Bytes>),
    /// More has to be read first.
    Missing,
    End,
}

/// What came is not what RFC 9112 says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed(pub(super) &'static str);

impl Decoder {
    /// The body that follows the head of an answer (RFC 9112 §6.3).
    pub(super) fn of(
        method: &Method,
        status: StatusCode,
        is_http10: bool,
        headers: &HeaderMap,
    ) -> Result<Self, Malformed> {
        let without =
            [StatusCode::SWITCHING_PROTOCOLS, StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED];
        if *method == Method::HEAD || without.contains(&status) {
            return Ok(Self::Nothing);
        }
        if headers.contains_key(header::TRANSFER_ENCODING) {
            return match (is_http10, framing::ends_chunked(headers)) {
                (true, _) => Err(Malformed("a transfer coding in HTTP/1.0")),
                (false, true) => Ok(Self::Chunked(Chunks::default())),
                (false, false) => Ok(Self::UntilEnd),
            };
        }
        if !headers.contains_key(header::CONTENT_LENGTH) {
            return Ok(Self::UntilEnd);
        }
        match framing::length(headers) {
            Some(0) => Ok(Self::Nothing),
            Some(length) => Ok(Self::Sized(length)),
            None => Err(Malformed("a length that is none")),
        }
    }

    /// Whether the end has come.
    pub(super) fn is_end(&self) -> bool {
        matches!(self, Self::Nothing)
    }

    /// How many bytes are to come, where that is known.
    pub(super) fn left(&self) -> Option<u64> {
        match self {
            Self::Nothing => Some(0),
            Self::Sized(left) => Some(*left),
            Self::Chunked(_) | Self::UntilEnd => None,
        }
    }

    /// Takes the next piece out of what was read.
    pub(super) fn next(&mut self, read: &mut BytesMut) -> Result<Piece, Malformed> {
        let piece = match self {
            Self::Nothing => return Ok(Piece::End),
            Self::Sized(_) | Self::UntilEnd if read.is_empty() => return Ok(Piece::Missing),
            Self::UntilEnd => read.split().freeze(),
            Self::Sized(left) => {
                let count = usize::try_from(*left).unwrap_or(usize::MAX).min(read.len());
                *left -= count as u64;
                if *left == 0 {
                    *self = Self::Nothing;
                }
                read.split_to(count).freeze()
            }
            Self::Chunked(chunks) => {
                let piece = chunks.next(read)?;
                // What is there already may be the end: who hears of it now need not ask again.
                // What is wrong there is told next time.
                if chunks.is_end(read).unwrap_or(false) {
                    *self = Self::Nothing;
                }
                return Ok(piece);
            }
        };
        Ok(Piece::Frame(Frame::data(piece)))
    }

    /// The connection has ended: whether the body has, too.
    pub(super) fn end(&mut self) -> Result<(), Malformed> {
        match self {
            Self::Nothing => Ok(()),
            Self::UntilEnd => {
                *self = Self::Nothing;
                Ok(())
            }
            Self::Sized(_) | Self::Chunked(_) => {
                Err(Malformed("the connection ended in the middle"))
            }
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Malformed {}
