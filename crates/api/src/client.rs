//! A typed client of the admin API, over the gateway's Unix socket or over TCP with a token.
//!
//! One connection for each request: a command asks once or twice, and a connection that is never
//! kept is never stale.
//!
//! **Invariant:** every answer is bounded in size and time. A request that changes something is
//! sent at most once, and when its answer is lost the error says that the outcome is unknown.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{ClientError, Place, Tried};
use crate::v1::error::ErrorBody;

mod access;
mod exchange;
mod lines;
mod names;
mod nodes;
mod requests;
mod target;

use exchange::{Answer, Failure, Outgoing};
pub use lines::Lines;
pub use names::QueryFilter;
pub use nodes::{ContainerLogQuery, HistoryQuery};

/// A handle to one gateway; cheap to clone, holds no connection.
#[derive(Clone)]
pub struct Client {
    place: Place,
    token: Option<String>,
    timeout: Duration,
}

/// An answer: its parsed value, and its body exactly as it came, for `--json`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply<T> {
    /// Parsed.
    pub value: T,
    /// As it came.
    pub body: Bytes,
    /// The HTTP status, a success.
    pub status: u16,
}

impl Client {
    /// A client of the gateway that listens on a Unix socket; the kernel says who asks.
    pub fn unix(path: impl Into<PathBuf>) -> Self {
        Self { place: Place::Socket(path.into()), token: None, timeout: TOTAL_TIMEOUT }
    }

    /// A client of the gateway that listens on `HOST:PORT`, with an API token.
    ///
    /// The token travels as it is: use this on the loopback address, or inside a tunnel.
    pub fn tcp(address: impl Into<String>, token: Option<String>) -> Self {
        Self { place: Place::Tcp(address.into()), token, timeout: TOTAL_TIMEOUT }
    }

    /// A client of the first of these sockets on which somebody accepts.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`] names every socket that was tried, and why it did not work.
    pub async fn first_reachable(sockets: Vec<PathBuf>) -> Result<Self, ClientError> {
        let mut tried = Vec::with_capacity(sockets.len());
        for socket in sockets {
            let place = Place::Socket(socket.clone());
            match exchange::reach(&place).await {
                Ok(()) => return Ok(Self::unix(socket)),
                Err(reason) => tried.push(Tried { place, reason }),
            }
        }
        Err(ClientError::Unreachable { tried })
    }

    /// The same client with another limit on the time of one request.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Where this client asks.
    pub fn place(&self) -> &Place {
        &self.place
    }

    async fn get<T: DeserializeOwned>(&self, target: &str) -> Result<Reply<T>, ClientError> {
        let answer = self.ask(target).await?;
        parse(&format!("GET {target}"), answer)
    }

    async fn ask(&self, target: &str) -> Result<Answer, ClientError> {
        let request = format!("GET {target}");
        let lost = |reason| ClientError::Unanswered { request: request.clone(), reason };
        self.send(Method::GET, target, Bytes::new(), lost).await
    }

    async fn change<B: Serialize, T: DeserializeOwned>(
        &self,
        method: Method,
        target: &str,
        body: &B,
        mend: String,
    ) -> Result<Reply<T>, ClientError> {
        let body = serde_json::to_vec(body).map_err(|error| ClientError::Unsendable {
            what: "the body",
            reason: error.to_string(),
        })?;
        self.change_with(method, target, body.into(), mend).await
    }

    async fn change_bare<T: DeserializeOwned>(
        &self,
        method: Method,
        target: &str,
        mend: String,
    ) -> Result<Reply<T>, ClientError> {
        self.change_with(method, target, Bytes::new(), mend).await
    }

    async fn change_with<T: DeserializeOwned>(
        &self,
        method: Method,
        target: &str,
        body: Bytes,
        mend: String,
    ) -> Result<Reply<T>, ClientError> {
        let request = format!("{method} {target}");
        let lost = |reason| ClientError::OutcomeUnknown { request: request.clone(), reason, mend };
        let answer = self.send(method, target, body, lost).await?;
        parse(&request, answer)
    }

    /// Asks for an answer that goes on; how long it may take to begin is limited, and nothing else.
    async fn lines<T: DeserializeOwned>(&self, target: &str) -> Result<Lines<T>, ClientError> {
        let (place, token) = (&self.place, self.token.as_deref());
        let request = format!("GET {target}");
        let outgoing = Outgoing { place, token, method: Method::GET, target, body: Bytes::new() };
        let lost = |reason| ClientError::Unanswered { request: request.clone(), reason };
        let opened = outgoing.open(self.timeout).await;
        let (response, connection) =
            opened.map_err(|failure| self.failed(&request, failure, lost))?;
        let status = response.status().as_u16();
        if (200..300).contains(&status) {
            return Ok(Lines::new(request, response.into_body(), connection));
        }
        let mut refusal: Lines<ErrorBody> =
            Lines::new(request.clone(), response.into_body(), connection);
        match refusal.next().await {
            Ok(Some(body)) => Err(ClientError::Api { status, error: body.error }),
            _ => {
                let reason = format!("status {status} without an error body");
                Err(ClientError::Malformed { request, reason })
            }
        }
    }

    /// Sends one request; `lost` says what a lost answer means.
    async fn send(
        &self,
        method: Method,
        target: &str,
        body: Bytes,
        lost: impl FnOnce(String) -> ClientError,
    ) -> Result<Answer, ClientError> {
        let request = format!("{method} {target}");
        let outgoing =
            Outgoing { place: &self.place, token: self.token.as_deref(), method, target, body };
        let answer = match outgoing.send(self.timeout, RESPONSE_BYTES_MAX).await {
            Ok(answer) => answer,
            Err(failure) => return Err(self.failed(&request, failure, lost)),
        };
        if (200..300).contains(&answer.status) {
            return Ok(answer);
        }
        match serde_json::from_slice::<ErrorBody>(&answer.body) {
            Ok(body) => Err(ClientError::Api { status: answer.status, error: body.error }),
            Err(_) => Err(ClientError::Malformed {
                request,
                reason: format!("status {} without an error body", answer.status),
            }),
        }
    }
}

impl Client {
    /// What a failure means; `lost` knows about a lost answer.
    fn failed(
        &self,
        request: &str,
        failure: Failure,
        lost: impl FnOnce(String) -> ClientError,
    ) -> ClientError {
        match failure {
            Failure::Unreachable(reason) => {
                let place = self.place.clone();
                ClientError::Unreachable { tried: vec![Tried { place, reason }] }
            }
            Failure::Unsendable { what, reason } => ClientError::Unsendable { what, reason },
            Failure::TooLarge => ClientError::TooLarge {
                request: request.to_owned(),
                limit_bytes: RESPONSE_BYTES_MAX,
            },
            Failure::Lost(reason) => lost(reason),
        }
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("place", &self.place)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

fn parse<T: DeserializeOwned>(request: &str, answer: Answer) -> Result<Reply<T>, ClientError> {
    let value = serde_json::from_slice(&answer.body).map_err(|error| ClientError::Malformed {
        request: request.into(),
        reason: error.to_string(),
    })?;
    Ok(Reply { value, body: answer.body, status: answer.status })
}

/// How long one request may take, connecting and reading the answer included.
pub const TOTAL_TIMEOUT: Duration = Duration::from_secs(30);
/// The same for requests that may have much to do: bulk registration, verification, backup.
pub const BULK_TIMEOUT: Duration = Duration::from_secs(300);
/// The largest answer that is taken: 100,000 services are about 80 MB.
pub const RESPONSE_BYTES_MAX: usize = 128 * 1024 * 1024;
