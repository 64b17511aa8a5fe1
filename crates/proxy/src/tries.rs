//! The tries of one request: where it goes first, and whether and where it goes next.
//!
//! **Invariant:** each try is on an upstream that this request was not on yet, there are at most as
//! many as the policy says, and each but the first is paid from the pool's retry budget.

use std::sync::Arc;

use conduit_core::service::WhenAllEjected;
use http::{Request, StatusCode};
use tokio::time::Instant;

use crate::exchange::Exchange;
use crate::failure::{Failure, FailureKind};
use crate::limits::{RETRIES_MAX, RETRY_PERCENT};
use crate::metrics::Queued;
use crate::pool::{Ask, Refused, Wish};
use crate::table::Route;
use crate::upstream::{InFlight, Upstream};

/// The tries of one request.
pub(crate) struct Tries<'a> {
    route: &'a Route,
    exchange: &'a Exchange,
    wish: Wish,
    tried: Vec<Arc<Upstream>>,
}

/// A place at an upstream.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) in_flight: InFlight,
    /// When the try began: what the time to the first byte is counted from.
    pub(crate) began: Instant,
}

impl<'a> Tries<'a> {
    pub(crate) fn new(route: &'a Route, exchange: &'a Exchange, wish: Wish) -> Self {
        if max(route) > 0 && route.pool.upstreams().len() > 1 {
            route.pool.asked(exchange.started());
        }
        Self { route, exchange, wish, tried: Vec::new() }
    }

    /// A try on `upstream` begins: what of it is recorded, the upstream is told.
    pub(crate) fn begins<B>(&self, upstream: &Arc<Upstream>, request: &mut Request<B>) {
        if let Some(trace) = self.exchange.trace() {
            trace.begin_try(upstream, request);
        }
    }

    /// The head of an answer came.
    pub(crate) fn answered(&self, status: StatusCode) {
        if let Some(trace) = self.exchange.trace() {
            trace.answered(status);
        }
    }

    /// It got none.
    pub(crate) fn failed(&self, failure: &Failure) {
        if let Some(trace) = self.exchange.trace() {
            trace.failed(&failure.kind);
        }
    }

    /// Whether answers that say that the upstream failed may lead to another try, and there may
    /// be one.
    pub(crate) fn by_status(&self) -> bool {
        self.route.policy.retries.on_status == Some(true) && self.may_go_on()
    }

    /// A place for the first try; waits for one where the policy limits them.
    pub(crate) async fn first(&self) -> Result<Seat, Failure> {
        let refused = match self.route.pool.reserve(&self.ask()) {
            Ok(in_flight) => return Ok(Seat { in_flight, began: self.exchange.started() }),
            // On the heap, so that requests that need not wait carry nothing of it.
            Err(Refused::Full) => match Box::pin(self.wait()).await {
                Ok(seat) => return Ok(seat),
                Err(refused) => refused,
            },
            Err(refused) => refused,
        };
        Err(self.refusal(refused))
    }

    /// A place for another try after one that failed; waits like the first one did.
    pub(crate) async fn after_failure(&mut self, failed: InFlight) -> Option<Seat> {
        if !self.may_go_on() {
            return None;
        }
        self.tried.push(Arc::clone(failed.upstream()));
        // Gives the place back: others may wait for it.
        drop(failed);
        let seat = match self.route.pool.reserve(&self.ask()) {
            Ok(in_flight) => Seat { in_flight, began: Instant::now() },
            Err(Refused::Full) => Box::pin(self.wait()).await.ok()?,
            Err(_) => return None,
        };
        self.paid().then_some(seat)
    }

    /// A place for another try instead of the answer that came on `failed`, if one is free now:
    /// else that answer will do.
    pub(crate) fn instead(&mut self, failed: &InFlight) -> Option<Seat> {
        if !self.may_go_on() {
            return None;
        }
        self.tried.push(Arc::clone(failed.upstream()));
        let in_flight = self.route.pool.reserve(&self.ask()).ok();
        let seat = in_flight.map(|in_flight| Seat { in_flight, began: Instant::now() });
        let seat = seat.filter(|_| self.paid());
        if let (Some(trace), Some(_)) = (self.exchange.trace(), &seat) {
            trace.end_try();
        }
        seat
    }

    fn may_go_on(&self) -> bool {
        self.tried.len() < max(self.route)
    }

    fn ask(&self) -> Ask<'_> {
        let any = self.route.when_all_ejected == WhenAllEjected::Try;
        Ask { wish: self.wish, tried: &self.tried, any }
    }

    async fn wait(&self) -> Result<Seat, Refused> {
        let queued = self.exchange.counters().map(Queued::begin);
        let place = self.route.pool.wait(&self.ask()).await;
        if let (Some(queued), Err(Refused::QueueFull | Refused::TimedOut)) = (&queued, &place) {
            queued.gave_up();
        }
        place.map(|in_flight| Seat { in_flight, began: Instant::now() })
    }

    /// Takes the next try out of the budget, and counts it either way.
    fn paid(&self) -> bool {
        let percent = self.route.policy.retries.budget_percent.unwrap_or(RETRY_PERCENT);
        let paid = self.route.pool.take_retry(percent, Instant::now());
        if let Some(counters) = self.exchange.counters() {
            if paid { counters.retried() } else { counters.retry_refused() }
        }
        paid
    }

    fn refusal(&self, refused: Refused) -> Failure {
        let service = self.route.service.clone();
        match refused {
            Refused::Nobody => {
                let upstreams = self.route.pool.upstreams().iter();
                let last = upstreams.max_by_key(|upstream| upstream.last_probe().map(|p| p.at));
                let reason = last.and_then(|upstream| upstream.reason());
                FailureKind::NoUpstream { service, reason }
            }
            Refused::Full | Refused::QueueFull | Refused::TimedOut => FailureKind::Saturated {
                service,
                waited: match refused {
                    Refused::TimedOut => self.exchange.started().elapsed(),
                    _ => std::time::Duration::ZERO,
                },
            },
        }
        .into()
    }
}

/// How often a request of this route may move on.
fn max(route: &Route) -> usize {
    route.policy.retries.max.map_or(RETRIES_MAX, usize::from)
}
