//! One HTTP request to a place of an operator's choice.
//!
//! Redirects are not followed and proxies are not used: a secret goes where it was meant to go.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::DeliveryError;
use super::place::Place;

/// A request as a channel makes it.
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) place: Place,
    /// Fields beside host, length and type.
    pub(super) fields: Vec<(&'static str, String)>,
    /// JSON.
    pub(super) body: Vec<u8>,
}

/// Sends a request, and judges the answer by its status. The caller sets the deadline.
pub(super) async fn send(call: Call, tls: &Arc<ClientConfig>) -> Result<(), DeliveryError> {
    let place = call.place.clone();
    let stream = connect(place.host(), place.port()).await?;
    if !place.is_tls() {
        return exchange(stream, call).await;
    }
    exchange(secure(stream, place.host(), tls, &[b"http/1.1"]).await?, call).await
}

/// Opens a connection.
pub(super) async fn connect(host: &str, port: u16) -> Result<TcpStream, DeliveryError> {
    let opened = TcpStream::connect((host, port)).await;
    opened.map_err(|error| {
        DeliveryError::Failed(format!("{host} port {port} cannot be reached: {error}"))
    })
}

/// Begins TLS.
pub(super) async fn secure(
    stream: TcpStream,
    host: &str,
    tls: &Arc<ClientConfig>,
    protocols: &[&[u8]],
) -> Result<TlsStream<TcpStream>, DeliveryError> {
    let name = ServerName::try_from(host.to_owned()).map_err(|_| {
        DeliveryError::Refused(format!("{host} is no name that a certificate can have"))
    })?;
    let mut config = (**tls).clone();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let connected = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    connected.map_err(|error| DeliveryError::Failed(format!("TLS with {host} failed: {error}")))
}

async fn exchange<S>(stream: S, call: Call) -> Result<(), DeliveryError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin,
{
    let shown = call.place.to_string();
    let failed =
        |error: hyper::Error| DeliveryError::Failed(format!("{shown} did not answer: {error}"));
    let request = request_of(call)?;
    let handshake = hyper::client::conn::http1::Builder::new()
        .max_buf_size(HEAD_BYTES_MAX)
        .handshake(TokioIo::new(stream))
        .await;
    let (mut sender, connection) = handshake.map_err(failed)?;
    let asking = async {
        let answer = sender.send_request(request).await.map_err(failed)?;
        let status = answer.status();
        // What it says is not looked at; read, so that it could be sent.
        let _read = Limited::new(answer.into_body(), BODY_BYTES_MAX).collect().await;
        Ok(status)
    };
    let mut asking = std::pin::pin!(asking);
    let status = tokio::select! {
        status = &mut asking => status?,
        // The end of the connection may overtake the answer that came over it.
        _ended = connection => asking.await?,
    };
    judged(status, &shown)
}

fn request_of(call: Call) -> Result<Request<Full<Bytes>>, DeliveryError> {
    let mut request = Request::builder()
        .method(call.method)
        .uri(call.place.path())
        .header(header::HOST, call.place.authority())
        .header(header::USER_AGENT, "conduit")
        .header(header::CONTENT_TYPE, "application/json");
    for (name, value) in call.fields {
        let mut value = HeaderValue::try_from(value).map_err(|_| {
            DeliveryError::Refused(format!("the value of {name} has characters that no header has"))
        })?;
        value.set_sensitive(true);
        request = request.header(name, value);
    }
    let built = request.body(Full::new(Bytes::from(call.body)));
    built.map_err(|error| DeliveryError::Refused(format!("this is no request: {error}")))
}

/// 2xx arrived. What the other side may get over is tried again, the rest is for a person.
fn judged(status: StatusCode, shown: &str) -> Result<(), DeliveryError> {
    let said = || format!("{shown} answered {status}");
    match status {
        _ if status.is_success() => Ok(()),
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
            Err(DeliveryError::Failed(said()))
        }
        _ if status.is_server_error() => Err(DeliveryError::Failed(said())),
        _ if status.is_redirection() => Err(DeliveryError::Refused(format!(
            "{}; redirects are not followed: use the URL it leads to",
            said()
        ))),
        _ => Err(DeliveryError::Refused(format!("{}; check the URL and the secret", said()))),
    }
}

/// The longest head of an answer, in bytes.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// The longest body of an answer that is read, in bytes.
const BODY_BYTES_MAX: usize = 64 << 10;
