//! What a probe asks, and which answers count.

use conduit_core::policy::{ProbeKind, ProbePolicy, StatusSet};
use conduit_core::service::ProbeSpec;
use http::uri::Scheme;
use hyper::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite};

use super::get::get;
use super::{Failure, Outcome};
use crate::health::grpc;

/// What a probe asks, and what counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// Connecting is enough.
    Connect,
    /// `GET` of a path.
    Get(Get),
    /// gRPC's health check.
    Grpc {
        /// The service asked about; empty for the server as a whole.
        service: Box<str>,
        /// What the authority says.
        host: Box<str>,
    },
}

/// A `GET`, and which answers count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Get {
    /// The path, with its query.
    pub path: Box<str>,
    /// What the `Host` header says.
    pub host: Box<str>,
    /// Which statuses count.
    pub counts: Counts,
    /// A text that the body must hold.
    pub body: Option<Box<str>>,
}

/// Which statuses count as healthy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Counts {
    /// Anything below 500: the path is a guess, and a 404 is proof of life.
    Below500,
    /// 2xx and 3xx: the operator named the path.
    Success,
    /// These, because the operator named them.
    These(StatusSet),
}

impl Counts {
    pub(super) fn judge(&self, status: StatusCode) -> Result<(), Failure> {
        let healthy = match self {
            Self::Below500 => status.as_u16() < 500,
            Self::Success => status.is_success() || status.is_redirection(),
            Self::These(set) => set.contains(status.as_u16()),
        };
        if healthy { Ok(()) } else { Err(Failure::Status(status)) }
    }
}

impl Ask {
    /// What a service's probe asks, where `asked` is its policy and `default_path` the configured
    /// one.
    pub fn of(spec: &ProbeSpec, asked: &ProbePolicy, default_path: &str, host: &str) -> Self {
        let kind = asked.kind.unwrap_or(match spec {
            ProbeSpec::Connect => ProbeKind::Tcp,
            ProbeSpec::Default | ProbeSpec::Path(_) => ProbeKind::Http,
        });
        let (path, counts) = match spec {
            ProbeSpec::Connect | ProbeSpec::Default => (default_path, Counts::Below500),
            ProbeSpec::Path(path) => (path.as_str(), Counts::Success),
        };
        match kind {
            ProbeKind::Tcp => Self::Connect,
            ProbeKind::Http => Self::Get(Get {
                path: path.into(),
                host: host.into(),
                counts: asked.status.clone().map_or(counts, Counts::These),
                body: asked.body.as_deref().map(Into::into),
            }),
            ProbeKind::Grpc => Self::Grpc {
                service: asked.grpc_service.as_deref().unwrap_or_default().into(),
                host: host.into(),
            },
        }
    }
}

impl Ask {
    /// Asks in the clear over an open connection, in HTTP/1.1 where it is HTTP; the caller sets the
    /// deadline.
    pub async fn put<S>(&self, stream: S) -> Outcome
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let asked = match self {
            Self::Connect => Ok(()),
            Self::Get(asked) => get(stream, asked).await,
            Self::Grpc { service, host } => grpc::check(stream, &Scheme::HTTP, service, host).await,
        };
        asked.map_or_else(Outcome::Failed, |()| Outcome::Passed)
    }
}
