//! What kind of program is behind an upstream, found out by asking it.
//!
//! It happens once, before a registration that asks for `--preset auto`, and never on the request
//! path. What the answers mean is decided in [`signs`].
//!
//! **Invariant:** one upstream costs at most [`FINGERPRINT_TIMEOUT`] of time and
//! [`ANSWER_BYTES_MAX`] of memory for each question, whatever it sends; no redirect is followed, and
//! nothing is asked that changes anything.

pub mod signs;

use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use conduit_core::policy::Preset;
use conduit_core::service::Protocol;
use conduit_core::upstream::UpstreamAddr;
use futures_util::future::join_all;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper::{Request, header};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use self::signs::{Answer, PATHS};
use crate::health::probe::PROBE_HEAD_BYTES_MAX;
use crate::resolve::Resolver;

/// What was found, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    /// The kind of program; `generic` when it was not recognised.
    pub preset: Preset,
    /// Such as `GET /api/version answered 0.5.1`.
    pub evidence: String,
    /// Whether anything answered at all.
    pub answered: bool,
}

impl Fingerprint {
    /// Nothing was found, for this reason.
    pub fn silent(reason: impl Into<String>) -> Self {
        Self { preset: Preset::Generic, evidence: reason.into(), answered: false }
    }

    fn of((preset, evidence): (Preset, String)) -> Self {
        Self { preset, evidence, answered: true }
    }

    fn unknown() -> Self {
        Self::of((Preset::Generic, "it answers like no program that is known".into()))
    }
}

/// An upstream to look at, and what it speaks when that is known.
pub type Asked = (UpstreamAddr, Option<Protocol>);

/// Looks at several upstreams, a bounded number of them at a time, and answers in their order.
///
/// Literal addresses are not judged here: whoever asks has judged them.
pub async fn fingerprints(asked: &[Asked], resolver: &Resolver) -> Vec<Fingerprint> {
    let mut found = Vec::with_capacity(asked.len());
    for some in asked.chunks(UPSTREAMS_AT_ONCE) {
        let mut looks = Vec::with_capacity(some.len());
        for (addr, protocol) in some {
            looks.push(fingerprint(addr, *protocol, resolver));
        }
        found.extend(join_all(looks).await);
    }
    found
}

/// Looks at one upstream; always ends within [`FINGERPRINT_TIMEOUT`].
pub async fn fingerprint(
    addr: &UpstreamAddr,
    protocol: Option<Protocol>,
    resolver: &Resolver,
) -> Fingerprint {
    let deadline = Instant::now() + FINGERPRINT_TIMEOUT;
    match timeout_at(deadline, find(addr, protocol, resolver)).await {
        Ok(found) => found,
        Err(_) => Fingerprint::silent(format!("{addr} did not answer in time")),
    }
}

async fn find(addr: &UpstreamAddr, protocol: Option<Protocol>, resolver: &Resolver) -> Fingerprint {
    if let Some(encrypted @ (Protocol::Https | Protocol::H2c)) = protocol {
        return Fingerprint::silent(format!("{addr} was not asked: it speaks {encrypted}"));
    }
    let socket = match reach(addr, resolver).await {
        Ok(socket) => socket,
        Err(reason) => return Fingerprint::silent(format!("{addr} did not answer: {reason}")),
    };
    // A database logs an HTTP request as an attack, and a web server a greeting as a mistake, so
    // the port says what is tried first.
    let usual = [Preset::Postgres, Preset::Redis].map(Preset::port).contains(&addr.port());
    if protocol == Some(Protocol::Tcp) {
        return match greet(socket).await {
            Some(found) => Fingerprint::of(found),
            None => Fingerprint::unknown(),
        };
    }
    if usual && let Some(found) = greet(socket).await {
        return Fingerprint::of(found);
    }
    let first = get(socket, addr, PATHS[0]).await;
    if first.is_none() {
        let greeted = if usual || protocol.is_some() { None } else { greet(socket).await };
        return greeted.map_or_else(Fingerprint::unknown, Fingerprint::of);
    }
    let mut rest = Vec::with_capacity(PATHS.len());
    for path in &PATHS[1..] {
        rest.push(get(socket, addr, path));
    }
    let mut answers: Vec<Option<Answer>> = vec![first];
    answers.extend(join_all(rest).await);
    signs::of_http(&answers).map_or_else(Fingerprint::unknown, Fingerprint::of)
}

