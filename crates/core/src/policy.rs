//! What an operator asks of one service's traffic, beyond where it goes.
//!
//! Every part is optional: what is absent comes from the service's [`Preset`], and then from the
//! gateway's defaults. The written form is the same in the API, in the database and in files, and
//! it is defined here: this is the one domain type that is serializable. Unknown keys are refused.
//!
//! **Invariant:** a value that exists can be carried out: texts are parsed when they are read, and
//! [`Policy::check`] refuses what does not go together.

mod access;
mod balance;
mod clocks;
mod fields;
mod paths;
mod preset;
mod rejected;
mod schema;
mod shown;
mod size;
mod text;
mod upstreams;
mod watch;

pub use access::{
    ApiKey, BasicUser, Cors, ForwardAuth, KeyHash, MethodName, Origin, PasswordHash, RateKey,
    RateLimit, Url, UserName,
};
pub use balance::{Balance, HashKey, Share, Sticky};
pub use clocks::{Clocks, Span};
pub use fields::{FieldName, FieldValue, Fields};
pub use paths::{PathPrefix, Redirect, RedirectStatus, RedirectTarget, Rewrite};
pub use preset::Preset;
pub use rejected::InvalidPolicy;
pub use shown::{HIDDEN, ShownPolicy};
pub use size::Size;
pub use text::InvalidText;
pub use upstreams::{
    HostPolicy, OriginPolicy, ProxyHeader, Retries, ServerName, UpstreamTls, UpstreamUse,
};
pub use watch::{Outliers, ProbeKind, ProbePolicy, StatusSet};

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Everything that can be asked of one service's traffic.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// What kind of program it is: where defaults come from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<Preset>,

    /// How upstreams are chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub balance: Option<Balance>,
    /// Keeps a client on the upstream that it had first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sticky: Option<Sticky>,
    /// Upstreams that get another share than the others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shares: Vec<Share>,
    /// How long a readmitted upstream takes to get its whole share.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slow_start: Option<Span>,

    /// How long things may take.
    #[serde(skip_serializing_if = "Clocks::is_empty")]
    pub timeouts: Clocks,
    /// When a request is tried again.
    #[serde(skip_serializing_if = "Retries::is_empty")]
    pub retries: Retries,
    /// How upstreams are used: TLS, `Host`, and how much at once.
    #[serde(skip_serializing_if = "UpstreamUse::is_empty")]
    pub upstream: UpstreamUse,
    /// How upstreams are probed, beyond the path.
    #[serde(skip_serializing_if = "ProbePolicy::is_empty")]
    pub probe: ProbePolicy,
    /// When real traffic ejects an upstream.
    #[serde(skip_serializing_if = "Outliers::is_empty")]
    pub outliers: Outliers,

    /// The only paths that are served; empty means all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<PathPrefix>,
    /// Paths that are answered with a redirect; the first that fits counts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub redirects: Vec<Redirect>,
    /// Paths that the upstream sees differently; the first that fits counts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rewrites: Vec<Rewrite>,
    /// Fields of requests, set and removed.
    #[serde(skip_serializing_if = "Fields::is_empty")]
    pub request_headers: Fields,
    /// Fields of responses, set and removed.
    #[serde(skip_serializing_if = "Fields::is_empty")]
    pub response_headers: Fields,
    /// Whether responses that are safe to compress are compressed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compress: Option<bool>,
    /// The largest request body; absent means any size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_max: Option<Size>,

    /// The only networks that clients may come from; empty means any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>, example = json!(["10.0.0.0/8"]))]
    pub allow: Vec<IpNet>,
    /// How many requests a client may make.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<RateLimit>,
    /// Users who may come in with a password; empty means no password is asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub basic_auth: Vec<BasicUser>,
    /// Keys that programs may come in with; empty means no key is asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub api_keys: Vec<ApiKey>,
    /// Another service that decides who may come in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forward_auth: Option<ForwardAuth>,
    /// Which pages of other origins may use it from a browser.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cors: Option<Cors>,
    /// Answers every request with 503 and this text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maintenance: Option<String>,
    /// Whether its requests are in the access log; they are when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_log: Option<bool>,

    /// The gateway's port for a `tcp` service that passes the gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<u16>,
    /// Whether a `tcp` service's TLS is passed through to the upstream instead of ended here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_passthrough: Option<bool>,
    /// Whether the PROXY protocol is expected from clients of a `tcp` service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accept_proxy_header: Option<bool>,
}

/// What most services ask for.
static NOTHING: LazyLock<Arc<Policy>> = LazyLock::new(Arc::default);

impl Policy {
    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        std::ptr::eq(self, &**NOTHING) || *self == **NOTHING
    }

    /// The same, in one place for all services that ask for nothing: most do.
    #[must_use]
    pub fn shared(self) -> Arc<Self> {
        if self.is_empty() { Arc::clone(&NOTHING) } else { Arc::new(self) }
    }

    /// The policy with everything that its preset adds.
    #[must_use]
    pub fn with_preset(&self) -> Cow<'_, Self> {
        match self.preset {
            Some(preset) => Cow::Owned(self.over(preset.defaults())),
            None => Cow::Borrowed(self),
        }
    }

    /// Refuses what does not go together or is too much.
    ///
    /// # Errors
    /// Names the part and the mend.
    pub fn check(&self) -> Result<(), InvalidPolicy> {
        rejected::check(self)
    }

    /// What this asks for, and where it is silent, what `below` asks for.
    #[must_use]
    pub fn over(&self, below: Self) -> Self {
        fn list<T: Clone>(this: &[T], below: Vec<T>) -> Vec<T> {
            if this.is_empty() { below } else { this.to_vec() }
        }
        Self {
            preset: self.preset.or(below.preset),
            balance: self.balance.clone().or(below.balance),
            sticky: self.sticky.clone().or(below.sticky),
            shares: list(&self.shares, below.shares),
            slow_start: self.slow_start.or(below.slow_start),
            timeouts: self.timeouts.over(below.timeouts),
            retries: self.retries.over(below.retries),
            upstream: self.upstream.over(below.upstream),
            probe: self.probe.over(below.probe),
            outliers: self.outliers.over(below.outliers),
            paths: list(&self.paths, below.paths),
            redirects: list(&self.redirects, below.redirects),
            rewrites: list(&self.rewrites, below.rewrites),
            request_headers: self.request_headers.over(below.request_headers),
            response_headers: self.response_headers.over(below.response_headers),
            compress: self.compress.or(below.compress),
            body_max: self.body_max.or(below.body_max),
            allow: list(&self.allow, below.allow),
            rate: self.rate.or(below.rate),
            basic_auth: list(&self.basic_auth, below.basic_auth),
            api_keys: list(&self.api_keys, below.api_keys),
            forward_auth: self.forward_auth.clone().or(below.forward_auth),
            cors: self.cors.clone().or(below.cors),
            maintenance: self.maintenance.clone().or(below.maintenance),
            access_log: self.access_log.or(below.access_log),
            listen: self.listen.or(below.listen),
            tls_passthrough: self.tls_passthrough.or(below.tls_passthrough),
            accept_proxy_header: self.accept_proxy_header.or(below.accept_proxy_header),
        }
    }
}

#[cfg(test)]
mod tests;
