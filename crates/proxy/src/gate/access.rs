//! Who may come in, and how much: rates, passwords, keys, and other services that decide.
//!
//! Passwords over plain HTTP need no rule of their own: a request in the clear gets here only when
//! its service, or the whole gateway, is served without TLS on purpose; all others are redirected
//! before.
//!
//! **Invariant:** whatever says who a client is was written here: the fields that say it are taken
//! off the request first, in every spelling. A credential that let somebody in goes no further.
//! Who cannot be asked about is not let in.

pub(crate) mod ask;
mod credentials;
mod keys;
mod passwords;
pub(crate) mod refusal;

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use conduit_core::buckets::{Buckets, Rate};
use conduit_core::policy::{BasicUser, Policy, RateKey, RateLimit};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Request, Response};

use self::ask::{Ask, Reply};
use self::credentials::Basic;
use self::keys::Keys;
use self::passwords::{Judgement, Passwords};
use self::refusal::Refusal;
use super::Visitor;
use crate::authority;
use crate::body::{ClientBody, ResponseBody};
use crate::failure::Failure;

/// What a service asks of those who want in.
#[derive(Debug)]
pub(crate) struct Access {
    rate: Option<Limit>,
    users: Vec<BasicUser>,
    passwords: Option<Arc<Passwords>>,
    keys: Option<Keys>,
    ask: Option<Ask>,
    /// Failed tries by address.
    offenders: Arc<Buckets<IpAddr>>,
}

/// A rate limit with what it has counted.
#[derive(Debug)]
struct Limit {
    rate: RateLimit,
    buckets: Arc<Buckets<Counted>>,
}

/// What is counted together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Counted {
    Network(IpAddr),
    Identity(Arc<str>),
    Service,
}

/// What becomes of a request at the gate.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// It goes on; by whom it is, when that is known.
    Admit {
        /// A key's or a user's name.
        identity: Option<Arc<str>>,
    },
    /// This answers it.
    Answer(Box<Response<ResponseBody>>),
}

/// Fields that an upstream gets about who was let in. They are carried beside the request, since
/// what a request itself claims is dropped on the way.
#[derive(Debug, Clone, Default)]
pub(crate) struct Granted(Vec<(HeaderName, HeaderValue)>);

impl Granted {
    /// Writes the fields over whatever is there.
    pub(crate) fn write(self, headers: &mut HeaderMap) {
        for (name, _) in &self.0 {
            headers.remove(name);
        }
        for (name, value) in self.0 {
            headers.append(name, value);
        }
    }

    fn name(&mut self, field: &'static str, identity: &str) {
        // Invariant: names of keys and users have no control characters.
        if let Ok(value) = HeaderValue::from_bytes(identity.as_bytes()) {
            self.0.push((HeaderName::from_static(field), value));
        }
    }
}

impl Access {
    /// Makes a policy's part of it ready; `None` when nothing is asked.
    pub(crate) fn compile(policy: &Policy) -> Option<Self> {
        let access = Self {
            rate: policy.rate.map(Limit::new),
            users: policy.basic_auth.clone(),
            passwords: Passwords::new(&policy.basic_auth).map(Arc::new),
            keys: Keys::new(&policy.api_keys),
            ask: policy.forward_auth.as_ref().map(Ask::new),
            offenders: Arc::new(Buckets::new(Rate::new(FAILURES_MAX, FAILURES_IN, FAILURES_MAX))),
        };
        let asks = access.rate.is_some() || access.asks_for_credentials() || access.ask.is_some();
        asks.then_some(access)
    }

    /// Goes on with what `before` has counted and remembered, where the same is asked.
    pub(crate) fn carry_on(&mut self, before: &Self) {
        self.offenders = Arc::clone(&before.offenders);
        if self.users == before.users {
            self.passwords.clone_from(&before.passwords);
        }
        if let (Some(limit), Some(old)) = (&mut self.rate, &before.rate)
            && limit.rate == old.rate
        {
            limit.buckets = Arc::clone(&old.buckets);
        }
    }

    /// Decides about one request, and takes off it what must not go further.
    ///
    /// # Errors
    /// When it is refused.
    pub(crate) async fn check(
        &self,
        visitor: &Visitor<'_>,
        request: &mut Request<ClientBody>,
    ) -> Result<Verdict, Failure> {
        let mut granted = Granted::default();
        remove_spellings(request.headers_mut(), |name| name == X_CONDUIT_KEY);
        let network = network(visitor.address);
        self.count(RateKey::Client, || Counted::Network(network))?;
        self.count(RateKey::Service, || Counted::Service)?;
        let mut identity = match self.asks_for_credentials() {
            true => Some(self.identify(visitor, request, network, &mut granted).await?),
            false => None,
        };
        if let Some(ask) = &self.ask {
            match ask.ask(visitor, request).await? {
                Reply::Admit { fields, user } => {
                    granted.0.extend(fields);
                    identity = identity.or(user);
                }
                Reply::Answer(response) => return Ok(Verdict::Answer(response)),
            }
            remove_spellings(request.headers_mut(), |name| ask.copies(name));
        }
        self.count(RateKey::Identity, || match &identity {
            Some(identity) => Counted::Identity(Arc::clone(identity)),
            None => Counted::Network(network),
        })?;
        if !granted.0.is_empty() {
            request.extensions_mut().insert(granted);
        }
        Ok(Verdict::Admit { identity })
    }

