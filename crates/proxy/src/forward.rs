//! Choosing an upstream and getting a response's head out of it.
//!
//! **Invariant:** a request is repeated only when no byte of it can have had an effect: the
//! connection failed before anything was sent, hyper handed the request back untouched, or it is
//! safe to repeat, has no body, and met a kept connection that its owner was just closing. Only
//! where the policy says so, one that is safe to repeat and has no body is also repeated after an
//! answer that says that the upstream failed.

use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;

use http::{Request, Response};
use tokio::time::Instant;

use crate::attempt::{Broken, attempt, copy_of};
use crate::body::{RequestBody, UpstreamBody};
use crate::client::{Client, Lease};
use crate::clocks::Expired;
use crate::failure::{Failure, FailureKind, Retry, Side};
use crate::headers;
use crate::table::Route;
use crate::tries::{Seat, Tries};
use crate::upstream::{Observation, Seen, Upstream, is_failure};

/// The head of a response, with what it came on.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) response: Response<UpstreamBody>,
    pub(crate) lease: Lease,
    pub(crate) seat: Seat,
}

/// Sends a request to an upstream of its route, and to others when that may help.
#[expect(clippy::manual_async_fn, reason = "an async fn keeps a parameter twice in its state")]
pub(crate) fn forward(
    client: &Rc<Client>,
    route: &Route,
    mut tries: Tries<'_>,
    mut request: Request<RequestBody>,
) -> impl Future<Output = Result<Answer, Failure>> {
    async move {
        let connect_timeout = route.policy.timeouts.connect;
        let clock = Rc::clone(request.body().clock());
        let mut seat = {
            let first = pin!(tries.first());
            clock.until_expired(first).await.map_err(|e| expired(e, route))??
        };
        loop {
            let upstream = seat.in_flight.upstream();
            let copy = if tries.by_status() && request.method().is_idempotent() {
                copy_of(&request, upstream.transport()).map(Box::new)
            } else {
                None
            };
            headers::set_host(request.headers_mut(), &route.policy.host, upstream);
            tries.begins(upstream, &mut request);
            let attempted = {
                let attempted = pin!(attempt(client, upstream, connect_timeout, request));
                clock.until_expired(attempted).await
            };
            let attempted = match attempted {
                Ok(attempted) => attempted,
                Err(expiry) => {
                    let failure = expired(expiry, route);
                    tries.failed(&failure);
                    tell(upstream, &failure);
                    return Err(failure);
                }
            };
            (seat, request) = match attempted {
                Ok((response, lease)) => {
                    let status = response.status();
                    let timed = route.pool.settings().outliers.slow_factor.is_some();
                    let took = timed.then(|| seat.began.elapsed());
                    upstream.observe(Seen::Head { status, took });
                    tries.answered(status);
                    let next = match copy {
                        Some(copy) if is_failure(status.as_u16()) => {
                            tries.instead(&seat.in_flight).map(|next| (next, *copy))
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
                    tries.failed(&failure);
                    tell(upstream, &failure);
                    let again = match (failure.retry, &failure.kind) {
                        (Retry::Another, _) => unsent,
                        (_, FailureKind::ClosedEarly(_)) => copy,
                        _ => None,
                    };
                    let Some(again) = again else { return Err(failure) };
                    let Some(next) = tries.after_failure(seat.in_flight).await else {
                        return Err(failure);
                    };
                    (next, *again)
                }
            };
        }
    }
}

fn expired(expired: Expired, route: &Route) -> Failure {
    match expired {
        Expired::BodyRate(bytes) => FailureKind::BodyTooSlow { bytes },
        Expired::Client(after) => FailureKind::ClientTimeout { after },
        Expired::FirstByte(after) | Expired::Idle(after) => {
            FailureKind::FirstByteTimeout { service: route.service.clone(), after }
        }
    }
    .into()
}

/// The client's own fault says nothing about the upstream.
fn tell(upstream: &Arc<Upstream>, failure: &Failure) {
    if failure.side == Side::Upstream {
        upstream.failed(Instant::now());
        upstream.report(observed(failure));
    }
}

fn observed(failure: &Failure) -> Observation {
    match &failure.kind {
        FailureKind::ConnectFailed { reason, .. } if reason == REFUSED => {
            Observation::ConnectRefused
        }
        FailureKind::ConnectTimeout { .. } => Observation::ConnectTimedOut,
        _ if failure.retry == Retry::Another => Observation::ConnectFailed,
        _ => Observation::NoAnswer,
    }
}

/// How [`attempt`] says that nobody listens.
const REFUSED: &str = "connection refused";
