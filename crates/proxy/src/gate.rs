//! What a service's policy does to a request before it is forwarded, and to a response before it
//! leaves.
//!
//! The order is fixed: maintenance, the client's address, redirects, preflights, who it is, the
//! path, the size of the body, rewrites; and fields last, so that what an operator sets is what the
//! upstream gets.
//!
//! **Invariant:** a route whose policy asks for none of this has no gate. Where paths are ruled, the
//! path that the rules saw is the path that is forwarded. Every response passes [`Gate::leave`], our
//! own refusals too.

pub(crate) mod access;
pub(crate) mod body_limit;
pub(crate) mod compress;
mod cors;
pub(crate) mod encode;
mod fields;
mod path;
mod redirects;
mod rewrites;

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use conduit_core::policy::{PathPrefix, Policy, Size};
use http::header::{HeaderMap, HeaderValue};
use http::uri::PathAndQuery;
use http::{Request, Response, Uri};
use http_body::Body as _;
use ipnet::IpNet;

use self::access::{Access, Verdict};
use self::body_limit::BodyLimit;
use self::compress::{Compression, Wish};
use self::cors::CorsRules;
use self::fields::FieldChanges;
use self::redirects::Redirects;
use self::rewrites::Rewrites;
use crate::body::{ClientBody, ResponseBody};
use crate::failure::{Failure, FailureKind};
use crate::worker::Worker;

/// What a route asks of each request and each response.
#[derive(Debug)]
pub(crate) struct Gate {
    maintenance: Option<Arc<str>>,
    allow: Box<[IpNet]>,
    /// How many segments of a path the rules look at; `None` where there are none.
    depth: Option<usize>,
    redirects: Redirects,
    cors: Option<CorsRules>,
    access: Option<Access>,
    paths: Box<[PathPrefix]>,
    body_max: Option<Size>,
    rewrites: Rewrites,
    request_fields: FieldChanges,
    response_fields: FieldChanges,
    compress: bool,
}

/// Who stands at the gate.
#[derive(Debug)]
pub(crate) struct Visitor<'a> {
    /// The client's address; behind a trusted proxy, the one that it tells.
    pub(crate) address: IpAddr,
    /// Whether the client came over TLS.
    pub(crate) is_tls: bool,
    /// The host that the client asked for, port and all.
    pub(crate) host: HeaderValue,
    /// Who serves the request.
    pub(crate) worker: &'a Rc<Worker>,
}

/// What becomes of a request at the gate.
#[derive(Debug)]
pub(crate) enum Entered {
    /// It is answered here.
    Answer(Box<Response<ResponseBody>>),
    /// It is forwarded.
    Pass(Pass),
}

/// What a request that was let in takes along.
#[derive(Debug, Default)]
pub(crate) struct Pass {
    /// Who it comes from, when the route asks for that.
    pub(crate) identity: Option<Arc<str>>,
    /// What counts its body, when that has a limit.
    pub(crate) limit: Option<Rc<BodyLimit>>,
    /// What a rewrite took from the beginning of its path.
    prefix: Option<HeaderValue>,
}

/// What has to be known of a request when its response leaves.
#[derive(Debug)]
pub(crate) struct Parting {
    /// The origin of the page that asks.
    origin: Option<HeaderValue>,
    wish: Option<Wish>,
}

impl Gate {
    /// Makes a policy, with its preset's part, ready; `None` when it asks for nothing here. What
    /// `before` has counted of clients goes on.
    pub(crate) fn compile(policy: &Policy, before: Option<&Self>) -> Option<Box<Self>> {
        let mut gate = Self {
            maintenance: policy.maintenance.as_deref().map(Arc::from),
            allow: policy.allow.as_slice().into(),
            depth: depth(policy),
            redirects: Redirects::compile(&policy.redirects),
            cors: policy.cors.as_ref().map(CorsRules::compile),
            access: Access::compile(policy),
            paths: policy.paths.as_slice().into(),
            body_max: policy.body_max,
            rewrites: Rewrites::compile(&policy.rewrites),
            request_fields: FieldChanges::compile(&policy.request_headers),
            response_fields: FieldChanges::compile(&policy.response_headers),
            compress: policy.compress.unwrap_or(false),
        };
        let before = before.and_then(|gate| gate.access.as_ref());
        if let (Some(access), Some(before)) = (&mut gate.access, before) {
            access.carry_on(before);
        }
        let idle = gate.maintenance.is_none()
            && gate.allow.is_empty()
            && gate.depth.is_none()
            && gate.cors.is_none()
            && gate.access.is_none()
            && gate.body_max.is_none()
            && gate.request_fields.is_empty()
            && gate.response_fields.is_empty()
            && !gate.compress;
        (!idle).then(|| Box::new(gate))
    }

    /// What has to be remembered of a request until its response leaves.
    pub(crate) fn parting<B>(&self, request: &Request<B>) -> Parting {
        Parting {
            origin: self.cors.as_ref().and_then(|cors| cors.origin(request.headers())),
            wish: self.compress.then(|| Wish::of(request)),
        }
    }

