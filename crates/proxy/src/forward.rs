//! Choosing an upstream and getting a response's head out of it.
//!
//! **Invariant:** a request is repeated only when no byte of it can have had an effect: the
//! connection failed before anything was sent, hyper handed the request back untouched, or it is
//! safe to repeat, has no body, and met a kept connection that its owner was just closing. Only
//! where the policy says so, one that is safe to repeat and has no body is also repeated after an
//! answer that says that the upstream failed.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use conduit_core::name::ServiceName;
use http::{Request, Response};
use hyper::body::Incoming;
use tokio::time::Instant;

use crate::body::RequestBody;
use crate::client::{Client, ConnectError, Doubt, Lease};
use crate::failure::{Failure, FailureKind, Retry};
use crate::limits::STALE_MAX;
use crate::table::Route;
use crate::tries::{Seat, Tries, is_failure};
use crate::upstream::{Observation, Upstream};

/// The head of a response, with what it came on.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) response: Response<Incoming>,
    pub(crate) lease: Lease,
    pub(crate) seat: Seat,
}

/// Sends a request to an upstream of its route, and to others when that may help.
pub(crate) async fn forward(
    client: &Rc<Client>,
    connect_timeout: Duration,
    route: &Route,
    mut tries: Tries<'_>,
    mut request: Request<RequestBody>,
) -> Result<Answer, Failure> {
    let mut seat = tries.first().await?;
    loop {
        let copy = if tries.by_status() { copy_of(&request) } else { None };
        let upstream = seat.in_flight.upstream();
        (seat, request) = match attempt(client, upstream, request).await {
            Ok((response, lease)) => {
                let status = response.status();
                let next = match copy {
                    Some(copy) if is_failure(status) => {
                        tries.instead(&seat.in_flight).map(|next| (next, copy))
                    }
                    _ => None,
                };
                let Some(next) = next else {
                    return Ok(Answer { response, lease, seat });
                };
                upstream.failed(Instant::now());
                next
            }
            Err(Broken { cause, unsent }) => {
                let failure = cause.into_failure(&route.service, connect_timeout);
                upstream.failed(Instant::now());
                upstream.report(match failure.retry {
                    Retry::Another => Observation::ConnectFailed,
                    Retry::Never => Observation::NoAnswer,
                });
                let again = match (failure.retry, &failure.kind) {
                    (Retry::Another, _) => unsent.map(|unsent| *unsent),
                    (_, FailureKind::ClosedEarly(_)) => copy,
                    _ => None,
                };
                let Some(again) = again else { return Err(failure) };
                let Some(next) = tries.after_failure(seat.in_flight).await else {
                    return Err(failure);
                };
                (next, again)
            }
        };
    }
}

/// A try that failed, with the request when it can be sent again.
struct Broken {
    cause: Cause,
    unsent: Option<Box<Request<RequestBody>>>,
}

enum Cause {
    Connect(ConnectError),
    Closed,
    NotHttp,
    Unresolved,
}

impl Cause {
    fn into_failure(self, service: &ServiceName, connect_timeout: Duration) -> Failure {
        let service = service.clone();
        match self {
            Self::Connect(ConnectError::TimedOut) => {
                FailureKind::ConnectTimeout { service, after: connect_timeout }
            }
            Self::Connect(ConnectError::Refused(error)) => {
                FailureKind::ConnectFailed { service, reason: plain(&error) }
            }
            Self::Unresolved => FailureKind::ConnectFailed {
                service,
                reason: "its name has no address yet".to_owned(),
            },
            Self::Closed => FailureKind::ClosedEarly(service),
            Self::NotHttp => FailureKind::BadResponse(service),
        }
        .into()
    }
}

/// `connection refused`, without the number that the system adds.
fn plain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::Other => error.to_string(),
        kind => kind.to_string(),
    }
}

/// Tries one upstream, over a kept connection if there is one.
async fn attempt(
    client: &Rc<Client>,
    upstream: &Arc<Upstream>,
    mut request: Request<RequestBody>,
) -> Result<(Response<Incoming>, Lease), Broken> {
    let Some(address) = upstream.socket() else {
        return Err(Broken { cause: Cause::Unresolved, unsent: Some(Box::new(request)) });
    };
    let mut stale = 0;
    loop {
        let kept = (stale < STALE_MAX).then(|| client.reuse(address)).flatten();
        let reused = kept.is_some();
        let (mut lease, replay) = match kept {
            Some((lease, Doubt::MayClose)) => (lease, copy_of(&request)),
            Some((lease, Doubt::None)) => (lease, None),
            None => match client.connect(address).await {
                Ok(lease) => (lease, None),
                Err(error) => {
                    return Err(Broken {
                        cause: Cause::Connect(error),
                        unsent: Some(Box::new(request)),
                    });
                }
            },
        };
        let mut error = match lease.sender().try_send_request(request).await {
            Ok(response) => return Ok((response, lease)),
            Err(error) => error,
        };
        let untouched = error.take_message();
        let cause = if error.error().is_parse() { Cause::NotHttp } else { Cause::Closed };
        request = match (untouched, replay) {
            (Some(untouched), _) if reused => untouched,
            (None, Some(copy)) if matches!(cause, Cause::Closed) => copy,
            _ => {
                return Err(Broken { cause, unsent: None });
            }
        };
        stale = if reused { stale + 1 } else { STALE_MAX };
    }
}

/// A copy of a request that may be sent twice: safe to repeat, and without a body.
fn copy_of(request: &Request<RequestBody>) -> Option<Request<RequestBody>> {
    if !request.method().is_idempotent() || !request.body().is_empty() {
        return None;
    }
    let mut copy = Request::new(RequestBody::empty());
    request.method().clone_into(copy.method_mut());
    request.uri().clone_into(copy.uri_mut());
    request.headers().clone_into(copy.headers_mut());
    Some(copy)
}
