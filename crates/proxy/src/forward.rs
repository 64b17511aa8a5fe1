//! Choosing an upstream and getting a response's head out of it.
//!
//! **Invariant:** a request moves to another upstream at most once, and only when nothing of it was
//! sent to the first.

use std::rc::Rc;
use std::sync::Arc;

use conduit_core::service::WhenAllEjected;
use http::{Request, Response};
use hyper::body::Incoming;

use crate::attempt::{Broken, attempt};
use crate::body::RequestBody;
use crate::client::{Client, Lease};
use crate::failure::{Failure, FailureKind, Retry};
use crate::limits::RETRIES_MAX;
use crate::table::Route;
use crate::upstream::{InFlight, Observation, Upstream};

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
    route: &Route,
    mut request: Request<RequestBody>,
) -> Result<Answer, Failure> {
    let mut tried: Option<(Arc<Upstream>, Failure)> = None;
    let mut retries = 0;
    let connect_timeout = route.policy.timeouts.connect;
    loop {
        let Some(upstream) = pick(route, tried.as_ref().map(|(upstream, _)| &**upstream)) else {
            return Err(tried.map_or_else(|| nobody(route), |(_, failure)| failure));
        };
        let in_flight = upstream.begin();
        let (failure, unsent) = match attempt(client, &upstream, connect_timeout, request).await {
            Ok((response, lease)) => {
                return Ok(Answer { response, lease, in_flight, retries });
            }
            Err(Broken { cause, unsent }) => {
                (cause.into_failure(&route.service, connect_timeout), unsent)
            }
        };
        upstream.report(match failure.retry {
            Retry::Another => Observation::ConnectFailed,
            Retry::Never => Observation::NoAnswer,
        });
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
        .filter_map(|upstream| upstream.last_probe())
        .max_by_key(|probe| probe.at)
        .and_then(|probe| probe.outcome.reason());
    FailureKind::NoUpstream { service: route.service.clone(), reason }.into()
}
