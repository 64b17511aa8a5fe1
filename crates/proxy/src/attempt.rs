//! One try of one request on one upstream.
//!
//! **Invariant:** a request is sent a second time only when the first had no effect: nothing of it
//! was sent, the upstream says that it did not look at it, or it is safe to repeat; the latter two
//! only without a body. And only after a kept connection failed it.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use conduit_core::name::ServiceName;
use http::{Request, Response, header};

use crate::body::{RequestBody, UpstreamBody};
use crate::client::{Client, Doubt, Lease, Why};
use crate::connect::{ConnectError, Transport, Versions};
use crate::failure::{Failure, FailureKind};
use crate::limits::STALE_MAX;
use crate::upstream::Upstream;

/// A try that failed, with the request when it can be sent again.
pub(crate) struct Broken {
    pub(crate) cause: Cause,
    pub(crate) unsent: Option<Box<Request<RequestBody>>>,
}

/// Why it failed.
pub(crate) enum Cause {
    Connect(ConnectError),
    Sent(Why),
    Unresolved,
}

impl Cause {
    pub(crate) fn into_failure(self, service: &ServiceName, connect_timeout: Duration) -> Failure {
        let service = service.clone();
        match self {
            Self::Connect(ConnectError::TimedOut) => {
                FailureKind::ConnectTimeout { service, after: connect_timeout }
            }
            Self::Connect(ConnectError::Refused(error)) => {
                FailureKind::ConnectFailed { service, reason: plain(&error) }
            }
            Self::Connect(ConnectError::Tls(reason)) => {
                FailureKind::UpstreamTls { service, reason }
            }
            Self::Unresolved => FailureKind::ConnectFailed {
                service,
                reason: "its name has no address yet".to_owned(),
            },
            Self::Sent(Why::BadAuthority) => {
                FailureKind::BadAuthority("it cannot be told to an upstream over HTTP/2")
            }
            Self::Sent(Why::Body) => FailureKind::BodyBroken,
            Self::Sent(Why::Closed | Why::Unprocessed) => FailureKind::ClosedEarly(service),
            Self::Sent(Why::NotHttp) => FailureKind::BadResponse(service),
        }
        .into()
    }
}

/// `connection refused`, without the number that the system adds.
fn plain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::Other => error.to_string(),
        io::ErrorKind::NotFound => "there is no such socket".to_owned(),
        kind if error.raw_os_error().is_some() => kind.to_string(),
        _ => error.to_string(),
    }
}

/// Tries one upstream, over a kept connection if there is one.
#[expect(clippy::manual_async_fn, reason = "an async fn keeps a parameter twice in its state")]
pub(crate) fn attempt(
    client: &Rc<Client>,
    upstream: &Arc<Upstream>,
    connect_timeout: Duration,
    mut request: Request<RequestBody>,
) -> impl Future<Output = Result<(Response<UpstreamBody>, Lease), Broken>> {
    async move {
        let Some(place) = upstream.place() else {
            return Err(Broken { cause: Cause::Unresolved, unsent: Some(Box::new(request)) });
        };
        let slot = client.slot(&place, upstream.transport());
        let versions = versions_for(&request, upstream.transport());
        let mut stale = 0;
        loop {
            let repeats = is_repeatable(&request, upstream.transport());
            let kept = (stale < STALE_MAX).then(|| slot.reuse(versions, repeats)).flatten();
            let reused = kept.is_some();
            let (mut lease, replay) = match kept {
                Some((lease, Doubt::MayClose)) => {
                    (lease, copy_of(&request, upstream.transport()).map(Box::new))
                }
                Some((lease, Doubt::None)) => (lease, None),
                // On the heap, so that requests over kept connections carry nothing of it.
                None => match Box::pin(client.connect(&slot, versions, connect_timeout)).await {
                    Ok(lease) => (lease, None),
                    Err(error) => {
                        return Err(Broken {
                            cause: Cause::Connect(error),
                            unsent: Some(Box::new(request)),
                        });
                    }
                },
            };
            request.body().begin();
            let failed = match lease.send(request).await {
                Ok(response) => return Ok((response, lease)),
                Err(failed) => failed,
            };
            request = match (failed.untouched, replay) {
                (Some(untouched), _) if reused && failed.why == Why::Closed => untouched,
                (None, Some(copy)) if may_repeat(&copy, failed.why) => *copy,
                (untouched, _) => {
                    let unsent = untouched.map(Box::new);
                    return Err(Broken { cause: Cause::Sent(failed.why), unsent });
                }
            };
            stale = if reused { stale + 1 } else { STALE_MAX };
        }
    }
}

/// Switching protocols is not what HTTP/2 does.
fn versions_for(request: &Request<RequestBody>, transport: &Transport) -> Versions {
    match transport.negotiates() && request.headers().contains_key(header::UPGRADE) {
        true => Versions::Http1,
        false => Versions::Any,
    }
}

fn may_repeat(request: &Request<RequestBody>, why: Why) -> bool {
    match why {
        Why::Closed => request.method().is_idempotent(),
        Why::Unprocessed => true,
        Why::BadAuthority | Why::Body | Why::NotHttp => false,
    }
}

fn is_repeatable(request: &Request<RequestBody>, transport: &Transport) -> bool {
    let worthwhile = request.method().is_idempotent() || transport.may_be_http2();
    worthwhile && request.body().is_empty()
}

/// A copy of a request that may be sent twice: without a body, and either safe to repeat or on its
/// way over a protocol that says what was not looked at.
pub(crate) fn copy_of(
    request: &Request<RequestBody>,
    transport: &Transport,
) -> Option<Request<RequestBody>> {
    if !is_repeatable(request, transport) {
        return None;
    }
    let mut copy = Request::new(RequestBody::empty(request.body().clock()));
    request.method().clone_into(copy.method_mut());
    request.uri().clone_into(copy.uri_mut());
    request.headers().clone_into(copy.headers_mut());
    Some(copy)
}
