//! A service's policy, made ready for the request path.
//!
//! **Invariant:** compiled once per registration, never per request. A route whose policy asks for
//! nothing costs its requests one branch.

use std::time::Duration;

use conduit_core::policy::{Clocks, OriginPolicy, Policy, Retries, Sticky};

use crate::gate::Gate;
use crate::headers::HostField;
use crate::limits::CONNECT_TIMEOUT;
use crate::tcp::policy::StreamPolicy;

/// What a route asks of its requests.
#[derive(Debug)]
pub struct RoutePolicy {
    /// How long things may take.
    pub(crate) timeouts: Timeouts,
    /// When a request is tried again.
    pub(crate) retries: Retries,
    /// Keeps a client on one upstream.
    pub(crate) sticky: Option<Sticky>,
    /// What `Host` says to the upstream.
    pub(crate) host: HostField,
    /// What `Origin` says to the upstream.
    pub(crate) origin: OriginPolicy,
    /// Whether requests are in the access log.
    pub(crate) access_log: bool,
    /// What is done to requests and responses; `None` when nothing is.
    pub(crate) gate: Option<Box<Gate>>,
    /// For a service of byte streams, how it is reached; `None` for requests.
    pub(crate) stream: Option<StreamPolicy>,
}

impl RoutePolicy {
    /// Makes a policy, with its preset's part, ready; `before` is the one that it replaces.
    pub(crate) fn compile(policy: &Policy, before: Option<&Self>) -> Self {
        Self {
            timeouts: Timeouts::of(policy.timeouts),
            retries: policy.retries,
            sticky: policy.sticky.clone(),
            host: HostField::of(policy.upstream.host.as_ref()),
            origin: policy.upstream.origin.unwrap_or(OriginPolicy::Keep),
            access_log: policy.access_log.unwrap_or(true),
            gate: Gate::compile(policy, before.and_then(|policy| policy.gate.as_deref())),
            stream: StreamPolicy::of(policy),
        }
    }
}

/// The clocks of a request; `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timeouts {
    /// For connecting to an upstream, TLS included.
    pub(crate) connect: Duration,
    /// From the whole request sent to the head of the response.
    pub(crate) first_byte: Option<Duration>,
    /// Between two pieces of a response.
    pub(crate) idle: Option<Duration>,
    /// How long a client may make no progress.
    pub(crate) client: Option<Duration>,
}

impl Timeouts {
    fn of(clocks: Clocks) -> Self {
        Self {
            connect: clocks.connect.map_or(CONNECT_TIMEOUT, |span| span.get()),
            first_byte: clocks.first_byte.map(|span| span.get()),
            idle: clocks.idle.map(|span| span.get()),
            client: clocks.client.map(|span| span.get()),
        }
    }
}
