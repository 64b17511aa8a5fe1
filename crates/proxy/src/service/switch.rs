//! A request that wants to leave HTTP: an upgrade in HTTP/1.1, a WebSocket over HTTP/2.

use http::header::{self, HeaderValue};
use http::{Method, Request, Response, StatusCode, Version};
use hyper::upgrade::OnUpgrade;

use super::Service;
use crate::body::{ClientBody, ResponseBody};
use crate::failure::{Failure, FailureKind};
use crate::forward::Answer;
use crate::table::Route;
use crate::upgrade::Downstream;
use crate::websocket::{self, WEBSOCKET};
use crate::{headers, upgrade};

/// A request that wants to switch to another protocol.
pub(super) struct Switch {
    pub(super) protocol: HeaderValue,
    /// hyper's promise to hand a stream of HTTP/2 over; a whole connection comes from its task.
    stream: Option<OnUpgrade>,
    /// What the upstream has to answer, for a stream of HTTP/2.
    pub(super) key: Option<websocket::Key>,
}

impl Switch {
    /// What a request wants to switch to, if it does.
    pub(super) fn of(request: &mut Request<ClientBody>) -> Option<Self> {
        if request.method() == Method::CONNECT {
            let key = Some(websocket::Key::random()?);
            let protocol = HeaderValue::from_static(WEBSOCKET);
            return Some(Self { protocol, stream: Some(hyper::upgrade::on(request)), key });
        }
        // Also in HTTP/1.0 the fields mean nothing (RFC 9110 §7.8).
        let protocol = (request.version() == Version::HTTP_11)
            .then(|| headers::upgrade(request.headers()))
            .flatten()?;
        Some(Self { protocol, stream: None, key: None })
    }
}

impl Service {
    /// What a client gets of an upstream that switches with it.
    pub(super) fn switched(
        &self,
        route: &Route,
        answer: Answer,
        switch: Option<Switch>,
    ) -> Result<Response<ResponseBody>, Failure> {
        let (mut theirs, body) = answer.response.into_parts();
        let bad = || Failure::from(FailureKind::BadResponse(route.service.clone()));
        // Nobody asked for it, or it is the answer to another question.
        let switch = switch.ok_or_else(bad)?;
        if switch.key.as_ref().is_some_and(|key| !key.is_accepted(&theirs.headers))
            || !headers::is_asked_for(&switch.protocol, &theirs.headers)
        {
            return Err(bad());
        }
        let upstream = body.into_stream().ok_or_else(bad)?;
        let downstream = match switch.stream {
            Some(stream) => Downstream::Stream(stream),
            None => Downstream::Connection(self.connection.stream_after()),
        };
        let held = switch.key.is_some().then(|| self.connection.entry().hold());
        upgrade::join(
            &self.worker,
            &self.connection,
            downstream,
            upstream,
            answer.seat.in_flight,
            held,
        );
        let protocol = headers::upgrade(&theirs.headers).unwrap_or(switch.protocol);
        let mut response = Response::new(ResponseBody::full(bytes::Bytes::new()));
        *response.headers_mut() = std::mem::take(&mut theirs.headers);
        // Nothing of it is a body.
        let _judged = headers::to_client(response.headers_mut());
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
