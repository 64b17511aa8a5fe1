//! One request: whose is it, may it be served here, and what answers it.
//!
//! **Invariant:** the published table is loaded once per request and let go before anything is
//! awaited. A request on a TLS connection is answered only from the service whose name the handshake
//! had.

use std::convert::Infallible;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use conduit_core::name::ServiceName;
use conduit_core::policy::Balance;
use http::header::{self, HeaderMap, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, Request, Response, StatusCode, Uri, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;

use crate::access_log::Line;
use crate::authority;
use crate::body::{RequestBody, ResponseBody};
use crate::connections::Connection;
use crate::exchange::Exchange;
use crate::failure::{Failure, FailureKind};
use crate::forward::{self, Answer};
use crate::headers::{self, X_REQUEST_ID};
use crate::pool::Wish;
use crate::table::{Route, RouteTable};
use crate::tries::Tries;
use crate::upstream::Upstream;
use crate::worker::Worker;
use crate::{cookie, redirect, respond, upgrade};

/// Serves the requests of one connection.
#[derive(Debug)]
pub(crate) struct Service {
    worker: Rc<Worker>,
    connection: Rc<Connection>,
    entrance: Entrance,
    address: IpAddr,
    client: headers::Client,
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
    },
}

/// What becomes of a request.
enum Decision {
    Forward(Arc<Route>),
    Own(Box<Response<ResponseBody>>),
}

impl Service {
    /// For a connection that was just accepted, and has its TLS handshake behind it.
    pub(crate) fn new(
        worker: Rc<Worker>,
        connection: Rc<Connection>,
        entrance: Entrance,
        address: IpAddr,
    ) -> Self {
        let scheme = match entrance {
            Entrance::Http => "http",
            Entrance::Https { .. } => "https",
        };
        Self {
            worker,
            connection,
            entrance,
            address,
            client: headers::Client::new(address, scheme),
        }
    }

