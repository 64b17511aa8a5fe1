//! One question to one engine, over HTTP/1.1.
//!
//! **Invariant:** it ends within its deadline, and at most [`BODY_BYTES_MAX`] of the answer are
//! read. A redirect is an answer like any other.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use conduit_core::upstream::UpstreamHost;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::target::{EngineTarget, TlsFor};

/// Why there is no answer, in words for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unanswered {
    /// Nobody can be asked there now; other questions at the same port fare the same.
    Unreachable(String),
    /// What came is no answer.
    Broken(String),
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(why) | Self::Broken(why) => f.write_str(why),
        }
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Asks for `path`; `port` is another one than the upstream's.
pub(super) async fn get(
    target: &EngineTarget,
    (path, port): (&str, Option<u16>),
    tls: Option<&TlsFor>,
) -> Result<(StatusCode, String), Unanswered> {
    let connect = connect(target, port, tls);
    let stream = timeout(CONNECT_DEADLINE, connect).await.map_err(|_| {
        let seconds = CONNECT_DEADLINE.as_secs();
        Unanswered::Unreachable(format!("no connection within {seconds} s"))
    })??;
    match timeout(ANSWER_DEADLINE, exchange(stream, target, path)).await {
        Ok(answer) => answer
            .map_err(|why| Unanswered::Broken(format!("its answer to {path} is broken: {why}"))),
        Err(_) => {
            let seconds = ANSWER_DEADLINE.as_secs();
            Err(Unanswered::Unreachable(format!("no answer to {path} within {seconds} s")))
        }
    }
}

async fn connect(
    target: &EngineTarget,
    port: Option<u16>,
    tls: Option<&TlsFor>,
) -> Result<Box<dyn Stream>, Unanswered> {
    let failed = |error: io::Error| Unanswered::Unreachable(format!("cannot connect: {error}"));
    let port = port.unwrap_or_else(|| target.upstream.port());
    let (stream, own_name): (Box<dyn Stream>, String) = match target.upstream.host() {
        UpstreamHost::Ip(ip) => {
            (Box::new(TcpStream::connect((*ip, port)).await.map_err(failed)?), ip.to_string())
        }
        UpstreamHost::Name(name) => {
            (Box::new(TcpStream::connect((&**name, port)).await.map_err(failed)?), name.to_string())
        }
        UpstreamHost::Unix(path) => {
            (Box::new(UnixStream::connect(&**path).await.map_err(failed)?), LOCALHOST.to_owned())
        }
    };
    let Some(judged) = &target.tls else {
        return Ok(stream);
    };
    let config = tls.and_then(|tls| tls(judged)).ok_or_else(|| {
        Unanswered::Unreachable(format!("the monitor cannot judge its certificate ({judged})"))
    })?;
    let name = target.server_name.as_ref().map_or(own_name, |name| name.as_str().to_owned());
    let name = ServerName::try_from(name)
        .map_err(|error| Unanswered::Unreachable(format!("cannot connect: {error}")))?;
    let stream = TlsConnector::from(without_http2(&config)).connect(name, stream).await;
    Ok(Box::new(stream.map_err(failed)?))
}

/// The same, offering HTTP/1.1 alone.
fn without_http2(config: &Arc<rustls::ClientConfig>) -> Arc<rustls::ClientConfig> {
    if config.alpn_protocols.is_empty() {
        return Arc::clone(config);
    }
    let mut config = rustls::ClientConfig::clone(config);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}

async fn exchange(
    stream: Box<dyn Stream>,
    target: &EngineTarget,
    path: &str,
) -> Result<(StatusCode, String), Box<dyn std::error::Error + Send + Sync>> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let host = match (&target.host, target.upstream.unix()) {
        (Some(host), _) => host.to_string(),
        (None, Some(_)) => LOCALHOST.to_owned(),
        (None, None) => target.upstream.to_string(),
    };
    let request = Request::get(path)
        .header(header::HOST, host)
        .header(header::ACCEPT, ACCEPT)
        .header(header::USER_AGENT, USER_AGENT)
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())?;
    let answer = async {
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), BODY_BYTES_MAX).collect().await?.to_bytes();
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    };
    let mut answer = std::pin::pin!(answer);
    tokio::select! {
        answer = &mut answer => answer,
        // The connection ends before its last bytes are taken out of it.
        _ = connection => answer.await,
    }
}

/// How long connecting may take, TLS included.
const CONNECT_DEADLINE: Duration = Duration::from_secs(1);
/// How long an answer may take; an engine that reads a long prompt is slow to answer anything.
const ANSWER_DEADLINE: Duration = Duration::from_secs(3);
/// The longest answer, in bytes.
const BODY_BYTES_MAX: usize = 4 << 20;
/// What is asked for; engines that know other forms answer in this one.
const ACCEPT: &str = "text/plain;version=0.0.4, application/json;q=0.9, */*;q=0.1";
/// Who asks.
const USER_AGENT: &str = concat!("conduit/", env!("CARGO_PKG_VERSION"));
/// What an upstream that is a Unix socket is called.
const LOCALHOST: &str = "localhost";