    fn asks_for_credentials(&self) -> bool {
        self.passwords.is_some() || self.keys.is_some()
    }

    fn count(&self, by: RateKey, counted: impl FnOnce() -> Counted) -> Result<(), Refusal> {
        match &self.rate {
            Some(limit) if limit.rate.by == by => limit
                .buckets
                .take(counted())
                .map_err(|retry| Refusal::RateLimited { limit: limit.rate, retry }),
            _ => Ok(()),
        }
    }

    /// Whose credentials these are. Either kind is enough where both are known.
    async fn identify(
        &self,
        visitor: &Visitor<'_>,
        request: &mut Request<ClientBody>,
        network: IpAddr,
        granted: &mut Granted,
    ) -> Result<Arc<str>, Refusal> {
        self.offenders.peek(&network).map_err(Refusal::TooManyFailures)?;
        if let Some(keys) = &self.keys
            && let Some(name) = open(keys, request)?
        {
            granted.name(X_CONDUIT_KEY, &name);
            return Ok(name);
        }
        if let Some(passwords) = &self.passwords
            && let Some(basic) = Basic::of(request.headers())
        {
            match passwords.check(basic).await {
                Judgement::Right(name) => {
                    request.headers_mut().remove(header::AUTHORIZATION);
                    granted.name(X_FORWARDED_USER, &name);
                    return Ok(name);
                }
                Judgement::Busy => return Err(Refusal::Busy),
                Judgement::Wrong => {}
            }
        }
        let headers = request.headers();
        let wrong_key = self.keys.is_some() && credentials::tries_key(headers);
        let wrong_password = self.passwords.is_some() && credentials::tries_basic(headers);
        if wrong_key || wrong_password {
            // Whether it was the last one that is free does not matter to this one.
            self.offenders.take(network).ok();
        }
        Err(Refusal::Unauthorized {
            realm: realm(visitor, request),
            passwords: self.passwords.is_some(),
            keys: self.keys.is_some(),
            wrong_key,
            wrong_password,
        })
    }
}

impl Limit {
    fn new(rate: RateLimit) -> Self {
        let burst = rate.burst.unwrap_or(rate.requests);
        let buckets = Buckets::new(Rate::new(rate.requests, rate.per.get(), burst));
        Self { rate, buckets: Arc::new(buckets) }
    }
}

/// The name of the first key that a request has, taking every one that is known off it.
fn open(keys: &Keys, request: &mut Request<ClientBody>) -> Result<Option<Arc<str>>, Refusal> {
    let mut fields = Vec::new();
    let mut found = None;
    for (field, text) in credentials::keys(request.headers()) {
        if let Some(key) = keys.find(text) {
            fields.push(field);
            found.get_or_insert(key);
        }
    }
    let Some(key) = found else {
        return Ok(None);
    };
    let lacks = key.lacks(request.method(), request.uri().path());
    if let Some(lacks) = lacks.or_else(|| key.lacks_in(request.headers())) {
        return Err(Refusal::KeyScope { key: Arc::clone(&key.name), lacks });
    }
    for field in fields {
        request.headers_mut().remove(field);
    }
    Ok(Some(Arc::clone(&key.name)))
}

/// What a client is asked to log in to: the service, as far as it is still there.
fn realm(visitor: &Visitor<'_>, request: &Request<ClientBody>) -> String {
    let Ok(host) = authority::of_request(request.uri(), request.headers(), request.version())
    else {
        return String::new();
    };
    let table = visitor.worker.table().load();
    table.get(&host).map_or_else(|| host.to_string(), |route| route.service.to_string())
}

/// An address as it is counted: IPv6 by the network that one client usually has.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & IPV6_NETWORK).into(),
        v4 => v4,
    }
}

/// Removes fields in every spelling that some server takes for the same: `_` and `.` for `-`.
fn remove_spellings(headers: &mut HeaderMap, is_meant: impl Fn(&str) -> bool) {
    let fits = |name: &HeaderName| {
        let name = name.as_str();
        match name.contains(['_', '.']) {
            true => is_meant(&name.replace(['_', '.'], "-")),
            false => is_meant(name),
        }
    };
    while let Some(name) = headers.keys().find(|name| fits(name)).cloned() {
        headers.remove(name);
    }
}

/// The first 64 bits.
const IPV6_NETWORK: u128 = !0 << 64;
/// Failed tries of one address that are answered, at once and
const FAILURES_MAX: u32 = 10;
/// in this time; then all its tries get 429 for a while.
const FAILURES_IN: Duration = Duration::from_secs(60);
/// Tells an upstream the name of the key.
const X_CONDUIT_KEY: &str = "x-conduit-key";
/// Tells an upstream the name of the user.
const X_FORWARDED_USER: &str = "x-forwarded-user";

#[cfg(test)]
mod tests;
