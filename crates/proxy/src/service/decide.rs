//! Whose a request is, and whether it may be served here.

use std::sync::Arc;

use http::uri::PathAndQuery;
use http::{Method, Request, Response, Uri};

use super::{Entrance, Service};
use crate::body::{ClientBody, ResponseBody};
use crate::exchange::Exchange;
use crate::failure::FailureKind;
use crate::own::OwnHost;
use crate::table::{Route, RouteTable};
use crate::{authority, redirect, websocket};

/// What becomes of a request.
pub(super) enum Decision {
    /// A host of ours, which is answered here.
    Answer {
        own: Arc<dyn OwnHost>,
        route: Arc<Route>,
    },
    Forward(Arc<Route>),
    Own(Box<Response<ResponseBody>>),
}

impl Service {
    /// Looks the request's host up in the published table, once.
    pub(super) fn decide(
        &self,
        request: &Request<ClientBody>,
        exchange: &mut Exchange,
    ) -> Result<Decision, FailureKind> {
        let is_refused = match *request.method() {
            Method::CONNECT => !websocket::is_asked_for(request),
            Method::TRACE => true,
            _ => false,
        };
        if is_refused {
            return Err(FailureKind::MethodRefused);
        }
        let limits = &self.worker.settings().limits;
        let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
        if target > limits.target_bytes_max {
            return Err(FailureKind::TargetTooLong { max: limits.target_bytes_max });
        }
        // Over HTTP/1.1 hyper has seen to it.
        if request.headers().len() > limits.head_lines_max {
            return Err(FailureKind::HeadTooLarge { lines_max: limits.head_lines_max });
        }
        let host = authority::of_request(request.uri(), request.headers(), request.version())?;
        exchange.set_host(&host);
        let table = self.worker.table().load();
        match &self.entrance {
            Entrance::Http => self.decide_clear(&table, &host, request),
            Entrance::Https { server_name, .. } => {
                let route = decide_encrypted(&table, &host, server_name)?;
                Ok(match self.own(&route, &host) {
                    Some(own) => Decision::Answer { own: Arc::clone(own), route },
                    None => Decision::Forward(route),
                })
            }
        }
    }

    /// What answers for this host in this process, if it is one of ours.
    fn own(&self, route: &Route, host: &str) -> Option<&Arc<dyn OwnHost>> {
        let own = self.worker.settings().own.as_ref()?;
        let is_label = host.strip_prefix(own.label()).is_some_and(|rest| rest.starts_with('.'));
        (is_label && route.service.is_conduit()).then_some(own)
    }

    fn decide_clear(
        &self,
        table: &RouteTable,
        host: &str,
        request: &Request<ClientBody>,
    ) -> Result<Decision, FailureKind> {
        let settings = self.worker.settings();
        let (method, target) = (request.method(), request.uri());
        let route = table.get(host);
        // A service's own /ca.crt is its own affair.
        let ours = route.is_none_or(|route| route.service.is_conduit());
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
}

/// Whether a target is one that can be passed on: a path, or `*` for OPTIONS (RFC 9112 §3.2).
pub(super) fn judge_target(method: &Method, target: &Uri) -> Result<(), FailureKind> {
    let Some(target) = target.path_and_query().map(PathAndQuery::as_str) else {
        return Err(FailureKind::BadPath("there is none"));
    };
    if target.starts_with('*') && method != Method::OPTIONS {
        return Err(FailureKind::BadPath("`*` is only for OPTIONS"));
    }
    if !target.is_ascii() {
        return Err(FailureKind::BadPath("what is not ASCII has to be percent-encoded"));
    }
    Ok(())
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
