//! Handing a batch to a collector: OTLP over HTTP/1.1, as protobuf.
//!
//! **Invariant:** a batch takes at most the configured time, name look-up and handshake included,
//! and of an answer at most [`ANSWER_BYTES_MAX`] are read.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use conduit_core::error::Chain;
use http::header::{self, HeaderValue};
use http::{Request, StatusCode};
use http_body_util::Full;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message as _;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::config;
use crate::error::AppError;
use crate::{fetch, roots};

/// A collector, and how to reach it.
pub(super) struct Collector {
    at: config::Collector,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    limit: Duration,
}

/// What became of a batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was taken, except for some of its spans.
    Taken { refused: u64, reason: String },
    /// It is not wanted, and would not be at another time.
    Refused { reason: String },
    /// It may be taken at another time, perhaps after this one.
    Failed { reason: String, after: Option<Duration> },
}

impl Collector {
    /// A collector that gets `limit` for each batch.
    pub(super) fn new(
        at: config::Collector,
        bundle_pem: Option<&str>,
        limit: Duration,
    ) -> Result<Self, AppError> {
        let tls = at.is_tls.then(|| tls(&at, bundle_pem)).transpose()?;
        Ok(Self { at, tls, limit })
    }

    /// Where it is.
    pub(super) fn at(&self) -> &config::Collector {
        &self.at
    }

    /// Hands a batch over, once.
    pub(super) async fn send(&self, batch: Bytes) -> Outcome {
        match tokio::time::timeout(self.limit, self.exchange(batch)).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(reason)) => Outcome::Failed { reason, after: None },
            Err(_) => Outcome::Failed { reason: "it takes too long".to_owned(), after: None },
        }
    }

    async fn exchange(&self, batch: Bytes) -> Result<Outcome, String> {
        let host = self.at.host.trim_matches(['[', ']']);
        let socket = TcpStream::connect((host, self.at.port)).await.map_err(|e| told(&e))?;
        match &self.tls {
            None => self.speak(socket, batch).await,
            Some((connector, name)) => {
                let stream = connector.connect(name.clone(), socket).await;
                self.speak(stream.map_err(|e| told(&e))?, batch).await
            }
        }
    }

    /// A connection carries one batch: there is about one a second, and one that a collector has
    /// meanwhile closed cannot be met.
    async fn speak<S>(&self, stream: S, batch: Bytes) -> Result<Outcome, String>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let request = self.request(batch).map_err(|e| told(&e))?;
        let (head, body) = fetch::speak(stream, request, ANSWER_BYTES_MAX).await?;
        Ok(judge(&head, &body.unwrap_or_default()))
    }

    fn request(&self, batch: Bytes) -> http::Result<Request<Full<Bytes>>> {
        Request::post(&self.at.path)
            .header(header::HOST, format!("{}:{}", self.at.host, self.at.port))
            .header(header::CONTENT_TYPE, PROTOBUF)
            .header(header::USER_AGENT, USER_AGENT)
            .header(header::CONNECTION, HeaderValue::from_static("close"))
            .body(Full::new(batch))
    }
}

/// What an answer means (OTLP/HTTP, "Response").
fn judge(head: &http::response::Parts, body: &Bytes) -> Outcome {
    let reason = format!("it answers {}", head.status);
    match head.status {
        status if status.is_success() => {
            let answer = ExportTraceServiceResponse::decode(body.clone()).unwrap_or_default();
            let partial = answer.partial_success.unwrap_or_default();
            let refused = u64::try_from(partial.rejected_spans).unwrap_or(0);
            Outcome::Taken { refused, reason: partial.error_message }
        }
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => {
            let after = head.headers.get(header::RETRY_AFTER);
            let after = after.and_then(|value| value.to_str().ok()?.trim().parse().ok());
            Outcome::Failed { reason, after: after.map(Duration::from_secs) }
        }
        _ => Outcome::Refused { reason },
    }
}

fn tls(
    at: &config::Collector,
    bundle_pem: Option<&str>,
) -> Result<(TlsConnector, ServerName<'static>), AppError> {
    let failed = |source| AppError::Collector { collector: at.to_string(), source };
    let host = at.host.trim_matches(['[', ']']).to_owned();
    let name = ServerName::try_from(host).map_err(|e| failed(io::Error::other(e)))?;
    let config = roots::client(bundle_pem).map_err(failed)?;
    Ok((TlsConnector::from(Arc::new(config)), name))
}

fn told(error: &(dyn std::error::Error + 'static)) -> String {
    Chain(error).to_string()
}

/// What is read of an answer.
const ANSWER_BYTES_MAX: usize = 64 * 1_024;
const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuf");
/// How exporters of OTLP introduce themselves.
const USER_AGENT: &str = concat!("OTel-OTLP-Exporter-Conduit/", env!("CARGO_PKG_VERSION"));
