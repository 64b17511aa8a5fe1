//! Why a request was not answered by an upstream.
//!
//! **Invariant:** nothing here knows a status code: a [`Failure`] becomes a response in one place,
//! `respond.rs`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use conduit_core::name::ServiceName;
use conduit_core::policy::Size;

use crate::gate::access::refusal::Refusal;
use crate::limits::hits::Limit;

/// A request that no upstream answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// Whose fault it is.
    pub(crate) side: Side,
    /// What happened.
    pub(crate) kind: FailureKind,
    /// Whether the same request may be tried on another upstream.
    pub(crate) retry: Retry,
}

/// Whose fault a failure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// The client's.
    Downstream,
    /// The upstream's.
    Upstream,
}

/// Whether a failed request may be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retry {
    /// Bytes may have reached the upstream, or it would fail again.
    Never,
    /// Nothing was sent: another upstream may take it.
    Another,
}

/// What happened to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FailureKind {
    /// The client's address is not on the service's list.
    AddressRefused,
    /// No authority, more than one, contradicting ones, or one that is no host.
    BadAuthority(&'static str),
    /// A path that can be read in two ways, where paths are ruled.
    BadPath(&'static str),
    /// The upstream sent something that is not HTTP.
    BadResponse(ServiceName),
    /// The client broke off in the middle of its request.
    BodyBroken,
    /// The request's body is larger than the service takes.
    BodyTooLarge { max: Size },
    /// The request's body brings fewer bytes per second than this.
    BodyTooSlow { bytes: u64 },
    /// The client did not send the rest of its request.
    ClientTimeout { after: Duration },
    /// The upstream closed the connection before a response began.
    ClosedEarly(ServiceName),
    /// Nothing accepted a connection.
    ConnectFailed {
        service: ServiceName,
        /// Such as `connection refused`.
        reason: String,
    },
    /// A request in a transfer coding that is not taken.
    CodingRefused,
    /// The TCP handshake took longer than allowed.
    ConnectTimeout { service: ServiceName, after: Duration },
    /// The request's head has too many lines.
    HeadTooLarge { lines_max: usize },
    /// The operator has closed the service, and says this.
    Maintenance(Arc<str>),
    /// The upstream did not begin to answer.
    FirstByteTimeout { service: ServiceName, after: Duration },
    /// A method that a reverse proxy does not serve.
    MethodRefused,
    /// The connection was opened for another service than the request names.
    Misdirected,
    /// No upstream may receive traffic.
    NoUpstream {
        service: ServiceName,
        /// Why one was ejected.
        reason: Option<String>,
    },
    /// A page of another origin, or what it asks for, is not allowed.
    OriginRefused,
    /// The service does not serve this path.
    PathRefused,
    /// Not let in at the gate.
    Refused(Box<Refusal>),
    /// Every upstream has its fill, and so has the queue, or the wait in it was too long.
    Saturated { service: ServiceName, waited: Duration },
    /// The request's path and query are too long.
    TargetTooLong { max: usize },
    /// No route has this host.
    UnknownHost(String),
    /// TLS to the upstream failed.
    UpstreamTls {
        service: ServiceName,
        /// Such as `certificate expired`.
        reason: String,
    },
}

impl FailureKind {
    /// The stable word for it: in the `conduit-error` header, in logs and in documents.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::AddressRefused => "address_refused",
            Self::BadAuthority(_) => "bad_authority",
            Self::BadPath(_) => "bad_path",
            Self::BadResponse(_) => "bad_response",
            Self::BodyBroken => "body_broken",
            Self::BodyTooLarge { .. } => "body_too_large",
            Self::BodyTooSlow { .. } => "body_too_slow",
            Self::HeadTooLarge { .. } => "head_too_large",
            Self::Maintenance(_) => "maintenance",
            Self::ClientTimeout { .. } => "client_timeout",
            Self::ClosedEarly(_) => "closed_early",
            Self::ConnectFailed { .. } => "connect_failed",
            Self::ConnectTimeout { .. } => "connect_timeout",
            Self::CodingRefused => "coding_refused",
            Self::FirstByteTimeout { .. } => "first_byte_timeout",
            Self::MethodRefused => "method_refused",
            Self::Misdirected => "misdirected",
            Self::NoUpstream { .. } => "no_upstream",
            Self::OriginRefused => "origin_refused",
            Self::PathRefused => "path_refused",
            Self::Refused(refusal) => refusal.word(),
            Self::Saturated { .. } => "saturated",
            Self::TargetTooLong { .. } => "target_too_long",
            Self::UnknownHost(_) => "unknown_host",
            Self::UpstreamTls { .. } => "upstream_tls",
        }
    }

    /// The service whose upstreams failed, when one was found.
    pub(crate) fn service(&self) -> Option<&ServiceName> {
        match self {
            Self::BadResponse(service)
            | Self::ClosedEarly(service)
            | Self::ConnectFailed { service, .. }
            | Self::ConnectTimeout { service, .. }
            | Self::FirstByteTimeout { service, .. }
            | Self::NoUpstream { service, .. }
            | Self::Saturated { service, .. }
            | Self::UpstreamTls { service, .. } => Some(service),
            _ => None,
        }
    }

    /// The limit that was reached here; those of clocks are counted where they run out.
    pub(crate) fn limit(&self) -> Option<Limit> {
        match self {
            Self::BodyTooLarge { .. } => Some(Limit::BodySize),
            Self::HeadTooLarge { .. } => Some(Limit::HeadSize),
            Self::Refused(refusal) => refusal.limit(),
            Self::Saturated { .. } => Some(Limit::Queue),
            Self::TargetTooLong { .. } => Some(Limit::RequestLine),
            _ => None,
        }
    }

    fn side(&self) -> Side {
        match self {
            Self::Refused(refusal) if refusal.is_ours() => Side::Upstream,
            Self::AddressRefused
            | Self::BadAuthority(_)
            | Self::BadPath(_)
            | Self::BodyBroken
            | Self::BodyTooLarge { .. }
            | Self::BodyTooSlow { .. }
            | Self::HeadTooLarge { .. }
            | Self::CodingRefused
            | Self::Maintenance(_)
            | Self::Refused(_)
            | Self::ClientTimeout { .. }
            | Self::MethodRefused
            | Self::Misdirected
            | Self::OriginRefused
            | Self::PathRefused
            | Self::TargetTooLong { .. }
            | Self::UnknownHost(_) => Side::Downstream,
            Self::BadResponse(_)
            | Self::ClosedEarly(_)
            | Self::ConnectFailed { .. }
            | Self::ConnectTimeout { .. }
            | Self::FirstByteTimeout { .. }
            | Self::NoUpstream { .. }
            | Self::Saturated { .. }
            | Self::UpstreamTls { .. } => Side::Upstream,
        }
    }

    /// Whether a connection that carries one request at a time ends with the answer: where the
    /// request ends is not to be believed, or what follows is not meant as HTTP (RFC 9110 §9.3.6).
    pub(crate) fn ends_connection(&self) -> bool {
        matches!(self, Self::CodingRefused | Self::MethodRefused)
    }

    fn retry(&self) -> Retry {
        match self {
            Self::ConnectFailed { .. } | Self::ConnectTimeout { .. } | Self::UpstreamTls { .. } => {
                Retry::Another
            }
            _ => Retry::Never,
        }
    }
}

