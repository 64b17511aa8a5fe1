//! Questions over HTTPS, many at once on one connection of HTTP/2 (RFC 8484).
//!
//! They are posted, so that no cache of HTTP on the way answers them with what has aged.
//!
//! **Invariant:** an answer has the status and the type of one, and is no longer than a message can
//! be.

use std::net::SocketAddr;
use std::pin::pin;

use bytes::Bytes;
use conduit_core::error::Chain;
use conduit_core::tasks::Tasks;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use http::header::{self, HeaderValue};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper::rt::Executor;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::{Ask, IDLE_TIMEOUT, IN_FLIGHT_MAX, Lost, SILENCE_TIMEOUT};

/// Asks until the connection ends, or has been idle.
///
/// # Errors
/// When the other side does not speak HTTP/2.
pub(super) async fn speak<S>(
    stream: S,
    (address, name, path): (SocketAddr, &ServerName<'static>, &str),
    asks: &mut mpsc::Receiver<Ask>,
    tasks: &Tasks,
) -> Result<(), String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let told = |error: &dyn std::error::Error| error.to_string();
    let uri = uri_of(address, name, path).map_err(|error| told(&error))?;
    let handshake = Builder::new(Beside(tasks.clone()))
        .max_header_list_size(HEAD_BYTES_MAX)
        .initial_stream_window_size(u32::from(u16::MAX))
        .handshake(TokioIo::new(stream));
    let (sender, connection) = handshake.await.map_err(|error| Chain(&error).to_string())?;
    let mut connection = pin!(connection);
    let mut waiting = FuturesUnordered::new();
    let mut used = Instant::now();
    let mut heard = used;
    loop {
        let may_ask = waiting.len() < IN_FLIGHT_MAX;
        let deadline = match waiting.is_empty() {
            true => used + IDLE_TIMEOUT,
            false => used.max(heard) + SILENCE_TIMEOUT,
        };
        tokio::select! {
            _ended = &mut connection => return Ok(()),
            ask = asks.recv(), if may_ask => {
                used = Instant::now();
                let Some(ask) = ask else { return Ok(()) };
                waiting.push(exchange(sender.clone(), &uri, ask));
            }
            Some(came) = waiting.next(), if !waiting.is_empty() => match came {
                Came::Answer => heard = Instant::now(),
                Came::Nothing => return Ok(()),
                // Its other end may be gone without a word, as after a change of addresses.
                Came::TooLate { sent } if heard <= sent => return Ok(()),
                Came::TooLate { .. } => {}
            },
            () = sleep_until(deadline) => return Ok(()),
        }
    }
}

/// What came of a question.
enum Came {
    /// Something from the server, whatever it was.
    Answer,
    /// The connection takes no more questions.
    Nothing,
    /// Whoever asked has given up.
    TooLate { sent: Instant },
}

async fn exchange(sender: SendRequest<Full<Bytes>>, uri: &Uri, ask: Ask) -> Came {
    let Ask { query, mut reply } = ask;
    let sent = Instant::now();
    let answered = tokio::select! {
        answered = answer(sender, uri, query) => answered,
        () = reply.closed() => return Came::TooLate { sent },
    };
    let came = match &answered {
        Err(Lost::Gone) => Came::Nothing,
        _ => Came::Answer,
    };
    reply.send(answered).ok();
    came
}

async fn answer(
    mut sender: SendRequest<Full<Bytes>>,
    uri: &Uri,
    query: Vec<u8>,
) -> Result<Vec<u8>, Lost> {
    let refused = |reason: String| Lost::Refused(reason.into());
    let mut request = Request::post(uri.clone())
        .body(Full::from(query))
        .map_err(|error| refused(error.to_string()))?;
    for name in [header::CONTENT_TYPE, header::ACCEPT] {
        request.headers_mut().insert(name, HeaderValue::from_static(MEDIA_TYPE));
    }
    sender.ready().await.map_err(|_| Lost::Gone)?;
    // Gone, if it was the connection: the question may be asked again, since asking changes nothing.
    let response = sender.send_request(request).await.map_err(|_| Lost::Gone)?;
    if response.status() != StatusCode::OK {
        return Err(refused(format!("it answers {}", response.status())));
    }
    if !response.headers().get(header::CONTENT_TYPE).is_some_and(is_message) {
        return Err(refused("it answers with something else than DNS".to_owned()));
    }
    let body = Limited::new(response.into_body(), usize::from(u16::MAX)).collect().await;
    let body = body.map_err(|error| refused(format!("its answer does not end well: {error}")))?;
    Ok(body.to_bytes().into())
}

fn is_message(value: &HeaderValue) -> bool {
    let essence = value.to_str().ok().and_then(|text| text.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case(MEDIA_TYPE))
}

/// What is asked for: the name that the certificate is for, since that is what a server knows.
fn uri_of(address: SocketAddr, name: &ServerName<'static>, path: &str) -> Result<Uri, http::Error> {
    let authority = match name {
        ServerName::DnsName(name) if address.port() == HTTPS_PORT => name.as_ref().to_owned(),
        ServerName::DnsName(name) => format!("{}:{}", name.as_ref(), address.port()),
        _ => address.to_string(),
    };
    Uri::builder().scheme("https").authority(authority).path_and_query(path).build()
}

/// Runs what hyper needs beside a connection.
#[derive(Clone)]
struct Beside(Tasks);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Beside {
    fn execute(&self, task: F) {
        self.0.job("dns-forwarder-stream", task);
    }
}

/// RFC 8484 §6.
const MEDIA_TYPE: &str = "application/dns-message";
const HTTPS_PORT: u16 = 443;
/// Of an answer; what servers send takes a few hundred bytes.
const HEAD_BYTES_MAX: u32 = 16 << 10;
