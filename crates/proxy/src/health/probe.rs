//! One check of one upstream: connect, and for HTTP ask for a path, for gRPC for its health.
//!
//! Each probe uses a fresh connection, opened like those of requests, follows no redirect, and reads
//! a body only when a text is to be found in it.
//!
//! **Invariant:** an answer of an upstream costs at most [`PROBE_HEAD_BYTES_MAX`] and, where a text
//! is looked for, [`PROBE_BODY_BYTES_MAX`] of memory, and the probe's deadline of time, whatever it
//! sends.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use conduit_core::name::Host;
use conduit_core::policy::{ProbeKind, ProbePolicy, StatusSet};
use conduit_core::service::ProbeSpec;
use conduit_core::upstream::UpstreamAddr;
use http::uri::Scheme;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::rt::Executor;
use hyper::{Method, Request, Response, StatusCode, Version as HttpVersion, header};
use hyper_util::rt::TokioIo;
use memchr::memmem::Finder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::connect::{ConnectError, Opened, Place, Transport, Version, Versions};
use crate::health::grpc;
use crate::resolve::{ResolveError, Resolver};

/// How a probe ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It did not get the answer it needs.
    Failed(Failure),
    /// It did.
    Passed,
}

/// Why a probe failed; its text is the reason that people read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// The name has no address.
    NameUnknown,
    /// The name has only addresses that the configuration does not allow.
    NotAllowed,
    /// The body does not hold the text that it should.
    BodyLacks,
    /// The server does not serve now, it says over gRPC.
    GrpcNotServing,
    /// The server does not know this gRPC service.
    GrpcServiceUnknown(String),
    /// A gRPC status that tells of a failure.
    GrpcStatus(u16),
    /// The server does not offer gRPC's health checking.
    GrpcUnimplemented,
    /// The connection ended before the head of an answer.
    NoAnswer,
    /// What came back is not gRPC.
    NotGrpc,
    /// What came back is not HTTP, or not the version that was asked in.
    NotHttp,
    /// Nobody listens there.
    Refused,
    /// It ended the request, and nothing else, without answering it.
    Reset,
    /// The answer has a status that does not count as healthy.
    Status(StatusCode),
    /// The probe itself broke.
    ProbeBroke,
    /// Nothing came in time.
    TimedOut(Duration),
    /// TLS failed, for this reason.
    Tls(String),
    /// The address cannot be reached, for this reason.
    Unreachable(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NameUnknown => f.write_str("name not found"),
            Self::NotAllowed => f.write_str("name resolves to an address that is not allowed"),
            Self::BodyLacks => f.write_str("the answer lacks the expected text"),
            Self::GrpcNotServing => f.write_str("gRPC health: not serving"),
            Self::GrpcServiceUnknown(service) => {
                write!(f, "gRPC health: the server knows no service {service:?}")
            }
            Self::GrpcStatus(status) => write!(f, "gRPC status {status}"),
            Self::GrpcUnimplemented => {
                f.write_str("the server does not implement grpc.health.v1; probe with kind tcp")
            }
            Self::NotGrpc => f.write_str("the answer is not gRPC over HTTP/2"),
            Self::NoAnswer => f.write_str("connection closed without an answer"),
            Self::NotHttp => f.write_str("the answer is not HTTP"),
            Self::Refused => f.write_str("connection refused"),
            Self::Reset => f.write_str("the request was reset"),
            Self::Status(status) => write!(f, "status {}", status.as_u16()),
            Self::ProbeBroke => f.write_str("the probe broke; see the log"),
            Self::TimedOut(after) => write!(f, "timed out after {after:?}"),
            Self::Tls(reason) => write!(f, "TLS: {reason}"),
            Self::Unreachable(reason) => f.write_str(reason),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(failure) => failure.fmt(f),
            Self::Passed => f.write_str("the probe passed"),
        }
    }
}

