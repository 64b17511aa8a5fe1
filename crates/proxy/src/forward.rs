//! Choosing an upstream and getting a response's head out of it.
//!
//! **Invariant:** a request is repeated only when no byte of it can have had an effect: the
//! connection failed before anything was sent, hyper handed the request back untouched, or it is
//! safe to repeat, has no body, and met a kept connection that its owner was just closing. It moves
//! to another upstream at most once.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use conduit_core::name::ServiceName;
use conduit_core::service::WhenAllEjected;
use http::{Request, Response};
use hyper::body::Incoming;
use tokio::time::Instant;

use crate::body::RequestBody;
use crate::client::{Client, ConnectError, Doubt, Lease};
use crate::failure::{Failure, FailureKind, Retry};
use crate::limits::{RETRIES_MAX, STALE_MAX};
use crate::table::Route;
use crate::upstream::{InFlight, Observation, Seen, Upstream};

/// The head of a response, with what it came on.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) response: Response<Incoming>,
    pub(crate) lease: Lease,
    pub(crate) in_flight: InFlight,
    /// How often the request moved to another upstream.
    pub(crate) retries: u32,
}

/// Sends a request to an upstream of `route`.
pub(crate) async fn forward(
    client: &Rc<Client>,
    connect_timeout: Duration,
    route: &Route,
    mut request: Request<RequestBody>,
) -> Result<Answer, Failure> {
    let mut tried: Option<(Arc<Upstream>, Failure)> = None;
    let mut retries = 0;
    loop {
        let Some(upstream) = pick(route, tried.as_ref().map(|(upstream, _)| &**upstream)) else {
            return Err(tried.map_or_else(|| nobody(route), |(_, failure)| failure));
        };
        let in_flight = upstream.begin();
        let began = route.pool.settings().outliers.slow_factor.map(|_| Instant::now());
        let (failure, unsent) = match attempt(client, &upstream, request).await {
            Ok((response, lease)) => {
                let took = began.map(|began| began.elapsed());
                upstream.observe(Seen::Head { status: response.status(), took });
                return Ok(Answer { response, lease, in_flight, retries });
            }
            Err(Broken { cause, unsent }) => {
                (cause.into_failure(&route.service, connect_timeout), unsent)
            }
        };
        upstream.report(observed(&failure));
        match unsent {
            Some(unsent) if failure.retry == Retry::Another && retries < RETRIES_MAX => {
                request = *unsent;
                retries += 1;
                tried = Some((upstream, failure));
            }
            _ => return Err(failure),
        }
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

fn pick(route: &Route, tried: Option<&Upstream>) -> Option<Arc<Upstream>> {
    let admitted = route.pool.pick(tried);
    match route.when_all_ejected {
        WhenAllEjected::Try if tried.is_none() => admitted.or_else(|| route.pool.pick_any()),
        _ => admitted,
    }
}

fn nobody(route: &Route) -> Failure {
    let reason = route
        .pool
        .upstreams()
        .iter()
        .max_by_key(|upstream| upstream.last_probe().map(|probe| probe.at))
        .and_then(|upstream| upstream.reason());
    FailureKind::NoUpstream { service: route.service.clone(), reason }.into()
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

/// How [`plain`] says that nobody listens.
const REFUSED: &str = "connection refused";
