//! gRPC's health checking protocol: one call of `grpc.health.v1.Health/Check` over HTTP/2.
//!
//! The two messages have one field each, so they are written and read here by hand
//! (<https://github.com/grpc/grpc/blob/master/doc/health-checking.md>).
//!
//! **Invariant:** an answer costs at most [`PROBE_HEAD_BYTES_MAX`] for its head and as much again
//! for its message; the caller sets the deadline.

use bytes::{BufMut, Bytes, BytesMut};
use h2::client::{self, ResponseFuture, SendRequest};
use http::uri::Scheme;
use hyper::{HeaderMap, Method, Request, StatusCode, Version, header};
use tokio::io::{AsyncRead, AsyncWrite};

use super::probe::{Failure, PROBE_HEAD_BYTES_MAX, USER_AGENT};

/// Asks over an open connection whether a service is being served; the empty one is the server.
pub(super) async fn check<S>(
    stream: S,
    scheme: &Scheme,
    service: &str,
    host: &str,
) -> Result<(), Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let bytes_max = u32::try_from(PROBE_HEAD_BYTES_MAX).unwrap_or(u32::MAX);
    let (sender, connection) = client::Builder::new()
        .max_header_list_size(bytes_max)
        .initial_window_size(bytes_max)
        .enable_push(false)
        .handshake(stream)
        .await
        .map_err(|error| failure_of(&error))?;
    let asked = ask(sender, scheme, service, host);
    tokio::pin!(connection, asked);
    tokio::select! {
        biased;
        outcome = &mut asked => outcome,
        ended = &mut connection => match ended {
            Ok(()) => asked.await,
            Err(error) => Err(failure_of(&error)),
        },
    }
}

async fn ask(
    sender: SendRequest<Bytes>,
    scheme: &Scheme,
    service: &str,
    host: &str,
) -> Result<(), Failure> {
    let mut sender = sender.ready().await.map_err(|error| failure_of(&error))?;
    let request = Request::builder()
        .method(Method::POST)
        .version(Version::HTTP_2)
        .uri(format!("{scheme}://{host}{CHECK_PATH}"))
        .header(header::CONTENT_TYPE, CONTENT_TYPE)
        .header(header::TE, "trailers")
        .header(header::USER_AGENT, USER_AGENT)
        .body(())
        .map_err(|_| Failure::ProbeBroke)?;
    let (answer, mut body) =
        sender.send_request(request, false).map_err(|error| failure_of(&error))?;
    body.send_data(message_of(service), true).map_err(|error| failure_of(&error))?;
    read(answer, service).await
}

async fn read(answer: ResponseFuture, service: &str) -> Result<(), Failure> {
    let (head, mut body) = answer.await.map_err(|error| failure_of(&error))?.into_parts();
    if head.status != StatusCode::OK {
        return Err(Failure::Status(head.status));
    }
    let kind = head.headers.get(header::CONTENT_TYPE).map_or(&b""[..], |kind| kind.as_bytes());
    if !kind.starts_with(CONTENT_TYPE.as_bytes()) {
        return Err(Failure::NotGrpc);
    }
    // An answer without a message has its status in the head.
    judge_status(&head.headers, service)?;
    let mut message = BytesMut::new();
    while let Some(piece) = body.data().await {
        let piece = piece.map_err(|error| failure_of(&error))?;
        body.flow_control().release_capacity(piece.len()).map_err(|error| failure_of(&error))?;
        if message.len() + piece.len() > PROBE_HEAD_BYTES_MAX {
            return Err(Failure::NotGrpc);
        }
        message.extend_from_slice(&piece);
    }
    let trailers = body.trailers().await.map_err(|error| failure_of(&error))?;
    judge_status(&trailers.unwrap_or_default(), service)?;
    judge_message(&message)
}

/// `grpc-status`, when it is there and tells of a failure.
fn judge_status(fields: &HeaderMap, service: &str) -> Result<(), Failure> {
    let Some(status) = fields.get("grpc-status") else {
        return Ok(());
    };
    match status.as_bytes() {
        b"0" => Ok(()),
        b"5" => Err(Failure::GrpcServiceUnknown(service.to_owned())),
        b"12" => Err(Failure::GrpcUnimplemented),
        other => {
            let number = std::str::from_utf8(other).ok().and_then(|text| text.parse().ok());
            Err(number.map_or(Failure::NotGrpc, Failure::GrpcStatus))
        }
    }
}

