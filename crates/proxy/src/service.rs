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
use conduit_core::policy::{Balance, OriginPolicy};
use http::header::{self, HeaderMap, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, Request, Response, StatusCode, Uri, Version};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::ext::Protocol;
use hyper::upgrade::OnUpgrade;
use tokio_util::sync::CancellationToken;

use crate::access_log::Line;
use crate::authority;
use crate::body::{RequestBody, ResponseBody};
use crate::clocks::{Clocks, Running};
use crate::connections::{Connection, Entry};
use crate::exchange::Exchange;
use crate::failure::{Failure, FailureKind};
use crate::forward::{self, Answer};
use crate::gate::access::Granted;
use crate::gate::{Entered, Gate, Pass, Visitor};
use crate::headers::{self, X_REQUEST_ID, told};
use crate::limits::{LINGER_BYTES_MAX, LINGER_TIMEOUT};
use crate::pool::Wish;
use crate::respond::Asker;
use crate::streams::{self, Events};
use crate::table::{Route, RouteTable};
use crate::tries::Tries;
use crate::upstream::Upstream;
use crate::websocket::{self, WEBSOCKET};
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
    },
}

impl Entrance {
    fn scheme(&self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https { .. } => "https",
        }
    }
}

/// A request on its way through: for whom, and what it may become.
struct Passage<'a> {
    route: &'a Arc<Route>,
    client: &'a headers::Client,
    switch: Option<Switch>,
    /// Whether the client waits to be told that its body may follow.
    asks: bool,
    pass: Option<&'a Pass>,
}

/// What becomes of a request.
enum Decision {
    Forward(Arc<Route>),
    Own(Box<Response<ResponseBody>>),
}

/// A request that wants to switch to another protocol.
struct Switch {
    protocol: HeaderValue,
    /// hyper's promise to hand the connection, or the stream, over.
    downstream: OnUpgrade,
    /// What the upstream has to answer, for a stream of HTTP/2.
    key: Option<websocket::Key>,
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
    pub(crate) async fn serve(
        self: Rc<Self>,
        request: Request<Incoming>,
        clock: Running,
    ) -> Result<Response<ResponseBody>, Infallible> {
        let told = self.trusted.then(|| Box::new(self.told(request.headers())));
        let client = told.as_deref().unwrap_or(&self.client);
        let log = &self.worker.settings().access_log;
        let line = Line::begin(&request, client.address(), log);
        let mut exchange = Exchange::begin(self.connection.entry(), clock, line);
        let mut asker = Asker::of(&request);
        let mut response = match self.answer(request, client, &mut asker, &mut exchange).await {
            Ok(response) => response,
            Err(failure) => self.refuse(&failure, &mut asker, &mut exchange),
        };
        exchange.answered(response.status().as_u16());
        response.body_mut().track(exchange);
        Ok(response)
    }

