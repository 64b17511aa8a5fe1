//! One line per request, for people and their tools.
//!
//! **Invariant:** a line costs nothing when nobody listens: it is built only if the target
//! `access` is enabled at INFO. Query strings, which carry secrets, are never written.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::HeaderValue;
use http::{Method, Request};

use crate::limits::LOG_PATH_BYTES_MAX;
use crate::table::Route;
use crate::upstream::Upstream;

/// What is known of a request before it ends.
#[derive(Debug)]
pub(crate) struct Line {
    client: IpAddr,
    method: Method,
    host: String,
    path: String,
    route: Option<Arc<Route>>,
    upstream: Option<Arc<Upstream>>,
    request_id: Option<HeaderValue>,
    error: Option<&'static str>,
    identity: Option<Arc<str>>,
}

impl Line {
    /// Begins a line, when lines are written at all.
    pub(crate) fn begin<B>(request: &Request<B>, client: IpAddr) -> Option<Box<Self>> {
        tracing::enabled!(target: "access", tracing::Level::INFO).then(|| {
            let path = request.uri().path();
            let mut end = path.len().min(LOG_PATH_BYTES_MAX);
            while !path.is_char_boundary(end) {
                end -= 1;
            }
            Box::new(Self {
                client,
                method: request.method().clone(),
                host: String::new(),
                path: path[..end].to_owned(),
                route: None,
                upstream: None,
                request_id: None,
                error: None,
                identity: None,
            })
        })
    }

    /// The host it asked for.
    pub(crate) fn set_host(&mut self, host: &str) {
        host.clone_into(&mut self.host);
    }

    /// The route it takes.
    pub(crate) fn set_route(&mut self, route: &Arc<Route>) {
        self.route = Some(Arc::clone(route));
    }

    /// Who answered it.
    pub(crate) fn set_upstream(&mut self, upstream: &Arc<Upstream>) {
        self.upstream = Some(Arc::clone(upstream));
    }

    /// The id that the upstream was told.
    pub(crate) fn set_request_id(&mut self, id: Option<&HeaderValue>) {
        self.request_id = id.cloned();
    }

    /// Who was let in.
    pub(crate) fn set_identity(&mut self, identity: Arc<str>) {
        self.identity = Some(identity);
    }

    /// Why it was not answered by an upstream.
    pub(crate) fn set_error(&mut self, word: &'static str) {
        self.error = Some(word);
    }

    /// Writes the line. Status 0 is a client that left before there was one.
    pub(crate) fn write(&self, status: u16, took: Duration, bytes: u64, complete: bool) {
        let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        tracing::info!(
            target: "access",
            service = self.route.as_ref().map(|r| r.service.as_str()),
            host = self.host,
            method = self.method.as_str(),
            path = self.path,
            status,
            duration_ms = millis,
            bytes,
            complete,
            upstream = self.upstream.as_ref().map(|u| tracing::field::display(u.addr())),
            client = %self.client,
            identity = self.identity.as_deref(),
            request_id = self.request_id.as_ref().and_then(|id| id.to_str().ok()),
            error = self.error,
        );
    }
}
