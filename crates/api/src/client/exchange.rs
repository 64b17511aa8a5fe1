//! One request and its answer on one connection.

use std::io;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, timeout, timeout_at};

use super::lines::Connection;
use crate::error::Place;

/// What is to be sent, and where.
pub(super) struct Outgoing<'a> {
    pub(super) place: &'a Place,
    pub(super) token: Option<&'a str>,
    pub(super) method: Method,
    pub(super) target: &'a str,
    pub(super) body: Bytes,
}

/// What came back, whole.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Bytes,
}

/// Why nothing usable came back.
pub(super) enum Failure {
    /// The request may have arrived; the answer did not.
    Lost(String),
    /// The answer is over the limit.
    TooLarge,
    /// Nobody accepted: the request did not arrive.
    Unreachable(String),
    /// The request cannot be written down.
    Unsendable { what: &'static str, reason: String },
}

/// Whether somebody accepts at a place.
pub(super) async fn reach(place: &Place) -> Result<(), String> {
    connect(place).await.map(drop)
}

impl Outgoing<'_> {
    /// Connects, sends and reads the whole answer within `limit`.
    pub(super) async fn send(self, limit: Duration, bytes_max: usize) -> Result<Answer, Failure> {
        let deadline = Instant::now() + limit;
        let place = self.place;
        let request = self.into_request()?;
        let stream = connect(place).await.map_err(Failure::Unreachable)?;
        match timeout_at(deadline, Box::pin(exchange(stream, request, bytes_max))).await {
            Ok(result) => result,
            Err(_) => Err(Failure::Lost(format!("no answer within {} s", limit.as_secs()))),
        }
    }

    /// Connects, sends and waits for the head of the answer within `limit`; the body follows as the
    /// connection is polled.
    pub(super) async fn open(
        self,
        limit: Duration,
    ) -> Result<(Response<Incoming>, Connection), Failure> {
        let deadline = Instant::now() + limit;
        let place = self.place;
        let request = self.into_request()?;
        let stream = connect(place).await.map_err(Failure::Unreachable)?;
        let opening = async {
            match stream {
                Stream::Tcp(stream) => open_on(stream, request).await,
                Stream::Unix(stream) => open_on(stream, request).await,
            }
        };
        match timeout_at(deadline, Box::pin(opening)).await {
            Ok(result) => result,
            Err(_) => Err(Failure::Lost(format!("no answer within {} s", limit.as_secs()))),
        }
    }

    fn into_request(self) -> Result<Request<Full<Bytes>>, Failure> {
        let mut builder = Request::builder()
            .method(self.method)
            .uri(self.target)
            .header(header::HOST, authority(self.place))
            .header(header::ACCEPT, "application/json")
            .header(header::USER_AGENT, USER_AGENT);
        if !self.body.is_empty() {
            builder = builder.header(header::CONTENT_TYPE, "application/json");
        }
        if let Some(token) = self.token {
            let value = HeaderValue::try_from(format!("Bearer {token}"));
            let mut value = value.map_err(|_| Failure::Unsendable {
                what: "the token",
                reason: "it holds characters that a header does not allow".into(),
            })?;
            value.set_sensitive(true);
            builder = builder.header(header::AUTHORIZATION, value);
        }
        builder
            .body(Full::new(self.body))
            .map_err(|error| Failure::Unsendable { what: "the request", reason: error.to_string() })
    }
}

/// The `Host` of a request to a place; a socket's path is none, so it is the machine itself.
fn authority(place: &Place) -> &str {
    match place {
        Place::Socket(_) => "localhost",
        Place::Tcp(address) => address,
    }
}

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

async fn connect(place: &Place) -> Result<Stream, String> {
    let connecting = async {
        match place {
            Place::Socket(path) => UnixStream::connect(path).await.map(Stream::Unix),
            Place::Tcp(address) => TcpStream::connect(address).await.map(Stream::Tcp),
        }
    };
    match timeout(CONNECT_TIMEOUT, connecting).await {
        Ok(connected) => connected.map_err(|error| said(&error)),
        Err(_) => Err(format!("no answer within {} s", CONNECT_TIMEOUT.as_secs())),
    }
}

/// The error in words that do not depend on the system's language or numbers.
fn said(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file".into(),
        io::ErrorKind::ConnectionRefused => "connection refused".into(),
        io::ErrorKind::PermissionDenied => "permission denied".into(),
        _ => error.to_string(),
    }
}

async fn exchange(
    stream: Stream,
    request: Request<Full<Bytes>>,
    bytes_max: usize,
) -> Result<Answer, Failure> {
    match stream {
        Stream::Tcp(stream) => exchange_on(stream, request, bytes_max).await,
        Stream::Unix(stream) => exchange_on(stream, request, bytes_max).await,
    }
}

async fn exchange_on<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    request: Request<Full<Bytes>>,
    bytes_max: usize,
) -> Result<Answer, Failure> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| Failure::Lost(error.to_string()))?;
    let answer = async move {
        let response =
            sender.send_request(request).await.map_err(|error| Failure::Lost(error.to_string()))?;
        let status = response.status().as_u16();
        let announced = response.body().size_hint().lower();
        if usize::try_from(announced).is_ok_and(|bytes| bytes > bytes_max) {
            return Err(Failure::TooLarge);
        }
        let body = Limited::new(response.into_body(), bytes_max);
        match body.collect().await {
            Ok(collected) => Ok(Answer { status, body: collected.to_bytes() }),
            Err(error) if error.is::<LengthLimitError>() => Err(Failure::TooLarge),
            Err(error) => Err(Failure::Lost(error.to_string())),
        }
    };
    // The connection makes progress only while it is polled; it may end before the last of the
    // answer was taken from it.
    let mut answer = pin!(answer);
    let mut connection = pin!(connection);
    tokio::select! {
        biased;
        done = &mut answer => done,
        _ = &mut connection => answer.await,
    }
}

async fn open_on<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    request: Request<Full<Bytes>>,
) -> Result<(Response<Incoming>, Connection), Failure> {
    let lost = |error: hyper::Error| Failure::Lost(error.to_string());
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(lost)?;
    let mut connection: Connection = Box::pin(async move {
        // The body says how it ended.
        connection.await.ok();
    });
    let answer = async move { sender.send_request(request).await.map_err(lost) };
    let mut answer = pin!(answer);
    let response = tokio::select! {
        biased;
        done = &mut answer => done,
        () = connection.as_mut() => {
            let response = answer.await?;
            return Ok((response, Box::pin(std::future::ready(()))));
        }
    };
    Ok((response?, connection))
}

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const USER_AGENT: &str = concat!("conduit/", env!("CARGO_PKG_VERSION"));
