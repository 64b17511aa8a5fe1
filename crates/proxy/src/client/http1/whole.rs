//! Answers read from bytes alone, for tests and fuzzing.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, StatusCode, Version};

use super::decode::{Decoder, Malformed, Piece};
use super::head;

/// An answer, read to its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Whole {
    pub(crate) status: StatusCode,
    pub(crate) fields: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Option<HeaderMap>,
}

/// Reads an answer that comes in pieces of this size, and then the end of its connection; with it
/// the sizes of the pieces of its body, and what was left over.
pub(crate) fn read(
    method: &Method,
    said: &[u8],
    size: usize,
) -> Result<(Whole, Vec<usize>, Bytes), Malformed> {
    let mut pieces = said.chunks(size);
    let mut buffer = BytesMut::new();
    let answer = loop {
        match head::read(&mut buffer)? {
            Some(answer) if answer.status().is_informational() => {}
            Some(answer) => break answer,
            None => buffer.extend_from_slice(pieces.next().ok_or(Malformed("no head"))?),
        }
    };
    let is_http10 = answer.version() == Version::HTTP_10;
    let mut decoder = Decoder::of(method, answer.status(), is_http10, answer.headers())?;
    let mut whole = Whole {
        status: answer.status(),
        fields: answer.headers().clone(),
        body: Vec::new(),
        trailers: None,
    };
    let mut sizes = Vec::new();
    loop {
        match decoder.next(&mut buffer)? {
            Piece::End => break,
            Piece::Missing => match pieces.next() {
                Some(piece) => buffer.extend_from_slice(piece),
                None => decoder.end()?,
            },
            Piece::Frame(frame) => match frame.into_data() {
                Ok(data) => {
                    assert!(!data.is_empty(), "nothing is no piece");
                    sizes.push(data.len());
                    whole.body.extend_from_slice(&data);
                }
                Err(frame) => whole.trailers = frame.into_trailers().ok(),
            },
        }
    }
    pieces.for_each(|piece| buffer.extend_from_slice(piece));
    Ok((whole, sizes, buffer.freeze()))
}
