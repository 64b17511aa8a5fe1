//! One request: whose is it, may it be served here, and what answers it.
//!
//! **Invariant:** the published table is loaded once per request and let go before anything is
//! awaited. A request on a TLS connection is answered only from the service whose name the handshake
//! had.

use std::convert::Infallible;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use conduit_core::policy::Balance;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, Response, StatusCode, Version};
use http_body::Body as _;

use crate::access_log::Line;
use crate::body::{ClientBody, RequestBody, ResponseBody};
use crate::clocks::{Clocks, Running};
use crate::connections::{Connection, Entry};
use crate::dialect::Dialect;
use crate::exchange::Exchange;
use crate::failure::{Failure, FailureKind};
use crate::forward::{self, Answer};
use crate::framing::{self, OtherCoding};
use crate::gate::Pass;
use crate::headers::{self, told};
use crate::own::Visitor;
use crate::pool::Wish;
use crate::respond::Asker;
use crate::streams::{self, Flow};
use crate::table::Route;
use crate::tries::Tries;
use crate::upstream::Upstream;
use crate::worker::Worker;
use crate::{cookie, own, respond};

mod decide;
mod outgoing;
mod switch;
mod through;

use decide::Decision;
use switch::Switch;

/// Serves the requests of one connection.
#[derive(Debug)]
pub(crate) struct Service {
    worker: Rc<Worker>,
    connection: Rc<Connection>,
    entrance: Entrance,
    address: IpAddr,
    client: headers::Client,
    /// Whether the other side is a proxy whose claims are believed.
    trusted: bool,
}

/// How a connection came in.
#[derive(Debug, Clone)]
pub(crate) enum Entrance {
    /// In the clear.
    Http,
    /// With TLS, for this name.
    Https {
        /// As the client sent it, in lower case.
        server_name: Arc<str>,
        /// The address of ours that it came to; looked up for hosts of our own only.
        arrived_at: Option<IpAddr>,
    },
}

impl Entrance {
    fn scheme(&self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https { .. } => "https",
        }
    }

    fn arrived_at(&self) -> Option<IpAddr> {
        match self {
            Self::Http => None,
            Self::Https { arrived_at, .. } => *arrived_at,
        }
    }
}

/// A request on its way through: for whom, and what it may become.
struct Passage<'a> {
    route: &'a Arc<Route>,
    client: &'a headers::Client,
    /// What its client expects errors in.
    dialect: Dialect,
    switch: Option<Switch>,
    /// Whether the client waits to be told that its body may follow.
    asks: bool,
    pass: Option<&'a Pass>,
}

impl Service {
    /// For a connection that was just accepted, and has its TLS handshake behind it.
    pub(crate) fn new(
        worker: Rc<Worker>,
        connection: Rc<Connection>,
        entrance: Entrance,
        address: IpAddr,
    ) -> Self {
        let scheme = entrance.scheme();
        let trusted = told::is_trusted(&worker.settings().trusted_proxies, address);
        Self {
            worker,
            connection,
            entrance,
            address,
            client: headers::Client::new(address, scheme),
            trusted,
        }
    }

    /// The clocks that requests on it are in.
    pub(crate) fn clocks(&self) -> &Rc<Clocks> {
        self.worker.clocks()
    }

    /// The connection's place in the worker's book.
    pub(crate) fn entry(&self) -> &Rc<Entry> {
        self.connection.entry()
    }

