//! HTTP to a place of an operator's choice, from the gateway itself.
//!
//! **Invariant:** redirects are not followed and proxies are not used; names that we serve are asked
//! of our own listener, whether or not this machine resolves them; time and size are bounded.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use conduit_core::error::Chain;
use conduit_core::live;
use conduit_proxy::table::RouteTable;
use http::response::Parts;
use http::{HeaderValue, Request, Response, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// What asks; cheap to clone.
#[derive(Clone)]
pub(crate) struct Fetch {
    connector: TlsConnector,
    routes: live::Reader<RouteTable>,
    /// Our own listener, for the names that we serve.
    https: Option<SocketAddr>,
}

impl Fetch {
    /// Trusts as `tls` does.
    pub(crate) fn new(
        mut tls: ClientConfig,
        routes: live::Reader<RouteTable>,
        https: Option<SocketAddr>,
    ) -> Self {
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self { connector: TlsConnector::from(Arc::new(tls)), routes, https }
    }

    /// Asks once, and reads the whole answer.
    ///
    /// # Errors
    /// In words for the operator: what could not be reached, and why.
    pub(crate) async fn send(
        &self,
        request: Request<Vec<u8>>,
    ) -> Result<Response<Vec<u8>>, String> {
        let shown = shown(request.uri());
        let failed = |reason: String| format!("{shown} does not answer: {reason}");
        match timeout(PATIENCE, self.exchange(request)).await {
            Ok(answered) => answered.map_err(failed),
            Err(_) => Err(failed(format!("not within {} s", PATIENCE.as_secs()))),
        }
    }

    async fn exchange(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, String> {
        let uri = request.uri().clone();
        let is_tls = uri.scheme_str() == Some("https");
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let socket = match self.ours(&host).filter(|_| is_tls) {
            Some(listener) => TcpStream::connect(listener).await,
            None => TcpStream::connect((host.as_str(), port)).await,
        };
        let socket = socket.map_err(|error| told(&error))?;
        let request = local(request, &uri)?;
        if !is_tls {
            return whole(speak(socket, request, BODY_BYTES_MAX).await?);
        }
        let name = ServerName::try_from(host).map_err(|error| told(&error))?;
        let stream = self.connector.connect(name, socket).await;
        let stream = stream.map_err(|error| told(&error))?;
        whole(speak(stream, request, BODY_BYTES_MAX).await?)
    }

    /// Where a name that we serve ourselves is reached.
    fn ours(&self, host: &str) -> Option<SocketAddr> {
        let routes = self.routes.load();
        let route = routes.get(&host.to_ascii_lowercase())?;
        route.leaves.is_some().then_some(self.https).flatten()
    }
}

/// The request as it goes over a connection to its host.
fn local(request: Request<Vec<u8>>, uri: &Uri) -> Result<Request<Full<Bytes>>, String> {
    let (mut head, body) = request.into_parts();
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let host = HeaderValue::try_from(authority).map_err(|error| told(&error))?;
    head.headers.insert(header::HOST, host);
    head.headers.insert(header::USER_AGENT, HeaderValue::from_static("conduit"));
    head.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    head.uri = path.parse().map_err(|error| told(&error))?;
    Ok(Request::from_parts(head, Full::new(Bytes::from(body))))
}

/// One request on a connection of its own, and the head of its answer; with it the body, or why that
/// did not come whole within `body_bytes_max`.
pub(crate) async fn speak<S>(
    stream: S,
    request: Request<Full<Bytes>>,
    body_bytes_max: usize,
) -> Result<(Parts, Result<Bytes, String>), String>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let handshake =
        http1::Builder::new().max_buf_size(HEAD_BYTES_MAX).handshake(TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.map_err(|error| told(&error))?;
    let exchange = async move {
        let answer = sender.send_request(request).await.map_err(|error| told(&error))?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, body_bytes_max).collect().await;
        let body = body.map(|body| body.to_bytes()).map_err(|e| told(&io::Error::other(e)));
        Ok((head, body))
    };
    // Whatever ends the connection early ends the exchange as well, which knows more about it.
    let (answer, _ended) = tokio::join!(exchange, connection);
    answer
}

fn whole((head, body): (Parts, Result<Bytes, String>)) -> Result<Response<Vec<u8>>, String> {
    body.map(|body| Response::from_parts(head, body.to_vec()))
}

/// A URL without what may be secret in it.
fn shown(uri: &Uri) -> String {
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    format!("{}://{authority}{}", uri.scheme_str().unwrap_or_default(), uri.path())
}

fn told(error: &(dyn std::error::Error + 'static)) -> String {
    Chain(error).to_string()
}

/// How long one exchange may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest head of an answer, in bytes.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// The longest body of an answer, in bytes.
const BODY_BYTES_MAX: usize = 1 << 20;
