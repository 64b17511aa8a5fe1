//! The heads of requests and answers, as HTTP/1.1 writes them.

use std::mem::MaybeUninit;
use std::ops::Range;

use bytes::{BufMut, BytesMut};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Request, Response, StatusCode, Version};

use super::decode::Malformed;
use crate::headers;
use crate::limits::{BUFFER_BYTES_MAX, UPSTREAM_LINES_MAX};

/// Writes a request's line and fields.
pub(super) fn write<B>(request: &Request<B>, out: &mut BytesMut) {
    let (path, query) = (request.uri().path(), request.uri().query());
    let method = request.method().as_str();
    let fields = request.headers();
    let target_bytes = path.len() + query.map_or(0, str::len);
    out.reserve(LINE_BYTES + target_bytes + FIELD_BYTES * fields.len());
    out.put_slice(method.as_bytes());
    out.put_slice(b" ");
    // Never empty: `?a` alone is no target (RFC 9112 §3.2.1).
    out.put_slice(path.as_bytes());
    if let Some(query) = query {
        out.put_slice(b"?");
        out.put_slice(query.as_bytes());
    }
    out.put_slice(b" HTTP/1.1\r\n");
    write_fields(fields, out);
    out.put_slice(b"\r\n");
}

/// Writes fields, a line each.
pub(super) fn write_fields(fields: &HeaderMap, out: &mut BytesMut) {
    for (name, value) in fields {
        out.put_slice(name.as_str().as_bytes());
        out.put_slice(b": ");
        out.put_slice(value.as_bytes());
        out.put_slice(b"\r\n");
    }
}

/// Takes the head of an answer out of what was read, once it is whole.
pub(super) fn read(read: &mut BytesMut) -> Result<Option<Response<()>>, Malformed> {
    let mut places = [Place::default(); UPSTREAM_LINES_MAX];
    let mut lines = [const { MaybeUninit::uninit() }; UPSTREAM_LINES_MAX];
    let mut head = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default()
        .parse_response_with_uninit_headers(&mut head, read, &mut lines);
    let length = match parsed {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) if read.len() < BUFFER_BYTES_MAX => return Ok(None),
        Ok(httparse::Status::Partial) => return Err(Malformed("a head without end")),
        Err(_) => return Err(Malformed("no head of an answer")),
    };
    let status = head.code.and_then(|code| StatusCode::from_u16(code).ok());
    let status = status.ok_or(Malformed("a status that is none"))?;
    let version = if head.version == Some(0) { Version::HTTP_10 } else { Version::HTTP_11 };
    let count = head.headers.len();
    let start = read.as_ptr() as usize;
    for (place, line) in places.iter_mut().zip(head.headers.iter()) {
        *place =
            Place { name: within(start, line.name.as_bytes()), value: within(start, line.value) };
    }
    let bytes = read.split_to(length).freeze();
    let mut fields = HeaderMap::with_capacity(count);
    for Place { name, value } in &places[..count] {
        let name = HeaderName::from_bytes(&bytes[range(*name)]);
        let value = HeaderValue::from_maybe_shared(bytes.slice(range(*value)));
        let (Ok(name), Ok(value)) = (name, value) else {
            return Err(Malformed("a field that is none"));
        };
        fields.append(name, value);
    }
    let mut response = Response::new(());
    *response.status_mut() = status;
    *response.version_mut() = version;
    *response.headers_mut() = fields;
    Ok(Some(response))
}

/// Where a field is in the bytes of its head: where each part begins, and how long it is. A head has
/// at most [`BUFFER_BYTES_MAX`].
#[derive(Clone, Copy, Default)]
struct Place {
    name: (u32, u32),
    value: (u32, u32),
}

fn within(start: usize, text: &[u8]) -> (u32, u32) {
    ((text.as_ptr() as usize - start) as u32, text.len() as u32)
}

fn range((from, length): (u32, u32)) -> Range<usize> {
    from as usize..(from + length) as usize
}

/// Whether the connection ends with this message (RFC 9112 §9.3).
pub(super) fn closes(version: Version, fields: &HeaderMap) -> bool {
    let says = |word: &[u8]| {
        headers::tokens(fields, &header::CONNECTION).any(|option| option.eq_ignore_ascii_case(word))
    };
    says(b"close") || (version == Version::HTTP_10 && !says(b"keep-alive"))
}

/// What a request's first line has beside its target, at most.
const LINE_BYTES: usize = 64;
/// What a field takes, as a guess.
const FIELD_BYTES: usize = 48;