impl From<FailureKind> for Failure {
    fn from(kind: FailureKind) -> Self {
        Self { side: kind.side(), retry: kind.retry(), kind }
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddressRefused => f.write_str("this service is not open to your address"),
            Self::BadAuthority(why) => write!(f, "the request's host cannot be used: {why}"),
            Self::BadPath(why) => write!(f, "the request's path cannot be used: {why}"),
            Self::BadResponse(service) => {
                write!(f, "an upstream of {service} did not answer in HTTP")
            }
            Self::BodyBroken => f.write_str("the request broke off before its end"),
            Self::BodyTooLarge { max } => {
                write!(f, "the request's body is larger than {max}, which is the limit here")
            }
            Self::BodyTooSlow { bytes } => {
                write!(f, "the request came too slowly; at least {bytes} bytes per second are due")
            }
            Self::ClientTimeout { after } => {
                write!(f, "nothing more of the request came for {} s", after.as_secs())
            }
            Self::ClosedEarly(service) => {
                write!(f, "an upstream of {service} closed the connection before it answered")
            }
            Self::ConnectFailed { service, reason } => {
                write!(f, "no connection to an upstream of {service}: {reason}")
            }
            Self::ConnectTimeout { service, after } => {
                write!(f, "no connection to an upstream of {service} within {} s", after.as_secs())
            }
            Self::CodingRefused => f.write_str(
                "the request's transfer coding is not served here; send it plain or chunked",
            ),
            Self::Maintenance(text) if text.is_empty() => {
                f.write_str("this service is closed for maintenance")
            }
            Self::Maintenance(text) => f.write_str(text),
            Self::FirstByteTimeout { service, after } => write!(
                f,
                "an upstream of {service} did not begin to answer within {} s; the service's \
                 timeouts.first_byte sets this",
                after.as_secs()
            ),
            Self::HeadTooLarge { lines_max } => {
                write!(f, "the request has more than {lines_max} header lines")
            }
            Self::MethodRefused => f.write_str("this method is not served here"),
            Self::Misdirected => {
                f.write_str("this connection was opened for another service; open a new one")
            }
            Self::NoUpstream { service, reason } => {
                write!(f, "no upstream of {service} is admitted")?;
                reason.as_ref().map_or(Ok(()), |why| write!(f, ": {why}"))
            }
            Self::OriginRefused => {
                f.write_str("pages of this origin may not use this service like this")
            }
            Self::PathRefused => f.write_str("this path is not served here"),
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Saturated { service, waited } if waited.is_zero() => {
                write!(f, "every upstream of {service} is busy, and too many requests wait")
            }
            Self::Saturated { service, waited } => {
                let waited = waited.as_secs();
                write!(f, "every upstream of {service} was busy for {waited} s")
            }
            Self::TargetTooLong { max } => {
                write!(f, "the path and query are longer than {max} bytes; send them in a body")
            }
            Self::UnknownHost(host) => write!(f, "no service has the host {host}"),
            Self::UpstreamTls { service, reason } => {
                write!(f, "no TLS to an upstream of {service}: {reason}")
            }
        }
    }
}