    /// Answers a request that failed.
    fn refuse(
        &self,
        failure: &Failure,
        asker: &mut Asker,
        exchange: &mut Exchange,
    ) -> Response<ResponseBody> {
        if let Some(line) = exchange.line() {
            line.set_error(failure.kind.word());
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

    async fn answer(
        &self,
        mut request: Request<Incoming>,
        client: &headers::Client,
        asker: &mut Asker,
        exchange: &mut Exchange,
    ) -> Result<Response<ResponseBody>, Failure> {
        let decision = self.decide(&request, exchange);
        match decision {
            Ok(Decision::Forward(route)) => {
                exchange.routed(self.worker.metrics().service(&route.service));
                exchange.clock().limit(&route.policy.timeouts);
                asker.set_preset(route.asked.preset);
                let switch = switch(&mut request);
                if switch.is_none() && request.method() == Method::CONNECT {
                    return Err(FailureKind::MethodRefused.into());
                }
                let asks =
                    !request.body().is_end_stream() && headers::expects_continue(request.headers());
                headers::receive(request.headers_mut(), self.trusted, || {
                    let number = self.worker.request_number();
                    asker.set_number(number);
                    self.worker.request_id(number)
                });
                asker.keep_id(request.headers());
                if !route.policy.access_log {
                    exchange.silence();
                } else if let Some(line) = exchange.line() {
                    line.set_route(&route);
                    line.set_request_id(request.headers().get(X_REQUEST_ID));
                }
                let passage = Passage { route: &route, client, switch, asks, pass: None };
                match &route.policy.gate {
                    None => self.forward(passage, request, exchange).await,
                    // On the heap, so that requests without a gate carry nothing of it.
                    Some(gate) => {
                        Box::pin(self.through(gate, passage, request, asker, exchange)).await
                    }
                }
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
        let is_refused = match *request.method() {
            Method::CONNECT => !is_websocket(request),
            Method::TRACE => true,
            _ => false,
        };
        if is_refused {
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

    /// Forwards what a route's gate lets in, and sees every answer off.
    async fn through(
        &self,
        gate: &Gate,
        passage: Passage<'_>,
        mut request: Request<Incoming>,
        asker: &mut Asker,
        exchange: &mut Exchange,
    ) -> Result<Response<ResponseBody>, Failure> {
        let parting = gate.parting(&request);
        let is_http1 = request.version() < Version::HTTP_2;
        let visitor = self.visitor(passage.client, &request)?;
        let (answered, rest) = match gate.enter(&visitor, &mut request).await {
            Ok(Entered::Answer(response)) => (Ok(*response), None),
            Ok(Entered::Pass(pass)) => {
                if let (Some(line), Some(identity)) = (exchange.line(), &pass.identity) {
                    line.set_identity(Arc::clone(identity));
                }
                let passage = Passage { pass: Some(&pass), ..passage };
                let answered = self.forward(passage, request, exchange).await;
                match &pass.limit {
                    Some(limit) => (answered.map_err(|f| limit.explain(f)), limit.take_rest()),
                    None => (answered, None),
                }
            }
            Err(failure) => (Err(failure), Some(request.into_body())),
        };
        let mut response = match answered {
            Ok(response) => response,
            Err(failure) => {
                let mut response = self.refuse(&failure, asker, exchange);
                if is_http1 && matches!(failure.kind, FailureKind::BodyTooLarge { .. }) {
                    let close = HeaderValue::from_static("close");
                    response.headers_mut().insert(header::CONNECTION, close);
                    self.linger(rest);
                }
                response
            }
        };
        gate.leave(&parting, self.worker.compression(), &mut response);
        Ok(response)
    }

    fn visitor<B>(
        &self,
        client: &headers::Client,
        request: &Request<B>,
    ) -> Result<Visitor<'_>, FailureKind> {
        let host = host_field(request.uri(), request.headers())?;
        Ok(Visitor {
            address: client.address(),
            is_tls: client.is_tls(),
            host: client.asked_for(&host).clone(),
            worker: &self.worker,
        })
    }

    /// Reads on for a while after a refusal: a client that is still sending when its connection is
    /// closed gets a reset, and never reads why.
    fn linger(&self, rest: Option<Incoming>) {
        let Some(mut rest) = rest else { return };
        self.worker.tasks().local_job("request rest", async move {
            let reading = async {
                let mut bytes = 0;
                while let Some(Ok(frame)) = rest.frame().await {
                    bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
                    if bytes > LINGER_BYTES_MAX {
                        return;
                    }
                }
            };
            let _ended = tokio::time::timeout(LINGER_TIMEOUT, reading).await;
        });
    }

    async fn forward(
        &self,
        passage: Passage<'_>,
        request: Request<Incoming>,
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
            incoming(answer, exchange)
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

    /// Turns a client's request into what an upstream gets.
    fn outgoing(
        &self,
        request: Request<Incoming>,
        passage: &Passage<'_>,
        exchange: &mut Exchange,
    ) -> Result<Request<RequestBody>, Failure> {
        let (mut parts, body) = request.into_parts();
        let host = host_field(&parts.uri, &parts.headers)?;
        let policy = &passage.route.policy;
        headers::announce(&mut parts.headers, passage.client, host);
        if policy.origin == OriginPolicy::Remove {
            parts.headers.remove(header::ORIGIN);
        }
        if let (Some(gate), Some(pass)) = (&policy.gate, passage.pass) {
            if let Some(granted) = parts.extensions.remove::<Granted>() {
                granted.write(&mut parts.headers);
            }
            gate.dress(&mut parts.headers, pass);
        }
        if let Some(switch) = &passage.switch {
            headers::set_upgrade(&mut parts.headers, switch.protocol.clone());
            if let Some(key) = &switch.key {
                key.ask(&mut parts.headers);
                parts.method = Method::GET;
            }
        }
        // HTTP/2 may split cookies; HTTP/1.1 must not (RFC 9113 §8.2.3).
        join_cookies(&mut parts.headers);
        let is_clocked = body.is_end_stream() || !headers::is_grpc(&parts.headers);
        let mut body = RequestBody::new(body, exchange.clock(), is_clocked);
        if let Some(limit) = passage.pass.and_then(|pass| pass.limit.as_ref()) {
            exchange.limit_body(limit);
            body = body.limited(Rc::clone(limit));
        }
        if !body.is_empty() && body.size_hint().exact().is_none() {
            // hyper would send a GET without its body otherwise.
            parts.headers.remove(header::CONTENT_LENGTH);
            parts.headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        let mut outgoing = Request::new(body);
        *outgoing.method_mut() = parts.method;
        *outgoing.uri_mut() = origin_form(parts.uri);
        *outgoing.headers_mut() = parts.headers;
        if passage.asks {
            ask_first(&mut outgoing, exchange);
        }
        Ok(outgoing)
    }

    fn switched(
        &self,
        route: &Route,
        answer: Answer,
        switch: Option<Switch>,
    ) -> Result<Response<ResponseBody>, Failure> {
        let mut theirs = answer.response;
        let bad = || Failure::from(FailureKind::BadResponse(route.service.clone()));
        // Nobody asked for it, or it is the answer to another question.
        let switch = switch.ok_or_else(bad)?;
        if switch.key.as_ref().is_some_and(|key| !key.is_accepted(theirs.headers())) {
            return Err(bad());
        }
        let upstream = hyper::upgrade::on(&mut theirs);
        let held = switch.key.is_some().then(|| self.connection.entry().hold());
        upgrade::join(
            &self.worker,
            &self.connection,
            switch.downstream,
            upstream,
            answer.seat.in_flight,
            held,
        );
        let protocol = headers::upgrade(theirs.headers()).unwrap_or(switch.protocol);
        let mut response = Response::new(ResponseBody::full(bytes::Bytes::new()));
        *response.headers_mut() = std::mem::take(theirs.headers_mut());
        headers::to_client(response.headers_mut());
        if switch.key.is_some() {
            // 200 (RFC 8441 §5).
            response.headers_mut().remove(header::SEC_WEBSOCKET_ACCEPT);
        } else {
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            headers::set_upgrade(response.headers_mut(), protocol);
        }
        Ok(response)
    }
}

/// Whether it asks for a WebSocket over a stream of HTTP/2 (RFC 8441 §4).
fn is_websocket(request: &Request<Incoming>) -> bool {
    let protocol = request.extensions().get::<Protocol>();
    request.version() == Version::HTTP_2
        && protocol.is_some_and(|protocol| protocol.as_str() == WEBSOCKET)
}

/// What a request wants to switch to, if it does.
fn switch(request: &mut Request<Incoming>) -> Option<Switch> {
    if request.method() == Method::CONNECT {
        let key = Some(websocket::Key::random()?);
        let protocol = HeaderValue::from_static(WEBSOCKET);
        return Some(Switch { protocol, downstream: hyper::upgrade::on(request), key });
    }
    // Also in HTTP/1.0 the fields mean nothing (RFC 9110 §7.8).
    let protocol = (request.version() == Version::HTTP_11)
        .then(|| headers::upgrade(request.headers()))
        .flatten()?;
    Some(Switch { protocol, downstream: hyper::upgrade::on(request), key: None })
}

/// Asks the upstream whether the body may follow, and the client for it only then.
fn ask_first(outgoing: &mut Request<RequestBody>, exchange: &mut Exchange) {
    let (go_on, refused) = (CancellationToken::new(), CancellationToken::new());
    headers::expect_continue(outgoing.headers_mut());
    outgoing.body_mut().hold(go_on.clone(), refused.clone());
    exchange.refuses(refused);
    exchange.clock().asks(go_on.clone());
    hyper::ext::on_informational(outgoing, move |informed| {
        if informed.status() == StatusCode::CONTINUE {
            go_on.cancel();
        }
    });
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
    let events = streams::is_stream(&parts.headers).then(|| {
        streams::pass_at_once(&mut parts.headers);
        Events::of(&parts.headers)
    });
    let mut response = Response::new(ResponseBody::upstream(body, events.flatten()));
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