impl Outcome {
    /// The reason in words; `None` when the probe passed.
    pub fn reason(&self) -> Option<String> {
        match self {
            Self::Failed(failure) => Some(failure.to_string()),
            Self::Passed => None,
        }
    }
}

/// One check, ready to run.
#[derive(Debug, Clone)]
pub struct Probe {
    /// What to connect to.
    pub addr: UpstreamAddr,
    /// Where it was reached last, tried first when the name has several addresses.
    pub last: Option<SocketAddr>,
    /// How to speak to it.
    pub transport: Arc<Transport>,
    /// What to ask.
    pub ask: Ask,
    /// How long all of it may take.
    pub timeout: Duration,
}

/// What a probe asks, and what counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// Connecting is enough.
    Connect,
    /// `GET` of a path.
    Get {
        /// The path, with its query.
        path: Box<str>,
        /// What the `Host` header says.
        host: Host,
        /// Which answers count.
        counts: Counts,
        /// A text that the body must hold.
        body: Option<Box<str>>,
    },
    /// gRPC's health check.
    Grpc {
        /// The service asked about; empty for the server as a whole.
        service: Box<str>,
        /// What the authority says.
        host: Host,
    },
}

/// Which statuses count as healthy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Counts {
    /// Anything below 500: the path is a guess, and a 404 is proof of life.
    Below500,
    /// 2xx and 3xx: the operator named the path.
    Success,
    /// These, because the operator named them.
    These(StatusSet),
}

impl Counts {
    fn judge(&self, status: StatusCode) -> Result<(), Failure> {
        let healthy = match self {
            Self::Below500 => status.as_u16() < 500,
            Self::Success => status.is_success() || status.is_redirection(),
            Self::These(set) => set.contains(status.as_u16()),
        };
        if healthy { Ok(()) } else { Err(Failure::Status(status)) }
    }
}

impl Ask {
    /// What a service's probe asks, where `asked` is its policy and `default_path` the configured
    /// one.
    pub fn of(spec: &ProbeSpec, asked: &ProbePolicy, default_path: &str, host: &Host) -> Self {
        let kind = asked.kind.unwrap_or(match spec {
            ProbeSpec::Connect => ProbeKind::Tcp,
            ProbeSpec::Default | ProbeSpec::Path(_) => ProbeKind::Http,
        });
        let (path, counts) = match spec {
            ProbeSpec::Connect | ProbeSpec::Default => (default_path, Counts::Below500),
            ProbeSpec::Path(path) => (path.as_str(), Counts::Success),
        };
        match kind {
            ProbeKind::Tcp => Self::Connect,
            ProbeKind::Http => Self::Get {
                path: path.into(),
                host: host.clone(),
                counts: asked.status.clone().map_or(counts, Counts::These),
                body: asked.body.as_deref().map(Into::into),
            },
            ProbeKind::Grpc => Self::Grpc {
                service: asked.grpc_service.as_deref().unwrap_or_default().into(),
                host: host.clone(),
            },
        }
    }
}

/// What a probe found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How it ended.
    pub outcome: Outcome,
    /// The address that took the connection, when one did.
    pub socket: Option<SocketAddr>,
    /// How long it took.
    pub latency: Duration,
}

impl Probe {
    /// Runs the check; always ends within the timeout.
    pub async fn run(&self, resolver: &Resolver) -> Finding {
        let started = Instant::now();
        let mut socket = None;
        let attempt = self.attempt(resolver, &mut socket);
        let outcome = match timeout_at(started + self.timeout, attempt).await {
            Ok(outcome) => outcome,
            Err(_) => Outcome::Failed(Failure::TimedOut(self.timeout)),
        };
        Finding { outcome, socket, latency: started.elapsed() }
    }

    async fn attempt(&self, resolver: &Resolver, socket: &mut Option<SocketAddr>) -> Outcome {
        let places = match self.places(resolver).await {
            Ok(places) => places,
            Err(error) => return Outcome::Failed(error.into()),
        };
        let mut failure = Failure::NameUnknown;
        for place in places {
            let opening = resolver.connector().open(&place, &self.transport, Versions::Any);
            match opening.await {
                Ok(opened) => {
                    *socket = place.socket();
                    return self.put(opened).await;
                }
                Err(error) => failure = error.into(),
            }
        }
        Outcome::Failed(failure)
    }

