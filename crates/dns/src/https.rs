//! DNS over HTTPS (RFC 8484): a request's message in, a response with its reply out.
//!
//! Who speaks HTTP is somebody else: this is given whole requests, and the client's address as it
//! is known there.
//!
//! **Invariant:** a question is answered as over any other transport, by the same tables and for the
//! same clients; what is no question gets a status that says what was wrong with it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, Response, StatusCode};

use crate::handler::Transport;
use crate::padding;
use crate::server::{Next, Responder};
use crate::wire;

/// Answers requests once DNS is served; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Https(Arc<OnceLock<Responder>>);

impl Https {
    /// Answers one request of `client`, whose connection arrived at `arrived_at` when that is known.
    pub async fn answer(
        &self,
        request: &Request<Bytes>,
        client: IpAddr,
        arrived_at: Option<IpAddr>,
    ) -> Response<Bytes> {
        let query = match query_of(request) {
            Ok(query) => query,
            Err(refusal) => return refusal.response(),
        };
        let Some(responder) = self.0.get() else {
            return Refusal::NotServed.response();
        };
        // Ports are judged where replies go to them.
        let peer = SocketAddr::new(client, HTTPS_PORT);
        let arrived_at = arrived_at.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let next = responder.answer(&query, peer, arrived_at, Transport::Https);
        let mut reply = match next {
            Next::Send(reply) => reply,
            Next::Forward(waiting) => responder.forward(waiting, Transport::Https).await,
            Next::Nothing | Next::Transfer(_) => return Refusal::NoQuestion.response(),
        };
        if padding::is_asked_for(&query) {
            padding::pad(&mut reply, padding::REPLY_STEP_BYTES);
        }
        response(reply)
    }

    /// Answers with this from now on.
    pub(crate) fn begin(&self, responder: Responder) {
        // Served once; a second time would be the same tables.
        self.0.get_or_init(|| responder);
    }
}

/// Why a request is not a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    BadBase64,
    MediaType,
    Method,
    NoQuestion,
    NotServed,
    OtherPath,
    TooLong,
    TooLarge,
}

impl Refusal {
    fn response(self) -> Response<Bytes> {
        let (status, why) = match self {
            Self::BadBase64 => (
                StatusCode::BAD_REQUEST,
                "the parameter dns is not base64url of a DNS message (RFC 8484)\n",
            ),
            Self::MediaType => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "a DNS message is posted as application/dns-message (RFC 8484)\n",
            ),
            Self::Method => {
                (StatusCode::METHOD_NOT_ALLOWED, "DNS over HTTPS is asked with GET or POST\n")
            }
            Self::NoQuestion => (StatusCode::BAD_REQUEST, "that is no DNS query\n"),
            Self::NotServed => (StatusCode::SERVICE_UNAVAILABLE, "DNS is not served yet\n"),
            Self::OtherPath => {
                (StatusCode::NOT_FOUND, "DNS over HTTPS is at /dns-query; nothing else is here\n")
            }
            Self::TooLong => (StatusCode::URI_TOO_LONG, "a query has at most 4096 octets\n"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "a query has at most 4096 octets\n"),
        };
        let mut response = Response::new(Bytes::from_static(why.as_bytes()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self == Self::Method {
            headers.insert(header::ALLOW, HeaderValue::from_static("GET, POST"));
        }
        response
    }
}

/// The message that a request carries.
fn query_of(request: &Request<Bytes>) -> Result<Bytes, Refusal> {
    if request.uri().path() != PATH {
        return Err(Refusal::OtherPath);
    }
    match *request.method() {
        Method::GET => from_parameter(request.uri().query().unwrap_or_default()),
        Method::POST if !is_message(request.headers()) => Err(Refusal::MediaType),
        Method::POST if request.body().len() > REQUEST_BYTES_MAX => Err(Refusal::TooLarge),
        Method::POST => Ok(request.body().clone()),
        _ => Err(Refusal::Method),
    }
}

fn from_parameter(query: &str) -> Result<Bytes, Refusal> {
    let mut parameters = query.split('&');
    let text = parameters.find_map(|one| one.strip_prefix("dns=")).ok_or(Refusal::BadBase64)?;
    if text.len() > REQUEST_BYTES_MAX.div_ceil(3) * 4 {
        return Err(Refusal::TooLong);
    }
    match BASE64URL.decode(text) {
        Ok(message) if message.len() > REQUEST_BYTES_MAX => Err(Refusal::TooLong),
        Ok(message) => Ok(message.into()),
        Err(_) => Err(Refusal::BadBase64),
    }
}

fn is_message(headers: &HeaderMap) -> bool {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = given.and_then(|given| given.split(';').next()).unwrap_or_default();
    essence.trim().eq_ignore_ascii_case(MEDIA_TYPE)
}

/// Whatever DNS says is a success of HTTP (RFC 8484 §4.2.1).
fn response(reply: Vec<u8>) -> Response<Bytes> {
    let lifetime = match reply.get(3).map(|bits| bits & RESPONSE_CODE) {
        Some(NOERROR | NXDOMAIN) => wire::lifetime_s(&reply),
        _ => 0,
    };
    let mut response = Response::new(Bytes::from(reply));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Digits are legal in a header.
    if let Ok(value) = HeaderValue::try_from(format!("max-age={lifetime}")) {
        headers.insert(header::CACHE_CONTROL, value);
    }
    response
}

/// The path of the template that clients are given.
pub const PATH: &str = "/dns-query";
/// The longest query; longer bodies need not be read.
pub const REQUEST_BYTES_MAX: usize = crate::handler::REQUEST_BYTES_MAX;
/// RFC 8484 §6.
const MEDIA_TYPE: &str = "application/dns-message";
const HTTPS_PORT: u16 = 443;
const RESPONSE_CODE: u8 = 0x0f;
const NOERROR: u8 = 0;
const NXDOMAIN: u8 = 3;
/// Some clients pad, though RFC 8484 has none do so.
const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
