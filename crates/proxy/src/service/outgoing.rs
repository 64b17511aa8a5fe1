//! What an upstream gets of a client's request.

use std::rc::Rc;

use conduit_core::policy::OriginPolicy;
use http::header::{self, HeaderMap, HeaderValue};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{Method, Request, Uri, Version};
use http_body::Body as _;
use tokio_util::sync::CancellationToken;

use super::{Passage, Service};
use crate::body::{ClientBody, RequestBody};
use crate::exchange::Exchange;
use crate::failure::{Failure, FailureKind};
use crate::gate::access::Granted;
use crate::table::Route;
use crate::{framing, headers};

impl Service {
    /// Turns a client's request into what an upstream gets.
    pub(super) fn outgoing(
        &self,
        request: Request<ClientBody>,
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
        let is_clocked = body.is_end_stream() || !is_two_way(&parts, passage.route);
        let mut body = RequestBody::new(body, exchange.clock(), is_clocked);
        if let Some(limit) = passage.pass.and_then(|pass| pass.limit.as_ref()) {
            exchange.limit_body(limit);
            body = body.limited(Rc::clone(limit));
        }
        if !body.is_empty() && body.size_hint().exact().is_none() {
            // hyper would send a GET without its body otherwise.
            parts.headers.remove(header::CONTENT_LENGTH);
            parts.headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        } else if parts.version == Version::HTTP_2 {
            framing::one_length(&mut parts.headers);
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
}

/// Whether the two directions go on independently: gRPC, where it can be spoken on both sides. The
/// word alone would let any body take for ever.
fn is_two_way(parts: &Parts, route: &Route) -> bool {
    let upstream = route.pool.upstreams().first();
    parts.version >= Version::HTTP_2
        && headers::is_grpc(&parts.headers)
        && upstream.is_some_and(|upstream| upstream.transport().may_be_http2())
}

/// Asks the upstream whether the body may follow, and the client for it only then.
fn ask_first(outgoing: &mut Request<RequestBody>, exchange: &mut Exchange) {
    let (go_on, refused) = (CancellationToken::new(), CancellationToken::new());
    headers::expect_continue(outgoing.headers_mut());
    outgoing.body_mut().hold(go_on.clone(), refused.clone());
    exchange.refuses(refused);
    exchange.clock().asks(go_on);
}

/// `Host` as the upstream gets it: what the client asked for, port and all.
pub(super) fn host_field(uri: &Uri, headers: &HeaderMap) -> Result<HeaderValue, FailureKind> {
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
