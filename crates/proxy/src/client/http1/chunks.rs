//! The chunked coding (RFC 9112 §7.1).
//!
//! **Invariant:** lines end with CRLF and with nothing else; a size is hexadecimal digits, of at most
//! 64 bits; extensions are read past and mean nothing.

use bytes::{Buf, BytesMut};
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http_body::Frame;
use memchr::memchr;

use super::decode::{Malformed, Piece};
use crate::limits::{CHUNK_LINE_BYTES_MAX, TRAILER_BYTES_MAX, UPSTREAM_LINES_MAX};

/// Where a chunked body stands.
#[derive(Debug, Default)]
pub(super) enum Chunks {
    /// Before a chunk's first line.
    #[default]
    Size,
    /// In a chunk, of which this many bytes are left.
    Data(u64),
    /// Behind a chunk's data.
    DataEnd,
    /// Behind the last chunk.
    Trailers,
    End,
}

impl Chunks {
    /// Takes the next piece out of what was read: of one chunk, or the trailers.
    pub(super) fn next(&mut self, read: &mut BytesMut) -> Result<Piece, Malformed> {
        while self.advance(read)? {}
        match self {
            Self::End => Ok(Piece::End),
            Self::Data(left) if !read.is_empty() => {
                let count = usize::try_from(*left).unwrap_or(usize::MAX).min(read.len());
                *left -= count as u64;
                if *left == 0 {
                    *self = Self::DataEnd;
                }
                Ok(Piece::Frame(Frame::data(read.split_to(count).freeze())))
            }
            Self::Trailers => match trailers(read)? {
                None => Ok(Piece::Missing),
                Some(trailers) => {
                    *self = Self::End;
                    let frame = (!trailers.is_empty()).then(|| Frame::trailers(trailers));
                    Ok(frame.map_or(Piece::End, Piece::Frame))
                }
            },
            Self::Size | Self::Data(_) | Self::DataEnd => Ok(Piece::Missing),
        }
    }

    /// Whether the end has come, or is the next thing in what was read.
    pub(super) fn is_end(&mut self, read: &mut BytesMut) -> Result<bool, Malformed> {
        while self.advance(read)? {}
        if matches!(self, Self::Trailers) && read.starts_with(b"\r\n") {
            read.advance(2);
            *self = Self::End;
        }
        Ok(matches!(self, Self::End))
    }

    /// One step between pieces; whether there was one.
    fn advance(&mut self, read: &mut BytesMut) -> Result<bool, Malformed> {
        match self {
            Self::Size => {
                let Some(size) = size(read)? else { return Ok(false) };
                *self = if size == 0 { Self::Trailers } else { Self::Data(size) };
            }
            Self::DataEnd => {
                if !b"\r\n".starts_with(&read[..read.len().min(2)]) {
                    return Err(Malformed("a chunk that is longer than it says"));
                }
                if read.len() < 2 {
                    return Ok(false);
                }
                read.advance(2);
                *self = Self::Size;
            }
            Self::Data(_) | Self::Trailers | Self::End => return Ok(false),
        }
        Ok(true)
    }
}

/// Takes a chunk's first line.
fn size(read: &mut BytesMut) -> Result<Option<u64>, Malformed> {
    let within = &read[..read.len().min(CHUNK_LINE_BYTES_MAX)];
    let Some(end) = memchr(b'\n', within) else {
        return match within.len() < CHUNK_LINE_BYTES_MAX {
            true => Ok(None),
            false => Err(Malformed("a chunk's first line without end")),
        };
    };
    let line = within[..end].strip_suffix(b"\r").ok_or(Malformed("a bare line feed"))?;
    let digits = line.iter().position(|b| !b.is_ascii_hexdigit()).unwrap_or(line.len());
    let (digits, rest) = line.split_at(digits);
    let is_extension = rest.trim_ascii_start().first().is_none_or(|b| *b == b';');
    if digits.is_empty() || !is_extension || rest.contains(&b'\r') {
        return Err(Malformed("a chunk's size that is none"));
    }
    let size = digits.iter().try_fold(0_u64, |sum, digit| {
        let digit = char::from(*digit).to_digit(16).map(u64::from)?;
        sum.checked_mul(16)?.checked_add(digit)
    });
    let size = size.ok_or(Malformed("a chunk that is too large"))?;
    read.advance(end + 1);
    Ok(Some(size))
}

/// Takes the trailers, once they are whole.
fn trailers(read: &mut BytesMut) -> Result<Option<HeaderMap>, Malformed> {
    if !read.starts_with(b"\r\n") && memchr::memmem::find(read, b"\r\n\r\n").is_none() {
        return match read.len() < TRAILER_BYTES_MAX {
            true => Ok(None),
            false => Err(Malformed("trailers without end")),
        };
    }
    let mut lines = [httparse::EMPTY_HEADER; UPSTREAM_LINES_MAX];
    let parsed = httparse::parse_headers(read, &mut lines);
    let Ok(httparse::Status::Complete((length, lines))) = parsed else {
        return Err(Malformed("trailers that are no fields"));
    };
    if length > TRAILER_BYTES_MAX {
        return Err(Malformed("trailers without end"));
    }
    let mut trailers = HeaderMap::with_capacity(lines.len());
    for line in lines {
        let name = HeaderName::from_bytes(line.name.as_bytes());
        let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(line.value)) else {
            return Err(Malformed("trailers that are no fields"));
        };
        trailers.append(name, value);
    }
    read.advance(length);
    Ok(Some(trailers))
}
