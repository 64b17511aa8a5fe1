//! A web server that behaves as told: by path, and by what the test asks of it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::{Notify, broadcast, mpsc};
use tokio_util::sync::CancellationToken;

/// A web server on its own port. Paths: `/` says its name, `/health` follows [`Upstream::fail`],
/// `/sse` streams what [`Upstream::tell`] says, `/ws` upgrades and echoes, `/hang` never answers,
/// `/api/version` of one called `ollama VERSION` says that; `/headers` lists what arrived, `/echo` returns the body, `/slow` answers after [`Upstream::go`].
pub struct Upstream {
    pub address: SocketAddr,
    state: Arc<State>,
    stop: CancellationToken,
}

struct State {
    name: String,
    failing: AtomicBool,
    refusing: AtomicBool,
    lag_ms: AtomicU64,
    requests: AtomicUsize,
    connections: AtomicUsize,
    told: broadcast::Sender<String>,
    listening: Notify,
    arrived: Notify,
    go: Notify,
}

impl Upstream {
    /// Starts one on a free port.
    pub async fn start(name: &str) -> Self {
        Self::start_on(name, "127.0.0.1:0".parse().unwrap()).await
    }

    /// Starts one on this address: for an upstream that comes back.
    pub async fn start_on(name: &str, address: SocketAddr) -> Self {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(address).unwrap();
        let listener = socket.listen(1024).unwrap();
        let state = Arc::new(State {
            name: name.into(),
            failing: AtomicBool::new(false),
            refusing: AtomicBool::new(false),
            lag_ms: AtomicU64::new(0),
            requests: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            told: broadcast::channel(4096).0,
            listening: Notify::new(),
            arrived: Notify::new(),
            go: Notify::new(),
        });
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        spawn(accept(listener, Arc::clone(&state), stop.clone()));
        Self { address, state, stop }
    }

    /// `HOST:PORT`, as `register` takes it.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// Makes `/health` answer 500 from now on, or 200 again.
    pub fn fail(&self, failing: bool) {
        self.state.failing.store(failing, Ordering::SeqCst);
    }

    /// Makes everything but `/health` answer 503 from now on, or work again.
    pub fn refuse(&self, refusing: bool) {
        self.state.refusing.store(refusing, Ordering::SeqCst);
    }

    /// Makes everything but `/health` take this long from now on.
    pub fn lag(&self, lag: Duration) {
        let millis = u64::try_from(lag.as_millis()).unwrap();
        self.state.lag_ms.store(millis, Ordering::SeqCst);
    }

    /// How many requests arrived, probes apart.
    pub fn requests(&self) -> usize {
        self.state.requests.load(Ordering::SeqCst)
    }

    /// How many connections were made.
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// Sends a line to every open `/sse` stream.
    pub fn tell(&self, line: &str) {
        self.state.told.send(line.into()).unwrap();
    }

    /// Waits until a client of `/sse` listens.
    pub async fn listening(&self) {
        self.state.listening.notified().await;
    }

    /// Waits until a request to `/slow` or `/hang` has arrived.
    pub async fn arrived(&self) {
        self.state.arrived.notified().await;
    }

    /// Lets one `/slow` request be answered.
    pub fn go(&self) {
        self.state.go.notify_one();
    }

    /// Closes the port and every connection.
    pub fn stop(&self) {
        self.stop.cancel();
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.stop();
    }
}

#[expect(clippy::disallowed_methods, reason = "tests end with their runtime")]
pub fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(task);
}

async fn accept(listener: TcpListener, state: Arc<State>, stop: CancellationToken) {
    loop {
        let stream = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted.unwrap().0,
        };
        stream.set_nodelay(true).unwrap();
        state.connections.fetch_add(1, Ordering::SeqCst);
        let (state, stop) = (Arc::clone(&state), stop.clone());
        spawn(async move {
            let service = service_fn(move |request| answer(Arc::clone(&state), request));
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades();
            tokio::select! {
                () = stop.cancelled() => {}
                _ended = connection => {}
            }
        });
    }
}

type Body = BoxBody<Bytes, Infallible>;

async fn answer(
    state: Arc<State>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    if request.uri().path() != "/health" {
        state.requests.fetch_add(1, Ordering::SeqCst);
        match state.lag_ms.load(Ordering::SeqCst) {
            0 => {}
            lag_ms => tokio::time::sleep(Duration::from_millis(lag_ms)).await,
        }
        if state.refusing.load(Ordering::SeqCst) {
            return Ok(status(StatusCode::SERVICE_UNAVAILABLE));
        }
    }
    Ok(match request.uri().path() {
        "/health" if state.failing.load(Ordering::SeqCst) => {
            status(StatusCode::INTERNAL_SERVER_ERROR)
        }
        "/hang" => {
            state.arrived.notify_one();
            std::future::pending().await
        }
        "/slow" => {
            state.arrived.notify_one();
            state.go.notified().await;
            text(&format!("slow from {}", state.name))
        }
        "/headers" => {
            let lines = request.headers().iter().map(|(name, value)| {
                format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes()))
            });
            text(&lines.collect::<String>())
        }
        "/echo" => {
            let body =
                request.into_body().collect().await.map(|b| b.to_bytes()).unwrap_or_default();
            Response::new(Full::new(body).boxed())
        }
        "/sse" => stream_of(&state),
        "/ws" => upgrade(request),
        "/api/version" if state.name.starts_with("ollama ") => {
            text(&format!(r#"{{"version":"{}"}}"#, &state.name["ollama ".len()..]))
        }
        _ => text(&format!("hello from {}", state.name)),
    })
}

fn text(text: &str) -> Response<Body> {
    Response::new(Full::new(Bytes::from(text.to_owned())).boxed())
}

fn status(status: StatusCode) -> Response<Body> {
    let mut response = text("");
    *response.status_mut() = status;
    response
}

fn stream_of(state: &Arc<State>) -> Response<Body> {
    let mut told = state.told.subscribe();
    let (sender, receiver) = mpsc::channel::<Result<Frame<Bytes>, Infallible>>(16);
    spawn(async move {
        while let Ok(line) = told.recv().await {
            let frame = Frame::data(Bytes::from(format!("data: {line}\n\n")));
            if sender.send(Ok(frame)).await.is_err() {
                return;
            }
        }
    });
    state.listening.notify_one();
    let stream = tokio_stream::wrappers::ReceiverStream::new(receiver);
    let mut response = Response::new(BodyExt::boxed(StreamBody::new(stream)));
    response.headers_mut().insert("content-type", "text/event-stream".parse().unwrap());
    response
}

fn upgrade(mut request: Request<Incoming>) -> Response<Body> {
    let upgraded = hyper::upgrade::on(&mut request);
    spawn(async move {
        let Ok(upgraded) = upgraded.await else { return };
        let mut io = TokioIo::new(upgraded);
        let mut buffer = [0; 1024];
        while let Ok(read @ 1..) = io.read(&mut buffer).await {
            if io.write_all(&buffer[..read]).await.is_err() {
                return;
            }
        }
    });
    let mut response = status(StatusCode::SWITCHING_PROTOCOLS);
    response.headers_mut().insert("connection", "upgrade".parse().unwrap());
    response.headers_mut().insert("upgrade", "websocket".parse().unwrap());
    response
}