    async fn places(&self, resolver: &Resolver) -> Result<Vec<Place>, ResolveError> {
        if let Some(path) = self.addr.unix() {
            return Ok(vec![Place::Unix(Arc::clone(path))]);
        }
        let found = resolver.lookup(&self.addr, self.last).await?;
        Ok(found.into_iter().map(Place::Tcp).collect())
    }

    async fn put(&self, opened: Opened) -> Outcome {
        let scheme = self.transport.scheme();
        let asked = match (&self.ask, opened.version) {
            (Ask::Get { path, host, counts, body }, Version::Http2) => {
                let text = body.as_deref();
                match get_over_http2(opened.stream, &scheme, path, host, counts, text).await {
                    // How gRPC servers answer a path that is only a guess.
                    Err(Failure::Reset) if *counts == Counts::Below500 && text.is_none() => Ok(()),
                    asked => asked,
                }
            }
            (Ask::Grpc { service, host }, _) => {
                grpc::check(opened.stream, &scheme, service, host).await
            }
            (ask, _) => return ask.put(opened.stream).await,
        };
        asked.map_or_else(Outcome::Failed, |()| Outcome::Passed)
    }
}

impl Ask {
    /// Asks in the clear over an open connection, in HTTP/1.1 where it is HTTP; the caller sets the
    /// deadline.
    pub async fn put<S>(&self, stream: S) -> Outcome
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let asked = match self {
            Self::Connect => Ok(()),
            Self::Get { path, host, counts, body } => {
                get(stream, path, host, counts, body.as_deref()).await
            }
            Self::Grpc { service, host } => grpc::check(stream, &Scheme::HTTP, service, host).await,
        };
        asked.map_or_else(Outcome::Failed, |()| Outcome::Passed)
    }
}

/// Sends one `GET` over HTTP/1.1 and judges the head of the answer, and its body when a text is to be in it.
async fn get<S>(
    stream: S,
    path: &str,
    host: &Host,
    counts: &Counts,
    text: Option<&str>,
) -> Result<(), Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let request = Request::builder()
        .method(Method::GET)
        .uri(path)
        .header(header::HOST, host.as_str())
        .header(header::USER_AGENT, USER_AGENT)
        .header(header::ACCEPT, "*/*")
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|_| Failure::ProbeBroke)?;
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(PROBE_HEAD_BYTES_MAX)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| failure_of_http(&error))?;
    let asked = async move { judge(sender.send_request(request).await, counts, text).await };
    tokio::pin!(connection, asked);
    tokio::select! {
        biased;
        judged = &mut asked => judged,
        ended = &mut connection => match ended {
            Ok(()) => asked.await,
            Err(error) => Err(failure_of_http(&error)),
        },
    }
}

/// The same over HTTP/2.
async fn get_over_http2<S>(
    stream: S,
    scheme: &Scheme,
    path: &str,
    host: &Host,
    counts: &Counts,
    text: Option<&str>,
) -> Result<(), Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let request = Request::builder()
        .method(Method::GET)
        .version(HttpVersion::HTTP_2)
        .uri(format!("{scheme}://{host}{path}"))
        .header(header::USER_AGENT, USER_AGENT)
        .header(header::ACCEPT, "*/*")
        .body(Empty::<Bytes>::new())
        .map_err(|_| Failure::ProbeBroke)?;
    let own = OwnTasks::default();
    let _ending = Ending(own.clone());
    let (mut sender, connection) = http2::Builder::new(own.clone())
        .max_header_list_size(PROBE_HEAD_BYTES_MAX as u32)
        .initial_stream_window_size(PROBE_HEAD_BYTES_MAX as u32)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| failure_of_http(&error))?;
    own.execute(async {
        // What ends the connection ends the request on it, too.
        connection.await.ok();
    });
    judge(sender.send_request(request).await, counts, text).await
}

