//! One HTTP request to a place of an operator's choice.
//!
//! Redirects are not followed and proxies are not used: a secret goes where it was meant to go.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig};
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
    connected.map_err(|error| {
        DeliveryError::Failed(format!("TLS with {host} failed: {error}{}", mend_of(&error)))
    })
}

/// What to do about a certificate that nobody here trusts.
fn mend_of(error: &std::io::Error) -> &'static str {
    let cause = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match cause {
        Some(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {
            "; add its CA to the system's certificates (or name a file in SSL_CERT_FILE) and restart"
        }
        _ => "",
    }
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
        let (head, body) = answer.into_parts();
        // What it says is not looked at; read, so that it could be sent.
        let _read = Limited::new(body, BODY_BYTES_MAX).collect().await;
        Ok::<_, DeliveryError>((head.status, retry_after(&head.headers)))
    };
    let mut asking = std::pin::pin!(asking);
    let (status, wait) = tokio::select! {
        answered = &mut asking => answered?,
        // The end of the connection may overtake the answer that came over it.
        _ended = connection => asking.await?,
    };
    judged(status, wait, &shown)
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
fn judged(status: StatusCode, wait: Option<Duration>, shown: &str) -> Result<(), DeliveryError> {
    let said = || format!("{shown} answered {status}");
    let may_pass =
        [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS];
    match status {
        _ if status.is_success() => Ok(()),
        _ if status.is_server_error() || may_pass.contains(&status) => Err(match wait {
            Some(wait) => DeliveryError::Later(said(), wait),
            None => DeliveryError::Failed(said()),
        }),
        _ if status.is_redirection() => Err(DeliveryError::Refused(format!(
            "{}; redirects are not followed: use the URL it leads to",
            said()
        ))),
        _ => Err(DeliveryError::Refused(format!("{}; check the URL and the secret", said()))),
    }
}

/// How long the other side asks to be left alone (RFC 9110, 10.2.3): seconds, or a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let said = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match said.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let at = httpdate::parse_http_date(said).ok()?;
            at.duration_since(SystemTime::now()).unwrap_or_default()
        }
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

/// The longest time that an answer may have us wait; somebody is to be told of an alert.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);
/// The longest head of an answer, in bytes.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// The longest body of an answer that is read, in bytes.
const BODY_BYTES_MAX: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_asks_for_time_gets_it() {
        let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(90));
        for (said, least, most) in [
            ("120", 120, 120),
            ("99999999999", 3_600, 3_600),
            (date.as_str(), 60, 90),
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0, 0),
        ] {
            let value = HeaderValue::from_str(said).expect("a value");
            let headers = HeaderMap::from_iter([(header::RETRY_AFTER, value)]);
            let answer = judged(StatusCode::SERVICE_UNAVAILABLE, retry_after(&headers), "x");
            let wait = answer.expect_err("later").wait().expect(said).as_secs();
            assert!((least..=most).contains(&wait), "{said}: {wait}");
        }
        let headers =
            HeaderMap::from_iter([(header::RETRY_AFTER, HeaderValue::from_static("soon"))]);
        assert_eq!(retry_after(&headers), None);
    }
}