    /// Answers one request; what fails becomes an answer, too.
    #[expect(clippy::manual_async_fn, reason = "an async fn keeps a parameter twice in its state")]
    pub(crate) fn serve(
        self: Rc<Self>,
        mut request: Request<ClientBody>,
        clock: Running,
    ) -> impl Future<Output = Result<Response<ResponseBody>, Infallible>> {
        async move {
            let told = self.trusted.then(|| Box::new(self.told(request.headers())));
            let client = told.as_deref().unwrap_or(&self.client);
            let settings = self.worker.settings();
            let line = Line::begin(&request, client.address(), &settings.access_log);
            let mut exchange = Exchange::begin(self.connection.entry(), clock, line);
            let mut asker = Asker::of(&request);
            if let Some(tracer) = &settings.tracer
                && let Some(recording) = tracer.begin(&mut request, client, self.trusted)
            {
                asker.set_trace(recording.id());
                exchange.record(recording);
            }
            let is_http1 = request.version() < Version::HTTP_2;
            let mut response = match self.answer(request, client, &mut asker, &mut exchange).await {
                Ok(response) => response,
                Err(failure) => {
                    let mut response = self.refuse(&failure, &mut asker, &mut exchange);
                    if is_http1 && failure.kind.ends_connection() {
                        let close = HeaderValue::from_static("close");
                        response.headers_mut().insert(header::CONNECTION, close);
                    }
                    response
                }
            };
            if let (Some(alt_svc), Entrance::Https { .. }) = (self.worker.alt_svc(), &self.entrance)
            {
                response.headers_mut().insert(header::ALT_SVC, alt_svc.clone());
            }
            asker.remind(response.headers_mut());
            exchange.answered(response.status().as_u16());
            if is_http1 && self.connection.is_leaving() {
                send_elsewhere(&mut response);
            }
            response.body_mut().track(exchange);
            Ok(response)
        }
    }

    /// Answers a request that failed.
    fn refuse(
        &self,
        failure: &Failure,
        asker: &mut Asker,
        exchange: &mut Exchange,
    ) -> Response<ResponseBody> {
        exchange.failed(failure);
        if let Some(limit) = failure.kind.limit() {
            self.worker.metrics().hits().count(limit);
        }
        tracing::debug!(side = ?failure.side, "{}", failure.kind);
        let id = asker.id(|number| {
            self.worker.request_id(number.unwrap_or_else(|| self.worker.request_number()))
        });
        respond::failure(failure, asker, id)
    }

    /// The client that a trusted proxy speaks for.
    fn told(&self, headers: &HeaderMap) -> headers::Client {
        let trusted = &self.worker.settings().trusted_proxies;
        told::client(headers, self.address, self.entrance.scheme(), trusted)
    }

    #[expect(clippy::manual_async_fn, reason = "an async fn keeps a parameter twice in its state")]
    fn answer(
        &self,
        mut request: Request<ClientBody>,
        client: &headers::Client,
        asker: &mut Asker,
        exchange: &mut Exchange,
    ) -> impl Future<Output = Result<Response<ResponseBody>, Failure>> {
        async move {
            let decision = self.decide(&request, exchange);
            match decision {
                Ok(Decision::Forward(route)) => {
                    exchange.routed(self.worker.metrics().service(&route.service));
                    exchange.clock().limit(&route.policy.timeouts);
                    decide::judge_target(request.method(), request.uri())?;
                    asker.set_preset(route.asked.preset);
                    let switch = Switch::of(&mut request);
                    if switch.is_none() && request.method() == Method::CONNECT {
                        return Err(FailureKind::MethodRefused.into());
                    }
                    let is_unsized = request.body().size_hint().exact().is_none();
                    if is_unsized && framing::judge_coding(request.headers()).is_err() {
                        return Err(FailureKind::CodingRefused.into());
                    }
                    let asks = !request.body().is_end_stream()
                        && headers::expects_continue(request.headers());
                    headers::receive(request.headers_mut(), self.trusted, || {
                        let number = self.worker.request_number();
                        asker.set_number(number);
                        self.worker.request_id(number)
                    });
                    asker.keep_id(request.headers());
                    exchange.set_route(&route, request.headers());
                    let dialect = asker.dialect();
                    let passage =
                        Passage { route: &route, client, dialect, switch, asks, pass: None };
                    match &route.policy.gate {
                        None => self.forward(passage, request, exchange).await,
                        // On the heap, so that requests without a gate carry nothing of it.
                        Some(gate) => {
                            Box::pin(self.through(gate, passage, request, asker, exchange)).await
                        }
                    }
                }
                Ok(Decision::Answer { own, route }) => {
                    exchange.routed(self.worker.metrics().service(&route.service));
                    exchange.clock().limit(&route.policy.timeouts);
                    exchange.set_route(&route, request.headers());
                    let visitor = Visitor {
                        client: client.address(),
                        arrived_at: self.entrance.arrived_at(),
                    };
                    // On the heap, so that requests for others' hosts carry nothing of it.
                    Box::pin(own::answer(&*own, request, visitor)).await
                }
                Ok(Decision::Own(response)) => {
                    self.worker.metrics().request_refused();
                    Ok(*response)
                }
                Err(kind) => {
                    self.worker.metrics().request_refused();
                    Err(kind.into())
                }
            }
        }
    }

