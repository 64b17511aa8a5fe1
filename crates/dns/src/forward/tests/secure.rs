//! A forwarder that is asked over TLS and HTTPS, on loopback.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use conduit_core::tasks::Tasks;
use hickory_proto::op::Message;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use super::super::address::ForwarderAddr;
use super::super::trust::Trust;
use super::fake::{Manners, said};
use crate::fixture::Identity;

/// What it does besides its manners with messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Conduct {
    /// Answers each question as soon as it comes.
    Prompt,
    /// Answers two questions at once, the second one first.
    Reversed,
    /// Closes the connection once this many were answered.
    ClosesAfter(usize),
    /// Answers HTTP with this.
    Status(StatusCode),
    /// Sends something else.
    Web,
    /// Takes questions and says nothing.
    Mute,
}

/// A running one.
pub(crate) struct Secure {
    pub(crate) address: SocketAddr,
    identity: Identity,
    state: Arc<State>,
    tasks: Tasks,
}

struct State {
    manners: Mutex<(Manners, Conduct)>,
    connections: AtomicUsize,
    lengths: Mutex<Vec<usize>>,
    heard: Notify,
}

impl Secure {
    /// For `alpn`: `dot` or `h2`.
    pub(crate) async fn start(alpn: &'static str, manners: Manners, conduct: Conduct) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let identity = Identity::new(&["dns.example"]);
        let state = Arc::new(State {
            manners: Mutex::new((manners, conduct)),
            connections: AtomicUsize::new(0),
            lengths: Mutex::default(),
            heard: Notify::new(),
        });
        let secure = Self {
            address: listener.local_addr().expect("bound"),
            identity,
            state,
            tasks: Tasks::new(CancellationToken::new()),
        };
        let acceptor = TlsAcceptor::from(secure.identity.server(alpn.as_bytes()));
        let (state, tasks) = (Arc::clone(&secure.state), secure.tasks.clone());
        secure.tasks.job("accept", async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, state) = (acceptor.clone(), Arc::clone(&state));
                tasks.job("serve", async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    state.connections.fetch_add(1, Ordering::Relaxed);
                    if alpn == "h2" {
                        over_https(stream, state).await;
                    } else {
                        drop(over_tls(stream, &state).await);
                    }
                });
            }
        });
        secure
    }

    /// How it is written down, with this name.
    pub(crate) fn named(&self, scheme: &str, name: &str) -> ForwarderAddr {
        format!("{scheme}://{}#{name}", self.address).parse().expect("valid")
    }

    pub(crate) fn trust(&self) -> Trust {
        Trust::new(self.identity.client(), self.address.to_string().as_bytes())
    }

    pub(crate) fn now(&self, manners: Manners, conduct: Conduct) {
        *self.state.manners.lock().expect("whole") = (manners, conduct);
    }

    pub(crate) fn connections(&self) -> usize {
        self.state.connections.load(Ordering::Relaxed)
    }

    /// How long the questions were.
    pub(crate) fn lengths(&self) -> Vec<usize> {
        self.state.lengths.lock().expect("whole").clone()
    }

    /// Waits until a question was heard.
    pub(crate) async fn heard(&self) {
        self.state.heard.notified().await;
    }
}

impl State {
    fn hear(&self, request: &[u8]) -> (Vec<u8>, Conduct) {
        self.lengths.lock().expect("whole").push(request.len());
        self.heard.notify_one();
        let (manners, conduct) = *self.manners.lock().expect("whole");
        let request = Message::from_vec(request).expect("a query");
        (said(manners, &request, true).pop().unwrap_or_default(), conduct)
    }
}

async fn over_tls(mut stream: TlsStream<TcpStream>, state: &State) -> std::io::Result<()> {
    let mut held = Vec::new();
    let mut answered = 0;
    loop {
        let mut request = vec![0; usize::from(stream.read_u16().await?)];
        stream.read_exact(&mut request).await?;
        let (reply, conduct) = state.hear(&request);
        let length = u16::try_from(reply.len()).expect("short").to_be_bytes();
        let framed = [&length[..], &reply].concat();
        match conduct {
            Conduct::Mute => continue,
            Conduct::Reversed if held.is_empty() => held = framed,
            Conduct::Reversed => {
                stream.write_all(&[framed, std::mem::take(&mut held)].concat()).await?;
            }
            _ => stream.write_all(&framed).await?,
        }
        stream.flush().await?;
        answered += 1;
        if conduct == Conduct::ClosesAfter(answered) {
            return stream.shutdown().await;
        }
    }
}

async fn over_https(stream: TlsStream<TcpStream>, state: Arc<State>) {
    let answer = move |request: Request<Incoming>| answer(request, Arc::clone(&state));
    let served = http2::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), service_fn(answer));
    drop(served.await);
}

async fn answer(
    request: Request<Incoming>,
    state: Arc<State>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    assert_eq!(request.uri().path(), "/dns-query");
    assert_eq!(request.headers()[header::CONTENT_TYPE], "application/dns-message");
    let authority = request.uri().authority().expect("one").as_str().to_owned();
    assert!(authority.starts_with("dns.example:"), "{authority}");
    let body = request.into_body().collect().await.expect("whole").to_bytes();
    assert_eq!(body[..2], [0, 0], "an id of its own would defeat caches");
    let (reply, conduct) = state.hear(&body);
    let mut response = Response::new(Full::from(reply));
    let kind = match conduct {
        Conduct::Web => "text/html",
        Conduct::Mute => std::future::pending().await,
        _ => "application/dns-message",
    };
    response.headers_mut().insert(header::CONTENT_TYPE, kind.parse().expect("valid"));
    if let Conduct::Status(status) = conduct {
        *response.status_mut() = status;
    }
    Ok(response)
}