    /// Answers a request, refuses it, or lets it in, with its path as the upstream is to see it.
    ///
    /// # Errors
    /// Says what the request lacks.
    pub(crate) async fn enter(
        &self,
        visitor: &Visitor<'_>,
        request: &mut Request<ClientBody>,
    ) -> Result<Entered, Failure> {
        if let Some(text) = &self.maintenance {
            return Err(FailureKind::Maintenance(Arc::clone(text)).into());
        }
        if !self.allow.is_empty() && !self.allow.iter().any(|net| net.contains(&visitor.address)) {
            return Err(FailureKind::AddressRefused.into());
        }
        if let Some(depth) = self.depth {
            straighten(request.uri_mut(), depth)?;
        }
        if let Some(response) = self.redirects.answer(request.uri(), visitor) {
            return Ok(Entered::Answer(Box::new(response)));
        }
        if let Some(cors) = &self.cors
            && let Some(answer) = cors.preflight(request)
        {
            return Ok(Entered::Answer(Box::new(answer?)));
        }
        let mut pass = Pass::default();
        if let Some(access) = &self.access {
            match access.check(visitor, request).await? {
                Verdict::Admit { identity } => pass.identity = identity,
                Verdict::Answer(response) => return Ok(Entered::Answer(response)),
            }
        }
        let path = request.uri().path();
        if !self.paths.is_empty() && !self.paths.iter().any(|prefix| prefix.rest(path).is_some()) {
            return Err(FailureKind::PathRefused.into());
        }
        if let Some(max) = self.body_max {
            if request.body().size_hint().lower() > max.0 {
                return Err(FailureKind::BodyTooLarge { max }.into());
            }
            pass.limit = Some(Rc::new(BodyLimit::new(max)));
        }
        pass.prefix = self.rewrites.apply(request.uri_mut())?;
        Ok(Entered::Pass(pass))
    }

    /// Adds to the head that an upstream gets, after everything else was set.
    pub(crate) fn dress(&self, headers: &mut HeaderMap, pass: &Pass) {
        if let Some(prefix) = &pass.prefix {
            rewrites::set_prefix(headers, prefix);
        }
        self.request_fields.apply(headers);
    }

    /// Changes a response before it leaves: an upstream's, or our own.
    pub(crate) fn leave(
        &self,
        parting: &Parting,
        compression: &Rc<Compression>,
        response: &mut Response<ResponseBody>,
    ) {
        if let Some(cors) = &self.cors {
            let is_own = response.body().is_own();
            cors.mark(response.headers_mut(), parting.origin.as_ref(), is_own);
        }
        self.response_fields.apply(response.headers_mut());
        if let Some(wish) = &parting.wish {
            compress::apply(wish, compression, response);
        }
    }
}

/// How many segments the rules about paths look at; `None` when there are no rules.
fn depth(policy: &Policy) -> Option<usize> {
    let segments = |prefix: &PathPrefix| match prefix.as_str() {
        "/" => 0,
        text => text.bytes().filter(|b| *b == b'/').count(),
    };
    let paths = policy.paths.iter();
    let redirects = policy.redirects.iter().map(|redirect| &redirect.from);
    let rewrites = policy.rewrites.iter().map(|rewrite| &rewrite.from);
    let keys = policy.api_keys.iter().flat_map(|key| &key.paths);
    paths.chain(redirects).chain(rewrites).chain(keys).map(segments).max()
}

/// Brings a path into the one form that is routed and forwarded, or refuses it.
fn straighten(uri: &mut Uri, depth: usize) -> Result<(), FailureKind> {
    if let std::borrow::Cow::Owned(path) = path::straight(uri.path(), depth)? {
        set_path(uri, path)?;
    }
    Ok(())
}

/// Replaces the path; the query stays.
fn set_path(uri: &mut Uri, mut path: String) -> Result<(), FailureKind> {
    if let Some(query) = uri.query() {
        path.push('?');
        path.push_str(query);
    }
    let changed = PathAndQuery::try_from(path).ok().and_then(|path| {
        let mut parts = std::mem::take(uri).into_parts();
        parts.path_and_query = Some(path);
        Uri::from_parts(parts).ok()
    });
    *uri = changed.ok_or(FailureKind::BadPath("it cannot be rewritten"))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_for_nothing_has_no_gate() {
        let gate = |text: &str| {
            let policy: Policy = toml::from_str(text).expect("a policy");
            Gate::compile(&policy.with_preset(), None)
        };
        for nothing in [
            "",
            "preset = 'grafana'",
            "compress = false",
            "access_log = false",
            "[timeouts]\nidle = '1m'",
            "[upstream]\nhost = 'upstream'\norigin = 'remove'",
        ] {
            assert!(gate(nothing).is_none(), "{nothing}");
        }
        for something in [
            "maintenance = ''",
            "allow = ['10.0.0.0/8']",
            "paths = ['/']",
            "redirects = [{ from = '/', to = '/a' }]",
            "rewrites = [{ from = '/a', to = '/' }]",
            "body_max = 0",
            "compress = true",
            "preset = 'ollama'",
            "[cors]\norigins = ['*']",
            "[request_headers]\nremove = ['a']",
            "[response_headers]\nset = { a = 'b' }",
        ] {
            assert!(gate(something).is_some(), "{something}");
        }
    }

    #[test]
    fn rules_look_as_deep_as_the_deepest() {
        for (text, expected) in [
            ("", None),
            ("paths = ['/']", Some(0)),
            ("paths = ['/a', '/b/c']", Some(2)),
            ("paths = ['/a']\nrewrites = [{ from = '/a/b/c', to = '/' }]", Some(3)),
        ] {
            assert_eq!(depth(&toml::from_str(text).expect("a policy")), expected, "{text}");
        }
    }
}