/// The first address that takes a connection.
async fn reach(addr: &UpstreamAddr, resolver: &Resolver) -> Result<SocketAddr, String> {
    let sockets = resolver.lookup(addr, None).await.map_err(|error| error.to_string())?;
    let mut reason = String::new();
    for socket in sockets {
        match timeout(QUESTION_TIMEOUT, TcpStream::connect(socket)).await {
            Ok(Ok(_)) => return Ok(socket),
            Ok(Err(error)) => reason = error.kind().to_string(),
            Err(_) => reason = "timed out".into(),
        }
    }
    Err(reason)
}

/// Asks for one path; `None` when what comes back is no HTTP.
async fn get(socket: SocketAddr, addr: &UpstreamAddr, path: &str) -> Option<Answer> {
    timeout(QUESTION_TIMEOUT, exchange(socket, addr, path)).await.ok()?
}

async fn exchange(socket: SocketAddr, addr: &UpstreamAddr, path: &str) -> Option<Answer> {
    let stream = TcpStream::connect(socket).await.ok()?;
    let request = Request::get(path)
        .header(header::HOST, addr.to_string())
        .header(header::USER_AGENT, USER_AGENT)
        .header(header::ACCEPT, "*/*")
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .ok()?;
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(PROBE_HEAD_BYTES_MAX)
        .handshake(TokioIo::new(stream))
        .await
        .ok()?;
    let asking = async {
        let response = sender.send_request(request).await.ok()?;
        let status = response.status().as_u16();
        let mut incoming = response.into_body();
        let mut body = Vec::new();
        while let Some(Ok(frame)) = incoming.frame().await {
            let data = frame.into_data().unwrap_or_default();
            let room = ANSWER_BYTES_MAX - body.len();
            body.extend_from_slice(&data[..data.len().min(room)]);
            if body.len() == ANSWER_BYTES_MAX {
                break;
            }
        }
        Some(Answer { status, body })
    };
    let (mut asking, mut connection) = (pin!(asking), pin!(connection));
    tokio::select! {
        biased;
        answer = &mut asking => answer,
        _ended = &mut connection => asking.await,
    }
}

/// Says what databases expect to hear, each on a connection of its own.
async fn greet(socket: SocketAddr) -> Option<(Preset, String)> {
    let (postgres, redis) =
        tokio::join!(say(socket, &signs::POSTGRES_HELLO), say(socket, signs::REDIS_HELLO));
    signs::of_stream(&postgres, &redis)
}

/// The first bytes that come back; empty when none do.
async fn say(socket: SocketAddr, hello: &[u8]) -> Vec<u8> {
    let asking = async {
        let mut stream = TcpStream::connect(socket).await.ok()?;
        stream.write_all(hello).await.ok()?;
        let mut answer = vec![0; GREETING_BYTES_MAX];
        let length = stream.read(&mut answer).await.ok()?;
        answer.truncate(length);
        Some(answer)
    };
    timeout(QUESTION_TIMEOUT, asking).await.ok().flatten().unwrap_or_default()
}

/// How long looking at one upstream may take in all.
pub const FINGERPRINT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long one question may take, connecting included.
pub const QUESTION_TIMEOUT: Duration = Duration::from_secs(1);
/// How much of one answer is read.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Upstreams that are looked at at a time, in a bulk.
pub const UPSTREAMS_AT_ONCE: usize = 16;
/// How much of a database's greeting is read.
const GREETING_BYTES_MAX: usize = 128;
/// How an upstream's log tells this from a person.
const USER_AGENT: &str = concat!("conduit-fingerprint/", env!("CARGO_PKG_VERSION"));

#[cfg(test)]
mod tests;