    async fn forward(
        &self,
        passage: Passage<'_>,
        request: Request<ClientBody>,
        exchange: &mut Exchange,
    ) -> Result<Response<ResponseBody>, Failure> {
        let mut outgoing = self.outgoing(request, &passage, exchange)?;
        let route = passage.route;
        let wish = self.wish(route, &mut outgoing, passage.client);
        let tries = Tries::new(route, exchange, wish);
        let answer = forward::forward(self.worker.client(), route, tries, outgoing).await?;
        let upstream = answer.seat.in_flight.upstream();
        if let Some(line) = exchange.line() {
            line.set_upstream(upstream);
        }
        let status = answer.response.status();
        let is_tunnel = passage.switch.as_ref().is_some_and(|switch| switch.key.is_some());
        let cookie = self.cookie(route, wish, upstream);
        let mut response = if status == StatusCode::SWITCHING_PROTOCOLS {
            self.switched(route, answer, passage.switch)?
        } else if status.is_success() && is_tunnel {
            // To a client that asked for a tunnel, any success would be one (RFC 9110 §9.3.6).
            return Err(FailureKind::BadResponse(route.service.clone()).into());
        } else {
            incoming(route, passage.dialect, answer, exchange)?
        };
        if let Some(cookie) = cookie {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        Ok(response)
    }

    /// What a request brings along for the choice of its upstream.
    fn wish(
        &self,
        route: &Route,
        outgoing: &mut Request<RequestBody>,
        client: &headers::Client,
    ) -> Wish {
        let balance = &route.pool.settings().balance;
        let sticky = route.policy.sticky.as_ref();
        if sticky.is_none() && !matches!(balance, Balance::Hash(_)) {
            return Wish::default();
        }
        let uri = std::mem::take(outgoing.uri_mut());
        let wish = Wish::of(balance, sticky, outgoing.headers_mut(), uri.path(), client.address());
        *outgoing.uri_mut() = uri;
        wish
    }

    /// The cookie that keeps the client on `upstream`, unless it has it already.
    fn cookie(&self, route: &Route, wish: Wish, upstream: &Upstream) -> Option<HeaderValue> {
        let sticky = route.policy.sticky.as_ref()?;
        let id = upstream.id();
        let secure = matches!(self.entrance, Entrance::Https { .. });
        (wish.held != Some(id)).then(|| cookie::set_id(sticky.cookie.as_str(), id, secure))?
    }
}

/// Has a client over HTTP/1.1 send its next request on another connection.
fn send_elsewhere(response: &mut Response<ResponseBody>) {
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
}

/// Passes an upstream's response on.
fn incoming(
    route: &Route,
    dialect: Dialect,
    answer: Answer,
    exchange: &mut Exchange,
) -> Result<Response<ResponseBody>, Failure> {
    let (mut parts, body) = answer.response.into_parts();
    let judged = headers::to_client(&mut parts.headers);
    judged.map_err(|OtherCoding| FailureKind::BadResponse(route.service.clone()))?;
    exchange.answered_by(answer.lease, answer.seat, parts.status);
    if parts.status == StatusCode::NO_CONTENT {
        // RFC 9110 §8.6.
        parts.headers.remove(header::CONTENT_LENGTH);
    }
    let flow = streams::is_stream(&parts.headers).then(|| {
        streams::pass_at_once(&mut parts.headers);
        Flow::of(&parts.headers, dialect)
    });
    let mut response = Response::new(ResponseBody::upstream(body, flow.flatten()));
    *response.status_mut() = parts.status;
    *response.headers_mut() = parts.headers;
    Ok(response)
}