    /// Answers one request; what fails becomes an answer, too.
    pub(crate) async fn serve(
        self: Rc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<ResponseBody>, Infallible> {
        let line = Line::begin(&request, self.address);
        let mut exchange = Exchange::begin(self.connection.entry(), line);
        let accept = request.headers().get(header::ACCEPT).cloned();
        let mut response = match self.answer(request, &mut exchange).await {
            Ok(response) => response,
            Err(failure) => {
                if let Some(line) = exchange.line() {
                    line.set_error(failure.kind.word());
                }
                tracing::debug!(side = ?failure.side, "{}", failure.kind);
                respond::failure(&failure, accept.as_ref())
            }
        };
        exchange.answered(response.status().as_u16());
        response.body_mut().track(exchange);
        Ok(response)
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
        exchange: &mut Exchange,
    ) -> Result<Response<ResponseBody>, Failure> {
        let decision = self.decide(&request, exchange);
        match decision {
            Ok(Decision::Forward(route)) => {
                exchange.routed(self.worker.metrics().service(&route.service));
                if let Some(line) = exchange.line() {
                    line.set_route(&route);
                }
                self.forward(&route, request, exchange).await
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

    fn decide(
        &self,
        request: &Request<Incoming>,
        exchange: &mut Exchange,
    ) -> Result<Decision, FailureKind> {
        if matches!(*request.method(), Method::CONNECT | Method::TRACE) {
            return Err(FailureKind::MethodRefused);
        }
        let host = authority::of_request(request.uri(), request.headers(), request.version())?;
        if let Some(line) = exchange.line() {
            line.set_host(&host);
        }
        let table = self.worker.table().load();
        match &self.entrance {
            Entrance::Http => self.decide_clear(&table, &host, request),
            Entrance::Https { server_name } => {
                decide_encrypted(&table, &host, server_name).map(Decision::Forward)
            }
        }
    }

    fn decide_clear(
        &self,
        table: &RouteTable,
        host: &str,
        request: &Request<Incoming>,
    ) -> Result<Decision, FailureKind> {
        let settings = self.worker.settings();
        let (method, target) = (request.method(), request.uri());
        let route = table.get(host);
        // A service's own /ca.crt is its own affair.
        let ours = route.is_none_or(|route| route.service == ServiceName::conduit());
        match (route, &settings.trust_bundle) {
            (_, Some(pem)) if ours && redirect::asks_for_bundle(method, target) => {
                Ok(Decision::Own(Box::new(redirect::bundle(pem))))
            }
            (Some(route), _) if route.leaves.is_none() => Ok(Decision::Forward(Arc::clone(route))),
            (Some(_), _) => {
                let response = redirect::to_https(host, settings.https_port, target);
                Ok(Decision::Own(Box::new(response)))
            }
            (None, _) => Err(FailureKind::UnknownHost(host.to_owned())),
        }
    }

    async fn forward(
        &self,
        route: &Arc<Route>,
        mut request: Request<Incoming>,
        exchange: &mut Exchange,
    ) -> Result<Response<ResponseBody>, Failure> {
        let switch = self.switch(&mut request);
        let protocol = switch.as_ref().map(|(protocol, _)| protocol.clone());
        let mut outgoing = self.outgoing(request, protocol, exchange)?;
        if let Some(line) = exchange.line() {
            line.set_request_id(outgoing.headers().get(X_REQUEST_ID));
        }
        let wish = self.wish(route, &mut outgoing);
        let tries = Tries::new(route, exchange, wish);
        let answer = forward::forward(self.worker.client(), route, tries, outgoing).await?;
        let upstream = answer.seat.in_flight.upstream();
        if let Some(line) = exchange.line() {
            line.set_upstream(upstream);
        }
        let cookie = self.cookie(route, wish, upstream);
        let mut response = if answer.response.status() == StatusCode::SWITCHING_PROTOCOLS {
            self.switched(route, answer, switch)?
        } else {
            incoming(answer, exchange)
        };
        if let Some(cookie) = cookie {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        Ok(response)
    }

    /// What a request brings along for the choice of its upstream.
    fn wish(&self, route: &Route, outgoing: &mut Request<RequestBody>) -> Wish {
        let balance = &route.pool.settings().balance;
        let sticky = route.policy.sticky.as_ref();
        if sticky.is_none() && !matches!(balance, Balance::Hash(_)) {
            return Wish::default();
        }
        let uri = std::mem::take(outgoing.uri_mut());
        let wish = Wish::of(balance, sticky, outgoing.headers_mut(), uri.path(), self.address);
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

    /// The protocol a request wants to switch to, with hyper's promise to hand the connection over.
    fn switch(&self, request: &mut Request<Incoming>) -> Option<(HeaderValue, OnUpgrade)> {
        // Also in HTTP/1.0 the fields mean nothing (RFC 9110 §7.8).
        let protocol = (request.version() == Version::HTTP_11)
            .then(|| headers::upgrade(request.headers()))
            .flatten()?;
        Some((protocol, hyper::upgrade::on(request)))
    }

    /// Turns a client's request into what an upstream gets.
    fn outgoing(
        &self,
        request: Request<Incoming>,
        protocol: Option<HeaderValue>,
        exchange: &Exchange,
    ) -> Result<Request<RequestBody>, Failure> {
        let (mut parts, body) = request.into_parts();
        let host = host_field(&parts.uri, &parts.headers)?;
        headers::to_upstream(&mut parts.headers, &self.client, host, || self.worker.request_id());
        if let Some(protocol) = protocol {
            headers::set_upgrade(&mut parts.headers, protocol);
        }
        // HTTP/2 may split cookies; HTTP/1.1 must not (RFC 9113 §8.2.3).
        join_cookies(&mut parts.headers);
        let body = RequestBody::new(body, Rc::clone(exchange.bytes_in()));
        if !body.is_empty() && body.size_hint().exact().is_none() {
            // hyper would send a GET without its body otherwise.
            parts.headers.remove(header::CONTENT_LENGTH);
            parts.headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        let mut outgoing = Request::new(body);
        *outgoing.method_mut() = parts.method;
        *outgoing.uri_mut() = origin_form(parts.uri);
        *outgoing.headers_mut() = parts.headers;
        Ok(outgoing)
    }

    fn switched(
        &self,
        route: &Route,
        answer: Answer,
        switch: Option<(HeaderValue, OnUpgrade)>,
    ) -> Result<Response<ResponseBody>, Failure> {
        let mut theirs = answer.response;
        let Some((protocol, downstream)) = switch else {
            // Nobody asked for it.
            return Err(FailureKind::BadResponse(route.service.clone()).into());
        };
        let upstream = hyper::upgrade::on(&mut theirs);
        upgrade::join(&self.worker, &self.connection, downstream, upstream, answer.seat.in_flight);
        let protocol = headers::upgrade(theirs.headers()).unwrap_or(protocol);
        let mut response = Response::new(ResponseBody::full(bytes::Bytes::new()));
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        *response.headers_mut() = std::mem::take(theirs.headers_mut());
        headers::to_client(response.headers_mut());
        headers::set_upgrade(response.headers_mut(), protocol);
        Ok(response)
    }
}

/// The route of `host` on a connection whose handshake was for `server_name`.
fn decide_encrypted(
    table: &RouteTable,
    host: &str,
    server_name: &str,
) -> Result<Arc<Route>, FailureKind> {
    let route = table.get(host);
    if host == server_name {
        return route.cloned().ok_or_else(|| FailureKind::UnknownHost(host.to_owned()));
    }
    match (route, table.get(server_name)) {
        (Some(asked), Some(opened)) if asked.service == opened.service => Ok(Arc::clone(asked)),
        _ => Err(FailureKind::Misdirected),
    }
}

/// Passes an upstream's response on.
fn incoming(answer: Answer, exchange: &mut Exchange) -> Response<ResponseBody> {
    let (mut parts, body) = answer.response.into_parts();
    exchange.answered_by(answer.lease, answer.seat, parts.status);
    headers::to_client(&mut parts.headers);
    let mut response = Response::new(ResponseBody::upstream(body));
    *response.status_mut() = parts.status;
    *response.headers_mut() = parts.headers;
    response
}

/// `Host` as the upstream gets it: what the client asked for, port and all.
fn host_field(uri: &Uri, headers: &HeaderMap) -> Result<HeaderValue, FailureKind> {
    if let Some(host) = headers.get(header::HOST) {
        return Ok(host.clone());
    }
    let authority = uri.authority().map_or("", |a| a.as_str());
    HeaderValue::try_from(authority).map_err(|_| FailureKind::BadAuthority("it is not a host name"))
}

fn origin_form(uri: Uri) -> Uri {
    if uri.authority().is_none() {
        return uri;
    }
    uri.into_parts().path_and_query.unwrap_or_else(|| PathAndQuery::from_static("/")).into()
}

fn join_cookies(headers: &mut HeaderMap) {
    let mut lines = headers.get_all(header::COOKIE).iter();
    if lines.next().is_none() || lines.next().is_none() {
        return;
    }
    let all: Vec<&[u8]> =
        headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if let Ok(joined) = HeaderValue::from_bytes(&all.join(&b"; "[..])) {
        headers.insert(header::COOKIE, joined);
    }
}