/// A `HealthCheckRequest`, framed: field 1 is the service's name, absent when it is empty.
fn message_of(service: &str) -> Bytes {
    let mut message = BytesMut::new();
    if !service.is_empty() {
        message.put_u8(FIELD_1_TEXT);
        put_varint(&mut message, service.len());
        message.put_slice(service.as_bytes());
    }
    let mut framed = BytesMut::with_capacity(FRAME_HEAD_BYTES + message.len());
    framed.put_u8(0);
    // Invariant: a policy's texts are far shorter than 4 GiB.
    framed.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    framed.put_slice(&message);
    framed.freeze()
}

/// Reads a framed `HealthCheckResponse`: field 1 is a number, 0 when absent.
fn judge_message(framed: &[u8]) -> Result<(), Failure> {
    let (head, message) = framed.split_at_checked(FRAME_HEAD_BYTES).ok_or(Failure::NotGrpc)?;
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
    if head[0] != 0 || usize::try_from(length).ok() != Some(message.len()) {
        return Err(Failure::NotGrpc);
    }
    match serving_status(message) {
        Some(SERVING) => Ok(()),
        Some(_) => Err(Failure::GrpcNotServing),
        None => Err(Failure::NotGrpc),
    }
}

/// The last value of field 1; fields that a later version may add are stepped over.
fn serving_status(mut message: &[u8]) -> Option<u64> {
    let mut status = 0;
    while !message.is_empty() {
        let key = take_varint(&mut message)?;
        match key & 7 {
            0 => {
                let value = take_varint(&mut message)?;
                if key >> 3 == 1 {
                    status = value;
                }
            }
            1 => message = message.get(8..)?,
            2 => {
                let length = usize::try_from(take_varint(&mut message)?).ok()?;
                message = message.get(length..)?;
            }
            5 => message = message.get(4..)?,
            _ => return None,
        }
    }
    Some(status)
}

fn put_varint(to: &mut BytesMut, mut value: usize) {
    while value >= 0x80 {
        to.put_u8((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    to.put_u8(value as u8);
}

fn take_varint(from: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = from.split_first()?;
        *from = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn failure_of(error: &h2::Error) -> Failure {
    if error.is_io() || error.is_go_away() || error.is_reset() {
        Failure::NoAnswer
    } else {
        Failure::NotGrpc
    }
}

const CHECK_PATH: &str = "/grpc.health.v1.Health/Check";
const CONTENT_TYPE: &str = "application/grpc";
/// A byte that says whether the message is compressed, and four of its length.
const FRAME_HEAD_BYTES: usize = 5;
/// Field 1, of the type with a length.
const FIELD_1_TEXT: u8 = 0x0a;
/// `ServingStatus.SERVING`.
const SERVING: u64 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_as_the_reference_encodes_them() {
        assert_eq!(&message_of("")[..], [0, 0, 0, 0, 0]);
        assert_eq!(&message_of("abc")[..], b"\0\0\0\0\x05\x0a\x03abc");
        let long = message_of(&"x".repeat(300));
        assert_eq!(&long[..8], [0, 0, 0, 1, 47, 0x0a, 0xac, 0x02]);
        assert_eq!(long.len(), 308);
    }

    #[test]
    fn answers_are_read_with_what_a_later_version_may_add() {
        let framed = |message: &[u8]| {
            let length = u32::try_from(message.len()).expect("short").to_be_bytes();
            [&[0], &length[..], message].concat()
        };
        for (message, expected) in [
            (&[0x08, 1][..], Ok(())),
            (&[0x12, 2, 9, 9, 0x08, 1], Ok(())),
            (&[0x11, 0, 0, 0, 0, 0, 0, 0, 0, 0x15, 0, 0, 0, 0, 0x08, 1], Ok(())),
            (&[0x08, 2, 0x08, 1], Ok(())),
            (&[], Err(Failure::GrpcNotServing)),
            (&[0x08, 2], Err(Failure::GrpcNotServing)),
            (&[0x08, 3], Err(Failure::GrpcNotServing)),
            (&[0x08], Err(Failure::NotGrpc)),
            (&[0x12, 200, 1], Err(Failure::NotGrpc)),
            (&[0x0b], Err(Failure::NotGrpc)),
            (&[0xff; 12], Err(Failure::NotGrpc)),
        ] {
            assert_eq!(judge_message(&framed(message)), expected, "{message:?}");
        }
        for bytes in [&b""[..], b"\0\0\0\0", b"\0\0\0\0\x02\x08", b"\x01\0\0\0\x02\x08\x01"] {
            assert_eq!(judge_message(bytes), Err(Failure::NotGrpc), "{bytes:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_answer_breaks_the_reader(bytes in proptest::collection::vec(0_u8.., 0..40)) {
            let _judged = judge_message(&bytes).is_ok();
        }
    }
}