/// The tasks of one probe.
#[derive(Debug, Clone, Default)]
struct OwnTasks(Arc<Mutex<JoinSet<()>>>);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for OwnTasks {
    fn execute(&self, task: F) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).spawn(task);
    }
}

/// Ends them when the probe ends; they hold each other, so dropping the set is not enough.
struct Ending(OwnTasks);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
    }
}

/// Judges an answer: its head, and its body when a text is to be in it.
async fn judge(
    answer: hyper::Result<Response<Incoming>>,
    counts: &Counts,
    text: Option<&str>,
) -> Result<(), Failure> {
    let answer = answer.map_err(|error| failure_of_http(&error))?;
    counts.judge(answer.status())?;
    match text {
        Some(text) => find(text, answer.into_body()).await,
        None => Ok(()),
    }
}

/// Reads a body until a text was found, it ends, or enough of it was read.
async fn find(text: &str, mut body: Incoming) -> Result<(), Failure> {
    let finder = Finder::new(text);
    let mut read = Vec::new();
    loop {
        let searched = read.len();
        let Some(frame) = body.frame().await else {
            return Err(Failure::BodyLacks);
        };
        let frame = frame.map_err(|error| failure_of_http(&error))?;
        let data = frame.data_ref().map_or(&[][..], |data| &data[..]);
        let room = PROBE_BODY_BYTES_MAX - read.len();
        read.extend_from_slice(&data[..data.len().min(room)]);
        // The text may begin in the piece before.
        let from = searched.saturating_sub(text.len().saturating_sub(1));
        if finder.find(&read[from..]).is_some() {
            return Ok(());
        }
        if read.len() == PROBE_BODY_BYTES_MAX {
            return Err(Failure::BodyLacks);
        }
    }
}

fn failure_of(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Failure::Refused,
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Failure::NoAnswer,
        _ => Failure::Unreachable(short(error)),
    }
}

fn failure_of_http(error: &hyper::Error) -> Failure {
    // A request that went down with its connection carries what took the connection down.
    let source = error.source();
    if let Some(error) = source.and_then(|source| source.downcast_ref::<h2::Error>()) {
        return match (error.is_library(), error.is_reset()) {
            (true, _) => Failure::NotHttp,
            (false, true) => Failure::Reset,
            (false, false) => Failure::NoAnswer,
        };
    }
    if let Some(cause) = source.and_then(|source| source.downcast_ref()) {
        return failure_of_http(cause);
    }
    let lost = source.is_some_and(|source| source.is::<io::Error>());
    if lost || error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        Failure::NoAnswer
    } else {
        Failure::NotHttp
    }
}

/// The system's words without its error number: `no route to host`.
fn short(error: &io::Error) -> String {
    let text = error.to_string();
    let words = text.split(" (os error").next().unwrap_or(&text);
    words.to_lowercase()
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Refused(error) => failure_of(&error),
            ConnectError::TimedOut => Self::NoAnswer,
            ConnectError::Tls(reason) => Self::Tls(reason),
        }
    }
}

impl From<ResolveError> for Failure {
    fn from(error: ResolveError) -> Self {
        match error {
            ResolveError::NotAllowed => Self::NotAllowed,
            ResolveError::NotFound => Self::NameUnknown,
        }
    }
}

/// How an upstream's log tells a probe from a person.
pub(super) const USER_AGENT: &str = concat!("conduit-probe/", env!("CARGO_PKG_VERSION"));
/// How much of an answer's head a probe reads before it gives up; hyper's least is 8 KiB.
pub const PROBE_HEAD_BYTES_MAX: usize = 16 * 1024;
/// How much of a body is searched for a text.
pub const PROBE_BODY_BYTES_MAX: usize = 64 * 1024;

#[cfg(test)]
mod tests;
